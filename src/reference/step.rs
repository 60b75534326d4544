//! The whole training step. A `*_pass` computes losses and gradients and changes nothing; a `*_step` runs
//! it and applies running statistics, Adam and the moving average.
//!
//! D sees one stacked batch, generated rows first: `[generated | labelled | unlabelled]` in its own step (and with a
//! consistency weight the unlabelled images a second time), `[generated | unlabelled]` in G's. Noise and dropout number the values of the stacked batch row by row.

use super::NetParams;
pub use super::batch::{Dataset, gather, latent, minibatch};
use super::init::{data_init, init_params};
use super::loss::{
    DiscriminatorLoss, GeneratorLoss, LossSettings, discriminator_loss, feature_matching, generator_loss,
    moment_matching,
};
use super::net::{Gradients, Group, Mode, Tape, backward, forward, update_running};
use super::optimizer::{AdamSettings, Moments, adam, ema, zeros};
use crate::model::shape::ModelShape;
use crate::rng::streams;

/// Everything that training changes.
#[derive(Debug, Clone, PartialEq)]
pub struct GanState {
    /// Discriminator.
    pub d: NetParams,
    /// Generator.
    pub g: NetParams,
    /// Adam's moments of D.
    pub d_moments: Moments,
    /// Adam's moments of G.
    pub g_moments: Moments,
    /// Moving average of D's trained parameters, started at 0.
    pub d_ema: NetParams,
    /// Steps done.
    pub step: u32,
}

impl GanState {
    /// Step 0 with fresh parameters (no data-dependent initialisation; see [`initialise`]).
    pub fn new(model: &ModelShape, seed: u64) -> GanState {
        let (d, g) = (&model.discriminator, &model.generator);
        GanState {
            d: init_params(d, seed, streams::INIT_D),
            g: init_params(g, seed, streams::INIT_G),
            d_moments: Moments::new(d),
            g_moments: Moments::new(g),
            d_ema: zeros(d),
            step: 0,
        }
    }
}

/// Most images that data-dependent initialisation looks at (the paper's code: 500).
pub const INIT_ROWS: u32 = 500;

/// Data-dependent initialisation before step 0: D on the first images of the walk `ORDER_INIT` through
/// `pool` (`[n, values]`: all training images, or the labelled ones where D is trained on them alone), G on as
/// many z, unless it is not trained.
pub fn initialise(model: &ModelShape, state: &mut GanState, seed: u64, pool: &[f64], with_generator: bool) {
    let (d, g) = (&model.discriminator, &model.generator);
    let values = d.input.len() as usize;
    let n = (pool.len() / values) as u32;
    let rows = INIT_ROWS.min(n);
    let images = gather(pool, &minibatch(seed, streams::ORDER_INIT, 0, rows, n), values);
    data_init(d, &mut state.d, &images, rows as usize, seed, streams::NOISE_INIT);
    if with_generator {
        let z = latent(model.prior, seed, streams::Z_INIT, 0, rows, g.input.len());
        data_init(g, &mut state.g, &z, rows as usize, seed, streams::NOISE_INIT_G);
    }
}

/// What stays the same from step to step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepSettings {
    /// The run's seed.
    pub seed: u64,
    /// B: unlabelled and generated images per step, labelled ones if there are that many.
    pub batch: u32,
    /// Weights of D's loss.
    pub loss: LossSettings,
    /// G's loss; without one there is no G, and D's loss has to have a weight of 0 for its images.
    pub generator_loss: Option<GeneratorLoss>,
    /// D's optimiser.
    pub d_adam: AdamSettings,
    /// G's optimiser.
    pub g_adam: AdamSettings,
    /// Rate of the moving average of D.
    pub ema_rate: f64,
    /// D is updated three times a step, by the labelled, the unlabelled and the generated rows, not once by all.
    pub separate: bool,
}

/// The rows of D's minibatch that make an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchPart {
    /// All of them.
    All,
    /// The labelled ones.
    Labelled,
    /// The unlabelled ones.
    Unlabelled,
    /// G's.
    Generated,
}

