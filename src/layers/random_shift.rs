//! Images moved by whole pixels.

use super::{Backward, Draws, Forward, Layer};
use crate::error::Result;
use crate::gpu::{Program, Tensor};
use crate::rng;
use crate::shape::{DataShape, Dims, Window};
use serde::{Deserialize, Serialize};

/// Moves each image by up to `pixels` rows and columns, drawn anew each time, zeros coming in from outside; the
/// identity in evaluation. At the start of a discriminator it moves real and generated images alike (Zhao et al.
/// 2020, "Differentiable Augmentation", translation).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomShift {
    /// Most rows, and most columns.
    pub pixels: u32,
}

impl Layer for RandomShift {
    fn shape(&self, input: Dims, _: DataShape) -> std::result::Result<(Dims, Option<Window>), String> {
        let pixels = self.pixels;
        if pixels > 64 {
            return Err(format!("pixels {pixels} may be at most 64"));
        }
        if pixels >= input.height.min(input.width) {
            return Err(format!("pixels {pixels} must be less than the sides of {input}"));
        }
        Ok((input, None))
    }

    /// Rows and columns that each image moves by.
    fn draws(&self) -> Option<Draws> {
        let pixels = self.pixels;
        let of = move |seed, at, row| rng::shift(seed, at, row, pixels).map(|v| v as f32).to_vec();
        Some(Draws::PerImage { name: "shift", count: 2, of: Box::new(of) })
    }

    fn kind(&self) -> &'static str {
        "noise"
    }

    fn detail(&self) -> String {
        format!(" ±{} pixels", self.pixels)
    }

    fn forward(&self, p: &mut Program, f: Forward<'_>) -> Result<Tensor> {
        let Some(stream) = f.stream().filter(|_| self.pixels > 0) else { return Ok(f.x.clone()) };
        let y = f.output(p)?;
        let draw = (stream, self.pixels);
        f.at.ops.random_shift(p, &f.label(), draw, f.at.layer.input, false, (f.x, &y))?;
        Ok(y)
    }

    fn backward(&self, p: &mut Program, b: Backward<'_>) -> Result<Tensor> {
        let Some(stream) = b.stream().filter(|_| self.pixels > 0) else { return Ok(b.d.clone()) };
        let dx = b.like_d(p);
        let draw = (stream, self.pixels);
        b.at.ops.random_shift(p, &b.label(), draw, b.at.layer.input, true, (b.d, &dx))?;
        Ok(dx)
    }
}
