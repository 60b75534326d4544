//! A run that goes on ends in the same bytes as one that was never interrupted: after an end in the middle of an
//! epoch, after being killed at any moment, from a damaged newest checkpoint, and by both methods. And a run may be long.

#![cfg(unix)]

#[path = "common/small_data.rs"]
mod small_data;

use ssgan::app::run::checkpoint;
use ssgan::ops::Tile;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Everything that has a state: weight norm, batch norm's running statistics, noise, dropout, Adam, averages.
const MODEL: &str = r#"name = "m"
[discriminator]
layers = [
    { op = "flatten" },
    { op = "gaussian_noise", sigma = 0.3 },
    { op = "dense", units = 16, weight_norm = "fixed", init = { normal = 0.1 } },
    { op = "relu", feature = true },
    { op = "dropout", rate = 0.2 },
    { op = "dense", units = "classes", weight_norm = "trained", init = { normal = 0.1 } },
]
[generator]
latent = 4
layers = [
    { op = "dense", units = 16, bias = false },
    { op = "batch_norm" },
    { op = "softplus" },
    { op = "dense", units = "pixels" },
    { op = "sigmoid" },
]
"#;

/// 10 epochs of 8 steps; weights that rise and learning rates that fall, so that the step itself matters.
const SSL: &str = "--dataset mnist --data-dir d --model m.toml --batch-size 64 --epochs 10 --unlabelled 512 \
                   --entropy-weight 0.5 --consistency-weight 1 --balance-weight 0.3 --lr-decay 0.5";
const EPOCH: u32 = 8;

/// A folder with the model and a small data set in it.
struct Bench(tempfile::TempDir);

/// How much of a test an environment variable asks for.
fn asked(variable: &str, usual: u32) -> u32 {
    std::env::var(variable).ok().and_then(|v| v.parse().ok()).unwrap_or(usual)
}

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("m.toml"), MODEL).unwrap();
        let data = dir.path().join("d");
        small_data::set(&data, 550, 100);
        Bench(dir)
    }
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn command(&self, line: &str) -> Command {
        let mut c = Command::new(env!("CARGO_BIN_EXE_ssgan"));
        c.current_dir(self.0.path()).args(line.split_whitespace());
        // On a GPU tiles are tried and kept: not by and for whoever runs the tests.
        c.env("SSGAN_CACHE_DIR", self.path("cache"));
        c.stdout(Stdio::piped()).stderr(Stdio::piped());
        c
    }
    fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }
    /// Runs to a good end; what it said on standard error.
    #[track_caller]
    fn good(&self, line: &str) -> String {
        let out = self.run(line);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success(), "{line}: {:?}\n{said}", out.status);
        said
    }
    /// The run `same` is in everything that counts byte for byte what `full` is.
    #[track_caller]
    fn same(&self, full: &str, same: &str) {
        let files = |run: &str, folder: &str| -> Vec<String> {
            // The supervised baseline draws no samples.
            let entries = fs::read_dir(self.path(run).join(folder)).into_iter().flatten();
            let mut names: Vec<String> =
                entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
            names.retain(|n| !n.contains("-step-") && n != "superseded");
            names.sort();
            names
        };
        for folder in ["", "checkpoints", "samples", "plots"] {
            assert_eq!(files(full, folder), files(same, folder), "{same}/{folder}");
        }
        let wanted = [
            "tiles.json",
            "metrics.csv",
            "metrics.jsonl",
            "config.toml",
            "model.toml",
            "confusion.png",
            "labelled.json",
        ];
        let mut wanted: Vec<String> = wanted.iter().map(|n| n.to_string()).collect();
        for folder in ["checkpoints", "samples", "plots"] {
            wanted.extend(files(full, folder).into_iter().map(|n| format!("{folder}/{n}")));
        }
        for name in wanted {
            let read = |run: &str| fs::read(self.path(run).join(&name)).unwrap();
            assert!(read(full) == read(same), "{same}/{name} differs");
        }
    }
}

