use super::*;
use crate::app::report::progress::Style;
use crate::app::run::saved::checkpoints;
use crate::data::Split;
use crate::gpu::{AdapterChoice, fault};
use crate::model::shape::{DataShape, Dims};
use crate::native::{self, BlockOn};
use crate::train::checkpoint::TensorData;
use crate::train::settings::{Method, Settings};
use crate::train::{Urgency, batch_that_fits};
use std::collections::BTreeMap;
use std::sync::Arc;

const MODEL: &str = r#"
name = "m"
[discriminator]
layers = [
    { op = "flatten" },
    { op = "gaussian_noise", sigma = 0.3 },
    { op = "dense", units = 8, weight_norm = "fixed" },
    { op = "relu", feature = true },
    { op = "dense", units = "classes" },
]
[generator]
latent = 4
layers = [
    { op = "dense", units = 6, bias = false },
    { op = "batch_norm" },
    { op = "relu" },
    { op = "dense", units = "pixels" },
    { op = "sigmoid" },
]
"#;

fn data() -> Dataset {
    data_of(64, 9)
}

fn data_of(train: usize, test: usize) -> Dataset {
    let shape = DataShape { image: Dims { height: 3, width: 4, channels: 1 }, classes: 3 };
    let split = |n: usize| Split {
        images: Arc::new((0..n * 12).map(|i| (i * 37 % 251) as u8).collect()),
        labels: (0..n).map(|i| Some((i % 3) as u16)).collect(),
    };
    Dataset::new("tiny", shape, split(train), split(test)).unwrap()
}

/// Settings as flags name them: a model file, and others in TOML.
/// Settings of a run that has none.
const WITHOUT_GENERATOR: &str = "generator_loss = \"none\"\nconsistency_weight = 1\nbalance_weight = 1";

fn flags(model: &Path, others: &str) -> Table {
    toml::from_str(&format!("model = {model:?}\n{others}")).unwrap()
}

/// A run of three epochs of four steps in `folder`.
fn begin(folder: &Path) -> Result<(Run, Device)> {
    let model = folder.with_file_name("m.toml");
    std::fs::write(&model, MODEL).unwrap();
    let resolved =
        config::resolve(None, None, &flags(&model, "labels = 9\nbatch_size = 16\nepochs = 3"), None)?;
    let gpu = native::open(&resolved.settings.adapter_choice())?;
    Ok((Run::create(resolved, Some(folder))?, Device::new(gpu)))
}

fn go(run: &mut Run, device: &mut Device, set: &Dataset, stop: &Stop) -> Result<Summary> {
    run.train((device, set), Options::default(), &mut Progress::new(Style::Quiet), stop)
}

/// What a run's folder holds that no clock has a part in; not what was saved because it was stopped.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for name in ["checkpoints", "samples", "."] {
        // The baseline draws no samples.
        let Ok(entries) = std::fs::read_dir(folder.join(name)) else { continue };
        for entry in entries.map(|e| e.unwrap()) {
            let file = entry.file_name().into_string().unwrap();
            let times = ["timing.csv", "summary.json", "env.json"].contains(&file.as_str());
            if entry.path().is_file() && !times && !file.contains("-step-") {
                files.insert(file, std::fs::read(entry.path()).unwrap());
            }
        }
    }
    files
}

/// Trains in `folder`, the device lost at these submissions; what the folder then holds.
fn train(folder: &Path, lost_at: &[u32]) -> Result<BTreeMap<String, Vec<u8>>> {
    let (mut run, mut device) = begin(folder)?;
    fault::at(lost_at.iter().copied());
    go(&mut run, &mut device, &data(), &Stop::new())?;
    assert_eq!(fault::left(), 0, "{lost_at:?}: the run was over before");
    Ok(files(folder))
}

