//! Arguments that several commands share.

use crate::app::report::progress::{Mode, Progress};
use crate::app::run::adapter::asked;
use crate::app::run::config::{self, RECIPES, Resolved};
use crate::app::source::{DIGITS, NAMES};
use crate::error::{Error, Result};
use crate::gpu::{AdapterChoice, Precision};
use crate::train::Tune;
use crate::train::settings::{DiscriminatorUpdates, FeatureMatching, GeneratorLoss, Method, Settings};
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

const BACKENDS: [&str; 3] = ["vulkan", "metal", "dx12"];

/// A seed: a number up to 2^63 - 1, or `random` for one from the operating system.
fn seed(text: &str) -> std::result::Result<u64, String> {
    if text == "random" {
        let mut system = rand::rngs::SysRng;
        let drawn = rand::TryRng::try_next_u64(&mut system).map_err(|e| format!("no random numbers: {e}"))?;
        return Ok(drawn >> 1);
    }
    let value: u64 = text.parse().map_err(|_| "give a whole number, or `random`".to_string())?;
    // config.toml records the seed, and TOML has signed 64-bit integers.
    if value > i64::MAX as u64 { Err(format!("at most {}", i64::MAX)) } else { Ok(value) }
}

/// How many of something; the settings know how many there must be.
fn count(text: &str) -> std::result::Result<u32, String> {
    text.parse().map_err(|_| "write a whole number, such as 10".into())
}

/// A number, of whose range the settings know.
fn number(text: &str) -> std::result::Result<f32, String> {
    text.parse().map_err(|_| "write a number, such as 0.001".into())
}

/// A time in seconds.
pub fn seconds(text: &str) -> std::result::Result<f64, String> {
    match text.parse() {
        Ok(s) if s > 0.0 => Ok(s),
        _ => Err("write a number of seconds above 0".into()),
    }
}

/// Which adapter.
#[derive(Debug, Clone, Default, Args)]
pub struct AdapterArgs {
    /// Adapter: part of its name, its index in `ssgan adapters`, `software`, or `gpu` [default: the best]
    #[arg(long, value_name = "NAME|INDEX|software|gpu", help_heading = "Adapter")]
    pub adapter: Option<String>,
    /// Graphics interface [default: any]
    #[arg(long, value_parser = PossibleValuesParser::new(BACKENDS), help_heading = "Adapter")]
    pub backend: Option<String>,
    /// f32, or mixed: matrix products on cooperative matrices (tensor cores), f16 inputs, f32 accumulation; refused if the
    /// adapter has none (experimental) [default: f32]
    #[arg(long, value_enum, value_name = "WHICH", help_heading = "Adapter")]
    pub precision: Option<PrecisionArg>,
}

/// [`Precision`] for clap.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum PrecisionArg {
    F32,
    Mixed,
}

impl AdapterArgs {
    /// For [`crate::gpu::Gpu::open`].
    pub fn choice(&self) -> AdapterChoice {
        let (adapter, backend) = (self.adapter.clone(), self.backend.clone());
        let precision = self.precision().unwrap_or_default();
        asked(AdapterChoice { adapter, backend, precision, ..AdapterChoice::default() })
    }

    /// What was asked for.
    fn precision(&self) -> Option<Precision> {
        self.precision.map(|which| match which {
            PrecisionArg::F32 => Precision::F32,
            PrecisionArg::Mixed => Precision::Mixed,
        })
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
        Progress::new(Mode::detect(self.quiet))
    }
}

/// How tiles are chosen.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct TuneArgs {
    /// Choose the tiles of matrix products by tables, by trying likely ones once per adapter and driver, or by trying all
    /// [default: fast; off on software adapters, of which the tables are]
    #[arg(long, value_enum, value_name = "HOW")]
    pub tune: Option<TuneArg>,
}

impl TuneArgs {
    /// What was asked for.
    pub fn choice(&self) -> Option<Tune> {
        self.tune.map(|how| match how {
            TuneArg::Off => Tune::Off,
            TuneArg::Fast => Tune::Fast,
            TuneArg::Full => Tune::Full,
        })
    }
}

/// Which data set, where from.
#[derive(Debug, Clone, Default, Args)]
pub struct DataArgs {
    /// Data set [default: digits]
    #[arg(long, value_parser = PossibleValuesParser::new(NAMES), help_heading = "Data")]
    pub dataset: Option<String>,
    /// Folder of IDX files, plain or gzipped [default: the cache folder, then a download]
    #[arg(long, value_name = "DIR", help_heading = "Data")]
    pub data_dir: Option<PathBuf>,
    /// Never use the network
    #[arg(long, help_heading = "Data")]
    pub offline: bool,
}

