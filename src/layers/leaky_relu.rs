//! The activation function `x > 0 ? x : slope x`.

use super::Layer;
use crate::ops::Activation;
use crate::shape::{DataShape, Dims, Window};
use serde::{Deserialize, Serialize};

/// x > 0 ? x : slope x
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeakyRelu {
    /// Slope of the negative half.
    #[serde(default = "slope")]
    pub slope: f32,
}

fn slope() -> f32 {
    0.2
}

impl Layer for LeakyRelu {
    fn shape(&self, input: Dims, _: DataShape) -> Result<(Dims, Option<Window>), String> {
        let slope = self.slope;
        if !slope.is_finite() || slope <= 0.0 || slope >= 1.0 {
            return Err(format!("slope {slope} must be between 0 and 1 (use relu for 0)"));
        }
        Ok((input, None))
    }

    fn activation(&self) -> Option<Activation> {
        Some(Activation::LeakyRelu(self.slope))
    }

    fn detail(&self) -> String {
        format!(" {}", self.slope)
    }
}
