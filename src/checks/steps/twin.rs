//! A training run of the float64 twin, set up like `Trainer`.

use crate::data;
use crate::model::shape::{LayerShape, ModelShape, NetShape};
use crate::model::spec::LayerOp;
use crate::reference::conv2d::ConvShape;
use crate::reference::max_pool2d::max_pool2d;
use crate::reference::{
    AdamSettings, DiscriminatorLoss, EpsPlacement, FeatureMatching, GanState, GeneratorLoss, Group,
    LossSettings, Moments, NetParams, StepSettings, Tape, initialise, step,
};
use crate::train::settings::{self, Method, Settings};

/// What one step left.
pub enum Pass {
    /// The GAN, with or without its generator.
    Ssl(Box<(Vec<step::DiscriminatorPass>, Option<step::GeneratorPass>)>),
    /// The baseline.
    Supervised(Box<step::SupervisedPass>),
}

/// The twin of a `Trainer` and its data.
pub struct Twin {
    /// The model.
    pub model: ModelShape,
    /// Parameters, moments, averages.
    pub state: GanState,
    /// Training images that are labelled and trained on.
    pub labelled: Vec<u32>,
    settings: StepSettings,
    /// What the step's settings follow.
    schedule: Settings,
    steps_per_epoch: u32,
    labels: Vec<u32>,
    labelled_images: Vec<f64>,
    images: Vec<f64>,
}

impl Twin {
    /// Initialised as a trainer would be.
    pub fn new(model: &ModelShape, s: &Settings, set: &data::Dataset) -> Twin {
        let chosen = data::choose(&set.train.labels, &set.class_names, s.labels, s.label_seed).unwrap();
        let labelled = match s.method {
            Method::Ssl => chosen,
            Method::Supervised => {
                let share = f64::from(s.validation_split);
                data::split_validation(&set.train, set.shape.image, &chosen, share, s.label_seed).unwrap().0
            }
        };
        let values = model.data.image.len() as usize;
        let images: Vec<f64> = set.train.images.iter().map(|&b| f64::from(b) / 255.0).collect();
        let labelled_images = step::gather(&images, &labelled, values);
        let mut state = GanState::new(model, s.seed);
        let ssl = s.method == Method::Ssl;
        let pool = if ssl { &images } else { &labelled_images };
        initialise(model, &mut state, s.seed, pool, s.has_generator());
        Twin {
            model: model.clone(),
            state,
            settings: step_settings(s),
            schedule: s.clone(),
            steps_per_epoch: s.steps_per_epoch(labelled.len() as u32, set.train.len() as u32),
            labels: labelled.iter().map(|&i| set.train.labels[i as usize].unwrap().into()).collect(),
            labelled,
            labelled_images,
            images,
        }
    }

    /// The networks that are trained, with their parameters and moments: D, and G where there is one.
    pub fn nets(&self) -> impl Iterator<Item = (&NetShape, &NetParams, &Moments)> {
        let (model, s) = (&self.model, &self.state);
        let g = self.schedule.has_generator().then_some((&model.generator, &s.g, &s.g_moments));
        std::iter::once((&model.discriminator, &s.d, &s.d_moments)).chain(g)
    }

    /// As [`Twin::nets`], to be set.
    pub fn nets_mut(&mut self) -> impl Iterator<Item = (&NetShape, &mut NetParams, &mut Moments)> {
        let (model, s) = (&self.model, &mut self.state);
        let has_generator = self.schedule.has_generator();
        let g = has_generator.then_some((&model.generator, &mut s.g, &mut s.g_moments));
        std::iter::once((&model.discriminator, &mut s.d, &mut s.d_moments)).chain(g)
    }

    /// The next step.
    pub fn step(&mut self) -> Pass {
        let (s, t) = (&self.schedule, self.state.step);
        let ramp = s.ramp(t, self.steps_per_epoch);
        // In f32, as the GPU gets it.
        let weight = |w: f32| f64::from(w * ramp as f32);
        self.settings.loss.entropy = weight(s.entropy_weight);
        self.settings.loss.consistency = weight(s.consistency_weight);
        self.settings.loss.balance = (s.balance_weight > 0.0).then(|| weight(s.balance_weight));
        let factor = s.learning_rate_factor(t, self.steps_per_epoch * s.epochs);
        self.settings.d_adam.lr = f64::from((f64::from(s.learning_rate) * factor) as f32);
        self.settings.g_adam.lr = f64::from((f64::from(s.generator_learning_rate) * factor) as f32);
        let data =
            step::Dataset { labelled: &self.labelled_images, labels: &self.labels, unlabelled: &self.images };
        match self.schedule.method {
            Method::Ssl => {
                Pass::Ssl(Box::new(step::gan_step(&self.model, &mut self.state, &self.settings, &data)))
            }
            Method::Supervised => Pass::Supervised(Box::new(step::supervised_step(
                &self.model,
                &mut self.state,
                &self.settings,
                &data,
            ))),
        }
    }
}

