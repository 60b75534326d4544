//! Pooling: windows of every kind, ties, padding, and the derivative of the activation below.

use crate::conv::geometry;
use crate::gemm::{ACTIVATIONS, activate, slope_at};
use crate::harness::{Output, Slack, both_ways, input, numbers, open, run, sums, values, wide};
use ssgan::gpu::{Gpu, MAX_TURNS, Program};
use ssgan::model::shape::{Dims, Window};
use ssgan::ops::{Activation, Epilogue, Ops, State};
use ssgan::reference::conv2d::ConvShape;
use ssgan::reference::{avg_pool2d, global_avg_pool, max_pool2d};

/// One geometry: rows, (h, w, c), (kernel, stride), (top, left, bottom, right).
fn shape(
    rows: usize,
    (height, width, channels): (u32, u32, u32),
    (kernel, stride): (u32, u32),
    (top, left, bottom, right): (u32, u32, u32, u32),
) -> ConvShape {
    let out = |side: u32, around: u32| (side + around - kernel) / stride + 1;
    ConvShape {
        rows,
        input: Dims { height, width, channels },
        output: Dims { height: out(height, top + bottom), width: out(width, left + right), channels },
        window: Window { kernel, stride, pad_top: top, pad_left: left },
    }
}

/// Windows that tile the image, overlap and leave gaps; channels that are and are not a multiple of four; no,
/// even and odd padding; images that are not square; one larger than a workgroup.
fn shapes() -> Vec<ConvShape> {
    let none = (0, 0, 0, 0);
    vec![
        shape(1, (1, 1, 1), (1, 1), none),
        shape(3, (4, 6, 4), (2, 2), none),
        shape(2, (7, 5, 3), (3, 2), (1, 1, 1, 1)),
        shape(2, (5, 8, 8), (4, 3), (0, 1, 1, 2)),
        shape(2, (9, 7, 1), (2, 3), none),
        shape(1, (3, 3, 2), (3, 1), (2, 2, 2, 2)),
        shape(5, (14, 14, 32), (4, 3), none),
        shape(2, (28, 28, 16), (2, 2), none),
    ]
}

/// Values of which many are equal, zeros among them, so that the largest is often had twice.
fn coarse(stream: u32, n: u32) -> Vec<f32> {
    numbers(stream, n).iter().map(|v| (4.0 * v).round().max(0.0) - 1.0).collect()
}

#[test]
fn max_pooling() {
    both_ways(|gpu| {
        for s in shapes() {
            for (kind, x) in [("", numbers(71, size(&s).0)), (" with ties", coarse(72, size(&s).0))] {
                max(gpu, &format!("max {s:?}{kind}"), &s, &x, Activation::None);
            }
        }
    });
}

#[test]
fn average_pooling() {
    both_ways(|gpu| shapes().iter().for_each(|s| average(gpu, s, Activation::None)));
}

#[test]
fn sums_over_windows() {
    both_ways(|gpu| shapes().iter().for_each(|s| windows(gpu, s, Activation::None)));
}

#[test]
fn the_activation_below() {
    both_ways(|gpu| {
        for act in ACTIVATIONS {
            for s in [shape(2, (7, 5, 3), (3, 2), (1, 1, 1, 1)), shape(2, (5, 8, 8), (4, 3), (0, 0, 0, 0))] {
                max(gpu, &format!("max below {act:?} {s:?}"), &s, &numbers(73, size(&s).0), act);
                average(gpu, &s, act);
                windows(gpu, &s, act);
            }
        }
    });
}

/// Values of x and of y.
fn size(s: &ConvShape) -> (u32, u32) {
    (s.rows as u32 * s.input.len(), s.rows as u32 * s.output.len())
}

/// The activation's output of `before`, and its slope there.
fn activated(before: &[f32], act: Activation) -> (Vec<f32>, Vec<f64>) {
    let y = before.iter().map(|v| activate(act, (*v).into()) as f32).collect();
    (y, before.iter().map(|v| slope_at(act, (*v).into())).collect())
}

fn times(dx: Vec<f64>, slopes: &[f64]) -> Vec<f64> {
    dx.iter().zip(slopes).map(|(d, s)| d * s).collect()
}

fn max(gpu: &Gpu, name: &str, s: &ConvShape, before: &[f32], act: Activation) {
    let (x, slopes) = activated(before, act);
    let (pixels, out_pixels) = (s.rows as u32 * s.input.pixels(), s.rows as u32 * s.output.pixels());
    let c = s.input.channels;
    let dy = numbers(74, out_pixels * c);
    let (tx, tdy) = (input(gpu, pixels, c, &x), input(gpu, out_pixels, c, &dy));
    let [y, alone, taps] = [0; 3].map(|_| Output::new(gpu, out_pixels, c, Slack::None));
    let dx = Output::new(gpu, pixels, c, Slack::None);
    let at = geometry(s);
    run(gpu, State::default(), |ops, p| {
        ops.max_pool2d(p, "test", &at, &tx, (&y.tensor, Some(&taps.tensor)))?;
        ops.max_pool2d(p, "test", &at, &tx, (&alone.tensor, None))?;
        ops.max_pool2d_grad(p, "test", &at, (&tdy, &taps.tensor), Some((&tx, act)), &dx.tensor)
    });
    let (want, places) = max_pool2d::max_pool2d(&wide(&x), s);
    let exact: Vec<f32> = want.iter().map(|v| *v as f32).collect();
    assert_eq!(y.read::<f32>(gpu, name), exact, "{name}");
    assert_eq!(alone.read::<f32>(gpu, name), exact, "{name}, values alone");
    assert_eq!(taps.read::<u32>(gpu, name), places, "{name}, places");
    let want = times(max_pool2d::max_pool2d_grad(&wide(&dy), &places, s), &slopes);
    values(&format!("{name} gradient"), &want, &dx.read(gpu, name), 1e-6);
}

