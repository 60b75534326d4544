//! The same seed gives the same bytes; another seed gives others.

use sha2::{Digest, Sha256};
use ssgan::app::model_file::{self, Changes};
use ssgan::app::run::checkpoint::save;
use ssgan::app::source::{self, Request, Silent};
use ssgan::data::{Dataset, Split};
use ssgan::gpu::{AdapterChoice, Gpu};
use ssgan::model::parse;
use ssgan::model::shape::{DataShape, Dims, ModelShape};
use ssgan::native::{self, BlockOn};
use ssgan::ops::Tiling;
use ssgan::rng::{self, Counter};
use ssgan::train::event::{Event, Observer};
use ssgan::train::settings::{DiscriminatorUpdates, GeneratorLoss, Method, Settings};
use ssgan::train::{Images, Scratch, Stop, Storage, Tiles, Trainer, Weights, classify, run};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

/// Every kind of layer that draws numbers or sums over rows.
const MODEL: &str = r#"
name = "small"
[discriminator]
layers = [
    { op = "gaussian_noise", sigma = 0.3 },
    { op = "conv2d", channels = 8, kernel = 3, stride = 2, bias = false },
    { op = "batch_norm" },
    { op = "leaky_relu" },
    { op = "dropout", rate = 0.25 },
    { op = "conv2d", channels = 12, kernel = 3, weight_norm = "trained" },
    { op = "relu" },
    { op = "global_avg_pool", feature = true },
    { op = "dense", units = "classes", weight_norm = "fixed" },
]
[generator]
latent = 8
layers = [
    { op = "dense", units = 20, bias = false },
    { op = "batch_norm" },
    { op = "softplus" },
    { op = "dense", units = "pixels", weight_norm = "plain" },
    { op = "sigmoid" },
]
"#;

fn model(image: Dims) -> ModelShape {
    let spec = parse::parse(MODEL, "model.toml").unwrap();
    parse::check(&spec, MODEL, "model.toml", DataShape { image, classes: 10 }).unwrap()
}

/// Of data like MNIST.
const DIGITS: DataShape = DataShape { image: Dims { height: 28, width: 28, channels: 1 }, classes: 10 };

/// A built-in model, maybe with another generator.
fn load(name: &str, generator: Option<&str>) -> ModelShape {
    let (spec, source) = model_file::load_with(name, Changes { generator, ..Changes::default() }).unwrap();
    parse::check(&spec, &source, name, DIGITS).unwrap()
}

fn data(model: &ModelShape) -> Dataset {
    data_with(model, 150, 20)
}

fn data_with(model: &ModelShape, train: u32, test: u32) -> Dataset {
    let split = |n: u32, stream: u32| {
        let byte = |e| (256.0 * rng::uniform(3, Counter { stream, step: 0 }, e)) as u8;
        let images = (0..n * model.data.image.len()).map(byte).collect();
        Split::labelled(images, (0..n).map(|i| (i % model.data.classes) as u16))
    };
    Dataset::new("noise", model.data, split(train, 0xF000), split(test, 0xF001)).unwrap()
}

fn sha256(file: &Path) -> String {
    let hash = Sha256::digest(std::fs::read(file).unwrap());
    hash.iter().map(|b| format!("{b:02x}")).collect()
}

/// Hears of everything and does nothing.
struct Deaf;

impl Observer for Deaf {
    fn on(&mut self, _: Event<'_>) -> ssgan::Result<()> {
        Ok(())
    }
}

/// SHA-256 of the checkpoint after a short run.
fn trained(gpu: &Gpu, settings: &Settings, dir: &Path) -> String {
    let model = model(Dims { height: 9, width: 7, channels: 1 });
    let mut trainer = Trainer::new(gpu, &model, settings, &data(&model)).block_on().unwrap();
    run(&mut trainer, &mut Deaf, &Stop::new(), Some(12), None).block_on().unwrap();
    let file = dir.join("checkpoint.safetensors");
    save(&trainer.snapshot(2).block_on().unwrap(), &file).unwrap();
    sha256(&file)
}

