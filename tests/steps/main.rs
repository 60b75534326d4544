//! Whole training steps on the GPU against the float64 twin, and against PyTorch's numbers.

#[path = "../common/mod.rs"]
mod common;
mod models;
mod photo;
mod pytorch;
mod twin;

use models::{CNN_JOINED, CNN_SEPARATE, DNN, data_set, model};
use ssgan::data::Dataset;
use ssgan::error::Result;
use ssgan::gpu::{AdapterChoice, Gpu};
use ssgan::layers::{Dropout, GaussianNoise, RandomShift};
use ssgan::model::shape::{LayerShape, ModelShape, NetShape};
use ssgan::model::spec::LayerOp;
use ssgan::native::{self, BlockOn};
use ssgan::ops::{Product, Tile};
use ssgan::reference::random_affine::{Affine, warp};
use ssgan::reference::random_flip::flip;
use ssgan::reference::random_shift::shift;
use ssgan::reference::{NetParams, Tape, check_close, nmse};
use ssgan::train::checkpoint::{Checkpoint, TensorData};
use ssgan::train::event::{Event, Observer, StepMetrics};
use ssgan::train::settings::{DiscriminatorUpdates, FeatureMatching, GeneratorLoss, Method, Settings};
use ssgan::train::{Scratch, Stop, Tiles, Trainer, permute_weights, run, trace_step};
use twin::{Pass, Twin, prefixes};

/// Steps of a whole run.
const STEPS: u32 = 20;

/// Training images: 5 steps of 16 an epoch with 3 left over, so that later epochs begin inside a batch.
const IMAGES: usize = 83;

/// Of more than 32 bits: both halves reach the shaders.
const SEED: u64 = (7 << 32) + 5;

/// Of a loss in a run, and of a tensor (square root of the normalised mean square error). One step in f32 is
/// off by about 1e-6 (sums of up to a few hundred rounded products), and 20 steps add such errors up: on llvmpipe of Mesa 22.3 to 4e-6,
/// of Mesa 26.1, near a kink, to 5e-5. A wrong term or factor is off by 1e-3 and more.
const RUN_TOLERANCE: f64 = 2e-4;

fn gpu() -> Gpu {
    native::open(&AdapterChoice::default()).unwrap()
}

fn ssl() -> Settings {
    Settings {
        labels: 21.into(),
        epochs: 4,
        batch_size: 16,
        seed: SEED,
        learning_rate: 0.003,
        generator_learning_rate: 0.005,
        beta2: 0.95,
        ema_rate: 0.1,
        ..Settings::defaults(Method::Ssl, false)
    }
}

fn supervised() -> Settings {
    Settings {
        labels: 30.into(),
        epochs: 10,
        batch_size: 16,
        seed: SEED,
        learning_rate: 0.003,
        ema_rate: 0.1,
        evaluate_every: 5,
        ..Settings::defaults(Method::Supervised, false)
    }
}

/// Tiles by product; `None`: by tables.
type Choice = Option<fn(&Gpu, &Product) -> Tile>;

/// What a run told.
#[derive(Default)]
struct Recorder {
    steps: Vec<StepMetrics>,
    checkpoints: Vec<Checkpoint>,
}

impl Observer for Recorder {
    fn on(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::Steps(steps) => self.steps.extend(steps.iter().cloned()),
            Event::Checkpoint { checkpoint, .. } => self.checkpoints.push(checkpoint.clone()),
            _ => {}
        }
        Ok(())
    }
}

impl Recorder {
    fn run(model: &ModelShape, settings: &Settings, data: &Dataset, tiles: Choice) -> Recorder {
        let gpu = gpu();
        let mut recorder = Recorder::default();
        let tiles = match tiles {
            Some(choose) => Tiles::by(&gpu, model, settings, |p| choose(&gpu, p)),
            None => Tiles::tables(),
        };
        let mut trainer =
            Trainer::with_tiles(&gpu, model, settings, data, Scratch::Shared, &tiles).block_on().unwrap();
        run(&mut trainer, &mut recorder, &Stop::new(), None, None).block_on().unwrap();
        recorder
    }
}