/// Tiles are measured once; a run keeps those that it began with, whatever would be chosen today.
#[test]
fn with_the_tiles_that_it_began_with() {
    let b = Bench::new();
    let good = |line: &str| b.good(line);
    let tiles = |run: &str| fs::read_to_string(b.path(run).join("tiles.json")).unwrap();
    assert!(good(&format!("train {SSL} --tune fast --out full")).contains("tried the tiles"));
    assert!(tiles("full").contains("rows n=16 k=64"), "{}", tiles("full"));
    let said = good(&format!("train {SSL} --tune fast --out stopped --max-steps 11"));
    assert!(!said.contains("tried the tiles"), "{said}");
    // Another choice in the cache, which no product has yet: a new run takes it, the old one does not.
    let mut others = Tile::portable().into_iter().rev().map(|tile| tile.to_string());
    let other = others.find(|tile| !tiles("full").contains(tile)).unwrap();
    let kept = fs::read_dir(b.path("cache/tiles-fast")).unwrap().map(|f| f.unwrap().path());
    for file in kept.filter(|f| f.extension().is_some_and(|e| e == "json")) {
        let mut kept: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        for tile in kept["tiles"].as_object_mut().unwrap().values_mut() {
            *tile = other.as_str().into();
        }
        fs::write(&file, kept.to_string()).unwrap();
    }
    good("train --resume stopped");
    b.same("full", "stopped");
    good(&format!("train {SSL} --tune fast --out other --max-steps 1"));
    assert!(tiles("other").contains(&other), "{other}: {}", tiles("other"));
    assert!(!tiles("stopped").contains(&other), "{other}: {}", tiles("stopped"));
    // A tile that this adapter does not have is the table's, and the last bits are known to differ.
    let strange =
        tiles("stopped").replacen("subgroup", "hypergroup", 1).replacen("workgroup", "hypergroup", 1);
    fs::write(b.path("stopped/tiles.json"), strange).unwrap();
    assert!(good("train --resume stopped").contains("the tiles was"), "no note");
    fs::write(b.path("stopped/tiles.json"), "{").unwrap();
    let out = b.run("train --resume stopped");
    assert_eq!(out.status.code(), Some(6), "{out:?}");
}

/// A checkpoint that says it was made elsewhere is gone on with, and what that means for the bits is said.
#[test]
fn on_another_adapter_or_driver() {
    let b = Bench::new();
    b.good(&format!("train {SSL} --out run --max-steps {EPOCH}"));
    let path = b.path("run/checkpoints/epoch-01.safetensors");
    let whole = checkpoint::load(&path).unwrap();
    for key in ["adapter", "program", "tiles"] {
        let mut other = whole.clone();
        let was = other.metadata.insert(key.into(), "another".into());
        assert!(was.is_some(), "{key} is not in the checkpoint: {:?}", whole.metadata.keys());
        checkpoint::save(&other, &path).unwrap();
        let said = b.good(&format!("train --resume run --max-steps {}", EPOCH + 1));
        let note = "was another, now it is";
        assert!(said.contains(note) && said.contains("differ in their last bits"), "{key}: {said}");
        assert!(said.contains(&format!("going on after step {EPOCH}")), "{key}: {said}");
        fs::remove_file(b.path(&format!("run/checkpoints/epoch-01-step-{}.safetensors", EPOCH + 1))).unwrap();
    }
    checkpoint::save(&whole, &path).unwrap();
    let said = b.good("train --resume run");
    assert!(!said.contains("last bits"), "{said}");
}

