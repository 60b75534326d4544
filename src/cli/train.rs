//! `ssgan train`.

use super::args::{SettingsArgs, SpeechArgs};
use super::config::{self, Resolved};
use super::{interrupt, load, output};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::gpu::{AdapterSummary, Gpu, shader_hash};
use crate::model::parse;
use crate::report::confusion;
use crate::report::history;
use crate::report::progress::Progress;
use crate::report::recorder::{Recorder, Texts};
use crate::run_dir::{RunDir, checkpoints, timestamp};
use crate::train::Trainer;
use crate::train::checkpoint::{Checkpoint, in_file};
use crate::train::event::{Event, History, Observer, Summary};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Run folder to make: must not exist, or be empty [default: runs/TIME-MODEL-DATASET]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with a run from its newest checkpoint, or from the checkpoint named; its settings hold
    #[arg(long, value_name = "RUN|CHECKPOINT", conflicts_with_all = [
        "out", "config", "model", "dataset", "method", "labels", "label_seed", "validation_split", "seed", "epochs",
        "batch_size", "lr", "generator_lr", "beta1", "beta2", "epsilon", "epsilon_inside_root",
        "unsupervised_weight", "label_smoothing", "feature_matching", "ema_rate", "evaluate_every",
    ])]
    resume: Option<PathBuf>,
    /// End after so many steps of the whole run, for quick checks
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_steps: Option<u32>,
    /// Save and stop after so many seconds of training, with exit status 0; `--resume` goes on
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    max_seconds: Option<f64>,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    speech: SpeechArgs,
}

fn seconds(text: &str) -> std::result::Result<f64, String> {
    match text.parse() {
        Ok(s) if s > 0.0 => Ok(s),
        _ => Err("write a number of seconds above 0".into()),
    }
}

pub fn run(args: &Args) -> Result<()> {
    let mut progress = args.speech.progress();
    let stop = interrupt::install()?;
    let (resolved, mut run, config_toml) = match &args.resume {
        Some(from) => reopen(args, from)?,
        None => create(args)?,
    };
    let s = &resolved.settings;
    let set = load::dataset(s, &mut progress)?;
    go_on(stop)?;
    let model = parse::check(&resolved.spec, &resolved.model_toml, &s.model, set.shape)?;
    let gpu = Gpu::open(&s.adapter_choice())?;
    let mut trainer = Trainer::new(&gpu, &model, s, &set)?;
    go_on(stop)?;
    let folder = run.path().to_path_buf();
    progress.note(&format!("run folder {}", folder.display()));
    let history = match &args.resume {
        Some(from) => restore(&trainer, (from, &folder), [&config_toml, &resolved.model_toml], &progress)?,
        None => None,
    };
    if history.is_none() {
        run.write_json("env.json", &Environment::new(gpu.summary(), &set))?;
        let labelled = Labelled::new(&resolved, trainer.labelled(), trainer.validation());
        run.write_json("labelled.json", &labelled)?;
    }
    let texts = Texts::from([
        ("model_toml".to_string(), resolved.model_toml.clone()),
        ("config_toml".to_string(), config_toml),
    ]);
    let known = history.clone().unwrap_or_default();
    let recorder = Recorder::new(&mut run, texts, known, trainer.steps_per_epoch())?;
    let mut both = Both { recorder, progress };
    args.max_seconds.into_iter().for_each(interrupt::stop_after);
    let result = trainer.run(&mut both, stop, args.max_steps, history.as_ref());
    // Whatever happened, what was measured is written; the first failure is the one to report.
    let finished = if result.is_err() { both.recorder.finish() } else { Ok(()) };
    drop(both);
    match result.map_err(|e| with_folder(e, &folder)) {
        Ok(summary) => report(args, &folder, &summary),
        // Stopping was what was asked for.
        Err(Error::Interrupted(what)) if interrupt::time_is_up() => {
            finished?;
            match args.speech.json {
                true => output::print_json(&serde_json::json!({ "run": folder, "stopped": what })),
                false => output::print(&format!("time is up; {what}\n")),
            }
        }
        Err(e) => Err(e),
    }
}

