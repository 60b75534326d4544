//! The settings of a run: those of training, and around them those of the application: model and data by name, and what
//! computes. `config.toml` of a run folder holds them.

use crate::app::augment::{AUGMENT_VALUES, Augment};
use crate::app::model_file::Changes;
use crate::app::source::images::load::Choice;
use crate::app::source::images::policy::Fit;
use crate::data::LabelCount;
use crate::error::{Error, Result};
use crate::gpu::{AdapterChoice, Precision};
use crate::train::settings::{Method, Settings};
use crate::train::{Images, Tune};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use toml::{Table, Value};

/// Settings of one run, in the order of its `config.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSettings {
    /// `dnn`, `cnn`, another built-in model, or the path of a model file.
    pub model: String,
    /// Generator in place of the model's own: `conv`, `conv-varied`, or that of another model by name or path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator: Option<String>,
    /// Random maps that the discriminator sees images under, in place of the model's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augment: Option<Augment>,
    /// `digits`, `mnist` or `fashion-mnist`; with `data`, what is called after its folder or file.
    pub dataset: String,
    /// The user's own images: a folder, a file of labels, a packed file; those that `dataset` names where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// Height and width of the user's own images; from the data where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_size: Option<u32>,
    /// How images of other proportions become so large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<Fit>,
    /// Channels of the user's own images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Channels>,
    /// Share of each class's labels that is held out to estimate the accuracy, where the user's data have no test images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_out: Option<f32>,
    /// Where the training images are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_memory: Option<ImageMemory>,
    /// Folder of IDX files; the cache directory, then a download, where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
    /// Never use the network.
    pub offline: bool,
    /// Those of training.
    #[serde(flatten)]
    pub train: Settings,
    /// Adapter by name, index, `software` or `gpu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// `vulkan`, `metal` or `dx12`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// What products may round their inputs to.
    #[serde(default)]
    pub precision: Precision,
    /// How the tiles of products are chosen; where absent, by tables on software adapters, else `fast`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tune: Option<Tune>,
}

/// Channels of the images that a network is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Channels {
    /// One where every image is gray, else three.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// Gray.
    #[serde(rename = "1")]
    One,
    /// Red, green and blue.
    #[serde(rename = "3")]
    Three,
}

impl Channels {
    /// The number, where it does not depend on the data.
    pub fn number(self) -> Option<u32> {
        match self {
            Channels::Auto => None,
            Channels::One => Some(1),
            Channels::Three => Some(3),
        }
    }
}

/// Where the training images are kept. The results are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageMemory {
    /// In the adapter's memory while there is room, else in main memory.
    #[default]
    Auto,
    /// In the adapter's memory.
    Adapter,
    /// In main memory: every step is handed its own.
    Host,
}

/// What these settings decide of own images.
pub fn image_choice(image_size: Option<u32>, fit: Option<Fit>, channels: Option<Channels>) -> Choice {
    Choice {
        size: image_size.map(|side| (side, side)),
        fit: fit.unwrap_or_default(),
        channels: channels.unwrap_or_default().number(),
    }
}

/// What defaults depend on where the images are the user's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnImages {
    /// Images to learn from.
    pub count: u32,
    /// The shorter of their sides, in pixels.
    pub side: u32,
    /// Images of a minibatch of which the adapter can bind the activations, where that is known.
    pub most: Option<u32>,
}

/// Images of MNIST, on which the defaults and the recipes were measured.
const MEASURED_ON: u32 = 60_000;

/// Most epochs that a small set is trained for, unless as many are chosen.
const MOST_EPOCHS: u32 = 1200;

/// A setting of the application.
#[derive(Debug)]
pub struct AppSetting {
    /// Name of the field, and its key in a configuration file.
    pub key: &'static str,
    /// What it may be set to.
    pub values: &'static str,
    /// Whether a run that goes on may get another value than it began with.
    pub changes: bool,
}

const fn setting(key: &'static str, values: &'static str, changes: bool) -> AppSetting {
    AppSetting { key, values, changes }
}

impl RunSettings {
    /// The settings that are not of training.
    pub const APPLICATION: [AppSetting; 16] = [
        setting("model", "a model's name, such as cnn, or the path of a model file", false),
        setting("generator", "conv, conv-varied, a model's name, or the path of a model file", false),
        setting("augment", AUGMENT_VALUES, false),
        setting("dataset", "digits, mnist or fashion-mnist", false),
        setting("data", "the path of a folder of images, of a file of labels or of packed images", true),
        setting("image_size", "a whole number from 1 to 4096", false),
        setting("fit", "letterbox, crop or stretch", false),
        setting("channels", "auto, 1 or 3, as a text", false),
        setting("hold_out", "a number from 0 to below 1, such as 0.2", false),
        setting("image_memory", "auto, adapter or host", true),
        setting("data_dir", "the path of a folder", true),
        setting("offline", "true or false", true),
        setting("adapter", "a text: part of a name, an index, software or gpu", true),
        setting("backend", "vulkan, metal or dx12", true),
        setting("precision", "f32 or mixed", false),
        setting("tune", "off, fast or full", false),
    ];

