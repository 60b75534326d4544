//! Runs the program as a user does, mostly with bad input: each time the exit code, a message that says what
//! to do, and nothing lost or left behind.

#[path = "common/small_data.rs"]
mod small_data;

use ssgan::app::run::checkpoint;
use ssgan::app::run::history;
use ssgan::train::checkpoint::{Checkpoint, TensorData};
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn ssgan(dir: &Path) -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_ssgan"));
    c.current_dir(dir).env("SSGAN_CACHE_DIR", dir.join("cache")).env_remove("NO_COLOR").stdin(Stdio::null());
    c
}

/// A directory of one test, and runs in it.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Bench {
        Bench(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), content).unwrap();
        name.to_string()
    }

    fn run(&self, line: &str) -> Output {
        self.run_in(line, |_| {})
    }

    fn run_in(&self, line: &str, change: impl FnOnce(&mut Command)) -> Output {
        let mut command = ssgan(self.0.path());
        command.args(line.split_whitespace());
        change(&mut command);
        command.output().unwrap()
    }

    /// Runs a line that must fail with this code, saying all of these words on standard error, without a
    /// panic and without results on standard output.
    #[track_caller]
    fn fails(&self, line: &str, code: i32, words: &[&str]) -> String {
        check(line, &self.run(line), code, words)
    }

    /// Names of everything in the directory, however deep, but not the cache; with `/` between them on every system.
    fn content(&self) -> Vec<String> {
        let mut found = vec![];
        let mut todo = vec![self.0.path().to_path_buf()];
        while let Some(dir) = todo.pop() {
            for entry in fs::read_dir(&dir).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(self.0.path()).unwrap().display().to_string();
                let name = name.replace(std::path::MAIN_SEPARATOR, "/");
                if path.is_dir() && name != "cache" {
                    todo.push(path);
                }
                found.push(name);
            }
        }
        found.sort();
        found
    }
}

/// The shell has a `kill` where the system may have none.
#[cfg(unix)]
fn signal(name: &str, pid: u32) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().unwrap();
    assert!(status.success());
}

#[track_caller]
fn check(line: &str, out: &Output, code: i32, words: &[&str]) -> String {
    let text = String::from_utf8_lossy(&out.stderr).to_string();
    assert_eq!(out.status.code(), Some(code), "`{line}`: {text}");
    assert!(!text.contains("panicked"), "`{line}`: {text}");
    // What the command line's parser says has its own lines; ours is one that people read at a glance. The test's folder,
    // which is long, does not count.
    // Lists of missing files are as long as they are, as are commands that are quoted, and what a search found besides.
    if !["Usage:", "For more information", "missing ", "and this plan has `", "First not finite: "]
        .iter()
        .any(|words| text.contains(words))
    {
        let from = text.find("error: ").unwrap_or_else(|| panic!("`{line}`: no error in {text}"));
        let folder = std::env::temp_dir().display().to_string();
        let error = text[from..].trim_end().replace(&folder, "");
        assert!(!error.contains('\n'), "`{line}`: more than a line: {error}");
        assert!(error.chars().count() < 200, "`{line}`: {} characters: {error}", error.chars().count());
    }
    for word in words {
        assert!(text.contains(word), "`{line}` does not say {word:?}: {text}");
    }
    assert!(out.stdout.is_empty(), "`{line}` failed but printed a result");
    text
}

fn stdout(out: &Output) -> String {
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout.clone()).unwrap()
}

const MODEL: &str = r#"name = "m"
[discriminator]
layers = [
{ op = "flatten" },
{ op = "dense", units = 8 },
{ op = "relu", feature = true },
{ op = "dense", units = "classes" },
]
[generator]
latent = 4
layers = [
{ op = "dense", units = "pixels" },
{ op = "sigmoid" },
]
"#;

/// A few steps of a tiny model on the embedded data.
const QUICK: &str = "train --quiet --batch-size 32 --epochs 1 --max-steps 3 --model m.toml";

/// Whether the JSON text has this key. (These tests have no JSON parser.)
fn has_key(json: &str, key: &str) -> bool {
    json.contains(&format!("\"{key}\":"))
}

#[test]
fn help_documents_the_exit_codes() {
    let b = Bench::new();
    let help = stdout(&b.run("--help"));
    for code in [0, 2, 3, 4, 5, 6, 7, 8, 130] {
        assert!(help.contains(&format!("\n  {code:<5}")), "{code}: {help}");
    }
    for command in [
        "adapters",
        "doctor",
        "train",
        "reproduce",
        "pick",
        "label",
        "eval",
        "sample",
        "model",
        "data",
        "profile",
        "bench",
        "trace-step",
        "completions",
    ] {
        assert!(help.contains(command), "{command}");
        assert!(!stdout(&b.run(&format!("{command} --help"))).is_empty());
    }
    assert!(stdout(&b.run("--version")).starts_with("ssgan "));
    assert!(b.content().is_empty());
}

#[test]
fn unknown_commands_flags_and_values_are_usage_errors() {
    let b = Bench::new();
    b.fails("tarin", 2, &["train"]);
    b.fails("train --epoch 3", 2, &["--epochs"]);
    b.fails("train --epochs ten", 2, &["ten", "a whole number from 1"]);
    b.fails("train --epochs -1", 2, &["a whole number from 1"]);
    b.fails("train --dataset minst", 2, &["mnist"]);
    b.fails("train --backend opengl", 2, &["vulkan"]);
    b.fails("train --ramp-epochs 3", 2, &["--ramp-epochs would do nothing", "--entropy-weight"]);
    b.fails(
        "train --generator-loss non-saturating --feature-matching sum",
        2,
        &["--feature-matching would do"],
    );
    for flag in
        ["--feature-matching sum", "--unsupervised-weight 0.5", "--generator conv", "--label-smoothing 0.1"]
    {
        let line = format!("train --recipe quick --generator-loss none {flag}");
        b.fails(&line, 2, &["would do nothing", "there is no generator"]);
    }
    b.fails("train --generator-loss none", 2, &["--generator-loss", "--consistency-weight"]);
    b.fails(
        "train --recipe quick --generator-loss none --discriminator-updates separate",
        2,
        &["--discriminator-updates", "one update a step"],
    );
    b.fails("train --method supervised --label-smoothing 0.1", 2, &["--label-smoothing", "supervised"]);
    b.fails("train --validation-split 0.2", 2, &["--validation-split", "supervised"]);
    b.fails("train --method supervised --generator conv", 2, &["--generator would do nothing"]);
    b.fails("train --data-dir d", 2, &["--data-dir would do nothing", "--dataset"]);
    b.fails("data info --data-dir d", 2, &["--data-dir d would do nothing"]);
    for flag in ["--image-size 16", "--fit crop", "--channels 3"] {
        for command in ["data info", "data preview"] {
            b.fails(&format!("{command} {flag}"), 2, &["would do nothing: it is for images of your own"]);
        }
    }
    b.fails("data info --hold-out 0.2", 2, &["unexpected argument '--hold-out'"]);
    b.fails("data fetch --dataset mnist --data-dir d", 2, &["cache folder", "SSGAN_CACHE_DIR"]);
    b.fails("reproduce --quick --data-dir d", 2, &["--data-dir would do nothing"]);
    b.fails("reproduce --merge a --tune off", 2, &["--tune"]);
    b.fails("train --seed 18446744073709551615", 2, &["seed"]);
    b.fails("train --max-steps 0", 2, &[]);
    b.fails("completions tcsh", 2, &["bash"]);
    assert!(b.content().is_empty(), "{:?}", b.content());
}

#[test]
fn settings_that_make_no_sense() {
    let b = Bench::new();
    for lr in ["nan", "0", "-0.1", "inf"] {
        b.fails(&format!("train --lr {lr}"), 2, &["--learning-rate", "a number above 0, such as 0.001"]);
        b.fails(&format!("train --generator-lr {lr}"), 2, &["--generator-learning-rate"]);
    }
    b.fails("train --beta1 1", 2, &["beta1"]);
    b.fails("train --epsilon 0", 2, &["epsilon"]);
    b.fails("train --ema-rate 2", 2, &["--ema-rate", "at most 1"]);
    b.fails("train --batch-size 0", 2, &["--batch-size", "from 1 to 65536"]);
    b.fails("train --batch-size 1 --out run", 2, &["batch_size", "generator's batch norm", "at least 2"]);
    b.fails("train --labels 0", 2, &["labels"]);
    b.fails("train --epochs 0", 2, &["epochs"]);
    assert!(b.content().is_empty(), "{:?}", b.content());
}

