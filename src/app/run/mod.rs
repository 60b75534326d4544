//! A training run in its folder: made anew or gone on with, trained, recorded.

pub mod adapter;
pub mod checkpoint;
pub mod config;
mod culprit;
mod curves;
pub mod device;
mod extend;
pub mod folder;
pub mod history;
pub mod images;
pub mod interrupt;
mod observer;
pub mod recorder;
mod records;
mod restore;
pub mod saved;
mod setting;
pub mod settings;
pub mod tensorboard;
pub mod tiles;
mod weights;
mod writer;

use self::config::Resolved;
use self::device::Device;
use self::extend::Extension;
use self::folder::RunDir;
use self::observer::Both;
use self::recorder::{Recorder, Texts};
use self::records::{Environment, LABELLED, Labelled};
use self::restore::{check_checkpoints, known_tiles, restore};
use self::saved::run_folder;
use self::settings::RunSettings;
use self::settings::with_flags;
use self::tensorboard::EventFile;
use self::weights::Origin;
use self::writer::{Folder, Writer, Written};
use crate::app::report::advice;
use crate::app::report::progress::Progress;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::model::shape::ModelShape;
use crate::native::BlockOn;
use crate::train::checkpoint::Checkpoint;
use crate::train::event::{History, Summary};
use crate::train::{Images, Roles, Scratch, Stop, Storage, Tiles, Trainer, run};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use toml::Table;

