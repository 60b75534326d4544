//! Benchmarks: one product with every tile, verified before it is timed, and whole steps.

use super::Spread;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Program, Timer};
use crate::native::BlockOn;
use crate::ops::{Gemm, Operand, Ops, ProductKind, Right, Tile, Tiling};
use crate::reference::{dense, nmse};
use crate::rng::{self, Counter};
use crate::train::Trainer;
use serde::Serialize;
/// Multiply-adds that the float64 check of one variant may take; of larger products it checks some rows.
const CHECKED: u64 = 1 << 29;

/// Sizes of a product C [m, n] = A [m, k] B [k, n].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Product {
    /// Rows of C.
    pub m: u32,
    /// Columns of C.
    pub n: u32,
    /// Inner size.
    pub k: u32,
    /// Whether A is stored `[k, m]`, as in weight gradients.
    pub columns: bool,
}

impl Product {
    fn operand(self) -> Operand {
        if self.columns { Operand::Columns } else { Operand::Rows }
    }
    /// Whether the adapter can hold it.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the matrix that is too large.
    pub fn fits(self, gpu: &Gpu) -> Result<()> {
        let Product { m, n, k, .. } = self;
        let most = gpu.max_binding().min(u64::from(u32::MAX));
        for (what, rows, cols) in [("A", m, k), ("B", k, n), ("C", m, n)] {
            let bytes = u64::from(rows) * u64::from(cols) * 4;
            if bytes > most || bytes == 0 {
                return Err(Error::Usage(format!(
                    "{what} [{rows}, {cols}] has {bytes} bytes; {} binds 4 to {most}: choose another --shape",
                    gpu.summary().name
                )));
            }
        }
        Ok(())
    }
    /// FLOP.
    pub fn flops(self) -> u64 {
        2 * u64::from(self.m) * u64::from(self.n) * u64::from(self.k)
    }
    /// Bytes: A and B read once, C written once.
    pub fn bytes(self) -> u64 {
        let (m, n, k) = (u64::from(self.m), u64::from(self.n), u64::from(self.k));
        4 * (m * k + k * n + m * n)
    }
}

/// One variant's result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timed {
    /// The tile.
    pub variant: String,
    /// Whether the program would choose it for this product.
    pub chosen: bool,
    /// Error against float64, relative to the power of what is expected.
    pub nmse: f64,
    /// Seconds of a run.
    pub time: Spread,
    /// Dispatches: 2 where K is split.
    pub dispatches: u32,
}

/// Verifies every tile in `tiles` on `product` against float64, then times them in turns, `runs` times each; `done` hears of
/// each tile verified and of each run.
///
/// # Errors
/// [`Error::Gpu`] if the device failed or a tile's result is wrong.
pub fn gemm(
    gpu: &Gpu,
    product: Product,
    tiles: &[Tile],
    runs: u32,
    mut done: impl FnMut(),
) -> Result<Vec<Timed>> {
    let Product { m, n, k, .. } = product;
    product.fits(gpu)?;
    let numbers = |stream: u32, len: u32| -> Vec<f32> {
        let at = Counter { stream, step: 0 };
        (0..len).map(|i| (2.0 * rng::uniform(7, at, i) - 1.0) as f32).collect()
    };
    let (a, b) = (numbers(1, m * k), numbers(2, k * n));
    let (a_rows, a_cols) = if product.columns { (k, m) } else { (m, k) };
    let (ta, tb) = (gpu.upload("bench a", a_rows, a_cols, &a), gpu.upload("bench b", k, n, &b));
    let weights = gpu.upload("bench weights", n, k, &dense::transpose(&b, k as usize, n as usize));
    let out = gpu.tensor("bench c", m, n);
    let checked = checked_rows(product);
    let want = twin(product, &a, &b, &checked);
    let chosen = Tiling::for_gpu(gpu).tile(ProductKind::new(product.operand(), (m, n, k)));
    let mut programs = vec![];
    for &tile in tiles {
        let ops = Ops { tiling: Tiling::Fixed(tile), ..Ops::new(gpu) };
        let mut p = Program::new();
        // Weights are packed once a step, for several products.
        let packed = (!product.columns).then(|| ops.right_operand("bench packed", product.operand(), k, n));
        if let Some(packed) = &packed {
            let mut pack = Program::new();
            ops.pack_weights(&mut pack, "bench", &weights, 1, None, packed, None)?;
            gpu.submit(&pack, &[]).block_on()?;
        }
        let a = (&ta, product.operand());
        let b = packed.as_ref().map_or(Right::Rows(&tb), Right::Packed);
        let (epilogue, gradient_in) = Default::default();
        let g = Gemm { m, n, k, a, b, conv: Default::default(), out: &out, epilogue, gradient_in };
        ops.gemm(&mut p, "bench", g)?;
        gpu.write(&out, &vec![f32::NAN; out.len()]);
        gpu.submit(&p, &[]).block_on()?;
        let all: Vec<f32> = gpu.read(&out).block_on()?;
        let got: Vec<f32> =
            checked.iter().flat_map(|&r| &all[(r * n) as usize..((r + 1) * n) as usize]).copied().collect();
        let error = nmse(&want, &got).unwrap_or(f64::INFINITY);
        let bound = tile.nmse();
        if error > bound {
            return Err(Error::Gpu(format!(
                "{tile} is wrong on {m}x{n}x{k}: error {error:.1e}, at most {bound:.0e} is rounding; update the driver of {}",
                gpu.summary().name
            )));
        }
        let times: Vec<f64> = vec![];
        programs.push((tile, p, error, times));
        done();
    }
    let mut timer = Timer::new(gpu, gpu.timing_modes()[0], 2)?;
    for _ in 0..runs {
        for (_, p, _, times) in &mut programs {
            let timing = timer.run(p).block_on()?;
            // From the first begin to the last end, both passes of a split product.
            let last = timing.spans.last().copied().flatten().map(|s| s.1).filter(|t| *t > 0.0);
            times.push(last.unwrap_or(timing.wall));
            done();
        }
    }
    let timed = programs.into_iter().map(|(tile, p, nmse, times)| Timed {
        variant: tile.to_string(),
        chosen: tile == chosen,
        nmse,
        time: Spread::of(&times).unwrap_or_default(),
        dispatches: p.dispatches.len() as u32,
    });
    let mut timed: Vec<Timed> = timed.collect();
    timed.sort_by(|a, b| a.time.p50.total_cmp(&b.time.p50));
    Ok(timed)
}