fn step_settings(s: &Settings) -> StepSettings {
    let adam = |lr: f32| AdamSettings {
        lr: f64::from(lr),
        beta1: f64::from(s.beta1),
        beta2: f64::from(s.beta2),
        eps: f64::from(s.epsilon),
        placement: if s.epsilon_inside_root { EpsPlacement::Inside } else { EpsPlacement::Outside },
    };
    let reduction = match s.feature_matching {
        settings::FeatureMatching::Mean => FeatureMatching::Mean,
        settings::FeatureMatching::Sum => FeatureMatching::Sum,
    };
    StepSettings {
        seed: s.seed,
        batch: s.batch_size,
        loss: LossSettings {
            weight: f64::from(s.adversarial_weight()),
            alpha: 1.0 - f64::from(s.label_smoothing),
            entropy: 0.0,
            consistency: 0.0,
            balance: None,
            second_view: s.consistency_weight > 0.0,
        },
        generator_loss: match s.generator_loss {
            settings::GeneratorLoss::NonSaturating => Some(GeneratorLoss::NonSaturating),
            settings::GeneratorLoss::FeatureMatching => Some(GeneratorLoss::FeatureMatching(reduction)),
            settings::GeneratorLoss::MomentMatching => Some(GeneratorLoss::MomentMatching(reduction)),
            settings::GeneratorLoss::None => None,
        },
        d_adam: adam(s.learning_rate),
        g_adam: adam(s.generator_learning_rate),
        ema_rate: f64::from(s.ema_rate),
        separate: s.discriminator_updates == settings::DiscriminatorUpdates::Separate,
    }
}

impl Pass {
    /// The tapes of the pass: (network, prefix of its tensors in a trace, the stream of its noise).
    pub fn tapes(&self) -> Vec<(&'static str, String, &Tape)> {
        match self {
            Pass::Supervised(s) => vec![("discriminator", "d_step.discriminator".into(), &s.tape)],
            Pass::Ssl(pass) => {
                let (d, g) = pass.as_ref();
                let made = d[0].generator.iter().map(|tape| ("generator", "d_step.generator".into(), tape));
                let mut all: Vec<_> = made.collect();
                let update = |(step, pass)| (format!("{step}.discriminator"), pass);
                let updates = prefixes(d.len()).into_iter().zip(d).map(update);
                all.extend(updates.map(|(name, pass)| ("discriminator", name, &pass.tape)));
                if let Some(g) = g {
                    all.push(("generator", "g_step.generator".into(), &g.generator));
                    all.push(("discriminator", "g_step.discriminator".into(), &g.discriminator));
                }
                all
            }
        }
    }

    /// Gradients of D's and G's parameters: (network, prefix of their names in a trace, values).
    pub fn gradients(&self) -> Vec<(&'static str, String, &NetParams)> {
        match self {
            Pass::Supervised(s) => {
                vec![("discriminator", "grad.discriminator".into(), &s.gradients.params)]
            }
            Pass::Ssl(pass) => {
                let (d, g) = pass.as_ref();
                let name = |step: &str| match d.len() {
                    1 => "grad.discriminator".into(),
                    _ => format!("{step}.grad.discriminator"),
                };
                let updates = prefixes(d.len()).into_iter().zip(d);
                let mut all: Vec<_> =
                    updates.map(|(step, p)| ("discriminator", name(step), &p.gradients.params)).collect();
                all.extend(g.iter().map(|g| ("generator", "grad.generator".into(), &g.gradients.params)));
                all
            }
        }
    }

