//! 2-D convolution (cross-correlation): x `[rows, h, w, in]`, W `[out, k, k, in]`, y `[rows, oh, ow, out]`.

use super::LayerParams;
use super::twin::{LayerRun, Saved, Twin};
use crate::layers::Conv2d;
use crate::model::shape::{Dims, LayerShape, Window};

impl Twin for Conv2d {
    /// Saves the weights used, weight normalisation applied.
    fn forward(&self, at: &LayerRun<'_>, x: &[f64]) -> (Vec<f64>, Saved) {
        let w = at.effective_weight();
        (at.with_bias(conv2d_forward(x, &w, &ConvShape::at(at))), w)
    }

    fn backward(
        &self,
        at: &LayerRun<'_>,
        (x, dy): (&[f64], &[f64]),
        w: &[f64],
        grads: &mut LayerParams,
    ) -> Vec<f64> {
        let shape = ConvShape::at(at);
        at.set_weight_grads(grads, &conv2d_weight_grad(dy, x, &shape), dy);
        conv2d_data_grad(dy, w, &shape)
    }
}

/// Sizes of one convolution, or pooling, over a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    /// Images in the batch.
    pub rows: usize,
    /// One input image.
    pub input: Dims,
    /// One output image.
    pub output: Dims,
    /// Kernel, stride and padding.
    pub window: Window,
}

impl ConvShape {
    /// The sizes of a convolution or pooling layer on `rows` images, of a transposed convolution those of the
    /// convolution which it transposes; `None` for other layers.
    pub fn of(layer: &LayerShape, rows: usize) -> Option<ConvShape> {
        let (input, output) = layer.image_and_windows();
        layer.window.map(|window| ConvShape { rows, input, output, window })
    }

    /// Those of a layer that has a window.
    pub(super) fn at(at: &LayerRun<'_>) -> ConvShape {
        ConvShape::of(at.layer, at.rows()).expect("convolutions and pooling have a window")
    }

    /// Channels of pooling, where `len` values are the batch's `images`.
    pub(super) fn channels(&self, len: usize, images: Dims) -> usize {
        assert_eq!(len, self.rows * images.len() as usize, "pooling: a length does not fit {self:?}");
        self.input.channels as usize
    }

    /// Values of the weight tensor.
    pub fn weights(&self) -> usize {
        (self.output.channels * self.window.kernel * self.window.kernel * self.input.channels) as usize
    }

    /// Calls `f(output pixel, tap, input pixel)` for every tap that falls inside the image. Pixels count
    /// through the whole batch, taps through the kernel (`ky * kernel + kx`).
    pub fn for_each_tap(&self, mut f: impl FnMut(usize, usize, usize)) {
        let (h, w) = (self.input.height as usize, self.input.width as usize);
        let (oh, ow) = (self.output.height as usize, self.output.width as usize);
        let (k, stride) = (self.window.kernel as usize, self.window.stride as usize);
        let (top, left) = (self.window.pad_top as usize, self.window.pad_left as usize);
        for n in 0..self.rows {
            for (oy, ox) in (0..oh * ow).map(|p| (p / ow, p % ow)) {
                for (ky, kx) in (0..k * k).map(|t| (t / k, t % k)) {
                    // Coordinates in the padded image; the zeros outside the image contribute nothing.
                    let (py, px) = (oy * stride + ky, ox * stride + kx);
                    if py >= top && py - top < h && px >= left && px - left < w {
                        f((n * oh + oy) * ow + ox, ky * k + kx, (n * h + py - top) * w + px - left);
                    }
                }
            }
        }
    }
}

/// y without bias.
///
/// # Panics
/// Where `x` or `w` does not have the length that `shape` says (as do the two gradients).
pub fn conv2d_forward(x: &[f64], w: &[f64], shape: &ConvShape) -> Vec<f64> {
    let (ci, co) = check(Some(x), Some(w), None, shape);
    let taps = (shape.window.kernel * shape.window.kernel) as usize;
    let mut y = vec![0.0; shape.rows * shape.output.len() as usize];
    shape.for_each_tap(|out, tap, inp| {
        for o in 0..co {
            let weight = &w[(o * taps + tap) * ci..][..ci];
            let pixel = &x[inp * ci..][..ci];
            y[out * co + o] += pixel.iter().zip(weight).map(|(a, b)| a * b).sum::<f64>();
        }
    });
    y
}

