//! Choosing tiles by measuring: each product of a step with each tile, in turns, on numbers of its own.

use super::{Conv, Epilogue, Gemm, GradientIn, Operand, ProductKind, Right, Tile, Tiling};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Program, Tensor, Timer};
use crate::numerics::nmse;
use crate::ops::{Activation, Fill, Ops, Packing, State};
use std::cell::Cell;

/// A tile that takes so many times as long as the best is timed once.
const HOPELESS: f64 = 3.0;
/// What another tile must take of the default's time to be chosen in its place: less is noise.
const WORTHWHILE: f64 = 0.97;

/// A product of a training step: sizes and addressing of its operands, no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Product {
    /// M, N, K.
    pub size: (u32, u32, u32),
    /// How A is read.
    pub a: Operand,
    /// Whether B are images seen through the window; else packed weights or, where A is read by columns, rows.
    pub b_window: bool,
    /// Geometry for windows and scattered gradients.
    pub conv: Conv,
}

impl Product {
    /// The products that share its tile.
    pub fn kind(&self) -> ProductKind {
        ProductKind::new(self.a, &self.conv, self.size)
    }

    /// Whether B is made of weights, packed for the tile.
    fn is_packed(&self) -> bool {
        self.a != Operand::Columns
    }

    /// Values of images whose windows, or of gradients whose scattered places, are `rows` rows.
    fn images(&self, rows: u32) -> u32 {
        let c = &self.conv;
        rows / (c.oh * c.ow) * (c.h * c.w * c.c)
    }

    /// Bytes of its largest operand or result.
    pub fn largest(&self) -> u64 {
        let ((m, n, k), (a, b)) = (self.size, self.operands());
        let b = if self.is_packed() { (k, n) } else { b };
        [a, b, (m, n)].iter().map(|s| u64::from(s.0) * u64::from(s.1) * 4).max().unwrap_or(0)
    }

    /// Rows and columns of A and of B in memory.
    fn operands(&self) -> ((u32, u32), (u32, u32)) {
        let ((m, n, k), c) = (self.size, &self.conv);
        let a = match self.a {
            Operand::Rows => (m, k),
            Operand::Columns => (k, m),
            Operand::Window => (1, self.images(m)),
            Operand::Scatter => (m / (c.h * c.w), c.oh * c.ow * c.oc),
        };
        (a, if self.b_window { (1, self.images(k)) } else { (k, n) })
    }
}

/// How a tile did on a product.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    /// The tile.
    pub tile: Tile,
    /// Shortest time in seconds.
    pub seconds: f64,
    /// Whether its result is that of the first tile but for rounding.
    pub agrees: bool,
}

/// A product in memory, to be computed with one tile after another.
#[derive(Debug)]
pub struct Bench<'a> {
    gpu: &'a Gpu,
    product: &'a Product,
    /// A; 0 at first.
    pub a: Tensor,
    /// B as it is, or the weights `[n, k]` that it is packed from; 0 at first.
    pub b: Tensor,
    out: Tensor,
    timer: Timer,
}