/// Everything that [`Settings`] has. A flag that is not given leaves the setting alone.
#[derive(Debug, Clone, Default, Args)]
pub struct SettingsArgs {
    /// TOML file of settings; flags win over it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Settings that belong together: paper (the paper's settings), best (lowest error); --config and flags win over them
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(RECIPES.map(|r| r.0)))]
    pub recipe: Option<String>,
    /// dnn, dnn-unit, cnn, cnn-batch-norm, cnn-minibatch, cnn-noise, or the path of a model file [default: dnn]
    #[arg(long, value_name = "NAME|PATH")]
    pub model: Option<String>,
    /// Generator in place of the model's own: conv (28x28 images), or that of another model
    #[arg(long, value_name = "NAME|PATH")]
    pub generator: Option<String>,
    #[command(flatten)]
    pub data: DataArgs,
    /// ssl: the GAN; supervised: the same network on the labelled images alone [default: ssl]
    #[arg(long, value_enum)]
    pub method: Option<MethodArg>,
    /// Labelled images, the same number of each class [default: 100]
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Data")]
    pub labels: Option<u32>,
    /// Unlabelled images, chosen by the label seed [default: all training images]
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Data")]
    pub unlabelled: Option<u32>,
    /// Which images are labelled [default: 1]
    #[arg(long, value_name = "SEED", value_parser = seed, help_heading = "Data")]
    pub label_seed: Option<u64>,
    /// Share of the labelled images that `supervised` holds out [default: 0.3]
    #[arg(long, value_name = "SHARE", help_heading = "Data")]
    pub validation_split: Option<f32>,
    /// Initial weights, noise, latent vectors, order of the data [default: 1]
    #[arg(long, value_parser = seed, help_heading = "Training")]
    pub seed: Option<u64>,
    /// Passes over the data, in whole minibatches: three of 32 draw 96 images of 70 [default: 10; supervised: 50, or 100 for convolutional models]
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Training")]
    pub epochs: Option<u32>,
    /// Rows of a minibatch [default: 512; supervised: 32]
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Training")]
    pub batch_size: Option<u32>,
    /// Adam's step size, discriminator [default: 0.001]
    #[arg(long = "learning-rate", visible_alias = "lr", value_name = "RATE", allow_negative_numbers = true, value_parser = number, help_heading = "Training")]
    pub lr: Option<f32>,
    /// Adam's step size, generator [default: 0.001]
    #[arg(long = "generator-learning-rate", visible_alias = "generator-lr", value_name = "RATE", allow_negative_numbers = true, value_parser = number, help_heading = "Training")]
    pub generator_lr: Option<f32>,
    /// Adam's first decay rate [default: 0.5; supervised: 0.9]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = number, help_heading = "Training")]
    pub beta1: Option<f32>,
    /// Adam's second decay rate [default: 0.999]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = number, help_heading = "Training")]
    pub beta2: Option<f32>,
    /// Adam's epsilon [default: 1e-8]
    #[arg(long, value_name = "EPS", allow_negative_numbers = true, value_parser = number, help_heading = "Training")]
    pub epsilon: Option<f32>,
    /// m / sqrt(v + eps) instead of m / (sqrt(v) + eps)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true,
          help_heading = "Training")]
    pub epsilon_inside_root: Option<bool>,
    /// Weight of the unlabelled and generated losses [default: 1]
    #[arg(long, value_name = "WEIGHT", allow_negative_numbers = true, value_parser = number, help_heading = "Training")]
    pub unsupervised_weight: Option<f32>,
    /// One update of D a step by the sum of its losses, or one by each of them in turn [default: joint]
    #[arg(long, value_enum, help_heading = "Training")]
    pub discriminator_updates: Option<DiscriminatorUpdatesArg>,
    /// One-sided label smoothing: D(x) of unlabelled images is trained towards 1 minus this [default: 0]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, value_parser = number, help_heading = "Training")]
    pub label_smoothing: Option<f32>,
    /// Weight of the entropy of predictions for unlabelled images [default: 0]
    #[arg(long, value_name = "WEIGHT", allow_negative_numbers = true, value_parser = number, help_heading = "Training")]
    pub entropy_weight: Option<f32>,
    /// Weight of the consistency of predictions: each unlabelled image is seen under two random draws [default: 0]
    #[arg(long, value_name = "WEIGHT", allow_negative_numbers = true, value_parser = number, help_heading = "Training")]
    pub consistency_weight: Option<f32>,
    /// Epochs over which the entropy and consistency weights rise from 0 [default: 2]
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub ramp_epochs: Option<u32>,
    /// Share of the run, its end, over which the learning rates fall to 0 [default: 0]
    #[arg(long = "learning-rate-decay", visible_alias = "lr-decay", value_name = "SHARE", allow_negative_numbers = true, value_parser = number, help_heading = "Training")]
    pub lr_decay: Option<f32>,
    /// The generator's loss [default: feature-matching]
    #[arg(long, value_enum, help_heading = "Training")]
    pub generator_loss: Option<GeneratorLossArg>,
    /// Reduction of feature matching over the features [default: mean]
    #[arg(long, value_enum, help_heading = "Training")]
    pub feature_matching: Option<FeatureMatchingArg>,
    /// Rate of the moving average of the discriminator's parameters [default: 0.001]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = number, help_heading = "Training")]
    pub ema_rate: Option<f32>,
    /// Evaluate, save and draw every so many epochs [default: 1; supervised: 10]
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Training")]
    pub evaluate_every: Option<u32>,
    #[command(flatten)]
    pub adapter: AdapterArgs,
    #[command(flatten)]
    pub tune: TuneArgs,
}

