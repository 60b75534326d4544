//! Additive noise.

use super::LayerParams;
use super::twin::{LayerRun, Saved, Twin};
use crate::layers::GaussianNoise;
use crate::rng::{self, Counter};

impl Twin for GaussianNoise {
    fn forward(&self, at: &LayerRun<'_>, x: &[f64]) -> (Vec<f64>, Saved) {
        let y = match at.draws {
            Some((seed, at)) => gaussian_noise(x, f64::from(self.sigma), seed, at),
            None => x.to_vec(),
        };
        (y, vec![])
    }

    fn backward(
        &self,
        _: &LayerRun<'_>,
        (_, dy): (&[f64], &[f64]),
        _: &[f64],
        _: &mut LayerParams,
    ) -> Vec<f64> {
        dy.to_vec()
    }
}

/// `y = x + sigma n`, n element e of the stream; dy/dx = 1.
pub fn gaussian_noise(x: &[f64], sigma: f64, seed: u64, at: Counter) -> Vec<f64> {
    x.iter().enumerate().map(|(e, x)| x + sigma * rng::normal(seed, at, e as u32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_the_stream() {
        let at = Counter { stream: 5, step: 9 };
        let y = gaussian_noise(&[1.0, 2.0, 3.0], 0.5, 42, at);
        let expected: Vec<f64> = (0..3).map(|e| f64::from(e + 1) + 0.5 * rng::normal(42, at, e)).collect();
        assert_eq!(y, expected);
        assert_ne!(y[0], 1.0);
    }
}
