//! What a trained classifier sees in many images: which classes, and the mean and the covariance of its features.

use super::checkpoint::Checkpoint;
use super::evaluator::{Pass, upload};
use super::inference::{Saved, size_of_each};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Pool, Program, Tensor};
use crate::model::shape::{ModelShape, NetShape};
use crate::ops::{Gemm, Operand, Ops, Right, Rows};
use crate::shape::Dims;

/// More features than this are refused: their covariance has as many rows and columns.
const MOST_FEATURES: u32 = 2048;

/// A checkpoint's discriminator on the device, which looks at sets of images as a whole. Its features are what its last layer
/// with weights, that of the logits, is given.
#[derive(Debug)]
pub struct Examiner {
    saved: Saved,
    image: Dims,
    features: u32,
    /// The last recorded pass, for as many images as it has rows.
    recorded: Option<Recorded>,
}

/// What an [`Examiner`] sees in N images.
#[derive(Debug, Clone, PartialEq)]
pub struct Examined {
    /// `N x K`; the largest of a row is that of the image's class.
    pub logits: Vec<f32>,
    /// Of the features.
    pub moments: FeatureMoments,
}

impl Examined {
    /// No image yet, of so many features.
    pub fn new(features: usize) -> Examined {
        Examined { logits: vec![], moments: FeatureMoments::new(features) }
    }
}

/// Mean and covariance of F values over many images.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureMoments {
    images: u64,
    /// `[F]`
    sums: Vec<f64>,
    /// `[F, F]`: of the products of two values.
    products: Vec<f64>,
}

impl FeatureMoments {
    /// Of no images yet.
    pub fn new(features: usize) -> FeatureMoments {
        FeatureMoments { images: 0, sums: vec![0.0; features], products: vec![0.0; features * features] }
    }

    /// Adds the sums over so many more images: of their values `[F]`, and of the products of each two of them `[F, F]`.
    ///
    /// # Panics
    /// If there are not F and F x F of them.
    pub fn add(&mut self, images: u64, sums: &[f32], products: &[f32]) {
        assert_eq!((sums.len(), products.len()), (self.sums.len(), self.products.len()));
        let add =
            |to: &mut [f64], from: &[f32]| to.iter_mut().zip(from).for_each(|(t, &f)| *t += f64::from(f));
        self.images += images;
        add(&mut self.sums, sums);
        add(&mut self.products, products);
    }

    /// N.
    pub fn images(&self) -> u64 {
        self.images
    }

    /// F.
    pub fn features(&self) -> usize {
        self.sums.len()
    }

    /// `[F]`
    pub fn mean(&self) -> Vec<f64> {
        self.sums.iter().map(|sum| sum / self.images as f64).collect()
    }

    /// `[F, F]`, of a sample: divided by N - 1.
    pub fn covariance(&self) -> Vec<f64> {
        let (mean, f) = (self.mean(), self.features());
        let n = self.images as f64;
        let at = |i: usize| (self.products[i] - n * mean[i / f] * mean[i % f]) / (n - 1.0);
        (0..f * f).map(at).collect()
    }
}

/// A pass with the sums over its images.
#[derive(Debug)]
struct Recorded {
    rows: u32,
    program: Program,
    images: Tensor,
    logits: Tensor,
    /// `[F]`
    sums: Tensor,
    /// `[F, F]`
    products: Tensor,
}

impl Examiner {
    /// Puts the parameters on the device; `averaged` takes the bias-corrected moving average.
    ///
    /// # Errors
    /// [`Error::Usage`] for a model with too many features before its logits; else as [`super::Classifier::new`].
    pub async fn new(
        gpu: &Gpu,
        model: &ModelShape,
        checkpoint: &Checkpoint,
        averaged: bool,
    ) -> Result<Examiner> {
        let shape = &model.discriminator;
        let features = shape.layers[logits_layer(shape)].input.len();
        if features > MOST_FEATURES {
            return Err(Error::Usage(format!(
                "{} has {features} features before its logits, more than the {MOST_FEATURES} whose covariance is made: \
                 judge by a model with fewer, such as cnn-deep",
                model.name
            )));
        }
        let saved = Saved::loaded(gpu, model, checkpoint, averaged).await?;
        Ok(Examiner { saved, image: model.data.image, features, recorded: None })
    }

    /// F.
    pub fn features(&self) -> usize {
        self.features as usize
    }

    /// The most images that go through the network at once: multiples of it make the best use of the device.
    pub fn rows(&self) -> u32 {
        self.saved.evaluator.rows(&self.saved.ops.gpu)
    }

    /// Looks at more images (bytes, `N x H x W x C`). The sums of a pass are of 32 bits, those over passes of 64.
    ///
    /// # Errors
    /// [`Error::Data`] for bytes that are no whole number of images; errors of the device.
    ///
    /// # Panics
    /// If what was examined has another number of features.
    pub async fn examine(&mut self, images: &[u8], examined: &mut Examined) -> Result<()> {
        let size = size_of_each(images, self.image)?;
        let gpu = &self.saved.ops.gpu;
        for bytes in images.chunks(self.rows() as usize * size) {
            let rows = (bytes.len() / size) as u32;
            let pass = match self.recorded.take().filter(|pass| pass.rows == rows) {
                Some(pass) => pass,
                None => self.record(rows)?,
            };
            upload(gpu, bytes, &pass.images);
            gpu.submit(&pass.program, &[]).await?;
            examined.logits.extend(gpu.read::<f32>(&pass.logits).await?);
            let (sums, products) = (gpu.read(&pass.sums).await?, gpu.read(&pass.products).await?);
            examined.moments.add(rows.into(), &sums, &products);
            self.recorded = Some(pass);
        }
        Ok(())
    }

    fn record(&self, rows: u32) -> Result<Recorded> {
        let Saved { ops, evaluator, .. } = &self.saved;
        let Ops { gpu, .. } = ops;
        let f = self.features;
        let mut program = Program::sharing();
        let Pass { images, tape, logits } = evaluator.pass(ops, &mut program, rows)?;
        let features = tape.inputs[logits_layer(evaluator.shape())].reshape(rows, f);
        let (sums, products) = (gpu.vector("sums of features", f), gpu.tensor("products of features", f, f));
        ops.column_sum(&mut program, "features", (&features, Rows::of(&features)), 1.0, &sums)?;
        let product = Gemm {
            m: f,
            n: f,
            k: rows,
            a: (&features, Operand::Columns),
            b: Right::Rows(&features),
            conv: Default::default(),
            out: &products,
            epilogue: Default::default(),
            gradient_in: Default::default(),
        };
        ops.gemm(&mut program, "features", product)?;
        program.plan(gpu, &mut Pool::default());
        Ok(Recorded { rows, program, images, logits, sums, products })
    }
}

/// Index of the layer that makes the logits. Minibatch discrimination has weights, and yet only adds to what it is given.
fn logits_layer(shape: &NetShape) -> usize {
    let makes = |op: &crate::layers::LayerOp| op.weights().is_some() && op.takes_activation();
    shape.layers.iter().rposition(|l| makes(&l.op)).expect("a checked network has a layer with weights")
}