impl<'a> Bench<'a> {
    /// Memory for `product`.
    ///
    /// # Errors
    /// [`Error::Gpu`] or [`Error::DeviceLost`] if the device failed.
    pub fn new(gpu: &'a Gpu, product: &'a Product) -> Result<Bench<'a>> {
        let (m, n, k) = product.size;
        let ((a_rows, a_cols), (b_rows, b_cols)) = product.operands();
        let b = match product.is_packed() {
            true => gpu.tensor("trial weights", n, k),
            false => gpu.tensor("trial b", b_rows, b_cols),
        };
        let timer = Timer::new(gpu, gpu.timing_modes()[0], 2)?;
        let (a, out) = (gpu.tensor("trial a", a_rows, a_cols), gpu.tensor("trial c", m, n));
        Ok(Bench { gpu, product, a, b, out, timer })
    }

    /// Random numbers for A and B.
    async fn fill(&self) -> Result<()> {
        let mut numbers = Program::new();
        let ops = Ops::new(self.gpu);
        self.gpu.write(&ops.state, &[State::default()]);
        for (stream, t) in [(1, &self.a), (2, &self.b)] {
            ops.random_fill(&mut numbers, "trial", stream, Fill::Normal, t)?;
        }
        self.gpu.submit(&numbers, &[]).await?;
        Ok(())
    }

    /// The product with `tile` as a program, and its result C.
    ///
    /// # Errors
    /// [`Error::Gpu`] or [`Error::DeviceLost`] if the device failed; [`Error::Gpu`] if it refuses the tile.
    pub async fn run(&self, tile: Tile) -> Result<(Program, Vec<f32>)> {
        let (gpu, product) = (self.gpu, self.product);
        let (m, n, k) = product.size;
        let ops = Ops { tiling: Tiling::Fixed(tile), ..Ops::new(gpu) };
        // Weights are packed once a step, for several products.
        let packed = product.is_packed().then(|| ops.right_operand("trial packed", product.kind()));
        if let Some(packed) = &packed {
            let mut pack = Program::new();
            let packing = Packing { v: &self.b, taps: 1, scale: None, forward: packed, backward: None };
            ops.pack_weights(&mut pack, "trial", packing)?;
            gpu.submit(&pack, &[]).await?;
        }
        let b = match &packed {
            Some(packed) => Right::Packed(packed),
            None if product.b_window => Right::Window(&self.b),
            None => Right::Rows(&self.b),
        };
        let (a, conv, out) = ((&self.a, product.a), product.conv, &self.out);
        // Most layers' products with weights end in something and are not cut to keep the adapter busy; nor is the trial.
        let epilogue = match product.is_packed() {
            true => Epilogue::Forward { bias: None, activation: Activation::None },
            false => Epilogue::None,
        };
        let gradient_in = GradientIn::Neither;
        let mut p = Program::new();
        ops.gemm(&mut p, "trial", Gemm { m, n, k, a, b, conv, out, epilogue, gradient_in })?;
        gpu.write(out, &vec![f32::NAN; out.len()]);
        gpu.submit(&p, &[]).await?;
        Ok((p, gpu.read(out).await?))
    }

    async fn run_and_time(&mut self, tile: Tile) -> Result<(Program, Vec<f32>, f64)> {
        let (p, c) = self.run(tile).await?;
        let seconds = self.time(&p).await?;
        Ok((p, c, seconds))
    }

    /// Seconds of one run of a program of [`Bench::run`], from the first begin to the last end: both passes of a split
    /// product.
    ///
    /// # Errors
    /// [`Error::Gpu`] or [`Error::DeviceLost`] if the device failed.
    pub async fn time(&mut self, p: &Program) -> Result<f64> {
        let timing = self.timer.run(p).await?;
        let last = timing.spans.last().copied().flatten().map(|s| s.1).filter(|t| *t > 0.0);
        Ok(last.unwrap_or(timing.wall))
    }
}

/// Runs `product` with each of `tiles` in turns, `rounds` times, and says how they did. What they are compared with is the
/// result of the first one, of a workgroup tile if that rounds; of the second, where none of several agrees with the first.
/// Tiles that the driver refuses, or that fail, are left out. `trying` is the tile that is being tried.
///
/// # Errors
/// [`crate::Error::Gpu`] or [`crate::Error::DeviceLost`] if the device failed; [`crate::Error::Gpu`] if it refuses the tile to
/// compare with.
pub async fn trials(
    gpu: &Gpu,
    product: &Product,
    tiles: &[Tile],
    rounds: u32,
    trying: &Cell<Option<Tile>>,
) -> Result<Vec<Trial>> {
    let to_portable = tiles.first().is_some_and(|t| matches!(t, Tile::Cooperative { .. }));
    let mut wrong = vec![];
    loop {
        let left = (&tiles[wrong.len()..], to_portable);
        let all = compared(gpu, product, left, rounds, trying).await?;
        if to_portable || !odd_one_out(all.iter()) {
            return Ok(wrong.into_iter().chain(all).collect());
        }
        wrong.push(Trial { agrees: false, ..all[0] });
    }
}

/// The trials of `tiles`, compared with a portable one if `to_portable`, else with the first.
async fn compared(
    gpu: &Gpu,
    product: &Product,
    (tiles, to_portable): (&[Tile], bool),
    rounds: u32,
    trying: &Cell<Option<Tile>>,
) -> Result<Vec<Trial>> {
    let mut bench = Bench::new(gpu, product)?;
    bench.fill().await?;
    let mut all: Vec<(Trial, Program)> = vec![];
    let mut want: Option<Vec<f64>> = None;
    let reference = to_portable.then(|| Tile::portable()[0]);
    for (i, &tile) in reference.iter().chain(tiles).enumerate() {
        trying.set(Some(tile));
        let (p, got, seconds) = match bench.run_and_time(tile).await {
            Ok(done) => done,
            Err(e) if want.is_none() || matches!(e, Error::DeviceLost(_)) => return Err(e),
            Err(_) => continue,
        };
        let want = want.get_or_insert_with(|| got.iter().map(|&v| f64::from(v)).collect());
        if to_portable && i == 0 {
            continue;
        }
        let agrees = nmse(want, &got).is_ok_and(|e| e <= tile.nmse());
        all.push((Trial { tile, seconds, agrees }, p));
    }
    // Where the first is wrong, the others are compared anew, without it.
    let wrong = !to_portable && odd_one_out(all.iter().map(|(t, _)| t));
    for _ in 1..if wrong { 1 } else { rounds } {
        let best = all.iter().map(|(t, _)| t.seconds).fold(f64::INFINITY, f64::min);
        for (trial, p) in all.iter_mut().filter(|(t, _)| t.seconds <= HOPELESS * best) {
            trying.set(Some(trial.tile));
            trial.seconds = trial.seconds.min(bench.time(p).await?);
        }
    }
    Ok(all.into_iter().map(|(trial, _)| trial).collect())
}

