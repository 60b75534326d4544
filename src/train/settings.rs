//! All settings of a training run, resolved: what `config.toml` in a run folder holds.
//!
//! Defaults are written once, here. The command line and configuration files only override them.

use crate::error::{Error, Result};
use crate::gpu::{AdapterChoice, Precision};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What is trained on what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The GAN: labelled, unlabelled and generated images.
    #[default]
    Ssl,
    /// The same discriminator network as a plain classifier on the labelled images alone.
    Supervised,
}

impl Method {
    /// As in settings, summaries and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Method::Ssl => "ssl",
            Method::Supervised => "supervised",
        }
    }
}

/// How the tiles of matrix products are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tune {
    /// By tables.
    Off,
    /// By measuring what is likely to be fast.
    Fast,
    /// By measuring every tile, several times.
    Full,
}

/// Reduction of the feature-matching loss over the F features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureMatching {
    /// (1/F) sum of squares: the paper's code.
    #[default]
    Mean,
    /// Sum of squares: the paper's formula. F times the gradient of `Mean`; Adam's step is invariant to
    /// that factor but for epsilon.
    Sum,
}

/// How D's losses make updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiscriminatorUpdates {
    /// One a step, by their sum (the paper's code).
    #[default]
    Joint,
    /// Three a step: by the loss of the labelled images, then of the unlabelled ones, then of the generated ones, each
    /// of its own forward pass (a Keras model's `train_on_batch`, called for each of them).
    Separate,
}

/// What the generator is trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GeneratorLoss {
    /// The features of its images should have the mean of real images' (Salimans et al. 2016, section 3.1).
    #[default]
    FeatureMatching,
    /// -log D(G(z)) (Goodfellow et al. 2014).
    NonSaturating,
}

/// Settings of one run. Sizes are counts, rates are per step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `dnn`, `cnn` or the path of a model file.
    pub model: String,
    /// Generator in place of the model's own: `conv`, or that of another model by name or path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generator: Option<String>,
    /// `digits`, `mnist` or `fashion-mnist`.
    pub dataset: String,
    /// Folder of IDX files; the cache directory, then a download, where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
    /// Never use the network.
    pub offline: bool,
    /// GAN or plain classifier.
    pub method: Method,
    /// Number of labelled images, the same number of each class.
    pub labels: u32,
    /// Unlabelled images of `ssl`, chosen by the label seed; all training images, the labelled ones included, where
    /// absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unlabelled: Option<u32>,
    /// Which images are labelled.
    pub label_seed: u64,
    /// Initial weights, noise, z and data order.
    pub seed: u64,
    /// Passes over the unlabelled images (`ssl`) or the labelled training images (`supervised`).
    pub epochs: u32,
    /// Rows of a minibatch.
    pub batch_size: u32,
    /// Adam's step size, D.
    pub learning_rate: f32,
    /// Adam's step size, G.
    pub generator_learning_rate: f32,
    /// Adam's first decay rate.
    pub beta1: f32,
    /// Adam's second decay rate.
    pub beta2: f32,
    /// Adam's epsilon.
    pub epsilon: f32,
    /// m / sqrt(v + eps) instead of m / (sqrt(v) + eps).
    pub epsilon_inside_root: bool,
    /// w in L_D = L_supervised + w (L_unlabelled + L_generated) / 2.
    pub unsupervised_weight: f32,
    /// Whether D's losses are one update of a step or three.
    #[serde(default)]
    pub discriminator_updates: DiscriminatorUpdates,
    /// One-sided label smoothing (Salimans et al. 2016, section 3.4): D(x) of unlabelled images is trained towards
    /// 1 minus this.
    pub label_smoothing: f32,
    /// Weight of the mean entropy of D's predictions for unlabelled images in L_D (Springenberg 2016, "CatGAN").
    pub entropy_weight: f32,
    /// Weight of the consistency of D's predictions in L_D: where not 0, D sees each unlabelled image twice, under other
    /// noise, dropout and moves of the image, and pays the squared distance of the two predictions (Laine & Aila 2017, the
    /// pi-model).
    pub consistency_weight: f32,
    /// Epochs over which both weights rise linearly from 0.
    pub ramp_epochs: u32,
    /// G's loss.
    pub generator_loss: GeneratorLoss,
    /// Reduction of feature matching.
    pub feature_matching: FeatureMatching,
    /// Share of the run, its end, over which both learning rates fall linearly to 0.
    pub learning_rate_decay: f32,
    /// Rate of the exponential moving average of D's parameters.
    pub ema_rate: f32,
    /// Share of the labelled images held out by `supervised`.
    pub validation_split: f32,
    /// Evaluate, save and draw samples every so many epochs (always after the last).
    pub evaluate_every: u32,
    /// Adapter by name, index, `software` or `gpu`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// `vulkan`, `metal` or `dx12`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// What products may round their inputs to.
    #[serde(default)]
    pub precision: Precision,
    /// How the tiles of products are chosen; where absent, by tables on software adapters, else `fast`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tune: Option<Tune>,
}

