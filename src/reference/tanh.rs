//! The activation function `tanh x`.

use super::twin::Pointwise;
use crate::layers::Tanh;

impl Pointwise for Tanh {
    fn value(&self, x: f64) -> f64 {
        tanh(x)
    }

    fn slope(&self, x: f64) -> f64 {
        tanh_grad(x)
    }
}

/// `tanh x`
pub fn tanh(x: f64) -> f64 {
    x.tanh()
}

/// Slope of [`tanh`].
pub fn tanh_grad(x: f64) -> f64 {
    1.0 - x.tanh() * x.tanh()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::gradient_check::check_map;

    #[test]
    fn gradient() {
        check_map(&tanh, &tanh_grad);
    }
}
