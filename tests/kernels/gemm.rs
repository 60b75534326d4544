//! Matrix products with operands by rows and by columns: dense layers. Convolutions are in `conv.rs`.

use crate::harness::{Output, Slack, exact, input, numbers, open, packed, run_with, sums, tilings, wide};
use ssgan::gpu::{Gpu, MAX_TURNS, Tensor};
use ssgan::ops::{
    Activation, Epilogue, Gemm, GradientIn, Operand, Ops, ProductKind, Right, State, Tile, Tiling,
};
use ssgan::reference::bias::add_bias;
use ssgan::reference::dense::{matmul, transpose};
use ssgan::reference::{leaky_relu, relu, sigmoid, softplus, tanh};

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
fn product(ops: &Ops, operand: Operand, size: Size, end: End) -> bool {
    product_with(ops, operand, size, end, operand != Operand::Columns)
}

fn product_with(ops: &Ops, operand: Operand, (m, n, k): Size, end: End, pack: bool) -> bool {
    let gpu = &ops.gpu;
    let name = format!("{:?} {operand:?} {m} x {n} x {k} {end:?}", ops.tiling);
    let (a, b) = (exact(&ops.tiling, numbers(1, m * k)), exact(&ops.tiling, numbers(2, k * n)));
    let (mu, nu, ku) = (m as usize, n as usize, k as usize);
    let (rows, cols, wide_a) = match operand {
        Operand::Columns => (k, m, transpose(&wide(&a), ku, mu)),
        _ => (m, k, wide(&a)),
    };
    let mut want = matmul(&wide_a, &wide(&b), mu, ku, nu);
    let extra = EndTensors::new(gpu, end, m, n, &mut want);
    let (ta, tb) = (input(gpu, rows, cols, &a), input(gpu, k, n, &b));
    let out = Output::new(gpu, m, n, Slack::None);
    let right = pack.then(|| packed(ops, operand, k, n, &b));
    let program = run_with(ops, State::default(), |ops, p| {
        let conv = Default::default();
        let (a, b) = ((&ta, operand), right.as_ref().map_or(Right::Rows(&tb), Right::Packed));
        let gradient_in = if operand == Operand::Columns { GradientIn::A } else { GradientIn::Neither };
        let g = Gemm { m, n, k, a, b, conv, out: &out.open, epilogue: extra.epilogue(end), gradient_in };
        ops.gemm(p, &name, g)
    });
    sums(&name, &want, &out.read(gpu, &name));
    program.dispatches.len() == 2
}

/// Whether variants of this tile are long and slow to compile.
fn larger(tile: Tile) -> bool {
    matches!(tile, Tile::Subgroup { row_groups: 2.., .. } | Tile::Workgroup { rows: 128, .. })
}

/// The tile of a product of many columns.
fn wide_tile(tiling: &Tiling, operand: Operand) -> Tile {
    tiling.tile(ProductKind::new(operand, (1000, 1000, 1000)))
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
        sizes.extend([(2 * tm + 3, 8, 18), (13, 100, 31), (tm, 9, 12)]);
        split.extend([(10, 12, 1040), (5, 9, 769), (8, 8, 2051)]);
    }
    (sizes, split)
}

pub fn walk(gpu: &Gpu, tilings: Vec<Tiling>, operand: Operand) {
    for tiling in tilings {
        let ops = Ops { tiling: tiling.clone(), ..Ops::new(gpu) };
        let (whole, split) = sizes(&tiling, operand);
        for size in whole {
            assert!(!product(&ops, operand, size, End::Plain), "{tiling:?} splits {size:?} along K");
        }
        for size in split {
            assert!(product(&ops, operand, size, End::Plain), "{tiling:?} does not split {size:?} along K");
        }
    }
}

#[test]
fn rows_unchecked() {
    let gpu = open(false);
    walk(&gpu, tilings(&gpu), Operand::Rows);
}

/// Any right operand may come by rows.
#[test]
fn both_by_rows() {
    let gpu = open(false);
    for tiling in tilings(&gpu) {
        let ops = Ops { tiling, ..Ops::new(&gpu) };
        for size in [(37, 29, 53), (9, 12, 7), (65, 66, 18), (33, 72, 8), (8, 8, 2051)] {
            product_with(&ops, Operand::Rows, size, End::Plain, false);
        }
    }
}

#[test]
fn columns_unchecked() {
    let gpu = open(false);
    walk(&gpu, tilings(&gpu), Operand::Columns);
}

/// What out-of-range reads and writes would hide behind robustness elsewhere, and the other way round.
#[test]
fn checked() {
    let gpu = open(true);
    for tiling in tilings(&gpu).into_iter().take(2) {
        let ops = Ops { tiling, ..Ops::new(&gpu) };
        for operand in [Operand::Rows, Operand::Columns] {
            for size in [(37, 29, 53), (65, 68, 20), (10, 12, 1040)] {
                product(&ops, operand, size, End::Plain);
            }
        }
        product(&ops, Operand::Rows, (9, 13, 7), End::Bias(Activation::Softplus));
        product(&ops, Operand::Rows, (9, 13, 7), End::Grad(Activation::Softplus));
    }
}