#[test]
fn the_seed_decides_every_byte() {
    let dir = tempfile::tempdir().unwrap();
    for method in [Method::Ssl, Method::Supervised] {
        let settings =
            Settings { labels: 60.into(), batch_size: 20, epochs: 8, ..Settings::defaults(method, true) };
        let gpu = native::open(&AdapterChoice::default()).unwrap();
        let first = trained(&gpu, &settings, dir.path());
        assert_eq!(first, trained(&gpu, &settings, dir.path()), "{method:?}: again on the same device");
        let other = native::open(&AdapterChoice::default()).unwrap();
        assert_eq!(first, trained(&other, &settings, dir.path()), "{method:?}: on a device of its own");
        let changes = [
            Settings { seed: settings.seed + 1, ..settings.clone() },
            Settings { seed: settings.seed + (1 << 32), ..settings.clone() },
            Settings { label_seed: settings.label_seed + 1, ..settings.clone() },
        ];
        let mut hashes = BTreeSet::from([first]);
        for changed in changes {
            let hash = trained(&gpu, &changed, dir.path());
            assert!(hashes.insert(hash), "{method:?}: the same bytes with {changed:?}");
        }
    }
}

/// What runs record of the embedded data set: all 70,000 images, drawn by however many threads. Results on other images are others.
#[test]
fn the_embedded_digits_are_pinned() {
    let digits = source::load(&Request::default(), &mut Silent).unwrap();
    assert_eq!((digits.name.as_str(), digits.train.len(), digits.test.len()), ("digits", 60_000, 10_000));
    assert_eq!(digits.fingerprint, "81f01527c373c2984205c4697e5cb9606ee7ea9b5fec6ea2968269480f750ca3");
}