impl BatchPart {
    /// The updates of a step, in order.
    pub fn of(settings: &StepSettings) -> &'static [BatchPart] {
        use BatchPart::{All, Generated, Labelled, Unlabelled};
        if settings.separate { &[Labelled, Unlabelled, Generated] } else { &[All] }
    }

    fn has(self, other: BatchPart) -> bool {
        self == BatchPart::All || self == other
    }

    fn noise_base(self) -> u32 {
        match self {
            BatchPart::All | BatchPart::Labelled => streams::NOISE_D_STEP,
            BatchPart::Unlabelled => streams::NOISE_D_STEP_LATER[0],
            BatchPart::Generated => streams::NOISE_D_STEP_LATER[1],
        }
    }
}

/// What an update of D is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct DiscriminatorPass {
    /// Labelled images of the minibatch; none where the update is of other rows.
    pub labelled: Vec<u32>,
    /// Unlabelled images of the minibatch; none where the update is of other rows.
    pub unlabelled: Vec<u32>,
    /// G's pass on z, where there is a G; its output are the generated rows.
    pub generator: Option<Tape>,
    /// D's pass on `[generated | labelled | unlabelled | second view]`.
    pub tape: Tape,
    /// L_D; its `d_logits` in the row order of `tape`.
    pub loss: DiscriminatorLoss,
    /// dL_D of D.
    pub gradients: Gradients,
}

/// Loss and gradients of D on `rows` at the state's step.
pub fn discriminator_pass(
    model: &ModelShape,
    state: &GanState,
    settings: &StepSettings,
    data: &Dataset,
    rows: BatchPart,
) -> DiscriminatorPass {
    let (net, seed, step, batch) = (&model.discriminator, settings.seed, state.step, settings.batch);
    let values = net.input.len() as usize;
    let labels = data.labels.len() as u32;
    let mut labelled = minibatch(seed, streams::ORDER_LABELLED, step, batch.min(labels), labels);
    let n = data.unlabelled_len(net);
    let mut unlabelled = minibatch(seed, streams::ORDER_UNLABELLED_D, step, batch, n);
    if !rows.has(BatchPart::Labelled) {
        labelled.clear();
    }
    if !rows.has(BatchPart::Unlabelled) {
        unlabelled.clear();
    }
    let generator = settings
        .generator_loss
        .map(|_| generate(model, state, settings, streams::Z_D_STEP, streams::NOISE_G_IN_D_STEP));
    let second = if settings.loss.second_view { &unlabelled[..] } else { &[][..] };
    let seen = generator.as_ref().filter(|_| rows.has(BatchPart::Generated));
    let images = seen.map_or(&[][..], Tape::output);
    let made = images.len() / values;
    let input = [
        images.to_vec(),
        gather(data.labelled, &labelled, values),
        gather(data.unlabelled, &unlabelled, values),
        gather(data.unlabelled, second, values),
    ]
    .concat();
    let groups = [
        Group { rows: made, update_running: false },
        Group { rows: labelled.len(), update_running: true },
        Group { rows: unlabelled.len(), update_running: true },
        Group { rows: second.len(), update_running: false },
    ];
    let mode = Mode::Train { seed, noise_base: rows.noise_base(), step };
    let tape = forward(net, &state.d, &input, &groups, mode);
    let targets: Vec<u32> = labelled.iter().map(|&i| data.labels[i as usize]).collect();
    let classes = model.data.classes as usize;
    // The loss wants the generated rows last.
    let generated = made * classes;
    let mut logits = tape.output().to_vec();
    logits.rotate_left(generated);
    let mut loss = discriminator_loss(&logits, classes, &targets, unlabelled.len(), made, settings.loss);
    loss.d_logits.rotate_right(generated);
    let gradients = backward(net, &state.d, &tape, Some(&loss.d_logits), None);
    DiscriminatorPass { labelled, unlabelled, generator, tape, loss, gradients }
}

