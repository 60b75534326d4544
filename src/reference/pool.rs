//! Pooling: x `[rows, h, w, channels]`, y `[rows, oh, ow, channels]`. Places of a window outside the image do
//! not count.

use super::conv2d::ConvShape;

/// Largest value of each window, and which place of the window has it (`ky * kernel + kx`; the first of equals).
///
/// # Panics
/// Where `x` does not have the length that `shape` says (as the other functions here).
pub fn max_pool2d(x: &[f64], shape: &ConvShape) -> (Vec<f64>, Vec<u32>) {
    let c = channels(x.len(), shape.input.len(), shape);
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
    let c = channels(dy.len(), shape.output.len(), shape);
    let mut dx = vec![0.0; shape.rows * shape.input.len() as usize];
    shape.for_each_tap(|out, tap, inp| {
        for k in (0..c).filter(|k| taps[out * c + k] == tap as u32) {
            dx[inp * c + k] += dy[out * c + k];
        }
    });
    dx
}

/// Mean of each window.
pub fn avg_pool2d(x: &[f64], shape: &ConvShape) -> Vec<f64> {
    let c = channels(x.len(), shape.input.len(), shape);
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
    let c = channels(dy.len(), shape.output.len(), shape);
    let places = places(shape);
    let mut dx = vec![0.0; shape.rows * shape.input.len() as usize];
    shape.for_each_tap(|out, _, inp| {
        for k in 0..c {
            dx[inp * c + k] += dy[out * c + k] / places[out];
        }
    });
    dx
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

/// Places of each output pixel's window that lie inside the image.
fn places(shape: &ConvShape) -> Vec<f64> {
    let mut places = vec![0.0; shape.rows * shape.output.pixels() as usize];
    shape.for_each_tap(|out, _, _| places[out] += 1.0);
    places
}

fn channels(len: usize, of_one: u32, shape: &ConvShape) -> usize {
    assert_eq!(len, shape.rows * of_one as usize, "pooling: a length does not fit {shape:?}");
    shape.input.channels as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::shape::{Dims, Window};
    use crate::reference::gradient_check::{check_gradient, dot, numbers};

    fn shape(hw: (u32, u32), c: u32, window: (u32, u32), pad: (u32, u32), out: (u32, u32)) -> ConvShape {
        ConvShape {
            rows: 2,
            input: Dims { height: hw.0, width: hw.1, channels: c },
            output: Dims { height: out.0, width: out.1, channels: c },
            window: Window { kernel: window.0, stride: window.1, pad_top: pad.0, pad_left: pad.1 },
        }
    }

    #[test]
    fn known_windows() {
        // One 3x3 image, 2x2 windows at stride 2 that stick out at the right and bottom; two equal values.
        let s = ConvShape { rows: 1, ..shape((3, 3), 1, (2, 2), (0, 0), (2, 2)) };
        let x = [-1.0, -2.0, -7.0, -1.0, -5.0, -6.0, -8.0, -8.0, -9.0];
        let (y, taps) = max_pool2d(&x, &s);
        assert_eq!((y, taps.as_slice()), (vec![-1.0, -6.0, -8.0, -9.0], [0, 2, 0, 0].as_slice()));
        let dy = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(max_pool2d_grad(&dy, &taps, &s), [1.0, 0.0, 0.0, 0.0, 0.0, 2.0, 3.0, 0.0, 4.0]);
        assert_eq!(avg_pool2d(&x, &s), [-2.25, -6.5, -8.0, -9.0]);
        assert_eq!(avg_pool2d_grad(&dy, &s), [0.25, 0.25, 1.0, 0.25, 0.25, 1.0, 1.5, 1.5, 4.0]);
    }

    #[test]
    fn gradients() {
        for s in [
            shape((4, 6), 3, (2, 2), (0, 0), (2, 3)),
            shape((5, 4), 2, (3, 2), (1, 1), (3, 2)),
            shape((7, 5), 1, (4, 3), (0, 1), (2, 2)),
            shape((3, 3), 2, (2, 3), (1, 1), (2, 2)),
        ] {
            let (x, c) = (numbers(1, 2 * s.input.len() as usize), numbers(2, 2 * s.output.len() as usize));
            let (_, taps) = max_pool2d(&x, &s);
            let name = format!("{s:?}");
            check_gradient(&name, &x, &max_pool2d_grad(&c, &taps, &s), |x| dot(&max_pool2d(x, &s).0, &c));
            check_gradient(&name, &x, &avg_pool2d_grad(&c, &s), |x| dot(&avg_pool2d(x, &s), &c));
        }
    }

    #[test]
    fn global() {
        assert_eq!(
            global_avg_pool(&[1.0, 10.0, 3.0, 30.0, 5.0, 0.0, 5.0, 8.0], 2, 2, 2),
            [2.0, 20.0, 5.0, 4.0]
        );
        let (x, c) = (numbers(1, 2 * 6 * 3), numbers(2, 2 * 3));
        check_gradient("pool", &x, &global_avg_pool_grad(&c, 2, 6, 3), |x| {
            dot(&global_avg_pool(x, 2, 6, 3), &c)
        });
    }
}