/// Images in several buffers, the last of them with fewer, and images in main memory give the bytes of images in one buffer.
#[test]
fn where_the_images_lie_changes_nothing() {
    let gpu = native::open(&AdapterChoice::default()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let model = model(Dims { height: 9, width: 7, channels: 1 });
    let data = data(&model);
    use Method::{Ssl, Supervised};
    for (method, varied, generator) in
        [(Ssl, false, true), (Ssl, true, true), (Ssl, true, false), (Supervised, false, false)]
    {
        let few =
            Settings { labels: 60.into(), batch_size: 20, epochs: 8, ..Settings::defaults(method, true) };
        // Two views of some of the images, and updates apart from each other.
        let few = match varied {
            true => Settings {
                unlabelled: Some(70),
                consistency_weight: 1.0,
                discriminator_updates: DiscriminatorUpdates::Separate,
                ..few
            },
            false => few,
        };
        let few = match (method, generator) {
            (Ssl, false) => Settings {
                generator_loss: GeneratorLoss::None,
                discriminator_updates: DiscriminatorUpdates::default(),
                balance_weight: 1.0,
                ..few
            },
            _ => few,
        };
        let bytes = |images| {
            let storage = Storage { scratch: Scratch::Shared, images };
            let mut trainer =
                Trainer::with_tiles(&gpu, &model, &few, &data, storage, &Tiles::tables()).block_on().unwrap();
            run(&mut trainer, &mut Deaf, &Stop::new(), Some(9), None).block_on().unwrap();
            let file = dir.path().join("checkpoint.safetensors");
            save(&trainer.snapshot(1).block_on().unwrap(), &file).unwrap();
            sha256(&file)
        };
        let whole = bytes(Images::Device);
        for images in [Images::Blocks(63 * 40), Images::Blocks(63), Images::Host] {
            assert_eq!(bytes(images), whole, "{method:?}, {varied}, {generator}, {images:?}");
        }
    }
}

/// A software adapter's tiles depend on the CPU, which its name does not tell: a run may go on on another one.
#[test]
fn the_kind_of_cpu_changes_nothing() {
    let gpu = native::open(&AdapterChoice::default()).unwrap();
    let Some(lanes @ 4..=16) = gpu.subgroup_size() else {
        let name = &gpu.summary().name;
        assert!(!gpu.is_software(), "{name} has no subgroups of 4 to 16 lanes: nothing is compared");
        println!("{name} is no software adapter: its tiles do not depend on the CPU");
        return;
    };
    // A weight gradient of 40 x 72, which is cut into few chunks.
    let few_tiles = MODEL.replace("channels = 12", "channels = 40");
    let spec = parse::parse(&few_tiles, "model.toml").unwrap();
    let few_tiles = parse::check(&spec, &few_tiles, "model.toml", DIGITS).unwrap();
    for (name, model, batch_size) in [
        ("dnn", load("dnn", None), 300),
        ("cnn-deep", load("cnn-deep", Some("conv-varied")), 23),
        ("few tiles", few_tiles, 23),
    ] {
        let settings =
            Settings { labels: 20.into(), batch_size, epochs: 9, ..Settings::defaults(Method::Ssl, true) };
        let trained = |deep| {
            let tiling = Tiling::Software { lanes, long: gpu.has_64_bit_integers(), deep };
            let tiles = Tiles::by(&gpu, &model, &settings, |product| tiling.tile(product.kind()));
            let data = data_with(&model, 300, 20);
            let mut trainer = Trainer::with_tiles(&gpu, &model, &settings, &data, Scratch::Shared, &tiles)
                .block_on()
                .unwrap();
            run(&mut trainer, &mut Deaf, &Stop::new(), Some(2), None).block_on().unwrap();
            (tiles.to_string(), trainer.snapshot(1).block_on().unwrap().tensors)
        };
        let (one, other) = (trained(true), trained(false));
        assert_ne!(one.0, other.0, "{name}: other tiles");
        assert!(one.1 == other.1, "{name}: other bytes");
    }
}

/// What a step makes on its way is overwritten as soon as nothing needs it. Were it needed after all, or read before it is
/// written, the bytes would not be those of a trainer whose tensors keep memory of their own. Batches of 23 rows leave
/// the last vector, tile and chunk ragged.
#[test]
fn sharing_memory_changes_nothing() {
    let gpu = native::open(&AdapterChoice::default()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let small =
        Settings { labels: 20.into(), batch_size: 23, epochs: 2, ..Settings::defaults(Method::Ssl, true) };
    let separate =
        Settings { discriminator_updates: DiscriminatorUpdates::Separate, ema_rate: 0.1, ..small.clone() };
    let views = Settings { consistency_weight: 1.0, entropy_weight: 1.0, ..small.clone() };
    let plain = Settings { generator_loss: GeneratorLoss::NonSaturating, ..small.clone() };
    let moments = Settings { generator_loss: GeneratorLoss::MomentMatching, ..small.clone() };
    let alone = Settings { generator_loss: GeneratorLoss::None, balance_weight: 1.0, ..views.clone() };
    let supervised = Settings {
        labels: 20.into(),
        batch_size: 23,
        epochs: 2,
        ..Settings::defaults(Method::Supervised, true)
    };
    let odd = model(Dims { height: 9, width: 7, channels: 1 });
    let cases = [
        ("odd", odd.clone(), &small),
        ("odd, separate updates", odd.clone(), &separate),
        ("odd, two views", odd.clone(), &views),
        ("odd, no generator", odd, &alone),
        ("dnn", load("dnn", None), &plain),
        ("dnn-unit", load("dnn-unit", None), &separate),
        ("cnn", load("cnn", None), &views),
        ("cnn, supervised", load("cnn", None), &supervised),
        ("cnn, generator of convolutions", load("cnn", Some("conv")), &small),
        ("cnn-batch-norm", load("cnn-batch-norm", None), &small),
        ("cnn-minibatch", load("cnn-minibatch", None), &plain),
        ("cnn-deep", load("cnn-deep", None), &views),
        ("cnn-deep, moments", load("cnn-deep", Some("conv")), &moments),
        ("cnn-noise", load("cnn-noise", None), &small),
        ("photo-small", load("photo-small", None), &views),
    ];
    for (name, model, settings) in cases {
        // Evaluations take 500 images at a time, and then the rest.
        let data = data_with(&model, 150, 501);
        let result = |trainer: &mut Trainer| {
            trainer.scratch().poison(&gpu);
            trainer.initialise().block_on().unwrap();
            for _ in 0..3 {
                trainer.scratch().poison(&gpu);
                trainer.step().block_on().unwrap();
            }
            trainer.scratch().poison(&gpu);
            let evaluation = trainer.evaluate(Weights::Averaged).block_on().unwrap().unwrap();
            // The classes that the images get one by one are those that were counted.
            let saved = trainer.snapshot(1).block_on().unwrap();
            let logits = classify(&gpu, &model, &saved, &data.test.images, true).block_on().unwrap();
            let rows = logits.chunks(model.data.classes as usize);
            let largest =
                |row: &[f32]| (0..row.len()).rev().max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
            let mut confusion = vec![vec![0; model.data.classes as usize]; model.data.classes as usize];
            for (label, row) in data.test.labels.iter().zip(rows) {
                confusion[usize::from(label.unwrap())][largest(row)] += 1;
            }
            assert_eq!(confusion, evaluation.confusion, "{name}");
            let file = dir.path().join("checkpoint.safetensors");
            save(&trainer.snapshot(1).block_on().unwrap(), &file).unwrap();
            (sha256(&file), evaluation)
        };
        let made = |scratch| {
            Trainer::with_tiles(&gpu, &model, settings, &data, scratch, &Tiles::tables()).block_on().unwrap()
        };
        let asked = || gpu.memory().asked;
        let before = asked();
        let mut keeping = made(Scratch::Kept);
        let between = asked();
        let mut sharing = made(Scratch::Shared);
        let (kept, shared) = (between - before, asked() - between);
        // Most of a small supervised run is the initialisation, on 150 images.
        assert!(shared < kept - kept / 20, "{name}: {shared} bytes, and {kept} without sharing");
        let (kept_result, shared_result) = (result(&mut keeping), result(&mut sharing));
        assert!(kept_result.1.loss.is_finite(), "{name}");
        assert_eq!(kept_result, shared_result, "{name}");
        // Nor does what lies between the tensors of an arena become a NaN, which the optimizer would take for a parameter's.
        let mut again = made(Scratch::Shared);
        again.scratch().poison(&gpu);
        let run = run(&mut again, &mut Deaf, &Stop::new(), Some(3), None).block_on();
        assert!(run.is_ok(), "{name}: {run:?}");
    }
}

/// After the first epoch with its evaluation, samples and checkpoint, no memory is asked for.
#[test]
fn training_allocates_nothing_after_the_first_epoch() {
    struct Watch<'g>(&'g Gpu, Vec<u64>);
    impl Observer for Watch<'_> {
        fn on(&mut self, e: Event<'_>) -> ssgan::Result<()> {
            if let Event::Checkpoint { .. } = e {
                self.1.push(self.0.memory().asked);
            }
            Ok(())
        }
    }
    let gpu = native::open(&AdapterChoice::default()).unwrap();
    let model = model(Dims { height: 9, width: 7, channels: 1 });
    let settings =
        Settings { labels: 60.into(), batch_size: 20, epochs: 4, ..Settings::defaults(Method::Ssl, true) };
    let mut trainer = Trainer::new(&gpu, &model, &settings, &data(&model)).block_on().unwrap();
    let mut watch = Watch(&gpu, vec![]);
    run(&mut trainer, &mut watch, &Stop::new(), None, None).block_on().unwrap();
    assert_eq!(watch.1.len(), 4);
    assert!(watch.1.iter().all(|n| *n == watch.1[0]), "{:?}", watch.1);
}

/// The program itself, in processes of their own, on the embedded digits.
#[test]
fn two_processes_write_the_same_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("small.toml"), MODEL).unwrap();
    let run = |out: &str, seed: &str| {
        let line = "train --quiet --model small.toml --batch-size 32 --epochs 1 --max-steps 3";
        let result = Command::new(env!("CARGO_BIN_EXE_ssgan"))
            .args(line.split(' '))
            .args(["--seed", seed, "--out", out])
            .current_dir(dir.path())
            .env("SSGAN_CACHE_DIR", dir.path().join("cache"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stderr));
        let mut files: Vec<_> = std::fs::read_dir(dir.path().join(out).join("checkpoints"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        assert!(!files.is_empty());
        files.iter().map(|f| (f.file_name().unwrap().to_owned(), sha256(f))).collect::<Vec<_>>()
    };
    let first = run("a", "7");
    assert_eq!(first, run("b", "7"));
    assert_ne!(first, run("c", "8"));
}
