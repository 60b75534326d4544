//! Convolutions.

use super::settings::{one, same, yes};
use super::{Init, Layer, Padding, WeightNorm, Weights, windows};
use crate::shape::{DataShape, Dims, Window};
use serde::{Deserialize, Serialize};

/// 2-D convolution (cross-correlation). x `[rows, h, w, in]`, W `[channels, in, k, k]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2d {
    /// Output channels.
    pub channels: u32,
    /// Side of the square kernel.
    pub kernel: u32,
    /// Step of the window.
    #[serde(default = "one")]
    pub stride: u32,
    /// Zero padding.
    #[serde(default = "same")]
    pub padding: Padding,
    /// Adds b.
    #[serde(default = "yes")]
    pub bias: bool,
    /// Weight normalisation.
    #[serde(default)]
    pub weight_norm: WeightNorm,
    /// Initial weights.
    #[serde(default)]
    pub init: Init,
}

impl Layer for Conv2d {
    fn shape(&self, input: Dims, _: DataShape) -> std::result::Result<(Dims, Option<Window>), String> {
        if self.channels == 0 {
            return Err("channels must be at least 1".into());
        }
        let (window, [height, width]) = windows::window_over(input, self.kernel, self.stride, self.padding)?;
        Ok((Dims { height, width, channels: self.channels }, Some(window)))
    }

    fn gives_images(&self) -> Option<bool> {
        Some(true)
    }

    fn weights(&self) -> Option<Weights> {
        let Conv2d { init, weight_norm: norm, bias, .. } = *self;
        Some(Weights { init, norm, bias, transposed: false })
    }

    fn detail(&self) -> String {
        let window = windows::detail(self.kernel, self.stride, self.padding);
        format!("{window}{}", self.weight_norm.detail())
    }
}
