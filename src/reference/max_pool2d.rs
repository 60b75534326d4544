//! Pooling to the largest value: x `[rows, h, w, channels]`, y `[rows, oh, ow, channels]`. Places of a window outside the
//! image do not count.

use super::LayerParams;
use super::conv2d::ConvShape;
use super::twin::{LayerRun, Saved, Twin};
use crate::layers::MaxPool2d;

impl Twin for MaxPool2d {
    fn forward(&self, at: &LayerRun<'_>, x: &[f64]) -> (Vec<f64>, Saved) {
        (max_pool2d(x, &ConvShape::at(at)).0, vec![])
    }

    fn backward(
        &self,
        at: &LayerRun<'_>,
        (x, dy): (&[f64], &[f64]),
        _: &[f64],
        _: &mut LayerParams,
    ) -> Vec<f64> {
        let shape = ConvShape::at(at);
        max_pool2d_grad(dy, &max_pool2d(x, &shape).1, &shape)
    }
}

/// Largest value of each window, and which place of the window has it (`ky * kernel + kx`; the first of equals).
///
/// # Panics
/// Where `x` does not have the length that `shape` says (as the other functions here).
pub fn max_pool2d(x: &[f64], shape: &ConvShape) -> (Vec<f64>, Vec<u32>) {
    let c = shape.channels(x.len(), shape.input);
    let mut y = vec![f64::NEG_INFINITY; shape.rows * shape.output.len() as usize];
    let mut taps = vec![0; y.len()];
    shape.for_each_tap(|out, tap, inp| {
        for k in 0..c {
            let (at, value) = (out * c + k, x[inp * c + k]);
            if value > y[at] {
                (y[at], taps[at]) = (value, tap as u32);
            }
        }
    });
    (y, taps)
}

/// dx from dy and the places that [`max_pool2d`] found.
pub fn max_pool2d_grad(dy: &[f64], taps: &[u32], shape: &ConvShape) -> Vec<f64> {
    let c = shape.channels(dy.len(), shape.output);
    let mut dx = vec![0.0; shape.rows * shape.input.len() as usize];
    shape.for_each_tap(|out, tap, inp| {
        for k in (0..c).filter(|k| taps[out * c + k] == tap as u32) {
            dx[inp * c + k] += dy[out * c + k];
        }
    });
    dx
}