#[test]
fn configuration_files_with_mistakes() {
    let b = Bench::new();
    b.file("c.toml", "seed = 1\nlearnig_rate = 0.1\n");
    b.fails("train --config c.toml", 3, &["c.toml:2", "did you mean \"learning_rate\""]);
    b.file("c.toml", "seed = 1\nepochs = \"ten\"\n");
    b.fails("train --config c.toml", 3, &["c.toml:2", "epochs", "a whole number from 1"]);
    b.file("c.toml", "seed = \n");
    b.fails("train --config c.toml", 3, &["c.toml:1"]);
    b.file("c.toml", b"\xff\xfe");
    b.fails("train --config c.toml", 3, &["c.toml:1", "UTF-8"]);
    b.file("c.toml", "learning_rate = nan\n");
    b.fails("train --config c.toml", 3, &["c.toml:1", "learning_rate", "such as 0.001"]);
    b.file("c.toml", "dataset = \"../mnist\"\n");
    b.fails("train --config c.toml", 3, &["c.toml:1", "unknown data set", "did you mean \"mnist\"?"]);
    b.file("c.toml", "seed = 1\nhold_out = 1.5\n");
    b.fails("train --config c.toml", 3, &["c.toml:2", "hold_out = 1.5: use a number from 0 to below 1"]);
    b.file("c.toml", "seed = 1\nmodel = \"dnm\"\n");
    b.fails("train --config c.toml", 3, &["c.toml:2", "did you mean \"dnn\"?"]);
    b.fails("train --config none.toml", 6, &["none.toml"]);
    assert_eq!(b.content(), ["c.toml"]);
}

#[test]
fn model_files_with_mistakes() {
    let b = Bench::new();
    let bad = |from: &str, to: &str, line: usize, words: &str| {
        let text = MODEL.replace(from, to);
        assert_ne!(text, MODEL);
        b.file("bad.toml", text);
        b.fails("model bad.toml", 3, &[&format!("bad.toml:{line}:"), words]);
    };
    bad("\"relu\"", "\"reul\"", 6, "did you mean \"relu\"");
    bad("units = 8", "unit = 8", 5, "did you mean \"units\"");
    bad(", feature = true", "", 3, "feature = true");
    bad("\"classes\"", "9", 3, "10 classes");
    bad("{ op = \"flatten\" },", "{ op = \"tanh\" },", 5, "flatten");
    bad("units = 8", "units = 0", 5, "at least 1");
    bad("latent = 4", "latent = -4", 10, "latent");
    bad("name = \"m\"", "name = \"../m\"", 1, "name");
    bad("{ op = \"relu\"", &("{ op = \"relu\" },\n".repeat(128) + "{ op = \"relu\""), 3, "at most 128");
    b.file("bad.toml", "[".repeat(500_000));
    b.fails("model bad.toml", 3, &["bad.toml:1"]);
    b.file("bad.toml", vec![b' '; 2 << 20]);
    b.fails("model bad.toml", 2, &["larger"]);
    b.fails("model dnm", 2, &["did you mean \"dnn\""]);
    b.fails("model none.toml", 6, &["none.toml"]);
    b.fails("model dnn --image 28x28", 2, &["3x32x32"]);
    b.fails("model dnn --classes 1", 3, &["at least 2"]);
    // Training says the same, and leaves no run folder.
    b.file("bad.toml", MODEL.replace("\"classes\"", "9"));
    b.fails("train --quiet --model bad.toml --out run", 3, &["bad.toml:3"]);
    assert_eq!(b.content(), ["bad.toml"]);
}

#[test]
fn models_are_summarised() {
    let b = Bench::new();
    for name in ["dnn", "cnn"] {
        let text = stdout(&b.run(&format!("model {name}")));
        assert!(
            text.contains("(features)") && text.contains("FLOPs/image") && text.contains("total"),
            "{text}"
        );
        let json = stdout(&b.run(&format!("model {name} --json --image 3x32x32 --classes 7")));
        assert!(
            ["discriminator", "generator", "flops", "parameters"].iter().all(|k| has_key(&json, k)),
            "{json}"
        );
    }
}

#[test]
fn data_that_is_missing_or_broken() {
    let b = Bench::new();
    b.fails("train --quiet --dataset mnist --data-dir none --out run", 4, &["none"]);
    b.fails("data info --dataset mnist --offline", 4, &["--offline"]);
    fs::create_dir(b.path("d")).unwrap();
    b.fails("data info --quiet --dataset mnist --data-dir d", 4, &["d"]);
    for name in ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"] {
        b.file(&format!("d/{name}-ubyte"), b"\0\0\x08\x01\0\0");
    }
    b.fails("data info --quiet --dataset mnist --data-dir d", 4, &["ubyte"]);
    b.fails("train --quiet --dataset mnist --data-dir d --out run", 4, &["ubyte"]);
    assert!(!b.path("run").exists(), "a run that never began left its folder");
}

#[test]
fn an_output_folder_in_use_is_untouched() {
    let b = Bench::new();
    b.file("m.toml", MODEL);
    fs::create_dir(b.path("run")).unwrap();
    b.file("run/precious", "1");
    b.fails(&format!("{QUICK} --out run"), 6, &["run is not empty", "--out"]);
    b.fails(&format!("{QUICK} --out run/precious"), 6, &["precious"]);
    b.fails(&format!("{QUICK} --out run/precious/x"), 6, &["precious"]);
    assert_eq!(fs::read_to_string(b.path("run/precious")).unwrap(), "1");
    assert_eq!(b.content(), ["m.toml", "run", "run/precious"]);
}

/// Root may write anywhere, so there the folder's mode proves nothing; `/proc` refuses everybody.
#[test]
#[cfg(target_os = "linux")]
fn an_output_folder_that_cannot_be_written() {
    let b = Bench::new();
    b.file("m.toml", MODEL);
    b.fails(&format!("{QUICK} --out /proc/ssgan/run"), 6, &["/proc/ssgan"]);
    b.fails("data preview --quiet --out /proc/preview.png", 6, &["/proc/preview.png"]);
    assert_eq!(b.content(), ["m.toml"]);
}

#[test]
fn labels_that_do_not_work_out() {
    let b = Bench::new();
    b.file("m.toml", MODEL);
    b.fails(&format!("{QUICK} --labels 95 --out run"), 2, &["95", "90 or 100"]);
    b.fails(&format!("{QUICK} --labels 100000 --out run"), 2, &["100000", "at most"]);
    let line = QUICK.replace("--batch-size 32", "--batch-size 65000");
    b.fails(&format!("{line} --tune full --out run"), 2, &["batch_size", "65000"]);
    assert_eq!(b.content(), ["m.toml"]);
}

/// What needs no data is refused before there are any (here the data are missing), and nothing is left, not even `runs`.
#[test]
fn what_needs_no_data_is_refused_first() {
    let b = Bench::new();
    let line = "train --quiet --dataset mnist --offline";
    b.fails(line, 4, &["mnist"]);
    b.fails(&format!("{line} --labels 95"), 2, &["90 or 100"]);
    b.fails(&format!("{line} --unlabelled 70000"), 2, &["60000 training images"]);
    b.fails(&format!("{line} --adapter no-such-adapter"), 5, &["no-such-adapter"]);
    b.fails(&format!("{line} --from none"), 6, &["none"]);
    b.file(
        "m.toml",
        MODEL.replace("{ op = \"flatten\" },", "{ op = \"conv2d\", channels = 2, kernel = 99 },"),
    );
    b.fails(&format!("{line} --model m.toml"), 3, &["m.toml:4"]);
    b.fails(&format!("{line} --out new/folders/run"), 4, &["mnist"]);
    assert_eq!(b.content().iter().filter(|n| *n != "cache").collect::<Vec<_>>(), ["m.toml"]);
}

#[test]
fn checkpoints_that_are_broken() {
    let b = Bench::new();
    for command in ["eval", "sample"] {
        b.fails(&format!("{command} none"), 6, &["none"]);
        b.file("c.safetensors", "");
        b.fails(&format!("{command} c.safetensors"), 7, &["c.safetensors", "truncated"]);
        b.file("c.safetensors", [&(1u64 << 60).to_le_bytes()[..], b"{}"].concat());
        b.fails(&format!("{command} c.safetensors"), 7, &["c.safetensors"]);
        b.file("c.safetensors", [&2u64.to_le_bytes()[..], b"{}"].concat());
        b.fails(&format!("{command} c.safetensors"), 7, &["no checkpoint of a training"]);
        fs::create_dir_all(b.path("empty")).unwrap();
        b.fails(&format!("{command} empty"), 7, &["no checkpoints"]);
    }
    assert_eq!(b.content(), ["c.safetensors", "empty"]);
}