/// [`Tune`] for clap.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum TuneArg {
    Off,
    Fast,
    Full,
}

/// [`Method`] for clap.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum MethodArg {
    Ssl,
    Supervised,
}

/// [`DiscriminatorUpdates`] for clap.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum DiscriminatorUpdatesArg {
    Joint,
    Separate,
}

/// [`GeneratorLoss`] for clap.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum GeneratorLossArg {
    FeatureMatching,
    NonSaturating,
}

/// [`FeatureMatching`] for clap.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum FeatureMatchingArg {
    Mean,
    Sum,
}

impl SettingsArgs {
    /// The settings, and the model that they name: defaults, a recipe, a configuration file and flags, each over the one
    /// before.
    ///
    /// # Errors
    /// As [`config::resolve`]; [`Error::Usage`] for a flag that would do nothing.
    pub fn resolve(&self) -> Result<Resolved> {
        let resolved = config::resolve(self.recipe.as_deref(), self.config.as_deref(), |s| self.apply(s))?;
        match self.idle(&resolved.settings) {
            Some((flag, why)) => Err(Error::Usage(format!("{flag} would do nothing: {why}; leave it out"))),
            None => Ok(resolved),
        }
    }

    /// A flag that was given and that these settings do not look at, and why not.
    pub fn idle(&self, s: &Settings) -> Option<(&'static str, &'static str)> {
        let alone = "`supervised` sees neither unlabelled nor generated images";
        let supervised = s.method == Method::Supervised;
        let unweighted = s.entropy_weight == 0.0 && s.consistency_weight == 0.0;
        let plain = s.generator_loss == GeneratorLoss::NonSaturating;
        let flags = [
            ("--label-smoothing", self.label_smoothing.is_some() && supervised, alone),
            ("--unsupervised-weight", self.unsupervised_weight.is_some() && supervised, alone),
            ("--generator-learning-rate", self.generator_lr.is_some() && supervised, alone),
            ("--feature-matching", self.feature_matching.is_some() && supervised, alone),
            (
                "--data-dir",
                self.data.data_dir.is_some() && s.dataset == DIGITS,
                "the digits are drawn by the program (--dataset names other data)",
            ),
            ("--generator", self.generator.is_some() && supervised, alone),
            ("--discriminator-updates", self.discriminator_updates.is_some() && supervised, alone),
            (
                "--feature-matching",
                self.feature_matching.is_some() && plain,
                "--generator-loss non-saturating matches no features",
            ),
            (
                "--ramp-epochs",
                self.ramp_epochs.is_some() && unweighted,
                "--entropy-weight and --consistency-weight are 0",
            ),
            (
                "--validation-split",
                self.validation_split.is_some() && !supervised,
                "it is of --method supervised alone",
            ),
        ];
        flags.into_iter().find(|f| f.1).map(|(flag, _, why)| (flag, why))
    }

