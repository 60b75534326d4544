//! One step of small models against PyTorch's numbers in `tests/fixtures` (made by `make_step.py` there).

use super::{done, gpu};
use ssgan::app::run::checkpoint::{self, save_with};
use ssgan::checks::steps::models::{
    CLASSES, CNN_JOINED, CNN_SEPARATE, DNN, PHOTO, data_set, model_on, shape,
};
use ssgan::checks::steps::{Comparison, ssl, supervised, values};
use ssgan::model::shape::DataShape;
use ssgan::native::BlockOn;
use ssgan::train::checkpoint::{Checkpoint, TensorData};
use ssgan::train::settings::{DiscriminatorUpdates, FeatureMatching, GeneratorLoss, Settings};
use ssgan::train::trace_step;
use std::collections::BTreeMap;
use std::path::Path;

/// Square root of the normalised mean square error: of what PyTorch was given, and of what it made of that.
const INPUT_TOLERANCE: f64 = 2e-5;
const TOLERANCE: f64 = 5e-5;

/// Name of the fixture, model file, images and classes, settings.
fn cases() -> [(&'static str, &'static str, DataShape, Settings); 7] {
    let small = |s: Settings| Settings { batch_size: 4, labels: 3.into(), ..s };
    let sum = Settings {
        feature_matching: FeatureMatching::Sum,
        epsilon_inside_root: true,
        entropy_weight: 0.3,
        consistency_weight: 2.0,
        ramp_epochs: 1,
        ..small(ssl())
    };
    let separate = Settings { discriminator_updates: DiscriminatorUpdates::Separate, ..sum.clone() };
    let views = Settings { consistency_weight: 1.0, ..small(ssl()) };
    let square = |side, channels| shape(side, side, channels, CLASSES);
    let alone = Settings { batch_size: 4, ..supervised() };
    [
        ("step-dnn", DNN, square(6, 1), small(ssl())),
        ("step-dnn-separate", DNN, square(6, 1), separate),
        ("step-cnn", CNN_SEPARATE, square(6, 3), sum),
        ("step-cnn-joined", CNN_JOINED, square(7, 1), small(ssl())),
        ("step-cnn-supervised", CNN_SEPARATE, square(6, 1), alone),
        ("step-photo", PHOTO, shape(9, 14, 3, 26), Settings { labels: 26.into(), ..small(ssl()) }),
        ("step-photo-two-classes", PHOTO, shape(14, 10, 1, 2), Settings { labels: 2.into(), ..views }),
    ]
}

/// Not the first step: moments and running statistics are at work.
const STEP: u32 = 3;

fn trace(toml: &str, data: DataShape, settings: &Settings) -> Checkpoint {
    let model = model_on(toml, data);
    trace_step(&gpu(), &model, settings, &data_set(&model, 40), STEP).block_on().unwrap()
}

#[test]
#[ignore = "writes the traces that tests/fixtures/make_step.py reads"]
fn write_traces() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("steps");
    std::fs::create_dir_all(&dir).unwrap();
    for (name, toml, shape, settings) in cases() {
        let text = BTreeMap::from([("model_toml".to_string(), toml.to_string())]);
        let file = dir.join(format!("{name}.safetensors"));
        save_with(&trace(toml, shape, &settings), &text, &file).unwrap();
        println!("{}", file.display());
    }
}

/// Weights that have risen to three tenths, and learning rates that have fallen by three fortieths.
#[test]
fn a_trace_says_what_its_step_was_made_with() {
    let settings = Settings {
        batch_size: 4,
        labels: 3.into(),
        epsilon: 1e-3,
        epsilon_inside_root: true,
        unsupervised_weight: 0.7,
        discriminator_updates: DiscriminatorUpdates::Separate,
        label_smoothing: 0.1,
        entropy_weight: 0.5,
        consistency_weight: 2.0,
        balance_weight: 1.5,
        ramp_epochs: 1,
        generator_loss: GeneratorLoss::MomentMatching,
        feature_matching: FeatureMatching::Sum,
        learning_rate_decay: 1.0,
        ..ssl()
    };
    let said = [
        ("format", "ssgan-trace-1"),
        ("model", "small-dnn"),
        ("method", "ssl"),
        ("step", "3"),
        ("learning_rate", "0.002775"),
        ("generator_learning_rate", "0.004625"),
        ("beta1", "0.5"),
        ("beta2", "0.95"),
        ("epsilon", "0.001"),
        ("epsilon_inside_root", "true"),
        ("ema_rate", "0.1"),
        ("unsupervised_weight", "0.7"),
        ("discriminator_updates", "3"),
        ("label_smoothing", "0.1"),
        ("entropy_weight", "0.15"),
        ("consistency_weight", "0.6"),
        ("balance_weight", "0.45000002"),
        ("generator_loss", "MomentMatching"),
        ("feature_matching", "sum"),
    ];
    let got = trace(DNN, shape(6, 6, 1, CLASSES), &settings).metadata;
    assert_eq!(got, BTreeMap::from(said.map(|(key, value)| (key.to_string(), value.to_string()))));
}

#[test]
fn one_step_gives_what_pytorch_gives() {
    for (name, toml, shape, settings) in cases() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}.safetensors"));
        let fixture = checkpoint::load(&file).unwrap();
        assert_eq!(fixture.meta("step").unwrap(), STEP.to_string());
        assert_eq!(
            fixture.meta("model_toml").unwrap(),
            toml,
            "the model has changed: make the fixtures again"
        );
        let got = trace(toml, shape, &settings);
        let mut c = Comparison::new(name);
        for tensor in &fixture.tensors {
            let (kind, name) = tensor.name.split_once('.').unwrap();
            let expected: Vec<f64> = tensor.values.iter().map(|&v| f64::from(v)).collect();
            let mut got = values(&got, name).unwrap();
            if kind == "input" && name.ends_with(".images") {
                // The data rows alone; the rows before them are G's.
                got = &got[got.len() - expected.len()..];
            }
            c.tensor(name, &expected, got, if kind == "input" { INPUT_TOLERANCE } else { TOLERANCE });
        }
        for (prefix, what) in
            [("expect.loss.", "losses"), ("expect.grad.", "gradients"), ("input.", "inputs")]
        {
            let count = fixture.tensors.iter().filter(|t| t.name.starts_with(prefix)).count();
            assert!(count > 0, "{name}: the fixture has no {what}");
        }
        let unseen = |t: &&TensorData| {
            let of_an_update = t.name.starts_with("d_step.") && t.name.contains(".grad.");
            (t.name.starts_with("grad.") || of_an_update && !t.name.ends_with(".product"))
                && !fixture.tensors.iter().any(|f| f.name == format!("expect.{}", t.name))
        };
        let missing: Vec<_> = got.tensors.iter().filter(unseen).map(|t| &t.name).collect();
        assert!(missing.is_empty(), "{name}: PyTorch has no {missing:?}");
        done(c);
    }
}
