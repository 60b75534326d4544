//! Images from the generator.

use crate::error::Result;
use crate::gpu::{Pool, Program, Tensor};
use crate::model::shape::ModelShape;
use crate::model::spec::Prior;
use crate::nn::{Mode, Net};
use crate::ops::{Fill, Ops, State};
use crate::rng::streams;

/// A recorded pass of G in evaluation mode on z of its own stream.
#[derive(Debug)]
pub struct Sampler {
    program: Program,
    images: Tensor,
}

impl Sampler {
    /// Records `count` images of `g`, whose packed weights it shares.
    ///
    /// # Errors
    /// As [`Net::forward`].
    pub fn new(ops: &Ops, g: &Net, model: &ModelShape, count: u32) -> Result<Sampler> {
        let mut program = Program::sharing();
        let z = ops.gpu.tensor("sample z", count, g.shape.input.channels);
        let fill = if model.prior == Prior::Uniform { Fill::Uniform } else { Fill::Normal };
        ops.random_fill(&mut program, "samples", streams::Z_SAMPLES, fill, &z)?;
        let tape = g.forward(ops, &mut program, &z, &Mode::Eval, g.shape.layers.len())?;
        let made = tape.outputs.last().expect("a checked network has layers");
        let images = ops.gpu.tensor("samples", made.rows, made.cols);
        ops.copy(&mut program, "samples", made, &images, false)?;
        program.plan(&ops.gpu, &mut Pool::default());
        Ok(Sampler { program, images })
    }

    /// The images of the `draw`-th sequence of `seed`, NHWC values in 0..1.
    ///
    /// # Errors
    /// [`crate::error::Error::Gpu`] or [`crate::error::Error::DeviceLost`] if the device failed.
    pub async fn run(&self, ops: &Ops, seed: u64, draw: u32) -> Result<Vec<f32>> {
        let state =
            State { seed_lo: seed as u32, seed_hi: (seed >> 32) as u32, step: draw, ..State::default() };
        ops.gpu.write(&ops.state, &[state]);
        ops.gpu.submit(&self.program, &[]).await?;
        ops.gpu.read(&self.images).await
    }
}