/// In the order of [`Pass::metrics`].
fn metrics(m: &StepMetrics, method: Method) -> Vec<f32> {
    let mut values = vec![m.loss_supervised, m.accuracy_labelled, m.loss_discriminator];
    if method == Method::Ssl {
        values.extend([m.loss_unlabelled, m.loss_generated, m.loss_generator, m.d_unlabelled, m.d_generated]);
        values.push(m.entropy_unlabelled);
        values.extend(Some(m.loss_consistency).filter(|c| c.is_finite()));
    }
    values
}

/// Collects what does not agree, so that a failure lists all of it.
struct Comparison {
    title: String,
    failures: Vec<String>,
    compared: usize,
    worst: (f64, String),
}

impl Comparison {
    fn new(title: &str) -> Comparison {
        Comparison { title: title.into(), failures: vec![], compared: 0, worst: (0.0, "nothing".into()) }
    }

    /// A tensor in memory order, by its normalised root mean square error; near-zero ones absolutely.
    fn tensor(&mut self, name: &str, expected: &[f64], got: &[f32], tolerance: f64) {
        self.compared += 1;
        let error = if expected.iter().all(|v| v.abs() < 1e-12) {
            check_close(expected, got, 0.0, 1e-7).map(|()| 0.0).map_err(|e| e.to_string())
        } else {
            nmse(expected, got).map(f64::sqrt).map_err(|e| e.to_string())
        };
        match error {
            Ok(e) if e <= tolerance => {
                if e / tolerance > self.worst.0 {
                    self.worst = (e / tolerance, format!("{name} {e:.1e}"));
                }
            }
            Ok(e) => self.failures.push(format!("{name}: relative error {e:.2e} > {tolerance:.0e}")),
            Err(e) => self.failures.push(format!("{name}: {e}")),
        }
    }

    /// All tensors of a network whose names are `{prefix}.{layer}.{name}{suffix}`.
    fn net(
        &mut self,
        (net, expected): (&NetShape, &NetParams),
        from: &Checkpoint,
        (prefix, suffix): (&str, &str),
        wanted: impl Fn(&str, bool) -> bool,
        tolerance: f64,
    ) {
        for (i, layer) in net.layers.iter().enumerate() {
            for (p, expected) in layer.params().iter().zip(&expected[i]) {
                if wanted(p.name, p.trained) {
                    let name = format!("{prefix}.{i}.{}{suffix}", p.name);
                    let shape: Vec<usize> = p.shape.iter().map(|&d| d as usize).collect();
                    let got = permute_weights(&p.shape, from.get(&name, &shape).unwrap(), false);
                    self.tensor(&name, expected, &got, tolerance);
                }
            }
        }
    }

    fn done(self) {
        println!("{}: {} compared, worst {}", self.title, self.compared, self.worst.1);
        assert!(self.failures.is_empty(), "{}:\n  {}", self.title, self.failures.join("\n  "));
    }
}

/// Every tensor that training changes, and those that it must not.
fn compare_state(c: &mut Comparison, twin: &Twin, got: &Checkpoint, tolerance: f64) {
    let (model, state) = (&twin.model, &twin.state);
    let trained = |_: &str, trained: bool| trained;
    let nets =
        [(&model.discriminator, &state.d, &state.d_moments), (&model.generator, &state.g, &state.g_moments)];
    for (net, params, moments) in nets {
        let optimizer = format!("optimizer.{}", net.name);
        c.net((net, params), got, (net.name, ""), |_, _| true, tolerance);
        c.net((net, &moments.m), got, (&optimizer, ".exp_avg"), trained, tolerance);
        c.net((net, &moments.v), got, (&optimizer, ".exp_avg_sq"), trained, tolerance);
    }
    let average = "average.discriminator";
    c.net((&model.discriminator, &state.d_ema), got, (average, ""), trained, tolerance);
}