/// Processes that begin together, without `--out`, each get a folder, and each run is whole. `SSGAN_STARTS` asks for more.
#[test]
fn many_starts_at_once() {
    let starts = asked("SSGAN_STARTS", 10) as usize;
    let b = Bench::new();
    let line = format!("train {SSL} --max-steps 1");
    let children: Vec<_> = (0..starts).map(|_| b.command(&line).spawn().unwrap()).collect();
    // All of them are waited for, whatever became of the first.
    let ended: Vec<_> = children.into_iter().map(|c| c.wait_with_output().unwrap()).collect();
    for out in ended {
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
    let runs: Vec<PathBuf> = fs::read_dir(b.path("runs")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(runs.len(), starts, "{runs:?}");
    for run in &runs {
        let saved = run.join("checkpoints/epoch-00-step-1.safetensors");
        assert!(checkpoint::load(&saved).is_ok() && run.join("summary.json").is_file(), "{run:?}");
    }
    println!("{starts} processes, {} folders", runs.len());
}

#[test]
fn from_the_middle_of_an_epoch() {
    let b = Bench::new();
    b.good(&format!("train {SSL} --out full"));
    for stop in [3, EPOCH, EPOCH + 5] {
        let run = format!("stopped-{stop}");
        b.good(&format!("train {SSL} --out {run} --max-steps {stop}"));
        let said = b.good(&format!("train --resume {run}"));
        assert!(said.contains(&format!("going on after step {stop}")), "{said}");
        b.same("full", &run);
    }
    // In the last epoch: what was saved there is older than the end.
    b.good(&format!("train {SSL} --out late --max-steps {}", 9 * EPOCH + 3));
    b.good("train --resume late");
    b.same("full", "late");
    let eval = |run: &str| {
        let out = b.run(&format!("eval {run} --quiet --json --dataset mnist --data-dir d"));
        String::from_utf8(out.stdout).unwrap().replace(run, "")
    };
    assert!(eval("full").contains("accuracy"), "{}", eval("full"));
    assert_eq!(eval("full"), eval("late"), "eval takes another checkpoint");
    // From a checkpoint that is not the newest, and of a run that is at its end.
    b.good("train --resume stopped-3/checkpoints/epoch-01.safetensors");
    b.same("full", "stopped-3");
    b.good("train --resume stopped-3");
    b.same("full", "stopped-3");
    // Taken back to before its end, it has not ended, and nothing says so; what was saved later is not its newest any more.
    let back = "train --resume stopped-3/checkpoints/epoch-01.safetensors";
    let last = fs::read(b.path("stopped-3/checkpoints/epoch-10.safetensors")).unwrap();
    let said = b.good(&format!("{back} --max-seconds 0.001"));
    assert!(said.contains("superseded"), "{said}");
    assert!(!b.path("stopped-3/summary.json").exists());
    assert!(fs::read(b.path("stopped-3/checkpoints/superseded/epoch-10.safetensors")).unwrap() == last);
    for (folder, first) in [("checkpoints", 3), ("samples", 4)] {
        let later = (first..=10).map(|n| b.path(&format!("stopped-3/{folder}/epoch-{n:02}")));
        let there = later.flat_map(|path| ["safetensors", "png"].map(|e| path.with_extension(e)));
        assert_eq!(there.filter(|path| path.exists()).count(), 0, "{folder}");
    }
    let epochs = b.run("train --resume stopped-3 --epochs 1");
    let said = String::from_utf8_lossy(&epochs.stderr);
    assert!(said.contains("in epoch 2 already"), "{said}");
    b.good("train --resume stopped-3");
    b.same("full", "stopped-3");
    // Test images that are others than those it was trained beside.
    let e = b.path("e");
    small_data::set(&e, 550, 101);
    let said = b.good("eval full --dataset mnist --data-dir e");
    assert!(said.contains("trained on other files of mnist"), "{said}");
    assert!(!b.good("eval full --dataset mnist --data-dir d").contains("other files"));
}

/// More epochs: a run that was told so later ends as one that was told so at first, where no schedule depends on it.
#[test]
fn more_epochs() {
    let b = Bench::new();
    let line = SSL.replace("--lr-decay 0.5", "");
    b.good(&format!("train {line} --out full"));
    let config = |run: &str| fs::read_to_string(b.path(run).join("config.toml")).unwrap();
    let short = line.replace("--epochs 10", "--epochs 4");
    for (run, stop) in [("finished", String::new()), ("unfinished", format!("--max-steps {}", EPOCH + 3))] {
        b.good(&format!("train {short} --out {run} {stop}"));
        let said = b.good(&format!("train --resume {run} --epochs 10 --max-steps {}", 5 * EPOCH + 1));
        assert!(said.contains("10 epochs instead of 4: the learning rates stay"), "{said}");
        assert!(said.contains("rise over the run's first 2 epochs"), "{said}");
        // The run knows it by now.
        b.good(&format!("train --resume {run}"));
        assert_eq!(config(run), config("full"));
        for name in ["metrics.csv", "metrics.jsonl", "checkpoints/epoch-10.safetensors", "plots/losses.png"] {
            let read = |run: &str| fs::read(b.path(run).join(name)).unwrap();
            assert!(read("full") == read(run), "{run}/{name}");
        }
        // Fewer than there are.
        let out = b.run(&format!("train --resume {run} --epochs 9"));
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.code() == Some(2) && said.contains("use 10 or more"), "{said}");
        // Those after it would be of another schedule.
        let out = b.run(&format!("train --resume {run}/checkpoints/epoch-01.safetensors --epochs 12"));
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.code() == Some(2) && said.contains("--from"), "{said}");
        assert_eq!(config(run), config("full"));
    }
    b.good(&format!("train {SSL} --out falling --max-steps {EPOCH}"));
    let said = b.good(&format!("train --resume falling --epochs 20 --max-steps {}", EPOCH + 1));
    assert!(said.contains("schedule of 20 epochs, falling to 0 over the last 50 %"), "{said}");
}

