//! Two profiles side by side: what got faster or slower, and what is only noise.

use super::{Profile, Row, Spread};
use serde::Serialize;

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Faster beyond the spread of both.
    Faster,
    /// Slower beyond the spread of both.
    Slower,
    /// The middle halves of both measurements overlap.
    Same,
    /// Only in the new profile.
    New,
    /// Only in the old profile.
    Gone,
    /// One of them has no time, or too few steps.
    Unknown,
}

/// One row of a comparison: times per step in seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// Kernel.
    pub kernel: String,
    /// Layer.
    pub layer: Option<String>,
    /// Before.
    pub before: Option<Spread>,
    /// Now.
    pub after: Option<Spread>,
    /// Ratio of medians, now to before.
    pub ratio: Option<f64>,
    /// Verdict.
    pub change: Change,
}

impl Compared {
    /// Takes back a verdict that rests on too few steps.
    fn doubt(&mut self) {
        if matches!(self.change, Change::Faster | Change::Slower | Change::Same) {
            self.change = Change::Unknown;
        }
    }

    /// By how many seconds the median moved; all of them where one side has none.
    pub fn moved(&self) -> f64 {
        (self.after.map_or(0.0, |s| s.p50) - self.before.map_or(0.0, |s| s.p50)).abs()
    }
}

/// All rows, those that changed most (in seconds) first, and the whole step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// What makes the profiles incomparable in part: other adapter, batch size, ...
    pub differences: Vec<String>,
    /// That one of them has too few steps to tell a change from noise.
    pub few_steps: Option<String>,
    /// The step's wall time.
    pub whole: Compared,
    /// By kernel and layer.
    pub rows: Vec<Compared>,
}

/// Of fewer steps no change is called one. Simulated without a change, with independent jitter of 5 to 10 %, a row is called
/// faster or slower in 16 to 20 % of cases by 5 steps, in 3 % by 10 and in 0.2 % by 20; how far two processes of one program
/// are apart comes on top.
const ENOUGH: u32 = 12;

/// What the spread of one process's steps does not tell (docs/performance.md).
pub const TWO_PROCESSES: &str = "two processes of one program were up to 12 % apart: take both profiles again, in turns, before you believe a change";

/// Compares `after` with `before`.
pub fn compare(before: &Profile, after: &Profile) -> Comparison {
    let different = [
        ("adapter", &before.adapter, &after.adapter),
        ("backend", &before.backend, &after.backend),
        ("driver", &before.driver, &after.driver),
        ("model", &before.model, &after.model),
        ("method", &before.method, &after.method),
        ("data set", &before.dataset, &after.dataset),
    ];
    let mut differences: Vec<String> = (different.iter())
        .filter(|(_, a, b)| a != b)
        .map(|(what, a, b)| format!("{what}: {a} before, {b} now"))
        .collect();
    if before.batch_size != after.batch_size {
        differences.push(format!("batch size: {} before, {} now", before.batch_size, after.batch_size));
    }
    if before.mode != after.mode {
        let (a, b) = (before.mode.describe(), after.mode.describe());
        differences.push(format!("timing: {a} before, {b} now"));
    }
    // Other tiles have sums of other lengths, which are a thousandth.
    if before.whole.flops.abs_diff(after.whole.flops) > before.whole.flops / 100 {
        let (a, b) = (before.whole.flops as f64 / 1e9, after.whole.flops as f64 / 1e9);
        differences.push(format!("work: {a:.2} GFLOP a step before, {b:.2} now"));
    }
    let same = |a: &Row, b: &Row| a.kernel == b.kernel && a.layer == b.layer;
    let mut rows: Vec<Compared> = vec![];
    for now in &after.layers {
        let old = before.layers.iter().find(|r| same(r, now));
        rows.push(compared(now, old.map(|r| r.per_step), Some(now.per_step)));
    }
    for old in before.layers.iter().filter(|old| !after.layers.iter().any(|r| same(r, old))) {
        rows.push(compared(old, Some(old.per_step), None));
    }
    rows.sort_by(|a, b| b.moved().total_cmp(&a.moved()));
    let steps = (before.steps, after.steps);
    let few = steps.0.min(steps.1) < ENOUGH;
    let few_steps = few.then(|| {
        let (a, b) = steps;
        format!("steps: {a} before, {b} now; a change shows from {ENOUGH} on: profile both with --steps 20")
    });
    if few {
        rows.iter_mut().for_each(Compared::doubt);
    }
    let mut whole = Compared {
        kernel: "step".into(),
        layer: None,
        before: Some(before.whole.wall),
        after: Some(after.whole.wall),
        ratio: Some(after.whole.wall.p50 / before.whole.wall.p50),
        change: verdict(before.whole.wall, after.whole.wall),
    };
    if few {
        whole.doubt();
    }
    Comparison { differences, few_steps, whole, rows }
}

fn compared(row: &Row, before: Option<Option<Spread>>, after: Option<Option<Spread>>) -> Compared {
    let change = match (before, after) {
        (None, _) => Change::New,
        (_, None) => Change::Gone,
        (Some(Some(a)), Some(Some(b))) => verdict(a, b),
        _ => Change::Unknown,
    };
    let (before, after) = (before.flatten(), after.flatten());
    Compared {
        kernel: row.kernel.clone(),
        layer: row.layer.clone(),
        ratio: before.zip(after).filter(|(a, _)| a.p50 > 0.0).map(|(a, b)| b.p50 / a.p50),
        before,
        after,
        change,
    }
}

/// A change counts where the middle halves do not meet and the medians are more than 3 % apart.
fn verdict(before: Spread, after: Spread) -> Change {
    let apart = (after.p50 / before.p50.max(f64::MIN_POSITIVE)).ln().abs() > 0.03;
    if apart && after.p75 < before.p25 {
        Change::Faster
    } else if apart && after.p25 > before.p75 {
        Change::Slower
    } else {
        Change::Same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(times: &[f64]) -> Spread {
        Spread::of(times).unwrap()
    }

    #[test]
    fn noise_is_not_a_change() {
        let before = spread(&[10.0, 11.0, 12.0, 13.0, 30.0]);
        assert_eq!(verdict(before, spread(&[9.0, 10.5, 11.5, 12.0, 12.5])), Change::Same);
        assert_eq!(verdict(before, spread(&[7.0, 8.0, 9.0, 9.5, 40.0])), Change::Faster);
        assert_eq!(verdict(before, spread(&[14.0, 15.0, 15.0, 16.0, 17.0])), Change::Slower);
        // Steady to a hair: still nothing to report below 3 %.
        assert_eq!(verdict(spread(&[1.0; 4]), spread(&[1.02; 4])), Change::Same);
    }
}
