//! What finished runs gave: read from their folders, summed up over label seeds.

use super::plan::{Arm, Planned};
use crate::app::report::grid::first_row;
use crate::app::report::png::Picture;
use crate::app::run::folder;
use crate::app::run::history;
use crate::app::run::settings::RunSettings;
use crate::app::source::Info;
use crate::error::{Error, Result};
use crate::gpu::Precision;
use crate::model::shape::Dims;
use crate::train::event::{EpochMetrics, EpochTime, Summary};
use crate::train::settings::Method;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::path::{Path, PathBuf};

/// A finished run.
#[derive(Debug, Clone, Serialize)]
pub struct RunResult {
    /// Its name in the plan.
    pub id: String,
    /// Key of its arm.
    #[serde(rename = "group")]
    pub arm: &'static str,
    /// Its result.
    #[serde(flatten)]
    pub record: Record,
    /// Where its generated images may be, the likeliest first.
    #[serde(skip)]
    pub samples: Vec<Samples>,
}

/// What a finished run gave, in a file of its own, `summaries/ID.json` of a report: all that the report says of it, also
/// where its folder is gone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// The command that repeats it alone.
    pub command: String,
    /// Name and version of the program that trained it, where that is known.
    #[serde(default)]
    pub program: Option<String>,
    /// SHA-256 of its shaders, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shaders: Option<String>,
    /// When it began, likewise. A version lasts for many commits; with the shaders this tells which it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// Its end.
    #[serde(flatten)]
    pub summary: Summary,
    /// The settings, resolved, without those of the machine. Those that it does not have are younger than it.
    #[serde(deserialize_with = "over_defaults")]
    pub settings: RunSettings,
    /// The text of its model file.
    pub model_toml: String,
    /// Its evaluated epochs, where they are known.
    #[serde(default)]
    pub history: Vec<Epoch>,
}

/// An evaluated epoch and its time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Epoch {
    /// Accuracies and losses.
    #[serde(flatten)]
    pub metrics: EpochMetrics,
    /// Seconds of training since the start.
    pub seconds: f64,
}

/// What to do about a run that is not the plan's.
pub const ANOTHER_RUN: &str = "give the flags that it was made with, name another folder, or move it away";

/// Where a run's generated images are.
#[derive(Debug, Clone)]
pub enum Samples {
    /// The run's folder, with a picture of each evaluated epoch.
    Folder(PathBuf),
    /// One picture, if it is there, of their first rows, [`Samples::strip`].
    Strip(PathBuf),
}

/// Epochs, and a row of images generated after each.
pub type SampleRows = Vec<(u32, Picture)>;

impl Samples {
    /// The rows one above the other; `None` of none.
    pub fn strip(epochs: &[(u32, Picture)]) -> Option<Picture> {
        let rows: Vec<&Picture> = epochs.iter().map(|(_, row)| row).collect();
        Picture::stacked(&rows)
    }

    /// The rows of these epochs, of `height` pixels; fewer if pictures are missing.
    fn rows(&self, epochs: &[u32], height: u32) -> Result<SampleRows> {
        match self {
            Samples::Folder(folder) => {
                let of = |&e: &u32| (e, folder.join(folder::sample_name(e)));
                let there = epochs.iter().map(of).filter(|(_, path)| path.is_file());
                there.map(|(e, path)| Ok((e, Picture::load(&path)?.rows(0, height)))).collect()
            }
            Samples::Strip(path) if path.is_file() => {
                let strip = Picture::load(path)?;
                // Of another size it is of another run.
                if strip.height as usize != epochs.len() * height as usize {
                    return Ok(vec![]);
                }
                let rows = epochs.iter().zip((0..strip.height).step_by(height as usize));
                Ok(rows.map(|(&e, from)| (e, strip.rows(from, height))).collect())
            }
            Samples::Strip(_) => Ok(vec![]),
        }
    }
}

/// Settings, as far as they are given; else the defaults.
fn over_defaults<'de, D: Deserializer<'de>>(d: D) -> std::result::Result<RunSettings, D::Error> {
    let given = serde_json::Map::deserialize(d)?;
    if let Some(key) = given.keys().find(|key| !RunSettings::keys().any(|known| known == *key)) {
        return Err(D::Error::custom(format!("unknown setting {key:?}")));
    }
    let defaults = RunSettings::defaults(Method::default(), false);
    let mut all = serde_json::to_value(defaults).map_err(D::Error::custom)?;
    if let Some(all) = all.as_object_mut() {
        all.extend(given);
    }
    serde_json::from_value(all).map_err(D::Error::custom)
}

