//! Additive noise.

use super::{Backward, Draws, Forward, Layer};
use crate::error::Result;
use crate::gpu::{Program, Tensor};
use crate::shape::{DataShape, Dims, Window};
use serde::{Deserialize, Serialize};

/// y = x + sigma n, n standard normal; the identity in evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaussianNoise {
    /// Standard deviation.
    pub sigma: f32,
}

impl Layer for GaussianNoise {
    fn shape(&self, input: Dims, _: DataShape) -> std::result::Result<(Dims, Option<Window>), String> {
        let sigma = self.sigma;
        if !(sigma.is_finite() && sigma >= 0.0) {
            return Err(format!("sigma {sigma} must not be negative"));
        }
        Ok((input, None))
    }

    fn passes_gradient(&self) -> bool {
        true
    }

    /// The normals.
    fn draws(&self) -> Option<Draws> {
        (self.sigma > 0.0).then(|| Draws::PerValue {
            name: "noise",
            record: Box::new(|ops, p, stream, y| {
                let zeros = ops.gpu.tensor("zeros", y.rows, y.cols);
                ops.noise(p, "trace", stream, 1.0, &zeros, y)
            }),
        })
    }

    fn kind(&self) -> &'static str {
        "noise"
    }

    fn detail(&self) -> String {
        format!(" σ {}", self.sigma)
    }

    fn forward(&self, p: &mut Program, f: Forward<'_>) -> Result<Tensor> {
        let Some(stream) = f.stream().filter(|_| self.sigma > 0.0) else { return Ok(f.x.clone()) };
        let y = f.output(p)?;
        f.at.ops.noise(p, &f.label(), stream, self.sigma, f.x, &y)?;
        Ok(y)
    }

    fn backward(&self, _: &mut Program, b: Backward<'_>) -> Result<Tensor> {
        Ok(b.d.clone())
    }
}