impl Settings {
    /// Without what says where the data are and what computes: what is left is the same on every machine.
    pub fn anywhere(&self) -> Settings {
        let here = Settings { data_dir: None, adapter: None, backend: None, tune: None, ..self.clone() };
        Settings { offline: false, ..here }
    }

    /// The adapter that was asked for.
    pub fn adapter_choice(&self) -> AdapterChoice {
        let (adapter, backend) = (self.adapter.clone(), self.backend.clone());
        AdapterChoice { adapter, backend, precision: self.precision, ..AdapterChoice::default() }
    }

    /// The report's settings for a method. `convolutional` tells which of its two networks is meant: its
    /// supervised baselines run 100 epochs (CNN) and 50 (DNN).
    pub fn defaults(method: Method, convolutional: bool) -> Settings {
        let supervised = method == Method::Supervised;
        Settings {
            model: "dnn".into(),
            generator: None,
            dataset: "digits".into(),
            data_dir: None,
            offline: false,
            method,
            labels: 100,
            unlabelled: None,
            label_seed: 1,
            seed: 1,
            epochs: match (supervised, convolutional) {
                (false, _) => 10,
                (true, true) => 100,
                (true, false) => 50,
            },
            batch_size: if supervised { 32 } else { 512 },
            learning_rate: 1e-3,
            generator_learning_rate: 1e-3,
            beta1: if supervised { 0.9 } else { 0.5 },
            beta2: 0.999,
            epsilon: 1e-8,
            epsilon_inside_root: false,
            unsupervised_weight: 1.0,
            discriminator_updates: DiscriminatorUpdates::Joint,
            label_smoothing: 0.0,
            entropy_weight: 0.0,
            consistency_weight: 0.0,
            ramp_epochs: 2,
            generator_loss: GeneratorLoss::FeatureMatching,
            feature_matching: FeatureMatching::Mean,
            learning_rate_decay: 0.0,
            ema_rate: 1e-3,
            validation_split: 0.3,
            evaluate_every: if supervised { 10 } else { 1 },
            adapter: None,
            backend: None,
            precision: Precision::F32,
            tune: None,
        }
    }

    /// Steps of an epoch with so many labelled and unlabelled images.
    pub fn steps_per_epoch(&self, labelled: u32, unlabelled: u32) -> u32 {
        match self.method {
            Method::Ssl => unlabelled / self.batch_size,
            Method::Supervised => labelled.div_ceil(self.batch_size),
        }
    }

    /// Factor of the learning rates of step `t` (from 0) of `steps`: 1, then falling to 0 after the last one.
    pub fn learning_rate_factor(&self, t: u32, steps: u32) -> f64 {
        let falling = f64::from(self.learning_rate_decay) * f64::from(steps);
        if falling > 0.0 { (f64::from(steps.saturating_sub(t)) / falling).min(1.0) } else { 1.0 }
    }

    /// How much of the entropy and consistency weights holds at step `t` (from 0), 0 to 1.
    pub fn ramp(&self, t: u32, steps_per_epoch: u32) -> f64 {
        let rising = f64::from(self.ramp_epochs) * f64::from(steps_per_epoch);
        if rising > 0.0 { (f64::from(t) / rising).min(1.0) } else { 1.0 }
    }

