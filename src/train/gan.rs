//! The recorded training step: everything that happens on the GPU, in order, with its memory.

use super::device_data::DeviceImages;
use super::host_images::HostImages;
use super::settings::{DiscriminatorUpdates, Method, Settings};
use super::step_builder::StepBuilder;
use super::storage::Images;
use crate::data::Split;
use crate::error::Result;
use crate::gpu::{Gpu, Pool, Program, Tensor};
use crate::model::shape::ModelShape;
use crate::nn::{Gradients, Net, Params, Tape, initial_net};
use crate::ops::{HeadRows, METRICS, Ops, State, Updated};
use crate::rng::streams;

/// Rows of the metrics ring: steps between two readbacks must be fewer.
pub const SLOTS: u32 = 64;
/// What a value of the ring has until a step writes it: a NaN that arithmetic does not make.
pub const UNWRITTEN: u32 = 0x7fc5_5aa5;

/// A network in training: Adam's moments beside its parameters.
#[derive(Debug)]
pub struct Trained {
    /// The network.
    pub net: Net,
    /// First moments.
    pub moment1: Tensor,
    /// Second moments.
    pub moment2: Tensor,
}

impl Trained {
    fn new(ops: &Ops, net: Net) -> Trained {
        let n = net.params.layout.trained as u32;
        Trained {
            moment1: ops.gpu.vector("first moments", n),
            moment2: ops.gpu.vector("second moments", n),
            net,
        }
    }

    pub(super) fn updated<'a>(
        &'a self,
        grads: &'a Tensor,
        average: Option<&'a Tensor>,
        metrics: &'a Tensor,
    ) -> Updated<'a> {
        let (moment1, moment2) = (&self.moment1, &self.moment2);
        Updated { weights: &self.net.params.trained, grads, moment1, moment2, average, metrics }
    }
}

/// What one pass through a network left, for `trace-step` and the tests.
#[derive(Debug)]
pub struct Pass {
    /// Activations.
    pub tape: Tape,
    /// Gradients by activations.
    pub gradients: Gradients,
}

/// Tensors of the D step.
#[derive(Debug)]
pub struct DStep {
    /// z `[batch, latent]`; absent without a generator.
    pub z: Option<Tensor>,
    /// G's activations.
    pub generator: Option<Tape>,
    /// Image numbers of the labelled rows (within the training set) and their labels.
    pub labelled: (Tensor, Tensor),
    /// Image numbers of the unlabelled rows.
    pub unlabelled: Option<Tensor>,
    /// How many rows of each.
    pub rows: HeadRows,
    /// D's updates, one or three.
    pub updates: Vec<DUpdate>,
}

/// An update of D: a forward and a backward pass, then Adam.
#[derive(Debug)]
pub struct DUpdate {
    /// Its rows.
    pub of: UpdateRows,
    /// D's input, the rows in the order generated, labelled, unlabelled, the unlabelled ones again.
    pub images: Tensor,
    /// D's pass.
    pub pass: Pass,
    /// Gradient by the logits.
    pub dlogits: Tensor,
    /// Gradients by D's parameters.
    pub grads: Tensor,
}

/// Which rows of a D step an update sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpdateRows {
    /// `labelled`, `unlabelled` or `generated`; nothing where it sees all of them.
    pub name: &'static str,
    /// How many rows of each.
    pub rows: HeadRows,
    /// Number of its first row in the whole step's.
    pub first: u32,
    /// Stream of the noise of layer 0.
    pub noise_base: u32,
}

impl UpdateRows {
    /// Prefix of its tensors in a trace.
    pub fn step_name(&self) -> String {
        if self.name.is_empty() { "d_step".into() } else { format!("d_step.{}", self.name) }
    }

