//! The recorded training step: everything that happens on the GPU, in order, with its memory.

use super::device_data::DeviceImages;
use super::settings::{DiscriminatorUpdates, FeatureMatching, GeneratorLoss, Method, Settings};
use crate::error::Result;
use crate::gpu::{Gpu, Pool, Program, Tensor};
use crate::model::shape::ModelShape;
use crate::model::spec::Prior;
use crate::nn::{Gradients, Group, Mode, Net, Params, Tape, Wanted, initial_net};
use crate::ops::{Adam, Fill, Head, HeadRows, HeadWeights, METRICS, Ops, State, Update, Updated};
use crate::rng::streams;

/// Rows of the metrics ring: steps between two readbacks must be fewer.
pub const SLOTS: u32 = 64;

/// Images that data-dependent initialisation looks at (the paper's code: 500), or as many as this adapter can bind the
/// activations of.
const INIT_ROWS: u32 = 500;

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

    fn updated<'a>(
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
    /// z `[batch, latent]`; absent in `supervised`.
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
    /// D's input, generated rows first, then unlabelled; of the plain loss only generated ones.
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
    /// Generator (also made, untrained, for `supervised`).
    pub g: Trained,
    /// Moving average of D's parameters, from zero.
    pub average: Tensor,
    /// Ring of `[SLOTS, METRICS]`.
    pub metrics: Tensor,
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

/// Data a step draws from.
#[derive(Debug)]
pub struct Pools<'a> {
    /// The training images that some step looks at.
    pub images: &'a DeviceImages,
    /// Numbers of the labelled images among them.
    pub labelled: &'a [u32],
    /// Their classes, in that order.
    pub labels: &'a Tensor,
    /// Numbers of the unlabelled images, where they are not all.
    pub unlabelled: Option<&'a [u32]>,
}

struct Recorder<'a> {
    ops: &'a Ops,
    model: &'a ModelShape,
    settings: &'a Settings,
    pools: &'a Pools<'a>,
    labelled_pool: Tensor,
    unlabelled_pool: Option<Tensor>,
}

