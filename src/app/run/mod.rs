//! A training run in its folder: made anew or gone on with, trained, recorded.

pub mod adapter;
pub mod checkpoint;
pub mod config;
mod extend;
pub mod folder;
pub mod history;
pub mod interrupt;
pub mod recorder;
pub mod settings;
pub mod tensorboard;
pub mod tiles;
mod weights;

use self::checkpoint::in_file;
use self::config::Resolved;
use self::extend::Extension;
use self::folder::{RunDir, checkpoints, timestamp};
use self::recorder::{Recorder, Texts};
use self::settings::RunSettings;
use self::tensorboard::EventFile;
use crate::app::report::progress::Progress;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::gpu::{AdapterSummary, Gpu, Precision, shader_hash};
use crate::model::shape::ModelShape;
use crate::native::{self, BlockOn};
use crate::train::checkpoint::Checkpoint;
use crate::train::event::{Event, History, Observer, Summary};
use crate::train::settings::Method;
use crate::train::{Images, NotFinite, Roles, Scratch, Stop, Storage, Tiles, Trainer, run};
use serde::Serialize;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use toml::Table;

/// Losses of the device in a row, without a checkpoint in between, that a run survives.
const MOST_LOSSES: u32 = 3;

/// Pauses between attempts to open a lost device again, in milliseconds: a driver that was reset is back after seconds.
const REOPENING: [u64; 5] = if cfg!(test) { [1; 5] } else { [1000, 2000, 4000, 8000, 15_000] };

/// A run that can be trained.
pub struct Run {
    /// Settings and model.
    pub resolved: Resolved,
    dir: RunDir,
    config_toml: String,
    /// A run folder or one of its checkpoints, where the run was begun earlier.
    from: Option<PathBuf>,
    /// Other epochs than it had, which are not written down yet.
    extension: Option<Extension>,
    /// Checkpoints that this process has written.
    saved: u64,
}

/// What does not change a run's results.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Steps of the whole run.
    pub max_steps: Option<u32>,
    /// Seconds of training in this process.
    pub max_seconds: Option<f64>,
    /// How many checkpoints to keep, the newest, besides the best by validation accuracy; all if not given.
    pub keep: Option<usize>,
    /// Whether TensorBoard's event files are written; a run that has some goes on with them.
    pub tensorboard: bool,
}

impl Run {
    /// A new run in a new folder. One that cannot be used is known before the slow parts, and nothing stays of it if
    /// they fail.
    ///
    /// # Errors
    /// As [`RunDir::create`].
    pub fn create(resolved: Resolved, out: Option<&Path>) -> Result<Run> {
        Run::create_from(resolved, out, None)
    }

    /// As [`Run::create`]; it begins with the weights of a checkpoint, which lies at the path, in place of random ones.
    ///
    /// # Errors
    /// As [`RunDir::create`]; [`Error::Io`] if they cannot be kept in its folder.
    pub fn create_from(
        resolved: Resolved,
        out: Option<&Path>,
        from: Option<(&Path, &Checkpoint)>,
    ) -> Result<Run> {
        let config_toml = resolved.config_toml()?;
        let dataset = &resolved.settings.dataset;
        let mut dir = RunDir::create(out, &resolved.spec.name, dataset, &config_toml)?;
        // Before the model, without which the run has not begun.
        from.into_iter().try_for_each(|(path, checkpoint)| weights::keep(&mut dir, path, checkpoint))?;
        dir.write("model.toml", resolved.model_toml.as_bytes())?;
        Ok(Run { resolved, dir, config_toml, from: None, extension: None, saved: 0 })
    }

    /// A run that was begun earlier, by its folder or one of its checkpoints. What may change ([`RunSettings::changes`])
    /// is said anew by `flags`, values by key.
    ///
    /// # Errors
    /// As [`RunDir::reopen`] and [`config::of_run`].
    pub fn reopen(from: &Path, flags: &Table) -> Result<Run> {
        let folder = &run_folder(from)?;
        let dir = RunDir::reopen(folder)?;
        let read = |name: &str| crate::app::text::read(&folder.join(name));
        let mut config_toml = read("config.toml")?;
        if !begun(folder)? {
            return Err(Error::Output(format!(
                "{}: the run ended before its settings were written; remove the folder and train anew",
                folder.display()
            )));
        }
        let resolved = config::of_run(&config_toml, read("model.toml")?, folder, flags)?;
        let extension = extend::extend(folder, from, &config_toml, resolved.settings.train.epochs)?;
        if let Some(extension) = &extension {
            config_toml.clone_from(&extension.config_toml);
        }
        Ok(Run { resolved, dir, config_toml, from: Some(from.into()), extension, saved: 0 })
    }

