//! Images under random affine maps.

use super::{Backward, Draws, Forward, Layer};
use crate::error::Result;
use crate::gpu::{Program, Tensor};
use crate::rng;
use crate::shape::{DataShape, Dims, Window};
use serde::{Deserialize, Serialize};

/// Each image under an affine map of its own, drawn anew each time, read linearly between the pixels, zeros coming in
/// from outside; the identity in evaluation: a small turn, stretch and slant with a shift. Moves real and generated
/// images alike, as `random_shift`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomAffine {
    /// Most rows, and most columns, that an image moves by; fractions count.
    #[serde(default = "shift")]
    pub shift: f32,
    /// How far each of the four entries of the matrix may be from the identity's, 0 to 0.4.
    #[serde(default = "warp")]
    pub warp: f32,
}

fn shift() -> f32 {
    2.0
}
fn warp() -> f32 {
    0.2
}

impl Default for RandomAffine {
    fn default() -> RandomAffine {
        RandomAffine { shift: shift(), warp: warp() }
    }
}

impl RandomAffine {
    fn moves(&self) -> bool {
        self.shift > 0.0 || self.warp > 0.0
    }
}

impl Layer for RandomAffine {
    fn shape(&self, input: Dims, _: DataShape) -> std::result::Result<(Dims, Option<Window>), String> {
        let RandomAffine { shift, warp } = *self;
        let side = input.height.min(input.width) as f32;
        if !(shift >= 0.0 && shift < side) {
            return Err(format!("shift {shift} must be at least 0 and less than the sides of {input}"));
        }
        // Further away an image may be turned inside out.
        if !(0.0..=0.4).contains(&warp) {
            return Err(format!("warp {warp} must be within 0..=0.4"));
        }
        Ok((input, None))
    }

    /// Matrix and shift of each image.
    fn draws(&self) -> Option<Draws> {
        let RandomAffine { shift, warp } = *self;
        let of = move |seed, at, row| {
            rng::affine(seed, at, row, shift.into(), warp.into()).map(|v| v as f32).to_vec()
        };
        Some(Draws::PerImage { name: "affine", count: 6, of: Box::new(of) })
    }

    fn kind(&self) -> &'static str {
        "noise"
    }

    fn detail(&self) -> String {
        format!(" ±{} pixels, ±{}", self.shift, self.warp)
    }

    fn forward(&self, p: &mut Program, f: Forward<'_>) -> Result<Tensor> {
        let Some(stream) = f.stream().filter(|_| self.moves()) else { return Ok(f.x.clone()) };
        let y = f.output(p)?;
        let draw = (stream, self.shift, self.warp);
        f.at.ops.random_affine(p, &f.label(), draw, f.at.layer.input, false, (f.x, &y))?;
        Ok(y)
    }

    fn backward(&self, p: &mut Program, b: Backward<'_>) -> Result<Tensor> {
        let Some(stream) = b.stream().filter(|_| self.moves()) else { return Ok(b.d.clone()) };
        let dx = b.like_d(p);
        let draw = (stream, self.shift, self.warp);
        b.at.ops.random_affine(p, &b.label(), draw, b.at.layer.input, true, (b.d, &dx))?;
        Ok(dx)
    }
}
