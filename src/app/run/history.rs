//! What a run's metrics files say of the steps so far, for a run that goes on.

use crate::app::text;
use crate::error::{Error, Result};
use crate::train::event::{EpochMetrics, EpochTime, History, StepMetrics, TimeAt};
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

/// Columns of `timing.csv`, a row for every evaluated epoch, and for each interruption.
pub const TIMING_COLUMNS: &str = "epoch,step,seconds,ms_per_step,images_per_second";

/// The file of [`JsonRow`]s.
pub(super) const METRICS: &str = "metrics.jsonl";

/// Largest of these files, in bytes: a row for a step has about 350, and a run may have millions.
pub(super) const MOST: u64 = 8 << 30;

/// The first line of a run's `metrics.jsonl` that cannot be read or does not follow the one before, counted from 1, with which
/// [`load`] ends; one that was not written to its end is no such line.
pub fn damaged_line(folder: &Path) -> Option<usize> {
    let text = text::bytes(&folder.join(METRICS), MOST).ok()?;
    let text = String::from_utf8_lossy(&text);
    let known = parse(&text, "");
    let good = known.steps.len() + known.epochs.len();
    (text.matches('\n').count() > good).then_some(good + 1)
}

/// Reads a run folder's `metrics.jsonl` and `timing.csv`. A last line that was not written to its end, and what
/// follows a gap, does not count.
///
/// # Errors
/// As [`text::bytes`], if a file is there and cannot be read or is too large.
pub fn load(folder: &Path) -> Result<History> {
    let read = |name: &str| -> Result<String> {
        let path = folder.join(name);
        match text::bytes(&path, MOST) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(String::new()),
            Err(e) => Err(e),
        }
    };
    Ok(parse(&read(METRICS)?, &read("timing.csv")?))
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
    for line in timing.split_inclusive('\n').skip(1) {
        let Some(at) = line.strip_suffix('\n').and_then(time_at) else { break };
        if at.step as usize > history.steps.len() || history.times.last().is_some_and(|t| t.step >= at.step) {
            break;
        }
        history.times.push(at);
        if let Some(epoch) = history.epochs.iter_mut().find(|e| e.step == at.step) {
            epoch.time = at.time;
        }
    }
    history
}

/// A row of `timing.csv`.
fn time_at(line: &str) -> Option<TimeAt> {
    let cells: Vec<&str> = line.split(',').collect();
    let [epoch, step, seconds, ms_per_step, images_per_second] = cells[..] else { return None };
    let number = |cell: &str| cell.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
    let time = EpochTime {
        seconds: number(seconds)?,
        ms_per_step: number(ms_per_step)?,
        images_per_second: number(images_per_second)?,
    };
    Some(TimeAt { epoch: epoch.parse().ok()?, step: step.parse().ok()?, time })
}
