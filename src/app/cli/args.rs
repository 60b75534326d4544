//! Arguments that several commands share.

use super::flags::{TrainingFlags, declared, flag_name};
use crate::app::augment::Augment;
use crate::app::model_file::{generators_help, models_help};
use crate::app::report::progress::{Progress, Style};
use crate::app::run::adapter::asked;
use crate::app::run::config::{self, RECIPES, Resolved};
use crate::app::run::settings::{Channels, ImageMemory, OwnImages, RunSettings, image_choice, not_toml};
use crate::app::source::images::policy::Fit;
use crate::app::source::{DIGITS, Own};
use crate::error::{Error, Result};
use crate::gpu::{AdapterChoice, Precision};
use crate::train::Tune;
use crate::train::settings::{GeneratorLoss, Method, Settings};
use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::Serialize;
use std::path::PathBuf;
use toml::Table;

/// A time in seconds.
pub fn seconds(text: &str) -> std::result::Result<f64, String> {
    match text.parse() {
        Ok(s) if s > 0.0 => Ok(s),
        _ => Err("write a number of seconds above 0".into()),
    }
}

/// Which adapter.
#[derive(Debug, Clone, Default, Args, Serialize)]
pub struct AdapterArgs {
    /// Adapter: part of its name, its index in `ssgan adapters`, `software`, or `gpu` [default: the best]
    #[arg(long, value_name = "NAME|INDEX|software|gpu", help_heading = "Adapter")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// Graphics interface [default: any]
    #[arg(long, value_parser = declared::<String>("backend"), help_heading = "Adapter")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// f32, or mixed: matrix products on cooperative matrices (tensor cores), f16 inputs, f32 accumulation; refused if the
    /// adapter has none (experimental) [default: f32]
    #[arg(long, value_parser = declared::<Precision>("precision"), value_name = "WHICH", help_heading = "Adapter")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<Precision>,
}

impl AdapterArgs {
    /// For [`crate::gpu::Gpu::open`].
    pub fn choice(&self) -> AdapterChoice {
        let (adapter, backend) = (self.adapter.clone(), self.backend.clone());
        let precision = self.precision.unwrap_or_default();
        asked(AdapterChoice { adapter, backend, precision, ..AdapterChoice::default() })
    }
}

/// How to speak.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct SpeechArgs {
    /// Print the result as one JSON document
    #[arg(long)]
    pub json: bool,
    /// Show no progress
    #[arg(long, short)]
    pub quiet: bool,
}

impl SpeechArgs {
    /// Progress on standard error as asked for.
    pub fn progress(&self) -> Progress {
        Progress::new(Style::detect(self.quiet))
    }
}

/// How tiles are chosen.
#[derive(Debug, Clone, Copy, Default, Args, Serialize)]
pub struct TuneArgs {
    /// Choose the tiles of matrix products by tables, by trying likely ones once per adapter and driver, or by trying all
    /// [default: fast; off on software adapters, for which there are measured tables]
    #[arg(long, value_parser = declared::<Tune>("tune"), value_name = "HOW")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tune: Option<Tune>,
}

/// Which data set, where from.
#[derive(Debug, Clone, Default, Args, Serialize)]
pub struct DataArgs {
    /// Data set [default: digits]
    #[arg(long, value_parser = declared::<String>("dataset"), help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// Folder of IDX files, plain or gzipped [default: the cache folder, then a download]
    #[arg(long, value_name = "DIR", help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
    /// Never use the network
    #[arg(long, help_heading = "Data")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub offline: bool,
}

/// The user's own images.
#[derive(Debug, Clone, Default, Args, Serialize)]
pub struct OwnArgs {
    /// Your own images, in place of a data set by name: a folder with a folder of images for each class and unlabelled ones in
    /// `_unlabeled`, a folder with a labels.csv, such a file itself, or packed images (.npz, CIFAR, IDX)
    #[arg(value_name = "IMAGES", conflicts_with_all = ["dataset", "data_dir"])]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// Height and width that your images are given [default: from the images, at most 64]
    #[arg(long, value_parser = declared::<u32>("image_size"), value_name = "N")]
    #[arg(allow_negative_numbers = true, help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_size: Option<u32>,
    /// How images of other proportions become so large: with black bars, cut, or stretched [default: letterbox]
    #[arg(long, value_parser = declared::<Fit>("fit"), value_name = "HOW", help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fit: Option<Fit>,
    /// Channels of your images [default: auto: 1 where all are gray, else 3]
    #[arg(long, value_parser = declared::<Channels>("channels"), value_name = "auto|1|3", help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<Channels>,
}

impl OwnArgs {
    /// The images, if there are some, as they are shown: no label of them is held out.
    ///
    /// # Errors
    /// [`Error::Usage`] for a flag that would do nothing, as it is for such images.
    pub fn images(&self) -> Result<Option<Own>> {
        let Some(path) = self.data.clone() else {
            let given = Table::try_from(self).map_err(not_toml)?;
            return refuse_idle(&given, &RunSettings::defaults(Method::default(), false)).map(|()| None);
        };
        let choice = image_choice(self.image_size, self.fit, self.channels);
        Ok(Some(Own { path, choice, hold_out: 0.0, label_seed: 1 }))
    }
}

/// The names of the recipes.
pub fn recipes() -> PossibleValuesParser {
    PossibleValuesParser::new(RECIPES.map(|recipe| recipe.0))
}

