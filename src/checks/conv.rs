//! Convolutions as products: forward, data gradient and weight gradient.

use super::gemm::{End, EndTensors};
use super::{Checks, Output, Slack, exact, input, numbers, wide};
use crate::error::Result;
use crate::model::shape::{Dims, Window};
use crate::ops::{Activation, Conv, Gemm, GradientIn, Operand, Ops, ProductKind, Right, State, Tile, Tiling};
use crate::reference::conv2d::{ConvShape, conv2d_data_grad, conv2d_forward, conv2d_weight_grad};

/// One geometry: rows, (h, w, c), oc, kernel, stride, (top, left, bottom, right).
#[derive(Debug, Clone, Copy)]
struct Case {
    rows: u32,
    input: (u32, u32, u32),
    oc: u32,
    kernel: u32,
    stride: u32,
    pad: (u32, u32, u32, u32),
}

const fn case(
    rows: u32,
    input: (u32, u32, u32),
    oc: u32,
    kernel: u32,
    stride: u32,
    pad: (u32, u32, u32, u32),
) -> Case {
    Case { rows, input, oc, kernel, stride, pad }
}

/// Kernels 1 to 5, strides 1 to 3, channels that are and are not a multiple of four, no, even and odd
/// padding, strides above the kernel, images that are not square.
const CASES: &[Case] = &[
    case(1, (1, 1, 1), 1, 1, 1, (0, 0, 0, 0)),
    case(2, (5, 4, 1), 3, 3, 1, (1, 1, 1, 1)),
    case(3, (7, 5, 3), 5, 3, 2, (1, 1, 1, 1)),
    case(2, (6, 7, 4), 4, 2, 1, (0, 0, 1, 1)),
    case(2, (6, 6, 5), 8, 4, 2, (1, 1, 1, 1)),
    case(3, (8, 8, 8), 12, 5, 2, (1, 1, 2, 2)),
    case(2, (7, 8, 4), 6, 1, 2, (0, 0, 0, 0)),
    case(2, (9, 7, 8), 8, 2, 3, (0, 0, 0, 0)),
    case(1, (8, 9, 3), 4, 3, 3, (1, 0, 0, 1)),
    case(5, (3, 3, 4), 7, 3, 2, (1, 1, 1, 1)),
    case(2, (2, 2, 1), 4, 1, 3, (0, 0, 0, 0)),
    case(2, (5, 6, 1), 4, 2, 1, (1, 0, 0, 1)),
    // Three taps of a row that slide: images wider and narrower than a subgroup, and than the window, more columns than a tile,
    // other paddings, and in the gradient alone every second pixel.
    case(5, (3, 9, 4), 8, 3, 1, (1, 1, 1, 1)),
    case(7, (6, 5, 8), 36, 3, 1, (1, 1, 1, 1)),
    case(2, (5, 6, 4), 20, 3, 1, (2, 0, 0, 2)),
    case(3, (2, 1, 4), 4, 3, 1, (1, 1, 1, 1)),
    case(3, (8, 6, 8), 12, 6, 2, (2, 2, 2, 2)),
    case(3, (8, 6, 8), 12, 6, 2, (1, 3, 3, 1)),
];

/// Tiles whose variants take longest to compile: a test of their own, to run beside the others.
fn is_large(tiling: &Tiling) -> bool {
    matches!(tiling, Tiling::Fixed(Tile::Subgroup { column_vecs: 2, .. } | Tile::Workgroup { rows: 128, .. }))
}

/// The case whose weight gradient the large tiles make too.
const LARGE_WEIGHT_GRADIENT: usize = 5;

/// The cnn's layers.
const USED: &[Case] =
    &[case(3, (28, 28, 1), 16, 5, 2, (1, 1, 2, 2)), case(3, (14, 14, 16), 32, 3, 1, (1, 1, 1, 1))];

impl Case {
    fn shape(&self) -> ConvShape {
        let (height, width, channels) = self.input;
        let (top, left, bottom, right) = self.pad;
        let out =
            |side: u32, before: u32, after: u32| (side + before + after - self.kernel) / self.stride + 1;
        ConvShape {
            rows: self.rows as usize,
            input: Dims { height, width, channels },
            output: Dims {
                height: out(height, top, bottom),
                width: out(width, left, right),
                channels: self.oc,
            },
            window: Window { kernel: self.kernel, stride: self.stride, pad_top: top, pad_left: left },
        }
    }
}