impl Record {
    /// Whether it is what is kept of the same run as `other`: one that was repeated took other seconds.
    pub fn is_of(&self, other: &Record) -> bool {
        let of = |r: &Record| (r.summary.test_accuracy, r.summary.test_accuracy_ema, r.summary.seconds);
        self.command == other.command && of(self) == of(other)
    }

    /// The record of `planned` in `path`.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Output`] if it cannot be read or is of another run.
    pub fn read(planned: &Planned, path: &Path) -> Result<Record> {
        let record: Record = serde_json::from_str(&crate::app::text::read_record(path)?).map_err(|e| {
            Error::Output(format!(
                "{}: {e}: not the summary of a run that this version of the program reads; move it away",
                path.display()
            ))
        })?;
        let wanted = command(planned, &record.settings);
        let is = if record.command != wanted {
            format!("is of `{}`, and this plan has `{wanted}`", record.command)
        } else if record.settings.train.label_seed != planned.seed || !record.is_whole() {
            "is not of the whole run".into()
        } else {
            return Ok(record);
        };
        Err(Error::Output(format!("{}: {is}: {ANOTHER_RUN}", path.display())))
    }

    /// Whether the run was trained to its end: one that `ssgan train` was told to end early has a summary as well.
    fn is_whole(&self) -> bool {
        self.summary.epochs == self.settings.train.epochs
    }

    /// The record of `planned` from its `folder`; `None` if it is not there or not finished. The epochs of a long run are in
    /// a long file, which is not read where `kept` is of this run and has them.
    fn of_folder(planned: &Planned, folder: &Path, kept: Option<&Record>) -> Result<Option<Record>> {
        let path = folder.join("summary.json");
        if !path.is_file() {
            return Ok(None);
        }
        let broken = |file: &Path, reason: String| {
            Error::Output(format!(
                "{}: {reason}: the run is damaged; remove its folder, and its file in summaries, and start again",
                file.display()
            ))
        };
        let text = |name: &str| crate::app::text::read_record(&folder.join(name));
        let summary: Summary =
            serde_json::from_str(&text("summary.json")?).map_err(|e| broken(&path, e.to_string()))?;
        let config = folder.join("config.toml");
        let settings: RunSettings =
            toml::from_str(&text("config.toml")?).map_err(|e| broken(&config, e.message().into()))?;
        let epoch = |metrics: EpochMetrics| {
            let EpochTime { seconds, .. } = metrics.time;
            Epoch { metrics, seconds }
        };
        let environment = Environment::of(&folder.join("env.json"));
        let mut record = Record {
            command: command(planned, &settings),
            program: environment.as_ref().map(|e| format!("{} {}", e.program, e.version)),
            shaders: environment.as_ref().map(|e| e.shader_hash.clone()),
            started: environment.map(|e| e.started),
            summary,
            settings: settings.anywhere(),
            model_toml: text("model.toml")?,
            history: vec![],
        };
        record.history = match kept.filter(|k| k.is_of(&record) && !k.history.is_empty()) {
            Some(kept) => kept.history.clone(),
            None => history::load(folder)?.epochs.into_iter().map(epoch).collect(),
        };
        Ok(record.is_whole().then_some(record))
    }
}

/// A plan does not say whether its products round to 16 bits; a run's settings do.
fn command(planned: &Planned, settings: &RunSettings) -> String {
    let precision = if settings.precision == Precision::Mixed { " --precision mixed" } else { "" };
    format!("ssgan train {}{precision}", planned.flags.join(" "))
}

impl RunResult {
    fn new(planned: &Planned, record: Record, samples: Samples) -> RunResult {
        RunResult { id: planned.id.clone(), arm: planned.arm.key, record, samples: vec![samples] }
    }

    /// Takes what `other` has more of the same run; nothing if it is another.
    pub fn join(&mut self, other: RunResult) {
        if !self.record.is_of(&other.record) {
            return;
        }
        let record = &mut self.record;
        record.shaders = record.shaders.take().or(other.record.shaders);
        record.started = record.started.take().or(other.record.started);
        if other.record.history.len() > self.record.history.len() {
            self.record.history = other.record.history;
        }
        self.samples.extend(other.samples);
    }

    /// The run of `planned` in `folder`, of which `kept` may be what is kept; `None` if it is not there or not finished.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Output`] for a folder that says it is finished and cannot be read.
    pub fn load(planned: &Planned, folder: &Path, kept: Option<&Record>) -> Result<Option<RunResult>> {
        let record = Record::of_folder(planned, folder, kept)?;
        Ok(record.map(|r| RunResult::new(planned, r, Samples::Folder(folder.into()))))
    }

