//! Whole training steps on the GPU against the float64 twin, and against PyTorch's numbers.

#[path = "../common/mod.rs"]
mod common;
mod evaluation;
mod examiner;
mod photo;
mod pytorch;

use ssgan::checks::steps::models::{CNN_JOINED, CNN_SEPARATE, DNN, data_set, model};
use ssgan::checks::steps::twin::Twin;
use ssgan::checks::steps::{self, Comparison, IMAGES, SEED, both, compare_state, ssl, supervised};
use ssgan::data::Dataset;
use ssgan::error::Result;
use ssgan::gpu::{AdapterChoice, Gpu};
use ssgan::model::shape::ModelShape;
use ssgan::native::{self, BlockOn};
use ssgan::ops::{Product, Tile};
use ssgan::reference::check_close;
use ssgan::train::checkpoint::Checkpoint;
use ssgan::train::event::{Event, Observer, StepMetrics};
use ssgan::train::settings::{DiscriminatorUpdates, FeatureMatching, GeneratorLoss, Settings};
use ssgan::train::{Scratch, Stop, Tiles, Trainer, run};
use std::sync::Arc;

/// Steps of a whole run.
const STEPS: u32 = 20;

/// Of a loss in a run, and of a tensor (square root of the normalised mean square error). One step in f32 is
/// off by about 1e-6 (sums of up to a few hundred rounded products), and 20 steps add such errors up: on llvmpipe of Mesa 22.3 to 4e-6,
/// of Mesa 26.1, near a kink, to 5e-5. A wrong term or factor is off by 1e-3 and more.
const RUN_TOLERANCE: f64 = 2e-4;

fn gpu() -> Gpu {
    native::open(&AdapterChoice::default()).unwrap()
}

/// Tiles by product; `None`: by tables.
type Choice = Option<fn(&Gpu, &Product) -> Tile>;

/// What a run told.
#[derive(Default)]
struct Recorder {
    steps: Vec<StepMetrics>,
    checkpoints: Vec<Arc<Checkpoint>>,
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
        Recorder::run_on(&gpu(), model, settings, data, tiles)
    }

    fn run_on(gpu: &Gpu, model: &ModelShape, settings: &Settings, data: &Dataset, tiles: Choice) -> Recorder {
        let mut recorder = Recorder::default();
        let tiles = match tiles {
            Some(choose) => Tiles::by(gpu, model, settings, |p| choose(gpu, p)),
            None => Tiles::tables(),
        };
        let mut trainer =
            Trainer::with_tiles(gpu, model, settings, data, Scratch::Shared, &tiles).block_on().unwrap();
        run(&mut trainer, &mut recorder, &Stop::new(), None, None).block_on().unwrap();
        recorder
    }
}

/// The numbers of a step that are there, by name.
fn metrics(m: &StepMetrics) -> Vec<(&'static str, f32)> {
    let all = StepMetrics::NAMES.iter().copied().zip(m.values());
    all.filter(|(_, value)| !value.is_nan()).collect()
}

/// Everything that was compared agrees.
fn done(c: Comparison) {
    let worst = c.findings.iter().max_by(|a, b| a.strain().total_cmp(&b.strain()));
    let worst = worst.map_or("nothing".into(), |f| format!("{} {:.1e}", f.case, f.deviation));
    println!("{}: {} compared, worst {worst}", c.title, c.findings.len());
    let wrong: Vec<_> = c.findings.iter().filter(|f| !f.is_right()).collect();
    assert!(!c.findings.is_empty() && wrong.is_empty(), "{}: {wrong:#?}", c.title);
}

/// 20 steps of both: every loss of every step, every tensor whenever a checkpoint is made.
fn whole_run(title: &str, model: &ModelShape, settings: &Settings) {
    whole_run_with(title, model, settings, None);
}

fn whole_run_with(title: &str, model: &ModelShape, settings: &Settings, tiles: Choice) {
    whole_run_on(&gpu(), title, model, settings, tiles);
}

fn whole_run_on(gpu: &Gpu, title: &str, model: &ModelShape, settings: &Settings, tiles: Choice) {
    let data = data_set(model, IMAGES);
    let got = Recorder::run_on(gpu, model, settings, &data, tiles);
    assert_eq!(got.steps.len(), STEPS as usize);
    let mut twin = Twin::new(model, settings, &data);
    let mut checkpoints = got.checkpoints.iter().peekable();
    let mut c = Comparison::new(title);
    let mut margin = f64::INFINITY;
    for step in &got.steps {
        let pass = twin.step();
        margin = margin.min(pass.margin(model));
        let ((names, expected), (given, got)): ((Vec<_>, Vec<_>), (Vec<_>, Vec<_>)) =
            (pass.metrics().into_iter().unzip(), metrics(step).into_iter().unzip());
        assert_eq!(names, given, "{title}: the numbers that the method has");
        if let Err(e) = check_close(&expected, &got, RUN_TOLERANCE, 1e-7) {
            c.fail(&format!("losses of step {}", step.step), e.to_string());
        }
        if checkpoints.peek().is_some_and(|c| c.meta("step").unwrap() == step.step.to_string()) {
            compare_state(&mut c, &twin, checkpoints.next().unwrap(), RUN_TOLERANCE).unwrap();
        }
    }
    assert!(got.checkpoints.len() >= 2 && checkpoints.next().is_none(), "checkpoints left out");
    println!("{title}: nearest to a kink {margin:.1e}");
    done(c);
}