/// So many images that their picture would be too large are refused before an adapter is opened.
#[test]
fn pictures_have_a_largest_side() {
    let b = Bench::new();
    let metadata = [
        ("format", "ssgan-1"),
        ("image", "1x1000x1000"),
        ("classes", "10"),
        ("dataset", "large"),
        ("model_toml", MODEL),
    ];
    let metadata = metadata.map(|(key, text)| (key.into(), text.into())).into();
    let of_g = TensorData { name: "generator.0.weight".into(), shape: vec![0], values: vec![] };
    let large = Checkpoint { tensors: vec![of_g], metadata };
    checkpoint::save(&large, &b.path("large.safetensors")).unwrap();
    b.fails("sample large.safetensors --count 100", 2, &["--count 100: a picture 10000 pixels", "8192"]);
    assert_eq!(b.content(), ["large.safetensors"]);
}

/// Cooperative matrices are never missed silently; where there are some, the run says which products round.
#[test]
fn mixed_precision_needs_cooperative_matrices() {
    let b = Bench::new();
    b.file("m.toml", MODEL);
    let line = format!("{QUICK} --out run --precision mixed --tune off");
    let out = b.run(&line);
    if out.status.success() {
        assert!(fs::read_to_string(b.path("run/tiles.json")).unwrap().contains("cooperative"));
    } else {
        check(&line, &out, 5, &["cooperative matrices", "--precision f32"]);
    }
}

#[test]
fn no_adapter_is_said_with_what_to_install() {
    let b = Bench::new();
    b.file("m.toml", MODEL);
    // A Vulkan loader without drivers, and no other interface.
    let hide = |c: &mut Command| {
        c.env("VK_DRIVER_FILES", "/nonexistent").env("VK_ICD_FILENAMES", "/nonexistent");
    };
    let line = format!("{QUICK} --out run --backend vulkan");
    if cfg!(target_os = "linux") {
        check(&line, &b.run_in(&line, hide), 5, &["apt"]);
        let doctor = b.run_in("doctor", hide);
        assert_eq!(doctor.status.code(), Some(5));
        let text = String::from_utf8_lossy(&doctor.stdout);
        assert!(text.contains("FAIL") && text.contains("What to install"), "{text}");
        check("adapters", &b.run_in("adapters", hide), 5, &["none found", "apt"]);
    }
    let said = b.fails(&format!("{QUICK} --out run --adapter no-such-adapter"), 5, &["no-such-adapter"]);
    assert!(!said.contains("apt-get"), "a driver is there: {said}");
    // The environment is obeyed below the flags.
    let named = |c: &mut Command| {
        c.env("WGPU_ADAPTER_NAME", "no-such-adapter");
    };
    check(QUICK, &b.run_in(&format!("{QUICK} --out run"), named), 5, &["no-such-adapter"]);
    let doctor = b.run_in("doctor --adapter 0", named);
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("self-test"));
    assert_eq!(b.content().iter().filter(|n| *n != "cache").collect::<Vec<_>>(), ["m.toml"]);
}

#[test]
fn a_run_leaves_its_folder_and_can_be_used() {
    let b = Bench::new();
    b.file("m.toml", MODEL);
    let json = stdout(&b.run(&format!("{QUICK} --out run --json")));
    let summary = fs::read_to_string(b.path("run/summary.json")).unwrap();
    let keys = "method model dataset labels seed label_seed epochs steps batch_size test_accuracy \
                test_accuracy_ema seconds ms_per_step images_per_second adapter driver backend";
    for key in keys.split_whitespace() {
        assert!(has_key(&summary, key) && has_key(&json, key), "{key}: {summary}");
    }
    for file in [
        "config.toml",
        "model.toml",
        "env.json",
        "labelled.json",
        "metrics.csv",
        "metrics.jsonl",
        "timing.csv",
        "plots/losses.png",
        "plots/accuracy.png",
        "confusion.png",
    ] {
        assert!(b.path("run").join(file).is_file(), "{file}");
    }
    let env = fs::read_to_string(b.path("run/env.json")).unwrap();
    for key in ["adapter", "driver", "wgpu", "version", "shader_hash"] {
        assert!(has_key(&env, key), "{key}: {env}");
    }
    assert_eq!(fs::read_to_string(b.path("run/metrics.csv")).unwrap().lines().count(), 4);
    assert!(summary.contains("\"epochs\": 0,"), "three steps are no epoch: {summary}");
    b.fails(&format!("{QUICK} --out run"), 6, &["run is not empty"]);

    // The written settings train the same run; the checkpoint alone is enough to evaluate and sample.
    stdout(&b.run("train --quiet --config run/config.toml --max-steps 3 --out again"));
    let csv = |run: &str| fs::read_to_string(b.path(run).join("metrics.csv")).unwrap();
    let losses = |run: &str| {
        csv(run).lines().map(|l| l.split(',').take(10).collect::<Vec<_>>().join(",")).collect::<Vec<_>>()
    };
    assert_eq!(losses("run"), losses("again"));
    fs::remove_file(b.path("m.toml")).unwrap();
    let text = stdout(&b.run("eval run --quiet"));
    assert!(text.contains("accuracy") && text.contains("recall"), "{text}");
    assert!(has_key(&stdout(&b.run("eval run --quiet --json --averaged")), "confusion"));
    stdout(&b.run("sample run --out grid.png --count 9"));
    assert!(fs::read(b.path("grid.png")).unwrap().starts_with(b"\x89PNG"));
    stdout(&b.run("sample run --out again.png --count 9"));
    assert_eq!(fs::read(b.path("grid.png")).unwrap(), fs::read(b.path("again.png")).unwrap());

    // What a run is to begin with is looked at before data are fetched for it.
    b.fails("train --dataset mnist --offline --model dnn --from run --out other", 7, &["--model"]);

    // Through a pipe goes the file alone, and nothing where the result goes.
    if cfg!(unix) {
        stdout(&b.run("export run --onnx m.onnx"));
        let piped = b.run("export run --onnx /dev/stdout");
        assert!(piped.status.success() && piped.stdout == fs::read(b.path("m.onnx")).unwrap());
        b.fails("eval run --quiet --confusion /dev/stdout", 2, &["/dev/stdout", "another file"]);
    }

    // A truncated checkpoint is refused; a failing picture leaves nothing.
    let folder = b.path("run/checkpoints");
    let checkpoint = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let bytes = fs::read(&checkpoint).unwrap();
    fs::write(&checkpoint, &bytes[..bytes.len() - 1]).unwrap();
    b.fails("eval run --quiet", 7, &["truncated"]);
    b.fails("sample run --out other.png", 7, &["truncated"]);
    assert!(!b.path("other.png").exists());
}

#[test]
fn a_checkpoint_of_another_model_is_refused() {
    let b = Bench::new();
    b.file("m.toml", MODEL);
    stdout(&b.run(&format!("{QUICK} --out run")));
    let path = fs::read_dir(b.path("run/checkpoints")).unwrap().next().unwrap().unwrap().path();
    // The model inside says 9 units where the tensors have 8; the same length, so the header stays whole.
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(9).position(|w| w == b"units = 8").expect("the model's text in the file");
    bytes[at + 8] = b'9';
    // As damage it is noticed.
    fs::write(b.path("damaged.safetensors"), &bytes).unwrap();
    b.fails("eval damaged.safetensors --quiet", 7, &["damaged.safetensors", "checksum"]);
    let at = bytes.windows(9).position(|w| w == b"\"sha256\":").expect("the checksum in the file");
    bytes[at + 6] = b'7';
    fs::write(b.path("damaged.safetensors"), &bytes).unwrap();
    b.fails("eval damaged.safetensors --quiet", 7, &["damaged.safetensors", "checksum is missing"]);
    let mut other = checkpoint::load(&path).unwrap();
    let text = other.metadata["model_toml"].clone();
    // The second would need 0.9 GB.
    for (units, words) in [("9", "tensor"), ("300000", "parameters")] {
        let text = text.replace("units = 8", &format!("units = {units}"));
        other.metadata.insert("model_toml".into(), text);
        checkpoint::save(&other, &b.path("other.safetensors")).unwrap();
        b.fails("eval other.safetensors --quiet", 7, &["other.safetensors", words, "another model"]);
    }
    b.fails("eval run --quiet --dataset mnist --data-dir none", 4, &["none"]);
}

