//! What a run tells of its epochs, the images that its generator draws, and its initialisation, against the float64 twin.

use super::{IMAGES, RUN_TOLERANCE, Twin, done, gpu, model};
use ssgan::checks::steps::models::{CLASSES, DNN, data_set, model_on, shape};
use ssgan::checks::steps::{Comparison, compare_state, ssl, supervised};
use ssgan::data::{Dataset, Split, choose, split_validation};
use ssgan::error::Result;
use ssgan::model::shape::ModelShape;
use ssgan::native::BlockOn;
use ssgan::reference::batch::{gather, latent};
use ssgan::reference::loss::{argmax, cross_entropy};
use ssgan::reference::optimizer::ema_correction;
use ssgan::reference::step::INIT_ROWS;
use ssgan::reference::{Group, Mode, NetParams, assert_close, assert_nmse, forward};
use ssgan::rng::{self, Counter, streams};
use ssgan::train::event::{EpochMetrics, Event, Observer, StepMetrics};
use ssgan::train::settings::{Method, Settings};
use ssgan::train::{Evaluation, SAMPLES, Stop, Trainer, Weights, run, sample};

/// Without kinks, so that rounding decides nothing but ties; with batch norm, whose running statistics an evaluation takes.
const SMOOTH: &str = r#"
name = "smooth"
[discriminator]
layers = [
    { op = "flatten" },
    { op = "gaussian_noise", sigma = 0.1 },
    { op = "dense", units = 12, bias = false },
    { op = "batch_norm", eps = 1e-3, momentum = 0.25 },
    { op = "tanh", feature = true },
    { op = "dense", units = "classes" },
]
[generator]
latent = 4
prior = "PRIOR"
layers = [
    { op = "dense", units = 9, bias = false },
    { op = "batch_norm", eps = 1e-3 },
    { op = "softplus" },
    { op = "dense", units = "pixels" },
    { op = "sigmoid" },
]
"#;

fn smooth(prior: &str) -> ModelShape {
    model_on(&SMOOTH.replace("PRIOR", prior), shape(6, 6, 1, CLASSES))
}

/// Test images: twice as many as are evaluated at once, and a last few.
const TESTED: u32 = 1050;

/// Noise, in which a third of the pixels, another for each class, is a little brighter: some images are told rightly, some not.
fn faint(model: &ModelShape) -> Dataset {
    let pixels = model.data.image.len();
    let split = |n: u32, stream: u32| {
        let value = |e: u32| {
            let (image, pixel) = (e / pixels, e % pixels);
            let more = if pixel % CLASSES == image % CLASSES { 0.1 } else { 0.0 };
            (255.0 * (more + 0.9 * rng::uniform(9, Counter { stream, step: 0 }, e))) as u8
        };
        Split::labelled((0..n * pixels).map(value).collect(), (0..n).map(|image| (image % CLASSES) as u16))
    };
    Dataset::new("faint", model.data, split(IMAGES as u32, 0xF002), split(TESTED, 0xF003)).unwrap()
}

/// Images as the networks get them, and their classes.
struct Images {
    values: Vec<f64>,
    classes: Vec<u32>,
}

impl Images {
    fn of(split: &Split) -> Images {
        Images {
            values: split.images.iter().map(|&byte| f64::from(byte) / 255.0).collect(),
            classes: split.labels.iter().map(|label| label.unwrap().into()).collect(),
        }
    }

    /// The labelled images that a supervised run holds out.
    fn held_out(settings: &Settings, data: &Dataset) -> Images {
        let (labels, seed) = (&data.train.labels, settings.label_seed);
        let chosen = choose(labels, &data.class_names, settings.labels, seed).unwrap();
        let share = f64::from(settings.validation_split);
        let (_, numbers) = split_validation(&data.train, data.shape.image, &chosen, share, seed).unwrap();
        let all = Images::of(&data.train);
        Images {
            values: gather(&all.values, &numbers, data.shape.image.len() as usize),
            classes: numbers.iter().map(|&i| all.classes[i as usize]).collect(),
        }
    }
}

/// D with the moving average of its trained parameters, its bias corrected.
fn averaged(twin: &Twin, settings: &Settings) -> NetParams {
    let correction = ema_correction(f64::from(settings.ema_rate), twin.state.step);
    let mut d = twin.state.d.clone();
    for (i, layer) in twin.model.discriminator.layers.iter().enumerate() {
        for (j, _) in layer.params().iter().enumerate().filter(|(_, p)| p.trained) {
            d[i][j] = twin.state.d_ema[i][j].iter().map(|v| v / correction).collect();
        }
    }
    d
}

/// Logits are about 1: two that are nearer than this may be in any order.
const NEAR: f64 = 2.0 * RUN_TOLERANCE;