/// The geometry as operations take it.
pub fn geometry(s: &ConvShape) -> Conv {
    Conv {
        h: s.input.height,
        w: s.input.width,
        c: s.input.channels,
        oh: s.output.height,
        ow: s.output.width,
        oc: s.output.channels,
        kernel: s.window.kernel,
        stride: s.window.stride,
        pad_top: s.window.pad_top,
        pad_left: s.window.pad_left,
    }
}

/// One of a convolution's three products.
struct Pass<'a> {
    name: &'static str,
    size: (u32, u32, u32),
    a: (&'a [f32], Operand),
    /// The weights as the product reads them, or else x.
    b: B<'a>,
    end: End,
    want: Vec<f64>,
}

/// The right operand of a product.
enum B<'a> {
    Weights(&'a [f32]),
    Images(&'a [f32]),
}

/// Runs one product and compares; returns whether it was split along K.
fn check(checks: &Checks<'_>, ops: &Ops, case: &Case, mut pass: Pass<'_>) -> Result<bool> {
    let (m, n, k) = pass.size;
    let name = format!("{} {case:?} {:?}", pass.name, pass.end);
    let extra = EndTensors::new(checks, pass.end, m, n, &mut pass.want);
    let a = input(checks, 1, pass.a.0.len() as u32, pass.a.0);
    let (weights, images);
    let b = match pass.b {
        B::Weights(values) => {
            let kind = ProductKind::with_weights(pass.a.1, &geometry(&case.shape()), k, n);
            weights = super::packed(ops, kind, values)?;
            Right::Packed(&weights)
        }
        B::Images(x) => {
            images = input(checks, 1, x.len() as u32, x);
            Right::Window(&images)
        }
    };
    let out = Output::new(checks, m, n, Slack::None);
    let program = checks.run_with(ops, State::default(), |ops, p| {
        let a = (&a, pass.a.1);
        let epilogue = extra.epilogue(pass.end);
        let gradient_in = if pass.a.1 == Operand::Window { GradientIn::Neither } else { GradientIn::A };
        let conv = geometry(&case.shape());
        ops.gemm(p, &name, Gemm { m, n, k, a, b, conv, out: &out.open, epilogue, gradient_in })
    })?;
    checks.sums(&name, &pass.want, &out.read(checks, &name)?);
    Ok(program.runs("split_k_sum"))
}

/// `[out, taps, in]` as the forward product reads it, `[taps, in, out]`, and as the data gradient does,
/// `[taps, out, in]`.
fn packed(w: &[f32], out: usize, taps: usize, c: usize) -> (Vec<f32>, Vec<f32>) {
    let (mut forward, mut backward) = (vec![0.0; w.len()], vec![0.0; w.len()]);
    for (i, &v) in w.iter().enumerate() {
        let (o, tap, ci) = (i / (taps * c), i / c % taps, i % c);
        forward[(tap * c + ci) * out + o] = v;
        backward[(tap * out + o) * c + ci] = v;
    }
    (forward, backward)
}

/// All products of a convolution, or without the weight gradient; returns whether that was split along K.
fn passes(checks: &Checks<'_>, ops: &Ops, case: &Case, ends: (End, End), weights: bool) -> Result<bool> {
    let s = case.shape();
    let taps = case.kernel * case.kernel;
    let (c, oc) = (s.input.channels, s.output.channels);
    let (pixels, out_pixels) = (case.rows * s.input.pixels(), case.rows * s.output.pixels());
    let x = exact(&ops.tiling, numbers(11, pixels * c));
    let w = exact(&ops.tiling, numbers(12, oc * taps * c));
    let dy = exact(&ops.tiling, numbers(13, out_pixels * oc));
    let (forward, backward) = packed(&w, oc as usize, taps as usize, c as usize);
    let (wide_x, wide_w, wide_dy) = (wide(&x), wide(&w), wide(&dy));
    check(
        checks,
        ops,
        case,
        Pass {
            name: "forward",
            size: (out_pixels, oc, taps * c),
            a: (&x, Operand::Window),
            b: B::Weights(&forward),
            end: ends.0,
            want: conv2d_forward(&wide_x, &wide_w, &s),
        },
    )?;
    check(
        checks,
        ops,
        case,
        Pass {
            name: "data gradient",
            size: (pixels, c, taps * oc),
            a: (&dy, Operand::Scatter),
            b: B::Weights(&backward),
            end: ends.1,
            want: conv2d_data_grad(&wide_dy, &wide_w, &s),
        },
    )?;
    if !weights {
        return Ok(false);
    }
    check(
        checks,
        ops,
        case,
        Pass {
            name: "weight gradient",
            size: (oc, taps * c, out_pixels),
            a: (&dy, Operand::Columns),
            b: B::Images(&x),
            end: End::Plain,
            want: conv2d_weight_grad(&wide_dy, &wide_x, &s),
        },
    )
}

fn walk(checks: &Checks<'_>, large: bool) -> Result<()> {
    let tilings: Vec<Tiling> = checks.tilings().iter().filter(|t| is_large(t) == large).cloned().collect();
    checks.each_tiling(&tilings, |ops| {
        for (i, case) in CASES.iter().enumerate() {
            // The large tiles are slow to compile, and the tests of products by columns have them.
            let weights = !large || i == LARGE_WEIGHT_GRADIENT;
            passes(checks, ops, case, (End::Plain, End::Plain), weights)?;
        }
        Ok(())
    })
}

/// Every geometry with every tiling but the large ones.
pub fn small_tiles(checks: &Checks<'_>) -> Result<()> {
    walk(checks, false)
}

/// With the large tiles.
pub fn large_tiles(checks: &Checks<'_>) -> Result<()> {
    walk(checks, true)
}

/// The sizes really used, with the epilogues that the networks have, and weight gradients split along K.
pub fn the_sizes_of_the_cnn(checks: &Checks<'_>) -> Result<()> {
    checks.each_tiling(checks.defaults(), |ops| {
        let act = Activation::LeakyRelu(0.2);
        let mut split = vec![];
        for case in USED {
            split.push(passes(checks, ops, case, (End::Bias(act), End::Grad(act)), true)?);
        }
        checks.holds("the cnn's layers", "weight gradients are split along K", split.contains(&true));
        Ok(())
    })
}

/// Transposed convolutions: the product of the data gradient with the epilogue of a forward pass.
pub fn transposed(checks: &Checks<'_>) -> Result<()> {
    checks.each_tiling(checks.defaults(), |ops| {
        for (i, case) in CASES.iter().enumerate() {
            let act = if i % 2 == 0 { Activation::LeakyRelu(0.2) } else { Activation::Sigmoid };
            passes(checks, ops, case, (End::Plain, End::Bias(act)), false)?;
        }
        Ok(())
    })
}

/// Windows whose taps and channels are more than an invocation may go over, of which llvmpipe leaves a part out when they
/// are not cut: read four channels at a time and one by one, and scattered with one class of pixels and with four.
pub fn long_windows(checks: &Checks<'_>) -> Result<()> {
    // The image is behind the padding, so that the last taps are those that count.
    let pad = (56, 56, 0, 0);
    checks.each_tiling(checks.defaults(), |ops| {
        let act = Activation::LeakyRelu(0.2);
        for case in [
            case(1, (8, 8, 68), 4, 64, 1, pad),
            case(2, (8, 8, 65), 3, 64, 1, pad),
            case(1, (8, 8, 4), 68, 64, 1, pad),
            case(1, (8, 8, 3), 263, 64, 2, pad),
        ] {
            passes(checks, ops, &case, (End::Bias(act), End::Grad(act)), false)?;
        }
        Ok(())
    })
}

/// A few geometries with the default tilings: for devices that keep WGSL's bounds checks.
pub fn few(checks: &Checks<'_>) -> Result<()> {
    checks.each_tiling(checks.defaults(), |ops| {
        for case in &CASES[2..6] {
            passes(checks, ops, case, (End::Plain, End::Plain), true)?;
        }
        Ok(())
    })
}