/// Whether several tiles were compared with the first, and all found different: then it is the first that is wrong.
fn odd_one_out<'a>(trials: impl Iterator<Item = &'a Trial>) -> bool {
    let others: Vec<bool> = trials.skip(1).map(|t| t.agrees).collect();
    others.len() > 1 && others.iter().all(|agrees| !agrees)
}

/// The fastest of the tiles that are right; the first, the default, if none is clearly faster.
pub fn winner(trials: &[Trial]) -> Option<Tile> {
    let right = |t: &&Trial| t.agrees;
    let Some(default) = trials.first().filter(right) else {
        return trials.iter().filter(right).min_by(|a, b| a.seconds.total_cmp(&b.seconds)).map(|t| t.tile);
    };
    let others = trials.iter().filter(|t| t.agrees && t.seconds < WORTHWHILE * default.seconds);
    let best = others.min_by(|a, b| a.seconds.total_cmp(&b.seconds));
    Some(best.unwrap_or(default).tile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_right_and_clearly_faster_wins() {
        let tiles = Tile::portable();
        let trial = |i: usize, seconds, agrees| Trial { tile: tiles[i], seconds, agrees };
        let won = |t: &[Trial]| winner(t).unwrap();
        assert_eq!(won(&[trial(0, 1.0, true), trial(1, 0.99, true)]), tiles[0], "noise");
        assert_eq!(won(&[trial(0, 1.0, true), trial(1, 0.9, true), trial(2, 0.8, true)]), tiles[2]);
        assert_eq!(won(&[trial(0, 1.0, true), trial(1, 0.9, true), trial(2, 0.1, false)]), tiles[1], "wrong");
        assert_eq!(
            won(&[trial(0, 0.1, false), trial(1, 2.0, true), trial(2, 1.0, true)]),
            tiles[2],
            "wrong default"
        );
        assert_eq!(winner(&[]), None);
        let odd =
            |agree: &[bool]| odd_one_out(agree.iter().map(|&a| trial(0, 1.0, a)).collect::<Vec<_>>().iter());
        assert!(odd(&[true, false, false]) && odd(&[false, false, false]), "the first is wrong");
        assert!(!odd(&[true, false, true]) && !odd(&[true, false]) && !odd(&[true]) && !odd(&[]));
    }

    /// A trial is what the step runs: a layer's forward pass is left whole, its weight gradient cut along K.
    #[cfg(feature = "native")]
    #[test]
    fn a_trial_is_cut_as_a_layer_is() {
        use crate::native::BlockOn;
        let gpu = crate::native::open(&Default::default()).unwrap();
        for (a, dispatches) in [(Operand::Rows, 1), (Operand::Columns, 2)] {
            let product = Product { size: (64, 64, 1024), a, b_window: false, conv: Conv::default() };
            let (p, _) = Bench::new(&gpu, &product).unwrap().run(Tile::portable()[0]).block_on().unwrap();
            assert_eq!(p.dispatches.len(), dispatches, "{a:?}");
        }
    }

    /// Every tile agrees with the first on a product of each kind, and nothing of it counts as the run's memory.
    #[cfg(feature = "native")]
    #[test]
    fn every_tile_can_be_tried() {
        use crate::native::BlockOn;
        let gpu = crate::native::open(&Default::default()).unwrap();
        let conv =
            Conv { h: 5, w: 4, c: 3, oh: 3, ow: 2, oc: 8, kernel: 3, stride: 2, pad_top: 1, pad_left: 1 };
        let rows = 7;
        let product = |size, a, b_window, conv| Product { size, a, b_window, conv };
        for p in [
            product((40, 24, 18), Operand::Rows, false, Conv::default()),
            // Taller than every tile: all of its row groups count.
            product((200, 18, 40), Operand::Columns, false, Conv::default()),
            product((rows * 6, 8, 27), Operand::Window, false, conv),
            product((rows * 20, 3, 72), Operand::Scatter, false, conv),
            product((8, 27, rows * 6), Operand::Columns, true, conv),
        ] {
            let mut tiles = Tile::of(&gpu);
            // The large ones are slow to compile.
            tiles.retain(|t| t.size().0 * t.size().1 <= 64 * 64);
            let before = gpu.memory();
            let trials = gpu.aside(trials(&gpu, &p, &tiles, 2, &Cell::default())).block_on().unwrap();
            assert_eq!(trials.len(), tiles.len(), "{p:?}");
            assert!(trials.iter().all(|t| t.agrees && t.seconds > 0.0), "{p:?}: {trials:?}");
            assert_eq!(gpu.memory(), before);
        }
    }
}
