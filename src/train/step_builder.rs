//! Records the training step: which kernels run in which order, on what.

use super::gan::{DStep, DUpdate, GStep, Pass, Pools, Trained, TrainingImages, UpdateRows};
use super::host_images::{INITIALISATION, LABELLED, UNLABELLED_D, UNLABELLED_G, Walk};
use super::settings::{FeatureMatching, GeneratorLoss, Method, Settings};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Program, Tensor};
use crate::model::shape::{ModelShape, NetShape};
use crate::model::spec::Prior;
use crate::nn::{Group, Mode, Net, Tape, Wanted};
use crate::ops::{Adam, Balance, Features, Fill, Head, HeadRows, HeadWeights, Ops, Update};
use crate::rng::streams;

/// Images that data-dependent initialisation looks at (the paper's code: 500), or as many as this adapter can bind the
/// activations of.
const INIT_ROWS: u32 = 500;

/// The rows of a D step with minibatches of `batch` images, of which `labelled` have a label.
fn rows_of_d(s: &Settings, batch: u32, labelled: u32) -> HeadRows {
    match s.method {
        Method::Ssl => HeadRows {
            generated: if s.has_generator() { batch } else { 0 },
            labelled: batch.min(labelled),
            unlabelled: batch,
            second: if s.consistency_weight > 0.0 { batch } else { 0 },
        },
        // A walk, not a pass: a batch larger than the labelled set goes round it.
        Method::Supervised => HeadRows { generated: 0, labelled: batch, unlabelled: 0, second: 0 },
    }
}

/// The rows of a D step as batch norm has them: each kind for itself, and running statistics of the data alone, once.
fn groups_of_d(r: HeadRows) -> Vec<Group> {
    vec![
        Group { rows: r.generated, update_running: false },
        Group { rows: r.labelled, update_running: true },
        Group { rows: r.unlabelled, update_running: true },
        Group { rows: r.second, update_running: false },
    ]
}

fn head_weights(s: &Settings) -> HeadWeights {
    HeadWeights {
        unsupervised: s.adversarial_weight(),
        real_target: 1.0 - s.label_smoothing,
        entropy: s.entropy_weight,
        consistency: s.consistency_weight,
        balance: s.balance_weight,
    }
}

/// The largest size of a minibatch up to that of the settings, or the next multiple of 16 below, of which an adapter can bind
/// the activations of both networks; of the images `labelled` have a label. What products take besides is not looked at.
pub fn batch_that_fits(gpu: &Gpu, model: &ModelShape, settings: &Settings, labelled: u32) -> u32 {
    let most_rows = |net: &NetShape| gpu.max_binding() / (4 * u64::from(net.largest().max(1)));
    let (d, g) = (most_rows(&model.discriminator), most_rows(&model.generator));
    let fits = |batch: u32| {
        let rows = rows_of_d(settings, batch, labelled);
        let updates = UpdateRows::of(settings.discriminator_updates, rows);
        // The G step has generated and unlabelled rows.
        let (of_g, made) = if settings.has_generator() { (2 * batch, batch) } else { (0, 0) };
        let most = updates.iter().map(|u| u.rows.total()).fold(of_g, u32::max);
        u64::from(most) <= d && u64::from(made) <= g
    };
    let below = (1..=settings.batch_size.saturating_sub(1) / 16).rev().map(|n| 16 * n);
    std::iter::once(settings.batch_size).chain(below).find(|&batch| fits(batch)).unwrap_or(1)
}

const NO_GENERATOR: &str = "a step of G is recorded where there is a G";

/// The layer of D whose output the loss of G is made from.
fn layer_of_g_loss(loss: GeneratorLoss, d: &NetShape) -> Result<usize> {
    let why = "D's only product is given the images themselves; use `generator_loss = feature_matching`";
    match loss {
        GeneratorLoss::FeatureMatching => {
            Ok(d.feature().expect("a checked discriminator has a feature layer"))
        }
        GeneratorLoss::MomentMatching => {
            d.below_last_affine().ok_or_else(|| Error::Usage(format!("generator_loss: {why}")))
        }
        GeneratorLoss::NonSaturating => Ok(d.layers.len() - 1),
        GeneratorLoss::None => unreachable!("{NO_GENERATOR}"),
    }
}

/// What an update of D sees, and where it is from.
struct ImagesOfD {
    images: Tensor,
    /// z, and G's activations.
    generated: Option<(Tensor, Tape)>,
    /// Image numbers and labels.
    labelled: Option<(Tensor, Tensor)>,
    /// Image numbers.
    unlabelled: Option<Tensor>,
}

