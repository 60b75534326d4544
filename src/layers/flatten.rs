//! Images to rows of numbers.

use super::{Backward, Forward, Layer, LayerShape};
use crate::error::Result;
use crate::gpu::{Program, Tensor};
use crate::shape::{DataShape, Dims, Window};
use serde::{Deserialize, Serialize};

/// `[rows, h, w, c]` to `[rows, h*w*c]`; the order of the values does not change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flatten {}

impl Layer for Flatten {
    fn shape(&self, input: Dims, _: DataShape) -> std::result::Result<(Dims, Option<Window>), String> {
        Ok((Dims::flat(input.len()), None))
    }

    fn gives_images(&self) -> Option<bool> {
        Some(false)
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