    /// The updates of a step with these rows, in order.
    pub fn of(updates: DiscriminatorUpdates, rows: HeadRows) -> Vec<UpdateRows> {
        let HeadRows { generated, labelled, unlabelled, second } = rows;
        let none = HeadRows { generated: 0, labelled: 0, unlabelled: 0, second: 0 };
        let [later, last] = streams::NOISE_D_STEP_LATER;
        let update = |name, rows, first, noise_base| UpdateRows { name, rows, first, noise_base };
        match updates {
            DiscriminatorUpdates::Joint => vec![update("", rows, 0, streams::NOISE_D_STEP)],
            DiscriminatorUpdates::Separate => vec![
                update("labelled", HeadRows { labelled, ..none }, generated, streams::NOISE_D_STEP),
                update("unlabelled", HeadRows { unlabelled, second, ..none }, generated + labelled, later),
                update("generated", HeadRows { generated, ..none }, 0, last),
            ],
        }
    }
}

/// Tensors of the G step.
#[derive(Debug)]
pub struct GStep {
    /// z `[batch, latent]`
    pub z: Tensor,
    /// D's input, generated rows first, then unlabelled; of the non-saturating loss only generated ones.
    pub images: Tensor,
    /// Image numbers of the unlabelled rows.
    pub unlabelled: Option<Tensor>,
    /// D's pass, to the feature layer or to the logits.
    pub d: Pass,
    /// Gradient by the features or by the logits.
    pub df: Tensor,
    /// G's pass.
    pub g: Pass,
    /// Gradients by G's parameters.
    pub grads: Tensor,
}

/// The training step of a method, recorded once.
#[derive(Debug)]
pub struct Gan {
    /// Discriminator.
    pub d: Trained,
    /// Generator, if one is trained.
    pub g: Option<Trained>,
    /// Moving average of D's parameters, from zero.
    pub average: Tensor,
    /// Ring of `[SLOTS, METRICS]`.
    pub metrics: Tensor,
    /// The ring before steps write it.
    pub unwritten: Tensor,
    /// Data-dependent initialisation and the first packing.
    pub init: Program,
    /// Packing alone, after loading a checkpoint.
    pub repack: Program,
    /// One whole step.
    pub step: Program,
    /// The D step's tensors.
    pub d_step: DStep,
    /// The G step's tensors.
    pub g_step: Option<GStep>,
    /// Bytes of the step's tensors, which grow with the minibatch.
    pub grown: u64,
}

/// Where the training images are that some step looks at.
#[derive(Debug)]
pub(super) enum TrainingImages {
    /// All of them on the device.
    Device(DeviceImages),
    /// In main memory, from where every step gets its own.
    Host(HostImages),
}

/// Data a step draws from.
#[derive(Debug)]
pub(super) struct Pools<'a> {
    /// The training images that some step looks at.
    pub images: &'a TrainingImages,
    /// Numbers of the labelled images among them.
    pub labelled: &'a [u32],
    /// Their classes, in that order.
    pub labels: &'a Tensor,
    /// Numbers of the unlabelled images, where they are not all.
    pub unlabelled: Option<&'a [u32]>,
    /// How many unlabelled images there are.
    pub unlabelled_count: u32,
}

impl TrainingImages {
    /// The images of a split, or those with the `chosen` numbers, of so many values each.
    ///
    /// # Errors
    /// As [`DeviceImages::upload`].
    pub fn new(
        gpu: &Gpu,
        (split, pixels): (&Split, u32),
        chosen: Option<&[u32]>,
        images: Images,
    ) -> Result<TrainingImages> {
        let most_bytes = match images {
            Images::Host => return Ok(TrainingImages::Host(HostImages::new(split, pixels))),
            Images::Auto | Images::Device => None,
            Images::Blocks(bytes) => Some(bytes),
        };
        DeviceImages::upload(gpu, split, pixels, chosen, most_bytes).map(TrainingImages::Device)
    }

    /// Those that are in main memory.
    pub fn on_host(self) -> Option<HostImages> {
        match self {
            TrainingImages::Device(_) => None,
            TrainingImages::Host(images) => Some(images),
        }
    }
}

