//! What the machine can do as WGSL can reach it: memory traffic of a copy, arithmetic of multiply-adds. Datasheets
//! promise more.

use crate::atomic;
use crate::data::{cache_dir, hex};
use crate::error::Result;
use crate::gpu::{Gpu, Program, Timer, shader_hash};
use crate::ops::Ops;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::PathBuf;

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
/// Invocations of the multiply-add kernel: more than any GPU holds at once.
const INVOCATIONS: u32 = 1 << 18;
/// Runs of each shape; the best counts.
const RUNS: usize = 5;
/// A multiply-add run is made at least this long, in seconds, lest the clock and the start-up be measured.
const LONG_ENOUGH: f64 = 5e-3;

impl Roofs {
    /// FLOP/s that the roofs allow at an intensity of so many FLOP per byte.
    pub fn at(&self, intensity: f64) -> f64 {
        self.flops_per_second.min(intensity * self.bytes_per_second)
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
                let timing = timer.run(p)?;
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
                if seconds >= LONG_ENOUGH || rounds >= 1 << 16 {
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
        let file = cache_file(gpu);
        let kept = file.as_ref().filter(|_| !fresh).and_then(|f| std::fs::read(f).ok());
        let sane =
            |r: &Roofs| [r.bytes_per_second, r.flops_per_second].iter().all(|v| v.is_finite() && *v > 0.0);
        if let Some(roofs) = kept.and_then(|bytes| serde_json::from_slice(&bytes).ok()).filter(sane) {
            return Ok(roofs);
        }
        let roofs = Roofs::measure(gpu)?;
        if let (Some(file), Ok(text)) = (file, serde_json::to_string_pretty(&roofs)) {
            let _ = file.parent().map(std::fs::create_dir_all);
            let _ = atomic::write(&file, text.as_bytes());
        }
        Ok(roofs)
    }
}

fn cache_file(gpu: &Gpu) -> Option<PathBuf> {
    let s = gpu.summary();
    let mut h = Sha256::new();
    // A software adapter is as fast as the machine under it, of which its name tells nothing.
    let threads = std::thread::available_parallelism().map_or(0, usize::from);
    let asked = std::env::var("LP_NUM_THREADS").unwrap_or_default();
    let machine = if s.is_software() { format!("{threads} {asked}") } else { String::new() };
    for part in [&s.name, &s.backend, &s.driver, &s.driver_info, &shader_hash(), &machine] {
        h.update(part.as_bytes());
        h.update([0]);
    }
    let key = hex(&h.finalize()[..8]);
    Some(cache_dir().ok()?.join("roofs").join(format!("{key}.json")))
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
