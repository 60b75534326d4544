//! Pooling to the mean: x `[rows, h, w, channels]`, y `[rows, oh, ow, channels]`. Places of a window outside the image do
//! not count.

use super::LayerParams;
use super::conv2d::ConvShape;
use super::twin::{LayerRun, Saved, Twin};
use crate::layers::AvgPool2d;

impl Twin for AvgPool2d {
    fn forward(&self, at: &LayerRun<'_>, x: &[f64]) -> (Vec<f64>, Saved) {
        (avg_pool2d(x, &ConvShape::at(at)), vec![])
    }

    fn backward(
        &self,
        at: &LayerRun<'_>,
        (_, dy): (&[f64], &[f64]),
        _: &[f64],
        _: &mut LayerParams,
    ) -> Vec<f64> {
        avg_pool2d_grad(dy, &ConvShape::at(at))
    }
}

/// Mean of each window.
pub fn avg_pool2d(x: &[f64], shape: &ConvShape) -> Vec<f64> {
    let c = shape.channels(x.len(), shape.input);
    let places = places(shape);
    let mut y = vec![0.0; shape.rows * shape.output.len() as usize];
    shape.for_each_tap(|out, _, inp| {
        for k in 0..c {
            y[out * c + k] += x[inp * c + k] / places[out];
        }
    });
    y
}

/// dx from dy of [`avg_pool2d`].
pub fn avg_pool2d_grad(dy: &[f64], shape: &ConvShape) -> Vec<f64> {
    let c = shape.channels(dy.len(), shape.output);
    let places = places(shape);
    let mut dx = vec![0.0; shape.rows * shape.input.len() as usize];
    shape.for_each_tap(|out, _, inp| {
        for k in 0..c {
            dx[inp * c + k] += dy[out * c + k] / places[out];
        }
    });
    dx
}

/// Places of each output pixel's window that lie inside the image.
fn places(shape: &ConvShape) -> Vec<f64> {
    let mut places = vec![0.0; shape.rows * shape.output.pixels() as usize];
    shape.for_each_tap(|out, _, _| places[out] += 1.0);
    places
}
