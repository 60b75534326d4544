//! What a trained classifier sees in many images: which classes, and the mean and the covariance of its features.

use super::checkpoint::Checkpoint;
use super::evaluator::{Pass, upload};
use super::inference::{LastPass, Saved, size_of_each};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Pool, Program, Tensor};
use crate::model::shape::ModelShape;
use crate::ops::{GradientIn, Kinds, Rows};
use crate::shape::Dims;

/// More features than this are refused: their covariance has as many rows and columns.
const MOST_FEATURES: u32 = 2048;

/// A checkpoint's discriminator on the device, which looks at sets of images as a whole. Its features are what the layer that
/// makes the logits is given.
#[derive(Debug)]
pub struct Examiner {
    saved: Saved,
    image: Dims,
    features: u32,
    recorded: LastPass<Recorded>,
}

/// What an [`Examiner`] has seen in N images.
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
    mean: Vec<f64>,
    /// `[F, F]`: sums of the products of two values' distances from their means.
    scatter: Vec<f64>,
}

impl FeatureMoments {
    /// Of no images yet.
    pub fn new(features: usize) -> FeatureMoments {
        FeatureMoments { images: 0, mean: vec![0.0; features], scatter: vec![0.0; features * features] }
    }

    /// Adds so many more images, with the means `[F]` of their values and the sums of the products of each two values'
    /// distances from those `[F, F]` (Chan, Golub & LeVeque 1979, "Updating formulae and a pairwise algorithm for computing
    /// sample variances").
    ///
    /// # Panics
    /// If there are not F and F x F of them.
    pub fn add(&mut self, images: u64, mean: &[f32], scatter: &[f32]) {
        let f = self.features();
        assert_eq!((mean.len(), scatter.len()), (f, f * f));
        let share = images as f64 / (self.images + images).max(1) as f64;
        let apart: Vec<f64> = mean.iter().zip(&self.mean).map(|(&m, own)| f64::from(m) - own).collect();
        let weight = self.images as f64 * share;
        for (i, (row, more)) in self.scatter.chunks_mut(f.max(1)).zip(scatter.chunks(f.max(1))).enumerate() {
            for (j, (sum, &s)) in row.iter_mut().zip(more).enumerate() {
                *sum += f64::from(s) + weight * apart[i] * apart[j];
            }
        }
        self.mean.iter_mut().zip(apart).for_each(|(m, a)| *m += share * a);
        self.images += images;
    }

    /// N.
    pub fn images(&self) -> u64 {
        self.images
    }

    /// F.
    pub fn features(&self) -> usize {
        self.mean.len()
    }

    /// `[F]`
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// `[F, F]`, of a sample: divided by N - 1.
    pub fn covariance(&self) -> Vec<f64> {
        let n = self.images as f64;
        self.scatter.iter().map(|sum| sum / (n - 1.0)).collect()
    }
}

/// A pass with the moments of its images.
#[derive(Debug)]
struct Recorded {
    program: Program,
    images: Tensor,
    logits: Tensor,
    /// `[F]`
    mean: Tensor,
    /// `[F, F]`
    scatter: Tensor,
}

