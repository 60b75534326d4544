//! Data sets and trained models for commands.

use super::args::DataArgs;
use crate::app::report::progress::Progress;
use crate::app::run::checkpoint::{self, in_file};
use crate::app::run::images::{Learnt, TestImages};
use crate::app::run::saved;
use crate::app::run::settings::RunSettings;
use crate::app::source::images::policy::{Choice, Fit, Policy};
use crate::app::source::own::HOLD_OUT;
use crate::app::source::{self, DIGITS, Listener, Own, Request};
use crate::data::{Dataset, Split};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, describe};
use crate::model::parse;
use crate::model::shape::{DataShape, Dims, ModelShape};
use crate::train::checkpoint::{Checkpoint, FORMAT};
use crate::train::settings::Method;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The data set that the settings name.
///
/// # Errors
/// As [`source::load`].
pub fn dataset(settings: &RunSettings, progress: &mut Progress) -> Result<Dataset> {
    source::load(&requested(settings)?, progress)
}

/// What to load by these settings.
///
/// # Errors
/// As [`request`].
pub fn requested(settings: &RunSettings) -> Result<Request> {
    let Some(path) = &settings.data else {
        return request(&settings.dataset, settings.data_dir.as_deref(), settings.offline);
    };
    let own = Own {
        path: path.clone(),
        choice: settings.image_choice(),
        hold_out: settings.hold_out.unwrap_or(HOLD_OUT),
        label_seed: settings.train.label_seed,
    };
    Ok(Request { dataset: settings.dataset.clone(), own: Some(own), ..Request::default() })
}

/// What was chosen to compute on, for people: `on llvmpipe (Vulkan, Mesa 22.3.6)`.
pub fn adapter_line(gpu: &Gpu) -> String {
    let s = gpu.summary();
    format!("on {}", describe(&s.name, &s.backend, &s.driver_text()))
}

/// A request to the data layer.
///
/// # Errors
/// [`Error::Usage`] for a folder of data that are not read from one.
pub fn request(name: &str, data_dir: Option<&Path>, offline: bool) -> Result<Request> {
    if let Some(dir) = data_dir.filter(|_| name == DIGITS) {
        let dir = dir.display();
        return Err(Error::Usage(format!(
            "--data-dir {dir} would do nothing: the digits are drawn by the program (--dataset names other data)"
        )));
    }
    Ok(Request { dataset: name.into(), data_dir: data_dir.map(Into::into), offline, own: None })
}

/// The data set to test a trained model on, maybe without its training images: what `args` name, else the run's own, of the
/// user's images those that the run keeps.
///
/// # Errors
/// As [`data_of`]; [`Error::Checkpoint`] where what the run keeps is damaged.
pub fn test_data(
    trained: &LoadedModel,
    args: &DataArgs,
    what_to_do: &str,
    listener: &mut dyn Listener,
) -> Result<Dataset> {
    let own = args.dataset.is_none() && args.data_dir.is_none();
    if own && let Some(set) = trained.kept_set()? {
        return Ok(set);
    }
    let mut set = data_of(trained, args, what_to_do, listener)?;
    // They were too many to be kept; the weights that the run began with may have learnt some.
    if own && let Some(learnt) = trained.learnt()? {
        set.test = set.test.only(set.shape.image, |pixels| !learnt.contains(pixels));
    }
    Ok(set)
}

/// The whole data set that `args` name, else the run's own, from the folder that it was read from. `what_to_do` ends the
/// message where that cannot be read, or is not what it was.
///
/// # Errors
/// As [`source::load`]; [`Error::Data`] where the run's own data are gone or have changed since.
pub fn data_of(
    trained: &LoadedModel,
    args: &DataArgs,
    what_to_do: &str,
    listener: &mut dyn Listener,
) -> Result<Dataset> {
    if let Some(name) = &args.dataset {
        return source::load(&request(name, args.data_dir.as_deref(), args.offline)?, listener);
    }
    let of_the_run = |e: Error| match e {
        Error::Data(reason) => {
            Error::Data(format!("the run was trained on {}: {reason}; {what_to_do}", trained.dataset))
        }
        other => other,
    };
    if let (None, Some(own)) = (&args.data_dir, trained.own_images()?) {
        let set = source::own::load(&own, listener).map_err(of_the_run)?;
        return trained.unchanged(set, Some(&own.path), what_to_do);
    }
    let dir = args.data_dir.as_deref().or(trained.settings.data_dir.as_deref());
    let set = source::load(&request(&trained.dataset, dir, args.offline)?, listener).map_err(of_the_run)?;
    match args.data_dir {
        None => trained.unchanged(set, dir, what_to_do),
        Some(_) => Ok(set),
    }
}