#[test]
fn runs_without_out_never_share_a_folder() {
    let b = Bench::new();
    b.file("m.toml", MODEL);
    let line = QUICK.replace("--max-steps 3", "--max-steps 1");
    let children: Vec<_> = (0..3)
        .map(|_| ssgan(b.0.path()).args(line.split_whitespace()).stdout(Stdio::null()).spawn().unwrap())
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let runs: Vec<_> = fs::read_dir(b.path("runs")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(runs.len(), 3, "{runs:?}");
    for run in runs {
        assert!(run.join("summary.json").is_file(), "{run:?}");
        assert!(run.file_name().unwrap().to_str().unwrap().contains("Z-m-digits"), "{run:?}");
    }
}

#[test]
fn json_results_and_plain_progress() {
    let b = Bench::new();
    b.file("m.toml", MODEL);
    let adapters = stdout(&b.run("adapters --json"));
    assert!(adapters.starts_with('['), "{adapters}");
    let out = b.run(&format!("{QUICK} --out run").replace(" --quiet", ""));
    let progress = String::from_utf8_lossy(&out.stderr).to_string();
    assert!(progress.contains("epoch 1/1") && progress.contains("img/s"), "{progress}");
    assert!(
        !progress.contains('\x1b') && !progress.contains('\r'),
        "control codes without a terminal: {progress}"
    );
    assert!(stdout(&out).contains("test accuracy"));
    // Not even Mesa, which misses the folder of a desktop's session on a server.
    let quiet = b.run_in(&format!("{QUICK} --out run2"), |c| {
        c.env_remove("XDG_RUNTIME_DIR").env_remove("MESA_VK_DEVICE_SELECT");
    });
    assert!(quiet.stderr.is_empty(), "{}", String::from_utf8_lossy(&quiet.stderr));
}

/// JSON is Unicode; the names of files need not be, unless the file system is that of macOS.
#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_unicode_ends_nothing() {
    use std::os::unix::ffi::OsStrExt;
    let b = Bench::new();
    let name = std::ffi::OsStr::from_bytes(b"p\xff.png");
    let out = b.run_in("data preview --quiet --json --count 4 --out", |c| {
        c.arg(name);
    });
    assert!(stdout(&out).contains("\"picture\": \"p\u{fffd}.png\""), "{}", stdout(&out));
    assert!(b.0.path().join(name).is_file());
}

#[test]
fn traces_are_written() {
    let b = Bench::new();
    b.file("m.toml", MODEL);
    let line = "trace-step --quiet --model m.toml --batch-size 8 --seed 3 --step 2 --out step.safetensors";
    let first = stdout(&b.run(line));
    assert!(first.contains("step.safetensors"), "{first}");
    let bytes = fs::read(b.path("step.safetensors")).unwrap();
    stdout(&b.run(line));
    assert_eq!(bytes, fs::read(b.path("step.safetensors")).unwrap(), "the same trace twice");
    b.fails("trace-step --step 0", 2, &[]);
    let short = "trace-step --quiet --model m.toml --batch-size 8 --unlabelled 16 --epochs 1";
    b.fails(&format!("{short} --step 3"), 2, &["step 3 of a run of 2", "--epochs"]);
    b.fails("trace-step --model m.toml --tune fast", 2, &["--tune"]);
    b.fails("trace-step --quiet --model m.toml --out /none/x", 2, &["no folder /none"]);
    // The file shows where it begins.
    let lost = format!("{line} --lr 1e38").replace("step.safetensors", "lost.safetensors");
    b.fails(&lost, 8, &["not finite", "lost.safetensors"]);
    assert!(b.path("lost.safetensors").exists());
}

/// A folder that cannot be written is found by the doctor.
#[test]
fn the_doctor_finds_an_unwritable_folder() {
    let b = Bench::new();
    b.file("file", "");
    let out = b.run_in("doctor", |c| {
        c.env("SSGAN_CACHE_DIR", b.path("file/cache"));
    });
    let text = String::from_utf8_lossy(&out.stdout);
    assert_eq!(out.status.code(), Some(6), "{text}");
    assert!(text.lines().any(|l| l.starts_with("FAIL") && l.contains("cache folder")), "{text}");
}

/// What a command writes takes the place of nothing else, and a wrong ending is no other format.
#[test]
fn outputs_take_nothings_place() {
    let b = Bench::new();
    b.file("m.toml", MODEL);
    stdout(&b.run(&format!("{QUICK} --out run")));
    let checkpoint = b.content().into_iter().find(|n| n.ends_with(".safetensors")).unwrap();
    let before = [&checkpoint, "run/config.toml"].map(|n| fs::read(b.path(n)).unwrap());
    b.fails(&format!("sample run --out {checkpoint}"), 2, &["pictures are PNG"]);
    b.fails("sample run --out run/config.toml", 2, &["name it run/config.png"]);
    b.fails("sample run --out g.jpg", 2, &["pictures are PNG", "g.png"]);
    b.fails("eval run --quiet --confusion c.svg", 2, &["pictures are PNG", "c.png"]);
    b.fails(
        &format!("trace-step --quiet --model m.toml --batch-size 8 --out {checkpoint}"),
        6,
        &["something else"],
    );
    assert_eq!(before, [&checkpoint, "run/config.toml"].map(|n| fs::read(b.path(n)).unwrap()));
    b.fails("reproduce --quick --label-seeds 1 --out run", 6, &["is a training run", "--out"]);
    // Before the work, and by the name that was given.
    if cfg!(target_os = "linux") {
        let said = b.fails("eval run --quiet --confusion /proc/c.png", 6, &["/proc/c.png"]);
        assert!(!said.contains(".ssgan-"), "{said}");
    }
}

/// The commands without --quiet are those that docs/commands.md says it of.
#[test]
fn quiet_is_where_it_is_said_to_be() {
    let b = Bench::new();
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/commands.md")).unwrap();
    let (told, _) = page.split_once("`--quiet` (`-q`)").unwrap().1.split_once(" do not have it").unwrap();
    let commands = |of: &str| -> Vec<String> {
        let help = stdout(&b.run(&format!("{of} --help")));
        let (_, list) = help.split_once("Commands:\n").unwrap_or_default();
        let names = list.lines().take_while(|line| !line.is_empty());
        // What a name's description goes on with is indented further.
        let names = names.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
        names
            .filter_map(|line| line.split(' ').next())
            .filter(|name| *name != "help")
            .map(String::from)
            .collect()
    };
    let all: Vec<String> = commands("")
        .into_iter()
        .flat_map(|command| match commands(&command) {
            none if none.is_empty() => vec![command],
            of => of.into_iter().map(|name| format!("{command} {name}")).collect(),
        })
        .collect();
    assert!(all.len() >= 20, "{all:?}");
    for command in all {
        let quiet = stdout(&b.run(&format!("{command} --help"))).contains("--quiet");
        assert_eq!(quiet, !told.contains(&format!("`{command}`")), "{command}");
    }
}

/// Each command's help has the defaults of that command alone.
#[test]
fn help_is_of_one_command() {
    let b = Bench::new();
    for (command, default) in [
        ("train", "Data set [default: digits]"),
        ("profile", "Data set [default: digits]"),
        ("data info", "Data set [default: digits]"),
        ("eval", "Data set to test on [default: the run's]"),
        ("reproduce", "Data set [default: mnist; with --quick digits]"),
    ] {
        let help = stdout(&b.run(&format!("{command} --help")));
        let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(default), "{command}: {help}");
        assert!(!words.contains("reproduce:"), "{command}: {help}");
    }
}