/// 20 steps of both: every loss of every step, every tensor whenever a checkpoint is made.
fn whole_run(title: &str, model: &ModelShape, settings: &Settings) {
    whole_run_with(title, model, settings, None);
}

fn whole_run_with(title: &str, model: &ModelShape, settings: &Settings, tiles: Choice) {
    let data = data_set(model, IMAGES);
    let got = Recorder::run(model, settings, &data, tiles);
    assert_eq!(got.steps.len(), STEPS as usize);
    let mut twin = Twin::new(model, settings, &data);
    let mut checkpoints = got.checkpoints.iter().peekable();
    let mut c = Comparison::new(title);
    let mut margin = f64::INFINITY;
    for step in &got.steps {
        let pass = twin.step();
        margin = margin.min(pass.margin(model));
        let (expected, got) = (pass.metrics(), metrics(step, settings.method));
        if let Err(e) = check_close(&expected, &got, RUN_TOLERANCE, 1e-7) {
            c.failures.push(format!("losses of step {}: {e}", step.step));
        }
        if checkpoints.peek().is_some_and(|c| c.meta("step").unwrap() == step.step.to_string()) {
            compare_state(&mut c, &twin, checkpoints.next().unwrap(), RUN_TOLERANCE);
        }
    }
    assert!(got.checkpoints.len() >= 2 && checkpoints.next().is_none(), "checkpoints left out");
    println!("{title}: nearest to a kink {margin:.1e}");
    c.done();
}

#[test]
fn dnn_runs_like_the_twin() {
    let dnn = model(DNN, 6, 1);
    whole_run("dnn, mean", &dnn, &ssl());
    let sum = Settings {
        // Fewer labels than rows of a batch; epsilon large enough to tell its places apart.
        labels: 12.into(),
        feature_matching: FeatureMatching::Sum,
        epsilon: 1e-3,
        epsilon_inside_root: true,
        unsupervised_weight: 0.7,
        label_smoothing: 0.1,
        ..ssl()
    };
    whole_run("dnn, sum, epsilon inside", &dnn, &sum);
    let unit = DNN.replace("weight_norm = \"fixed\"", "weight_norm = \"unit\"");
    assert_ne!(unit, DNN);
    whole_run("dnn, weights of norm 1", &model(&unit, 6, 1), &ssl());
    // Their backward pass is one.
    let relu = "{ op = \"relu\" },\n    ";
    let noise = format!("{relu}{{ op = \"gaussian_noise\", sigma = 0.5 }}");
    let dropped = DNN.replace(&noise, &format!("{relu}{{ op = \"dropout\", rate = 0.25 }}"));
    assert_ne!(dropped, DNN);
    whole_run("dnn, dropout above relu", &model(&dropped, 6, 1), &ssl());
}

#[test]
fn cnn_with_separate_statistics_runs_like_the_twin() {
    let outside = Settings { epsilon: 1e-3, ..ssl() };
    whole_run("cnn 8x8x1, separate", &model(CNN_SEPARATE, 8, 1), &outside);
    let three = Settings {
        // Of eight seeds four come so near to a kink that rounding decides: 1e-3 and more in one parameter.
        seed: SEED + 6,
        feature_matching: FeatureMatching::Sum,
        epsilon_inside_root: true,
        ..ssl()
    };
    whole_run("cnn 8x8x3, separate, sum", &model(CNN_SEPARATE, 8, 3), &three);
}

#[test]
fn cnn_with_joined_statistics_runs_like_the_twin() {
    whole_run("cnn 8x8x1, joined", &model(CNN_JOINED, 8, 1), &ssl());
    let three = Settings { labels: 12.into(), epsilon: 1e-3, epsilon_inside_root: true, ..ssl() };
    whole_run("cnn 8x8x3, joined", &model(CNN_JOINED, 8, 3), &three);
}