/// A checkpoint with the model that it carries.
#[derive(Debug)]
pub struct LoadedModel {
    /// The file it came from.
    pub path: PathBuf,
    /// Tensors and metadata.
    pub checkpoint: Checkpoint,
    /// The model, shaped for the data that it was trained on.
    pub model: ModelShape,
    /// Name of that data set.
    pub dataset: String,
    /// Names of its classes.
    pub class_names: Vec<String>,
    /// Those of its run.
    pub(super) settings: Settings,
}

/// What is looked at here of the settings of a run, which may be another version's.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Settings {
    fit: Fit,
    hold_out: Option<f32>,
    label_seed: Option<u64>,
    data: Option<PathBuf>,
    data_dir: Option<PathBuf>,
}

impl Settings {
    /// Of the checkpoint's run; a checkpoint that no run wrote has none.
    fn of(checkpoint: &Checkpoint) -> Result<Settings> {
        let Ok(text) = checkpoint.meta("config_toml") else { return Ok(Settings::default()) };
        toml::from_str(text).map_err(|e| Error::Checkpoint {
            path: PathBuf::new(),
            reason: format!("its settings do not read: {}", e.message()),
        })
    }
}

impl LoadedModel {
    /// Loads a checkpoint, or the newest one of a run folder.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Checkpoint`], naming the file.
    pub fn load(run_or_file: &Path) -> Result<LoadedModel> {
        let path = saved::resolve_checkpoint(run_or_file)?;
        let checkpoint = checkpoint::load(&path)?;
        let (model, dataset) = model_of(&checkpoint).map_err(in_file(&path))?;
        let class_names = checkpoint.class_names(model.data.classes).map_err(in_file(&path))?;
        let settings = Settings::of(&checkpoint).map_err(in_file(&path))?;
        Ok(LoadedModel { path, checkpoint, model, dataset, class_names, settings })
    }

    /// What is done to an image before the network sees it.
    ///
    /// # Errors
    /// [`Error::Usage`] for images that are neither gray nor of three colours.
    pub fn policy(&self) -> Result<Policy> {
        let Dims { height, width, channels } = self.model.data.image;
        let policy = Policy { height, width, channels, fit: self.settings.fit };
        policy.check().map(|()| policy)
    }

    /// Where the user's images are that the run was trained on, if they were.
    pub fn images(&self) -> Option<&Path> {
        self.settings.data.as_deref()
    }

    /// The user's images that the run was trained on, if they were; with the same held out.
    ///
    /// # Errors
    /// As [`LoadedModel::policy`].
    fn own_images(&self) -> Result<Option<Own>> {
        let Settings { hold_out, label_seed, data, .. } = &self.settings;
        let Some(path) = data.clone() else { return Ok(None) };
        let choice = Choice::prescribed(self.policy()?);
        let (hold_out, label_seed) = (hold_out.unwrap_or(HOLD_OUT), label_seed.unwrap_or(1));
        Ok(Some(Own { path, choice, hold_out, label_seed }))
    }

    /// Which of the user's images the run has learnt the labels of, if it is known.
    ///
    /// # Errors
    /// As [`Learnt::of`].
    pub fn learnt(&self) -> Result<Option<Learnt>> {
        let data = self.checkpoint.meta("data_sha256").ok();
        data.map(|data| Learnt::of(&self.path, data)).transpose().map(Option::flatten)
    }

    /// The test images of the user's that the run keeps.
    fn kept(&self) -> Result<Option<TestImages>> {
        let data = self.checkpoint.meta("data_sha256").ok();
        data.map(|data| TestImages::of(&self.path, data)).transpose().map(Option::flatten)
    }

    /// Whether the run has test images, and the weights that it began with had learnt all of them.
    ///
    /// # Errors
    /// As [`TestImages::of`].
    pub fn had_learnt_all(&self) -> Result<bool> {
        Ok(self.kept()?.is_some_and(|test| test.split.is_empty() && test.left_out > 0))
    }

    /// A data set of the user's images to test on that the run keeps, without training images.
    fn kept_set(&self) -> Result<Option<Dataset>> {
        let Some(TestImages { image, split, tested, .. }) = self.kept()? else { return Ok(None) };
        let shape = DataShape { image, ..self.model.data };
        let (name, classes) = (self.dataset.clone(), self.class_names.clone());
        let set = Dataset::with_classes(name, shape, classes, Split::default(), split)?;
        Ok(Some(Dataset { tested, fingerprint: self.checkpoint.meta("data_sha256")?.into(), ..set }))
    }

    /// The set, if it is still what the run was trained on; it came from `from`, or from nowhere in particular.
    ///
    /// # Errors
    /// [`Error::Data`] if it is not, ending in `what_to_do`.
    fn unchanged(&self, set: Dataset, from: Option<&Path>, what_to_do: &str) -> Result<Dataset> {
        let short = |sha256: &str| sha256.chars().take(12).collect::<String>();
        match self.checkpoint.meta("data_sha256") {
            Ok(sha256) if sha256 != set.fingerprint => Err(Error::Data(format!(
                "{} is not what the run was trained on any more (SHA-256 {} then, {} now): {what_to_do}",
                from.map_or(set.name.clone(), |dir| dir.display().to_string()),
                short(sha256),
                short(&set.fingerprint),
            ))),
            _ => Ok(set),
        }
    }

