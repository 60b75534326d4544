//! The activation function `max(x, 0)`.

use super::LayerParams;
use super::twin::{LayerRun, Saved, Twin, chain, map};
use crate::layers::Relu;

impl Twin for Relu {
    fn forward(&self, _: &LayerRun<'_>, x: &[f64]) -> (Vec<f64>, Saved) {
        (map(x, &relu), vec![])
    }

    fn backward(
        &self,
        _: &LayerRun<'_>,
        (x, dy): (&[f64], &[f64]),
        _: &[f64],
        _: &mut LayerParams,
    ) -> Vec<f64> {
        chain(x, dy, &relu_grad)
    }
}

/// `max(x, 0)`
pub fn relu(x: f64) -> f64 {
    if x > 0.0 { x } else { 0.0 }
}

/// Slope of [`relu`]; 0 at 0.
pub fn relu_grad(x: f64) -> f64 {
    if x > 0.0 { 1.0 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::gradient_check::check_map;

    #[test]
    fn gradient() {
        check_map(&relu, &relu_grad);
    }

    #[test]
    fn the_kink_takes_the_lower_slope() {
        assert_eq!(relu_grad(0.0), 0.0);
    }
}