    /// Checks every value alone; sizes against the data are checked when training starts.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the setting, its value and what it must be.
    pub fn validate(&self) -> Result<()> {
        let bad =
            |name: &str, value: String, want: &str| Err(Error::Usage(format!("{name} = {value}: {want}")));
        for (name, v) in
            [("learning_rate", self.learning_rate), ("generator_learning_rate", self.generator_learning_rate)]
        {
            if !(v.is_finite() && v > 0.0) {
                return bad(name, v.to_string(), "must be a positive number, such as 0.001");
            }
        }
        for (name, v) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            if !(0.0..1.0).contains(&v) {
                return bad(name, v.to_string(), "must be at least 0 and below 1");
            }
        }
        // A device may take a subnormal number for 0.
        if !(self.epsilon.is_normal() && self.epsilon > 0.0) {
            return bad("epsilon", self.epsilon.to_string(), "must be positive, such as 1e-8");
        }
        for (name, v) in [
            ("unsupervised_weight", self.unsupervised_weight),
            ("entropy_weight", self.entropy_weight),
            ("consistency_weight", self.consistency_weight),
        ] {
            if !(v.is_finite() && v >= 0.0) {
                return bad(name, v.to_string(), "must not be negative");
            }
        }
        if self.method == Method::Supervised {
            let unused = [
                ("entropy_weight", self.entropy_weight > 0.0),
                ("consistency_weight", self.consistency_weight > 0.0),
                ("unlabelled", self.unlabelled.is_some()),
                ("generator_loss", self.generator_loss != GeneratorLoss::FeatureMatching),
                ("discriminator_updates", self.discriminator_updates != DiscriminatorUpdates::Joint),
            ];
            if let Some((name, _)) = unused.iter().find(|(_, used)| *used) {
                return Err(Error::Usage(format!(
                    "{name}: `supervised` sees neither unlabelled nor generated images; leave it out"
                )));
            }
        }
        if !(0.0..=1.0).contains(&self.learning_rate_decay) {
            let v = self.learning_rate_decay.to_string();
            return bad("learning_rate_decay", v, "must be at least 0 and at most 1, such as 0.5");
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            let v = self.label_smoothing.to_string();
            return bad("label_smoothing", v, "must be at least 0 and below 1, such as 0.1");
        }
        if !(self.ema_rate > 0.0 && self.ema_rate <= 1.0) {
            return bad("ema_rate", self.ema_rate.to_string(), "must be above 0 and at most 1");
        }
        if !(0.0..1.0).contains(&self.validation_split) {
            return bad(
                "validation_split",
                self.validation_split.to_string(),
                "must be at least 0 and below 1",
            );
        }
        for (name, v) in [
            ("labels", self.labels),
            ("epochs", self.epochs),
            ("batch_size", self.batch_size),
            ("evaluate_every", self.evaluate_every),
        ] {
            if v == 0 {
                return bad(name, "0".into(), "must be at least 1");
            }
        }
        if self.batch_size > 1 << 16 {
            return bad("batch_size", self.batch_size.to_string(), "must be at most 65536");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules() {
        let mut s = Settings::defaults(Method::Ssl, false);
        assert_eq!([0, 5, 99].map(|t| s.learning_rate_factor(t, 100)), [1.0; 3]);
        s.learning_rate_decay = 0.5;
        assert_eq!([0, 50, 75, 99, 100].map(|t| s.learning_rate_factor(t, 100)), [1.0, 1.0, 0.5, 0.02, 0.0]);
        s.learning_rate_decay = 1.0;
        assert_eq!([0, 25, 99].map(|t| s.learning_rate_factor(t, 100)), [1.0, 0.75, 0.01]);
        assert_eq!([0, 10, 20, 30].map(|t| s.ramp(t, 10)), [0.0, 0.5, 1.0, 1.0]);
        s.ramp_epochs = 0;
        assert_eq!(s.ramp(0, 10), 1.0);
    }

    #[test]
    fn weights_and_shares_have_bounds() {
        let with = |change: fn(&mut Settings)| {
            let mut s = Settings::defaults(Method::Ssl, false);
            change(&mut s);
            s.validate()
        };
        assert!(with(|s| s.entropy_weight = -1.0).is_err());
        assert!(with(|s| s.consistency_weight = f32::NAN).is_err());
        assert!(with(|s| (s.method, s.unlabelled) = (Method::Supervised, Some(5))).is_err());
        assert!(with(|s| s.learning_rate_decay = 1.5).is_err());
        assert!(with(|s| (s.consistency_weight, s.learning_rate_decay) = (10.0, 1.0)).is_ok());
    }
}