/// A new run from the weights of another: they are what it begins with, also when it is begun again after the other is gone.
#[test]
fn a_run_from_weights() {
    let b = Bench::new();
    b.good(&format!("train {SSL} --out a --max-steps {EPOCH}"));
    let trained = |file: &str| {
        let mut all = checkpoint::load(&b.path(file)).unwrap().tensors;
        all.retain(|t| t.name.starts_with("discriminator.") || t.name.starts_with("generator."));
        all.retain(|t| !t.name.contains("running"));
        all
    };
    // A step of next to no length.
    let still = "--lr 1e-12 --generator-lr 1e-12 --seed 5 --out still --max-steps 1";
    let said = b.good(&format!("train {} --from a {still}", SSL.replace("--lr-decay 0.5", "")));
    assert!(
        said.contains("beginning with the weights of") && said.contains("epoch-01.safetensors"),
        "{said}"
    );
    let (was, is) = (
        trained("a/checkpoints/epoch-01.safetensors"),
        trained("still/checkpoints/epoch-00-step-1.safetensors"),
    );
    assert!(!was.is_empty() && was.len() == is.len());
    for (was, is) in was.iter().zip(&is) {
        let far = was.values.iter().zip(&is.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(was.name == is.name && far < 1e-6, "{}: {far}", was.name);
    }
    let environment = fs::read_to_string(b.path("still/env.json")).unwrap();
    assert!(environment.contains("a/checkpoints/epoch-01.safetensors"), "{environment}");
    let few = SSL.replace("--epochs 10", "--epochs 2");
    b.good(&format!("train {few} --from a --out full"));
    b.good(&format!("train {few} --from a --out stopped --max-steps 3"));
    // The one who killed it was quicker than its first checkpoint.
    fs::remove_file(b.path("stopped/checkpoints/epoch-00-step-3.safetensors")).unwrap();
    fs::remove_file(b.path("stopped/summary.json")).unwrap();
    for (other, advice) in
        [(few.replace("m.toml", "dnn"), "--model"), (format!("{few} --generator dnn"), "--generator")]
    {
        let out = b.run(&format!("train {other} --from a --out other"));
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        let refused = out.status.code() == Some(7) && !b.path("other").exists();
        assert!(refused && said.contains(advice), "{said}");
    }
    fs::remove_dir_all(b.path("a")).unwrap();
    // Without them it would begin with random ones.
    let (weights, away) = (b.path("stopped/from.safetensors"), b.path("away"));
    fs::rename(&weights, &away).unwrap();
    let out = b.run("train --resume stopped");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.code() == Some(7) && said.contains("put it back"), "{said}");
    fs::rename(&away, &weights).unwrap();
    let said = b.good("train --resume stopped");
    assert!(said.contains("beginning with the weights of"), "{said}");
    b.same("full", "stopped");
}

#[test]
fn the_supervised_baseline() {
    let b = Bench::new();
    let line = "train --dataset mnist --data-dir d --model m.toml --method supervised --epochs 12 --evaluate-every 4";
    b.good(&format!("{line} --out full"));
    b.good(&format!("{line} --out part --max-steps 17"));
    b.good("train --resume part");
    b.same("full", "part");
    let of_g = |file: &str| {
        let tensors = checkpoint::load(&b.path(file)).unwrap().tensors;
        tensors.iter().filter(|t| t.name.contains("generator")).count()
    };
    assert_eq!(of_g("full/checkpoints/epoch-12.safetensors"), 0, "it has no generator");
    // A run of the GAN that begins from it makes one.
    b.good(&format!("train {SSL} --from full --out gan --max-steps 1"));
    assert!(of_g("gan/checkpoints/epoch-00-step-1.safetensors") > 0);
    let out = b.run("sample part");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.code() == Some(2) && said.contains("trains no generator"), "{said}");
    // An end after a whole epoch that is not evaluated: that evaluation is not the run's.
    b.good(&format!("{line} --out between --max-steps 6"));
    b.good("train --resume between");
    for name in ["metrics.csv", "metrics.jsonl", "checkpoints/epoch-12.safetensors"] {
        let read = |run: &str| fs::read(b.path(run).join(name)).unwrap();
        assert!(read("full") == read("between"), "{name}");
    }
}

