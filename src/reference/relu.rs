//! The activation function `max(x, 0)`.

use super::twin::Pointwise;
use crate::layers::Relu;

impl Pointwise for Relu {
    fn value(&self, x: f64) -> f64 {
        relu(x)
    }

    fn slope(&self, x: f64) -> f64 {
        relu_grad(x)
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
