//! The settings of training, each declared once: its field with documentation, its default, the values it may have.
//!
//! Configuration files, flags, help, and which settings a run may change that goes on are made of [`Settings::ALL`].

pub use super::setting::{Setting, Values, shown};
pub use crate::data::LabelCount;
use crate::error::{Error, Result};
use crate::text;
use serde::{Deserialize, Serialize};
use std::ops::Bound::{Excluded, Included, Unbounded};
use toml::{Table, Value};

/// Declares an enum whose variants have names in settings.
macro_rules! names {
    ($(#[$doc:meta])+ $type:ident { $($(#[$variant_doc:meta])+ $variant:ident = $name:literal,)+ }) => {
        $(#[$doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
        pub enum $type { $($(#[$variant_doc])+ #[serde(rename = $name)] $variant,)+ }

        impl $type {
            /// The name of each.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// As in settings and summaries.
            pub fn name(self) -> &'static str {
                match self { $($type::$variant => $name,)+ }
            }
        }
    };
}

names! {
    /// What is trained on what.
    Method {
        /// The GAN: labelled, unlabelled and, where there is a generator, generated images.
        #[default]
        Ssl = "ssl",
        /// The same discriminator network as a plain classifier on the labelled images alone.
        Supervised = "supervised",
    }
}

names! {
    /// Which images are labelled, of a data set that has more labels than count.
    LabelChoice {
        /// So many of each class, at random.
        #[default]
        Random = "random",
        /// Those that stand for most others by what they look like, of whatever classes.
        Clusters = "clusters",
    }
}

names! {
    /// Reduction of the feature-matching loss over the F features.
    FeatureMatching {
        /// (1/F) sum of squares: the paper's code.
        #[default]
        Mean = "mean",
        /// Sum of squares: the paper's formula. F times the gradient of `Mean`; Adam's step is invariant to
        /// that factor but for epsilon.
        Sum = "sum",
    }
}

names! {
    /// How D's losses make updates.
    DiscriminatorUpdates {
        /// One a step, by their sum (the paper's code).
        #[default]
        Joint = "joint",
        /// Three a step: by the loss of the labelled images, then of the unlabelled ones, then of the generated ones, each
        /// of its own forward pass (a Keras model's `train_on_batch`, called for each of them).
        Separate = "separate",
    }
}

names! {
    /// What the generator is trained on.
    GeneratorLoss {
        /// The features of its images should have the mean of real images' (Salimans et al. 2016, section 3.1).
        #[default]
        FeatureMatching = "feature_matching",
        /// What D's last product is given should have the mean and the covariance of real images' (Mroueh et al. 2017).
        MomentMatching = "moment_matching",
        /// -log D(G(z)) (Goodfellow et al. 2014).
        NonSaturating = "non_saturating",
        /// There is no generator: of unlabelled images D learns by entropy, consistency and balance alone.
        None = "none",
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

const DATA: Option<&str> = Some("Data");
const TRAINING: Option<&str> = Some("Training");

const fn whole(heading: Option<&'static str>, from: u64, to: u64) -> Setting {
    Setting::new(heading, Values::Whole(from, to)).placeholder("N")
}

/// A number of things of which there must be one.
const fn count(heading: Option<&'static str>) -> Setting {
    whole(heading, 1, u32::MAX as u64)
}

/// A configuration file has no larger numbers than this.
const SEED: Values = Values::Whole(0, i64::MAX as u64);
const STEP_SIZE: Setting =
    Setting::new(TRAINING, Values::Number(Excluded(0.0), Unbounded, "0.001")).placeholder("RATE");
const DECAY: Setting =
    Setting::new(TRAINING, Values::Number(Included(0.0), Excluded(1.0), "0.9")).placeholder("RATE");
const WEIGHT: Setting = Setting::new(TRAINING, Values::Number(Included(0.0), Unbounded, "1"))
    .placeholder("WEIGHT")
    .only(Method::Ssl);

const fn share(heading: Option<&'static str>, to: std::ops::Bound<f32>, example: &'static str) -> Setting {
    Setting::new(heading, Values::Number(Included(0.0), to, example)).placeholder("SHARE")
}

const fn word(names: &'static [&'static str]) -> Setting {
    Setting::new(TRAINING, Values::Names(names))
}

/// Declares [`Settings`]: `field: type = default, what is known of it;`. Defaults may look at the two names between bars.
macro_rules! settings {
    (|$method:ident, $convolutional:ident| $(
        $(#[doc = $doc:literal])+
        $(#[serde($($serde:tt)+)])?
        $key:ident: $type:ty = $default:expr, $facts:expr;
    )+) => {
        /// Settings of one run. Sizes are counts, rates are per step.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Settings {
            $($(#[doc = $doc])+ $(#[serde($($serde)+)])? pub $key: $type,)+
        }

        impl Settings {
            /// What is known of each setting, in the order of the fields.
            pub const ALL: &'static [Setting] =
                &[$(Setting { key: stringify!($key), doc: concat!($($doc, "\n"),+), ..$facts }),+];

            /// The report's settings for a method. `convolutional` tells which of its two networks is meant: its
            /// supervised baselines run 100 epochs (CNN) and 50 (DNN).
            pub fn defaults($method: Method, $convolutional: bool) -> Settings {
                Settings { $($key: $default,)+ }
            }

            /// Sets the field `key`.
            ///
            /// # Errors
            /// [`Error::Usage`] for a key that no field has, and for a value that it must not have, saying which it may.
            pub fn set(&mut self, key: &str, value: Value) -> Result<()> {
                let Some(setting) = Settings::named(key) else {
                    let keys = Settings::ALL.iter().map(|s| s.key);
                    return Err(Error::Usage(text::unknown("setting", key, keys)));
                };
                let refusal = || Error::Usage(setting.refusal(&value));
                if !setting.values.admits(&value) {
                    return Err(refusal());
                }
                match key {
                    $(stringify!($key) => {
                        self.$key = Deserialize::deserialize(value.clone()).map_err(|_| refusal())?;
                    })+
                    _ => {}
                }
                Ok(())
            }
        }
    };
}

settings! { |method, convolutional|
    /// ssl: the GAN, or with generator loss none its discriminator alone; supervised: the same network on the labelled images alone.
    method: Method = method, Setting::new(None, Values::Names(Method::NAMES));
    /// Labelled images: a number of them, the same of each class, or all that have a label.
    labels: LabelCount = LabelCount::Balanced(100),
        Setting::new(DATA, Values::WholeOr(1, u32::MAX as u64, LabelCount::ALL)).placeholder("N|all");
    /// How the labelled images are chosen: so many of each class at random, or those that stand for most others by what they look like.
    #[serde(default)]
    label_choice: LabelChoice = LabelChoice::Random, Setting::new(DATA, Values::Names(LabelChoice::NAMES));
    /// Unlabelled images of `ssl`, chosen among all training images by the label seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unlabelled: Option<u32> = None, Setting { absent: Some("all training images"), ..count(DATA).only(Method::Ssl) };
    /// Which images are labelled.
    label_seed: u64 = 1, Setting::new(DATA, SEED).placeholder("SEED");
    /// Initial weights, noise, latent vectors, order of the data.
    seed: u64 = 1, Setting::new(TRAINING, SEED).placeholder("SEED");
    /// Passes over the unlabelled images (ssl) or the labelled training images (supervised: in whole minibatches, so three of 32 draw 96 images of 70).
    epochs: u32 = match (method, convolutional) {
        (Method::Ssl, _) => 10,
        (Method::Supervised, true) => 100,
        (Method::Supervised, false) => 50,
    }, Setting { changes: true, ..count(TRAINING) };
    /// Rows of a minibatch.
    batch_size: u32 = if method == Method::Supervised { 32 } else { 512 }, whole(TRAINING, 1, 1 << 16);
    /// Adam's step size, discriminator.
    learning_rate: f32 = 1e-3, STEP_SIZE.short("lr");
    /// Adam's step size, generator.
    generator_learning_rate: f32 = 1e-3, STEP_SIZE.short("generator_lr").only(Method::Ssl);
    /// Adam's first decay rate.
    beta1: f32 = if method == Method::Supervised { 0.9 } else { 0.5 }, DECAY;
    /// Adam's second decay rate.
    beta2: f32 = 0.999, DECAY;
    /// Adam's epsilon.
    ///
    /// No subnormal number, which a device may take for 0.
    epsilon: f32 = 1e-8,
        Setting::new(TRAINING, Values::Number(Included(f32::MIN_POSITIVE), Unbounded, "1e-8")).placeholder("EPS");
    /// m / sqrt(v + eps) instead of m / (sqrt(v) + eps).
    epsilon_inside_root: bool = false, Setting::new(TRAINING, Values::Switch).placeholder("BOOL");
    /// Weight of the unlabelled and generated losses.
    ///
    /// The w of L_D = L_supervised + w (L_unlabelled + L_generated) / 2; see [`Settings::adversarial_weight`].
    unsupervised_weight: f32 = 1.0, WEIGHT;
    /// One update of D a step by the sum of its losses, or one by each of them in turn.
    #[serde(default)]
    discriminator_updates: DiscriminatorUpdates = DiscriminatorUpdates::Joint,
        word(DiscriminatorUpdates::NAMES).only(Method::Ssl);
    /// One-sided label smoothing: D(x) of unlabelled images is trained towards 1 minus this.
    ///
    /// Salimans et al. 2016, section 3.4.
    label_smoothing: f32 = 0.0, share(TRAINING, Excluded(1.0), "0.1").only(Method::Ssl);
    /// Weight of the entropy of predictions for unlabelled images.
    ///
    /// The mean entropy is a term of L_D (Springenberg 2016, "CatGAN").
    entropy_weight: f32 = 0.0, WEIGHT;
    /// Weight of the consistency of predictions: each unlabelled image is seen under two random draws.
    ///
    /// Where not 0, D sees each unlabelled image twice, under other noise, dropout and moves of the image, and pays the
    /// squared distance of the two predictions (Laine & Aila 2017, the pi-model).
    consistency_weight: f32 = 0.0, WEIGHT;
    /// Weight of the balance of predictions: over a minibatch of unlabelled images, the classes should be as frequent as one another.
    ///
    /// log K less the entropy of the mean prediction is a term of L_D (Krause et al. 2010; Springenberg 2016). Only of data whose
    /// classes are about as frequent as one another, and minibatches that hold several images of each.
    #[serde(default)]
    balance_weight: f32 = 0.0, WEIGHT;
    /// Epochs over which the entropy, consistency and balance weights rise from 0.
    ramp_epochs: u32 = 2, whole(TRAINING, 0, u32::MAX as u64).only(Method::Ssl);
    /// The generator's loss; none: there is no generator, and of unlabelled images entropy, consistency and balance alone are learnt.
    generator_loss: GeneratorLoss = GeneratorLoss::FeatureMatching, word(GeneratorLoss::NAMES).only(Method::Ssl);
    /// Reduction of feature and moment matching over the features.
    feature_matching: FeatureMatching = FeatureMatching::Mean, word(FeatureMatching::NAMES).only(Method::Ssl);
    /// Share of the run, its end, over which the learning rates fall to 0.
    learning_rate_decay: f32 = 0.0, share(TRAINING, Included(1.0), "0.5").short("lr_decay");
    /// Rate of the moving average of the discriminator's parameters.
    ema_rate: f32 = 1e-3,
        Setting::new(TRAINING, Values::Number(Excluded(0.0), Included(1.0), "0.01")).placeholder("RATE");
    /// Share of the labelled images that `supervised` holds out.
    validation_split: f32 = 0.3, share(DATA, Excluded(1.0), "0.3").only(Method::Supervised);
    /// Evaluate, save and draw every so many epochs, and after the last.
    evaluate_every: u32 = if method == Method::Supervised { 10 } else { 1 }, count(TRAINING);
}

impl Settings {
    /// What is known of the setting `key`.
    pub fn named(key: &str) -> Option<&'static Setting> {
        Settings::ALL.iter().find(|s| s.key == key)
    }

    /// The values by key; a setting without one is not among them.
    ///
    /// # Errors
    /// [`Error::Usage`] for a seed that a configuration file cannot hold.
    pub fn values(&self) -> Result<Table> {
        Table::try_from(self).map_err(|e| Error::Usage(format!("settings: {e}; seeds are {SEED}")))
    }

    /// Whether a generator is trained beside the discriminator.
    pub fn has_generator(&self) -> bool {
        self.method == Method::Ssl && self.generator_loss != GeneratorLoss::None
    }

    /// The method, and whether it has no generator, for people.
    pub fn variant(&self) -> &'static str {
        match self.method {
            Method::Ssl if !self.has_generator() => "ssl without a generator",
            method => method.name(),
        }
    }

    /// The weight of the unlabelled and generated losses; 0 without a generator, where nothing would keep D(x) of real images from
    /// rising for ever.
    pub fn adversarial_weight(&self) -> f32 {
        if self.has_generator() { self.unsupervised_weight } else { 0.0 }
    }

    /// Steps of an epoch with so many labelled and unlabelled images; none with minibatches of 0.
    pub fn steps_per_epoch(&self, labelled: u32, unlabelled: u32) -> u32 {
        let batch = self.batch_size;
        match self.method {
            _ if batch == 0 => 0,
            Method::Ssl => unlabelled / batch,
            Method::Supervised => labelled.div_ceil(batch),
        }
    }

    /// Factor of the learning rates of step `t` (from 0) of `steps`: 1, then falling to 0 after the last one.
    pub fn learning_rate_factor(&self, t: u32, steps: u32) -> f64 {
        let falling = f64::from(self.learning_rate_decay) * f64::from(steps);
        if falling > 0.0 { (f64::from(steps.saturating_sub(t)) / falling).min(1.0) } else { 1.0 }
    }

    /// Whether D learns from unlabelled images by terms of their own, beside the GAN's.
    pub fn has_terms(&self) -> bool {
        [self.entropy_weight, self.consistency_weight, self.balance_weight].into_iter().any(|w| w > 0.0)
    }

    /// How much of the entropy, consistency and balance weights holds at step `t` (from 0), 0 to 1.
    pub fn ramp(&self, t: u32, steps_per_epoch: u32) -> f64 {
        let rising = f64::from(self.ramp_epochs) * f64::from(steps_per_epoch);
        if rising > 0.0 { (f64::from(t) / rising).min(1.0) } else { 1.0 }
    }

    /// Checks every value alone, and whether something is learnt from unlabelled images; sizes against the data are checked when
    /// training starts.
    ///
    /// Settings of the other method that can do no harm, such as a label smoothing of `supervised`, count for nothing.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the setting, its value and what it may be.
    pub fn validate(&self) -> Result<()> {
        let values = self.values()?;
        for setting in Settings::ALL {
            if let Some(value) = values.get(setting.key).filter(|value| !setting.values.admits(value)) {
                return Err(Error::Usage(setting.refusal(value)));
            }
        }
        if self.method == Method::Supervised {
            let unused = [
                ("entropy_weight", self.entropy_weight > 0.0),
                ("consistency_weight", self.consistency_weight > 0.0),
                ("balance_weight", self.balance_weight > 0.0),
                ("unlabelled", self.unlabelled.is_some()),
                ("generator_loss", self.generator_loss != GeneratorLoss::FeatureMatching),
                ("discriminator_updates", self.discriminator_updates != DiscriminatorUpdates::Joint),
            ];
            if let Some((name, _)) = unused.iter().find(|(_, used)| *used) {
                return Err(Error::Usage(format!(
                    "{name}: `supervised` sees neither unlabelled nor generated images; leave it out"
                )));
            }
        } else if !self.has_generator() {
            if !self.has_terms() {
                return Err(Error::Usage(
                    "`generator_loss = none`: nothing would be learnt from unlabelled images; set `consistency_weight`, `entropy_weight` \
                     or `balance_weight`, or use `method = supervised`"
                        .into(),
                ));
            }
            if self.discriminator_updates != DiscriminatorUpdates::Joint {
                return Err(Error::Usage(
                    "`discriminator_updates = separate`: with `generator_loss = none` there is one update a step; leave out one of the two"
                        .into(),
                ));
            }
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
        assert!(with(|s| (s.method, s.balance_weight) = (Method::Supervised, 1.0)).is_err());
        assert!(with(|s| (s.method, s.unlabelled) = (Method::Supervised, Some(5))).is_err());
        assert!(with(|s| s.learning_rate_decay = 1.5).is_err());
        assert!(with(|s| (s.consistency_weight, s.learning_rate_decay) = (10.0, 1.0)).is_ok());
    }

    #[test]
    fn without_a_generator_the_other_terms_are_learnt() {
        let none = Settings {
            generator_loss: GeneratorLoss::None,
            unsupervised_weight: 0.7,
            ..Settings::defaults(Method::Ssl, false)
        };
        let said = none.validate().unwrap_err().to_string();
        assert!(said.contains("nothing would be learnt"), "{said}");
        for s in [
            Settings { entropy_weight: 1.0, ..none.clone() },
            Settings { consistency_weight: 1.0, ..none.clone() },
            Settings { balance_weight: 1.0, ..none.clone() },
        ] {
            assert_eq!((s.validate().is_ok(), s.has_generator(), s.adversarial_weight()), (true, false, 0.0));
            assert_eq!(s.variant(), "ssl without a generator");
            let separate = Settings { discriminator_updates: DiscriminatorUpdates::Separate, ..s.clone() };
            assert!(separate.validate().is_err());
            let gan = Settings { generator_loss: GeneratorLoss::NonSaturating, ..s };
            assert_eq!((gan.has_generator(), gan.adversarial_weight(), gan.variant()), (true, 0.7, "ssl"));
        }
        let supervised = Settings::defaults(Method::Supervised, false);
        assert_eq!((supervised.has_generator(), supervised.adversarial_weight()), (false, 0.0));
    }

    /// A value that the declaration admits can be set, one that it does not is refused, and what was set is there.
    #[test]
    fn every_setting_is_set_by_its_key() {
        let mut s = Settings::defaults(Method::Ssl, false);
        for setting in Settings::ALL {
            let good = match setting.values {
                Values::Whole(_, to) | Values::WholeOr(_, to, _) => Value::Integer(to.min(7) as i64),
                Values::Number(..) => Value::Float(0.25),
                Values::Switch => Value::Boolean(true),
                Values::Names(names) => Value::String(names[names.len() - 1].into()),
            };
            s.set(setting.key, good.clone()).unwrap();
            assert_eq!(s.values().unwrap().get(setting.key), Some(&good), "{}", setting.key);
            let said = s.set(setting.key, Value::String("?".into())).unwrap_err().to_string();
            assert!(said.contains(setting.key) && said.contains(&setting.values.to_string()), "{said}");
        }
        assert_eq!(s.values().unwrap().len(), Settings::ALL.len());
        assert!(s.set("epoch", Value::Integer(1)).unwrap_err().to_string().contains("\"epochs\""));
    }

    #[test]
    fn seeds_have_an_end() {
        let s = Settings { seed: u64::MAX, ..Settings::defaults(Method::Ssl, false) };
        let said = s.validate().unwrap_err().to_string();
        assert!(said.contains("to 9223372036854775807"), "{said}");
    }
}
