//! The activation function `log(1 + e^x)`.

use super::sigmoid::sigmoid;
use super::twin::Pointwise;
use crate::layers::Softplus;

impl Pointwise for Softplus {
    fn value(&self, x: f64) -> f64 {
        softplus(x)
    }

    fn slope(&self, x: f64) -> f64 {
        softplus_grad(x)
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
