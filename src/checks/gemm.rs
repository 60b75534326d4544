//! Matrix products with operands by rows and by columns: dense layers. Convolutions are in `conv.rs`.

use super::{Checks, Output, Slack, exact, input, numbers, packed, wide};
use crate::error::Result;
use crate::gpu::{Gpu, MAX_TURNS, Tensor};
use crate::ops::{
    Activation, Epilogue, Gemm, GradientIn, Operand, Ops, ProductKind, Right, State, Tile, Tiling,
};
use crate::reference::bias::add_bias;
use crate::reference::dense::{matmul, transpose};
use crate::reference::{leaky_relu, relu, sigmoid, softplus, tanh};

/// All activations.
pub const ACTIVATIONS: [Activation; 7] = [
    Activation::None,
    Activation::Relu,
    Activation::LeakyRelu(0.2),
    Activation::Softplus,
    Activation::Sigmoid,
    Activation::Tanh,
    Activation::ReluDropout(0.7),
];

/// The twin of an activation.
pub fn activate(act: Activation, x: f64) -> f64 {
    match act {
        Activation::None => x,
        Activation::Relu | Activation::ReluDropout(_) => relu::relu(x),
        Activation::LeakyRelu(s) => leaky_relu::leaky_relu(x, s.into()),
        Activation::Softplus => softplus::softplus(x),
        Activation::Sigmoid => sigmoid::sigmoid(x),
        Activation::Tanh => tanh::tanh(x),
    }
}

/// The slope of an activation at its input.
pub fn slope_at(act: Activation, x: f64) -> f64 {
    match act {
        Activation::None => 1.0,
        Activation::Relu => relu::relu_grad(x),
        Activation::LeakyRelu(s) => leaky_relu::leaky_relu_grad(x, s.into()),
        Activation::Softplus => softplus::softplus_grad(x),
        Activation::Sigmoid => sigmoid::sigmoid_grad(x),
        Activation::Tanh => tanh::tanh_grad(x),
        // Of what was kept; what was dropped is 0, where relu has no slope either.
        Activation::ReluDropout(kept) => relu::relu_grad(x) / f64::from(kept),
    }
}

/// Which epilogue a case has.
#[derive(Debug, Clone, Copy)]
pub enum End {
    /// None.
    Plain,
    /// Bias and activation.
    Bias(Activation),
    /// An activation alone.
    Act(Activation),
    /// Times the slope of an activation, from its output.
    Grad(Activation),
}

/// The tensors of an epilogue and what it does to the expected product.
pub struct EndTensors {
    bias: Tensor,
    saved: Tensor,
}

impl EndTensors {
    /// Those of `end` for C `[m, n]`, which is given what the epilogue makes of it.
    pub fn new(gpu: &Gpu, end: End, m: u32, n: u32, want: &mut [f64]) -> EndTensors {
        let bias = numbers(90, n);
        let x = numbers(91, m * n).iter().map(|v| 3.0 * f64::from(*v)).collect::<Vec<f64>>();
        let mut saved = vec![0.0; x.len()];
        match end {
            End::Plain => {}
            End::Bias(act) => {
                add_bias(want, &wide(&bias));
                want.iter_mut().for_each(|v| *v = activate(act, *v));
            }
            End::Act(act) => want.iter_mut().for_each(|v| *v = activate(act, *v)),
            End::Grad(act) => {
                for (i, v) in want.iter_mut().enumerate() {
                    saved[i] = activate(act, x[i]) as f32;
                    *v *= slope_at(act, x[i]);
                }
            }
        }
        EndTensors { bias: input(gpu, 1, n, &bias), saved: input(gpu, m, n, &saved) }
    }

    /// The epilogue with its tensors.
    pub fn epilogue(&self, end: End) -> Epilogue<'_> {
        match end {
            End::Plain => Epilogue::None,
            End::Bias(activation) => Epilogue::Forward { bias: Some(&self.bias), activation },
            End::Act(activation) => Epilogue::Forward { bias: None, activation },
            End::Grad(activation) => Epilogue::Backward { saved: &self.saved, activation },
        }
    }
}

/// M, N, K of a product.
type Size = (u32, u32, u32);

/// One product as the layers make it: weights packed, other right operands by rows. Returns whether it was split
/// along K.
fn product(checks: &Checks<'_>, ops: &Ops, operand: Operand, size: Size, end: End) -> Result<bool> {
    product_with(checks, ops, (operand, operand != Operand::Columns), size, end)
}