    /// The keys of all settings.
    pub fn keys() -> impl Iterator<Item = &'static str> {
        let own = RunSettings::APPLICATION.iter().map(|s| s.key);
        own.chain(Settings::ALL.iter().map(|s| s.key))
    }

    /// Whether a run that goes on may get another value of this setting than it began with.
    pub fn changes(key: &str) -> bool {
        let own = RunSettings::APPLICATION.iter().any(|s| s.key == key && s.changes);
        own || Settings::named(key).is_some_and(|s| s.changes)
    }

    /// The defaults, of training as [`Settings::defaults`].
    pub fn defaults(method: Method, convolutional: bool) -> RunSettings {
        RunSettings {
            model: "dnn".into(),
            generator: None,
            augment: None,
            dataset: "digits".into(),
            data: None,
            image_size: None,
            fit: None,
            channels: None,
            hold_out: None,
            image_memory: None,
            data_dir: None,
            offline: false,
            train: Settings::defaults(method, convolutional),
            adapter: None,
            backend: None,
            precision: Precision::F32,
            tune: None,
        }
    }

    /// The defaults for the user's own images, before they are [suited](RunSettings::suit) to them: every label counts.
    pub fn own_defaults(method: Method, convolutional: bool) -> RunSettings {
        let mut settings = RunSettings::defaults(method, convolutional);
        settings.model = "cnn".into();
        settings.train.labels = LabelCount::All;
        settings
    }

    /// Suits defaults or a recipe to the user's own images. A minibatch is at most half of them, and no larger than the adapter
    /// can bind. A small set is trained on for as many steps as MNIST would be, and the weights of consistency and entropy rise
    /// over as many: a recipe's terms do harm where they are there before the network has learnt anything (docs/own-images.md).
    pub fn suit(&mut self, own: OwnImages) {
        let train = &mut self.train;
        if train.method == Method::Supervised {
            return;
        }
        let there = (MEASURED_ON / train.batch_size).max(1);
        train.batch_size = train.batch_size.min(own.count / 2).min(own.most.unwrap_or(u32::MAX)).max(1);
        let here = (own.count / train.batch_size).max(1);
        let as_many_steps = |epochs: u32| {
            let suited = epochs.saturating_mul(there).div_ceil(here);
            suited.clamp(epochs, epochs.max(MOST_EPOCHS))
        };
        train.epochs = as_many_steps(train.epochs);
        train.ramp_epochs = as_many_steps(train.ramp_epochs);
    }

    /// Evaluates every tenth of the epochs.
    pub fn evaluate_ten_times(&mut self) {
        if self.train.method == Method::Ssl {
            self.train.evaluate_every = (self.train.epochs / 10).max(1);
        }
    }

    /// Sets the setting `key`.
    ///
    /// # Errors
    /// [`Error::Usage`] for a value that it must not have, saying which it may; as [`Settings::set`].
    pub fn set(&mut self, key: &str, value: &Value) -> Result<()> {
        let Some(own) = RunSettings::APPLICATION.iter().find(|s| s.key == key) else {
            return self.train.set(key, value.clone());
        };
        let mut values = self.values()?;
        values.insert(key.into(), value.clone());
        *self = RunSettings::deserialize(values)
            .map_err(|_| Error::Usage(format!("{key} = {value}: use {}", own.values)))?;
        Ok(())
    }

    /// The values by key; a setting without one is not among them.
    ///
    /// # Errors
    /// [`Error::Usage`] for a value that TOML cannot hold, such as a path that is not Unicode.
    pub fn values(&self) -> Result<Table> {
        Table::try_from(self).map_err(not_toml)
    }

    /// The text of a configuration file.
    ///
    /// # Errors
    /// As [`RunSettings::values`].
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(not_toml)
    }

    /// Without what says where the data are and what computes: what is left is the same on every machine.
    pub fn anywhere(&self) -> RunSettings {
        let here = RunSettings {
            data_dir: None,
            data: None,
            image_memory: None,
            adapter: None,
            backend: None,
            tune: None,
            ..self.clone()
        };
        RunSettings { offline: false, ..here }
    }

    /// What is to be other than in the model's file.
    pub fn model_changes(&self) -> Changes<'_> {
        Changes { generator: self.generator.as_deref(), augment: self.augment.as_ref(), side: None }
    }

    /// What the user decides of own images.
    pub fn image_choice(&self) -> Choice {
        image_choice(self.image_size, self.fit, self.channels)
    }

    /// Where a trainer keeps the training images.
    pub fn images(&self) -> Images {
        match self.image_memory.unwrap_or_default() {
            ImageMemory::Auto => Images::Auto,
            ImageMemory::Adapter => Images::Device,
            ImageMemory::Host => Images::Host,
        }
    }

    /// The adapter that was asked for.
    pub fn adapter_choice(&self) -> AdapterChoice {
        let (adapter, backend) = (self.adapter.clone(), self.backend.clone());
        AdapterChoice { adapter, backend, precision: self.precision, ..AdapterChoice::default() }
    }
}

/// [`Error::Usage`] for values that TOML cannot hold.
pub fn not_toml(e: toml::ser::Error) -> Error {
    Error::Usage(format!("the settings cannot be written as TOML: {e}"))
}
