//! Dropout.

use super::LayerParams;
use super::twin::{LayerRun, Saved, Twin};
use crate::layers::Dropout;
use crate::rng::{self, Counter};

impl Twin for Dropout {
    /// Saves the factor of every value.
    fn forward(&self, at: &LayerRun<'_>, x: &[f64]) -> (Vec<f64>, Saved) {
        let factors = match at.draws {
            Some((seed, at)) => dropout_factors(x.len(), f64::from(self.rate), seed, at),
            None => vec![1.0; x.len()],
        };
        (multiply(x, &factors), factors)
    }

    fn backward(
        &self,
        _: &LayerRun<'_>,
        (_, dy): (&[f64], &[f64]),
        factors: &[f64],
        _: &mut LayerParams,
    ) -> Vec<f64> {
        multiply(dy, factors)
    }
}

fn multiply(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a * b).collect()
}

/// Factors of inverted dropout: `1 / (1 - rate)` where element e of the stream is >= rate, else 0.
/// y = factor x, dx = factor dy.
pub fn dropout_factors(len: usize, rate: f64, seed: u64, at: Counter) -> Vec<f64> {
    let factor = |e| if rng::uniform(seed, at, e) >= rate { 1.0 / (1.0 - rate) } else { 0.0 };
    (0..len).map(|e| factor(e as u32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropout_keeps_the_mean() {
        let f = dropout_factors(10_000, 0.25, 1, Counter { stream: 0, step: 0 });
        assert!(f.iter().all(|&f| f == 0.0 || f == 1.0 / 0.75));
        let mean = f.iter().sum::<f64>() / 10_000.0;
        assert!((mean - 1.0).abs() < 0.03, "mean {mean}");
        assert!(dropout_factors(9, 0.0, 1, Counter { stream: 0, step: 0 }).iter().all(|&f| f == 1.0));
    }
}