#[test]
fn a_run_without_a_generator() {
    let b = Bench::new();
    let line = format!("train {SSL} --generator-loss none");
    let said = String::from_utf8(b.run(&format!("{line} --out full")).stdout).unwrap();
    assert!(!said.contains("generated images") && !said.contains("ssgan sample"), "{said}");
    assert!(said.contains("by the labels alone"), "{said}");
    b.good(&format!("{line} --out part --max-steps 13"));
    b.good("train --resume part");
    b.same("full", "part");
    let last = checkpoint::load(&b.path("full/checkpoints/epoch-10.safetensors")).unwrap();
    assert!(!last.has_generator() && last.meta("method").unwrap() == "ssl");
    assert!(!b.path("full/samples").exists());
    let table = fs::read_to_string(b.path("full/metrics.csv")).unwrap();
    let [header, first] = [0, 1].map(|n| table.lines().nth(n).unwrap().split(',').collect::<Vec<_>>());
    let is_there = |name: &str| !first[header.iter().position(|column| *column == name).unwrap()].is_empty();
    assert!(["entropy_unlabelled", "loss_consistency", "loss_balance"].into_iter().all(is_there), "{table}");
    let of_g = ["loss_unlabelled", "loss_generated", "loss_generator", "d_unlabelled", "d_generated"];
    assert!(!of_g.into_iter().any(is_there), "{table}");
    let out = b.run("sample part");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.code() == Some(2) && said.contains("--generator-loss none"), "{said}");
    // Weights go from runs with a generator to those without, and back: a step that is as good as none leaves them as they were.
    let weights = |file: &str| {
        let checkpoint = checkpoint::load(&b.path(file)).unwrap();
        let of_d = checkpoint.tensors.iter().filter(|t| t.name.starts_with("discriminator."));
        let values: Vec<f32> = of_d.flat_map(|t| t.values.clone()).collect();
        (values, checkpoint.has_generator())
    };
    let step = |run: &str| weights(&format!("{run}/checkpoints/epoch-00-step-1.safetensors"));
    let same = |a: &[f32], b: &[f32]| {
        a.len() == b.len() && a.len() > 16 && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-20)
    };
    b.good(&format!("train {SSL} --from full --out gan --lr 1e-30 --max-steps 1"));
    let ((full, _), (gan, has_generator)) = (weights("full/checkpoints/epoch-10.safetensors"), step("gan"));
    assert!(has_generator && same(&full, &gan));
    b.good(&format!("{line} --from gan --out again --lr 1e-30 --max-steps 1"));
    let (again, has_generator) = step("again");
    assert!(!has_generator && same(&full, &again));
    assert!(b.good("eval again --quiet --dataset mnist --data-dir d").is_empty());
    // Nor does it matter which generator the other run had, or the model has.
    b.good(&format!("train {SSL} --generator dnn --from part --out dense --max-steps 1"));
    b.good(&format!("{line} --from dense --out other --max-steps 1"));
}

/// SIGKILL at moments spread over a whole run, again and again on what the one before left. `SSGAN_KILLS` asks for
/// more of them.
#[test]
fn killed_at_any_moment() {
    let kills = asked("SSGAN_KILLS", 6);
    let b = Bench::new();
    let begun = Instant::now();
    b.good(&format!("train {SSL} --out full"));
    let whole = begun.elapsed();
    let mut seed = 7u64;
    let (mut kill, mut ended, mut begun_anew, mut lost) = (0, 0, 0, 0);
    while kill < kills {
        let run = b.path("run");
        if !run.exists() {
            begun_anew += 1;
        }
        let line = if run.exists() { "train --resume run".into() } else { format!("train {SSL} --out run") };
        let epochs_before = epochs(&run);
        let mut child = b.command(&line).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(whole.mul_f64((seed >> 40) as f64 / (1u64 << 24) as f64));
        let _ = child.kill();
        let status = child.wait().unwrap();
        kill += u32::from(status.signal() == Some(9));
        // None is broken, whatever else a resume might fall back to.
        for name in epochs(&run) {
            let read = checkpoint::load(&run.join("checkpoints").join(&name));
            assert!(read.is_ok(), "kill {kill}: {name}: {read:?}");
        }
        // No checkpoint of a whole epoch that was there is gone.
        lost += epochs_before.iter().filter(|e| !epochs(&run).contains(e)).count();
        if status.success() {
            b.same("full", "run");
            ended += 1;
            fs::remove_dir_all(&run).unwrap();
        } else if run.exists() && fs::read_to_string(run.join("config.toml")).unwrap_or_default().is_empty() {
            let out = b.run("train --resume run");
            assert_eq!(out.status.code(), Some(6), "kill {kill}: {}", String::from_utf8_lossy(&out.stderr));
            fs::remove_dir_all(&run).unwrap();
        } else if run.exists() && !run.join("model.toml").exists() {
            fs::remove_dir_all(&run).unwrap();
        }
    }
    if b.path("run").exists() {
        let said = b.good("train --resume run");
        assert!(!said.contains("passed over"), "a broken checkpoint: {said}");
        b.same("full", "run");
    }
    assert_eq!(lost, 0, "checkpoints were lost");
    println!("{kill} kills, {begun_anew} runs begun, {ended} ended before they were killed");
}