/// G on a minibatch of z.
fn generate(model: &ModelShape, state: &GanState, settings: &StepSettings, z: u32, noise_base: u32) -> Tape {
    let (net, seed, step) = (&model.generator, settings.seed, state.step);
    let z = latent(model.prior, seed, z, step, settings.batch, net.input.len());
    let groups = [Group { rows: settings.batch as usize, update_running: true }];
    forward(net, &state.g, &z, &groups, Mode::Train { seed, noise_base, step })
}

/// D's half of a step, one pass an update: running statistics of both networks, Adam and moving average of D.
pub fn discriminator_step(
    model: &ModelShape,
    state: &mut GanState,
    settings: &StepSettings,
    data: &Dataset,
) -> Vec<DiscriminatorPass> {
    let updates = BatchPart::of(settings);
    let mut passes = vec![];
    for (i, &rows) in updates.iter().enumerate() {
        let pass = discriminator_pass(model, state, settings, data, rows);
        let before = state.step * updates.len() as u32 + i as u32;
        update_discriminator(model, state, settings, (&pass.tape, &pass.gradients), before);
        passes.push(pass);
    }
    // G's pass is the same in all of them.
    if let Some(tape) = &passes[0].generator {
        update_running(&model.generator, &mut state.g, tape);
    }
    ema(&model.discriminator, &mut state.d_ema, &state.d, settings.ema_rate);
    passes
}

/// Running statistics and Adam of D; `before`: updates before this one.
fn update_discriminator(
    model: &ModelShape,
    state: &mut GanState,
    settings: &StepSettings,
    (tape, gradients): (&Tape, &Gradients),
    before: u32,
) {
    let net = &model.discriminator;
    update_running(net, &mut state.d, tape);
    adam(net, &mut state.d, &gradients.params, &mut state.d_moments, &settings.d_adam, before);
}

/// G's half of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratorPass {
    /// Unlabelled images of the minibatch.
    pub unlabelled: Vec<u32>,
    /// G's pass on z.
    pub generator: Tape,
    /// D's pass on `[generated | unlabelled]`; of the non-saturating loss on the generated rows alone.
    pub discriminator: Tape,
    /// L_G.
    pub loss: f64,
    /// Gradients through D; those of its parameters are not used.
    pub discriminator_gradients: Gradients,
    /// dL_G of G.
    pub gradients: Gradients,
}

/// Loss and gradients of G at the state's step.
///
/// # Panics
/// Where the discriminator has no feature layer, or none below its last product; where G has no loss.
pub fn generator_pass(
    model: &ModelShape,
    state: &GanState,
    settings: &StepSettings,
    data: &Dataset,
) -> GeneratorPass {
    let of_g = settings.generator_loss.expect("a loss of G");
    let (net, seed, step, batch) = (&model.discriminator, settings.seed, state.step, settings.batch);
    let values = net.input.len() as usize;
    let generator = generate(model, state, settings, streams::Z_G_STEP, streams::NOISE_G_IN_G_STEP);
    let rows = batch as usize;
    let group = Group { rows, update_running: false };
    let mode = Mode::Train { seed, noise_base: streams::NOISE_G_STEP, step };
    let (unlabelled, discriminator, loss, discriminator_gradients) = match of_g {
        GeneratorLoss::NonSaturating => {
            let tape = forward(net, &state.d, generator.output(), &[group], mode);
            let (loss, d_logits) = generator_loss(tape.output(), model.data.classes as usize);
            let gradients = backward(net, &state.d, &tape, Some(&d_logits), None);
            (vec![], tape, loss, gradients)
        }
        GeneratorLoss::FeatureMatching(reduction) | GeneratorLoss::MomentMatching(reduction) => {
            let n = data.unlabelled_len(net);
            let unlabelled = minibatch(seed, streams::ORDER_UNLABELLED_G, step, batch, n);
            let input = [generator.output().to_vec(), gather(data.unlabelled, &unlabelled, values)].concat();
            let tape = forward(net, &state.d, &input, &[group; 2], mode);
            let (layer, matching): (_, fn(&[f64], _, _, _, _) -> _) = match of_g {
                GeneratorLoss::MomentMatching(_) => (net.below_last_affine(), moment_matching),
                _ => (net.feature(), feature_matching),
            };
            let layer = layer.unwrap_or_else(|| panic!("{}: no layer to match", net.name));
            let features = net.layers[layer].output.len() as usize;
            // The loss wants the real rows first.
            let mut f = tape.layer_output(layer).to_vec();
            f.rotate_left(rows * features);
            let (loss, mut d_feature) = matching(&f, rows, rows, features, reduction);
            d_feature.rotate_right(rows * features);
            let gradients = backward(net, &state.d, &tape, None, Some((layer, &d_feature)));
            (unlabelled, tape, loss, gradients)
        }
    };
    let d_images = &discriminator_gradients.d_input[..rows * values];
    let gradients = backward(&model.generator, &state.g, &generator, Some(d_images), None);
    GeneratorPass { unlabelled, generator, discriminator, loss, discriminator_gradients, gradients }
}

