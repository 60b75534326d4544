//! The activation function `x > 0 ? x : slope x`.

use super::twin::Pointwise;
use crate::layers::LeakyRelu;

impl Pointwise for LeakyRelu {
    fn value(&self, x: f64) -> f64 {
        leaky_relu(x, self.slope.into())
    }

    fn slope(&self, x: f64) -> f64 {
        leaky_relu_grad(x, self.slope.into())
    }
}

/// `x > 0 ? x : slope x`
pub fn leaky_relu(x: f64, slope: f64) -> f64 {
    if x > 0.0 { x } else { slope * x }
}

/// Slope of [`leaky_relu`]; `slope` at 0.
pub fn leaky_relu_grad(x: f64, slope: f64) -> f64 {
    if x > 0.0 { 1.0 } else { slope }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::gradient_check::check_map;

    #[test]
    fn gradient() {
        check_map(&|x| leaky_relu(x, 0.2), &|x| leaky_relu_grad(x, 0.2));
    }

    #[test]
    fn the_kink_takes_the_lower_slope() {
        assert_eq!(leaky_relu_grad(0.0, 0.2), 0.2);
    }
}