impl Pools<'_> {
    /// How many unlabelled images there are.
    pub fn unlabelled_count(&self) -> u32 {
        self.unlabelled.map_or(self.images.count, |u| u.len() as u32)
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
        let g = make(&model.generator, streams::INIT_G)?;
        let average = gpu.vector("average", d.net.params.layout.trained as u32);
        let metrics = gpu.tensor("metrics", SLOTS, METRICS);
        let pool = |label, numbers: &[u32]| gpu.upload(label, 1, numbers.len() as u32, numbers);
        let labelled_pool = pool("labelled pool", pools.labelled);
        let unlabelled_pool = pools.unlabelled.map(|u| pool("unlabelled pool", u));
        let r = Recorder { ops, model, settings, pools, labelled_pool, unlabelled_pool };
        let program = || if scratch.is_some() { Program::sharing() } else { Program::new() };
        let mut init = program();
        r.init(&mut init, &d.net, &g.net)?;
        let mut repack = Program::new();
        d.net.pack(ops, &mut repack)?;
        g.net.pack(ops, &mut repack)?;
        let before = gpu.memory().asked;
        let mut step = program();
        let d_step = r.d_step(&mut step, &d, &g.net, &average, &metrics)?;
        let g_step = match settings.method {
            Method::Ssl => Some(r.g_step(&mut step, &d.net, &g, &metrics)?),
            Method::Supervised => None,
        };
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
        Ok(Gan { d, g, average, metrics, init, repack, step, d_step, g_step, grown })
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

impl Recorder<'_> {
    fn adam(&self) -> Adam {
        let s = self.settings;
        Adam {
            beta1: s.beta1,
            beta2: s.beta2,
            epsilon: s.epsilon,
            inside: s.epsilon_inside_root,
            ema_rate: s.ema_rate,
        }
    }

    /// A minibatch of the labelled images as rows `start..` of x; returns (numbers, labels).
    fn labelled(&self, p: &mut Program, x: &Tensor, start: u32, rows: u32) -> Result<(Tensor, Tensor)> {
        let (indices, labels) =
            (p.scratch(&self.ops.gpu, "labelled", 1, rows), p.scratch(&self.ops.gpu, "labels", 1, rows));
        let walk = (0, streams::ORDER_LABELLED, self.pools.labelled.len() as u32);
        self.ops.minibatch(
            p,
            walk,
            Some(&self.labelled_pool),
            Some((self.pools.labels, &labels)),
            &indices,
        )?;
        self.ops.gather_images(p, &self.pools.images.blocks, Some(&indices), x, (start, rows))?;
        Ok((indices, labels))
    }

    /// Memory for so many images.
    fn images(&self, p: &mut Program, rows: u32) -> Result<Tensor> {
        let len = self.model.data.image.len();
        self.ops.gpu.binds("images", u64::from(rows) * u64::from(len) * 4, "use a smaller batch size")?;
        Ok(p.scratch(&self.ops.gpu, "images", rows, len))
    }

    /// A minibatch of the unlabelled images as rows `start..` of x; returns their numbers.
    fn unlabelled(&self, p: &mut Program, order: u32, x: &Tensor, start: u32, rows: u32) -> Result<Tensor> {
        let indices = p.scratch(&self.ops.gpu, "unlabelled", 1, rows);
        let stream = streams::ORDER_LABELLED + order;
        let walk = (order, stream, self.pools.unlabelled_count());
        self.ops.minibatch(p, walk, self.unlabelled_pool.as_ref(), None, &indices)?;
        self.ops.gather_images(p, &self.pools.images.blocks, Some(&indices), x, (start, rows))?;
        Ok(indices)
    }

    fn latent(&self, p: &mut Program, stream: u32, rows: u32) -> Result<Tensor> {
        let z = p.scratch(&self.ops.gpu, "z", rows, self.model.generator.input.channels);
        let fill = match self.model.prior {
            Prior::Uniform => Fill::Uniform,
            Prior::Normal => Fill::Normal,
        };
        self.ops.random_fill(p, "z", stream, fill, &z)?;
        Ok(z)
    }

    /// G on fresh z; the images are also rows 0.. of `x`.
    fn generate(
        &self,
        p: &mut Program,
        g: &Net,
        z_stream: u32,
        noise_base: u32,
        rows: u32,
        x: &Tensor,
    ) -> Result<(Tensor, Tape)> {
        let z = self.latent(p, z_stream, rows)?;
        let mode = Mode::Train { noise_base, groups: vec![Group { rows, update_running: true }] };
        let tape = g.forward(self.ops, p, &z, &mode, g.shape.layers.len())?;
        let images = tape.outputs.last().expect("a checked network has layers");
        self.ops.copy(p, "generated images", &images.reshape(rows, x.cols), &x.head(rows), false)?;
        Ok((z, tape))
    }

    fn init(&self, p: &mut Program, d: &Net, g: &Net) -> Result<()> {
        let ops = self.ops;
        let pixels = self.model.data.image.len();
        let (pool, count) = match self.settings.method {
            Method::Ssl => (self.unlabelled_pool.as_ref(), self.pools.unlabelled_count()),
            Method::Supervised => (Some(&self.labelled_pool), self.pools.labelled.len() as u32),
        };
        let rows = g.rows_that_fit(&ops.gpu, d.rows_that_fit(&ops.gpu, INIT_ROWS.min(count)));
        let x = p.scratch(&ops.gpu, "initialisation images", rows, pixels);
        let indices = p.scratch(&ops.gpu, "initialisation", 1, rows);
        ops.minibatch(p, (3, streams::ORDER_INIT, count), pool, None, &indices)?;
        ops.gather_images(p, &self.pools.images.blocks, Some(&indices), &x, (0, rows))?;
        let groups = vec![Group { rows, update_running: false }];
        let mode = Mode::Train { noise_base: streams::NOISE_INIT, groups: groups.clone() };
        d.data_init(ops, p, &x, &mode)?;
        if self.settings.method == Method::Ssl {
            let z = self.latent(p, streams::Z_SAMPLES, rows)?;
            let mode = Mode::Train { noise_base: streams::NOISE_INIT_G, groups };
            g.data_init(ops, p, &z, &mode)?;
        }
        Ok(())
    }

    fn d_step(
        &self,
        p: &mut Program,
        d: &Trained,
        g: &Net,
        average: &Tensor,
        metrics: &Tensor,
    ) -> Result<DStep> {
        let (ops, s) = (self.ops, self.settings);
        let rows = match s.method {
            Method::Ssl => HeadRows {
                generated: s.batch_size,
                labelled: s.batch_size.min(self.pools.labelled.len() as u32),
                unlabelled: s.batch_size,
                second: if s.consistency_weight > 0.0 { s.batch_size } else { 0 },
            },
            // A walk, not a pass: a batch larger than the labelled set goes round it.
            Method::Supervised => HeadRows { generated: 0, labelled: s.batch_size, unlabelled: 0, second: 0 },
        };
        let weights = HeadWeights {
            unsupervised: s.unsupervised_weight,
            real_target: 1.0 - s.label_smoothing,
            entropy: s.entropy_weight,
            consistency: s.consistency_weight,
        };
        let row_stats = p.scratch(&ops.gpu, "row statistics", rows.total(), 4);
        let (mut z, mut generator, mut labelled, mut unlabelled) = (None, None, None, None);
        let mut updates: Vec<DUpdate> = vec![];
        let all = UpdateRows::of(s.discriminator_updates, rows);
        for (i, &of) in all.iter().enumerate() {
            let r = of.rows;
            let x = self.images(p, r.total())?;
            if r.generated > 0 {
                let base = streams::NOISE_G_IN_D_STEP;
                let (zz, tape) = self.generate(p, g, streams::Z_D_STEP, base, r.generated, &x)?;
                (z, generator) = (Some(zz), Some(tape));
            }
            if r.labelled > 0 {
                labelled = Some(self.labelled(p, &x, r.generated, r.labelled)?);
            }
            if r.unlabelled > 0 {
                let start = r.generated + r.labelled;
                let indices = self.unlabelled(p, 1, &x, start, r.unlabelled)?;
                if r.second > 0 {
                    let rows = (start + r.unlabelled, r.second);
                    ops.gather_images(p, &self.pools.images.blocks, Some(&indices), &x, rows)?;
                }
                unlabelled = Some(indices);
            }
            let groups = vec![
                Group { rows: r.generated, update_running: false },
                Group { rows: r.labelled, update_running: true },
                Group { rows: r.unlabelled, update_running: true },
                Group { rows: r.second, update_running: false },
            ];
            let mode = Mode::Train { noise_base: of.noise_base, groups };
            let layers = d.net.shape.layers.len();
            let tape = d.net.forward(ops, p, &x, &mode, layers)?;
            let logits = tape.outputs.last().expect("a checked network has layers").clone();
            let dlogits = p.scratch(&ops.gpu, "logits gradient", logits.rows, logits.cols);
            let (_, labels) = labelled.as_ref().expect("the first update has the labelled rows");
            let head = Head {
                logits: &logits,
                labels,
                rows: r,
                weights,
                dlogits: &dlogits,
                row_stats: &row_stats,
                first: of.first,
            };
            ops.head(p, head)?;
            let grads = ops.gpu.vector("gradients", d.net.params.layout.trained as u32);
            let wanted = Wanted::Parameters(&grads);
            let gradients = d.net.backward(ops, p, &tape, layers - 1, &dlogits, wanted)?;
            let last = i + 1 == all.len();
            if last {
                ops.head_metrics(p, rows, weights, &row_stats, metrics)?;
            }
            // The average moves once a step, however many updates that has.
            let updated = d.updated(&grads, last.then_some(average), metrics);
            ops.adam(p, &self.adam(), Update::Discriminator(i as u32), updated)?;
            d.net.pack(ops, p)?;
            updates.push(DUpdate { of, images: x, pass: Pass { tape, gradients }, dlogits, grads });
        }
        let labelled = labelled.expect("every step has labelled rows");
        Ok(DStep { z, generator, labelled, unlabelled, rows, updates })
    }

    fn g_step(&self, p: &mut Program, d: &Net, g: &Trained, metrics: &Tensor) -> Result<GStep> {
        let (ops, s) = (self.ops, self.settings);
        let rows = s.batch_size;
        let matching = s.generator_loss == GeneratorLoss::FeatureMatching;
        let groups = vec![Group { rows, update_running: false }; if matching { 2 } else { 1 }];
        let all = rows * groups.len() as u32;
        let x = self.images(p, all)?;
        let (z, g_tape) =
            self.generate(p, &g.net, streams::Z_G_STEP, streams::NOISE_G_IN_G_STEP, rows, &x)?;
        let unlabelled = matching.then(|| self.unlabelled(p, 2, &x, rows, rows)).transpose()?;
        let mode = Mode::Train { noise_base: streams::NOISE_G_STEP, groups };
        let last = match matching {
            true => d.shape.feature().expect("a checked discriminator has a feature layer"),
            false => d.shape.layers.len() - 1,
        };
        let d_tape = d.forward(ops, p, &x, &mode, last + 1)?;
        let width = d.shape.layers[last].output.len();
        let f = d_tape.outputs[last].reshape(all, width);
        // Gradients go to generated rows; where the rows are joined by batch norm, through all of them.
        let reached = if d.joins_rows() { all } else { rows };
        let df = p.scratch(&ops.gpu, "feature gradient", reached, width);
        if matching {
            let mean = s.feature_matching == FeatureMatching::Mean;
            ops.feature_matching(p, &f, rows, mean, &df, metrics)?;
        } else {
            ops.generator_loss(p, &f, &df, metrics)?;
        }
        let d_gradients = d.backward(ops, p, &d_tape, last, &df, Wanted::Input)?;
        let dx = d_gradients.input.as_ref().expect("asked for").clone();
        let image = self.model.data.image;
        let out = self.model.generator.output();
        let dimages = dx.reshape(reached, image.len()).head(rows).reshape(rows * out.pixels(), out.channels);
        let layers = g.net.shape.layers.len();
        let grads = ops.gpu.vector("gradients", g.net.params.layout.trained as u32);
        let wanted = Wanted::Parameters(&grads);
        let g_gradients = g.net.backward(ops, p, &g_tape, layers - 1, &dimages, wanted)?;
        ops.adam(p, &self.adam(), Update::Generator, g.updated(&grads, None, metrics))?;
        g.net.pack(ops, p)?;
        Ok(GStep {
            z,
            images: x,
            unlabelled,
            d: Pass { tape: d_tape, gradients: d_gradients },
            df,
            g: Pass { tape: g_tape, gradients: g_gradients },
            grads,
        })
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

/// Bias correction of a moving average after `updates` updates.
pub fn ema_scale(rate: f32, updates: u32) -> f32 {
    // A rate below 1e-16 is lost in 1 - rate.
    (-1.0 / (f64::from(updates.max(1)) * (-f64::from(rate)).ln_1p()).exp_m1()) as f32
}