/// Entropy and consistency rise over the first epoch, the learning rates fall over the second half of the run.
#[test]
fn regularised_runs_are_like_the_twin() {
    let settings = Settings {
        entropy_weight: 0.3,
        consistency_weight: 2.0,
        ramp_epochs: 1,
        learning_rate_decay: 0.5,
        label_smoothing: 0.1,
        ..ssl()
    };
    whole_run("dnn, regularised", &model(DNN, 6, 1), &settings);
    let plain = Settings { generator_loss: GeneratorLoss::NonSaturating, ..settings.clone() };
    whole_run("dnn, plain generator loss", &model(DNN, 6, 1), &plain);
    let settings = Settings { epsilon: 1e-3, ..settings };
    whole_run("cnn 8x8x3, regularised", &model(CNN_SEPARATE, 8, 3), &settings);
    whole_run("cnn 8x8x1, joined, regularised", &model(CNN_JOINED, 8, 1), &settings);
}

#[test]
fn three_updates_a_step_run_like_the_twin() {
    let separate = Settings { discriminator_updates: DiscriminatorUpdates::Separate, ..ssl() };
    whole_run("dnn, separate updates", &model(DNN, 6, 1), &separate);
    let settings = Settings {
        seed: SEED + 1,
        // Three updates amplify what rounding leaves three times.
        learning_rate: 0.001,
        entropy_weight: 0.3,
        consistency_weight: 2.0,
        label_smoothing: 0.1,
        epsilon: 1e-3,
        epsilon_inside_root: true,
        ..separate
    };
    whole_run("cnn 8x8x3, separate updates, regularised", &model(CNN_SEPARATE, 8, 3), &settings);
    whole_run("cnn 8x8x1, joined, separate updates", &model(CNN_JOINED, 8, 1), &settings);
}

#[test]
fn the_baselines_run_like_the_twin() {
    whole_run("dnn, supervised", &model(DNN, 6, 1), &supervised());
    whole_run("cnn, supervised", &model(CNN_SEPARATE, 8, 3), &supervised());
}

/// Of the tensors of one step that begins with equal parameters; 3e-6 was seen.
const STEP_TOLERANCE: f64 = 2e-5;

/// The twin's state as the trace has it before the step: the comparison is of one step alone.
fn load_state(twin: &mut Twin, trace: &Checkpoint) {
    let model = twin.model.clone();
    let load = |net: &NetShape, into: &mut NetParams, suffix: &str, all: bool| {
        for (i, layer) in net.layers.iter().enumerate() {
            for (p, tensor) in layer.params().iter().zip(&mut into[i]).filter(|(p, _)| all || p.trained) {
                let shape: Vec<usize> = p.shape.iter().map(|&d| d as usize).collect();
                let name = format!("before.{}.{i}.{}{suffix}", net.name, p.name);
                let values = permute_weights(&p.shape, trace.get(&name, &shape).unwrap(), false);
                *tensor = values.into_iter().map(f64::from).collect();
            }
        }
    };
    let s = &mut twin.state;
    for (net, params, moments) in
        [(&model.discriminator, &mut s.d, &mut s.d_moments), (&model.generator, &mut s.g, &mut s.g_moments)]
    {
        load(net, params, "", true);
        load(net, &mut moments.m, ".exp_avg", false);
        load(net, &mut moments.v, ".exp_avg_sq", false);
    }
}

fn values<'a>(trace: &'a Checkpoint, name: &str) -> &'a [f32] {
    let found: Option<&TensorData> = trace.tensors.iter().find(|t| t.name == name);
    &found.unwrap_or_else(|| panic!("the trace has no {name}")).values
}

/// Whether the GPU computes the activation after layer i in the layer's own kernel: then the trace has the
/// activation's output for both.
fn fused(net: &NetShape, i: usize) -> bool {
    let activation = net.layers.get(i + 1).is_some_and(|l| l.op.activation().is_some());
    activation && !net.layers[i].feature && net.layers[i].op.takes_activation()
}