    /// Overrides what was given.
    pub fn apply(&self, s: &mut Settings) {
        fn set<T: Clone>(to: &mut T, from: &Option<T>) {
            if let Some(v) = from {
                to.clone_from(v);
            }
        }
        fn set_some<T: Clone>(to: &mut Option<T>, from: &Option<T>) {
            if from.is_some() {
                to.clone_from(from);
            }
        }
        set(&mut s.model, &self.model);
        set_some(&mut s.generator, &self.generator);
        set(&mut s.dataset, &self.data.dataset);
        set_some(&mut s.data_dir, &self.data.data_dir);
        s.offline |= self.data.offline;
        match self.method {
            Some(MethodArg::Ssl) => s.method = Method::Ssl,
            Some(MethodArg::Supervised) => s.method = Method::Supervised,
            None => {}
        }
        set(&mut s.labels, &self.labels);
        set_some(&mut s.unlabelled, &self.unlabelled);
        set(&mut s.label_seed, &self.label_seed);
        set(&mut s.validation_split, &self.validation_split);
        set(&mut s.seed, &self.seed);
        set(&mut s.epochs, &self.epochs);
        set(&mut s.batch_size, &self.batch_size);
        set(&mut s.learning_rate, &self.lr);
        set(&mut s.generator_learning_rate, &self.generator_lr);
        set(&mut s.beta1, &self.beta1);
        set(&mut s.beta2, &self.beta2);
        set(&mut s.epsilon, &self.epsilon);
        set(&mut s.epsilon_inside_root, &self.epsilon_inside_root);
        set(&mut s.unsupervised_weight, &self.unsupervised_weight);
        match self.discriminator_updates {
            Some(DiscriminatorUpdatesArg::Joint) => s.discriminator_updates = DiscriminatorUpdates::Joint,
            Some(DiscriminatorUpdatesArg::Separate) => {
                s.discriminator_updates = DiscriminatorUpdates::Separate
            }
            None => {}
        }
        set(&mut s.label_smoothing, &self.label_smoothing);
        set(&mut s.entropy_weight, &self.entropy_weight);
        set(&mut s.consistency_weight, &self.consistency_weight);
        set(&mut s.ramp_epochs, &self.ramp_epochs);
        set(&mut s.learning_rate_decay, &self.lr_decay);
        match self.generator_loss {
            Some(GeneratorLossArg::FeatureMatching) => s.generator_loss = GeneratorLoss::FeatureMatching,
            Some(GeneratorLossArg::NonSaturating) => s.generator_loss = GeneratorLoss::NonSaturating,
            None => {}
        }
        match self.feature_matching {
            Some(FeatureMatchingArg::Mean) => s.feature_matching = FeatureMatching::Mean,
            Some(FeatureMatchingArg::Sum) => s.feature_matching = FeatureMatching::Sum,
            None => {}
        }
        set(&mut s.ema_rate, &self.ema_rate);
        set(&mut s.evaluate_every, &self.evaluate_every);
        set_some(&mut s.adapter, &self.adapter.adapter);
        set_some(&mut s.backend, &self.adapter.backend);
        set(&mut s.precision, &self.adapter.precision());
        s.tune = self.tune.choice().or(s.tune);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("c.toml");
        std::fs::write(&config, "epochs = 3\nseed = 7\nmethod = \"supervised\"\nmodel = \"cnn\"\n").unwrap();
        let args = SettingsArgs { config: Some(config), seed: Some(9), ..Default::default() };
        let s = args.resolve().unwrap().settings;
        assert_eq!((s.epochs, s.seed, s.batch_size, s.beta1), (3, 9, 32, 0.9));
        assert_eq!((s.method, s.model.as_str()), (Method::Supervised, "cnn"));
    }

    #[test]
    fn recipes_are_between_defaults_and_flags() {
        for (name, _) in RECIPES {
            let args = SettingsArgs { recipe: Some(name.into()), seed: Some(9), ..Default::default() };
            assert_eq!(args.resolve().unwrap().settings.seed, 9, "{name}");
        }
        let args = SettingsArgs { recipe: Some("paper".into()), epochs: Some(20), ..Default::default() };
        let s = args.resolve().unwrap().settings;
        assert_eq!((s.epochs, s.batch_size, s.learning_rate, s.ema_rate), (20, 100, 0.003, 1e-4));
        assert!(s.epsilon_inside_root && s.model == "dnn-unit");
    }

    #[test]
    fn defaults_follow_method_and_model() {
        let epochs = |model: &str, method| {
            let args = SettingsArgs { model: Some(model.into()), method, ..Default::default() };
            args.resolve().unwrap().settings.epochs
        };
        use MethodArg::{Ssl, Supervised};
        assert_eq!([epochs("dnn", None), epochs("cnn", Some(Ssl))], [10, 10]);
        assert_eq!([epochs("dnn", Some(Supervised)), epochs("cnn", Some(Supervised))], [50, 100]);
    }

    #[test]
    fn nonsense_values_are_refused() {
        for lr in [f32::NAN, 0.0, -1.0, f32::INFINITY] {
            let e = SettingsArgs { lr: Some(lr), ..Default::default() }.resolve().unwrap_err();
            assert!(e.exit_code() == 2 && e.to_string().contains("learning_rate"), "{e}");
        }
    }
}
