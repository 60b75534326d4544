//! The activation function `1 / (1 + e^-x)`.

use super::Layer;
use crate::ops::Activation;
use serde::{Deserialize, Serialize};

/// 1 / (1 + e^-x)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sigmoid {}

impl Layer for Sigmoid {
    fn activation(&self) -> Option<Activation> {
        Some(Activation::Sigmoid)
    }
}
