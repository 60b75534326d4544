//! Images mirrored at random.

use super::{Backward, Draws, Forward, Layer};
use crate::error::Result;
use crate::gpu::{Program, Tensor};
use crate::rng;
use serde::{Deserialize, Serialize};

/// Mirrors each image with probability 1/2, left to right, drawn anew each time; the identity in evaluation. For images
/// whose mirror image could have been taken too, such as photographs; not for writing. Mirrors real and generated images
/// alike, as `random_shift` moves them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomFlip {}

impl Layer for RandomFlip {
    /// 1 for a mirrored image, else 0.
    fn draws(&self) -> Option<Draws> {
        let of = |seed, at, row| vec![f32::from(u8::from(rng::flip(seed, at, row)))];
        Some(Draws::PerImage { name: "flip", count: 1, of: Box::new(of) })
    }

    fn kind(&self) -> &'static str {
        "noise"
    }

    fn forward(&self, p: &mut Program, f: Forward<'_>) -> Result<Tensor> {
        let Some(stream) = f.stream() else { return Ok(f.x.clone()) };
        let y = f.output(p)?;
        f.at.ops.random_flip(p, &f.label(), stream, f.at.layer.input, (f.x, &y))?;
        Ok(y)
    }

    fn backward(&self, p: &mut Program, b: Backward<'_>) -> Result<Tensor> {
        let Some(stream) = b.stream() else { return Ok(b.d.clone()) };
        let dx = b.like_d(p);
        b.at.ops.random_flip(p, &b.label(), stream, b.at.layer.input, (b.d, &dx))?;
        Ok(dx)
    }
}