/// What a process holds, as Linux tells it.
#[cfg(target_os = "linux")]
#[derive(Debug, Clone, Copy)]
struct Held {
    /// Steps in `metrics.csv`.
    steps: u64,
    /// Resident memory in KiB.
    resident: u64,
    threads: u64,
    files: u64,
}

#[cfg(target_os = "linux")]
impl Held {
    /// Of the process `id`, which trains `run`; `None` if it has ended.
    fn by(id: u32, run: &Path) -> Option<Held> {
        let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let value = |key: &str| -> Option<u64> {
            let line = status.lines().find_map(|l| l.strip_prefix(key))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Some(Held {
            steps: fs::read_to_string(run.join("metrics.csv")).map_or(0, |m| m.lines().count() as u64),
            resident: value("VmRSS:")?,
            threads: value("Threads:")?,
            files: fs::read_dir(format!("/proc/{id}/fd")).ok()?.count() as u64,
        })
    }
}

/// Memory, threads and file handles of a run that evaluates, saves and draws after every epoch, from its third quarter of
/// the steps to its last. `SSGAN_STEPS` asks for more steps.
#[test]
#[cfg(target_os = "linux")]
fn memory_stays_flat() {
    let steps = u64::from(asked("SSGAN_STEPS", 1600));
    let b = Bench::new();
    let line = SSL.replace("--epochs 10", &format!("--epochs {}", steps / u64::from(EPOCH)));
    let mut child = b.command(&format!("train {line} --keep 2 --out run"));
    let mut child = child.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let mut seen = vec![];
    while child.try_wait().unwrap().is_none() {
        seen.extend(Held::by(child.id(), &b.path("run")));
        // Short against a quarter of the steps, on a fast adapter too.
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(child.wait().unwrap().success());
    let quarter = |n: u64| -> Vec<Held> {
        let within = |h: &&Held| h.threads > 1 && (n * steps / 4..(n + 1) * steps / 4).contains(&h.steps);
        seen.iter().filter(within).copied().collect()
    };
    let (before, after) = (quarter(2), quarter(3));
    assert!(before.len().min(after.len()) > 4, "seldom seen: ask for more with SSGAN_STEPS");
    // What is held for a while, such as the file of a save, is not in the least that is held; what leaks is.
    let least = |of: &[Held], value: fn(&Held) -> u64| of.iter().map(value).min().unwrap_or_default();
    let both = |value| (least(&before, value), least(&after, value));
    let (resident, threads, files) = (both(|h| h.resident), both(|h| h.threads), both(|h| h.files));
    println!("{steps} steps, third and last quarter: {resident:?} KiB, {threads:?} threads, {files:?} files");
    assert_eq!(threads.0, threads.1, "threads");
    assert_eq!(files.0, files.1, "file handles");
    // A step's row of metrics is kept for the plots, for which 1/4 KiB is enough; 1/2 MiB for what the heap leaves free.
    assert!(resident.1 < resident.0 + 512 + steps / 16, "resident memory: {resident:?} KiB");
}

/// A run that was stopped keeps its numbers where its checkpoints are gone, as of a disk that is not mounted.
#[test]
fn a_stopped_run_without_its_checkpoints_is_not_begun_anew() {
    let b = Bench::new();
    let refused = || {
        fs::remove_file(b.path("run/summary.json")).unwrap();
        fs::remove_dir_all(b.path("run/checkpoints")).unwrap();
        fs::create_dir(b.path("run/checkpoints")).unwrap();
        let metrics = fs::read(b.path("run/metrics.csv")).unwrap();
        let out = b.run("train --resume run");
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.code() == Some(7) && said.contains("checkpoints are gone"), "{said}");
        assert!(fs::read(b.path("run/metrics.csv")).unwrap() == metrics, "the numbers are gone");
        fs::remove_dir_all(b.path("run")).unwrap();
    };
    b.good(&format!("train {SSL} --out run --max-steps {}", 3 * EPOCH));
    refused();
    // Interrupted in the second epoch, and in the first: the evaluation of `--max-steps` was not there.
    for steps in [EPOCH + 2, 3] {
        b.good(&format!("train {SSL} --out run --max-steps {steps}"));
        let log = b.path("run/metrics.jsonl");
        let text = fs::read_to_string(&log).unwrap();
        let (steps, last) = text.trim_end().rsplit_once('\n').unwrap();
        assert!(last.contains("\"kind\":\"epoch\""), "{last}");
        fs::write(&log, format!("{steps}\n")).unwrap();
        refused();
    }
}

fn epochs(run: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(run.join("checkpoints")) else { return vec![] };
    let names = entries.flatten().filter_map(|e| e.file_name().into_string().ok());
    names.filter(|n| n.starts_with("epoch-") && n.ends_with(".safetensors")).collect()
}

#[test]
fn a_damaged_checkpoint_falls_back_to_the_one_before() {
    let b = Bench::new();
    b.good(&format!("train {SSL} --out full"));
    b.good(&format!("train {SSL} --out run --max-steps {}", 2 * EPOCH));
    let newest = b.path("run/checkpoints/epoch-02.safetensors");
    let bytes = fs::read(&newest).unwrap();
    let mut flipped = bytes.clone();
    // A bit of a value: nothing but the checksum can tell.
    *flipped.last_mut().unwrap() ^= 1;
    for (name, bad) in
        [("truncated", &bytes[..bytes.len() / 2]), ("flipped", flipped.as_slice()), ("empty", &[])]
    {
        fs::write(&newest, bad).unwrap();
        let line = "train --resume run/checkpoints/epoch-02.safetensors";
        let out = b.run(line);
        assert_eq!(out.status.code(), Some(7), "{name}: {}", String::from_utf8_lossy(&out.stderr));
        let said = b.good("train --resume run");
        assert!(
            said.contains("passed over") && said.contains(&format!("after step {EPOCH}")),
            "{name}: {said}"
        );
        b.same("full", "run");
        for later in 3..=10 {
            fs::remove_file(b.path(&format!("run/checkpoints/epoch-{later:02}.safetensors"))).unwrap();
        }
    }
    // A line of the metrics: checkpoints whose steps they do not know are not lost, nor are the lines behind it.
    b.good("train --resume run");
    let log = b.path("run/metrics.jsonl");
    let text = fs::read_to_string(&log).unwrap();
    let damaged: String =
        text.split_inclusive('\n').enumerate().map(|(i, l)| if i == 11 { "{}\n" } else { l }).collect();
    fs::write(&log, &damaged).unwrap();
    let out = b.run("train --resume run/checkpoints/epoch-10.safetensors");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.code() == Some(7) && said.contains("damaged in line 12"), "{said}");
    let said = b.good("train --resume run");
    assert!(
        said.contains(&format!("after step {EPOCH}")) && said.contains("metrics.jsonl.damaged"),
        "{said}"
    );
    assert_eq!(fs::read_to_string(b.path("run/metrics.jsonl.damaged")).unwrap(), damaged);
    assert!(b.path("run/checkpoints/superseded/epoch-10.safetensors").is_file());
    fs::remove_file(b.path("run/metrics.jsonl.damaged")).unwrap();
    b.same("full", "run");
    for later in 3..=10 {
        fs::remove_file(b.path(&format!("run/checkpoints/epoch-{later:02}.safetensors"))).unwrap();
    }
    // All of them: nothing is overwritten.
    for n in ["01", "02"] {
        fs::write(b.path(&format!("run/checkpoints/epoch-{n}.safetensors")), "x").unwrap();
    }
    let before = fs::read(b.path("run/metrics.csv")).unwrap();
    let out = b.run("train --resume run");
    assert_eq!(out.status.code(), Some(7));
    assert_eq!(fs::read(b.path("run/metrics.csv")).unwrap(), before);
}