/// What the step is recorded from.
pub(super) struct StepBuilder<'a> {
    pub ops: &'a Ops,
    pub model: &'a ModelShape,
    pub settings: &'a Settings,
    pub pools: &'a Pools<'a>,
    /// The numbers of the labelled images.
    pub labelled_pool: Tensor,
    /// Those of the unlabelled ones, where they are not all.
    pub unlabelled_pool: Option<Tensor>,
}

impl StepBuilder<'_> {
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

    /// The walk through the images at this place in the state.
    fn walk(&self, order: u32) -> Walk {
        let stream = match order {
            INITIALISATION => streams::ORDER_INIT,
            _ => streams::ORDER_LABELLED + order,
        };
        let n = match self.is_labelled(order) {
            true => self.pools.labelled.len() as u32,
            false => self.pools.unlabelled_count,
        };
        Walk { order, stream, n }
    }

    /// Whether a walk goes through the labelled images.
    fn is_labelled(&self, order: u32) -> bool {
        order == LABELLED || order == INITIALISATION && self.settings.method == Method::Supervised
    }

    /// Numbers of the next images of a walk, and their labels if they are wanted.
    fn minibatch(
        &self,
        p: &mut Program,
        order: u32,
        labels: Option<(&Tensor, &Tensor)>,
        indices: &Tensor,
    ) -> Result<()> {
        let Walk { order, stream, n } = self.walk(order);
        let labelled = self.is_labelled(order).then_some(&self.labelled_pool);
        let pool = labelled.or(self.unlabelled_pool.as_ref());
        self.ops.minibatch(p, (order, stream, n), pool, labels, indices)
    }

    /// The images of a walk's minibatch, which have these numbers, as rows `start..start + rows` of x.
    fn gather(
        &self,
        p: &mut Program,
        order: u32,
        indices: &Tensor,
        x: &Tensor,
        (start, rows): (u32, u32),
    ) -> Result<()> {
        match self.pools.images {
            TrainingImages::Device(images) => {
                self.ops.gather_images(p, &images.blocks, Some(indices), x, (start, rows))
            }
            TrainingImages::Host(images) => {
                let labelled = self.is_labelled(order).then_some(self.pools.labelled);
                let pool = labelled.or(self.pools.unlabelled);
                let block = images.minibatch(&self.ops.gpu, self.walk(order), pool, rows);
                self.ops.gather_images(p, &[block], None, x, (start, rows))
            }
        }
    }

    /// A minibatch of the labelled images as rows `start..` of x; returns (numbers, labels).
    fn labelled(&self, p: &mut Program, x: &Tensor, start: u32, rows: u32) -> Result<(Tensor, Tensor)> {
        let (indices, labels) =
            (p.scratch(&self.ops.gpu, "labelled", 1, rows), p.scratch(&self.ops.gpu, "labels", 1, rows));
        self.minibatch(p, LABELLED, Some((self.pools.labels, &labels)), &indices)?;
        self.gather(p, LABELLED, &indices, x, (start, rows))?;
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
        self.minibatch(p, order, None, &indices)?;
        self.gather(p, order, &indices, x, (start, rows))?;
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

    pub fn init(&self, p: &mut Program, d: &Net, g: Option<&Net>) -> Result<()> {
        let ops = self.ops;
        let pixels = self.model.data.image.len();
        let wanted = INIT_ROWS.min(self.walk(INITIALISATION).n);
        let rows =
            g.iter().fold(d.rows_that_fit(&ops.gpu, wanted), |rows, g| g.rows_that_fit(&ops.gpu, rows));
        let x = p.scratch(&ops.gpu, "initialisation images", rows, pixels);
        let indices = p.scratch(&ops.gpu, "initialisation", 1, rows);
        self.minibatch(p, INITIALISATION, None, &indices)?;
        self.gather(p, INITIALISATION, &indices, &x, (0, rows))?;
        let groups = vec![Group { rows, update_running: false }];
        let mode = Mode::Train { noise_base: streams::NOISE_INIT, groups: groups.clone() };
        d.data_init(ops, p, &x, &mode)?;
        if let Some(g) = g {
            let z = self.latent(p, streams::Z_INIT, rows)?;
            let mode = Mode::Train { noise_base: streams::NOISE_INIT_G, groups };
            g.data_init(ops, p, &z, &mode)?;
        }
        Ok(())
    }

    /// The images of an update of D, from G and from the data.
    fn images_of_d(&self, p: &mut Program, g: Option<&Net>, r: HeadRows) -> Result<ImagesOfD> {
        let images = self.images(p, r.total())?;
        let mut of = ImagesOfD { images, generated: None, labelled: None, unlabelled: None };
        if let Some(g) = g.filter(|_| r.generated > 0) {
            let base = streams::NOISE_G_IN_D_STEP;
            of.generated = Some(self.generate(p, g, streams::Z_D_STEP, base, r.generated, &of.images)?);
        }
        if r.labelled > 0 {
            of.labelled = Some(self.labelled(p, &of.images, r.generated, r.labelled)?);
        }
        if r.unlabelled > 0 {
            let start = r.generated + r.labelled;
            let indices = self.unlabelled(p, UNLABELLED_D, &of.images, start, r.unlabelled)?;
            if r.second > 0 {
                let rows = (start + r.unlabelled, r.second);
                self.gather(p, UNLABELLED_D, &indices, &of.images, rows)?;
            }
            of.unlabelled = Some(indices);
        }
        Ok(of)
    }

    pub fn d_step(
        &self,
        p: &mut Program,
        d: &Trained,
        g: Option<&Net>,
        average: &Tensor,
        metrics: &Tensor,
    ) -> Result<DStep> {
        let (ops, s) = (self.ops, self.settings);
        let rows = rows_of_d(s, s.batch_size, self.pools.labelled.len() as u32);
        let weights = head_weights(s);
        let row_stats = p.scratch(&ops.gpu, "row statistics", rows.total(), 4);
        let (mut generated, mut labelled, mut unlabelled) = (None, None, None);
        let mut updates: Vec<DUpdate> = vec![];
        let all = UpdateRows::of(s.discriminator_updates, rows);
        for (i, &of) in all.iter().enumerate() {
            let r = of.rows;
            let new = self.images_of_d(p, g, r)?;
            generated = new.generated.or(generated);
            labelled = new.labelled.or(labelled);
            unlabelled = new.unlabelled.or(unlabelled);
            let mode = Mode::Train { noise_base: of.noise_base, groups: groups_of_d(r) };
            let layers = d.net.shape.layers.len();
            let tape = d.net.forward(ops, p, &new.images, &mode, layers)?;
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
            if weights.balance > 0.0 && r.unlabelled > 0 {
                let (rows, weight) = (r.first_view(), weights.balance);
                let of = Balance { logits: &logits, rows, weight, dlogits: &dlogits };
                ops.balance(p, of, metrics)?;
            }
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
            updates.push(DUpdate { of, images: new.images, pass: Pass { tape, gradients }, dlogits, grads });
        }
        let labelled = labelled.expect("every step has labelled rows");
        let (z, generator) = generated.unzip();
        Ok(DStep { z, generator, labelled, unlabelled, rows, updates })
    }

    pub fn g_step(&self, p: &mut Program, d: &Net, g: &Trained, metrics: &Tensor) -> Result<GStep> {
        let (ops, s) = (self.ops, self.settings);
        let rows = s.batch_size;
        let matching = s.generator_loss != GeneratorLoss::NonSaturating;
        let groups = vec![Group { rows, update_running: false }; if matching { 2 } else { 1 }];
        let all = rows * groups.len() as u32;
        let x = self.images(p, all)?;
        let (z, g_tape) =
            self.generate(p, &g.net, streams::Z_G_STEP, streams::NOISE_G_IN_G_STEP, rows, &x)?;
        let unlabelled = matching.then(|| self.unlabelled(p, UNLABELLED_G, &x, rows, rows)).transpose()?;
        let mode = Mode::Train { noise_base: streams::NOISE_G_STEP, groups };
        let last = layer_of_g_loss(s.generator_loss, &d.shape)?;
        let d_tape = d.forward(ops, p, &x, &mode, last + 1)?;
        let width = d.shape.layers[last].output.len();
        let f = d_tape.outputs[last].reshape(all, width);
        // Gradients go to generated rows; where the rows are joined by batch norm, through all of them.
        let reached = if d.joins_rows() { all } else { rows };
        let df = p.scratch(&ops.gpu, "feature gradient", reached, width);
        let mean = s.feature_matching == FeatureMatching::Mean;
        let features = Features { f: &f, generated: rows, mean };
        match s.generator_loss {
            GeneratorLoss::FeatureMatching => ops.feature_matching(p, features, &df, metrics)?,
            GeneratorLoss::MomentMatching => ops.moment_matching(p, features, &df, metrics)?,
            GeneratorLoss::NonSaturating => ops.generator_loss(p, &f, &df, metrics)?,
            GeneratorLoss::None => unreachable!("{NO_GENERATOR}"),
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
