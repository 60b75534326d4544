//! Images of a checkpoint's generator, without training.

use super::checkpoint::Checkpoint;
use super::evaluator::ROWS;
use super::inference::{LastPass, saved_net};
use super::sampler::Sampler;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Program};
use crate::model::shape::ModelShape;
use crate::nn::Net;
use crate::ops::Ops;

/// A checkpoint's generator on the device, which draws images a few at a time.
#[derive(Debug)]
pub struct Generator {
    ops: Ops,
    net: Net,
    model: ModelShape,
    recorded: LastPass<Sampler>,
}

impl Generator {
    /// Puts the parameters on the device.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if the checkpoint belongs to another model or has no generator;
    /// [`Error::Diverged`] for parameters that are not finite; errors of the device.
    pub async fn new(gpu: &Gpu, model: &ModelShape, checkpoint: &Checkpoint) -> Result<Generator> {
        let ops = Ops::checked(gpu).await?;
        let net = saved_net(&ops, &model.generator, checkpoint)?;
        let mut pack = Program::new();
        net.pack(&ops, &mut pack)?;
        gpu.submit(&pack, &[]).await?;
        Ok(Generator { ops, net, model: model.clone(), recorded: LastPass::default() })
    }

    /// As many images as are drawn at once where there are many.
    pub fn rows(&self) -> u32 {
        self.net.rows_that_fit(&self.ops.gpu, ROWS).max(1)
    }

    /// `count` images of the `draw`-th sequence of `seed`, NHWC values in 0..1: of a sequence the first are the same, however
    /// many are drawn.
    ///
    /// # Errors
    /// [`Error::Diverged`] where they are not finite; [`Error::Adapter`] for more images than the adapter can bind; errors of the device.
    pub async fn draw(&mut self, count: u32, seed: u64, draw: u32) -> Result<Vec<f32>> {
        if count == 0 {
            return Ok(vec![]);
        }
        let Generator { ops, net, model, recorded } = self;
        let sampler = recorded.of(count, || Sampler::new(ops, net, model, count))?;
        let images = sampler.run(ops, seed, draw).await?;
        if images.iter().any(|value| !value.is_finite()) {
            return Err(Error::Diverged("the generator's images are not finite".into()));
        }
        Ok(images)
    }
}

/// `count` images of a checkpoint's generator, NHWC values in 0..1.
///
/// # Errors
/// As [`Generator::new`] and [`Generator::draw`].
pub async fn sample(
    gpu: &Gpu,
    model: &ModelShape,
    checkpoint: &Checkpoint,
    count: u32,
    seed: u64,
) -> Result<Vec<f32>> {
    Generator::new(gpu, model, checkpoint).await?.draw(count, seed, 0).await
}
