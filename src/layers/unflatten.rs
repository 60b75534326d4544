//! Rows of numbers to images.

use super::settings::image_at_stride;
use super::{Backward, Forward, Layer, LayerShape};
use crate::error::Result;
use crate::gpu::{Program, Tensor};
use crate::shape::{DataShape, Dims, Window};
use serde::{Deserialize, Serialize};

/// `[rows, n]` to `[rows, height, width, n / (height*width)]`; the order of the values does not change. Either
/// `height` and `width` are given, or `image_stride`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unflatten {
    /// Rows of pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Columns of pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Rows and columns of the data's images divided by this, rounded up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_stride: Option<u32>,
}

impl Layer for Unflatten {
    fn shape(&self, input: Dims, data: DataShape) -> std::result::Result<(Dims, Option<Window>), String> {
        let [height, width] = match *self {
            Unflatten { height: Some(height), width: Some(width), image_stride: None } => [height, width],
            Unflatten { height: None, width: None, image_stride: Some(s) } => image_at_stride(data.image, s)?,
            _ => return Err("give height and width, or image_stride alone".into()),
        };
        let pixels = u64::from(height) * u64::from(width);
        if pixels == 0 {
            return Err("height and width must be at least 1".into());
        }
        let values = u64::from(input.len());
        if !values.is_multiple_of(pixels) {
            return Err(format!("{values} values are no whole channels of {height}x{width}"));
        }
        Ok((Dims { height, width, channels: (values / pixels) as u32 }, None))
    }

    fn gives_images(&self) -> Option<bool> {
        Some(true)
    }

    fn flops(&self, _: &LayerShape) -> u64 {
        0
    }

    fn passes_gradient(&self) -> bool {
        true
    }

    fn forward(&self, _: &mut Program, f: Forward<'_>) -> Result<Tensor> {
        Ok(f.reshaped())
    }

    fn backward(&self, _: &mut Program, b: Backward<'_>) -> Result<Tensor> {
        Ok(b.d.clone())
    }
}