impl Examiner {
    /// Puts the parameters on the device; `averaged` takes the bias-corrected moving average.
    ///
    /// # Errors
    /// [`Error::Usage`] for a model with too many features before its logits, or whose features depend on the other images of
    /// a pass; else as [`super::Classifier::new`].
    pub async fn new(
        gpu: &Gpu,
        model: &ModelShape,
        checkpoint: &Checkpoint,
        averaged: bool,
    ) -> Result<Examiner> {
        let (name, shape) = (&model.name, &model.discriminator);
        let features = shape.last_affine_input().len();
        if features > MOST_FEATURES {
            return Err(Error::Usage(format!(
                "{name} has {features} features before its logits, more than the {MOST_FEATURES} whose covariance is made: \
                 examine by a model that has fewer, for instance by a global_avg_pool before its last layer"
            )));
        }
        if shape.compares_rows() {
            return Err(Error::Usage(format!(
                "{name} compares the images of a minibatch with one another: examine by a model without \
                 minibatch_discrimination"
            )));
        }
        let saved = Saved::loaded(gpu, model, checkpoint, averaged).await?;
        Ok(Examiner { saved, image: model.data.image, features, recorded: LastPass::default() })
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
    /// [`Error::Data`] for bytes that are no whole number of images; [`Error::Diverged`] where what the network makes of them
    /// is not finite; errors of the device.
    ///
    /// # Panics
    /// If what was examined has another number of features.
    pub async fn examine(&mut self, images: &[u8], examined: &mut Examined) -> Result<()> {
        let size = size_of_each(images, self.image)?;
        let most = self.rows() as usize;
        let gpu = &self.saved.ops.gpu;
        for bytes in images.chunks(most * size) {
            let rows = (bytes.len() / size) as u32;
            let pass = self.recorded.of(rows, || Recorded::new(&self.saved, self.features, rows))?;
            upload(gpu, bytes, &pass.images);
            gpu.submit(&pass.program, &[]).await?;
            let logits: Vec<f32> = gpu.read(&pass.logits).await?;
            let (mean, scatter) = (gpu.read(&pass.mean).await?, gpu.read(&pass.scatter).await?);
            if [&logits, &mean, &scatter].iter().any(|values| values.iter().any(|v: &f32| !v.is_finite())) {
                return Err(Error::Diverged("the logits or features of an image are not finite".into()));
            }
            examined.moments.add(rows.into(), &mean, &scatter);
            examined.logits.extend(logits);
        }
        Ok(())
    }
}

impl Recorded {
    /// Of so many images, with F features each.
    fn new(saved: &Saved, f: u32, rows: u32) -> Result<Recorded> {
        let Saved { ops, evaluator, .. } = saved;
        let gpu = &ops.gpu;
        let mut program = Program::sharing();
        let pass = evaluator.pass(ops, &mut program, rows)?;
        let features = pass.features(evaluator.shape());
        let Pass { images, logits, .. } = pass;
        let (mean, scatter) = (gpu.vector("mean of features", f), gpu.tensor("scatter of features", f, f));
        let (label, all) = ("features", Rows::of(&features));
        ops.column_sum(&mut program, label, (&features, all), 1.0 / rows as f32, &mean)?;
        ops.scatter_matrix(
            &mut program,
            label,
            (&features, Kinds::one(rows, &mean)),
            GradientIn::default(),
            &scatter,
        )?;
        program.plan(gpu, &mut Pool::default());
        Ok(Recorded { program, images, logits, mean, scatter })
    }
}

#[cfg(test)]
mod tests {
    use super::FeatureMoments;

    /// In parts of three, one and two rows.
    #[test]
    fn moments_of_parts_are_those_of_all() {
        let rows = [[1.0, 9.0], [2.0, 7.0], [6.0, 8.0], [0.0, 3.0], [4.0, 4.0], [5.0, 5.0f32]];
        let mean = |rows: &[[f32; 2]], i: usize| rows.iter().map(|r| r[i]).sum::<f32>() / rows.len() as f32;
        let scatter = |rows: &[[f32; 2]], i: usize, j: usize| {
            rows.iter().map(|r| (r[i] - mean(rows, i)) * (r[j] - mean(rows, j))).sum::<f32>()
        };
        let add = |moments: &mut FeatureMoments, rows: &[[f32; 2]]| {
            let all = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(i, j)| scatter(rows, i, j));
            moments.add(rows.len() as u64, &[mean(rows, 0), mean(rows, 1)], &all);
        };
        let (mut whole, mut parts) = (FeatureMoments::new(2), FeatureMoments::new(2));
        add(&mut whole, &rows);
        [&rows[..3], &rows[3..4], &rows[4..]].iter().for_each(|part| add(&mut parts, part));
        assert_eq!((parts.images(), parts.features()), (6, 2));
        assert_eq!(whole.mean(), [3.0, 6.0]);
        // Of the first column: (4 + 1 + 9 + 9 + 1 + 4) / 5.
        assert!((whole.covariance()[0] - 5.6).abs() < 1e-6, "{whole:?}");
        let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(close(whole.mean(), parts.mean()), "{parts:?}");
        assert!(close(&whole.covariance(), &parts.covariance()), "{parts:?}");
    }
}