/// The settings, a new run folder, and the settings' text. An output folder that cannot be used is known before the
/// slow parts, and nothing stays of it if they fail.
fn create(args: &Args) -> Result<(Resolved, RunDir, String)> {
    let resolved = config::resolve(&args.settings)?;
    let config_toml = resolved.config_toml()?;
    let s = &resolved.settings;
    let mut run = RunDir::create(args.out.as_deref(), &resolved.spec.name, &s.dataset, &config_toml)?;
    run.write("model.toml", resolved.model_toml.as_bytes())?;
    Ok((resolved, run, config_toml))
}

/// The same of a run that was begun earlier. Where the data are and what computes may be said anew.
fn reopen(args: &Args, from: &Path) -> Result<(Resolved, RunDir, String)> {
    let folder = &run_folder(from)?;
    let run = RunDir::reopen(folder)?;
    let read = |name: &str| crate::text::read(&folder.join(name));
    let config_toml = read("config.toml")?;
    if config_toml.trim().is_empty() || !folder.join("model.toml").is_file() {
        return Err(Error::Output(format!(
            "{}: the run ended before its settings were written; remove the folder and train anew",
            folder.display()
        )));
    }
    let resolved = config::of_run(&config_toml, read("model.toml")?, folder, &args.settings)?;
    Ok((resolved, run, config_toml))
}

/// A run folder, or that of one of its checkpoints.
fn run_folder(from: &Path) -> Result<PathBuf> {
    if !from.is_file() {
        return Ok(from.into());
    }
    let whole = from.canonicalize().map_err(Error::io("read", from))?;
    let folder = whole.parent().and_then(Path::parent);
    // As the user wrote it where that is enough.
    let written = from.parent().and_then(Path::parent).filter(|p| !p.as_os_str().is_empty());
    Ok(written.or(folder).unwrap_or(from).into())
}

/// Sets the trainer to the newest checkpoint that is whole and whose steps the metrics know, and says what was done
/// before it; `None` if the run had not come to its first. A checkpoint that was named is taken or refused.
fn restore(
    trainer: &Trainer<'_>,
    (from, folder): (&Path, &Path),
    [config_toml, model_toml]: [&str; 2],
    progress: &Progress,
) -> Result<Option<History>> {
    let history = history::load(folder)?;
    let candidates = if from.is_file() { vec![from.to_path_buf()] } else { checkpoints(folder)? };
    if candidates.is_empty() {
        progress.note("no checkpoint yet: from the first step");
        return Ok(None);
    }
    let mut refused = None;
    for path in &candidates {
        let tried = Checkpoint::load(path).and_then(|c| {
            for (key, text) in [("config_toml", config_toml), ("model_toml", model_toml)] {
                if c.meta(key).map_err(in_file(path))? != text {
                    let reason = format!("its {key} is not that of the folder: it belongs to another run");
                    return Err(Error::Checkpoint { path: path.clone(), reason });
                }
            }
            let step = trainer.restore(&c).map_err(in_file(path))?;
            let known =
                history.until(step, |s| trainer.evaluates_after(s)).ok_or_else(|| Error::Checkpoint {
                    path: path.clone(),
                    reason: format!("was saved after step {step}; metrics.jsonl ends before that"),
                })?;
            Ok((c, known))
        });
        match tried {
            Ok((c, known)) => {
                let step = known.steps.len();
                progress.note(&format!("going on after step {step}, from {}", path.display()));
                warn_of_changes(trainer, &c, progress);
                return Ok(Some(known));
            }
            // A device that failed is no fault of the checkpoint.
            Err(e @ (Error::Checkpoint { .. } | Error::Io { .. })) if candidates.len() > 1 => {
                progress.note(&format!("passed over: {e}"));
                refused.get_or_insert(e);
            }
            Err(e) => return Err(e),
        }
    }
    // There is at least one candidate, and none was taken.
    refused.map_or(Ok(None), Err)
}

/// Bits are promised on the same adapter, driver and program alone.
fn warn_of_changes(trainer: &Trainer<'_>, from: &Checkpoint, progress: &Progress) {
    for (key, now) in trainer.identity() {
        if let Some(then) = from.metadata.get(key).filter(|then| **then != now) {
            progress.note(&format!(
                "the {key} was {then}, now it is {now}: results will differ in their last bits"
            ));
        }
    }
}

