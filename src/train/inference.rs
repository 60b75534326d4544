//! Evaluating and sampling a checkpoint without training.

use super::checkpoint::Checkpoint;
use super::device_data::DeviceData;
use super::evaluator::{Evaluation, Evaluator, Weights};
use super::export::{import_arena, import_net};
use super::sampler::Sampler;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Pool, Program};
use crate::model::shape::ModelShape;
use crate::nn::{Net, Params};
use crate::ops::{Ops, State};

/// Evaluates a checkpoint's discriminator on the test images of `data`; `averaged` takes the bias-corrected
/// moving average of its parameters.
///
/// # Errors
/// [`Error::Checkpoint`] if it belongs to another model; errors of the device.
pub fn evaluate(
    gpu: &Gpu,
    model: &ModelShape,
    checkpoint: &Checkpoint,
    data: &Dataset,
    averaged: bool,
) -> Result<Evaluation> {
    let ops = Ops::new(gpu);
    let d = Net::new(&ops, &model.discriminator, Params::new(gpu, &model.discriminator));
    import_net(gpu, &d, checkpoint)?;
    let layout = &d.params.layout;
    let average = gpu.vector("average", layout.trained as u32);
    let mut state = State::default();
    if averaged {
        import_arena(gpu, layout, &average, true, "average.discriminator", "", checkpoint)?;
        let scale = checkpoint.meta("average_scale")?;
        state.ema_scale = scale.parse().map_err(|_| Error::Checkpoint {
            path: Default::default(),
            reason: format!("average_scale {scale:?} is not a number"),
        })?;
    }
    let evaluator = Evaluator::new(&ops, &model.discriminator, &d.params, &average)?;
    let test = DeviceData::upload(gpu, &data.test, model.data.image.len(), None)?;
    let split = evaluator.split(&ops, &test, &mut Pool::default())?;
    evaluator.run(&ops, &split, state, if averaged { Weights::Averaged } else { Weights::Raw })
}

/// `count` images of a checkpoint's generator, NHWC values in 0..1.
///
/// # Errors
/// As [`evaluate`].
pub fn sample(
    gpu: &Gpu,
    model: &ModelShape,
    checkpoint: &Checkpoint,
    count: u32,
    seed: u64,
) -> Result<Vec<f32>> {
    let ops = Ops::new(gpu);
    let g = Net::new(&ops, &model.generator, Params::new(gpu, &model.generator));
    import_net(gpu, &g, checkpoint)?;
    let mut pack = Program::new();
    g.pack(&ops, &mut pack)?;
    gpu.submit(&pack, &[])?;
    Sampler::new(&ops, &g, model, count)?.run(&ops, seed)
}