/// Stopped between any two parts of an evaluation, a run saves at once; it is evaluated when it goes on, and ends in the
/// same bytes.
#[test]
fn an_evaluation_that_is_left_comes_later() {
    let dir = tempfile::tempdir().unwrap();
    // Three parts, once with the raw and once with the averaged parameters.
    let set = data_of(64, 1001);
    let whole = dir.path().join("whole");
    let (mut run, mut device) = begin(&whole).unwrap();
    go(&mut run, &mut device, &set, &Stop::new()).unwrap();
    let whole = files(&whole);
    let evaluated = |folder: &Path| history::load(folder).unwrap().epochs.len() as u32;
    let asks = |look, urgency| {
        let stop = Stop::new();
        *stop.at_look.lock().unwrap() = Some((look, urgency));
        stop
    };
    for look in [0, 1, 3, 5, 6, 11, 12, 17] {
        let folder = dir.path().join(look.to_string());
        let (mut run, mut device) = begin(&folder).unwrap();
        let e = go(&mut run, &mut device, &set, &asks(look, Urgency::AfterStep)).unwrap_err();
        assert!(matches!(e, Error::Interrupted(_)), "look {look}: {e}");
        let done = look / 6;
        assert_eq!((evaluated(&folder), checkpoints(&folder).unwrap().len() as u32), (done, done + 1));
        drop(run);
        let reopened = || Run::reopen(&folder, &Table::new()).unwrap();
        // A run that is out of time finishes its evaluation, else one that always is would never get on.
        let result = go(&mut reopened(), &mut device, &set, &asks(0, Urgency::AfterEvaluation));
        assert_eq!((evaluated(&folder), result.is_ok()), (done + 1, done == 2), "look {look}");
        go(&mut reopened(), &mut device, &set, &Stop::new()).unwrap();
        assert!(files(&folder) == whole, "look {look}: other bytes");
    }
}

/// A device that is destroyed at any submission of a run, also several times: the run ends in the same bytes.
#[test]
fn a_lost_device_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let whole = train(&dir.path().join("whole"), &[]).unwrap();
    assert!(whole.len() > 8, "{:?}", whole.keys());
    // The first submission initialises; an epoch has four steps, evaluations, samples. At last five losses, no more than
    // three without a checkpoint in between.
    let mut cases: Vec<Vec<u32>> = [0, 1, 4, 5, 6, 7, 8, 9, 10, 17].map(|n| vec![n]).into();
    cases.extend([vec![0, 0, 0], vec![2, 2, 24, 2, 2]]);
    for (i, lost_at) in cases.iter().enumerate() {
        let files =
            train(&dir.path().join(i.to_string()), lost_at).unwrap_or_else(|e| panic!("{lost_at:?}: {e}"));
        for (name, bytes) in &whole {
            let same = files.get(name) == Some(bytes);
            assert!(same, "lost at {lost_at:?}: {name} differs");
        }
    }
}

/// A lost device that cannot be opened at once is asked for again; not for ever.
#[test]
fn a_lost_device_may_take_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let whole = train(&dir.path().join("whole"), &[]).unwrap();
    let refusing = |name: &str, devices: u32| {
        fault::refuse(devices);
        train(&dir.path().join(name), &[24])
    };
    let attempts = device::REOPENING.len() as u32;
    assert!(refusing("late", attempts).unwrap() == whole, "other bytes");
    let e = refusing("never", attempts + 1).unwrap_err();
    let said = e.to_string();
    assert!(e.exit_code() == 5 && said.contains("device lost") && said.contains("not come back"), "{said}");
    let saved = checkpoints(&dir.path().join("never")).unwrap();
    assert!(saved.iter().all(|c| checkpoint::load(c).is_ok()) && !saved.is_empty(), "{saved:?}");
}

/// Where 500 test images at once are more than the adapter can bind, a run evaluates fewer at once, and ends in the same
/// bytes; parameters that are too large are an error.
#[test]
fn a_device_may_bind_little() {
    let dir = tempfile::tempdir().unwrap();
    let set = data_of(64, 1001);
    let train = |name: &str, bytes: u64| {
        let folder = dir.path().join(name);
        let (mut run, mut device) = begin(&folder).unwrap();
        fault::bind(bytes);
        let result = go(&mut run, &mut device, &set, &Stop::new());
        fault::bind(u64::MAX);
        result.map(|_| files(&folder))
    };
    let whole = train("whole", u64::MAX).unwrap();
    // 270 images of twelve values; the test set has 12,012 bytes.
    assert!(train("fewer", 13_000).unwrap() == whole, "other bytes");
    let set = data();
    let (mut run, mut device) = begin(&dir.path().join("none")).unwrap();
    fault::bind(800);
    let said = go(&mut run, &mut device, &set, &Stop::new()).unwrap_err().to_string();
    fault::bind(u64::MAX);
    assert!(said.contains("discriminator") && said.contains("of parameters"), "{said}");
}

