//! The three kinds of pooling.

use super::avg_pool2d::{avg_pool2d, avg_pool2d_grad};
use super::conv2d::ConvShape;
use super::global_avg_pool::{global_avg_pool, global_avg_pool_grad};
use super::gradient_check::{check_gradient, dot, numbers};
use super::max_pool2d::{max_pool2d, max_pool2d_grad};
use crate::shape::{Dims, Window};

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
    assert_eq!(global_avg_pool(&[1.0, 10.0, 3.0, 30.0, 5.0, 0.0, 5.0, 8.0], 2, 2, 2), [2.0, 20.0, 5.0, 4.0]);
    let (x, c) = (numbers(1, 2 * 6 * 3), numbers(2, 2 * 3));
    check_gradient("pool", &x, &global_avg_pool_grad(&c, 2, 6, 3), |x| dot(&global_avg_pool(x, 2, 6, 3), &c));
}