    /// The run's folder.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// Whether the folder stays, so that the run can be gone on with: one in which nothing was begun goes.
    pub fn stays(&self) -> bool {
        self.dir.stays()
    }

    /// Trains to the end, or as far as `options` say, or until `stop` asks to end. In place of a device that was lost is
    /// then the one that was opened again.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] after a few losses in a row, or if the adapter does not come back; [`Error::Interrupted`] after
    /// saving, if stopped or out of time, or without a device to save from; those of
    /// [`Trainer::new`] and [`run`]; [`Error::Io`] for a file that cannot be written.
    pub fn train(
        &mut self,
        (gpu, set): (&mut Gpu, &Dataset),
        mut options: Options,
        progress: &mut Progress,
        stop: &Stop,
    ) -> Result<Summary> {
        if let Some(extension) = &self.extension {
            progress.note(&extension.note);
        }
        let mut losses = 0;
        loop {
            let before = self.saved;
            let result = self.attempt((gpu, set), &mut options, progress, stop);
            let Err(Error::DeviceLost(why)) = result else { return result };
            // A run that gets on between losses may have many.
            losses = if self.saved == before { losses + 1 } else { 1 };
            if losses > MOST_LOSSES {
                return Err(Error::DeviceLost(why));
            }
            progress
                .note(&format!("the device was lost ({why}); opening it again, {losses} of {MOST_LOSSES}"));
            let again = open_again(gpu.summary(), self.resolved.settings.precision, stop);
            *gpu = again.map_err(|e| match e {
                Error::Adapter(now) => Error::DeviceLost(format!("{why}; it does not come back: {now}")),
                other => other,
            })?;
        }
    }

    /// From the newest checkpoint, or from the first step, with one device.
    fn attempt(
        &mut self,
        (gpu, set): (&Gpu, &Dataset),
        options: &mut Options,
        progress: &mut Progress,
        stop: &Stop,
    ) -> Result<Summary> {
        let Resolved { settings, model_toml, .. } = &self.resolved;
        let model = self.resolved.shaped(set.shape)?;
        // Before tiles are tried.
        Roles::new(&model, &settings.train, set)?;
        let tiles = tiles(&mut self.dir, gpu, (&model, settings), progress, stop)?;
        let storage = Storage { scratch: Scratch::Shared, images: settings.images() };
        let mut trainer =
            Trainer::with_tiles(gpu, &model, &settings.train, set, storage, &tiles).block_on()?;
        go_on(stop)?;
        if trainer.images_on_host() && storage.images == Images::Auto {
            progress.note("the adapter has no room for all training images: they stay in main memory");
        }
        let folder = self.dir.path().to_path_buf();
        progress.note(&format!("run folder {}", folder.display()));
        let mut history = match &self.from {
            Some(from) => restore(&mut trainer, (from, &folder), [&self.config_toml, model_toml], progress)?,
            None => None,
        };
        // It goes on: from now on it is a run of so many epochs.
        if let Some(extension) = self.extension.take() {
            self.dir.write("config.toml", extension.config_toml.as_bytes())?;
        }
        if history.is_none() {
            let origin = weights::begin(&trainer, &folder).block_on()?;
            if let Some(origin) = &origin {
                progress.note(&format!("beginning with the weights of {}", origin.checkpoint));
            }
            self.dir.write_json("env.json", &Environment::new(gpu.summary(), set, origin.as_ref()))?;
            let labelled = Labelled::new(&self.resolved, trainer.labelled(), trainer.validation());
            self.dir.write_json("labelled.json", &labelled)?;
            // A trainer that goes on after no step leaves the weights as they are.
            history = origin.map(|_| History::default());
        }
        let texts = Texts::from([
            ("model_toml".to_string(), model_toml.clone()),
            ("config_toml".to_string(), self.config_toml.clone()),
        ]);
        let known = history.clone().unwrap_or_default();
        let events = EventFile::begin(&mut self.dir, &known, options.tensorboard)?;
        let mut recorder = Recorder::new(&mut self.dir, texts, known, trainer.steps_per_epoch())?;
        recorder.keep(options.keep);
        // From here on the folder knows how far the run is, and the clock runs, whatever the device does.
        self.from = Some(folder);
        options.max_seconds.take().into_iter().for_each(interrupt::stop_after);
        let mut both = Both { recorder, events, progress, saved: &mut self.saved, peak: None };
        let result = run(&mut trainer, &mut both, stop, options.max_steps, history.as_ref()).block_on();
        let result = result.map(|summary| Summary { host_peak_bytes: both.peak, ..summary });
        // Whatever happened, what was measured is written; the first failure is the one to report.
        let finished = if result.is_err() { both.recorder.finish() } else { Ok(()) };
        drop(trainer);
        result.or_else(|e| {
            let e = match e {
                Error::Diverged(what) => {
                    // It keeps every tensor: where that is too much memory, the next run must not suffer.
                    let culprit = gpu.aside(self.culprit((gpu, set, &model), progress, stop)).block_on();
                    Error::Diverged(match culprit {
                        Some(culprit) => format!("{what}. First not finite: {culprit}"),
                        None => what,
                    })
                }
                other => other,
            };
            // Being out of time is no failure that hides another.
            if interrupt::time_is_up() { finished.and(Err(e)) } else { Err(e) }
        })
    }