impl Gan {
    /// Records the step of `settings.method`, uploading fresh parameters. What the step makes on its way lies in
    /// `scratch`, overwritten as soon as nothing needs it; without it everything keeps memory of its own and can be read.
    ///
    /// # Errors
    /// As [`Params::new`] and [`Net::forward`].
    pub fn new(
        ops: &Ops,
        model: &ModelShape,
        settings: &Settings,
        pools: &Pools<'_>,
        scratch: Option<&mut Pool>,
    ) -> Result<Gan> {
        let gpu = &ops.gpu;
        let make = |shape, stream| -> Result<Trained> {
            let net = Net::new(ops, shape, Params::new(gpu, shape)?);
            upload_initial(gpu, &net, settings.seed, stream);
            Ok(Trained::new(ops, net))
        };
        let d = make(&model.discriminator, streams::INIT_D)?;
        let g = settings.has_generator().then(|| make(&model.generator, streams::INIT_G)).transpose()?;
        let g_net = g.as_ref().map(|g| &g.net);
        let average = gpu.vector("average", d.net.params.layout.trained as u32);
        let metrics = gpu.tensor("metrics", SLOTS, METRICS);
        let unwritten =
            gpu.upload("unwritten metrics", SLOTS, METRICS, &[UNWRITTEN; (SLOTS * METRICS) as usize]);
        let pool = |label, numbers: &[u32]| gpu.upload(label, 1, numbers.len() as u32, numbers);
        let labelled_pool = pool("labelled pool", pools.labelled);
        let unlabelled_pool = pools.unlabelled.map(|u| pool("unlabelled pool", u));
        let r = StepBuilder { ops, model, settings, pools, labelled_pool, unlabelled_pool };
        let program = || if scratch.is_some() { Program::sharing() } else { Program::new() };
        let mut init = program();
        r.init(&mut init, &d.net, g_net)?;
        let mut repack = Program::new();
        d.net.pack(ops, &mut repack)?;
        g_net.map_or(Ok(()), |g| g.pack(ops, &mut repack))?;
        let before = gpu.memory().asked;
        let mut step = program();
        let d_step = r.d_step(&mut step, &d, g_net, &average, &metrics)?;
        let g_step = g.as_ref().map(|g| r.g_step(&mut step, &d.net, g, &metrics)).transpose()?;
        let fixed = d_step.updates.iter().map(|u| &u.grads).chain(g_step.as_ref().map(|s| &s.grads));
        let fixed = fixed.map(Tensor::bytes).sum::<u64>();
        let grown = match scratch {
            Some(pool) => {
                step.plan(gpu, pool);
                let grown = gpu.memory().asked - before - fixed;
                init.plan(gpu, pool);
                grown
            }
            None => gpu.memory().asked - before - fixed,
        };
        Ok(Gan { d, g, average, metrics, unwritten, init, repack, step, d_step, g_step, grown })
    }
}

impl Gan {
    /// The networks that are trained: D, and G if there is one.
    pub fn nets(&self) -> impl Iterator<Item = &Trained> {
        std::iter::once(&self.d).chain(&self.g)
    }
}

fn upload_initial(gpu: &Gpu, net: &Net, seed: u64, stream: u32) {
    let values = initial_net(&net.shape, seed, stream);
    for (i, layer) in values.iter().enumerate() {
        for (slot, v) in net.params.layout.layers[i].iter().zip(layer) {
            if let Some(t) = net.params.get(i, slot.name) {
                gpu.write(&t, v);
            }
        }
    }
}

/// The step constants of step `t` (from 0).
pub fn state_at(settings: &Settings, t: u32, labelled: u32, unlabelled: u32) -> State {
    let walk = |batch: u32, n: u32| {
        let at = u64::from(t) * u64::from(batch);
        ((at / u64::from(n)) as u32, (at % u64::from(n)) as u32)
    };
    let s = settings;
    let (le, lp) = match s.method {
        Method::Ssl => walk(s.batch_size.min(labelled), labelled),
        Method::Supervised => walk(s.batch_size, labelled),
    };
    let (ue, up) = walk(s.batch_size, unlabelled);
    let steps_per_epoch = s.steps_per_epoch(labelled, unlabelled);
    let factor = s.learning_rate_factor(t, steps_per_epoch.saturating_mul(s.epochs));
    // D's updates of a step are those of its losses, G's is one.
    let updates = match s.discriminator_updates {
        DiscriminatorUpdates::Joint => 1.0,
        DiscriminatorUpdates::Separate => 3.0,
    };
    let before = f64::from(t) * updates;
    let counts = [before + 1.0, before + 2.0, before + 3.0, f64::from(t) + 1.0];
    let correction = |beta: f32| counts.map(|n| (1.0 / (1.0 - f64::from(beta).powf(n))) as f32);
    State {
        seed_lo: s.seed as u32,
        seed_hi: (s.seed >> 32) as u32,
        step: t,
        slot: t % SLOTS,
        epoch: [le, ue, ue, 0],
        position: [lp, up, up, 0],
        learning_rate_d: (f64::from(s.learning_rate) * factor) as f32,
        learning_rate_g: (f64::from(s.generator_learning_rate) * factor) as f32,
        ema_scale: ema_scale(s.ema_rate, t + 1),
        ramp: s.ramp(t, steps_per_epoch) as f32,
        correction1: correction(s.beta1),
        correction2: correction(s.beta2),
    }
}

