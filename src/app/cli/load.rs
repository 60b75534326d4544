//! Data sets and trained models for commands.

use super::args::DataArgs;
use crate::app::report::progress::Progress;
use crate::app::run::checkpoint::{self, in_file};
use crate::app::run::folder;
use crate::app::run::settings::RunSettings;
use crate::app::source::{self, DIGITS, Request};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::model::parse;
use crate::model::shape::{DataShape, Dims, ModelShape};
use crate::train::checkpoint::{Checkpoint, FORMAT};
use std::path::{Path, PathBuf};

/// The data set that the settings name.
///
/// # Errors
/// As [`source::load`].
pub fn dataset(settings: &RunSettings, progress: &mut Progress) -> Result<Dataset> {
    source::load(&request(&settings.dataset, settings.data_dir.as_deref(), settings.offline)?, progress)
}

/// What was chosen to compute on, for people: `on llvmpipe (Vulkan, Mesa 22.3.6)`.
pub fn adapter_line(gpu: &Gpu) -> String {
    let s = gpu.summary();
    format!("on {} ({}, {})", s.name, s.backend, s.driver_text())
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
    Ok(Request { dataset: name.into(), data_dir: data_dir.map(Into::into), offline })
}

/// The data set to test a trained model on: what `args` name, else the run's own, from the folder that it was read from.
///
/// # Errors
/// As [`source::load`]; [`Error::Data`] where the run's own data are gone or have changed since.
pub fn test_data(trained: &Trained, args: &DataArgs, progress: &mut Progress) -> Result<Dataset> {
    if let Some(name) = &args.dataset {
        return source::load(&request(name, args.data_dir.as_deref(), args.offline)?, progress);
    }
    let own = if args.data_dir.is_none() { trained.data_dir()? } else { None };
    let dir = args.data_dir.as_deref().or(own.as_deref());
    let what_to_do = "name data to test on with --data-dir";
    let set =
        source::load(&request(&trained.dataset, dir, args.offline)?, progress).map_err(|e| match e {
            Error::Data(reason) => {
                Error::Data(format!("the run was trained on {}: {reason}; {what_to_do}", trained.dataset))
            }
            other => other,
        })?;
    match trained.checkpoint.meta("data_sha256") {
        Ok(sha256) if args.data_dir.is_none() && sha256 != set.fingerprint => Err(Error::Data(format!(
            "{} is not what the run was trained on any more (SHA-256 {} then, {} now): {what_to_do}",
            dir.map_or(set.name.clone(), |dir| dir.display().to_string()),
            sha256.chars().take(12).collect::<String>(),
            set.fingerprint.chars().take(12).collect::<String>(),
        ))),
        _ => Ok(set),
    }
}

/// A checkpoint with the model that it carries.
#[derive(Debug)]
pub struct Trained {
    /// The file it came from.
    pub path: PathBuf,
    /// Tensors and metadata.
    pub checkpoint: Checkpoint,
    /// The model, shaped for the data that it was trained on.
    pub model: ModelShape,
    /// Name of that data set.
    pub dataset: String,
}

impl Trained {
    /// Loads a checkpoint, or the newest one of a run folder.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Checkpoint`], naming the file.
    pub fn load(run_or_file: &Path) -> Result<Trained> {
        let path = folder::resolve_checkpoint(run_or_file)?;
        let checkpoint = checkpoint::load(&path)?;
        let (model, dataset) = model_of(&checkpoint).map_err(in_file(&path))?;
        Ok(Trained { path, checkpoint, model, dataset })
    }

    /// The folder that the run's data came from; `None` if it named none. Of its settings nothing else is looked at: they may
    /// be another version's.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] where they do not read.
    fn data_dir(&self) -> Result<Option<PathBuf>> {
        let Ok(text) = self.checkpoint.meta("config_toml") else { return Ok(None) };
        let settings: toml::Table = toml::from_str(text).map_err(|e| Error::Checkpoint {
            path: self.path.clone(),
            reason: format!("its settings do not read: {}", e.message()),
        })?;
        Ok(settings.get("data_dir").and_then(|dir| dir.as_str()).map(PathBuf::from))
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
