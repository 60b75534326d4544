//! The activation function `x > 0 ? x : slope x`.

use super::LayerParams;
use super::twin::{LayerRun, Saved, Twin, chain, map};
use crate::layers::LeakyRelu;

impl Twin for LeakyRelu {
    fn forward(&self, _: &LayerRun<'_>, x: &[f64]) -> (Vec<f64>, Saved) {
        let slope = f64::from(self.slope);
        (map(x, &|v| leaky_relu(v, slope)), vec![])
    }

    fn backward(
        &self,
        _: &LayerRun<'_>,
        (x, dy): (&[f64], &[f64]),
        _: &[f64],
        _: &mut LayerParams,
    ) -> Vec<f64> {
        let slope = f64::from(self.slope);
        chain(x, dy, &|v| leaky_relu_grad(v, slope))
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