/// Losses of the device in a row, without a checkpoint in between, that a run survives.
const MOST_LOSSES: u32 = 3;

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
    /// Checkpoints that this process has handed to the writer; all of them are on the disk when a device loss is what ended an
    /// attempt, as a failure to write comes before it.
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
    /// A new run in a new folder. One that cannot be used is known before the training, and nothing stays of it if that
    /// fails before its first step.
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
    /// As [`RunDir::reopen`] and [`config::of_run`]; [`Error::Checkpoint`] where it has ended, and its checkpoints are gone.
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
        check_checkpoints(from, folder)?;
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
        (device, set): (&mut Device, &Dataset),
        mut options: Options,
        progress: &mut Progress,
        stop: &Stop,
    ) -> Result<Summary> {
        if let Some(extension) = &self.extension {
            progress.note(&extension.note);
        }
        if !self.dir.is_exclusive() {
            progress.note(
                "the file system has no locks: see to it that no other process trains in the run's folder",
            );
        }
        let mut losses = 0;
        loop {
            let before = self.saved;
            let result = self.attempt((device.gpu()?, set), &mut options, progress, stop);
            let Err(Error::DeviceLost(why)) = result else { return result };
            // A run that gets on between losses may have many.
            losses = if self.saved == before { losses + 1 } else { 1 };
            if losses > MOST_LOSSES {
                return Err(Error::DeviceLost(why));
            }
            let said = with_flags(&why);
            progress
                .note(&format!("the device was lost ({said}); opening it again, {losses} of {MOST_LOSSES}"));
            device.reopen(self.resolved.settings.precision, stop).map_err(|e| match e {
                Error::Adapter(now) => Error::DeviceLost(format!("{why}; it does not come back: {now}")),
                other => other,
            })?;
        }
    }

    /// The error of a run that diverged, with the first tensor that is not finite.
    fn explained(
        &self,
        what: String,
        (gpu, set, model): (&Gpu, &Dataset, &ModelShape),
        progress: &mut Progress,
        stop: &Stop,
    ) -> Error {
        // It keeps every tensor: where that is too much memory, the next run must not suffer.
        let culprit = gpu.aside(self.culprit((gpu, set, model), progress, stop)).block_on();
        Error::Diverged(match culprit {
            Some(culprit) => format!("{what}. First not finite: {culprit}"),
            None => what,
        })
    }

    /// A trainer for this device, with the tiles of the run.
    fn trainer(
        &mut self,
        (gpu, set, model): (&Gpu, &Dataset, &ModelShape),
        progress: &Progress,
        stop: &Stop,
    ) -> Result<Trainer> {
        let settings = &self.resolved.settings;
        // Before tiles are tried.
        Roles::new(model, &settings.train, set)?;
        let tiles = tiles(&mut self.dir, gpu, (model, settings), progress, stop)?;
        let storage = Storage { scratch: Scratch::Shared, images: settings.images() };
        let trainer = Trainer::with_tiles(gpu, model, &settings.train, set, storage, &tiles).block_on()?;
        go_on(stop)?;
        if trainer.images_on_host() && storage.images == Images::Auto {
            progress.note("the adapter has no room for all training images: they stay in main memory");
        }
        Ok(trainer)
    }

    /// What the run has behind it, to where the trainer is brought; `None` before the first step.
    fn history(
        &mut self,
        (gpu, set): (&Gpu, &Dataset),
        trainer: &mut Trainer,
        progress: &Progress,
    ) -> Result<Option<History>> {
        let restored = match &self.from {
            Some(from) => {
                let texts = [self.config_toml.as_str(), &self.resolved.model_toml];
                restore(trainer, (from, self.dir.path()), texts, progress)?
            }
            None => None,
        };
        // It goes on: from now on it is a run of so many epochs.
        if let Some(extension) = self.extension.take() {
            self.dir.write("config.toml", extension.config_toml.as_bytes())?;
        }
        match restored {
            None => begin(&mut self.dir, &self.resolved, (gpu, set), trainer, progress).map(|()| None),
            history => Ok(history),
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
        let model = self.resolved.shaped(set.shape)?;
        let mut trainer = self.trainer((gpu, set, &model), progress, stop)?;
        let folder = self.dir.path().to_path_buf();
        progress.note(&format!("run folder {}", folder.display()));
        let history = self.history((gpu, set), &mut trainer, progress)?;
        let texts = Texts::from([
            ("model_toml".to_string(), self.resolved.model_toml.clone()),
            ("config_toml".to_string(), self.config_toml.clone()),
        ]);
        let known = history.clone().unwrap_or_default();
        let events = EventFile::begin(&mut self.dir, &known, options.tensorboard)?;
        let mut recorder = Recorder::new(&mut self.dir, texts, known, trainer.steps_per_epoch())?;
        recorder.supersede();
        recorder.keep(options.keep);
        // From here on the folder knows how far the run is, and the clock runs, whatever the device does.
        self.from = Some(folder);
        options.max_seconds.take().into_iter().for_each(interrupt::stop_after);
        let saved = &mut self.saved;
        let (result, written) = std::thread::scope(|scope| {
            let writer = match Writer::begin(scope, Folder { recorder, events }) {
                Ok(writer) => writer,
                Err(e) => return (Err(e), Written::nothing()),
            };
            let mut both = Both { writer, progress: &mut *progress, saved, peak: None };
            let result = run(&mut trainer, &mut both, stop, options.max_steps, history.as_ref()).block_on();
            (result.map(|summary| Summary { host_peak_bytes: both.peak, ..summary }), both.writer.end())
        });
        drop(trainer);
        // Whatever happened, what was measured until writing failed is written; the first failure is the one to report.
        written.recorded.and(result).or_else(|e| {
            let e = match e {
                Error::Diverged(what) => self.explained(what, (gpu, set, &model), progress, stop),
                other => other,
            };
            // Being out of time is no failure that hides another.
            let out_of_time = matches!(e, Error::Interrupted(_)) && interrupt::time_is_up();
            if out_of_time { written.finished.and(Err(e)) } else { Err(e) }
        })
    }
}

/// A run that does not go on: what it is trained with, and with which labels, stands in its folder before its first step.
fn begin(
    dir: &mut RunDir,
    resolved: &Resolved,
    (gpu, set): (&Gpu, &Dataset),
    trainer: &Trainer,
    progress: &Progress,
) -> Result<()> {
    let origin = weights::begin(trainer, dir.path()).block_on()?;
    if let Some(origin) = &origin {
        progress.note(&format!("beginning with the weights of {}", origin.checkpoint));
    }
    let (labels, classes) = (trainer.labelled().len(), set.shape.classes as usize);
    let few = advice::few_labels(&resolved.settings.train, labels, classes);
    few.iter().for_each(|note| progress.note(note));
    dir.write_json("env.json", &Environment::new(gpu.summary(), set, origin.as_ref()))?;
    dir.write_json(LABELLED, &Labelled::new(resolved, trainer.labelled(), trainer.validation()))?;
    let own = resolved.settings.data.is_some();
    if own || origin.as_ref().is_some_and(Origin::knows_own_images) {
        let labelled = trainer.labelled().iter().chain(trainer.validation()).copied();
        images::keep(dir, (set, own), labelled, origin.as_ref(), progress)?;
    }
    Ok(())
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

#[cfg(test)]
mod tests;
