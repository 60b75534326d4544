//! Evaluating a checkpoint without training.

use super::checkpoint::Checkpoint;
use super::device_data::LabelledImages;
use super::evaluator::{Chunk, Evaluation, Evaluator, Weights};
use super::export::{import_arena, import_net};
use super::stop::Stop;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Pool};
use crate::model::shape::{ModelShape, NetShape};
use crate::nn::{Net, Params};
use crate::ops::{Ops, State};
use crate::shape::Dims;

/// Evaluates a checkpoint's discriminator on the test images of `data`; `averaged` takes the bias-corrected
/// moving average of its parameters.
///
/// # Errors
/// [`Error::Data`] without test images; those of [`ModelShape::check_data`]; [`Error::Checkpoint`] if the checkpoint belongs
/// to another model, [`Error::Diverged`] if its parameters are not finite; errors of the device.
pub async fn evaluate(
    gpu: &Gpu,
    model: &ModelShape,
    checkpoint: &Checkpoint,
    data: &Dataset,
    averaged: bool,
) -> Result<Evaluation> {
    model.check_data(data)?;
    if data.test.is_empty() {
        return Err(Error::Data(format!("{} has no test images", data.name)));
    }
    let Saved { ops, evaluator, state, weights } = Saved::new(gpu, model, checkpoint, averaged).await?;
    let test = LabelledImages::upload(gpu, &data.test, model.data.image.len(), None)?;
    let split = evaluator.split(&ops, &test, &mut Pool::default())?;
    let whole = evaluator.run(&ops, &split, state, weights, &Stop::new()).await?;
    Ok(whole.expect("nothing stops it"))
}

/// What a checkpoint's discriminator makes of `images` (bytes, `N x H x W x C`): logits `N x K`, of which the largest is that
/// of the image's class; `averaged` as in [`evaluate`].
///
/// # Errors
/// As [`Classifier::new`] and [`Classifier::classify`].
pub async fn classify(
    gpu: &Gpu,
    model: &ModelShape,
    checkpoint: &Checkpoint,
    images: &[u8],
    averaged: bool,
) -> Result<Vec<f32>> {
    let mut classifier = Classifier::new(gpu, model, checkpoint, averaged, false).await?;
    Ok(classifier.classify(images).await?.logits)
}

/// A checkpoint's discriminator on the device, for images that come a few at a time.
#[derive(Debug)]
pub struct Classifier {
    saved: Saved,
    image: Dims,
    features: bool,
    recorded: LastPass<Chunk>,
}

/// What a [`Classifier`] makes of N images.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Classified {
    /// `N x K`; the largest of a row is that of the image's class.
    pub logits: Vec<f32>,
    /// `N x F`, what the layer that makes the logits is given; empty where they were not asked for.
    pub features: Vec<f32>,
}

impl Classifier {
    /// Puts the parameters on the device; `averaged` takes the bias-corrected moving average. With `features` it also reads
    /// what the layer that makes the logits is given.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if the checkpoint belongs to another model; [`Error::Diverged`] for parameters that are not
    /// finite; errors of the device.
    pub async fn new(
        gpu: &Gpu,
        model: &ModelShape,
        checkpoint: &Checkpoint,
        averaged: bool,
        features: bool,
    ) -> Result<Classifier> {
        let saved = Saved::loaded(gpu, model, checkpoint, averaged).await?;
        Ok(Classifier { saved, image: model.data.image, features, recorded: LastPass::default() })
    }

    /// The most images that go through the network at once: multiples of it make the best use of the device.
    pub fn rows(&self) -> u32 {
        self.saved.evaluator.rows(&self.saved.ops.gpu)
    }

    /// Classifies images (bytes, `N x H x W x C`).
    ///
    /// # Errors
    /// [`Error::Data`] for bytes that are no whole number of images; errors of the device.
    pub async fn classify(&mut self, images: &[u8]) -> Result<Classified> {
        let size = size_of_each(images, self.image)?;
        let most = self.rows() as usize;
        let Saved { ops, evaluator, .. } = &self.saved;
        let mut all = Classified::default();
        for bytes in images.chunks(most * size) {
            let rows = (bytes.len() / size) as u32;
            let chunk = self.recorded.of(rows, || evaluator.chunk(ops, rows, self.features))?;
            let (logits, features) = chunk.run(&ops.gpu, bytes).await?;
            all.logits.extend(logits);
            all.features.extend(features);
        }
        Ok(all)
    }
}

