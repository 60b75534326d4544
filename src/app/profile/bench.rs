//! Benchmarks: one product with every tile, verified before it is timed, and whole steps.

use super::Spread;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Program};
use crate::native::BlockOn;
use crate::ops::tune::Bench;
use crate::ops::{Operand, Product, Tile, Tiling};
use crate::reference::{dense, nmse};
use crate::rng::{self, Counter};
use crate::train::Trainer;
use serde::Serialize;

/// Multiply-adds that the float64 check of one variant may take; of larger products it checks some rows.
const CHECKED: u64 = 1 << 29;

/// C [m, n] = A [m, k] B [k, n]; with `columns` A is stored `[k, m]`, as in weight gradients.
pub fn product(size: (u32, u32, u32), columns: bool) -> Product {
    let a = if columns { Operand::Columns } else { Operand::Rows };
    Product { size, a, b_window: false, conv: Default::default() }
}

/// FLOP of a product, and its bytes: A and B read once, C written once.
pub fn cost(product: &Product) -> (u64, u64) {
    let (m, n, k) = product.size;
    let (m, n, k) = (u64::from(m), u64::from(n), u64::from(k));
    (2 * m * n * k, 4 * (m * k + k * n + m * n))
}

/// Whether the adapter can hold a product.
///
/// # Errors
/// [`Error::Usage`] naming the matrix that is too large.
pub fn fits(gpu: &Gpu, product: &Product) -> Result<()> {
    let (m, n, k) = product.size;
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

/// One variant's result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timed {
    /// The tile.
    pub variant: String,
    /// Whether it is the table's for this product, which is taken where none was found by trying.
    pub of_table: bool,
    /// Error against float64, relative to the power of what is expected.
    pub nmse: f64,
    /// Seconds of a run.
    pub time: Spread,
    /// Dispatches: more than one where K is split, or the product is large.
    pub dispatches: u32,
    /// Whether chunks of K are summed up in the end.
    pub split_k: bool,
}

/// Verifies every tile in `tiles` on `product` against float64, then times them in turns, `runs` times each; `done` hears of
/// each tile verified and of each run.
///
/// # Errors
/// [`Error::Gpu`] if the device failed or a tile's result is wrong.
pub fn gemm(
    gpu: &Gpu,
    product: &Product,
    tiles: &[Tile],
    runs: u32,
    mut done: impl FnMut(),
) -> Result<Vec<Timed>> {
    fits(gpu, product)?;
    let (m, n, k) = product.size;
    let (a, b) = (numbers(1, m * k), numbers(2, k * n));
    let mut bench = Bench::new(gpu, product)?;
    gpu.write(&bench.a, &a);
    match product.a {
        Operand::Columns => gpu.write(&bench.b, &b),
        _ => gpu.write(&bench.b, &dense::transpose(&b, k as usize, n as usize)),
    }
    let rows = checked_rows(product);
    let want = twin(product, &a, &b, &rows);
    let mut programs: Vec<(Tile, Program, f64, Vec<f64>)> = vec![];
    for &tile in tiles {
        let (program, c) = bench.run(tile).block_on()?;
        programs.push((tile, program, verified(product, tile, (&rows, &want), &c, gpu)?, vec![]));
        done();
    }
    for _ in 0..runs {
        for (_, program, _, times) in &mut programs {
            times.push(bench.time(program).block_on()?);
            done();
        }
    }
    let of_table = Tiling::for_gpu(gpu).tile(product.kind());
    let timed = programs.into_iter().map(|(tile, program, nmse, times)| Timed {
        variant: tile.to_string(),
        of_table: tile == of_table,
        nmse,
        time: Spread::of(&times).unwrap_or_default(),
        dispatches: program.dispatches.len() as u32,
        split_k: program.runs("split_k_sum"),
    });
    let mut timed: Vec<Timed> = timed.collect();
    timed.sort_by(|a, b| a.time.p50.total_cmp(&b.time.p50));
    Ok(timed)
}

/// `len` numbers in -1..1 from a stream of its own.
fn numbers(stream: u32, len: u32) -> Vec<f32> {
    let at = Counter { stream, step: 0 };
    (0..len).map(|i| (2.0 * rng::uniform(7, at, i) - 1.0) as f32).collect()
}

/// Error of some rows of C against those that are wanted.
///
/// # Errors
/// [`Error::Gpu`] if it is more than rounding.
fn verified(
    product: &Product,
    tile: Tile,
    (rows, want): (&[u32], &[f64]),
    c: &[f32],
    gpu: &Gpu,
) -> Result<f64> {
    let (m, n, k) = product.size;
    let row = |r: &u32| &c[(r * n) as usize..((r + 1) * n) as usize];
    let got: Vec<f32> = rows.iter().flat_map(row).copied().collect();
    let error = nmse(want, &got).unwrap_or(f64::INFINITY);
    let bound = tile.nmse();
    if error > bound {
        return Err(Error::Gpu(format!(
            "{tile} is wrong on {m}x{n}x{k}: error {error:.1e}, at most {bound:.0e} is rounding; update the driver of {}",
            gpu.summary().name
        )));
    }
    Ok(error)
}

/// Rows of C that the check can afford: all of a small product, else some spread over it, the last among them.
fn checked_rows(p: &Product) -> Vec<u32> {
    let (m, n, k) = p.size;
    let affordable = (CHECKED / (u64::from(n) * u64::from(k))).clamp(1, u64::from(m)) as u32;
    let stride = m.div_ceil(affordable);
    (0..m).rev().step_by(stride as usize).collect()
}

/// Some rows of C in float64.
fn twin(p: &Product, a: &[f32], b: &[f32], rows: &[u32]) -> Vec<f64> {
    let (m, n, k) = (p.size.0 as usize, p.size.1 as usize, p.size.2 as usize);
    let at = |r: usize, i: usize| if p.a == Operand::Columns { i * m + r } else { r * k + i };
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
        let checked = |m, n, k| checked_rows(&product((m, n, k), false));
        assert_eq!(checked(3, 2, 2), [2, 1, 0]);
        let some = checked(1000, 4096, 4096);
        assert!(some[0] == 999 && some.len() <= 32 && some.len() >= 16, "{some:?}");
        assert_eq!(checked(5, 1 << 15, 1 << 15), [4]);
    }

    #[test]
    fn rows_and_columns_are_the_same_product() {
        // A = [[1, 2, 3], [4, 5, 6]], B = [[1, 0], [0, 1], [1, 1]].
        let b = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
        let product = |columns| product((2, 2, 3), columns);
        let rows = twin(&product(false), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &b, &[0, 1]);
        let columns = twin(&product(true), &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0], &b, &[0, 1]);
        assert_eq!((rows.as_slice(), columns), ([4.0, 5.0, 10.0, 11.0].as_slice(), rows.clone()));
    }
}
