//! Images to rows of numbers: the values stay where they are.

use super::LayerParams;
use super::twin::{LayerRun, Saved, Twin};
use crate::layers::Flatten;

impl Twin for Flatten {
    fn forward(&self, _: &LayerRun<'_>, x: &[f64]) -> (Vec<f64>, Saved) {
        (x.to_vec(), vec![])
    }

    fn backward(
        &self,
        _: &LayerRun<'_>,
        (_, dy): (&[f64], &[f64]),
        _: &[f64],
        _: &mut LayerParams,
    ) -> Vec<f64> {
        dy.to_vec()
    }
}