/// A run that has ended, or whose checkpoints lie where nothing is, keeps its results; one that was killed before its first
/// begins anew.
#[test]
fn a_run_without_its_checkpoints_keeps_its_results() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, model) = (dir.path().join("run"), dir.path().join("m.toml"));
    std::fs::write(&model, MODEL).unwrap();
    let resolved = config::resolve(None, None, &flags(&model, "epochs = 3"), None).unwrap();
    let mut run = Run::create(resolved, Some(&folder)).unwrap();
    run.dir.keep();
    drop(run);
    let reopen = || Run::reopen(&folder, &Table::new()).map(drop);
    let refused = || {
        let e = reopen().unwrap_err();
        assert!(e.exit_code() == 7 && e.to_string().contains("checkpoints are gone"), "{e}");
    };
    reopen().unwrap();
    let (summary, checkpoints) = (folder.join("summary.json"), folder.join("checkpoints"));
    std::fs::write(&summary, "{}").unwrap();
    refused();
    #[cfg(unix)]
    {
        std::fs::remove_file(&summary).unwrap();
        std::os::unix::fs::symlink("nowhere", &checkpoints).unwrap();
        refused();
        std::fs::remove_file(&checkpoints).unwrap();
        std::fs::write(&summary, "{}").unwrap();
    }
    std::fs::create_dir(&checkpoints).unwrap();
    refused();
    std::fs::write(checkpoints.join("epoch-03.safetensors"), "").unwrap();
    reopen().unwrap();
}

/// A data set that is too large for one binding lies in several buffers, and of some of its images, or of the labelled ones
/// alone, no more is uploaded than is used. The bytes are those of a run that has all of them in one.
#[test]
fn a_data_set_may_be_larger_than_a_binding() {
    let dir = tempfile::tempdir().unwrap();
    let set = data_of(4000, 9);
    let train = |name: &str, bytes: u64, method: Method, unlabelled: Option<u32>| {
        let folder = dir.path().join(name);
        let model = folder.with_file_name("m.toml");
        std::fs::write(&model, MODEL).unwrap();
        let mut given = flags(&model, "validation_split = 0\nlabels = 9\nbatch_size = 16\nepochs = 3");
        given.insert("method".into(), method.name().into());
        unlabelled.map(|n| given.insert("unlabelled".into(), n.into()));
        let resolved = config::resolve(None, None, &given, None).unwrap();
        let mut device = Device::new(native::open(&resolved.settings.adapter_choice()).unwrap());
        let mut run = Run::create(resolved, Some(&folder)).unwrap();
        fault::bind(bytes);
        let result = go(&mut run, &mut device, &set, &Stop::new());
        fault::bind(u64::MAX);
        result.map(|_| files(&folder))
    };
    // 48,000 bytes of images, of which all are used, 600 to 609, or 9. The 500 rows of the initialisation need 24,000.
    for (i, (method, unlabelled)) in
        [(Method::Ssl, None), (Method::Ssl, Some(600)), (Method::Supervised, None)].into_iter().enumerate()
    {
        let all = train(&format!("all-{i}"), u64::MAX, method, unlabelled).unwrap();
        let part = train(&format!("part-{i}"), 25_000, method, unlabelled).unwrap();
        let names: Vec<_> = all.iter().zip(&part).filter(|(a, b)| a != b).map(|(a, _)| a.0).collect();
        assert!(names.is_empty(), "{method:?}: other bytes: {names:?}");
    }
}

/// Products that are made window by window, of three channels and of four: of G's images and their gradient, and of the gradient
/// that goes on through an activation.
const COLOUR: &str = r#"
name = "colour"
[discriminator]
layers = [
    { op = "conv2d", channels = 4, kernel = 3 },
    { op = "leaky_relu" },
    { op = "conv2d", channels = 5, kernel = 3, stride = 2 },
    { op = "leaky_relu" },
    { op = "global_avg_pool", feature = true },
    { op = "dense", units = "classes" },
]
[generator]
latent = 4
layers = [
    { op = "dense", units = 54 },
    { op = "unflatten", height = 3, width = 3 },
    { op = "softplus" },
    { op = "conv_transpose2d", channels = 3, kernel = 5, stride = 2 },
    { op = "sigmoid" },
]
"#;