fn average(gpu: &Gpu, s: &ConvShape, act: Activation) {
    let name = format!("average below {act:?} {s:?}");
    let (x, slopes) = activated(&numbers(75, size(s).0), act);
    let (pixels, out_pixels) = (s.rows as u32 * s.input.pixels(), s.rows as u32 * s.output.pixels());
    let c = s.input.channels;
    let dy = numbers(76, out_pixels * c);
    let (tx, tdy) = (input(gpu, pixels, c, &x), input(gpu, out_pixels, c, &dy));
    let y = Output::new(gpu, out_pixels, c, Slack::None);
    let dx = Output::new(gpu, pixels, c, Slack::None);
    let at = geometry(s);
    run(gpu, State::default(), |ops, p| {
        ops.avg_pool2d(p, "test", &at, &tx, &y.tensor)?;
        ops.avg_pool2d_grad(p, "test", &at, &tdy, Some((&tx, act)), &dx.tensor)
    });
    sums(&name, &avg_pool2d::avg_pool2d(&wide(&x), s), &y.read(gpu, &name));
    let want = times(avg_pool2d::avg_pool2d_grad(&wide(&dy), s), &slopes);
    values(&format!("{name} gradient"), &want, &dx.read(gpu, &name), 1e-6);
}

fn windows(gpu: &Gpu, s: &ConvShape, act: Activation) {
    let name = format!("sums over windows below {act:?} {s:?}");
    let (x, slopes) = activated(&numbers(77, size(s).0), act);
    let (pixels, out_pixels) = (s.rows as u32 * s.input.pixels(), s.rows as u32 * s.output.pixels());
    let c = s.input.channels;
    let n = s.window.kernel * s.window.kernel * c;
    let said = numbers(78, out_pixels * n);
    let (tx, tsaid) = (input(gpu, pixels, c, &x), input(gpu, out_pixels, n, &said));
    let bias = numbers(79, c);
    let tbias = input(gpu, 1, c, &bias);
    let [dx, y, plain] = [0; 3].map(|_| Output::new(gpu, pixels, c, Slack::None));
    run(gpu, State::default(), |ops, p| {
        let mut with =
            |epilogue, out: &Output| ops.col2im(p, "test", &geometry(s), &tsaid, epilogue, &out.tensor);
        with(Epilogue::Backward { saved: &tx, activation: act }, &dx)?;
        with(Epilogue::Forward { bias: Some(&tbias), activation: act }, &y)?;
        with(Epilogue::None, &plain)
    });
    let mut want = vec![0.0; (pixels * c) as usize];
    let (c, n) = (c as usize, n as usize);
    s.for_each_tap(|out, tap, inp| {
        for channel in 0..c {
            want[inp * c + channel] += f64::from(said[out * n + tap * c + channel]);
        }
    });
    values(&name, &want, &plain.read(gpu, &name), 1e-6);
    let ends = want.iter().enumerate().map(|(i, v)| activate(act, v + f64::from(bias[i % c])));
    values(&format!("{name}, with bias"), &ends.collect::<Vec<_>>(), &y.read(gpu, &name), 2e-6);
    values(&name, &times(want, &slopes), &dx.read(gpu, &name), 1e-6);
}

/// Windows that an invocation would go over for longer than it may.
#[test]
fn windows_that_are_too_large() {
    let gpu = open(false);
    let mut p = Program::new();
    let mut pool = |side: u32| {
        let s = shape(1, (side, side, 1), (side, 1), (0, 0, 0, 0));
        let (x, y) = (gpu.tensor("x", side * side, 1), gpu.tensor("y", 1, 1));
        Ops::new(&gpu).avg_pool2d(&mut p, "test", &geometry(&s), &x, &y)
    };
    assert!(pool(180).is_ok());
    let error = pool(181).unwrap_err();
    assert!(matches!(error, ssgan::Error::Usage(_)), "{error}");
}

#[test]
fn global_average_pooling() {
    both_ways(|gpu| {
        // The last are as many as an invocation may go over, and more than llvmpipe's loops have turns.
        for (rows, pixels, cols) in [
            (1, 1, 1),
            (2, 9, 3),
            (3, 16, 8),
            (5, 7, 64),
            (17, 4, 10),
            (33, 49, 31),
            (1, MAX_TURNS - 1, 2),
            (2, 90_001, 3),
        ] {
            let name = format!("pool {rows} x {pixels} x {cols}");
            let x = numbers(41, rows * pixels * cols);
            let dy = numbers(42, rows * cols);
            let (tx, tdy) = (input(gpu, rows * pixels, cols, &x), input(gpu, rows, cols, &dy));
            let y = Output::new(gpu, rows, cols, Slack::None);
            let dx = Output::new(gpu, rows * pixels, cols, Slack::None);
            run(gpu, State::default(), |ops, p| {
                ops.global_avg_pool(p, "test", &tx, &y.tensor)?;
                ops.global_avg_pool_grad(p, "test", &tdy, &dx.tensor)
            });
            let (r, px, c) = (rows as usize, pixels as usize, cols as usize);
            sums(&name, &global_avg_pool::global_avg_pool(&wide(&x), r, px, c), &y.read(gpu, &name));
            values(
                &name,
                &global_avg_pool::global_avg_pool_grad(&wide(&dy), r, px, c),
                &dx.read(gpu, &name),
                0.0,
            );
        }
    });
}