/// What no loss shows, moments and running statistics, is looked at before the next checkpoint is made, which then is not.
#[test]
fn what_no_loss_shows_is_noticed_at_the_next_save() {
    let b = Bench::new();
    b.good(&format!("train {SSL} --out run --max-steps {EPOCH}"));
    let path = b.path("run/checkpoints/epoch-01.safetensors");
    let whole = checkpoint::load(&path).unwrap();
    for (name, traced) in [
        ("optimizer.discriminator.2.bias.exp_avg_sq", "discriminator.2.bias.exp_avg_sq"),
        ("generator.1.running_var", "generator.1.running_var"),
    ] {
        let mut broken = whole.clone();
        let tensor = broken.tensors.iter_mut().find(|t| t.name == name);
        tensor.unwrap_or_else(|| panic!("no {name}")).values[0] = f32::INFINITY;
        checkpoint::save(&broken, &path).unwrap();
        let next = EPOCH + 1;
        let out = b.run(&format!("train --resume run --max-steps {next}"));
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(8), "{name}: {said}");
        let by_the_save = said.contains(&format!("step {next}: ")) && !said.contains("a loss or a parameter");
        let first = format!("First not finite: already before step {next} before.{traced} ");
        assert!(by_the_save && said.contains(&first), "{name}: {said}");
        assert_eq!(epochs(&b.path("run")), ["epoch-01.safetensors"], "{name}: one was made");
    }
}

