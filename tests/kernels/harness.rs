//! Devices, tensors between guards, and running recorded programs.

use crate::common::TABLE;
use ssgan::gpu::{ALIGN, AdapterChoice, Gpu, Program, Tensor};
use ssgan::native::{self, BlockOn};
use ssgan::ops::{Operand, Ops, Packing, RightOperand, State, Tile, Tiling};
use ssgan::reference::dense::transpose;
use ssgan::reference::{assert_close, assert_nmse};
use ssgan::rng::{self, Counter};

/// Stands around outputs; no computation here gives it.
const GUARD: f32 = -1.234_567_8e30;

/// Error of a product or sum, relative to the power of what is expected.
pub const NMSE: f64 = 1e-9;
/// Error of one value.
pub const RTOL: f64 = 1e-5;

/// The default adapter. `checked` keeps the bounds checks of WGSL.
pub fn open(checked: bool) -> Gpu {
    native::open_with(&AdapterChoice::default(), checked)
        .unwrap_or_else(|e| panic!("these tests need an adapter: {e}"))
}

/// The numbers; where the tiling rounds to 16-bit floats, multiples of 1/1024, of which nothing is left to round.
pub fn exact(tiling: &Tiling, mut numbers: Vec<f32>) -> Vec<f32> {
    if matches!(tiling, Tiling::Cooperative { .. } | Tiling::Fixed(Tile::Cooperative { .. })) {
        assert!(numbers.iter().all(|v| v.abs() <= 1.0));
        numbers.iter_mut().for_each(|v| *v = (*v * 1024.0).round() / 1024.0);
    }
    numbers
}

/// The tilings that this adapter can run: workgroup tiles, and subgroup tiles where subgroups are as small as
/// `Tiling::for_gpu` asks for. Both defaults come first.
pub fn tilings(gpu: &Gpu) -> Vec<Tiling> {
    let mut all = vec![Tiling::Portable];
    if let Some(lanes @ 4..=16) = gpu.subgroup_size() {
        let fixed = |row_groups, part, column_vecs, long| {
            let column_lanes = lanes / part;
            Tiling::Fixed(Tile::Subgroup { lanes, row_groups, column_lanes, column_vecs, long })
        };
        all.push(Tiling::Software { lanes, long: false });
        all.extend([fixed(3, 1, 1, false), fixed(4, 1, 2, false), fixed(1, 2, 1, false)]);
        if gpu.has_64_bit_integers() {
            all.extend([
                Tiling::Software { lanes, long: true },
                fixed(3, 1, 2, true),
                fixed(1, 1, 1, true),
                fixed(1, 4, 2, true),
            ]);
        }
    }
    // 64 x 64 is what wide products get anyway.
    let other = |t: &Tile| t.size() != (64, 64);
    all.extend(Tile::portable().into_iter().filter(other).map(Tiling::Fixed));
    all
}

/// `n` numbers in [-1, 1), others for each `stream`.
pub fn numbers(stream: u32, n: u32) -> Vec<f32> {
    let at = Counter { stream, step: 0 };
    (0..n).map(|i| (2.0 * rng::uniform(0x5eed, at, i) - 1.0) as f32).collect()
}

/// Floats as the twin takes them.
pub fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&v| v.into()).collect()
}

/// Where a kernel may write beyond the last value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slack {
    /// Nowhere.
    None,
    /// Up to the next vec4, as elementwise kernels do.
    Vec4,
}

/// A tensor that a kernel writes, between guard values in a larger buffer.
pub struct Output {
    all: Tensor,
    slack: Slack,
    /// What to bind.
    pub tensor: Tensor,
    /// The same with the guards behind it, for operations that take its size from elsewhere: bound like
    /// this, a write beyond the end is not stopped by the end of the binding.
    pub open: Tensor,
}

impl Output {
    /// `[rows, cols]` of NaN.
    pub fn new(gpu: &Gpu, rows: u32, cols: u32, slack: Slack) -> Output {
        Output::with(gpu, rows, cols, &vec![f32::NAN; rows as usize * cols as usize], slack)
    }

    /// `[rows, cols]` with given values (`f32` or `u32`), for what is read and written.
    pub fn with<T: bytemuck::Pod>(gpu: &Gpu, rows: u32, cols: u32, values: &[T], slack: Slack) -> Output {
        let (all, tensor) = surrounded(gpu, rows, cols, values, GUARD);
        let open = all.part(ALIGN, 1, all.cols - ALIGN as u32);
        Output { all, slack, tensor, open }
    }

