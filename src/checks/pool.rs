//! Pooling: windows of every kind, ties, padding, and the derivative of the activation below.

use super::conv::geometry;
use super::gemm::{ACTIVATIONS, activate, slope_at};
use super::{Checks, Output, Slack, input, numbers, wide};
use crate::error::Result;
use crate::gpu::MAX_TURNS;
use crate::model::shape::{Dims, Window};
use crate::ops::{Activation, Epilogue, State};
use crate::reference::conv2d::ConvShape;
use crate::reference::{avg_pool2d, global_avg_pool, max_pool2d};

/// One geometry: rows, (h, w, c), (kernel, stride), (top, left, bottom, right).
pub fn shape(
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
        shape(2, (13, 11, 4), (6, 5), (1, 2, 0, 1)),
        shape(2, (11, 12, 3), (2, 5), none),
        shape(1, (3, 3, 2), (3, 1), (2, 2, 2, 2)),
        shape(5, (14, 14, 32), (4, 3), none),
        shape(2, (28, 28, 16), (2, 2), none),
    ]
}

/// Values of which many are equal, zeros among them, so that the largest is often had twice.
fn coarse(stream: u32, n: u32) -> Vec<f32> {
    numbers(stream, n).iter().map(|v| (4.0 * v).round().max(0.0) - 1.0).collect()
}

/// Largest values of windows, also where several are equal, and their gradient.
pub fn max_pooling(checks: &Checks<'_>) -> Result<()> {
    for s in shapes() {
        for (kind, x) in [("", numbers(71, size(&s).0)), (" with ties", coarse(72, size(&s).0))] {
            max(checks, &format!("max {s:?}{kind}"), &s, &x, Activation::None)?;
        }
    }
    Ok(())
}

/// Means of windows and their gradient.
pub fn average_pooling(checks: &Checks<'_>) -> Result<()> {
    shapes().iter().try_for_each(|s| average(checks, s, Activation::None))
}

/// Sums over the windows that hold a pixel: transposed convolutions.
pub fn sums_over_windows(checks: &Checks<'_>) -> Result<()> {
    shapes().iter().try_for_each(|s| windows(checks, s, Activation::None))
}