fn product_with(
    checks: &Checks<'_>,
    ops: &Ops,
    (operand, pack): (Operand, bool),
    (m, n, k): Size,
    end: End,
) -> Result<bool> {
    let name = format!("{operand:?} {m} x {n} x {k} {end:?}");
    let (a, b) = (exact(&ops.tiling, numbers(1, m * k)), exact(&ops.tiling, numbers(2, k * n)));
    let (mu, nu, ku) = (m as usize, n as usize, k as usize);
    let (rows, cols, wide_a) = match operand {
        Operand::Columns => (k, m, transpose(&wide(&a), ku, mu)),
        _ => (m, k, wide(&a)),
    };
    let mut want = matmul(&wide_a, &wide(&b), mu, ku, nu);
    let extra = EndTensors::new(checks, end, m, n, &mut want);
    let (ta, tb) = (input(checks, rows, cols, &a), input(checks, k, n, &b));
    let out = Output::new(checks, m, n, Slack::None);
    let right = if pack {
        Some(packed(ops, ProductKind::with_weights(operand, &Default::default(), k, n), &b)?)
    } else {
        None
    };
    let program = checks.run_with(ops, State::default(), |ops, p| {
        let conv = Default::default();
        let (a, b) = ((&ta, operand), right.as_ref().map_or(Right::Rows(&tb), Right::Packed));
        let gradient_in = if operand == Operand::Columns { GradientIn::A } else { GradientIn::Neither };
        let g = Gemm { m, n, k, a, b, conv, out: &out.open, epilogue: extra.epilogue(end), gradient_in };
        ops.gemm(p, &name, g)
    })?;
    checks.sums(&name, &want, &out.read(checks, &name)?);
    Ok(program.runs("split_k_sum"))
}

/// Whether variants of this tile are long and slow to compile.
fn larger(tile: Tile) -> bool {
    matches!(tile, Tile::Subgroup { row_groups: 2.., .. } | Tile::Workgroup { rows: 128, .. })
}

/// The tile of a product of many columns.
fn wide_tile(tiling: &Tiling, operand: Operand) -> Tile {
    tiling.tile(ProductKind::new(operand, &Default::default(), (1000, 1000, 1000)))
}

/// Sizes around the tile's edges, those below a vec4, primes; and some that are split along K with ragged
/// ends: the last chunk, and K not a multiple of four.
fn sizes(tiling: &Tiling, operand: Operand) -> (Vec<Size>, Vec<Size>) {
    let tile = wide_tile(tiling, operand);
    let (tm, tn) = tile.size();
    let mut sizes = vec![(tm + 1, tn + 1, 17), (37, 29, 53), (tm + 4, tn + 4, 20)];
    let mut split = vec![];
    // The larger tiles are slow to compile; where no policy gives them to this operand, two variants do.
    let by_policy = !matches!(tiling, Tiling::Fixed(_));
    if by_policy || operand != Operand::Columns || !larger(tile) {
        sizes.extend([(1, 1, 1), (3, 2, 5), (4, 4, 4), (tm - 1, tn - 1, 15), (tm, tn, 16)]);
        // The table's tile of many columns is another one for so few steps of K as the others have.
        sizes.extend([
            (2 * tm + 3, 8, 18),
            (13, 100, 31),
            (tm, 9, 12),
            (tm - 1, tn + 1, 77),
            (tm + 1, tn, 64),
        ]);
        split.extend([(10, 12, 1040), (5, 9, 769), (8, 8, 2051)]);
    }
    (sizes, split)
}

fn walk(checks: &Checks<'_>, operand: Operand) -> Result<()> {
    checks.each_tiling(checks.tilings(), |ops| {
        let (whole, split) = sizes(&ops.tiling, operand);
        for (sizes, wanted) in [(whole, false), (split, true)] {
            for size in sizes {
                let split = product(checks, ops, operand, size, End::Plain)?;
                let what = if wanted { "it is split along K" } else { "it is not split along K" };
                checks.holds(&format!("{operand:?} {size:?}"), what, split == wanted);
            }
        }
        Ok(())
    })
}

/// A by rows: forward and data gradient.
pub fn rows(checks: &Checks<'_>) -> Result<()> {
    walk(checks, Operand::Rows)
}

/// A by columns: weight gradients.
pub fn columns(checks: &Checks<'_>) -> Result<()> {
    walk(checks, Operand::Columns)
}

/// Any right operand may come by rows.
pub fn both_by_rows(checks: &Checks<'_>) -> Result<()> {
    checks.each_tiling(checks.tilings(), |ops| {
        for size in [(37, 29, 53), (9, 12, 7), (65, 66, 18), (33, 72, 8), (8, 8, 2051)] {
            product_with(checks, ops, (Operand::Rows, false), size, End::Plain)?;
        }
        Ok(())
    })
}

