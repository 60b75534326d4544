//! The activation function `1 / (1 + e^-x)`.

use super::twin::Pointwise;
use crate::layers::Sigmoid;

impl Pointwise for Sigmoid {
    fn value(&self, x: f64) -> f64 {
        sigmoid(x)
    }

    fn slope(&self, x: f64) -> f64 {
        sigmoid_grad(x)
    }
}

/// `1 / (1 + e^-x)`, without overflow.
pub fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    if x >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}

/// Slope of [`sigmoid`].
pub fn sigmoid_grad(x: f64) -> f64 {
    sigmoid(x) * sigmoid(-x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::gradient_check::check_map;

    #[test]
    fn gradient() {
        check_map(&sigmoid, &sigmoid_grad);
    }

    #[test]
    fn extremes_stay_finite() {
        assert_eq!((sigmoid(-800.0), sigmoid(800.0)), (0.0, 1.0));
        assert_eq!(sigmoid(0.0), 0.5);
    }
}
