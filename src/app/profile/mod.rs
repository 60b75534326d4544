//! Where the time of a training step goes: measured spans of every dispatch, put together by kernel and layer, held
//! against the machine's measured roofs.
//!
//! `Trainer + Timer -> Samples -> Profile -> table, JSON, trace, picture`; `compare` sets two profiles side by side.

pub mod bench;
pub mod compare;
pub mod growth;
pub mod roofline;
pub mod roofs;
mod samples;
pub mod trace;

pub use compare::{Change, Comparison, TWO_PROCESSES, compare};
pub use roofs::Roofs;
pub use samples::{Samples, sample};

use crate::app::text;
use crate::error::{Error, Result};
use crate::gpu::TimingMode;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What `profile.json` says it is.
pub const FORMAT: &str = "ssgan-profile-1";

/// How a time varied, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Arithmetic mean.
    pub mean: f64,
    /// Smallest.
    pub min: f64,
    /// A quarter was shorter.
    pub p25: f64,
    /// Median.
    pub p50: f64,
    /// Three quarters were shorter.
    pub p75: f64,
    /// 95 of 100 were shorter.
    pub p95: f64,
    /// Largest.
    pub max: f64,
}

impl Spread {
    /// Of some times; `None` of none. Percentiles lie between the two nearest times, linearly.
    pub fn of(times: &[f64]) -> Option<Spread> {
        let mut sorted = times.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let rank = |p: f64| {
            let at = p * (sorted.len() - 1) as f64;
            let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
            low + (high - low) * at.fract()
        };
        Some(Spread {
            mean: sorted.iter().sum::<f64>() / sorted.len() as f64,
            min,
            p25: rank(0.25),
            p50: rank(0.5),
            p75: rank(0.75),
            p95: rank(0.95),
            max,
        })
    }
}

/// All calls of one kernel in a step, or those on behalf of one layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The kernel: the name of its shader file.
    pub kernel: String,
    /// On whose behalf; absent in the rows of whole kernels.
    pub layer: Option<String>,
    /// Variants used, by their definitions.
    pub variants: Vec<String>,
    /// Calls per step.
    pub calls: u32,
    /// Workgroups per step.
    pub workgroups: u64,
    /// Floating-point operations per step.
    pub flops: u64,
    /// Bytes per step that must move: every input read once, every output written once.
    pub bytes: u64,
    /// Time per step; absent where the adapter gave no usable timestamps.
    pub per_step: Option<Spread>,
    /// Time per call.
    pub per_call: Option<Spread>,
}

impl Row {
    /// FLOP/s.
    pub fn flop_rate(&self) -> Option<f64> {
        rate(self.flops, self.per_step)
    }
    /// Bytes/s.
    pub fn byte_rate(&self) -> Option<f64> {
        rate(self.bytes, self.per_step)
    }
    /// FLOP per byte.
    pub fn intensity(&self) -> f64 {
        self.flops as f64 / self.bytes.max(1) as f64
    }
    /// Share of what the roofs allow at this intensity: of the multiply-add roof, or of the bandwidth times the
    /// intensity, whichever is lower. Where nothing is computed, of the bandwidth. None on cooperative matrices, see
    /// [`Roofs::share`].
    pub fn share_of_roof(&self, roofs: &Roofs) -> Option<f64> {
        if self.flops == 0 {
            return self.byte_rate().map(|r| r / roofs.bytes_per_second);
        }
        self.flop_rate().and_then(|rate| roofs.share(&self.kernel, rate, self.intensity()))
    }
}

fn rate(amount: u64, time: Option<Spread>) -> Option<f64> {
    time.filter(|t| t.mean > 0.0).map(|t| amount as f64 / t.mean)
}

/// The step as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Whole {
    /// From the first recorded command to the end of the work, timing on.
    pub wall: Spread,
    /// The same without any timing, in the same run, interleaved.
    pub wall_untimed: Option<Spread>,
    /// Sum of all dispatches.
    pub gpu: Option<Spread>,
    /// Host: recording the commands.
    pub record: Spread,
    /// Host: handing them over.
    pub submit: Spread,
    /// Dispatches per step.
    pub dispatches: u32,
    /// Submits per step, at most: in how many pieces a step goes depends on how fast the device was before it.
    pub submits: u32,
    /// Bytes that the host uploads for a step.
    pub bytes_uploaded: u64,
    /// Bytes that it reads back for a step, on average over the steps between two readbacks.
    pub bytes_read_back: u64,
    /// Floating-point operations.
    pub flops: u64,
}