    /// The values, the guards having been checked.
    pub fn read<T: bytemuck::Pod>(&self, gpu: &Gpu, name: &str) -> Vec<T> {
        let bits: Vec<u32> = gpu.read(&self.all).block_on().unwrap_or_else(|e| panic!("{name}: {e}"));
        let end = ALIGN + self.tensor.len();
        let free = if self.slack == Slack::Vec4 { ALIGN + 4 * self.tensor.vec4s() as usize } else { end };
        for (i, b) in bits.iter().enumerate().filter(|(i, _)| *i < ALIGN || *i >= free) {
            let offset = i as i64 - ALIGN as i64;
            assert_eq!(
                *b,
                GUARD.to_bits(),
                "{name}: wrote {:e} at {offset}, outside of {} values",
                f32::from_bits(*b),
                self.tensor.len()
            );
        }
        bytemuck::cast_slice(&bits[ALIGN..end]).to_vec()
    }
}

/// The right operand `[k, n]` of products with A read as `a`, packed by the tile's wish.
pub fn packed(ops: &Ops, a: Operand, k: u32, n: u32, values: &[f32]) -> RightOperand {
    assert_eq!(values.len(), (k * n) as usize);
    let stored = transpose(values, k as usize, n as usize);
    let (v, right) = (input(&ops.gpu, n, k, &stored), ops.right_operand("packed", a, k, n));
    let mut p = Program::new();
    let packing = Packing { v: &v, taps: 1, scale: None, forward: &right, backward: None };
    ops.pack_weights(&mut p, "test", packing).unwrap_or_else(|e| panic!("{e}"));
    ops.gpu.submit(&p, &[]).block_on().unwrap_or_else(|e| panic!("{e}"));
    right
}

/// A tensor that kernels only read, between NaN.
pub fn input<T: bytemuck::Pod>(gpu: &Gpu, rows: u32, cols: u32, values: &[T]) -> Tensor {
    surrounded(gpu, rows, cols, values, f32::NAN).1
}

fn surrounded<T: bytemuck::Pod>(
    gpu: &Gpu,
    rows: u32,
    cols: u32,
    values: &[T],
    around: f32,
) -> (Tensor, Tensor) {
    let len = rows as usize * cols as usize;
    assert_eq!(values.len(), len, "{rows} x {cols} values");
    let total = (2 * ALIGN + len).next_multiple_of(ALIGN);
    let mut bits = vec![around.to_bits(); total];
    bits[ALIGN..ALIGN + len].copy_from_slice(bytemuck::cast_slice(values));
    let all = gpu.upload("guarded", 1, total as u32, &bits);
    let tensor = all.part(ALIGN, rows, cols);
    (all, tensor)
}

/// Records with the default tiling, runs, waits; every variant must be in the table that `tests/shaders.rs`
/// validates.
pub fn run(gpu: &Gpu, state: State, record: impl FnOnce(&Ops, &mut Program) -> ssgan::Result<()>) -> Program {
    let ops = Ops::new(gpu);
    run_with(&ops, state, record)
}

/// As [`run`] with operations that are set up already.
pub fn run_with(
    ops: &Ops,
    state: State,
    record: impl FnOnce(&Ops, &mut Program) -> ssgan::Result<()>,
) -> Program {
    let mut program = Program::new();
    record(ops, &mut program).unwrap_or_else(|e| panic!("{e}"));
    for d in &program.dispatches {
        let known = TABLE.iter().any(|e| e.kernel == d.kernel.name && e.has(&d.kernel.defines));
        assert!(known, "{} {:?} is not in the table of kernels", d.kernel.name, d.kernel.defines);
    }
    ops.gpu.write(&ops.state, &[state]);
    let index = ops.gpu.submit(&program, &[]).block_on().unwrap_or_else(|e| panic!("{e}"));
    ops.gpu.wait(index).block_on().unwrap_or_else(|e| panic!("{e}"));
    program
}

/// A product or sum: normalised mean square error.
#[track_caller]
pub fn sums(name: &str, want: &[f64], got: &[f32]) {
    assert_nmse(name, want, got, NMSE);
}

/// Values one by one; `atol` is for where a difference of rounded numbers is left.
#[track_caller]
pub fn values(name: &str, want: &[f64], got: &[f32], atol: f64) {
    assert_close(name, want, got, RTOL, atol);
}

/// Runs `f` with and without the checks of WGSL.
pub fn both_ways(f: impl Fn(&Gpu)) {
    for checked in [true, false] {
        f(&open(checked));
    }
}