/// Two steps of [`COLOUR`], recorded with the faults of this thread: dispatches of a kind of kernel, images of G, and all tensors.
fn colour_steps(choice: &AdapterChoice, kind: &str) -> (usize, Vec<f32>, Vec<TensorData>) {
    let shape = DataShape { image: Dims { height: 6, width: 6, channels: 3 }, classes: 3 };
    let split = |n: usize| Split {
        images: Arc::new((0..n * 108).map(|i| (i * 37 % 251) as u8).collect()),
        labels: (0..n).map(|i| Some((i % 3) as u16)).collect(),
    };
    let set = Dataset::new("colour", shape, split(260), split(9)).unwrap();
    let spec = crate::model::parse::parse(COLOUR, "m.toml").unwrap();
    let model = crate::model::parse::check(&spec, COLOUR, "m.toml", shape).unwrap();
    let settings =
        Settings { labels: 9.into(), batch_size: 130, epochs: 1, ..Settings::defaults(Method::Ssl, true) };
    let gpu = native::open(choice).unwrap();
    let mut trainer = Trainer::new(&gpu, &model, &settings, &set).block_on().unwrap();
    fault::bind(u64::MAX);
    fault::divide(u64::MAX);
    trainer.initialise().block_on().unwrap();
    for _ in 0..trainer.steps() {
        trainer.step().block_on().unwrap();
    }
    trainer.finish_steps().block_on().unwrap();
    let count = trainer.program().dispatches.iter().filter(|d| d.kernel.name.starts_with(kind)).count();
    let images = trainer.samples().block_on().unwrap().unwrap();
    (count, images, trainer.snapshot(1).block_on().unwrap().tensors)
}

fn assert_same(a: &(usize, Vec<f32>, Vec<TensorData>), b: &(usize, Vec<f32>, Vec<TensorData>)) {
    assert!(a.1 == b.1, "other images");
    let names: Vec<_> = a.2.iter().zip(&b.2).filter(|(a, b)| a != b).map(|(a, _)| &a.name).collect();
    assert!(names.is_empty() && a.2.len() == b.2.len(), "other values: {names:?}");
}

/// Column matrices that the adapter cannot bind for all images at once are made of some at a time, and give the same bytes.
#[test]
fn column_matrices_come_in_parts() {
    let choice = AdapterChoice::default();
    let whole = colour_steps(&choice, "col2im");
    // 64 images have 172,800 bytes of G's windows, and 248,832 of those of D's first convolution; the largest activation
    // of 269 images has 154,944.
    fault::bind(250_000);
    let parts = colour_steps(&choice, "col2im");
    assert!(whole.0 >= 5 && parts.0 >= whole.0 + 6, "{}, in parts {}", whole.0, parts.0);
    assert_same(&whole, &parts);
}

/// A product that is divided into a dispatch for each row of tiles, and for each chunk of K or place of a pixel, gives the same
/// bytes: with a software adapter's tiles and with those of GPUs.
#[test]
fn large_products_come_in_parts() {
    for as_gpu in [false, true] {
        let choice = AdapterChoice { as_gpu, ..AdapterChoice::default() };
        let whole = colour_steps(&choice, "gemm");
        fault::divide(1);
        let parts = colour_steps(&choice, "gemm");
        assert!(parts.0 >= 4 * whole.0, "{}, in parts {}", whole.0, parts.0);
        assert_same(&whole, &parts);
    }
}