/// Input, activations and random numbers of one pass through a network.
fn compare_tape(c: &mut Comparison, net: &NetShape, prefix: &str, tape: &Tape, trace: &Checkpoint) {
    let last = if prefix == "g_step.discriminator" { net.feature().unwrap() } else { net.layers.len() - 1 };
    for (i, layer) in net.layers.iter().enumerate().take(last + 1) {
        let name = format!("{prefix}.{i}.output");
        let at = if fused(net, i) { i + 1 } else { i };
        c.tensor(&name, tape.layer_output(at), values(trace, &name), STEP_TOLERANCE);
        draws(c, layer, &format!("{prefix}.{i}"), (&tape.activations[i], tape.layer_output(i)), trace);
    }
}

fn draws(c: &mut Comparison, layer: &LayerShape, prefix: &str, (x, y): (&[f64], &[f64]), trace: &Checkpoint) {
    match layer.op {
        LayerOp::GaussianNoise(GaussianNoise { sigma }) => {
            let n: Vec<f64> = x.iter().zip(y).map(|(x, y)| (y - x) / f64::from(sigma)).collect();
            c.tensor(prefix, &n, values(trace, &format!("{prefix}.noise")), STEP_TOLERANCE);
        }
        LayerOp::RandomShift(RandomShift { pixels }) => {
            let got = values(trace, &format!("{prefix}.shift"));
            let offsets: Vec<[i32; 2]> = got.chunks(2).map(|o| [o[0] as i32, o[1] as i32]).collect();
            assert!(offsets.iter().flatten().all(|o| o.unsigned_abs() <= pixels));
            let shifted: Vec<f32> = shift(x, layer.input, &offsets).into_iter().map(|v| v as f32).collect();
            c.tensor(prefix, y, &shifted, STEP_TOLERANCE);
        }
        LayerOp::RandomFlip(_) => {
            let got = values(trace, &format!("{prefix}.flip"));
            let mirrored: Vec<bool> = got.iter().map(|f| *f == 1.0).collect();
            assert!(mirrored.contains(&true) && mirrored.contains(&false), "{prefix}: {got:?}");
            let turned: Vec<f32> = flip(x, layer.input, &mirrored).into_iter().map(|v| v as f32).collect();
            c.tensor(prefix, y, &turned, STEP_TOLERANCE);
        }
        LayerOp::RandomAffine(_) => {
            let got = values(trace, &format!("{prefix}.affine"));
            let entry = |m: &[f32], i: usize| f64::from(m[i]);
            let map = |m: &[f32]| Affine {
                matrix: [[entry(m, 0), entry(m, 1)], [entry(m, 2), entry(m, 3)]],
                shift: [entry(m, 4), entry(m, 5)],
            };
            let maps: Vec<Affine> = got.chunks(6).map(map).collect();
            let moved: Vec<f32> = warp(x, layer.input, &maps).into_iter().map(|v| v as f32).collect();
            c.tensor(prefix, y, &moved, STEP_TOLERANCE);
        }
        LayerOp::Dropout(Dropout { rate }) => {
            // What dropped out of a value that is 0 cannot be told from its output.
            let got = values(trace, &format!("{prefix}.dropout"));
            let kept = 1.0 / (1.0 - f64::from(rate));
            let told = |i: &usize| x[*i] != 0.0;
            let expected: Vec<f64> =
                (0..x.len()).filter(told).map(|i| if y[i] == 0.0 { 0.0 } else { kept }).collect();
            let got: Vec<f32> = (0..got.len()).filter(told).map(|i| got[i]).collect();
            c.tensor(prefix, &expected, &got, STEP_TOLERANCE);
        }
        _ => {}
    }
}

/// One step on the GPU, with everything it made, and the twin's from the same state.
fn both(gpu: &Gpu, model: &ModelShape, settings: &Settings, step: u32) -> (Checkpoint, Twin, Pass) {
    let data = data_set(model, IMAGES);
    let trace = trace_step(gpu, model, settings, &data, step).block_on().unwrap();
    let mut twin = Twin::new(model, settings, &data);
    twin.state.step = step;
    load_state(&mut twin, &trace);
    let pass = twin.step();
    (trace, twin, pass)
}