    /// The numbers of the step that there are, by their names in
    /// [`StepMetrics::NAMES`](crate::train::event::StepMetrics::NAMES).
    pub fn metrics(&self) -> Vec<(&'static str, f64)> {
        let (losses, labelled): (Vec<&DiscriminatorLoss>, usize) = match self {
            Pass::Supervised(s) => (vec![&s.loss], s.labelled.len()),
            Pass::Ssl(pass) => (pass.0.iter().map(|p| &p.loss).collect(), pass.0[0].labelled.len()),
        };
        // What an update does not see counts 0 in its loss.
        let sum = |of: fn(&DiscriminatorLoss) -> f64| losses.iter().map(|l| of(l)).sum::<f64>();
        let right = sum(|l| l.correct as f64) / labelled as f64;
        let mut metrics = vec![
            ("loss_supervised", sum(|l| l.supervised)),
            ("accuracy_labelled", right),
            ("loss_discriminator", sum(|l| l.total)),
        ];
        if let Pass::Ssl(pass) = self {
            if let Some(g) = &pass.1 {
                metrics.extend([
                    ("loss_unlabelled", sum(|l| l.real)),
                    ("loss_generated", sum(|l| l.fake)),
                    ("loss_generator", g.loss),
                    ("d_unlabelled", sum(|l| l.d_real)),
                    ("d_generated", sum(|l| l.d_fake)),
                ]);
            }
            metrics.push(("entropy_unlabelled", sum(|l| l.entropy)));
            if pass.0.iter().any(|p| p.tape.groups[3].rows > 0) {
                metrics.push(("loss_consistency", sum(|l| l.consistency)));
            }
            metrics.extend(losses.iter().find_map(|l| l.balance).map(|balance| ("loss_balance", balance)));
        }
        metrics
    }

    /// How near the pass came to a kink: distance from zero of the value nearest to it that a ReLU or leaky
    /// ReLU was given, between the two largest values of a pooling window, or of two rows that minibatch
    /// discrimination compares. Nearer than f32 resolves, GPU
    /// and twin may take different sides and nothing can be compared.
    pub fn margin(&self, model: &ModelShape) -> f64 {
        let nets = |name| if name == "generator" { &model.generator } else { &model.discriminator };
        self.tapes().into_iter().map(|(name, _, tape)| margin(nets(name), tape)).fold(f64::INFINITY, f64::min)
    }
}

/// Prefixes of the tensors of D's updates in a trace.
pub fn prefixes(updates: usize) -> Vec<&'static str> {
    match updates {
        1 => vec!["d_step"],
        _ => vec!["d_step.labelled", "d_step.unlabelled", "d_step.generated"],
    }
}

fn margin(net: &NetShape, tape: &Tape) -> f64 {
    let kinks = net.layers.iter().zip(&tape.activations).flat_map(|(layer, x)| match layer.op {
        LayerOp::Relu(_) | LayerOp::LeakyRelu(_) => x.iter().map(|v| v.abs()).collect(),
        LayerOp::MaxPool2d(_) => leads(layer, x, tape.rows()),
        _ => vec![],
    });
    let distances = tape.saved.iter().zip(&net.layers).flat_map(|(saved, layer)| match layer.op {
        LayerOp::MinibatchDiscrimination(_) => apart(saved, layer.product_columns() as usize, &tape.groups),
        _ => vec![],
    });
    kinks.chain(distances).fold(f64::INFINITY, f64::min)
}

/// Differences between rows of a group, column by column: where minibatch discrimination turns.
fn apart(product: &[f64], columns: usize, groups: &[Group]) -> Vec<f64> {
    let mut rows = product.chunks_exact(columns);
    let mut all = vec![];
    for group in groups {
        let of: Vec<&[f64]> = rows.by_ref().take(group.rows).collect();
        for (i, a) in of.iter().enumerate() {
            all.extend(of[..i].iter().flat_map(|b| a.iter().zip(*b).map(|(a, b)| (a - b).abs())));
        }
    }
    all
}

/// By how much the largest value of each window leads the next.
fn leads(layer: &LayerShape, x: &[f64], rows: usize) -> Vec<f64> {
    let shape = ConvShape::of(layer, rows).unwrap();
    let channels = layer.input.channels as usize;
    let (largest, taps) = max_pool2d(x, &shape);
    let mut next = vec![f64::NEG_INFINITY; largest.len()];
    shape.for_each_tap(|out, tap, inp| {
        for (at, value) in (out * channels..).zip(&x[inp * channels..][..channels]) {
            if taps[at] != tap as u32 {
                next[at] = value.max(next[at]);
            }
        }
    });
    largest.iter().zip(next).map(|(a, b)| a - b).collect()
}
