//! Transposed convolutions: forward a convolution's data gradient, backward its forward pass.

use super::LayerParams;
use super::conv2d::{ConvShape, conv2d_data_grad, conv2d_forward, conv2d_weight_grad};
use super::twin::{LayerRun, Saved, Twin};
use crate::layers::ConvTranspose2d;

impl Twin for ConvTranspose2d {
    /// Saves the weights used.
    fn forward(&self, at: &LayerRun<'_>, x: &[f64]) -> (Vec<f64>, Saved) {
        let w = at.effective_weight();
        (at.with_bias(conv2d_data_grad(x, &w, &ConvShape::at(at))), w)
    }

    fn backward(
        &self,
        at: &LayerRun<'_>,
        (x, dy): (&[f64], &[f64]),
        w: &[f64],
        grads: &mut LayerParams,
    ) -> Vec<f64> {
        let shape = ConvShape::at(at);
        at.set_weight_grads(grads, &conv2d_weight_grad(x, dy, &shape), dy);
        conv2d_forward(dy, w, &shape)
    }
}