/// One step with everything it made.
fn one_step(title: &str, model: &ModelShape, settings: &Settings, step: u32) {
    let (trace, twin, pass) = both(&gpu(), model, settings, step);
    let mut c = Comparison::new(title);
    let net = |name| if name == "generator" { &model.generator } else { &model.discriminator };
    for (name, prefix, tape) in pass.tapes() {
        compare_tape(&mut c, net(name), &prefix, tape, &trace);
    }
    for (name, prefix, gradients) in pass.gradients() {
        c.net((net(name), gradients), &trace, (&prefix, ""), |_, t| t, STEP_TOLERANCE);
    }
    let labelled = match &pass {
        Pass::Supervised(s) => &s.labelled,
        Pass::Ssl(pass) => {
            let (d, g) = pass.as_ref();
            let index = |i: &[u32]| i.iter().map(|&i| i as f32).collect::<Vec<_>>();
            let unlabelled: Vec<u32> = d.iter().flat_map(|p| p.unlabelled.clone()).collect();
            assert_eq!(index(&unlabelled), values(&trace, "d_step.unlabelled.index"));
            assert_eq!(index(&g.unlabelled), values(&trace, "g_step.unlabelled.index"));
            c.tensor("d_step.z", &d[0].generator.activations[0], values(&trace, "d_step.z"), STEP_TOLERANCE);
            c.tensor("g_step.z", &g.generator.activations[0], values(&trace, "g_step.z"), STEP_TOLERANCE);
            let images = &g.discriminator.activations[0];
            c.tensor("g_step.images", images, values(&trace, "g_step.images"), STEP_TOLERANCE);
            for (step, pass) in prefixes(d.len()).into_iter().zip(d) {
                let (images, logits) = (format!("{step}.images"), format!("{step}.grad.logits"));
                c.tensor(&images, &pass.tape.activations[0], values(&trace, &images), STEP_TOLERANCE);
                c.tensor(&logits, &pass.loss.d_logits, values(&trace, &logits), STEP_TOLERANCE);
            }
            &d[0].labelled
        }
    };
    let numbers: Vec<f32> = labelled.iter().map(|&i| twin.labelled[i as usize] as f32).collect();
    assert_eq!(numbers, values(&trace, "d_step.labelled.index"));
    let expected = pass.metrics();
    let losses =
        [("supervised", 0), ("discriminator", 2), ("unlabelled", 3), ("generated", 4), ("generator", 5)];
    for (name, at) in losses.iter().filter(|(_, at)| *at < expected.len()) {
        let name = format!("loss.{name}");
        c.tensor(&name, &[expected[*at]], values(&trace, &name), STEP_TOLERANCE);
    }
    for (net, params, moments) in [
        (&model.discriminator, &twin.state.d, &twin.state.d_moments),
        (&model.generator, &twin.state.g, &twin.state.g_moments),
    ] {
        let after = format!("after.{}", net.name);
        c.net((net, params), &trace, (&after, ""), |_, _| true, STEP_TOLERANCE);
        c.net((net, &moments.m), &trace, (&after, ".exp_avg"), |_, t| t, STEP_TOLERANCE);
        c.net((net, &moments.v), &trace, (&after, ".exp_avg_sq"), |_, t| t, STEP_TOLERANCE);
    }
    println!("{title}: nearest to a kink {:.1e}", pass.margin(model));
    c.done();
}

