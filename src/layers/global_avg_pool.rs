//! Pooling to one pixel.

use super::{Backward, Forward, Layer};
use crate::error::Result;
use crate::gpu::{Program, Tensor};
use crate::shape::{DataShape, Dims, Window};
use serde::{Deserialize, Serialize};

/// Mean over height and width: `[rows, h, w, c]` to `[rows, c]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalAvgPool {}

impl Layer for GlobalAvgPool {
    fn shape(&self, input: Dims, _: DataShape) -> std::result::Result<(Dims, Option<Window>), String> {
        Ok((Dims::flat(input.channels), None))
    }

    fn gives_images(&self) -> Option<bool> {
        Some(false)
    }

    fn forward(&self, p: &mut Program, f: Forward<'_>) -> Result<Tensor> {
        let y = f.output(p)?;
        f.at.ops.global_avg_pool(p, &f.label(), f.x, &y)?;
        Ok(y)
    }

    fn backward(&self, p: &mut Program, b: Backward<'_>) -> Result<Tensor> {
        let dx = b.input_gradient(p, &b.label());
        b.at.ops.global_avg_pool_grad(p, &b.label(), b.d, &dx)?;
        Ok(dx)
    }
}