/// The same with the slope of the activation below.
pub fn the_activation_below(checks: &Checks<'_>) -> Result<()> {
    for act in ACTIVATIONS {
        for s in [shape(2, (7, 5, 3), (3, 2), (1, 1, 1, 1)), shape(2, (5, 8, 8), (4, 3), (0, 0, 0, 0))] {
            max(checks, &format!("max below {act:?} {s:?}"), &s, &numbers(73, size(&s).0), act)?;
            average(checks, &s, act)?;
            windows(checks, &s, act)?;
        }
    }
    Ok(())
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

fn max(checks: &Checks<'_>, name: &str, s: &ConvShape, before: &[f32], act: Activation) -> Result<()> {
    let (x, slopes) = activated(before, act);
    let (pixels, out_pixels) = (s.rows as u32 * s.input.pixels(), s.rows as u32 * s.output.pixels());
    let c = s.input.channels;
    let dy = numbers(74, out_pixels * c);
    let (tx, tdy) = (input(checks, pixels, c, &x), input(checks, out_pixels, c, &dy));
    let [y, alone, taps] = [0; 3].map(|_| Output::new(checks, out_pixels, c, Slack::None));
    let dx = Output::new(checks, pixels, c, Slack::None);
    let at = geometry(s);
    checks.run(State::default(), |ops, p| {
        ops.max_pool2d(p, "check", &at, &tx, (&y.tensor, Some(&taps.tensor)))?;
        ops.max_pool2d(p, "check", &at, &tx, (&alone.tensor, None))?;
        ops.max_pool2d_grad(p, "check", &at, (&tdy, &taps.tensor), Some((&tx, act)), &dx.tensor)
    })?;
    let (want, places) = max_pool2d::max_pool2d(&wide(&x), s);
    let exact: Vec<f32> = want.iter().map(|v| *v as f32).collect();
    checks.same(name, &exact, &y.read::<f32>(checks, name)?);
    checks.same(&format!("{name}, values alone"), &exact, &alone.read::<f32>(checks, name)?);
    checks.same(&format!("{name}, places"), &places, &taps.read::<u32>(checks, name)?);
    let want = times(max_pool2d::max_pool2d_grad(&wide(&dy), &places, s), &slopes);
    checks.values(&format!("{name} gradient"), &want, &dx.read(checks, name)?, 1e-6);
    Ok(())
}

fn average(checks: &Checks<'_>, s: &ConvShape, act: Activation) -> Result<()> {
    let name = format!("average below {act:?} {s:?}");
    let (x, slopes) = activated(&numbers(75, size(s).0), act);
    let (pixels, out_pixels) = (s.rows as u32 * s.input.pixels(), s.rows as u32 * s.output.pixels());
    let c = s.input.channels;
    let dy = numbers(76, out_pixels * c);
    let (tx, tdy) = (input(checks, pixels, c, &x), input(checks, out_pixels, c, &dy));
    let y = Output::new(checks, out_pixels, c, Slack::None);
    let dx = Output::new(checks, pixels, c, Slack::None);
    let at = geometry(s);
    checks.run(State::default(), |ops, p| {
        ops.avg_pool2d(p, "check", &at, &tx, &y.tensor)?;
        ops.avg_pool2d_grad(p, "check", &at, &tdy, Some((&tx, act)), &dx.tensor)
    })?;
    checks.sums(&name, &avg_pool2d::avg_pool2d(&wide(&x), s), &y.read(checks, &name)?);
    let want = times(avg_pool2d::avg_pool2d_grad(&wide(&dy), s), &slopes);
    checks.values(&format!("{name} gradient"), &want, &dx.read(checks, &name)?, 1e-6);
    Ok(())
}

fn windows(checks: &Checks<'_>, s: &ConvShape, act: Activation) -> Result<()> {
    let name = format!("sums over windows below {act:?} {s:?}");
    let (x, slopes) = activated(&numbers(77, size(s).0), act);
    let (pixels, out_pixels) = (s.rows as u32 * s.input.pixels(), s.rows as u32 * s.output.pixels());
    let c = s.input.channels;
    let n = s.window.kernel * s.window.kernel * c;
    let said = numbers(78, out_pixels * n);
    let (tx, tsaid) = (input(checks, pixels, c, &x), input(checks, out_pixels, n, &said));
    let bias = numbers(79, c);
    let tbias = input(checks, 1, c, &bias);
    let [dx, y, plain] = [0; 3].map(|_| Output::new(checks, pixels, c, Slack::None));
    checks.run(State::default(), |ops, p| {
        let mut with =
            |epilogue, out: &Output| ops.col2im(p, "check", &geometry(s), &tsaid, epilogue, &out.tensor);
        with(Epilogue::Backward { saved: &tx, activation: act }, &dx)?;
        with(Epilogue::Forward { bias: Some(&tbias), activation: act }, &y)?;
        with(Epilogue::None, &plain)
    })?;
    let mut want = vec![0.0; (pixels * c) as usize];
    let (c, n) = (c as usize, n as usize);
    s.for_each_tap(|out, tap, inp| {
        for channel in 0..c {
            want[inp * c + channel] += f64::from(said[out * n + tap * c + channel]);
        }
    });
    checks.values(&name, &want, &plain.read(checks, &name)?, 1e-6);
    let ends = want.iter().enumerate().map(|(i, v)| activate(act, v + f64::from(bias[i % c])));
    checks.values(&format!("{name}, with bias"), &ends.collect::<Vec<_>>(), &y.read(checks, &name)?, 2e-6);
    checks.values(&name, &times(want, &slopes), &dx.read(checks, &name)?, 1e-6);
    Ok(())
}

/// Means over whole images and their gradient.
pub fn global_average_pooling(checks: &Checks<'_>) -> Result<()> {
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
        let (tx, tdy) = (input(checks, rows * pixels, cols, &x), input(checks, rows, cols, &dy));
        let y = Output::new(checks, rows, cols, Slack::None);
        let dx = Output::new(checks, rows * pixels, cols, Slack::None);
        checks.run(State::default(), |ops, p| {
            ops.global_avg_pool(p, "check", &tx, &y.tensor)?;
            ops.global_avg_pool_grad(p, "check", &tdy, &dx.tensor)
        })?;
        let (r, px, c) = (rows as usize, pixels as usize, cols as usize);
        checks.sums(&name, &global_avg_pool::global_avg_pool(&wide(&x), r, px, c), &y.read(checks, &name)?);
        checks.values(
            &name,
            &global_avg_pool::global_avg_pool_grad(&wide(&dy), r, px, c),
            &dx.read(checks, &name)?,
            0.0,
        );
    }
    Ok(())
}