/// What an evaluation should find.
struct Expected {
    /// Row = class, column = predicted class.
    confusion: Vec<Vec<u32>>,
    /// Mean cross entropy.
    loss: f64,
    /// Images whose two largest logits are near each other.
    near: u32,
}

impl Expected {
    fn new(model: &ModelShape, d: &NetParams, images: &Images) -> Expected {
        let (k, rows) = (CLASSES as usize, images.classes.len());
        let groups = [Group { rows, update_running: false }];
        let tape = forward(&model.discriminator, d, &images.values, &groups, Mode::Eval);
        let mut expected = Expected { confusion: vec![vec![0; k]; k], loss: 0.0, near: 0 };
        for (logits, &class) in tape.output().chunks(k).zip(&images.classes) {
            let best = argmax(logits);
            let others = (0..k).filter(|i| *i != best).map(|i| logits[i]);
            expected.near += u32::from(logits[best] - others.fold(f64::NEG_INFINITY, f64::max) < NEAR);
            expected.confusion[class as usize][best] += 1;
            expected.loss += cross_entropy(logits, class).0 / rows as f64;
        }
        assert!(expected.near <= rows as u32 / 50, "{} of {rows} near a tie", expected.near);
        expected
    }

    fn right(&self) -> u32 {
        (0..self.confusion.len()).map(|class| self.confusion[class][class]).sum()
    }

    #[track_caller]
    fn check_accuracy(&self, what: &str, got: f32) {
        let images: u32 = self.confusion.iter().flatten().sum();
        let apart = (f64::from(got) * f64::from(images) - f64::from(self.right())).abs();
        let (right, near) = (self.right(), self.near);
        assert!(
            apart < f64::from(near) + 0.01,
            "{what}: {got} right, not {right} of {images}, {near} near a tie"
        );
    }

    #[track_caller]
    fn check_loss(&self, what: &str, got: f32) {
        assert_close(what, &[self.loss], &[got], RUN_TOLERANCE, 1e-7);
    }

    #[track_caller]
    fn check(&self, what: &str, got: &Evaluation) {
        self.check_accuracy(what, got.accuracy);
        self.check_loss(what, got.loss);
        let pairs = self.confusion.iter().flatten().zip(got.confusion.iter().flatten());
        let moved: u32 = pairs.map(|(expected, got)| expected.abs_diff(*got)).sum();
        assert!(moved <= 2 * self.near, "{what}: {:?}, not {:?}", got.confusion, self.confusion);
    }
}

/// What a run told.
#[derive(Default)]
struct Told {
    steps: Vec<StepMetrics>,
    epochs: Vec<EpochMetrics>,
    samples: Vec<Vec<f32>>,
}

impl Observer for Told {
    fn on(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::Steps(steps) => self.steps.extend(steps.iter().cloned()),
            Event::Epoch(epoch) => self.epochs.push(epoch.clone()),
            Event::Samples { images, .. } => self.samples.push(images.to_vec()),
            _ => {}
        }
        Ok(())
    }
}

impl Told {
    /// An epoch's means are those of the steps after the step `before`, of which the evaluation before it was.
    #[track_caller]
    fn check_means(&self, what: &str, epoch: &EpochMetrics, before: u32) {
        let steps: Vec<_> = self.steps.iter().filter(|s| s.step > before && s.step <= epoch.step).collect();
        assert_eq!((steps.len() as u32, epoch.mean.step), (epoch.step - before, epoch.step), "{what}");
        for (i, (name, got)) in StepMetrics::NAMES.iter().zip(epoch.mean.values()).enumerate() {
            let mean = steps.iter().map(|s| f64::from(s.values()[i])).sum::<f64>() / steps.len() as f64;
            // What the method does not have is no number.
            let same =
                if mean.is_nan() { got.is_nan() } else { (f64::from(got) - mean).abs() <= 1e-6 * mean.abs() };
            assert!(same, "{what}: {name} {got}, not {mean}");
        }
    }
}

/// Of a normalised mean square error of images, as of an examiner's.
const IMAGE_TOLERANCE: f64 = 1e-7;