/// Rows of C that the check can afford: all of a small product, else some spread over it, the last among them.
fn checked_rows(p: Product) -> Vec<u32> {
    let affordable = (CHECKED / (u64::from(p.n) * u64::from(p.k))).clamp(1, u64::from(p.m)) as u32;
    let stride = p.m.div_ceil(affordable);
    (0..p.m).rev().step_by(stride as usize).collect()
}

/// Some rows of C in float64.
fn twin(p: Product, a: &[f32], b: &[f32], rows: &[u32]) -> Vec<f64> {
    let (m, n, k) = (p.m as usize, p.n as usize, p.k as usize);
    let at = |r: usize, i: usize| if p.columns { i * m + r } else { r * k + i };
    let a: Vec<f64> = rows
        .iter()
        .flat_map(|&r| (0..k).map(move |i| (r as usize, i)))
        .map(|(r, i)| f64::from(a[at(r, i)]))
        .collect();
    let b: Vec<f64> = b.iter().map(|&v| f64::from(v)).collect();
    dense::dense_data_grad(&a, &b, rows.len(), n, k)
}

/// Wall seconds of whole steps of several trainers, in turns, after `warmup` of each; `done` hears of each step.
///
/// # Errors
/// [`Error::Gpu`] if the device failed.
pub fn steps(trainers: &[&Trainer], warmup: u32, runs: u32, done: impl FnMut()) -> Result<Vec<Spread>> {
    Ok(turns(trainers, warmup, runs, done)?.iter().filter_map(|t| Spread::of(t)).collect())
}

/// As [`steps`], every time of each trainer.
///
/// # Errors
/// As [`steps`].
pub fn turns(trainers: &[&Trainer], warmup: u32, runs: u32, mut done: impl FnMut()) -> Result<Vec<Vec<f64>>> {
    let mut times = vec![vec![]; trainers.len()];
    for t in trainers {
        t.initialise().block_on()?;
    }
    for step in 0..warmup + runs {
        for (trainer, times) in trainers.iter().zip(&mut times) {
            let seconds = trainer.untimed_step(step).block_on()?.as_secs_f64();
            done();
            if step >= warmup {
                times.push(seconds);
            }
        }
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_row_is_always_checked() {
        let product = |m, n, k| Product { m, n, k, columns: false };
        assert_eq!(checked_rows(product(3, 2, 2)), [2, 1, 0]);
        let some = checked_rows(product(1000, 4096, 4096));
        assert!(some[0] == 999 && some.len() <= 32 && some.len() >= 16, "{some:?}");
        assert_eq!(checked_rows(product(5, 1 << 15, 1 << 15)), [4]);
    }

    #[test]
    fn rows_and_columns_are_the_same_product() {
        // A = [[1, 2, 3], [4, 5, 6]], B = [[1, 0], [0, 1], [1, 1]].
        let b = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
        let product = |columns| Product { m: 2, n: 2, k: 3, columns };
        let rows = twin(product(false), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &b, &[0, 1]);
        let columns = twin(product(true), &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0], &b, &[0, 1]);
        assert_eq!((rows.as_slice(), columns), ([4.0, 5.0, 10.0, 11.0].as_slice(), rows.clone()));
    }
}
