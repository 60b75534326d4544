//! What a training step is fed with: images of a data set, minibatch by minibatch, and z.

use crate::model::shape::NetShape;
use crate::model::spec::Prior;
use crate::rng::{self, Counter};

/// The images, NHWC, scaled to 0..1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dataset<'a> {
    /// Labelled images `[labels, values]`.
    pub labelled: &'a [f64],
    /// Their classes.
    pub labels: &'a [u32],
    /// Unlabelled images `[n, values]`.
    pub unlabelled: &'a [f64],
}

impl Dataset<'_> {
    pub(super) fn unlabelled_len(&self, net: &NetShape) -> u32 {
        (self.unlabelled.len() / net.input.len() as usize) as u32
    }
}

/// Which images of a pool of `n` make up minibatch `step`: the pool is gone through in batches of `batch`,
/// in a new order every epoch, batches running on across epochs.
///
/// # Panics
/// Where `n` is 0 and `batch` is not.
pub fn minibatch(seed: u64, stream: u32, step: u32, batch: u32, n: u32) -> Vec<u32> {
    let start = u64::from(step) * u64::from(batch);
    let image = |i: u32| {
        let position = start + u64::from(i);
        let (epoch, at) = (position / u64::from(n), position % u64::from(n));
        rng::permute(seed, Counter { stream, step: epoch as u32 }, at as u32, n)
    };
    (0..batch).map(image).collect()
}

/// Rows `indices` of images `[n, values]`.
pub fn gather(images: &[f64], indices: &[u32], values: usize) -> Vec<f64> {
    indices.iter().flat_map(|&i| images[i as usize * values..][..values].iter().copied()).collect()
}

/// z `[rows, latent]`: element e from `stream` at `step`.
pub fn latent(prior: Prior, seed: u64, stream: u32, step: u32, rows: u32, latent: u32) -> Vec<f64> {
    let at = Counter { stream, step };
    let element = |e| match prior {
        Prior::Uniform => rng::uniform(seed, at, e),
        Prior::Normal => rng::normal(seed, at, e),
    };
    (0..rows * latent).map(element).collect()
}