/// dx `[rows, h, w, in]` from dy `[rows, oh, ow, out]`.
pub fn conv2d_data_grad(dy: &[f64], w: &[f64], shape: &ConvShape) -> Vec<f64> {
    let (ci, co) = check(None, Some(w), Some(dy), shape);
    let taps = (shape.window.kernel * shape.window.kernel) as usize;
    let mut dx = vec![0.0; shape.rows * shape.input.len() as usize];
    shape.for_each_tap(|out, tap, inp| {
        for o in 0..co {
            let d = dy[out * co + o];
            for c in 0..ci {
                dx[inp * ci + c] += d * w[(o * taps + tap) * ci + c];
            }
        }
    });
    dx
}

/// dW `[out, k, k, in]` from dy `[rows, oh, ow, out]` and x.
pub fn conv2d_weight_grad(dy: &[f64], x: &[f64], shape: &ConvShape) -> Vec<f64> {
    let (ci, co) = check(Some(x), None, Some(dy), shape);
    let taps = (shape.window.kernel * shape.window.kernel) as usize;
    let mut dw = vec![0.0; shape.weights()];
    shape.for_each_tap(|out, tap, inp| {
        for o in 0..co {
            let d = dy[out * co + o];
            for c in 0..ci {
                dw[(o * taps + tap) * ci + c] += d * x[inp * ci + c];
            }
        }
    });
    dw
}

/// Checks the lengths that are given; returns the input and output channels.
fn check(x: Option<&[f64]>, w: Option<&[f64]>, dy: Option<&[f64]>, shape: &ConvShape) -> (usize, usize) {
    let expect = |name: &str, got: Option<&[f64]>, len: usize| {
        if let Some(v) = got {
            assert_eq!(v.len(), len, "conv2d: {name} does not fit {shape:?}");
        }
    };
    expect("x", x, shape.rows * shape.input.len() as usize);
    expect("w", w, shape.weights());
    expect("dy", dy, shape.rows * shape.output.len() as usize);
    (shape.input.channels as usize, shape.output.channels as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::gradient_check::{check_gradient, dot, numbers};

    fn shape(
        hw: (u32, u32),
        c: (u32, u32),
        kernel: u32,
        stride: u32,
        pad: (u32, u32),
        out: (u32, u32),
    ) -> ConvShape {
        ConvShape {
            rows: 2,
            input: Dims { height: hw.0, width: hw.1, channels: c.0 },
            output: Dims { height: out.0, width: out.1, channels: c.1 },
            window: Window { kernel, stride, pad_top: pad.0, pad_left: pad.1 },
        }
    }

    #[test]
    fn known_convolution() {
        // One 3x3 image 1..9, a 2x2 kernel [[1, 2], [3, 4]], no padding.
        let s = ConvShape { rows: 1, ..shape((3, 3), (1, 1), 2, 1, (0, 0), (2, 2)) };
        let x: Vec<f64> = (1..=9).map(f64::from).collect();
        let w = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(conv2d_forward(&x, &w, &s), [37.0, 47.0, 67.0, 77.0]);
        // Same padding at stride 2: one zero row and column, at the bottom and right only.
        let s = ConvShape { rows: 1, ..shape((3, 3), (1, 1), 2, 2, (0, 0), (2, 2)) };
        assert_eq!(conv2d_forward(&x, &w, &s), [37.0, 3.0 + 18.0, 7.0 + 16.0, 9.0]);
    }

    #[test]
    fn kernel_of_one_is_dense() {
        let s = shape((2, 3), (4, 5), 1, 1, (0, 0), (2, 3));
        let (x, w) = (numbers(1, 2 * 6 * 4), numbers(2, 5 * 4));
        let dense = crate::reference::dense::dense_forward(&x, &w, 12, 4, 5);
        crate::reference::assert_close("1x1", &dense, &conv2d_forward(&x, &w, &s), 1e-14, 1e-14);
    }

    #[test]
    fn gradients() {
        for s in [
            shape((4, 5), (2, 3), 3, 1, (1, 1), (4, 5)),
            shape((5, 4), (2, 3), 3, 2, (1, 0), (3, 2)),
            shape((5, 6), (1, 2), 2, 1, (0, 0), (4, 5)),
            shape((7, 6), (2, 2), 3, 3, (0, 0), (2, 2)),
            shape((3, 3), (2, 2), 5, 2, (2, 2), (2, 2)),
        ] {
            let (x, w) = (numbers(1, 2 * s.input.len() as usize), numbers(2, s.weights()));
            let c = numbers(3, 2 * s.output.len() as usize);
            let name = format!("{s:?}");
            check_gradient(&name, &x, &conv2d_data_grad(&c, &w, &s), |x| dot(&conv2d_forward(x, &w, &s), &c));
            check_gradient(&name, &w, &conv2d_weight_grad(&c, &x, &s), |w| {
                dot(&conv2d_forward(&x, w, &s), &c)
            });
        }
    }
}
