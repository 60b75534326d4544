//! Short trainings whose bytes are compared: twice the same, and with a device that is lost on the way.

use super::models::data_set;
use super::{IMAGES, ssl};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::model::shape::ModelShape;
use crate::native::BlockOn;
use crate::train::Trainer;
use std::collections::BTreeMap;

/// Steps of a training.
pub const STEPS: u32 = 20;

fn trainer(gpu: &Gpu, model: &ModelShape) -> Result<(Trainer, Dataset)> {
    let data = data_set(model, IMAGES);
    Ok((Trainer::new(gpu, model, &ssl(), &data).block_on()?, data))
}

fn steps(trainer: &mut Trainer, count: u32) -> Result<()> {
    for _ in 0..count {
        trainer.step().block_on()?;
    }
    trainer.finish_steps().block_on().map(drop)
}

/// The bytes after [`STEPS`] steps.
///
/// # Errors
/// [`Error::Gpu`] if the device failed.
pub fn trained(gpu: &Gpu, model: &ModelShape) -> Result<Vec<u8>> {
    let (mut trainer, _) = trainer(gpu, model)?;
    trainer.initialise().block_on()?;
    steps(&mut trainer, STEPS)?;
    trainer.snapshot(1).block_on()?.to_bytes(&BTreeMap::new())
}

/// The same of a training whose device is destroyed a few steps after a checkpoint, and that goes on from that on a device
/// that `reopen` gives.
///
/// # Errors
/// [`Error::Gpu`] if the device failed, or did not say that it is lost.
pub fn trained_with_a_loss(
    gpu: Gpu,
    model: &ModelShape,
    reopen: impl FnOnce() -> Result<Gpu>,
) -> Result<Vec<u8>> {
    let (mut first, _) = trainer(&gpu, model)?;
    first.initialise().block_on()?;
    steps(&mut first, STEPS / 2)?;
    let saved = first.snapshot(0).block_on()?;
    first.step().block_on()?;
    gpu.destroy();
    match steps(&mut first, 2) {
        Err(Error::DeviceLost(_)) => {}
        Err(e) => return Err(e),
        Ok(()) => return Err(Error::Gpu("a device that was destroyed went on without an error".into())),
    }
    // Of an adapter whose lost device is still held, Direct3D 12 makes no other.
    drop((first, gpu));
    let (mut second, _) = trainer(&reopen()?, model)?;
    second.restore(&saved).block_on()?;
    steps(&mut second, STEPS - STEPS / 2)?;
    second.snapshot(1).block_on()?.to_bytes(&BTreeMap::new())
}
