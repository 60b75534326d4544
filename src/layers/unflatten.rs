//! Rows of numbers to images.

use super::{Backward, Forward, Layer, LayerShape};
use crate::error::Result;
use crate::gpu::{Program, Tensor};
use crate::shape::{DataShape, Dims, Window};
use serde::{Deserialize, Serialize};

/// `[rows, n]` to `[rows, height, width, n / (height*width)]`; the order of the values does not change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unflatten {
    /// Rows of pixels.
    pub height: u32,
    /// Columns of pixels.
    pub width: u32,
}

impl Layer for Unflatten {
    fn shape(&self, input: Dims, _: DataShape) -> std::result::Result<(Dims, Option<Window>), String> {
        let Unflatten { height, width } = *self;
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