    /// Refuses a run without a generator.
    ///
    /// # Errors
    /// [`Error::Usage`] for such a run.
    pub fn has_generator(&self) -> Result<()> {
        if self.checkpoint.has_generator() {
            return Ok(());
        }
        let (path, supervised) = (self.path.display(), Method::Supervised.name());
        let why = if self.checkpoint.meta("method").is_ok_and(|m| m == supervised) {
            "comes from a supervised run, which trains no generator"
        } else {
            "has no generator: its run was trained without one (--generator-loss none)"
        };
        Err(Error::Usage(format!("{path} {why}")))
    }

    /// Refuses data of other shape than the model was trained on.
    ///
    /// # Errors
    /// [`Error::Usage`] naming both.
    pub fn fits(&self, data: &Dataset) -> Result<()> {
        let own = self.model.data;
        if own == data.shape {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "the model was trained on images {} of {} classes, {} has {} of {}: choose another --dataset",
            own.image, own.classes, data.name, data.shape.image, data.shape.classes
        )))
    }
}

/// The model that a checkpoint's metadata describes, and the name of its data set.
fn model_of(checkpoint: &Checkpoint) -> Result<(ModelShape, String)> {
    let bad = |reason: String| Error::Checkpoint { path: PathBuf::new(), reason };
    let format = checkpoint.meta("format")?;
    if format != FORMAT {
        return Err(bad(format!(
            "format {format:?} is not {FORMAT:?}: use the program version that wrote it"
        )));
    }
    let data =
        DataShape { image: image(checkpoint.meta("image")?)?, classes: number(checkpoint, "classes")? };
    let source = checkpoint.meta("model_toml")?;
    let within = |e: Error| bad(format!("its model does not read: {e}"));
    let spec = parse::parse(source, "model_toml").map_err(within)?;
    let model = parse::check(&spec, source, "model_toml", data).map_err(within)?;
    Ok((model, checkpoint.meta("dataset")?.to_string()))
}

fn number(checkpoint: &Checkpoint, key: &str) -> Result<u32> {
    let text = checkpoint.meta(key)?;
    text.parse().map_err(|_| Error::Checkpoint {
        path: PathBuf::new(),
        reason: format!("metadata {key:?} is {text:?}, not a number: the file is damaged"),
    })
}

fn image(text: &str) -> Result<Dims> {
    Dims::parse(text).ok_or_else(|| Error::Checkpoint {
        path: PathBuf::new(),
        reason: format!("metadata \"image\" is {text:?}, not like 1x28x28: the file is damaged"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::model_file;

    fn with(changes: &[(&str, &str)]) -> Checkpoint {
        let mut c = Checkpoint::default();
        let source = model_file::load("dnn").unwrap().1;
        let good = [("format", "ssgan-1"), ("image", "1x28x28"), ("classes", "10"), ("dataset", "digits")];
        for (k, v) in good.iter().chain([&("model_toml", source.as_str())]).chain(changes) {
            c.metadata.insert((*k).into(), (*v).into());
        }
        c
    }

    #[test]
    fn a_checkpoint_carries_its_model() {
        let (model, dataset) = model_of(&with(&[])).unwrap();
        assert_eq!((model.name.as_str(), dataset.as_str()), ("dnn", "digits"));
        assert_eq!(model.data.image, Dims { height: 28, width: 28, channels: 1 });
    }

    #[test]
    fn settings_that_do_not_read_are_no_defaults() {
        let told = |config: &str| Settings::of(&with(&[("config_toml", config)]));
        assert_eq!(told("fit = \"crop\"\nother = 3").unwrap().fit, Fit::Crop);
        assert_eq!(Settings::of(&with(&[])).unwrap().fit, Fit::default());
        for config in ["fit = \"croppp\"", "hold_out = \"much\"", "label_seed = -1", "data = 3", "fit = "] {
            assert_eq!(told(config).unwrap_err().exit_code(), 7, "{config}");
        }
    }

    #[test]
    fn damaged_metadata_is_a_checkpoint_error() {
        for change in [
            ("format", "ssgan-9"),
            ("image", "28"),
            ("image", "1x0x28"),
            ("image", "1x99999x99999"),
            ("image", "-1x28x28"),
            ("classes", "ten"),
            ("classes", "4294967296"),
            ("classes", "0"),
            ("model_toml", "name = 3"),
            ("model_toml", ""),
        ] {
            let e = model_of(&with(&[change])).unwrap_err();
            assert_eq!(e.exit_code(), 7, "{change:?}: {e}");
        }
        let mut c = with(&[]);
        c.metadata.remove("model_toml");
        assert_eq!(model_of(&c).unwrap_err().exit_code(), 7);
    }
}