/// Ends a run that was interrupted before it began; its folder goes with it.
fn go_on(stop: &AtomicBool) -> Result<()> {
    match stop.load(Ordering::SeqCst) {
        true => {
            Err(Error::Interrupted("nothing was trained; a run that was begun earlier is as it was".into()))
        }
        false => Ok(()),
    }
}

/// Tells where the saved state is.
fn with_folder(e: Error, folder: &Path) -> Error {
    match e {
        Error::Interrupted(what) => {
            let folder = folder.display();
            Error::Interrupted(format!("{what}; go on with: ssgan train --resume {folder}"))
        }
        other => other,
    }
}

fn report(args: &Args, folder: &Path, s: &Summary) -> Result<()> {
    if args.speech.json {
        return output::print_json(&Report { run: folder, summary: s });
    }
    let file = |name: &str| folder.join(name);
    let pictures: Vec<String> = [
        file(&format!("samples/epoch-{:02}.png", s.epochs)),
        file("plots/losses.png"),
        file("plots/accuracy.png"),
        file("confusion.png"),
    ]
    .iter()
    .filter(|p| p.is_file())
    .map(|p| format!("  {}\n", p.display()))
    .collect();
    output::print(&format!(
        "{} {} on {}: {} labels, {} epochs, {} steps, {:.1} s ({:.1} ms/step, {:.0} images/s)\n\
         test accuracy {:.4}, with averaged parameters {:.4}\n\n{}\n{}\npictures:\n{}",
        s.method,
        s.model,
        s.dataset,
        s.labels,
        s.epochs,
        s.steps,
        s.seconds,
        s.ms_per_step,
        s.images_per_second,
        s.test_accuracy,
        s.test_accuracy_ema,
        confusion::per_class(&s.confusion),
        folder.display(),
        pictures.concat()
    ))
}

/// The summary and where the run is.
#[derive(Serialize)]
struct Report<'a> {
    run: &'a Path,
    #[serde(flatten)]
    summary: &'a Summary,
}

/// Sends events to the run folder first, then to the screen.
struct Both<'a> {
    recorder: Recorder<'a>,
    progress: Progress,
}

impl Observer for Both<'_> {
    fn on(&mut self, event: Event<'_>) -> Result<()> {
        self.recorder.record(&event)?;
        self.progress.show(&event);
        Ok(())
    }
}

/// `env.json`: where and with what the run was made.
#[derive(Serialize)]
struct Environment<'a> {
    program: &'static str,
    version: &'static str,
    wgpu: &'static str,
    shader_hash: String,
    started: String,
    os: &'static str,
    arch: &'static str,
    adapter: &'a AdapterSummary,
    dataset: &'a str,
    dataset_fingerprint: &'a str,
}

impl<'a> Environment<'a> {
    fn new(adapter: &'a AdapterSummary, set: &'a Dataset) -> Environment<'a> {
        Environment {
            program: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            wgpu: wgpu_version(),
            shader_hash: shader_hash(),
            started: timestamp(SystemTime::now(), false),
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            adapter,
            dataset: &set.name,
            dataset_fingerprint: &set.fingerprint,
        }
    }
}

/// The version of wgpu that this program was built with, from the lock file; the crate does not tell.
fn wgpu_version() -> &'static str {
    let lock = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock"));
    let mut lines = lock.lines().skip_while(|l| *l != "name = \"wgpu\"").skip(1);
    lines.next().and_then(|l| l.strip_prefix("version = \"")?.strip_suffix('"')).unwrap_or("unknown")
}

/// `labelled.json`: which training images had a label, by index.
#[derive(Serialize)]
struct Labelled<'a> {
    labels: u32,
    label_seed: u64,
    train: &'a [u32],
    validation: &'a [u32],
}

impl<'a> Labelled<'a> {
    fn new(resolved: &Resolved, train: &'a [u32], validation: &'a [u32]) -> Labelled<'a> {
        let s = &resolved.settings;
        Labelled { labels: s.labels, label_seed: s.label_seed, train, validation }
    }
}
