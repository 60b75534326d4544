//! What a run's metrics files say of the steps so far, for a run that goes on.

use crate::app::text;
use crate::error::{Error, Result};
use crate::train::event::{EpochMetrics, EpochTime, History, StepMetrics};
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::Path;

/// One line of `metrics.jsonl`: `{"kind": "step", ...}` or `{"kind": "epoch", ...}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum JsonRow {
    Step(StepMetrics),
    Epoch(EpochMetrics),
}

/// Columns of `timing.csv`, a row for every evaluated epoch.
pub const TIMING_COLUMNS: &str = "epoch,step,seconds,ms_per_step,images_per_second";

/// Reads a run folder's `metrics.jsonl` and `timing.csv`. A last line that was not written to its end, and what
/// follows a gap, does not count.
///
/// # Errors
/// As [`text::bytes`], if a file is there and cannot be read or is too large.
pub fn load(folder: &Path) -> Result<History> {
    let read = |name: &str| -> Result<String> {
        let path = folder.join(name);
        match text::bytes(&path, text::MAX_RECORD) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(String::new()),
            Err(e) => Err(e),
        }
    };
    Ok(parse(&read("metrics.jsonl")?, &read("timing.csv")?))
}

/// As [`load`], from the texts of the two files.
pub fn parse(metrics: &str, timing: &str) -> History {
    let mut history = History::default();
    for line in metrics.split_inclusive('\n') {
        let Ok(row) = serde_json::from_str(line) else { break };
        match row {
            _ if !line.ends_with('\n') => break,
            JsonRow::Step(s) if s.step as usize == history.steps.len() + 1 => history.steps.push(s),
            JsonRow::Epoch(e)
                if e.step as usize == history.steps.len()
                    && history.epochs.last().is_none_or(|last| last.step < e.step) =>
            {
                history.epochs.push(e);
            }
            _ => break,
        }
    }
    let mut epochs = history.epochs.iter_mut().peekable();
    for line in timing.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let [_, step, rest @ ..] = cells.as_slice() else { continue };
        let numbers: Vec<f64> = rest.iter().filter_map(|c| c.parse().ok()).collect();
        let Ok(step) = step.parse::<u32>() else { continue };
        while epochs.next_if(|e| e.step < step).is_some() {}
        let epoch = epochs.next_if(|e| e.step == step);
        if let (Some(epoch), [seconds, ms_per_step, images_per_second]) = (epoch, numbers.as_slice()) {
            epoch.time = EpochTime {
                seconds: *seconds,
                ms_per_step: *ms_per_step,
                images_per_second: *images_per_second,
            };
        }
    }
    history
}