/// The largest minibatch that an adapter can bind is one that it trains with, and the next larger one is refused.
#[test]
fn the_batch_that_fits_is_the_largest() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("m.toml");
    std::fs::write(&model, MODEL).unwrap();
    let set = data_of(600, 9);
    for more in [
        "",
        "consistency_weight = 1",
        "discriminator_updates = \"separate\"",
        "method = \"supervised\"",
        WITHOUT_GENERATOR,
    ] {
        let of = |batch_size: u32| {
            let given = flags(&model, &format!("labels = 9\nbatch_size = {batch_size}\n{more}"));
            config::resolve(None, None, &given, None).unwrap()
        };
        let gpu = native::open(&Default::default()).unwrap();
        let whole = of(512);
        let shape = whole.shaped(set.shape).unwrap();
        assert_eq!(batch_that_fits(&gpu, &shape, &whole.settings.train, 9), 512, "{more}");
        fault::bind(12_000);
        let fits = batch_that_fits(&gpu, &shape, &whole.settings.train, 9);
        let trainer = |batch| Trainer::new(&gpu, &shape, &of(batch).settings.train, &set).block_on();
        let (made, larger) = (trainer(fits).map(drop), trainer(fits + 16).map(drop));
        fault::bind(u64::MAX);
        assert!(fits < 512 && fits.is_multiple_of(16), "{more}: {fits}");
        made.unwrap_or_else(|e| panic!("{more}: {fits}: {e}"));
        assert!(larger.unwrap_err().to_string().contains("binds at most"), "{more}: {fits}");
    }
}

/// Where the adapter has no room for the images they stay in main memory, and the run says so; the bytes are the same. An
/// adapter that must hold them has too little memory.
#[test]
fn images_stay_in_main_memory_where_the_adapter_has_no_room() {
    let dir = tempfile::tempdir().unwrap();
    let set = data_of(4000, 9);
    let train = |name: &str, bytes: u64, more: &str| {
        let folder = dir.path().join(name);
        let model = folder.with_file_name("m.toml");
        std::fs::write(&model, MODEL).unwrap();
        let given = flags(&model, &format!("labels = 9\nbatch_size = 16\nepochs = 3\n{more}"));
        let resolved = config::resolve(None, None, &given, None).unwrap();
        fault::memory(bytes);
        let mut device = Device::new(native::open(&resolved.settings.adapter_choice()).unwrap());
        let mut run = Run::create(resolved, Some(&folder)).unwrap();
        let result = go(&mut run, &mut device, &set, &Stop::new());
        fault::memory(u64::MAX);
        result.map(|_| {
            let newest = checkpoints(&folder).unwrap().remove(0);
            (checkpoint::load(&newest).unwrap().tensors, device.gpu().unwrap().memory())
        })
    };
    let (whole, memory) = train("all", u64::MAX, "").unwrap();
    // Of 48,000 bytes of images, and what is not theirs.
    let bytes = memory.asked - 20_000;
    let (tensors, less) = train("less", bytes, "").unwrap();
    assert!(tensors == whole && less.asked < bytes && less.given.is_none(), "{less:?} of {bytes}");
    let (tensors, _) = train("host", bytes, "image_memory = \"host\"").unwrap();
    assert!(tensors == whole);
    let said = train("adapter", bytes, "image_memory = \"adapter\"").unwrap_err().to_string();
    assert!(said.contains("out of memory"), "{said}");
}

/// Images that the adapter had no room for are gone before the next attempt, which would else be short of the same memory.
#[test]
fn no_memory_is_held_that_was_given_up() {
    let set = data_of(40_000, 9);
    let spec = crate::model::parse::parse(MODEL, "m.toml").unwrap();
    let model = crate::model::parse::check(&spec, MODEL, "m.toml", set.shape).unwrap();
    let settings =
        Settings { labels: 9.into(), batch_size: 16, epochs: 1, ..Settings::defaults(Method::Ssl, true) };
    let made = |images: Images, bytes: u64| {
        let gpu = native::open(&Default::default()).unwrap();
        gpu.settle().block_on().unwrap();
        let before = gpu.allocated();
        fault::memory(bytes);
        let storage = Storage { images, scratch: Scratch::Shared };
        let trainer =
            Trainer::with_tiles(&gpu, &model, &settings, &set, storage, &Tiles::tables()).block_on();
        fault::memory(u64::MAX);
        let on_host = trainer.as_ref().ok().map(Trainer::images_on_host);
        (
            on_host,
            gpu.memory().asked,
            gpu.allocated().zip(before).map(|(now, before)| now.saturating_sub(before)),
        )
    };
    let (on_host, asked, device) = made(Images::Device, u64::MAX);
    assert_eq!(on_host, Some(false));
    let (_, _, host) = made(Images::Host, u64::MAX);
    // Images of 480,000 bytes fit, and something after them does not.
    let (on_host, _, auto) = made(Images::Auto, asked - 1);
    assert_eq!(on_host, Some(true));
    let (on_host, nothing, none) = made(Images::Device, asked - 1);
    assert!(on_host.is_none() && nothing < asked / 10, "{nothing} of {asked} bytes are still counted");
    let (Some(device), Some(auto), Some(host), Some(none)) = (device, auto, host, none) else { return };
    assert!(none < device / 20, "{none} of {device} bytes are still allocated");
    assert!(
        auto.abs_diff(host) < 100_000,
        "{auto} bytes are allocated, {host} where images were never on the adapter"
    );
}