/// With the workgroups and tiles that GPUs get.
#[test]
fn runs_as_on_a_gpu() {
    let gpu = native::open(&AdapterChoice { as_gpu: true, ..AdapterChoice::default() }).unwrap();
    assert!(!gpu.is_software() && gpu.elementwise_group() == 64);
    let away = Settings { seed: SEED + 3, ..ssl() };
    whole_run_on(&gpu, "dnn, as on a GPU", &model(DNN, 6, 1), &away, None);
    let moments = Settings { generator_loss: GeneratorLoss::MomentMatching, ..ssl() };
    for (title, text) in [("cnn", CNN_SEPARATE), ("cnn, batch norm of all rows", CNN_JOINED)] {
        whole_run_on(&gpu, &format!("{title}, as on a GPU"), &model(text, 6, 1), &moments, None);
    }
}

#[test]
fn dnn_runs_like_the_twin() {
    let dnn = model(DNN, 6, 1);
    // With SEED a value comes within 9e-7 of a kink, and Mesa 26.1 puts it on the other side; with this one none within 1e-5.
    whole_run("dnn, mean", &dnn, &Settings { seed: SEED + 3, ..ssl() });
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

/// Without a generator D learns from labels, entropy, consistency and balance; one of the terms alone suffices.
#[test]
fn runs_without_a_generator_are_like_the_twin() {
    let settings = Settings {
        generator_loss: GeneratorLoss::None,
        entropy_weight: 0.3,
        consistency_weight: 2.0,
        balance_weight: 0.8,
        ramp_epochs: 1,
        ..ssl()
    };
    whole_run("dnn, no generator", &model(DNN, 6, 1), &settings);
    let settings = Settings { epsilon: 1e-3, ..settings };
    whole_run("cnn 8x8x3, no generator", &model(CNN_SEPARATE, 8, 3), &settings);
    whole_run("cnn 8x8x1, joined, no generator", &model(CNN_JOINED, 8, 1), &settings);
    let entropy = Settings { consistency_weight: 0.0, balance_weight: 0.0, ..settings.clone() };
    whole_run("dnn, no generator, entropy alone", &model(DNN, 6, 1), &entropy);
    let balance = Settings { balance_weight: 0.8, entropy_weight: 0.0, ..entropy };
    whole_run("dnn, no generator, balance alone", &model(DNN, 6, 1), &balance);
    let consistency = Settings { consistency_weight: 2.0, balance_weight: 0.0, ..balance };
    whole_run("dnn, no generator, consistency alone", &model(DNN, 6, 1), &consistency);
    one_step("dnn, no generator, step 6", &model(DNN, 6, 1), &settings, 6);
}

/// Entropy, consistency and balance rise over the first epoch, the learning rates fall over the second half of the run.
#[test]
fn regularised_runs_are_like_the_twin() {
    let settings = Settings {
        entropy_weight: 0.3,
        consistency_weight: 2.0,
        balance_weight: 0.8,
        ramp_epochs: 1,
        learning_rate_decay: 0.5,
        label_smoothing: 0.1,
        ..ssl()
    };
    whole_run("dnn, regularised", &model(DNN, 6, 1), &settings);
    let plain = Settings { generator_loss: GeneratorLoss::NonSaturating, ..settings.clone() };
    whole_run("dnn, plain generator loss", &model(DNN, 6, 1), &plain);
    let moments = Settings { generator_loss: GeneratorLoss::MomentMatching, ..settings.clone() };
    whole_run("dnn, moments", &model(DNN, 6, 1), &moments);
    whole_run("cnn 8x8x1, joined, moments", &model(CNN_JOINED, 8, 1), &moments);
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
        balance_weight: 0.8,
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

/// One step with everything it made.
fn one_step(title: &str, model: &ModelShape, settings: &Settings, step: u32) {
    done(steps::one_step(&gpu(), title, model, settings, step).unwrap());
}

/// Step 6 begins inside an epoch and ends in the next.
#[test]
fn one_step_leaves_what_the_twin_leaves() {
    let sum = Settings { feature_matching: FeatureMatching::Sum, epsilon_inside_root: true, ..ssl() };
    one_step("dnn, step 6", &model(DNN, 6, 1), &Settings { seed: SEED + 3, ..ssl() }, 6);
    let separate = Settings { discriminator_updates: DiscriminatorUpdates::Separate, ..sum.clone() };
    one_step("dnn, separate updates, step 6", &model(DNN, 6, 1), &separate, 6);
    // With SEED a value comes within 2e-7 of a kink, and drivers put it on either side.
    one_step("cnn, step 6", &model(CNN_SEPARATE, 8, 3), &Settings { seed: SEED + 1, ..sum }, 6);
    one_step("joined cnn, step 6", &model(CNN_JOINED, 8, 1), &ssl(), 6);
    // On few pixels: the fewer values there are, the seldomer one comes near to a kink.
    let plain = Settings { generator_loss: GeneratorLoss::NonSaturating, ..ssl() };
    one_step("cnn, plain generator loss, step 6", &model(CNN_SEPARATE, 6, 1), &plain, 6);
    one_step("joined cnn, plain generator loss, step 6", &model(CNN_JOINED, 6, 1), &plain, 6);
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
    // A third network would take a CPU's driver another minute to compile.
    for (name, model) in [("dnn", model(DNN, 6, 1)), ("cnn", model(CNN_SEPARATE, 8, 3))] {
        let (trace, _, pass) = both(&gpu, &model, &settings, 1).unwrap();
        let mut c = Comparison::new(&format!("{name}, mixed precision"));
        for (net, prefix, gradients) in pass.gradients() {
            let net = if net == "generator" { &model.generator } else { &model.discriminator };
            c.net((net, gradients), &trace, (&prefix, ""), |_, trained| trained, MIXED_TOLERANCE).unwrap();
        }
        let worst = c.findings.iter().map(|f| f.deviation).fold(0.0, f64::max);
        assert!(worst > 1e-4, "nothing was rounded: {worst}");
        done(c);
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
