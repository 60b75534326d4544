//! Transposed convolutions.

use super::settings::{image_at_stride, one, same, yes};
use super::{Channels, Init, Layer, Padding, WeightNorm, Weights, windows};
use crate::shape::{DataShape, Dims, Window};
use serde::{Deserialize, Serialize};

/// Transposed 2-D convolution: what [`Conv2d`](super::Conv2d) does to gradients, `[rows, h, w, in]` to
/// `[rows, oh, ow, channels]`. W `[in, channels, k, k]`, as PyTorch has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvTranspose2d {
    /// Output channels; `"image"`: those of the data's images.
    pub channels: Channels,
    /// Side of the square kernel.
    pub kernel: u32,
    /// Step between the windows in the output.
    #[serde(default = "one")]
    pub stride: u32,
    /// `"same"`: output = stride x input; else output = (input - 1) stride + kernel - 2 padding.
    #[serde(default = "same")]
    pub padding: Padding,
    /// With padding `"same"`: the output has the rows and columns of the data's images divided by this, rounded up,
    /// of which the convolution back makes the input's. So a last layer with 1 ends at any image size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_stride: Option<u32>,
    /// Adds b.
    #[serde(default = "yes")]
    pub bias: bool,
    /// Initial weights.
    #[serde(default)]
    pub init: Init,
}

impl Layer for ConvTranspose2d {
    fn shape(&self, input: Dims, data: DataShape) -> std::result::Result<(Dims, Option<Window>), String> {
        let channels = self.channels.of(data.image)?;
        let sides = match self.image_stride {
            Some(_) if self.padding != same() => return Err("image_stride needs padding \"same\"".into()),
            Some(stride) => Some(image_at_stride(data.image, stride)?),
            None => None,
        };
        let (window, [height, width]) =
            windows::window_under(input, self.kernel, self.stride, self.padding, sides)?;
        Ok((Dims { height, width, channels }, Some(window)))
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