    /// What went wrong first, from a replay of the steps since the last checkpoint; `None` where nothing is found, as
    /// when another failure comes in between.
    async fn culprit(
        &self,
        (gpu, set, model): (&Gpu, &Dataset, &ModelShape),
        progress: &Progress,
        stop: &Stop,
    ) -> Option<NotFinite> {
        let folder = self.dir.path();
        let steps = history::load(folder).ok()?.steps;
        let ssl = self.resolved.settings.train.method == Method::Ssl;
        // Parameters that broke after the last step are found in that step.
        let diverged = steps.iter().find(|m| !m.is_finite(ssl)).or(steps.last())?.step;
        let tiles = known_tiles(folder).ok()??;
        let storage = Storage { scratch: Scratch::Kept, images: self.resolved.settings.images() };
        let made = Trainer::with_tiles(gpu, model, &self.resolved.settings.train, set, storage, &tiles).await;
        let mut trainer = made.map_err(|e| progress.note(&format!("no search for what broke: {e}"))).ok()?;
        let saved = checkpoints(folder).unwrap_or_default();
        let mut done = None;
        for saved in saved.iter().filter_map(|path| checkpoint::load(path).ok()) {
            done = trainer.restore(&saved).await.ok().filter(|step| *step < diverged);
            if done.is_some() {
                break;
            }
        }
        if done.is_none() && weights::begin(&trainer, folder).await.ok()?.is_none() {
            trainer.initialise().await.ok()?;
        }
        let done = done.unwrap_or(0);
        // As long as an epoch of MNIST by the paper's recipe and some more; a search is no second training.
        if diverged - done > 1000 {
            return None;
        }
        progress.note(&format!(
            "training has diverged; repeating steps {} to {diverged} to see what broke",
            done + 1
        ));
        trainer.first_not_finite(done, diverged, stop).await.ok()?
    }
}

/// The adapter that was lost, which may take a while to come back, and no other: what computes is not to change within a
/// run unasked.
fn open_again(was: &AdapterSummary, precision: Precision, stop: &Stop) -> Result<Gpu> {
    let mut pauses = REOPENING.iter();
    loop {
        let opened = native::reopen(was, precision);
        let (Err(Error::Adapter(_)), Some(pause)) = (&opened, pauses.next()) else { return opened };
        let until = Instant::now() + Duration::from_millis(*pause);
        while Instant::now() < until {
            if stop.is_asked() {
                let what = "the device was lost; what was saved before is as it was";
                return Err(Error::Interrupted(what.into()));
            }
            std::thread::sleep(
                Duration::from_millis(10).min(until.saturating_duration_since(Instant::now())),
            );
        }
    }
}

/// Whether the settings and the model of a run were written to its folder, so that it can be gone on with.
///
/// # Errors
/// As [`crate::app::text::read`], for a file that is there and cannot be read.
pub fn begun(folder: &Path) -> Result<bool> {
    for name in ["config.toml", "model.toml"] {
        match crate::app::text::read(&folder.join(name)) {
            Ok(text) if !text.trim().is_empty() => {}
            Ok(_) => return Ok(false),
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(e),
        }
    }
    Ok(true)
}

