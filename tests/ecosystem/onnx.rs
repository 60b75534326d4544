//! `ssgan export`: ONNX Runtime gives the labels and logits that this program gives.

use super::{TRAIN, bench, models, python, run, ssgan};
use sha2::Digest;
use ssgan::app::export::onnx::{Origin, encode};
use ssgan::app::run::checkpoint;
use ssgan::app::source::images::decode;
use ssgan::app::source::images::policy::{Fit, Policy};
use ssgan::app::source::{self, Request, Silent};
use ssgan::data::{Dataset, Split};
use ssgan::gpu::{AdapterChoice, Gpu};
use ssgan::model::parse;
use ssgan::model::shape::{DataShape, Dims, ModelShape};
use ssgan::native::{self, BlockOn};
use ssgan::rng::{self, Counter};
use ssgan::train::checkpoint::Checkpoint;
use ssgan::train::settings::{LabelCount, Method, Settings};
use ssgan::train::{Classifier, Trainer};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A few steps, after which running statistics, averages and scales are not what they began as.
fn trained(gpu: &Gpu, model: &ModelShape, data: &Dataset) -> Checkpoint {
    let settings = Settings {
        labels: LabelCount::Balanced(model.data.classes * 10),
        batch_size: 20,
        learning_rate: 0.01,
        ema_rate: 0.2,
        ..Settings::defaults(Method::Supervised, false)
    };
    let mut trainer = Trainer::new(gpu, model, &settings, data).block_on().unwrap();
    trainer.initialise().block_on().unwrap();
    for _ in 0..6 {
        trainer.step().block_on().unwrap();
    }
    trainer.finish_steps().block_on().unwrap();
    trainer.snapshot(0).block_on().unwrap()
}