#[test]
fn epilogues() {
    let gpu = open(false);
    walk_epilogues(&gpu, tilings(&gpu));
}

pub fn walk_epilogues(gpu: &Gpu, tilings: Vec<Tiling>) {
    for tiling in tilings {
        let ops = Ops { tiling, ..Ops::new(gpu) };
        for act in ACTIVATIONS {
            // An epilogue sees nothing of the tile's size: one activation suffices for the larger ones.
            let tile = wide_tile(&ops.tiling, Operand::Rows);
            let larger = larger(tile) || matches!(tile, Tile::Cooperative { .. });
            if larger && act != Activation::Softplus {
                continue;
            }
            for size in [(9, 13, 7), (16, 36, 8)] {
                product(&ops, Operand::Rows, size, End::Bias(act));
                product(&ops, Operand::Rows, size, End::Grad(act));
            }
            product(&ops, Operand::Rows, (70, 68, 8), End::Act(act));
        }
    }
}

/// The dnn's first layer on a whole step's rows: the largest product there is.
#[test]
fn the_size_of_the_dnn() {
    let gpu = open(false);
    let ops = Ops::new(&gpu);
    product(&ops, Operand::Rows, (1124, 1000, 784), End::Bias(Activation::Relu));
    product(&ops, Operand::Columns, (1000, 784, 1124), End::Plain);
    product(&ops, Operand::Rows, (1124, 10, 250), End::Bias(Activation::None));
}

/// More rows of tiles than a grid axis holds: they go on along z.
#[test]
fn folded_rows() {
    let gpu = open(false);
    for tiling in [Ops::new(&gpu).tiling, Tiling::Portable] {
        let (rows, _) = tiling.tile(ProductKind::with_weights(Operand::Rows, 1, 1)).size();
        let ops = Ops { tiling, ..Ops::new(&gpu) };
        product(&ops, Operand::Rows, (65_535 * rows + rows + 1, 1, 1), End::Plain);
    }
}

/// K on both sides of what an invocation may go over; of the longest, llvmpipe leaves a part out when it is not cut. Where
/// there is an epilogue, nothing but the bound on loops cuts K.
#[test]
fn long_sums() {
    let gpu = open(false);
    walk_long(&gpu, tilings(&gpu));
    if let Some(lanes @ 4..=16) = gpu.subgroup_size() {
        // As many tiles as keep the adapter busy.
        let tile =
            Tile::Subgroup { lanes, row_groups: 1, column_lanes: lanes / 4, column_vecs: 2, long: false };
        let (rows, columns) = tile.size();
        let ops = Ops { tiling: Tiling::Fixed(tile), ..Ops::new(&gpu) };
        product(&ops, Operand::Columns, (4 * rows, 4 * columns, 270_001), End::Plain);
    }
}

pub fn walk_long(gpu: &Gpu, tilings: Vec<Tiling>) {
    let longest = 4 * (MAX_TURNS - 1);
    for tiling in tilings {
        let ops = Ops { tiling, ..Ops::new(gpu) };
        let small = (3, 5, longest);
        let split = product(&ops, Operand::Rows, small, End::Bias(Activation::Softplus));
        if let Tile::Subgroup { .. } = wide_tile(&ops.tiling, Operand::Rows) {
            assert!(!split, "{:?} splits {small:?} along K", ops.tiling);
        }
        for (size, end) in [
            ((3, 5, longest + 4), End::Bias(Activation::Softplus)),
            ((3, 5, 470_001), End::Bias(Activation::Softplus)),
            ((2, 4, 470_001), End::Grad(Activation::Tanh)),
        ] {
            let split = product(&ops, Operand::Rows, size, end);
            assert!(split || size.2 < 470_001, "{:?} does not split {size:?} along K", ops.tiling);
        }
    }
}

#[test]
fn impossible_products_are_errors() {
    let gpu = open(true);
    let ops = Ops::new(&gpu);
    let t = gpu.tensor("t", 2, 3);
    let try_gemm = |m, n, k| {
        let (a, b) = ((&t, Operand::Rows), Right::Rows(&t));
        let (conv, epilogue, gradient_in) = Default::default();
        ops.gemm(
            &mut Default::default(),
            "test",
            Gemm { m, n, k, a, b, conv, out: &t, epilogue, gradient_in },
        )
    };
    assert!(try_gemm(1, 3, 2).is_ok());
    for (m, n, k) in [(0, 3, 2), (1, 0, 2), (1, 3, 0), (4, 1, 2), (1, 3, 3), (3, 3, 1)] {
        assert!(try_gemm(m, n, k).is_err(), "{m} x {n} x {k} with 6 values each");
    }
}
