//! Pooling to the largest value.

use super::settings::valid;
use super::windows::{self, conv};
use super::{Backward, Forward, Layer, LayerShape, Padding};
use crate::error::Result;
use crate::gpu::{Program, Tensor};
use crate::shape::{DataShape, Dims, Window};
use serde::{Deserialize, Serialize};

/// Largest value of each window, per channel: `[rows, h, w, c]` to `[rows, oh, ow, c]`. Padding does not count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPool2d {
    /// Side of the square window.
    pub kernel: u32,
    /// Step of the window; the window's side if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<u32>,
    /// Padding.
    #[serde(default = "valid")]
    pub padding: Padding,
}

impl Layer for MaxPool2d {
    fn shape(&self, input: Dims, _: DataShape) -> std::result::Result<(Dims, Option<Window>), String> {
        let stride = self.stride.unwrap_or(self.kernel);
        let (window, [height, width]) = windows::window_over(input, self.kernel, stride, self.padding)?;
        Ok((Dims { height, width, ..input }, Some(window)))
    }

    fn gives_images(&self) -> Option<bool> {
        Some(true)
    }

    fn flops(&self, at: &LayerShape) -> u64 {
        u64::from(self.kernel * self.kernel) * u64::from(at.output.len())
    }

    fn takes_derivative(&self) -> bool {
        true
    }

    fn chooses(&self) -> bool {
        true
    }

    fn detail(&self) -> String {
        windows::detail(self.kernel, self.stride.unwrap_or(self.kernel), self.padding)
    }

    fn forward(&self, p: &mut Program, f: Forward<'_>) -> Result<Tensor> {
        let y = f.output(p)?;
        // Only a backward pass asks where the values came from.
        let taps = f.batch.trains().then(|| p.scratch(&f.at.ops.gpu, &f.label(), y.rows, y.cols));
        f.at.ops.max_pool2d(p, &f.label(), &conv(f.at.layer), f.x, (&y, taps.as_ref()))?;
        f.saved.extend(taps);
        Ok(y)
    }

    fn backward(&self, p: &mut Program, b: Backward<'_>) -> Result<Tensor> {
        let below = b.below.map(|below| (&below.y, below.activation));
        let dx = b.input_gradient(p, &b.label());
        let taps = b.saved.first().expect("a training pass keeps the places").head(b.d.rows);
        b.at.ops.max_pool2d_grad(p, &b.label(), &conv(b.at.layer), (b.d, &taps), below, &dx)?;
        Ok(dx)
    }
}