/// The last recorded pass, and how many images it is for: the next ones are mostly as many.
#[derive(Debug)]
pub(super) struct LastPass<P>(Option<(u32, P)>);

impl<P> Default for LastPass<P> {
    fn default() -> LastPass<P> {
        LastPass(None)
    }
}

impl<P> LastPass<P> {
    /// The pass for so many images, which is recorded where the last one was for another number; then that one is gone before.
    ///
    /// # Errors
    /// Those of `record`.
    pub fn of(&mut self, rows: u32, record: impl FnOnce() -> Result<P>) -> Result<&P> {
        let last = self.0.take().filter(|(of, _)| *of == rows);
        let pass = match last {
            Some((_, pass)) => pass,
            None => record()?,
        };
        Ok(&self.0.insert((rows, pass)).1)
    }
}

/// Bytes of each of these images (bytes, `N x H x W x C`).
///
/// # Errors
/// [`Error::Data`] for bytes that are no whole number of images.
pub(super) fn size_of_each(images: &[u8], image: Dims) -> Result<usize> {
    let (have, size) = (images.len(), image.len() as usize);
    if have.is_multiple_of(size) {
        return Ok(size);
    }
    Err(Error::Data(format!("{have} bytes are no whole number of images {image} of {size} bytes")))
}

/// A checkpoint's discriminator, ready to be evaluated.
#[derive(Debug)]
pub(super) struct Saved {
    pub ops: Ops,
    pub evaluator: Evaluator,
    state: State,
    weights: Weights,
}

impl Saved {
    async fn new(gpu: &Gpu, model: &ModelShape, checkpoint: &Checkpoint, averaged: bool) -> Result<Saved> {
        let ops = Ops::checked(gpu).await?;
        let d = saved_net(&ops, &model.discriminator, checkpoint)?;
        let layout = &d.params.layout;
        let average = gpu.vector("average", layout.trained as u32);
        let mut state = State::default();
        if averaged {
            checkpoint.check_finite("average.discriminator")?;
            import_arena(gpu, layout, &average, true, "average.discriminator", "", checkpoint)?;
            state.ema_scale = checkpoint.average_scale()?;
        }
        let evaluator = Evaluator::new(&ops, &model.discriminator, &d.params, &average)?;
        let weights = if averaged { Weights::Averaged } else { Weights::Raw };
        Ok(Saved { ops, evaluator, state, weights })
    }

    /// The same, with these parameters where recorded passes read them.
    pub async fn loaded(
        gpu: &Gpu,
        model: &ModelShape,
        checkpoint: &Checkpoint,
        averaged: bool,
    ) -> Result<Saved> {
        let saved = Saved::new(gpu, model, checkpoint, averaged).await?;
        saved.evaluator.load(&saved.ops, saved.state, saved.weights).await?;
        Ok(saved)
    }
}

/// A network with a checkpoint's parameters. The model may be the text in the same file: nothing is allocated for more
/// parameters than the file has values.
pub(super) fn saved_net(ops: &Ops, shape: &NetShape, checkpoint: &Checkpoint) -> Result<Net> {
    checkpoint.check_finite(shape.name)?;
    let held: usize = checkpoint.tensors.iter().map(|t| t.values.len()).sum();
    let wanted = shape.parameters();
    if wanted > held {
        return Err(Error::Checkpoint {
            path: Default::default(),
            reason: format!(
                "holds {held} values, the model has {wanted} parameters: it belongs to another model"
            ),
        });
    }
    let net = Net::new(ops, shape, Params::new(&ops.gpu, shape)?);
    import_net(&ops.gpu, &net, checkpoint)?;
    Ok(net)
}

#[cfg(feature = "native")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::steps::models::{DNN, data_set, model_on, shape};
    use crate::native::{self, BlockOn};

    /// Smaller images would be read beyond their end, and more classes be counted beyond the confusion matrix.
    #[test]
    fn other_data_are_not_evaluated() {
        let gpu = native::open(&Default::default()).unwrap();
        let model = model_on(DNN, shape(8, 8, 1, 3));
        for other in [shape(7, 8, 1, 3), shape(8, 8, 1, 4)] {
            let data = data_set(&model_on(DNN, other), 4);
            let e = evaluate(&gpu, &model, &Checkpoint::default(), &data, false).block_on().unwrap_err();
            assert!(matches!(&e, Error::Usage(m) if m.contains("was made for")), "{e}");
        }
    }
}
