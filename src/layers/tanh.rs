//! The activation function `tanh x`.

use super::Layer;
use crate::ops::Activation;
use serde::{Deserialize, Serialize};

/// tanh x
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tanh {}

impl Layer for Tanh {
    fn activation(&self) -> Option<Activation> {
        Some(Activation::Tanh)
    }
}