/// All settings of a run. A flag that is not given leaves the setting alone.
#[derive(Debug, Clone, Default, Args, Serialize)]
pub struct SettingsArgs {
    /// TOML file of settings; flags win over it
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Settings that belong together: paper (the paper's settings), best (lowest error), quick (the second
    /// lowest, in half the time); --config and flags win over them
    #[arg(long, value_name = "NAME", value_parser = recipes())]
    #[serde(skip)]
    pub recipe: Option<String>,
    #[arg(long, value_name = "NAME|PATH", help = format!("{} [default: dnn]", models_help()))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[arg(long, value_name = "NAME|PATH", help = generators_help())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generator: Option<String>,
    /// Random maps that the discriminator sees real and generated images under, in place of the model's own: none, or some of
    /// flip, shift, affine with commas between, in their order [default: the model's]
    #[arg(long, value_parser = declared::<Augment>("augment"), value_name = "MAPS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub augment: Option<Augment>,
    #[command(flatten)]
    #[serde(flatten)]
    pub own: OwnArgs,
    /// Share of each class's labels that is held out to estimate the accuracy, where your images have no test or val folder
    /// [default: 0.2, of classes with five labels or more]
    #[arg(long, value_parser = declared::<f32>("hold_out"), value_name = "SHARE")]
    #[arg(allow_negative_numbers = true, help_heading = "Data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_out: Option<f32>,
    #[command(flatten)]
    #[serde(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub train: TrainingFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub adapter: AdapterArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub tune: TuneArgs,
    /// Where the training images are kept: in the adapter's memory, or in main memory, from where every step is handed its own
    /// [default: auto: the adapter's while it has room]
    #[arg(long, value_parser = declared::<ImageMemory>("image_memory"), value_name = "WHERE", help_heading = "Adapter")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_memory: Option<ImageMemory>,
}

impl SettingsArgs {
    /// The settings, and the model that they name: defaults, a recipe, a configuration file and flags, each over the one
    /// before.
    ///
    /// # Errors
    /// As [`config::resolve`]; [`Error::Usage`] for a flag that would do nothing.
    pub fn resolve(&self) -> Result<Resolved> {
        self.resolve_for(None)
    }

    /// As [`SettingsArgs::resolve`], with the defaults for the user's own images, which are known by now.
    ///
    /// # Errors
    /// As [`SettingsArgs::resolve`].
    pub fn resolve_for(&self, own: Option<OwnImages>) -> Result<Resolved> {
        let given = self.given()?;
        let resolved = config::resolve(self.recipe.as_deref(), self.config.as_deref(), &given, own)?;
        refuse_idle(&given, &resolved.settings).map(|()| resolved)
    }

    /// The settings that were given, by key.
    ///
    /// # Errors
    /// [`Error::Usage`] for a path that is not Unicode.
    pub fn given(&self) -> Result<Table> {
        Table::try_from(self).map_err(not_toml)
    }

    /// The settings that were given, for a run that goes on.
    ///
    /// # Errors
    /// [`Error::Usage`] for one that such a run keeps; as [`SettingsArgs::given`].
    pub fn given_anew(&self) -> Result<Table> {
        let given = self.given()?;
        let Some(kept) = given.keys().find(|key| !RunSettings::changes(key)) else { return Ok(given) };
        Err(Error::Usage(format!(
            "--{} cannot be used with --resume, which keeps this setting of the run; --from begins a new run from its \
             weights, with other settings",
            flag_name(kept)
        )))
    }
}

/// Refuses a flag that was given and that these settings do not look at.
///
/// # Errors
/// [`Error::Usage`] naming it.
pub fn refuse_idle(given: &Table, settings: &RunSettings) -> Result<()> {
    match idle(given, settings) {
        Some((flag, why)) => Err(Error::Usage(format!("{flag} would do nothing: {why}; leave it out"))),
        None => Ok(()),
    }
}

/// Such a flag, and why not.
fn idle(given: &Table, s: &RunSettings) -> Option<(String, &'static str)> {
    let method = s.train.method;
    let of_method = |key: &str| Settings::named(key).and_then(|setting| setting.only);
    for key in given.keys() {
        let why = match (key.as_str(), of_method(key)) {
            ("generator", _) | (_, Some(Method::Ssl)) if method == Method::Supervised => {
                "`supervised` sees neither unlabelled nor generated images"
            }
            (
                "generator"
                | "generator_learning_rate"
                | "feature_matching"
                | "unsupervised_weight"
                | "label_smoothing",
                _,
            ) if !s.train.has_generator() => {
                "with --generator-loss none there is no generator, nor a loss that tells its images from real ones"
            }
            (_, Some(Method::Supervised)) if method == Method::Ssl => "it is of --method supervised alone",
            ("image_size" | "fit" | "channels" | "hold_out", _) if s.data.is_none() => {
                "it is for images of your own, whose folder comes first"
            }
            ("dataset" | "data_dir", _) if s.data.is_some() => "the settings name images of your own",
            ("data_dir", _) if s.dataset == DIGITS => {
                "the digits are drawn by the program (--dataset names other data)"
            }
            ("feature_matching", _) if s.train.generator_loss == GeneratorLoss::NonSaturating => {
                "--generator-loss non-saturating matches no features"
            }
            ("ramp_epochs", _) if !s.train.has_terms() => {
                "--entropy-weight, --consistency-weight and --balance-weight are 0"
            }
            _ => continue,
        };
        return Some((format!("--{}", flag_name(key)), why));
    }
    None
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;