/// What is said at the start, on the way and at the end, where standard error is no terminal.
#[test]
fn what_is_done_is_said() {
    let b = Bench::new();
    b.file("m.toml", MODEL);
    small_data::set(&b.path("d"), 60, 50);
    let said = |line: &str| {
        let out = b.run(line);
        (stdout(&out), String::from_utf8(out.stderr).unwrap())
    };
    let data = "--dataset mnist --data-dir d --model m.toml --labels 20";
    let line = format!("train {data} --batch-size 32 --epochs 1");
    b.file("g.toml", MODEL.replace("\"pixels\"", "784"));
    b.fails(
        &format!("{line} --generator g.toml"),
        2,
        &["--generator g.toml", "give --generator m.toml", "1x8x8"],
    );
    b.fails(&line.replace("m.toml", "photo"), 3, &["models for images 1x8x8: dnn, cnn"]);
    let (result, progress) = said(&format!("{line} --out run"));
    assert!(progress.contains("an epoch is a single step"), "{progress}");
    assert!(!progress.contains("0s left"), "{progress}");
    let next = "ssgan train --method supervised --model m.toml --dataset mnist --labels 20 --data-dir";
    for words in ["ssgan eval run", "ssgan sample run --out grid.png", next, "speckle"] {
        assert!(result.contains(words), "{words:?} is not in {result}");
    }
    let (json, progress) = said("eval run --json");
    assert!(progress.contains("testing m on 50 images, on "), "{progress}");
    let accuracy = json.lines().find(|l| l.contains("\"accuracy\"")).unwrap();
    assert!(accuracy.trim().len() <= "\"accuracy\": 0.16666667,".len(), "widened to 64 bits: {accuracy}");
    let (_, progress) = said("sample run --count 4");
    assert!(progress.contains("drawing 4 images, on "), "{progress}");
    let (_, progress) = said(&format!("trace-step {data} --batch-size 8 --out step.safetensors"));
    let about: f64 = progress.split("about ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    let size = fs::metadata(b.path("step.safetensors")).unwrap().len() as f64 / 1e6;
    assert!((0.8 * size..2.0 * size + 1.0).contains(&about), "about {about} MB, {size} MB");
    let (_, progress) = said(&format!("profile {data} --batch-size 8 --steps 2 --no-roofs"));
    assert!(progress.contains("profiling m on mnist, on ") && progress.contains(" 0/7"), "{progress}");
}

/// A run is tested on its own data; where they are gone or have changed, on none.
#[test]
fn a_run_is_tested_on_its_own_data() {
    let b = Bench::new();
    b.file("m.toml", MODEL);
    for (folder, seen, tested) in [("d", 300, 50), ("cache/mnist", 200, 90), ("other", 200, 70)] {
        small_data::set(&b.path(folder), seen, tested);
    }
    let line = "train --quiet --dataset mnist --data-dir d --model m.toml --batch-size 32 --epochs 1";
    stdout(&b.run(&format!("{line} --out run")));
    let own = stdout(&b.run("eval run --quiet --json"));
    assert!(own.contains("\"test_images\": 50") && has_key(&own, "data_sha256"), "{own}");
    // From another folder, too: the run knows where its data are.
    fs::create_dir(b.path("elsewhere")).unwrap();
    let out = b.run_in("eval ../run --quiet --json", |c| {
        c.current_dir(b.path("elsewhere"));
    });
    assert!(stdout(&out).contains("\"test_images\": 50"));
    let out = b.run_in("train --quiet --resume ../run", |c| {
        c.current_dir(b.path("elsewhere"));
    });
    stdout(&out);
    let other = b.run("eval run --data-dir other");
    assert!(String::from_utf8_lossy(&other.stderr).contains("other files of mnist, testing on mnist"));
    assert!(stdout(&other).contains("70 test images"));
    small_data::split(&b.path("d"), "t10k", 60);
    b.fails("eval run --quiet --json", 4, &["not what the run was trained on", "--data-dir"]);
    fs::rename(b.path("d"), b.path("moved")).unwrap();
    b.fails("eval run --quiet --json", 4, &["the run was trained on mnist", "--data-dir"]);
    assert!(stdout(&b.run("eval run --data-dir moved --json")).contains("\"test_images\": 60"));
}

/// Generated images are compared with the test images by another run's classifier.
#[test]
fn generated_images_are_examined() {
    let b = Bench::new();
    b.file("m.toml", MODEL);
    small_data::set(&b.path("d"), 300, 50);
    let line = "train --quiet --dataset mnist --data-dir d --model m.toml --epochs 1";
    stdout(&b.run(&format!("{line} --batch-size 32 --out run")));
    stdout(&b.run(&format!("{line} --method supervised --labels 200 --out classifier")));
    let text = stdout(&b.run("eval run --quiet --images --by classifier"));
    for words in [
        "50 images generated by m, seed 1",
        "examined by classifier",
        "of 50 test images\n",
        "by 8 features: ",
        "that of 50 training images: ",
        " of 10 (e to the entropy",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let line = "eval run --quiet --images --by classifier --json --count 600";
    let json = stdout(&b.run(line));
    for words in [
        "\"images\": 600",
        "\"frechet_distance_of_training_images\": null",
        "\"features\": 8",
        "\"seed\": 1",
        "\"averaged\": false",
    ] {
        assert!(json.contains(words), "{words}: {json}");
    }
    assert_eq!(json, stdout(&b.run(line)));
    let distance = |json: &str| {
        let line = json.lines().find(|l| l.contains("\"frechet_distance\"")).unwrap().to_string();
        line.split(": ").nth(1).unwrap().trim_end_matches(',').parse::<f64>().unwrap()
    };
    let others = ["--seed 2", "--averaged"].map(|flag| distance(&stdout(&b.run(&format!("{line} {flag}")))));
    assert!(others.iter().all(|d| *d > 0.0 && *d != distance(&json)), "{others:?}, {json}");
}

/// What would give a number that means nothing is refused, or said.
#[test]
fn generated_images_that_cannot_be_compared() {
    let b = Bench::new();
    b.file("m.toml", MODEL);
    small_data::set(&b.path("d"), 300, 40);
    let train = "train --quiet --dataset mnist --data-dir d --max-steps 1 --model m.toml";
    stdout(&b.run(&format!("{train} --batch-size 32 --out run")));
    // Classifiers of one step, by their models.
    let classifier = |out: &str, model: String| {
        b.file("m.toml", model);
        stdout(&b.run(&format!("{train} --method supervised --labels 20 --out {out}")));
    };
    classifier("wide", MODEL.replace("units = 8", "units = 60"));
    classifier("wider", MODEL.replace("units = 8", "units = 2100"));
    let relu = "{ op = \"relu\", feature = true },";
    let compares = format!("{relu}\n{{ op = \"minibatch_discrimination\", kernels = 2, dims = 2 }},");
    classifier("compares", MODEL.replace(relu, &compares));
    b.file("m.toml", MODEL);
    stdout(&b.run(&format!("{QUICK} --out digits")));

    let few = stdout(&b.run("eval run --quiet --images --by wide"));
    assert!(few.contains("40 images are few for so many features"), "{few}");
    b.fails("eval run --quiet --images --by wider", 2, &["2100 features", "global_avg_pool"]);
    b.fails("eval run --quiet --images --by compares", 2, &["compares the images of a minibatch"]);
    b.fails("eval run --quiet --images --by digits", 2, &["digits", "images 1x28x28", "1x8x8"]);
    b.fails("eval wide --images --by run", 2, &["wide", "trains no generator"]);
    b.fails("eval run --images --by none", 6, &["none"]);
    b.fails("eval run --count 5", 2, &["--images"]);
    b.fails("eval run --images", 2, &["--by"]);
    b.fails("eval run --images --by wide --count 1", 2, &["--count"]);
    b.fails("eval run --images --by wide --confusion c.png", 2, &["--confusion", "--images"]);
    // The classifier is one of other data than those that are compared with.
    small_data::split(&b.path("d"), "t10k", 30);
    let known = b.run("eval run --data-dir d --images --by wide");
    assert!(String::from_utf8_lossy(&known.stderr).contains("may have learnt from the test images"));
    stdout(&known);
}

/// What diverged before it was saved cannot be evaluated or drawn from.
#[test]
fn checkpoints_that_are_not_finite() {
    let b = Bench::new();
    b.file("m.toml", MODEL);
    stdout(&b.run(&format!("{QUICK} --out run")));
    let name = b.content().into_iter().find(|n| n.ends_with(".safetensors")).unwrap();
    let broken = |tensor: &str| {
        let mut checkpoint = checkpoint::load(&b.path(&name)).unwrap();
        let t = checkpoint.tensors.iter_mut().find(|t| t.name == tensor).unwrap();
        t.values[0] = f32::NAN;
        checkpoint::save(&checkpoint, &b.path("broken.safetensors")).unwrap();
    };
    broken("discriminator.1.weight");
    b.fails("eval broken.safetensors --quiet", 8, &["discriminator.1.weight is not finite"]);
    broken("average.discriminator.1.bias");
    b.fails("eval broken.safetensors --quiet --averaged", 8, &["average.discriminator.1.bias"]);
    assert!(stdout(&b.run("eval broken.safetensors --quiet")).contains("accuracy"));
    broken("generator.0.weight");
    b.fails("sample broken.safetensors --out g.png", 8, &["generator.0.weight is not finite"]);
}

/// A pipe to which nobody writes would be waited for without end.
#[cfg(unix)]
#[test]
fn a_pipe_is_no_model_file() {
    let b = Bench::new();
    assert!(Command::new("mkfifo").arg(b.path("pipe")).status().unwrap().success());
    b.fails("model pipe", 2, &["pipe", "give a file"]);
    b.fails("train --quiet --config pipe", 2, &["pipe", "give a file"]);
    // What the shell hands over has a writer.
    b.file("m.toml", MODEL);
    let script = format!("cat m.toml | '{}' model /dev/stdin", env!("CARGO_BIN_EXE_ssgan"));
    let out = Command::new("sh").args(["-c", &script]).current_dir(b.0.path()).output().unwrap();
    assert!(stdout(&out).contains("discriminator"));
}

#[test]
fn profiles_are_measured_written_and_compared() {
    let b = Bench::new();
    b.file("m.toml", MODEL);
    let line = "profile --model m.toml --batch-size 32 --steps 2 --warmup 0 --no-roofs --quiet";
    let table = stdout(&b.run(&format!("{line} --timing submits --all --out p")));
    for words in
        ["one submit per dispatch", "gemm_", "discriminator.1 dense forward", "between kernels", "adam"]
    {
        assert!(table.contains(words), "no {words:?} in {table}");
    }
    let made: Vec<String> = b.content().into_iter().filter(|n| n.starts_with("p/")).collect();
    assert_eq!(made, ["p/profile.json", "p/table.txt", "p/trace.json"]);
    let compared = stdout(&b.run(&format!("{line} --compare p/profile.json --json")));
    assert!(has_key(&compared, "ratio") && has_key(&compared, "change"), "{compared}");
    // Another way of timing is said, not hidden; a profile may take the place of the one that it is compared with.
    let line = line.replace("32", "16");
    let other = stdout(&b.run(&format!("{line} --compare p/profile.json --all --out p")));
    assert!(other.contains("not the same batch size: 32 before, 16 now"), "{other}");
}

/// A step size that no float survives: its own exit code, the tensor that broke, and checkpoints that are finite.
#[test]
fn divergence_names_the_tensor_that_broke() {
    let b = Bench::new();
    b.file("m.toml", MODEL);
    let line = "train --quiet --dataset digits --model m.toml --out run --unlabelled 1024 \
                --batch-size 128";
    let said = b.fails(
        &format!("{line} --lr 1e37"),
        8,
        &["diverged", "--learning-rate", "First not finite: in step"],
    );
    assert!(said.contains("of the discriminator") || said.contains("of the generator"), "{said}");
    // Where there is no generator, its loss is not a number from the first step, and that is nothing.
    let alone = line.replace("run", "alone");
    let alone = format!("{alone} --generator-loss none --entropy-weight 1 --balance-weight 1");
    let said = b.fails(&format!("{alone} --lr 1e37"), 8, &["diverged", "First not finite: in step"]);
    assert!(said.contains("of the discriminator") && !said.contains("L_G"), "{said}");
    let saved = |run: &str| fs::read_dir(b.path(run).join("checkpoints")).map_or(0, |d| d.count());
    assert_eq!(saved("run") + saved("alone"), 0, "a checkpoint that is not finite");
    // The last update of all broke the parameters; no loss has seen it.
    let line = "train --quiet --dataset digits --model m.toml --out last --method supervised \
                --max-steps 1 --lr 1e38 --epsilon 1e-30";
    b.fails(line, 8, &["step 1:", "First not finite: in step 1"]);
    assert_eq!(saved("last"), 0, "a checkpoint that is not finite");
}

/// A parameter that relu hides from every loss: units that are minus infinity are 0 behind it, and get no gradient.
#[test]
fn parameters_that_are_not_finite_are_noticed_behind_relu() {
    let b = Bench::new();
    b.file("m.toml", MODEL);
    stdout(&b.run("train --quiet --batch-size 32 --epochs 1 --model m.toml --out run --max-steps 3"));
    let path = b.path("run/checkpoints/epoch-00-step-3.safetensors");
    let mut checkpoint = checkpoint::load(&path).unwrap();
    let bias = checkpoint.tensors.iter_mut().find(|t| t.name == "discriminator.1.bias").unwrap();
    bias.values[3] = f32::NEG_INFINITY;
    ssgan::app::run::checkpoint::save(&checkpoint, &path).unwrap();
    let words =
        ["step 4:", "First not finite: already before step 4 before.discriminator.1.bias (dense, layer 2"];
    b.fails("train --quiet --resume run", 8, &words);
    let rows = fs::read_to_string(b.path("run/metrics.csv")).unwrap().lines().count() - 1;
    assert!(rows <= 3 + 16, "noticed after {rows} steps");
    let saved: Vec<_> = b.content().into_iter().filter(|n| n.ends_with(".safetensors")).collect();
    assert_eq!(saved.len(), 1, "{saved:?}");
}

#[test]
fn plans_that_cannot_be_run() {
    let b = Bench::new();
    b.fails("reproduce --shard 3/2", 2, &["I/N", "2/5"]);
    b.fails("reproduce --shard 0/2", 2, &["I/N"]);
    b.fails("reproduce --merge a --shard 1/2", 2, &["--shard"]);
    b.fails("reproduce --only ssl-rnn", 2, &["ssl-cnn"]);
    b.fails("reproduce --only both", 2, &["both", "--ablate"]);
    b.fails("reproduce --label-seeds 0", 2, &["--label-seeds"]);
    b.fails("reproduce --merge nowhere", 6, &["nowhere"]);
    b.fails("reproduce --data-dir nowhere", 4, &["nowhere"]);
    fs::create_dir(b.path("foreign")).unwrap();
    b.file("foreign/data.json", "{}");
    b.fails("reproduce --merge foreign", 6, &["data.json", "not a folder that `ssgan reproduce` made"]);
}

/// Out of time after the first second, gone on with, refused for other data, merged.
#[test]
fn a_report_is_gone_on_with() {
    let b = Bench::new();
    let line = "reproduce --quick --label-seeds 1 --out r --json";
    let out = b.run(&format!("{line} --max-seconds 1.5"));
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(has_key(&stdout(&out), "stopped"), "{}", stdout(&out));
    assert!(fs::read_to_string(b.path("r/index.html")).unwrap().contains("Not finished"));
    // The first run alone, however long its 60 steps of a small network take here.
    let out = b.run(&format!("{line} --shard 1/6"));
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(stdout(&out).contains("\"finished\": 1"), "{}", stdout(&out));
    let summary = fs::read_to_string(b.path("r/runs/supervised-cnn-seed1/summary.json")).unwrap();
    let kept_there = fs::read_dir(b.path("r/runs/supervised-cnn-seed1/checkpoints")).unwrap().count();
    // The newest two, and the best by validation accuracy, of equals the latest, where it is another.
    let history = history::load(&b.path("r/runs/supervised-cnn-seed1")).unwrap();
    let validated: Vec<_> = history.epochs.iter().filter_map(|e| e.validation_accuracy).collect();
    let best = (0..validated.len()).max_by(|a, b| validated[*a].total_cmp(&validated[*b])).unwrap();
    assert_eq!(kept_there, if best + 2 < validated.len() { 3 } else { 2 }, "checkpoints: {validated:?}");
    // Finished runs stay as they are.
    let again = b.run(&format!("{line} --shard 1/6"));
    assert_eq!(stdout(&again), stdout(&out));
    assert_eq!(fs::read_to_string(b.path("r/runs/supervised-cnn-seed1/summary.json")).unwrap(), summary);

    let out = b.run("reproduce --quick --label-seeds 1 --merge r --out m");
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    let (table, notes) = (stdout(&out), String::from_utf8_lossy(&out.stderr));
    assert!(table.contains("supervised-cnn") && table.contains("1 of 6 runs"), "{table}");
    assert!(notes.contains("ssl-dnn-seed1"), "{notes}");
    for file in ["m/index.html", "m/report.md", "m/results.json"] {
        assert!(fs::read_to_string(b.path(file)).unwrap().contains("supervised-cnn-seed1"), "{file}");
    }
    // What a folder has of other label seeds is in the plan without being named, and no more of them is missing.
    fs::create_dir_all(b.path("m/runs/supervised-cnn-seed4")).unwrap();
    let out = b.run("reproduce --quick --merge m --out l");
    assert!(stdout(&out).contains("1 of 13 runs"), "{}", String::from_utf8_lossy(&out.stderr));
    fs::remove_dir_all(b.path("m/runs")).unwrap();
    // What is left of the run without its folder, in `m`, says the same, and is not trained again.
    let out = b.run("reproduce --quick --label-seeds 1 --merge m --out k");
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    let read = |file: &str| fs::read_to_string(b.path(file)).unwrap();
    for file in ["report.md", "index.html", "results.json", "summaries/supervised-cnn-seed1.json"] {
        assert_eq!(read(&format!("k/{file}")), read(&format!("m/{file}")), "{file}");
    }
    assert!(read("k/index.html").contains("Accuracy of the baselines."));
    let said = b.run("reproduce --quick --label-seeds 1 --out k --only supervised-cnn --adapter software");
    assert!(said.status.success() && !b.path("k/runs").exists(), "{}", String::from_utf8_lossy(&said.stderr));
    let other = "reproduce --dataset digits --label-seeds 1 --merge k --out n";
    b.fails(other, 6, &["supervised-cnn-seed1.json", "--epochs 20`, and this plan has"]);
    // Whose summary another run's would replace stays; that of the same run may be written again.
    let out = b.run("reproduce --quick --label-seeds 1 --merge m --out k");
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    let kept = read("k/summaries/supervised-cnn-seed1.json");
    let record: serde_json::Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(record["shaders"], ssgan::gpu::shader_hash(), "of which program it is");
    assert!(record["started"].is_string(), "{record}");
    b.file("k/summaries/supervised-cnn-seed1.json", kept.replacen("\"seconds\": ", "\"seconds\": 1", 1));
    let kept = read("k/summaries/supervised-cnn-seed1.json");
    b.fails("reproduce --quick --label-seeds 1 --merge m --out k", 6, &["of another run", "--out"]);
    assert_eq!(read("k/summaries/supervised-cnn-seed1.json"), kept);
    // What one of the merged folders has more of a run is not lost, nor what the report has already.
    for folder in ["poor", "poor/summaries"] {
        fs::create_dir(b.path(folder)).unwrap();
    }
    for file in ["data.json", "data.png"] {
        fs::copy(b.path("m").join(file), b.path("poor").join(file)).unwrap();
    }
    let (whole, page) = (read("m/summaries/supervised-cnn-seed1.json"), read("m/index.html"));
    let changed = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut record = serde_json::from_str(&whole).unwrap();
        change(&mut record);
        b.file("poor/summaries/supervised-cnn-seed1.json", record.to_string());
    };
    changed(&|r| r["history"] = serde_json::json!([]));
    for (roots, out) in [("poor m", "j"), ("poor", "m")] {
        let done = b.run(&format!("reproduce --quick --label-seeds 1 --merge {roots} --out {out}"));
        assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(read(&format!("{out}/summaries/supervised-cnn-seed1.json")), whole, "{roots} to {out}");
        assert_eq!(read(&format!("{out}/index.html")), page, "{roots} to {out}");
    }
    // Of two runs it is not ours to say which counts.
    changed(&|r| r["seconds"] = serde_json::json!(1.5));
    let line_of_two = "reproduce --quick --label-seeds 1 --merge poor m --out h";
    b.fails(line_of_two, 6, &["poor and m have different runs of supervised-cnn-seed1"]);
    // A setting that is younger than the summary has its default; a run that ended early is none.
    changed(&|r| drop(r["settings"].as_object_mut().unwrap().remove("precision")));
    let out = b.run("reproduce --quick --label-seeds 1 --merge poor --out i");
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    // The precision is the plan's, as the data set is.
    changed(&|r| {
        r["settings"]["precision"] = serde_json::json!("mixed");
        r["command"] = format!("{} --precision mixed", r["command"].as_str().unwrap()).into();
    });
    b.fails("reproduce --quick --label-seeds 1 --merge poor --out h", 6, &["other settings"]);
    let mixed = "reproduce --quick --label-seeds 1 --merge poor --precision mixed --out mixed";
    let out = b.run(mixed);
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    changed(&|r| r["epochs"] = serde_json::json!(19));
    b.fails("reproduce --quick --label-seeds 1 --merge poor --out h", 6, &["not of the whole run"]);
    // Of which data a folder's summaries are is known, or they are not used.
    let facts = read("k/data.json");
    fs::remove_file(b.path("k/data.json")).unwrap();
    b.fails("reproduce --quick --label-seeds 1 --merge k --out n", 6, &["k: no data.json"]);
    b.fails("reproduce --quick --label-seeds 1 --merge m --out k", 6, &["k: no data.json"]);
    b.fails("reproduce --quick --label-seeds 1 --out k", 6, &["k: no data.json"]);
    b.file("k/data.json", facts);
    // A model or setting that this program's plan no longer has, behind the same flags.
    for (what, now, is) in [
        ("another model", "rate = 0.3", "rate = 0.4"),
        ("other settings", "\"beta1\": 0.9", "\"beta1\": 0.8"),
    ] {
        let changed = kept.replacen(now, is, 1);
        assert_ne!(changed, kept, "{now}");
        b.file("k/summaries/supervised-cnn-seed1.json", changed);
        b.fails("reproduce --quick --label-seeds 1 --merge k --out n", 6, &["cnn-seed1.json", what]);
    }
    b.file("k/summaries/supervised-cnn-seed1.json", "{}");
    b.fails("reproduce --quick --label-seeds 1 --merge k --out n", 6, &["not the summary of a run"]);
    // Not quick is another plan: the same run with other settings.
    b.fails("reproduce --dataset digits --label-seeds 1 --merge r --out n", 6, &["other settings"]);
    b.fails("reproduce --dataset digits --label-seeds 1 --out r", 6, &["other settings"]);
    // What has been trained is not thrown away because a small file beside it is gone.
    fs::remove_dir_all(b.path("r/summaries")).unwrap();
    for file in ["summary.json", "model.toml"] {
        fs::remove_file(b.path("r/runs/supervised-cnn-seed1").join(file)).unwrap();
    }
    b.fails(&format!("{line} --shard 1/6"), 6, &["supervised-cnn-seed1", "has ", "move it away"]);
    assert_eq!(fs::read_dir(b.path("r/runs/supervised-cnn-seed1/checkpoints")).unwrap().count(), kept_there);
    let other = fs::read_to_string(b.path("r/data.json")).unwrap().replacen(
        "\"fingerprint\": \"",
        "\"fingerprint\": \"0",
        1,
    );
    b.file("r/data.json", other);
    b.fails(line, 6, &["other data"]);
    b.fails("reproduce --quick --label-seeds 1 --merge m r", 2, &["different data"]);
}

#[test]
fn benchmarks_verify_and_time() {
    let b = Bench::new();
    b.file("m.toml", MODEL);
    let kernel = "bench kernel gemm --shape 33x17x65 --runs 2";
    let table = stdout(&b.run(kernel));
    assert!(table.contains("workgroup-64x64-4x4") && table.contains("the table's"), "{table}");
    let one = stdout(&b.run(&format!("{kernel} --columns --variant workgroup-64x64-4x4 --json")));
    assert!(has_key(&one, "nmse") && one.matches("\"variant\":").count() == 1, "{one}");
    let step = "bench step --model m.toml --recipe best --batch-size 32 --runs 2 --warmup 1 --quiet";
    let step = stdout(&b.run(step));
    assert!(
        step.contains("GFLOP/s")
            && ["m ", "best "].map(|s| step.matches(&format!("\n{s}")).count()) == [1, 1],
        "{step}"
    );
    // The roofs were measured by the first and are kept.
    assert!(b.content().iter().any(|n| n == "cache"));
    stdout(&b.run("profile --model m.toml --batch-size 32 --steps 1 --quiet --plot roofline.png"));
    assert!(fs::read(b.path("roofline.png")).unwrap().starts_with(b"\x89PNG"));
    stdout(&b.run("profile --model m.toml --batch-size 32 --steps 1 --quiet --plot roofline.svg"));
    let svg = fs::read_to_string(b.path("roofline.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("adam") && svg.contains("copy: "), "{svg}");
    b.fails("bench kernel gemm --shape 1x2", 2, &["512x1000x784"]);
    b.fails("bench kernel gemm --shape 1000000x1000000x1", 2, &["--shape"]);
    b.fails("bench kernel gemm --variant fast", 2, &["unknown variant", "workgroup-64x64-4x4"]);
    b.fails("bench kernel conv", 2, &["gemm"]);
    b.fails("bench step --model no", 2, &["unknown model"]);
    let supervised = "train --recipe quick --method supervised";
    b.fails(supervised, 2, &["recipe quick is for the method ssl", "leave out one"]);
    b.fails("train --recipe paper --method supervised --unlabelled 5", 2, &["unlabelled", "leave it out"]);
    b.fails("bench step --recipe no", 2, &["possible values: paper, best, quick"]);
}

#[test]
fn profiles_that_cannot_be_made() {
    let b = Bench::new();
    b.file("m.toml", MODEL);
    b.fails("profile --steps 0", 2, &["--steps"]);
    b.fails("profile --timing clock", 2, &["submits"]);
    b.fails("profile --compare gone.json", 6, &["gone.json"]);
    let file = b.file("not.json", "{\"format\": \"x\"}");
    b.fails(&format!("profile --compare {file}"), 2, &["not.json", "not a profile"]);
    b.fails("profile --plot a.png --no-roofs", 2, &["--no-roofs"]);
    b.fails("profile --trace none/a.json", 2, &["no folder none"]);
    b.fails("profile --plot a.gif", 2, &["a.gif", ".svg"]);
    b.file("file", "");
    b.fails("profile --out file/p", 6, &["file/p"]);
    // What is not a profile's stays, and nothing is made in vain.
    fs::create_dir(b.path("mine")).unwrap();
    for name in ["trace.json", "roofline.png", "profile.json", "table.txt"] {
        let file = b.file(&format!("mine/{name}"), "{}");
        b.fails("profile --out mine", 6, &[name, "is there and is something else"]);
        assert_eq!(fs::read_to_string(b.path(&file)).unwrap(), "{}");
        fs::remove_file(b.path(&file)).unwrap();
    }
    b.fails("profile --out new --model no", 2, &["unknown model"]);
    assert!(!b.path("new").exists());
}

/// A reader that goes away, as in `ssgan completions bash | head -1`, is no failure.
#[test]
fn a_closed_standard_output_is_quiet() {
    let b = Bench::new();
    for line in ["completions bash", "model dnn", "--help", "adapters"] {
        let mut child = ssgan(b.0.path())
            .args(line.split_whitespace())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let out = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&out.stderr);
        assert!(!text.contains("panicked") && !text.contains("error"), "`{line}`: {text}");
        assert!(out.status.success(), "`{line}`: {:?}", out.status);
    }
    // What fails is told all the same: here there is no adapter.
    if cfg!(target_os = "linux") {
        let mut doctor = ssgan(b.0.path());
        doctor.arg("doctor").env("VK_DRIVER_FILES", "/nonexistent").env("VK_ICD_FILENAMES", "/nonexistent");
        let mut child = doctor.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let out = child.wait_with_output().unwrap();
        assert_eq!(out.status.code(), Some(5), "{}", String::from_utf8_lossy(&out.stderr));
    }
}

#[cfg(unix)]
mod interrupts {
    use super::*;
    use std::io::{BufRead, BufReader};

    const LONG: &str =
        "train --batch-size 32 --epochs 100000 --evaluate-every 100000 --model m.toml --out run";

    /// Starts a long run and waits for the line that says it is training.
    fn start(b: &Bench) -> (std::process::Child, BufReader<std::process::ChildStderr>) {
        start_by(b, ssgan(b.0.path()).args(LONG.split_whitespace()))
    }

    fn start_by(
        b: &Bench,
        command: &mut Command,
    ) -> (std::process::Child, BufReader<std::process::ChildStderr>) {
        b.file("m.toml", MODEL);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut text = String::new();
        while !text.contains("training on") {
            text.clear();
            assert!(lines.read_line(&mut text).unwrap() > 0, "it ended before training");
        }
        (child, lines)
    }

    /// As [`start`] where hangups are ignored, which no shell can undo.
    fn start_hearing_hangups(b: &Bench) -> (std::process::Child, BufReader<std::process::ChildStderr>) {
        let mut env = Command::new("env");
        env.args(["--default-signal=HUP", env!("CARGO_BIN_EXE_ssgan")]).args(LONG.split_whitespace());
        start_by(b, env.current_dir(b.0.path()).env("SSGAN_CACHE_DIR", b.path("cache")))
    }

    #[test]
    fn the_first_saves_and_exits_with_the_signals_status() {
        // Under `nohup` this test ignores hangups, and what it starts would too.
        let alive = Command::new("sh").args(["-c", "kill -HUP $$; echo alive"]).output().unwrap();
        let ignored = !alive.stdout.is_empty();
        // What batch systems send before a job's time is up.
        let batch: &[_] = match cfg!(target_os = "linux") {
            true => &[("USR1", 138), ("USR2", 140), ("XCPU", 152)],
            false => &[],
        };
        let always = [("INT", 130), ("TERM", 143), ("HUP", 129)];
        for (name, status) in always.into_iter().chain(batch.iter().copied()) {
            let b = Bench::new();
            let (mut child, mut lines) = match name == "HUP" && ignored {
                true => start_hearing_hangups(&b),
                false => start(&b),
            };
            signal(name, child.id());
            // `timeout` sends its signal to the process and to the group that it is in.
            if name == "TERM" {
                signal(name, child.id());
            }
            // The system repeats this one every second; that is no impatience.
            if name == "XCPU" {
                std::thread::sleep(std::time::Duration::from_millis(50));
                signal(name, child.id());
            }
            saved(&b, &mut child, &mut lines, status);
        }
    }

    /// `nohup` ignores hangups, and so must the program that it begins.
    #[test]
    fn a_hangup_that_is_ignored_does_not_end_a_run() {
        let b = Bench::new();
        let script = format!("trap '' HUP; exec '{}' {LONG}", env!("CARGO_BIN_EXE_ssgan"));
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).current_dir(b.0.path()).env("SSGAN_CACHE_DIR", b.path("cache"));
        let (mut child, mut lines) = start_by(&b, &mut shell);
        signal("HUP", child.id());
        // Time for it to end with status 129, were it to.
        std::thread::sleep(std::time::Duration::from_millis(300));
        signal("TERM", child.id());
        saved(&b, &mut child, &mut lines, 143);
    }

    fn saved(
        b: &Bench,
        child: &mut std::process::Child,
        lines: &mut BufReader<std::process::ChildStderr>,
        status: i32,
    ) {
        let mut rest = String::new();
        std::io::Read::read_to_string(lines, &mut rest).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(status), "{rest}");
        assert!(rest.contains("interrupted") && rest.contains("run"), "{rest}");
        assert!(!rest.contains("panicked"), "{rest}");
        let saved = fs::read_dir(b.path("run/checkpoints")).unwrap().count();
        assert_eq!(saved, 1, "no checkpoint: {:?}", b.content());
        assert!(b.content().iter().all(|n| !n.contains(".part")), "{:?}", b.content());
        stdout(&b.run("eval run --quiet"));
    }

    /// A step of this takes some time, and what the second signal finds is not saved yet. Where it is, the adapter is fast, and
    /// a larger minibatch takes longer.
    #[test]
    fn the_second_leaves_at_once() {
        for (first, then, alone, status) in [
            ("TERM", &["HUP", "INT"][..], 143, 130),
            ("TERM", &["TERM"], 143, 143),
            ("INT", &["INT"], 130, 130),
        ] {
            let leaves = |batch: u32| {
                let line = format!("train --model dnn --batch-size {batch} --epochs 100 --out run");
                let b = Bench::new();
                let (mut child, mut lines) = start_by(&b, ssgan(b.0.path()).args(line.split(' ')));
                signal(first, child.id());
                let mut rest = String::new();
                while !rest.contains("stopping") {
                    assert!(lines.read_line(&mut rest).unwrap() > 0, "{rest}");
                }
                // So soon they would be the first one's echo.
                std::thread::sleep(std::time::Duration::from_millis(150));
                then.iter().for_each(|name| signal(name, child.id()));
                std::io::Read::read_to_string(&mut lines, &mut rest).unwrap();
                let (code, saved) = (child.wait().unwrap().code(), rest.contains("interrupted"));
                assert!(code == Some(status) || saved && code == Some(alone), "{code:?}: {rest}");
                !saved
            };
            assert!([2048, 8192, 32_768].into_iter().any(leaves), "{first}, {then:?}: always after a save");
        }
    }
}