/// Writes what the Python script compares: the model, the images, and what this program makes of them.
fn write_case(folder: &Path, name: &str, gpu: &Gpu, model: &ModelShape, data: &Dataset, averaged: bool) {
    let checkpoint = trained(gpu, model, data);
    let class_names = checkpoint.class_names(model.data.classes).unwrap();
    let origin = Origin { averaged, class_names, ..Origin::default() };
    let bytes = encode(&checkpoint, model, &origin).unwrap();
    let mut classifier = Classifier::new(gpu, model, &checkpoint, averaged, false).block_on().unwrap();
    let logits = classifier.classify(&data.test.images).block_on().unwrap().logits;
    let file = |ending: &str| folder.join(format!("{name}.{ending}"));
    fs::write(file("onnx"), bytes).unwrap();
    fs::write(file("images"), &data.test.images[..]).unwrap();
    fs::write(file("logits"), logits.iter().flat_map(|l| l.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    let image = model.data.image;
    let told = serde_json::json!({
        "image": [image.height, image.width, image.channels], "classes": model.data.classes,
        "class_names": data.class_names, "averaged": averaged, "batch": classifier.rows(),
        "compares": model.discriminator.layers.iter().any(|l| l.op.name() == "minibatch_discrimination"),
    });
    fs::write(file("json"), told.to_string()).unwrap();
}

/// More images than go through the network at once, and a last few.
const IMAGES: u32 = 1050;

/// Noise of all bytes, by class a little brighter; `test` images to test on.
fn noise(shape: DataShape, test: u32) -> Dataset {
    let pixels = shape.image.len();
    let split = |n: u32, stream: u32| {
        let label = |i: u32| i % shape.classes;
        let value = |e: u32| {
            let noise = rng::uniform(5, Counter { stream, step: 0 }, e);
            (255.99 * (0.8 * noise + 0.2 * f64::from(label(e / pixels)) / f64::from(shape.classes))) as u8
        };
        Split::labelled((0..n * pixels).map(value).collect(), (0..n).map(|i| label(i) as u16))
    };
    let (train, test) = (split(80, 0xE000), split(test, 0xE001));
    let names = ["a", "b, c", "d\"e", "f"].map(String::from).to_vec();
    Dataset::with_classes("noise", shape, names, train, test).unwrap()
}

#[test]
#[ignore = "needs Python with onnx and onnxruntime: make test-python"]
fn onnx_runtime_gives_the_same_labels_and_logits() {
    let dir = tempfile::tempdir().unwrap();
    let gpu = native::open(&AdapterChoice::default()).unwrap();
    for (name, toml, image) in models::all() {
        let shape = DataShape { image, classes: models::CLASSES };
        let spec = parse::parse(&toml, name).unwrap();
        let model = parse::check(&spec, &toml, name, shape).unwrap();
        let data = noise(shape, IMAGES);
        for (parameters, averaged) in [("raw", false), ("averaged", true)] {
            write_case(dir.path(), &format!("{name}-{parameters}"), &gpu, &model, &data, averaged);
        }
    }
    let digits = source::load(&Request::default(), &mut Silent).unwrap();
    let colour = DataShape { image: Dims { height: 32, width: 32, channels: 3 }, classes: models::CLASSES };
    let photos = noise(colour, 100);
    for (name, _) in parse::BUILT_IN {
        let data = if name.starts_with("photo") { &photos } else { &digits };
        let (text, spec) = parse::built_in(name).unwrap();
        let model = parse::check(&spec.unwrap(), text, name, data.shape).unwrap();
        write_case(dir.path(), name, &gpu, &model, data, false);
    }
    let said = python("check_onnx.py", dir.path());
    println!("{said}");
    assert_eq!(said.lines().count(), 6 + parse::BUILT_IN.len(), "{said}");
}

/// The Python of docs/export.md makes of a picture what the program makes of it, but for how it rounds.
#[test]
#[ignore = "needs Python with Pillow: make test-python"]
fn python_prepares_pictures_alike() {
    let dir = tempfile::tempdir().unwrap();
    let value = |x: u32, y: u32, c: u32| (x * (5 + c) + y * 3 + x * y * 7 % 50) as u8;
    let picture = image::RgbaImage::from_fn(61, 37, |x, y| image::Rgba([0, 1, 2, 3].map(|c| value(x, y, c))));
    let file = dir.path().join("picture.png");
    picture.save(&file).unwrap();
    for fit in [Fit::Letterbox, Fit::Crop, Fit::Stretch] {
        for (height, width) in [(20, 24), (37, 61)] {
            for channels in [1, 3] {
                let policy = Policy { height, width, channels, fit };
                let mut told: BTreeMap<&str, String> = policy.metadata().into_iter().collect();
                told.insert("image_height", height.to_string());
                told.insert("image_width", width.to_string());
                told.insert("image_channels", channels.to_string());
                let name = |ending: &str| dir.path().join(format!("{fit}-{height}-{channels}.{ending}"));
                fs::write(name("json"), serde_json::to_string(&told).unwrap()).unwrap();
                fs::write(name("bytes"), decode::read_with(&file, |p| policy.apply(p)).unwrap()).unwrap();
            }
        }
    }
    let said = python("check_prepare.py", dir.path());
    println!("{said}");
    assert_eq!(said.lines().count(), 12, "{said}");
}

/// Whatever is not a model that was exported before is not written over; what cannot be exported leaves nothing.
#[test]
fn export_writes_a_file_and_loses_none() {
    let dir = bench();
    let folder = dir.path();
    ssgan(folder, &format!("{TRAIN} --method supervised --batch-size 20 --epochs 1 --out run"));
    let made = ssgan(folder, "export run --onnx m.onnx --averaged");
    for words in ["m of mnist (averaged parameters)", "uint8 [N, 8, 8, 1]", "float [N, 10]"] {
        assert!(made.contains(words), "{made}");
    }
    let first = fs::read(folder.join("m.onnx")).unwrap();
    assert!(first.windows(9).any(|bytes| bytes == b"letterbox"), "how the run prepares pictures");
    let told = ssgan(folder, "export run --onnx m.onnx --json");
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_ne!(fs::read(folder.join("m.onnx")).unwrap(), first, "the averages are other numbers");
    assert_eq!(told["class_names"][9], "9");
    let file = folder.join("run/checkpoints/epoch-01.safetensors");
    let sum = sha2::Sha256::digest(fs::read(&file).unwrap());
    let sum: String = sum.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(told["checkpoint_sha256"], sum);

    fs::write(folder.join("notes.onnx"), "mine").unwrap();
    let mut nan = checkpoint::load(&file).unwrap();
    nan.tensors[0].values[0] = f32::NAN;
    checkpoint::save(&nan, &folder.join("nan.safetensors")).unwrap();
    for (line, code, words) in [
        ("export run --onnx run/config.toml", 2, "ONNX"),
        ("export run --onnx run/checkpoints/epoch-01.safetensors", 2, "ONNX"),
        ("export run --onnx notes.onnx", 6, "something else"),
        ("export run --onnx none/m.onnx", 2, "no folder none"),
        ("export none --onnx new.onnx", 6, "none"),
        ("export d --onnx new.onnx", 7, "checkpoints"),
        ("export m.toml --onnx new.onnx", 7, "m.toml"),
        ("export nan.safetensors --onnx new.onnx", 8, "not finite"),
        ("export run", 2, "--onnx"),
    ] {
        let out = run(folder, line);
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(code), "{line}: {said}");
        assert!(said.contains(words), "{line}: {said}");
    }
    assert!(!folder.join("new.onnx").exists());
    assert_eq!(fs::read(folder.join("notes.onnx")).unwrap(), b"mine");
}
