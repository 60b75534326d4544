//! Transposed convolutions.

use super::settings::{one, same, yes};
use super::{Init, Layer, Padding, WeightNorm, Weights, windows};
use crate::shape::{DataShape, Dims, Window};
use serde::{Deserialize, Serialize};

/// Transposed 2-D convolution: what [`Conv2d`](super::Conv2d) does to gradients, `[rows, h, w, in]` to
/// `[rows, oh, ow, channels]`. W `[in, channels, k, k]`, as PyTorch has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvTranspose2d {
    /// Output channels.
    pub channels: u32,
    /// Side of the square kernel.
    pub kernel: u32,
    /// Step between the windows in the output.
    #[serde(default = "one")]
    pub stride: u32,
    /// `"same"`: output = stride x input; else output = (input - 1) stride + kernel - 2 padding.
    #[serde(default = "same")]
    pub padding: Padding,
    /// Adds b.
    #[serde(default = "yes")]
    pub bias: bool,
    /// Initial weights.
    #[serde(default)]
    pub init: Init,
}

impl Layer for ConvTranspose2d {
    fn shape(&self, input: Dims, _: DataShape) -> std::result::Result<(Dims, Option<Window>), String> {
        if self.channels == 0 {
            return Err("channels must be at least 1".into());
        }
        let (window, [height, width]) = windows::window_under(input, self.kernel, self.stride, self.padding)?;
        Ok((Dims { height, width, channels: self.channels }, Some(window)))
    }

    fn gives_images(&self) -> Option<bool> {
        Some(true)
    }

    fn weights(&self) -> Option<Weights> {
        let ConvTranspose2d { init, bias, .. } = *self;
        Some(Weights { init, norm: WeightNorm::None, bias, transposed: true })
    }

    fn detail(&self) -> String {
        windows::detail(self.kernel, self.stride, self.padding)
    }
}