/// Runs with a limit on the size of files, which stands in for a full disk: writes fail half-way just the
/// same. The signal is ignored so that the write returns an error instead of ending the process.
#[cfg(target_os = "linux")]
fn with_small_files(b: &Bench, line: &str) -> Output {
    let script = format!("trap '' XFSZ; ulimit -f 8; exec '{}' {line}", env!("CARGO_BIN_EXE_ssgan"));
    Command::new("bash").args(["-c", &script]).current_dir(b.0.path()).output().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_keeps_what_there_was() {
    let b = Bench::new();
    b.file("m.toml", MODEL);
    stdout(&b.run("data preview --quiet --out p.png --count 400"));
    let before = fs::read(b.path("p.png")).unwrap();
    assert!(before.len() > 32 * 1024, "{} bytes", before.len());
    let line = "data preview --quiet --test --out p.png --count 400";
    check(line, &with_small_files(&b, line), 6, &["p.png"]);
    assert_eq!(fs::read(b.path("p.png")).unwrap(), before, "the old picture is lost");

    let line = format!("{QUICK} --out run");
    check(&line, &with_small_files(&b, &line), 6, &["cannot write run"]);
    let csv = fs::read_to_string(b.path("run/metrics.csv")).unwrap();
    assert_eq!(csv.lines().count(), 4, "what was measured is lost: {csv}");
    assert!(b.content().iter().all(|n| !n.contains(".part")), "{:?}", b.content());
}

/// Ctrl-C in the middle of training: the step is finished, the parameters are saved and can be used.
#[cfg(unix)]
#[test]
fn an_interrupt_saves_and_leaves() {
    let b = Bench::new();
    b.file("m.toml", MODEL);
    let line = "train --model m.toml --batch-size 32 --epochs 100000 --evaluate-every 100000 --out run";
    let mut command = ssgan(b.0.path());
    let child = command.args(line.split(' ')).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started =
        |b: &Bench| fs::read_to_string(b.path("run/metrics.csv")).is_ok_and(|t| t.lines().count() > 3);
    // Two minutes, against a wait without end alone: how long a step may take is not tested.
    for _ in 0..1200 {
        if started(&b) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(started(&b), "no step was written");
    signal("INT", child.id());
    let out = child.wait_with_output().unwrap();
    check(line, &out, 130, &["stopping", "interrupted", "run"]);
    let saved: Vec<_> = b.content().into_iter().filter(|n| n.ends_with(".safetensors")).collect();
    assert_eq!(saved.len(), 1, "{saved:?}");
    assert!(stdout(&b.run(&format!("eval {} --quiet", saved[0]))).contains("accuracy"));
}
