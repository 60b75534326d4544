//! The settings of a run: those of training, and around them those of the application: model and data by name, and what
//! computes. `config.toml` of a run folder holds them.

pub use super::setting::{Allowed, AppSetting, flag_name, with_flags};
use crate::app::augment::{AUGMENT_VALUES, Augment};
use crate::app::model_file::Changes;
use crate::app::source;
use crate::app::source::images::policy::{Choice, Fit, MAX_SIDE};
use crate::data::LabelCount;
use crate::error::{Error, Result};
use crate::gpu::{AdapterChoice, Precision, backend_name};
use crate::train::settings::{Method, Settings, Values};
use crate::train::{Images, Tune};
use serde::{Deserialize, Serialize};
use std::ops::Bound::{Excluded, Included};
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

const fn setting(key: &'static str, values: Allowed, changes: bool) -> AppSetting {
    AppSetting { key, values, changes }
}

fn any(_: &str) -> bool {
    true
}

fn not_empty(text: &str) -> bool {
    !text.is_empty()
}

/// One, or several with commas between.
fn names_backends(text: &str) -> bool {
    text.split(',').all(|name| backend_name(name).is_some())
}

fn names_maps(text: &str) -> bool {
    Augment::try_from(text.to_string()).is_ok()
}

const MODEL: Allowed = Allowed::Text("a model's name, such as cnn, or the path of a model file", not_empty);
const GENERATOR: Allowed =
    Allowed::Text("conv, conv-varied, a model's name, or the path of a model file", not_empty);
const AUGMENT: Allowed = Allowed::Text(AUGMENT_VALUES, names_maps);
/// In a file any text, as own images are called after their folder; without such images the name is checked last.
const DATASET: Allowed = Allowed::Words(&source::NAMES, any);
const DATA: Allowed =
    Allowed::Text("the path of a folder of images, of a file of labels or of packed images", not_empty);
const SIDE: Allowed = Allowed::Values(Values::Whole(1, MAX_SIDE as u64));
const SHARE: Allowed = Allowed::Values(Values::Number(Included(0.0), Excluded(1.0), "0.2"));
const FOLDER: Allowed = Allowed::Text("the path of a folder", not_empty);
const ADAPTER: Allowed = Allowed::Text("a text: part of a name, an index, software or gpu", any);
const BACKEND: Allowed = Allowed::Words(&["vulkan", "metal", "dx12"], names_backends);

impl RunSettings {
    /// The settings that are not of training.
    pub const APPLICATION: [AppSetting; 16] = [
        setting("model", MODEL, false),
        setting("generator", GENERATOR, false),
        setting("augment", AUGMENT, false),
        setting("dataset", DATASET, false),
        setting("data", DATA, true),
        setting("image_size", SIDE, false),
        setting("fit", Allowed::names(&["letterbox", "crop", "stretch"]), false),
        setting("channels", Allowed::names(&["auto", "1", "3"]), false),
        setting("hold_out", SHARE, false),
        setting("image_memory", Allowed::names(&["auto", "adapter", "host"]), true),
        setting("data_dir", FOLDER, true),
        setting("offline", Allowed::Values(Values::Switch), true),
        setting("adapter", ADAPTER, true),
        setting("backend", BACKEND, true),
        setting("precision", Allowed::names(&["f32", "mixed"]), false),
        setting("tune", Allowed::names(&["off", "fast", "full"]), false),
    ];

    /// What is known of the setting `key` of the application.
    pub fn named(key: &str) -> Option<AppSetting> {
        RunSettings::APPLICATION.into_iter().find(|s| s.key == key)
    }

    /// The keys of all settings.
    pub fn keys() -> impl Iterator<Item = &'static str> {
        let own = RunSettings::APPLICATION.iter().map(|s| s.key);
        own.chain(Settings::ALL.iter().map(|s| s.key))
    }

    /// Whether a run that goes on may get another value of this setting than it began with.
    pub fn changes(key: &str) -> bool {
        let own = RunSettings::named(key).is_some_and(|s| s.changes);
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

    /// Suits what is not `given` to the user's own images; `measured` are the defaults or the recipe before that. A minibatch is
    /// at most half of the images, of two or three images two, which batch norm needs, and no larger than the adapter can bind. A
    /// small set is trained on for as many steps as MNIST would be, and the weights of entropy, consistency and balance rise over as
    /// many, though no longer than half of the training: a recipe's terms do harm where they are there before the network has learnt
    /// anything (docs/own-images.md). Evaluations are a tenth of the epochs apart.
    pub fn suit(&mut self, own: OwnImages, measured: &Settings, given: impl Fn(&str) -> bool) {
        let train = &mut self.train;
        if train.method == Method::Supervised {
            return;
        }
        let count = own.count.min(train.unlabelled.unwrap_or(u32::MAX));
        if !given("batch_size") {
            let half = (count / 2).max(count.min(2));
            train.batch_size = measured.batch_size.min(half).min(own.most.unwrap_or(u32::MAX)).max(1);
        }
        let there = (MEASURED_ON / measured.batch_size).max(1);
        let here = (count / train.batch_size).max(1);
        let as_many_steps = |epochs: u32| {
            let suited = epochs.saturating_mul(there).div_ceil(here);
            suited.clamp(epochs, epochs.max(MOST_EPOCHS))
        };
        if !given("epochs") {
            train.epochs = as_many_steps(measured.epochs);
        }
        if !given("ramp_epochs") {
            train.ramp_epochs = as_many_steps(measured.ramp_epochs).min(train.epochs.div_ceil(2));
        }
        if !given("evaluate_every") {
            train.evaluate_every = (train.epochs / 10).max(1);
        }
    }

    /// Sets the setting `key`.
    ///
    /// # Errors
    /// [`Error::Usage`] for a value that it must not have, saying which it may; as [`Settings::set`].
    pub fn set(&mut self, key: &str, value: &Value) -> Result<()> {
        let Some(own) = RunSettings::named(key) else {
            return self.train.set(key, value.clone());
        };
        let refusal = || Error::Usage(own.refusal(value));
        if !own.values.admits(value) {
            return Err(refusal());
        }
        let mut values = self.values()?;
        values.insert(key.into(), value.clone());
        *self = RunSettings::deserialize(values).map_err(|_| refusal())?;
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