#[test]
fn a_bound_on_the_time() {
    let b = Bench::new();
    let long = SSL.replace("--epochs 10", "--epochs 10000 --evaluate-every 10000");
    let out = b.run(&format!("train {long} --out run --max-seconds 4"));
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success() && said.contains("time is up") && said.contains("--resume run"), "{said}");
    let steps = fs::read_to_string(b.path("run/metrics.csv")).unwrap().lines().count() - 1;
    let said = b.good(&format!("train --resume run --max-steps {}", steps + 1));
    assert!(said.contains(&format!("going on after step {steps}")), "{said}");
}

/// Ctrl-C while a run that is out of time saves: it saves all the same, and what it saved goes on to the same bytes.
#[test]
fn an_interrupt_after_the_time_is_up() {
    let b = Bench::new();
    b.good(&format!("train {SSL} --out full"));
    let mut child = b.command(&format!("train {SSL} --out run --max-seconds 0.05")).spawn().unwrap();
    let mut said = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.contains("time is up") {
            let status = Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status();
            assert!(status.unwrap().success() || child.try_wait().unwrap().is_some());
        }
        said += &line;
    }
    // It may have been done by then.
    let code = child.wait().unwrap().code();
    assert!(said.contains("time is up") && matches!(code, Some(130 | 0)), "{code:?}: {said}");
    assert!(!epochs(&b.path("run")).is_empty(), "nothing was saved: {said}");
    let said = b.good("train --resume run");
    assert!(!said.contains("no checkpoint yet"), "{said}");
    // Where that was before the first step.
    let _ = fs::remove_file(b.path("run/checkpoints/epoch-00.safetensors"));
    b.same("full", "run");
}

#[test]
fn one_process_at_a_time() {
    let b = Bench::new();
    let long =
        "--dataset mnist --data-dir d --model m.toml --batch-size 64 --epochs 100000 --evaluate-every 100000";
    let mut first = b.command(&format!("train {long} --out run --quiet")).spawn().unwrap();
    let started = Instant::now();
    while fs::read_to_string(b.path("run/metrics.csv")).map_or(0, |t| t.lines().count()) < 3 {
        // Against a wait without end alone: how long a step may take is not tested.
        assert!(started.elapsed() < Duration::from_secs(120), "no step was written");
        std::thread::sleep(Duration::from_millis(50));
    }
    let out = b.run("train --resume run");
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.code() == Some(6) && said.contains("another process trains in it"), "{said}");
    // A crash releases the lock.
    first.kill().unwrap();
    first.wait().unwrap();
    let said = b.good("train --resume run --max-steps 5");
    assert!(said.contains("no checkpoint yet"), "{said}");
}

#[test]
fn what_cannot_go_on_is_refused() {
    let b = Bench::new();
    b.good(&format!("train {SSL} --out run --max-steps 2"));
    for (line, code, word) in [
        ("train --resume nowhere", 6, "nowhere: there is no such run folder or checkpoint"),
        (
            "train --resume run/checkpoints/epoch-09.safetensors",
            6,
            "there is no such run folder or checkpoint",
        ),
        ("train --resume m.toml", 6, "not a run folder"),
        ("train --resume run/config.toml", 6, "run/config.toml is not a run folder: name one"),
        ("train --resume run --lr 0.1", 2, "--learning-rate cannot be used with --resume"),
        ("train --resume run --epochs 0", 2, "a whole number from 1"),
        ("train --resume run --from run", 2, "--from"),
        ("train --resume run --out other", 2, "--out"),
    ] {
        let out = b.run(line);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.code() == Some(code) && said.contains(word), "{line}: {:?} {said}", out.status);
        assert!(!said.contains("panicked"), "{said}");
    }
    // Other labels under the same checkpoints, as an earlier version may have chosen them.
    let file = b.path("run/labelled.json");
    let text = fs::read_to_string(&file).unwrap();
    let mut labelled: serde_json::Value = serde_json::from_str(&text).unwrap();
    labelled["train"][0] = 59_999.into();
    fs::write(&file, labelled.to_string()).unwrap();
    let out = b.run("train --resume run");
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.code() == Some(7) && said.contains("labelled.json: names other images"), "{said}");
    fs::write(&file, text).unwrap();
    // Other settings under the same checkpoints.
    let config = fs::read_to_string(b.path("run/config.toml")).unwrap();
    for (from, to) in [("\nseed = 1\n", "\nseed = 2\n"), ("batch_size = 64", "batch_size = 32")] {
        let other = config.replace(from, to);
        assert_ne!(other, config);
        fs::write(b.path("run/config.toml"), other).unwrap();
        let out = b.run("train --resume run");
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.code() == Some(7) && said.contains("another run"), "{said}");
    }
}
