//! The activation function `log(1 + e^x)`.

use super::LayerParams;
use super::sigmoid::sigmoid;
use super::twin::{LayerRun, Saved, Twin, chain, map};
use crate::layers::Softplus;

impl Twin for Softplus {
    fn forward(&self, _: &LayerRun<'_>, x: &[f64]) -> (Vec<f64>, Saved) {
        (map(x, &softplus), vec![])
    }

    fn backward(
        &self,
        _: &LayerRun<'_>,
        (x, dy): (&[f64], &[f64]),
        _: &[f64],
        _: &mut LayerParams,
    ) -> Vec<f64> {
        chain(x, dy, &softplus_grad)
    }
}

/// `log(1 + e^x)`, without overflow.
pub fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// Slope of [`softplus`]: the sigmoid.
pub fn softplus_grad(x: f64) -> f64 {
    sigmoid(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::gradient_check::check_map;

    #[test]
    fn gradient() {
        check_map(&softplus, &softplus_grad);
    }

    #[test]
    fn extremes_stay_finite() {
        assert_eq!((softplus(-800.0), softplus(800.0)), (0.0, 800.0));
        assert_eq!(softplus(0.0), std::f64::consts::LN_2);
    }
}