    /// The run of `planned` that only the record in `path` is left of, and maybe the picture beside it.
    ///
    /// # Errors
    /// As [`Record::read`].
    pub fn recorded(planned: &Planned, path: &Path) -> Result<RunResult> {
        let strip = Samples::Strip(path.with_extension("png"));
        Ok(RunResult::new(planned, Record::read(planned, path)?, strip))
    }

    /// Seed of labels and, in every plan, of the run.
    pub fn label_seed(&self) -> u64 {
        self.record.settings.train.label_seed
    }

    /// Test accuracy of the parameters as they are.
    pub fn accuracy(&self) -> f64 {
        self.record.summary.test_accuracy.into()
    }

    /// Test accuracy of their moving average.
    pub fn averaged(&self) -> f64 {
        self.record.summary.test_accuracy_ema.into()
    }

    /// Generated images of size `image`, a row for each evaluated epoch, in order; none if they are nowhere whole.
    ///
    /// # Errors
    /// [`Error::Io`] for a picture that cannot be read.
    pub fn samples(&self, image: Dims) -> Result<SampleRows> {
        let epochs: Vec<u32> = self.record.history.iter().map(|e| e.metrics.epoch).collect();
        for samples in &self.samples {
            let rows = samples.rows(&epochs, first_row(image))?;
            if rows.len() == epochs.len() {
                return Ok(rows);
            }
        }
        Ok(vec![])
    }
}

/// What a run's environment says of the program.
#[derive(Deserialize)]
struct Environment {
    program: String,
    version: String,
    shader_hash: String,
    started: String,
}

impl Environment {
    fn of(file: &Path) -> Option<Environment> {
        serde_json::from_str(&crate::app::text::read_record(file).ok()?).ok()
    }
}

/// Everything that a page shows.
#[derive(Debug, Clone, Serialize)]
pub struct Results {
    /// The data set that all runs learned from.
    pub data: Info,
    /// The short version?
    pub quick: bool,
    /// Runs in the plan.
    pub planned: usize,
    /// Runs that are finished, in the plan's order.
    pub runs: Vec<RunResult>,
    /// Runs of the plan that are not.
    pub missing: Vec<String>,
}

impl Results {
    /// What the report, or the paper, has for an arm; only beside the data that it had.
    pub fn reference(&self, arm: &Arm) -> Option<f64> {
        arm.reference.filter(|_| self.data.name == "mnist" && !self.quick)
    }

    /// The finished runs of an arm, by seed.
    pub fn of(&self, arm: &Arm) -> Vec<&RunResult> {
        let mut runs: Vec<&RunResult> = self.runs.iter().filter(|r| r.arm == arm.key).collect();
        runs.sort_by_key(|r| r.label_seed());
        runs
    }

    /// The first of an arm's runs whose generated images are there, and these, a row for each evaluated epoch.
    ///
    /// # Errors
    /// [`Error::Io`] for a picture that cannot be read.
    pub fn pictured(&self, arm: &Arm) -> Result<Option<(&RunResult, SampleRows)>> {
        let [height, width, channels] = self.data.image;
        for run in self.of(arm) {
            let samples = run.samples(Dims { height, width, channels })?;
            if !samples.is_empty() {
                return Ok(Some((run, samples)));
            }
        }
        Ok(None)
    }
}

/// Mean and standard deviation over runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stat {
    /// Mean.
    pub mean: f64,
    /// Sample standard deviation (n - 1); `None` of one value.
    pub deviation: Option<f64>,
}

impl Stat {
    /// Of some values; `None` of none.
    pub fn of(values: &[f64]) -> Option<Stat> {
        let n = values.len() as f64;
        if values.is_empty() {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
        let deviation = (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt());
        Some(Stat { mean, deviation })
    }
}

impl Stat {
    /// Of a number of each run; `None` of no run.
    pub fn over(runs: &[&RunResult], of: impl Fn(&RunResult) -> f64) -> Option<Stat> {
        Stat::of(&runs.iter().map(|r| of(r)).collect::<Vec<f64>>())
    }
}

impl std::fmt::Display for Stat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.deviation {
            Some(d) => write!(f, "{:.4} ± {d:.4}", self.mean),
            None => write!(f, "{:.4}", self.mean),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation() {
        assert_eq!(Stat::of(&[]), None);
        assert_eq!(Stat::of(&[0.5]).unwrap().to_string(), "0.5000");
        let s = Stat::of(&[1.0, 2.0, 4.0]).unwrap();
        assert!(
            (s.mean - 7.0 / 3.0).abs() < 1e-12
                && (s.deviation.unwrap() - (7.0f64 / 3.0).sqrt()).abs() < 1e-12
        );
        assert_eq!(s.to_string(), "2.3333 ± 1.5275");
    }
}