/// A whole run: everything that it tells of its epochs, which are evaluated after these steps, and of its images. Whether raw
/// and averaged parameters classify other numbers of images rightly, and some of the first class are among these.
fn check_run(title: &str, model: &ModelShape, settings: &Settings, evaluated: &[u32]) -> bool {
    let (data, gpu) = (faint(model), gpu());
    let mut trainer = Trainer::new(&gpu, model, settings, &data).block_on().unwrap();
    let mut told = Told::default();
    let summary = run(&mut trainer, &mut told, &Stop::new(), None, None).block_on().unwrap();
    assert_eq!(told.epochs.iter().map(|e| e.step).collect::<Vec<_>>(), evaluated);

    let mut twin = Twin::new(model, settings, &data);
    let tested = Images::of(&data.test);
    let held_out = (settings.method == Method::Supervised).then(|| Images::held_out(settings, &data));
    let (mut differ, mut first_class) = (false, false);
    let mut before = 0;
    for epoch in &told.epochs {
        while twin.state.step < epoch.step {
            drop(twin.step());
        }
        let what = |what: &str| format!("{title}, step {}, {what}", epoch.step);
        let raw = Expected::new(model, &twin.state.d, &tested);
        let average = Expected::new(model, &averaged(&twin, settings), &tested);
        raw.check_accuracy(&what("test"), epoch.test_accuracy);
        raw.check_loss(&what("test"), epoch.test_loss);
        average.check_accuracy(&what("averaged"), epoch.test_accuracy_ema);
        differ |= raw.right().abs_diff(average.right()) > raw.near + average.near;
        first_class |= raw.confusion[0][0] > raw.near;
        match (&held_out, epoch.validation_accuracy, epoch.validation_loss) {
            (Some(images), Some(accuracy), Some(loss)) => {
                let expected = Expected::new(model, &twin.state.d, images);
                expected.check_accuracy(&what("validation"), accuracy);
                expected.check_loss(&what("validation"), loss);
            }
            (None, None, None) => {}
            (_, accuracy, loss) => panic!("{}: {accuracy:?}, {loss:?}", what("validation")),
        }
        told.check_means(&what("means"), epoch, before);
        before = epoch.step;
    }

    let last = told.epochs.last().unwrap();
    let accuracies = (last.test_accuracy, last.test_accuracy_ema);
    assert_eq!((summary.test_accuracy, summary.test_accuracy_ema), accuracies, "{title}");
    for (weights, d) in [(Weights::Raw, twin.state.d.clone()), (Weights::Averaged, averaged(&twin, settings))]
    {
        let got = trainer.evaluate(weights).block_on().unwrap().unwrap();
        Expected::new(model, &d, &tested).check(&format!("{title}, {weights:?}"), &got);
        assert!(weights == Weights::Averaged || got.confusion == summary.confusion, "{title}");
    }

    if settings.method == Method::Supervised {
        assert!(told.samples.is_empty() && trainer.samples().block_on().unwrap().is_none());
    } else {
        let own = trainer.samples().block_on().unwrap().unwrap();
        assert!(told.samples.len() == evaluated.len() && told.samples.last() == Some(&own), "{title}");
        let checkpoint = trainer.snapshot(settings.epochs).block_on().unwrap();
        let others = sample(&gpu, model, &checkpoint, 20, 3).block_on().unwrap();
        for (seed, count, got) in [(settings.seed, SAMPLES, own), (3, 20, others)] {
            let expected = drawn(&twin, seed, count);
            assert_nmse(&format!("{title}, {count} samples"), &expected, &got, IMAGE_TOLERANCE);
        }
    }
    differ && first_class
}

/// Images of G, of a seed of their own.
fn drawn(twin: &Twin, seed: u64, count: u32) -> Vec<f64> {
    let g = &twin.model.generator;
    let z = latent(twin.model.prior, seed, streams::Z_SAMPLES, 0, count, g.input.len());
    let groups = [Group { rows: count as usize, update_running: false }];
    forward(g, &twin.state.g, &z, &groups, Mode::Eval).output().to_vec()
}

#[test]
fn a_run_tells_what_the_twin_finds() {
    let quick = |s: Settings| Settings {
        learning_rate: 0.01,
        generator_learning_rate: 0.01,
        // A gradient that is 0 but for rounding makes no whole step.
        epsilon: 1e-4,
        ..s
    };
    let [uniform, normal] =
        ["uniform", "normal"].map(|prior| check_run(prior, &smooth(prior), &quick(ssl()), &[5, 10, 15, 20]));
    let alone = check_run("supervised", &smooth("normal"), &quick(supervised()), &[10, 20]);
    assert!(uniform || normal || alone, "no run tells enough: take another seed");
}

/// Of more images than that looks at, it looks at the same as the twin's.
#[test]
fn initialisation_looks_at_as_many_images_as_the_twin() {
    // As the paper's code.
    assert_eq!(INIT_ROWS, 500);
    let model = model(DNN, 6, 1);
    let data = data_set(&model, INIT_ROWS as usize + 20);
    let trainer = Trainer::new(&gpu(), &model, &ssl(), &data).block_on().unwrap();
    trainer.initialise().block_on().unwrap();
    let initial = trainer.snapshot(0).block_on().unwrap();
    let mut c = Comparison::new("initialised");
    compare_state(&mut c, &Twin::new(&model, &ssl(), &data), &initial, RUN_TOLERANCE).unwrap();
    done(c);
}
