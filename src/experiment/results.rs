//! What finished runs gave: read from their folders, summed up over label seeds.

use super::plan::{Group, Planned};
use crate::data::Info;
use crate::error::{Error, Result};
use crate::gpu::Precision;
use crate::report::history;
use crate::run_dir;
use crate::train::event::{EpochMetrics, EpochTime, Summary};
use crate::train::settings::Settings;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A finished run.
#[derive(Debug, Clone, Serialize)]
pub struct RunResult {
    /// As in the plan.
    pub id: String,
    /// Key of its group.
    pub group: &'static str,
    /// Seed of labels and run.
    pub seed: u64,
    /// The command that repeats it alone.
    pub command: String,
    /// The settings, resolved.
    pub settings: Settings,
    /// Name and version of the program that trained it, where that is known.
    pub program: Option<String>,
    /// Its end.
    pub summary: Summary,
    /// Its evaluated epochs; none of a run that only its [`Record`] is left of.
    pub epochs: Vec<Epoch>,
    /// The text of its model file.
    #[serde(skip)]
    pub model_toml: String,
    /// Its folder.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// An evaluated epoch and its time.
#[derive(Debug, Clone, Serialize)]
pub struct Epoch {
    /// Accuracies and losses.
    #[serde(flatten)]
    pub metrics: EpochMetrics,
    /// Seconds of training since the start.
    pub seconds: f64,
}

/// A finished run in a file of its own, `summaries/ID.json` of a report: enough for tables, where its folder is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The command that repeats it alone.
    pub command: String,
    /// Name and version of the program that trained it, where that is known.
    #[serde(default)]
    pub program: Option<String>,
    /// Its end.
    #[serde(flatten)]
    pub summary: Summary,
}

impl Record {
    /// Whether it is what is kept of `run`. Seconds may differ in a last digit that text does not carry.
    pub fn is_of(&self, run: &RunResult) -> bool {
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs();
        let (a, b) = (&self.summary, &run.summary);
        self.command == run.command
            && (a.test_accuracy, a.test_accuracy_ema) == (b.test_accuracy, b.test_accuracy_ema)
            && near(a.seconds, b.seconds)
    }
}

/// Ends the command of a run: its plan does not say whether its products round to 16 bits.
fn precision(settings: &Settings) -> &'static str {
    if settings.precision == Precision::Mixed { " --precision mixed" } else { "" }
}

fn command(planned: &Planned) -> String {
    format!("ssgan train {}", planned.flags.join(" "))
}

impl RunResult {
    /// The run of `planned` that `record` is what is left of, with the settings and the model that the plan has for it.
    /// `path` is where the record is from.
    ///
    /// # Errors
    /// [`Error::Output`] if the record is of another run.
    pub fn recorded(
        planned: &Planned,
        record: Record,
        path: &Path,
        settings: Settings,
        model_toml: String,
    ) -> Result<RunResult> {
        let wanted = command(planned) + precision(&settings);
        if record.command != wanted {
            return Err(Error::Output(format!(
                "{}: is of `{}`, and this plan has `{wanted}`: give the flags that it was made with, name another folder, or \
                 move it away",
                path.display(),
                record.command,
            )));
        }
        Ok(RunResult {
            id: planned.id.clone(),
            group: planned.group.key,
            seed: planned.seed,
            command: record.command,
            settings: elsewhere(settings),
            program: record.program,
            summary: record.summary,
            epochs: vec![],
            model_toml,
            folder: PathBuf::new(),
        })
    }

    /// What to keep of it.
    pub fn record(&self) -> Record {
        let RunResult { command, program, summary, .. } = self.clone();
        Record { command, program, summary }
    }

    /// The run of `planned` in `folder`; `None` if it is not there or not finished.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Output`] for a folder that says it is finished and cannot be read.
    pub fn load(planned: &Planned, folder: &Path) -> Result<Option<RunResult>> {
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
        let text = |name: &str| crate::text::read(&folder.join(name));
        let summary: Summary =
            serde_json::from_str(&text("summary.json")?).map_err(|e| broken(&path, e.to_string()))?;
        let config = folder.join("config.toml");
        let settings: Settings =
            toml::from_str(&text("config.toml")?).map_err(|e| broken(&config, e.message().into()))?;
        let epochs = history::load(folder)?.epochs;
        let precision = precision(&settings);
        let epoch = |metrics: EpochMetrics| {
            let EpochTime { seconds, .. } = metrics.time;
            Epoch { metrics, seconds }
        };
        Ok(Some(RunResult {
            id: planned.id.clone(),
            group: planned.group.key,
            seed: planned.seed,
            command: command(planned) + precision,
            settings: elsewhere(settings),
            program: program(&folder.join("env.json")),
            summary,
            epochs: epochs.into_iter().map(epoch).collect(),
            model_toml: text("model.toml")?,
            folder: folder.into(),
        }))
    }

    /// Test accuracy of the parameters as they are.
    pub fn accuracy(&self) -> f64 {
        self.summary.test_accuracy.into()
    }

    /// Test accuracy of their moving average.
    pub fn averaged(&self) -> f64 {
        self.summary.test_accuracy_ema.into()
    }

    /// Pictures of generated images, one per evaluated epoch, in order.
    pub fn samples(&self) -> Vec<(u32, PathBuf)> {
        let of = |e: &Epoch| (e.metrics.epoch, self.folder.join(run_dir::sample_name(e.metrics.epoch)));
        self.epochs.iter().map(of).filter(|(_, p)| p.is_file()).collect()
    }
}

/// Settings without those of the machine.
fn elsewhere(settings: Settings) -> Settings {
    Settings { data_dir: None, adapter: None, backend: None, ..settings }
}

/// `ssgan 0.1.0`, from a run's environment.
fn program(env: &Path) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Environment {
        program: String,
        version: String,
    }
    let e: Environment = serde_json::from_str(&crate::text::read(env).ok()?).ok()?;
    Some(format!("{} {}", e.program, e.version))
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
    /// What the report, or the paper, has for a group; only beside the data that it had.
    pub fn reference(&self, group: &Group) -> Option<f64> {
        group.reference.filter(|_| self.data.name == "mnist" && !self.quick)
    }

    /// The finished runs of a group, by seed.
    pub fn of(&self, group: &Group) -> Vec<&RunResult> {
        let mut runs: Vec<&RunResult> = self.runs.iter().filter(|r| r.group == group.key).collect();
        runs.sort_by_key(|r| r.seed);
        runs
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
