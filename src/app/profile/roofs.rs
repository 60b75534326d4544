//! What the machine can do as WGSL can reach it: memory traffic of a copy, arithmetic of multiply-adds. Datasheets
//! promise more.

use crate::app::cache;
use crate::error::Result;
use crate::gpu::{Gpu, Program, Timer};
use crate::native::BlockOn;
use crate::ops::Ops;
use serde::{Deserialize, Serialize};

/// Measured roofs of one adapter and driver.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Roofs {
    /// Bytes read and written per second, best of the sweep.
    pub bytes_per_second: f64,
    /// Single-precision FLOP/s of multiply-adds, two to each, best of the sweep.
    pub flops_per_second: f64,
}

/// Values of a copied tensor: 64 MiB, beyond most caches.
const COPIED: u32 = 16 << 20;
/// Invocations of the multiply-add kernel: about as many as the largest GPUs hold at once.
const INVOCATIONS: u32 = 1 << 18;
/// Runs of each shape; the best counts.
const RUNS: usize = 5;
/// A multiply-add run is made at least this long, in seconds, lest the clock and the start-up be measured.
const LONG_ENOUGH: f64 = 5e-3;

/// Whether a kernel or a tile of this name is on cooperative matrices.
fn on_matrix_units(name: &str) -> bool {
    name.contains("cooperative")
}

impl Roofs {
    /// FLOP/s that the roofs allow at an intensity of so many FLOP per byte.
    pub fn at(&self, intensity: f64) -> f64 {
        self.flops_per_second.min(intensity * self.bytes_per_second)
    }

    /// The share that a step's rate in FLOP/s is of the multiply-adds': none where some of its kernels are on cooperative matrices.
    pub fn share_of_step<'a>(&self, mut kernels: impl Iterator<Item = &'a str>, rate: f64) -> Option<f64> {
        (!kernels.any(on_matrix_units)).then(|| rate / self.flops_per_second)
    }

    /// The share that a rate in FLOP/s is of them, of a kernel or tile by its name: none on cooperative matrices, whose units multiply
    /// what is rounded to 16 bits, faster than any multiply-add that was measured.
    pub fn share(&self, name: &str, rate: f64, intensity: f64) -> Option<f64> {
        (!on_matrix_units(name)).then(|| rate / self.at(intensity))
    }

    /// The intensity from which on the multiply-adds are the limit.
    pub fn ridge(&self) -> f64 {
        self.flops_per_second / self.bytes_per_second
    }

    /// Measures them; takes about a second.
    ///
    /// # Errors
    /// [`crate::error::Error::Gpu`] if the device failed.
    pub fn measure(gpu: &Gpu) -> Result<Roofs> {
        let ops = Ops::new(gpu);
        let mut timer = Timer::new(gpu, gpu.timing_modes()[0], 1)?;
        let mut best = |p: &Program| -> Result<f64> {
            let mut shortest = f64::INFINITY;
            for _ in 0..RUNS {
                let timing = timer.run(p).block_on()?;
                shortest = shortest.min(timing.seconds(0).filter(|s| *s > 0.0).unwrap_or(timing.wall));
            }
            Ok(shortest)
        };
        let mut roofs = Roofs { bytes_per_second: 0.0, flops_per_second: 0.0 };
        let n = u64::from(COPIED).min(gpu.max_binding() / 16 * 4) as u32;
        let (x, y) = (gpu.vector("roof x", n), gpu.vector("roof y", n));
        for per in [1, 2, 4, 8] {
            let mut p = Program::new();
            ops.roof_copy(&mut p, per, &x, &y)?;
            roofs.bytes_per_second = roofs.bytes_per_second.max((x.bytes() + y.bytes()) as f64 / best(&p)?);
        }
        let y = gpu.tensor("roof y", INVOCATIONS, 4);
        for chains in [1, 2, 4, 8, 12] {
            let mut rounds = 16;
            loop {
                let mut p = Program::new();
                ops.roof_fma(&mut p, (chains, rounds), (0.999, 0.001), &y)?;
                let seconds = best(&p)?;
                roofs.flops_per_second = roofs.flops_per_second.max(p.flops() as f64 / seconds);
                if seconds >= LONG_ENOUGH || rounds >= 1 << 14 {
                    break;
                }
                rounds *= 4;
            }
        }
        Ok(roofs)
    }

    /// The roofs measured earlier on this adapter and driver with these shaders, else measured now and kept in
    /// the cache folder. `fresh` measures in any case.
    ///
    /// # Errors
    /// As [`Roofs::measure`]; a cache that cannot be read or written is passed over.
    pub fn cached(gpu: &Gpu, fresh: bool) -> Result<Roofs> {
        let file = cache::adapter_file(gpu, "roofs", "");
        let sane =
            |r: &Roofs| [r.bytes_per_second, r.flops_per_second].iter().all(|v| v.is_finite() && *v > 0.0);
        if let Some(roofs) = file.as_deref().filter(|_| !fresh).and_then(cache::read).filter(sane) {
            return Ok(roofs);
        }
        let roofs = Roofs::measure(gpu)?;
        if let Some(file) = file {
            cache::write(&file, &roofs);
        }
        Ok(roofs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_roof_counts() {
        let r = Roofs { bytes_per_second: 10.0, flops_per_second: 100.0 };
        assert_eq!((r.ridge(), r.at(1.0), r.at(10.0), r.at(1000.0)), (10.0, 10.0, 100.0, 100.0));
    }
}
