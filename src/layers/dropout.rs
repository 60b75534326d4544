//! Dropout.

use super::{Backward, Draws, Forward, Layer};
use crate::error::Result;
use crate::gpu::{Program, Tensor};
use crate::ops::Activation;
use crate::shape::{DataShape, Dims, Window};
use serde::{Deserialize, Serialize};

/// Inverted dropout: y = x / (1 - rate) with probability 1 - rate, else 0; identity in evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// Probability of zero.
    pub rate: f32,
}

impl Layer for Dropout {
    fn shape(&self, input: Dims, _: DataShape) -> std::result::Result<(Dims, Option<Window>), String> {
        let rate = self.rate;
        if !(0.0..1.0).contains(&rate) {
            return Err(format!("rate {rate} must be within 0..1"));
        }
        Ok((input, None))
    }

    fn derivative_with(&self, below: Activation) -> Option<Activation> {
        (self.rate > 0.0 && below == Activation::Relu).then_some(Activation::ReluDropout(1.0 - self.rate))
    }

    /// The factor, 0 or 1 / (1 - rate).
    fn draws(&self) -> Option<Draws> {
        let rate = self.rate;
        (rate > 0.0).then(|| Draws::PerValue {
            name: "dropout",
            record: Box::new(move |ops, p, stream, y| {
                let ones = ops.gpu.upload("ones", y.rows, y.cols, &vec![1.0f32; y.len()]);
                ops.dropout(p, "trace", stream, rate, &ones, y)
            }),
        })
    }

    fn kind(&self) -> &'static str {
        "noise"
    }

    fn detail(&self) -> String {
        format!(" {}", self.rate)
    }

    fn forward(&self, p: &mut Program, f: Forward<'_>) -> Result<Tensor> {
        let Some(stream) = f.stream().filter(|_| self.rate > 0.0) else { return Ok(f.x.clone()) };
        let y = f.output(p)?;
        f.at.ops.dropout(p, &f.label(), stream, self.rate, f.x, &y)?;
        Ok(y)
    }

    fn backward(&self, p: &mut Program, b: Backward<'_>) -> Result<Tensor> {
        let Some(stream) = b.stream().filter(|_| self.rate > 0.0) else { return Ok(b.d.clone()) };
        let dx = b.like_d(p);
        b.at.ops.dropout(p, &b.label(), stream, self.rate, b.d, &dx)?;
        Ok(dx)
    }
}