/// G's half of a step: running statistics and Adam of G. D stays as it is.
pub fn generator_step(
    model: &ModelShape,
    state: &mut GanState,
    settings: &StepSettings,
    data: &Dataset,
) -> GeneratorPass {
    let net = &model.generator;
    let pass = generator_pass(model, state, settings, data);
    update_running(net, &mut state.g, &pass.generator);
    adam(net, &mut state.g, &pass.gradients.params, &mut state.g_moments, &settings.g_adam, state.step);
    pass
}

/// One whole step: D, then G, if there is one, against the updated D.
pub fn gan_step(
    model: &ModelShape,
    state: &mut GanState,
    settings: &StepSettings,
    data: &Dataset,
) -> (Vec<DiscriminatorPass>, Option<GeneratorPass>) {
    let d = discriminator_step(model, state, settings, data);
    let g = settings.generator_loss.map(|_| generator_step(model, state, settings, data));
    state.step += 1;
    (d, g)
}

/// A step of the supervised baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct SupervisedPass {
    /// Labelled images of the minibatch.
    pub labelled: Vec<u32>,
    /// D's pass on them.
    pub tape: Tape,
    /// The loss; only `supervised`, `correct` and `d_logits` mean anything.
    pub loss: DiscriminatorLoss,
    /// dL_sup of D.
    pub gradients: Gradients,
}

/// Supervised loss and gradients of D on `batch` labelled images at the state's step.
pub fn supervised_pass(
    model: &ModelShape,
    state: &GanState,
    settings: &StepSettings,
    data: &Dataset,
) -> SupervisedPass {
    let (net, seed, step) = (&model.discriminator, settings.seed, state.step);
    let n = data.labels.len() as u32;
    let labelled = minibatch(seed, streams::ORDER_LABELLED, step, settings.batch, n);
    let input = gather(data.labelled, &labelled, net.input.len() as usize);
    let groups = [Group { rows: labelled.len(), update_running: true }];
    let mode = Mode::Train { seed, noise_base: streams::NOISE_D_STEP, step };
    let tape = forward(net, &state.d, &input, &groups, mode);
    let targets: Vec<u32> = labelled.iter().map(|&i| data.labels[i as usize]).collect();
    let classes = model.data.classes as usize;
    let loss = discriminator_loss(tape.output(), classes, &targets, 0, 0, settings.loss);
    let gradients = backward(net, &state.d, &tape, Some(&loss.d_logits), None);
    SupervisedPass { labelled, tape, loss, gradients }
}

/// One supervised step: running statistics, Adam and moving average of D.
pub fn supervised_step(
    model: &ModelShape,
    state: &mut GanState,
    settings: &StepSettings,
    data: &Dataset,
) -> SupervisedPass {
    let pass = supervised_pass(model, state, settings, data);
    update_discriminator(model, state, settings, (&pass.tape, &pass.gradients), state.step);
    ema(&model.discriminator, &mut state.d_ema, &state.d, settings.ema_rate);
    state.step += 1;
    pass
}