/// A profile of training steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// [`FORMAT`].
    pub format: String,
    /// Adapter.
    pub adapter: String,
    /// Driver and its version.
    pub driver: String,
    /// Backend.
    pub backend: String,
    /// Version of the program.
    pub version: String,
    /// SHA-256 of the shaders.
    pub shaders: String,
    /// Model.
    pub model: String,
    /// Data set.
    pub dataset: String,
    /// `ssl` or `supervised`.
    pub method: String,
    /// Rows of a minibatch.
    pub batch_size: u32,
    /// How dispatches were timed.
    pub mode: TimingMode,
    /// Measured steps.
    pub steps: u32,
    /// Steps before them.
    pub warmup: u32,
    /// The whole step.
    pub whole: Whole,
    /// What the machine can do, if it was measured.
    pub roofs: Option<Roofs>,
    /// By kernel, longest first.
    pub kernels: Vec<Row>,
    /// By kernel and layer, longest first.
    pub layers: Vec<Row>,
}

impl Profile {
    /// Reads a profile that `ssgan profile --out` or `--json` wrote.
    ///
    /// # Errors
    /// As [`text::read_record`]; [`Error::Usage`] if it is no profile.
    pub fn load(path: &Path) -> Result<Profile> {
        let text = text::read_record(path)?;
        let bad = |why: String| Error::Usage(format!("{}: not a profile: {why}", path.display()));
        let p: Profile = serde_json::from_str(&text).map_err(|e| bad(e.to_string()))?;
        if p.format != FORMAT {
            return Err(bad(format!("format {:?}, expected {FORMAT:?}: make it again", p.format)));
        }
        Ok(p)
    }

    /// Share of the step's wall time that a row takes, by means.
    pub fn share(&self, row: &Row) -> Option<f64> {
        row.per_step.map(|s| s.mean / self.whole.wall.mean)
    }

    /// Mean time of a step outside of all dispatches: recording, submission, waiting; and barriers, where each dispatch is timed in a pass
    /// of its own.
    pub fn between(&self) -> Option<f64> {
        self.whole.gpu.map(|g| self.whole.wall.mean - g.mean)
    }

    /// FLOP/s of the median step, without the timing of its kernels where such steps were taken.
    pub fn flop_rate(&self) -> f64 {
        self.whole.flops as f64 / self.whole.wall_untimed.unwrap_or(self.whole.wall).p50
    }

    /// Median cost of timing, as a share of the untimed step.
    pub fn overhead(&self) -> Option<f64> {
        self.whole.wall_untimed.map(|u| self.whole.wall.p50 / u.p50 - 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_lie_between_times() {
        let times: Vec<f64> = (1..=21).rev().map(f64::from).collect();
        let s = Spread::of(&times).unwrap();
        assert_eq!((s.min, s.p25, s.p50, s.p75, s.p95, s.max), (1.0, 6.0, 11.0, 16.0, 20.0, 21.0));
        assert_eq!(s.mean, 11.0);
        assert_eq!(Spread::of(&[2.0, 1.0]).unwrap().p50, 1.5);
        assert_eq!(Spread::of(&[3.0]).unwrap().p95, 3.0);
        assert_eq!(Spread::of(&[]), None);
    }

    fn row(flops: u64, bytes: u64, seconds: f64) -> Row {
        let time = Spread::of(&[seconds]);
        Row {
            kernel: "k".into(),
            layer: None,
            variants: vec![],
            calls: 1,
            workgroups: 1,
            flops,
            bytes,
            per_step: time,
            per_call: time,
        }
    }

    #[test]
    fn shares_of_the_roof() {
        let roofs = Roofs { bytes_per_second: 10.0, flops_per_second: 100.0 };
        // Intensity 2: bandwidth allows 20 FLOP/s; 5 were had.
        assert_eq!(row(10, 5, 2.0).share_of_roof(&roofs), Some(0.25));
        // Intensity 50: the multiply-adds are the limit.
        assert_eq!(row(50, 1, 1.0).share_of_roof(&roofs), Some(0.5));
        // Nothing computed: bandwidth.
        assert_eq!(row(0, 5, 1.0).share_of_roof(&roofs), Some(0.5));
        let unknown = Row { per_step: None, ..row(1, 1, 1.0) };
        assert_eq!(unknown.share_of_roof(&roofs), None);
        // Matrix units are faster than the multiply-adds that were measured.
        let rounding = Row { kernel: "gemm_cooperative".into(), ..row(500, 1, 1.0) };
        assert_eq!(rounding.share_of_roof(&roofs), None);
    }
}
