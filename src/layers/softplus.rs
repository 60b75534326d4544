//! The activation function `log(1 + e^x)`.

use super::Layer;
use crate::ops::Activation;
use serde::{Deserialize, Serialize};

/// log(1 + e^x)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Softplus {}

impl Layer for Softplus {
    fn activation(&self) -> Option<Activation> {
        Some(Activation::Softplus)
    }
}