/// A few sizes and ends with the first two tilings, the defaults: for devices that keep WGSL's bounds checks.
pub fn few(checks: &Checks<'_>) -> Result<()> {
    checks.each_tiling(checks.defaults(), |ops| {
        for operand in [Operand::Rows, Operand::Columns] {
            for size in [(37, 29, 53), (65, 68, 20), (10, 12, 1040)] {
                product(checks, ops, operand, size, End::Plain)?;
            }
        }
        product(checks, ops, Operand::Rows, (9, 13, 7), End::Bias(Activation::Softplus))?;
        product(checks, ops, Operand::Rows, (9, 13, 7), End::Grad(Activation::Softplus)).map(drop)
    })
}

/// Every epilogue.
pub fn epilogues(checks: &Checks<'_>) -> Result<()> {
    checks.each_tiling(checks.tilings(), |ops| {
        for act in ACTIVATIONS {
            // An epilogue sees nothing of the tile's size: all activations for the table of each kind of tile, but for those
            // that take a CPU's driver seconds to compile, and one for every tile.
            let one = matches!(ops.tiling, Tiling::Fixed(_) | Tiling::Cooperative { .. });
            if one && act != Activation::Softplus {
                continue;
            }
            for size in [(9, 13, 7), (16, 36, 8)] {
                product(checks, ops, Operand::Rows, size, End::Bias(act))?;
                product(checks, ops, Operand::Rows, size, End::Grad(act))?;
            }
            product(checks, ops, Operand::Rows, (70, 68, 8), End::Act(act))?;
        }
        Ok(())
    })
}

/// The dnn's first layer on a whole step's rows: the largest product there is.
pub fn the_size_of_the_dnn(checks: &Checks<'_>) -> Result<()> {
    let ops = Ops::new(checks);
    product(checks, &ops, Operand::Rows, (1124, 1000, 784), End::Bias(Activation::Relu))?;
    product(checks, &ops, Operand::Columns, (1000, 784, 1124), End::Plain)?;
    product(checks, &ops, Operand::Rows, (1124, 10, 250), End::Bias(Activation::None)).map(drop)
}

/// More rows of tiles than a grid axis holds: they go on along z.
pub fn folded_rows(checks: &Checks<'_>) -> Result<()> {
    checks.each_tiling(&[Ops::new(checks).tiling, Tiling::Portable], |ops| {
        let (rows, _) =
            ops.tiling.tile(ProductKind::with_weights(Operand::Rows, &Default::default(), 1, 1)).size();
        product(checks, ops, Operand::Rows, (65_535 * rows + rows + 1, 1, 1), End::Plain).map(drop)
    })
}

/// K on both sides of what an invocation may go over; of the longest, llvmpipe leaves a part out when it is not cut. Where
/// there is an epilogue, nothing but the bound on loops cuts K.
pub fn long_sums(checks: &Checks<'_>) -> Result<()> {
    checks.each_tiling(checks.tilings(), |ops| {
        let longest = 4 * (MAX_TURNS - 1);
        let small = (3, 5, longest);
        let split = product(checks, ops, Operand::Rows, small, End::Bias(Activation::Softplus))?;
        if let Tile::Subgroup { .. } = wide_tile(&ops.tiling, Operand::Rows) {
            checks.holds(&format!("{small:?}"), "it is not split along K", !split);
        }
        for (size, end) in [
            ((3, 5, longest + 4), End::Bias(Activation::Softplus)),
            ((3, 5, 470_001), End::Bias(Activation::Softplus)),
            ((2, 4, 470_001), End::Grad(Activation::Tanh)),
        ] {
            let split = product(checks, ops, Operand::Rows, size, end)?;
            checks.holds(&format!("{size:?}"), "it is split along K", split || size.2 < 470_001);
        }
        Ok(())
    })
}

/// As [`long_sums`] with A by columns: weight gradients of few tiles are cut to keep the adapter busy, what has an epilogue by
/// the bound alone.
pub fn long_sums_by_columns(checks: &Checks<'_>) -> Result<()> {
    checks.each_tiling(checks.defaults(), |ops| {
        let (size, end) = ((3, 5, 470_001), End::Bias(Activation::Softplus));
        let split = product(checks, ops, Operand::Columns, size, end)?;
        checks.holds(&format!("{size:?}"), "it is split along K", split);
        Ok(())
    })
}