/// On a slow device every dispatch is a submission of its own; the bytes are the same.
#[test]
fn pieces_of_a_step_give_the_bytes_of_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let train = |name: &str, times: f64| {
        fault::slow(times);
        let files = train(&dir.path().join(name), &[]);
        fault::slow(1.0);
        files.unwrap()
    };
    assert!(train("whole", 1.0) == train("pieces", 1e12));
}

#[test]
fn a_device_that_is_always_lost_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let e = train(&dir.path().join("run"), &[1, 1, 1, 1, 1]).unwrap_err();
    assert!(matches!(e, Error::DeviceLost(_)) && e.exit_code() == 5, "{e}");
    assert_eq!(fault::left(), 1, "not the fourth loss ended it");
}

/// Out of memory says what was largest and which minibatch fits: with that one there is enough, also where the
/// initialisation and the evaluations have more rows than it.
#[test]
fn out_of_memory_says_what_would_fit() {
    too_little_memory(&data(), 64, "");
    too_little_memory(&data_of(1000, 1000), 900, "");
    too_little_memory(&data_of(1000, 1000), 900, WITHOUT_GENERATOR);
}

fn too_little_memory(set: &Dataset, rows: u32, more: &str) {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("m.toml");
    std::fs::write(&model, MODEL).unwrap();
    // Minibatches that are tried on one device, of which the last counts.
    let with = |tried: &[u32], bytes: u64| {
        let of = |batch_size: &u32| {
            let given = flags(&model, &format!("labels = 9\nbatch_size = {batch_size}\n{more}"));
            let resolved = config::resolve(None, None, &given, None);
            let Resolved { settings, spec, model_toml } = resolved.unwrap();
            let shape = crate::model::parse::check(&spec, &model_toml, "m.toml", set.shape).unwrap();
            (shape, settings.train)
        };
        fault::memory(bytes);
        let gpu = native::open(&Default::default()).unwrap();
        let mut last = Ok(());
        for (shape, settings) in tried.iter().map(of) {
            let trainer = Trainer::new(&gpu, &shape, &settings, set).block_on();
            last = trainer.and_then(|trainer| trainer.initialise().block_on());
        }
        fault::memory(u64::MAX);
        last.map(|()| gpu.memory())
    };
    let all = with(&[rows], u64::MAX).unwrap();
    assert!(all.given.is_none() && all.largest.1 > 0, "{all:?}");
    for share in [0.6, 0.8, 0.85, 0.9, 0.95] {
        let bytes = (share * all.asked as f64) as u64;
        let e = with(&[rows], bytes).unwrap_err();
        let said = e.to_string();
        assert!(
            e.exit_code() == 5 && said.contains("out of memory") && said.contains(&all.largest.0),
            "{said}"
        );
        // Below, nothing is sure to fit beside what the rows of the minibatch do not change.
        if share < 0.85 && said.contains("smaller model") {
            continue;
        }
        let advice = said.split("`batch_size = ").nth(1).unwrap_or_else(|| panic!("{said}"));
        let fits: u32 = advice.split('`').next().unwrap().parse().unwrap();
        assert!((1..rows).contains(&fits), "{said}");
        with(&[rows, fits], bytes).unwrap_or_else(|e| panic!("{share}: {said}, but: {e}"));
    }
    let said = with(&[rows], 1000).unwrap_err().to_string();
    assert!(said.contains("smaller model"), "{said}");
}
