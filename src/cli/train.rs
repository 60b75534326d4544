//! `ssgan train`.

use super::args::{SettingsArgs, SpeechArgs};
use super::config::{self, Resolved};
use super::{interrupt, load, output};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::gpu::{AdapterSummary, Gpu, shader_hash};
use crate::model::parse;
use crate::report::confusion;
use crate::report::progress::Progress;
use crate::report::recorder::{Recorder, Texts};
use crate::run_dir::{RunDir, timestamp};
use crate::train::Trainer;
use crate::train::event::{Event, Observer, Summary};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Run folder to make: must not exist, or be empty [default: runs/TIME-MODEL-DATASET]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Stop after so many steps, for quick checks
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_steps: Option<u32>,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    speech: SpeechArgs,
}

pub fn run(args: &Args) -> Result<()> {
    let resolved = config::resolve(&args.settings)?;
    let s = &resolved.settings;
    let mut progress = args.speech.progress();
    let stop = interrupt::install()?;
    let config_toml = resolved.config_toml()?;
    // Before the slow parts: an output folder that cannot be used is known at once. Nothing stays of it if
    // they fail.
    let mut run = RunDir::create(args.out.as_deref(), &resolved.spec.name, &s.dataset, &config_toml)?;
    run.write("model.toml", resolved.model_toml.as_bytes())?;
    let set = load::dataset(s, &mut progress)?;
    go_on(stop)?;
    let model = parse::check(&resolved.spec, &resolved.model_toml, &s.model, set.shape)?;
    let gpu = Gpu::open(&s.adapter_choice())?;
    let mut trainer = Trainer::new(&gpu, &model, s, &set)?;
    go_on(stop)?;
    run.write_json("env.json", &Environment::new(gpu.summary(), &set))?;
    run.write_json("labelled.json", &Labelled::new(&resolved, trainer.labelled(), trainer.validation()))?;

    let folder = run.path().to_path_buf();
    progress.note(&format!("run folder {}", folder.display()));
    let texts = Texts::from([
        ("model_toml".to_string(), resolved.model_toml.clone()),
        ("config_toml".to_string(), config_toml),
    ]);
    let mut both = Both { recorder: Recorder::new(&mut run, texts)?, progress };
    let result = trainer.run(&mut both, stop, args.max_steps);
    // Whatever happened, what was measured is written; the first failure is the one to report.
    let finished = both.recorder.finish();
    drop(both);
    let summary = result.map_err(|e| with_folder(e, &folder))?;
    finished?;
    report(args, &folder, &summary)
}

/// Ends a run that was interrupted before it began; its folder goes with it.
fn go_on(stop: &AtomicBool) -> Result<()> {
    match stop.load(Ordering::SeqCst) {
        true => Err(Error::Interrupted("nothing was trained yet, nothing is left behind".into())),
        false => Ok(()),
    }
}

/// Tells where the saved state is.
fn with_folder(e: Error, folder: &Path) -> Error {
    match e {
        Error::Interrupted(what) => {
            Error::Interrupted(format!("{what}; what was done is in {}", folder.display()))
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