/// Ends a run that was interrupted before it began; its folder goes with it.
///
/// # Errors
/// [`Error::Interrupted`] if `stop` asked to end.
pub fn go_on(stop: &Stop) -> Result<()> {
    match stop.is_asked() {
        true => {
            Err(Error::Interrupted("nothing was trained; a run that was begun earlier is as it was".into()))
        }
        false => Ok(()),
    }
}

/// The tiles of a run: those that it began with, else chosen now and written down.
fn tiles(
    dir: &mut RunDir,
    gpu: &Gpu,
    (model, settings): (&ModelShape, &RunSettings),
    progress: &Progress,
    stop: &Stop,
) -> Result<Tiles> {
    if let Some(tiles) = known_tiles(dir.path())? {
        return Ok(tiles);
    }
    let tiles = tiles::choose(gpu, model, &settings.train, settings.tune, progress, || go_on(stop))?;
    dir.write_json("tiles.json", &tiles)?;
    Ok(tiles)
}

/// The tiles that the run in a folder has; `None` if it has not begun.
fn known_tiles(folder: &Path) -> Result<Option<Tiles>> {
    let file = folder.join("tiles.json");
    if !file.exists() {
        // Runs of earlier versions had no choice.
        return Ok(if checkpoints(folder)?.is_empty() { None } else { Some(Tiles::tables()) });
    }
    serde_json::from_str(&crate::app::text::read(&file)?).map(Some).map_err(|e| {
        let file = file.display();
        Error::Output(format!(
            "{file}: {e}; without it the tiles are those of the tables, and the last bits may differ"
        ))
    })
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
    trainer: &mut Trainer,
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
        let tried = checkpoint::load(path).and_then(|c| {
            for (key, text) in [("config_toml", config_toml), ("model_toml", model_toml)] {
                let theirs = c.meta(key).map_err(in_file(path))?;
                if theirs != text && !(key == "config_toml" && extend::same_run(theirs, text)) {
                    let reason = format!("its {key} is not that of the folder: it belongs to another run");
                    return Err(Error::Checkpoint { path: path.clone(), reason });
                }
            }
            let step = trainer.restore(&c).block_on().map_err(in_file(path))?;
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
                let path = path.display();
                progress.note(&match step < trainer.steps() as usize {
                    true => format!("going on after step {step}, from {path}"),
                    false => format!("step {step} was the run's last: nothing is left to train, from {path}"),
                });
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
fn warn_of_changes(trainer: &Trainer, from: &Checkpoint, progress: &Progress) {
    for (key, now) in trainer.identity() {
        if let Some(then) = from.metadata.get(key).filter(|then| **then != now) {
            progress.note(&format!(
                "the {key} was {then}, now it is {now}: results will differ in their last bits"
            ));
        }
    }
}

/// Sends events to the run folder first, then to the screen.
struct Both<'a> {
    recorder: Recorder<'a>,
    /// For TensorBoard, where it is asked for.
    events: Option<EventFile>,
    progress: &'a mut Progress,
    /// Checkpoints written.
    saved: &'a mut u64,
    /// Most bytes that the process had when the run was over.
    peak: Option<u64>,
}

impl Observer for Both<'_> {
    fn on(&mut self, event: Event<'_>) -> Result<()> {
        let whole;
        let event = match event {
            Event::Finished(summary) => {
                self.peak = peak_memory();
                whole = Summary { host_peak_bytes: self.peak, ..summary.clone() };
                Event::Finished(&whole)
            }
            other => other,
        };
        self.recorder.record(&event)?;
        self.events.iter_mut().try_for_each(|events| events.record(&event))?;
        *self.saved += u64::from(matches!(event, Event::Checkpoint { .. }));
        self.progress.show(&event);
        Ok(())
    }
}

/// The most memory that this process has had, in bytes, where the system tells (Linux).
fn peak_memory() -> Option<u64> {
    // Elsewhere a folder of that name tells of something else, if anything: under Wine of the host's process.
    if !cfg!(target_os = "linux") {
        return None;
    }
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
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
    /// The checkpoint that the run began with the weights of.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a weights::Origin>,
}

impl<'a> Environment<'a> {
    fn new(
        adapter: &'a AdapterSummary,
        set: &'a Dataset,
        from: Option<&'a weights::Origin>,
    ) -> Environment<'a> {
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
            from,
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
        let labels = (train.len() + validation.len()) as u32;
        Labelled { labels, label_seed: resolved.settings.train.label_seed, train, validation }
    }
}

#[cfg(test)]
mod tests;
