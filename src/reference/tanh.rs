//! The activation function `tanh x`.

use super::LayerParams;
use super::twin::{LayerRun, Saved, Twin, chain, map};
use crate::layers::Tanh;

impl Twin for Tanh {
    fn forward(&self, _: &LayerRun<'_>, x: &[f64]) -> (Vec<f64>, Saved) {
        (map(x, &tanh), vec![])
    }

    fn backward(
        &self,
        _: &LayerRun<'_>,
        (x, dy): (&[f64], &[f64]),
        _: &[f64],
        _: &mut LayerParams,
    ) -> Vec<f64> {
        chain(x, dy, &tanh_grad)
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
