//! The activation function `max(x, 0)`.

use super::Layer;
use crate::ops::Activation;
use serde::{Deserialize, Serialize};

/// max(x, 0)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relu {}

impl Layer for Relu {
    fn activation(&self) -> Option<Activation> {
        Some(Activation::Relu)
    }
}