/// Step 6 begins inside an epoch and ends in the next.
#[test]
fn one_step_leaves_what_the_twin_leaves() {
    let sum = Settings { feature_matching: FeatureMatching::Sum, epsilon_inside_root: true, ..ssl() };
    one_step("dnn, step 6", &model(DNN, 6, 1), &ssl(), 6);
    let separate = Settings { discriminator_updates: DiscriminatorUpdates::Separate, ..sum.clone() };
    one_step("dnn, separate updates, step 6", &model(DNN, 6, 1), &separate, 6);
    // With SEED a value comes within 2e-7 of a kink, and drivers put it on either side.
    one_step("cnn, step 6", &model(CNN_SEPARATE, 8, 3), &Settings { seed: SEED + 1, ..sum }, 6);
    one_step("joined cnn, step 6", &model(CNN_JOINED, 8, 1), &ssl(), 6);
    one_step("supervised cnn, step 6", &model(CNN_SEPARATE, 8, 3), &supervised(), 6);
}

/// Of a gradient in mixed precision (square root of the normalised mean square error). Rounding to 11 bits alone gives 1e-3 to
/// 5e-3; of sixteen images a few change sides of a kink, which gave up to 3e-2 here and 0.16 with another seed.
const MIXED_TOLERANCE: f64 = 0.1;

/// On cooperative matrices: the gradients of the first step. D is as good as not updated, since
/// Adam makes large steps of small gradients, right or not.
#[test]
#[ignore = "needs cooperative matrices"]
fn mixed_precision_comes_near_the_twin() {
    let gpu = common::open_mixed(false);
    let settings = Settings { learning_rate: 1e-12, seed: 1, ..ssl() };
    for (name, model) in [
        ("dnn", model(DNN, 6, 1)),
        ("cnn", model(CNN_SEPARATE, 8, 3)),
        ("joined cnn", model(CNN_JOINED, 8, 1)),
    ] {
        let (trace, _, pass) = both(&gpu, &model, &settings, 1);
        let mut c = Comparison::new(&format!("{name}, mixed precision"));
        for (net, prefix, gradients) in pass.gradients() {
            let net = if net == "generator" { &model.generator } else { &model.discriminator };
            c.net((net, gradients), &trace, (&prefix, ""), |_, trained| trained, MIXED_TOLERANCE);
        }
        assert!(c.worst.0 * MIXED_TOLERANCE > 1e-4, "nothing was rounded: {:?}", c.worst);
        c.done();
    }
}

fn tile_by_size(gpu: &Gpu, product: &Product) -> Tile {
    let all = Tile::of(gpu);
    let (_, n, k) = product.size;
    all[(7 * n + k) as usize % all.len()]
}

fn smallest_workgroup_tile(_: &Gpu, _: &Product) -> Tile {
    Tile::portable().into_iter().find(|t| t.size() == (32, 32)).unwrap()
}

/// Whatever tiles products get, training is the same but for rounding.
#[test]
fn other_tiles() {
    let models = [("dnn", model(DNN, 6, 1)), ("cnn", model(CNN_SEPARATE, 8, 3))];
    for (name, model) in &models {
        whole_run_with(&format!("{name}, mixed tiles"), model, &ssl(), Some(tile_by_size));
    }
    let (name, model) = &models[1];
    whole_run_with(&format!("{name}, one tile"), model, &ssl(), Some(smallest_workgroup_tile));
}

/// No product of a step is one that the choice does not know.
#[test]
fn every_product_has_its_tile() {
    let gpu = gpu();
    for model in [model(DNN, 6, 1), model(CNN_SEPARATE, 8, 1), model(CNN_JOINED, 8, 3)] {
        let data = data_set(&model, IMAGES);
        for settings in [ssl(), supervised()] {
            let tiles = Tiles::by(&gpu, &model, &settings, |p| smallest_workgroup_tile(&gpu, p));
            let trainer = Trainer::with_tiles(&gpu, &model, &settings, &data, Scratch::Shared, &tiles)
                .block_on()
                .unwrap();
            for d in &trainer.program().dispatches {
                let other = d.kernel.name == "gemm_subgroup"
                    || d.kernel.defines.get("TM").is_some_and(|rows| rows != "32");
                assert!(!other, "{}: {:?}", d.layer, d.kernel.defines);
            }
        }
    }
}