/// What corrects the bias of a moving average after `updates` updates: 1 over the sum of the weights of all values in it, of the decay
/// that the shader has in f32.
pub fn ema_scale(rate: f32, updates: u32) -> f32 {
    let n = f64::from(updates.max(1));
    let lost = 1.0 - f64::from(1.0 - rate);
    // The weights are rate (1 - lost)^i.
    let sum = if lost == 0.0 { n } else { -(n * (-lost).ln_1p()).exp_m1() / lost };
    (1.0 / (f64::from(rate) * sum)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The average of a value that stays is that value, for every rate that can be set.
    #[test]
    fn the_average_is_corrected_for_the_decay_that_it_has() {
        for (rate, updates) in
            [(1.0, 3), (0.01, 1), (0.01, 500), (1e-5, 300_000), (1e-7, 40_000_000), (1e-9, 1000)]
        {
            let decay = f64::from(1.0f32 - rate);
            let of = |n: u32| f64::from(rate) * (0..n).fold(0.0, |sum, _| decay * sum + 1.0);
            let (average, scale) = (of(updates), f64::from(ema_scale(rate, updates)));
            assert!((average * scale - 1.0).abs() < 1e-6, "{rate}, {updates}: {}", average * scale);
        }
    }

    /// 16-bit floats keep small numbers where it is said that an operand holds gradients: in every product that has any.
    #[cfg(feature = "native")]
    #[test]
    fn gradients_are_said_to_be() {
        use crate::checks::steps::models::{CNN_SEPARATE, data_set, model};
        use crate::checks::steps::{IMAGES, ssl};
        use crate::native::BlockOn;
        use crate::ops::{GradientIn, RECORDED};
        use crate::train::settings::GeneratorLoss;
        let gpu = crate::native::open(&Default::default()).unwrap();
        let model = model(CNN_SEPARATE, 6, 1);
        let settings = Settings { generator_loss: GeneratorLoss::MomentMatching, ..ssl() };
        RECORDED.take();
        crate::train::Trainer::new(&gpu, &model, &settings, &data_set(&model, IMAGES)).block_on().unwrap();
        let all = RECORDED.take();
        let of = |what: &str| all.iter().filter(|(label, _)| label.contains(what)).collect::<Vec<_>>();
        for (label, gradient_in) in of("weight gradient") {
            let wanted = if label.contains("conv_transpose2d") { GradientIn::B } else { GradientIn::A };
            assert_eq!(*gradient_in, wanted, "{label}");
        }
        assert!(of("data gradient").iter().all(|(_, gradient_in)| *gradient_in == GradientIn::A));
        let matching: Vec<_> = of("feature matching").iter().map(|(_, gradient_in)| *gradient_in).collect();
        assert_eq!(matching, [GradientIn::B, GradientIn::A], "of {all:#?}");
        let others = all
            .iter()
            .filter(|(label, _)| !label.contains("gradient") && !label.contains("feature matching"));
        assert!(
            others.clone().count() > 5 && others.clone().all(|(_, g)| *g == GradientIn::Neither),
            "of {all:#?}"
        );
        assert!(of("weight gradient").len() > 5 && of("data gradient").len() > 5);
    }
}
