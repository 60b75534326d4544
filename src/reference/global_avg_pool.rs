//! Pooling to one pixel.

use super::LayerParams;
use super::twin::{LayerRun, Saved, Twin};
use crate::layers::GlobalAvgPool;

impl Twin for GlobalAvgPool {
    fn forward(&self, at: &LayerRun<'_>, x: &[f64]) -> (Vec<f64>, Saved) {
        let (pixels, channels) = (at.layer.input.pixels() as usize, at.layer.input.channels as usize);
        (global_avg_pool(x, at.rows(), pixels, channels), vec![])
    }

    fn backward(
        &self,
        at: &LayerRun<'_>,
        (_, dy): (&[f64], &[f64]),
        _: &[f64],
        _: &mut LayerParams,
    ) -> Vec<f64> {
        let (pixels, channels) = (at.layer.input.pixels() as usize, at.layer.input.channels as usize);
        global_avg_pool_grad(dy, at.rows(), pixels, channels)
    }
}

/// Mean over pixels: x `[rows, pixels, channels]`, y `[rows, channels]`.
pub fn global_avg_pool(x: &[f64], rows: usize, pixels: usize, channels: usize) -> Vec<f64> {
    assert_eq!(x.len(), rows * pixels * channels, "global_avg_pool: x is not [{rows}, {pixels}, {channels}]");
    let mut y = vec![0.0; rows * channels];
    for (e, v) in x.iter().enumerate() {
        let (row, channel) = (e / (pixels * channels), e % channels);
        y[row * channels + channel] += v / pixels as f64;
    }
    y
}

/// dx `[rows, pixels, channels]` from dy `[rows, channels]`.
pub fn global_avg_pool_grad(dy: &[f64], rows: usize, pixels: usize, channels: usize) -> Vec<f64> {
    assert_eq!(dy.len(), rows * channels, "global_avg_pool_grad: dy is not [{rows}, {channels}]");
    let of = |e: usize| dy[e / (pixels * channels) * channels + e % channels] / pixels as f64;
    (0..rows * pixels * channels).map(of).collect()
}
