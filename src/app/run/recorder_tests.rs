use super::*;
use crate::app::atomic::fault;
use crate::app::run::checkpoint;
use crate::app::run::writer::{Folder, Writer};
use crate::model::shape::Dims;
use crate::train::checkpoint::TensorData;
use crate::train::event::{EpochTime, Started};
use std::sync::{Arc, Mutex};

fn step(n: u32) -> StepMetrics {
    StepMetrics {
        step: n,
        loss_supervised: 2.3 / n as f32,
        accuracy_labelled: 0.5,
        loss_discriminator: 1.0,
        loss_unlabelled: 0.6,
        loss_generated: f32::NAN,
        loss_generator: 0.01,
        d_unlabelled: 0.5,
        d_generated: 0.5,
        entropy_unlabelled: 0.25,
        loss_consistency: f32::NAN,
        loss_balance: f32::NAN,
    }
}

fn epoch(n: u32, at: u32) -> EpochMetrics {
    EpochMetrics {
        epoch: n,
        step: at,
        mean: step(at),
        test_accuracy: 0.75,
        test_accuracy_ema: 0.8,
        test_loss: 0.7,
        validation_accuracy: None,
        validation_loss: None,
        time: EpochTime { seconds: 1.5, ms_per_step: 10.0, images_per_second: 100.0 },
    }
}

fn summary() -> Summary {
    let t = |s: &str| s.to_string();
    Summary {
        gpu_bytes: None,
        host_peak_bytes: None,
        method: t("ssl"),
        model: t("m"),
        dataset: t("d"),
        labels: 100,
        seed: 1,
        label_seed: 1,
        epochs: 2,
        steps: 4,
        batch_size: 8,
        test_accuracy: 0.75,
        test_accuracy_ema: 0.8,
        seconds: 3.0,
        ms_per_step: 10.0,
        ms_per_save: None,
        images_per_second: 100.0,
        adapter: t("a"),
        driver: t("dr"),
        backend: t("Vulkan"),
        held_out: false,
        class_names: vec![],
        confusion: vec![vec![3, 1], vec![0, 4]],
    }
}

fn started() -> Started {
    let t = |s: &str| s.to_string();
    Started {
        variant: "ssl",
        steps: 4,
        done: 0,
        steps_per_epoch: 2,
        epochs: 2,
        images_per_step: 24,
        adapter: t("a"),
        driver: t("d"),
        backend: t("b"),
    }
}

fn checkpoint(at: u32) -> Arc<Checkpoint> {
    let metadata = BTreeMap::from([("step".to_string(), at.to_string())]);
    Arc::new(Checkpoint { tensors: vec![], metadata })
}

fn saved(epoch: u32, step: u32, checkpoint: &Arc<Checkpoint>) -> Event<'_> {
    let time = TimeAt { epoch: epoch + 1, step, time: EpochTime::default() };
    Event::Checkpoint { epoch, time, checkpoint }
}

#[test]
fn a_run_leaves_every_file_and_the_metrics_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let mut run = RunDir::create(Some(&out), "m", "d", "x = 1\n").unwrap();
    let texts = Texts::from([("model_toml".to_string(), "name = \"m\"".to_string())]);
    let mut r = Recorder::new(&mut run, texts, History::default(), 2).unwrap();
    r.record(&Event::Started(&started())).unwrap();
    for e in 1..=2 {
        r.record(&Event::Steps(&[step(2 * e - 1), step(2 * e)])).unwrap();
        r.record(&Event::Epoch(&epoch(e, 2 * e))).unwrap();
        let dims = Dims { height: 2, width: 2, channels: 1 };
        r.record(&Event::Samples { epoch: e, dims, images: &[0.5; 16] }).unwrap();
        r.record(&saved(e, 2 * e, &checkpoint(2 * e))).unwrap();
    }
    r.record(&Event::Finished(&summary())).unwrap();

    let csv = std::fs::read_to_string(out.join("metrics.csv")).unwrap();
    let rows: Vec<Vec<&str>> = csv.lines().map(|l| l.split(',').collect()).collect();
    assert_eq!(rows.len(), 5);
    assert!(rows.iter().all(|r| r.len() == 18), "{csv}");
    let column = |name| rows[0].iter().position(|c| *c == name).unwrap();
    assert_eq!((rows[2][0], rows[2][1], rows[2][column("test_accuracy_ema")]), ("2", "1", "0.8"));
    assert_eq!((rows[3][0], rows[3][1], rows[3][column("test_accuracy_ema")]), ("3", "2", ""));
    assert_eq!(rows[1][column("loss_generated")], "");
    let timing = std::fs::read_to_string(out.join("timing.csv")).unwrap();
    assert_eq!(timing.lines().collect::<Vec<_>>()[1..], ["1,2,1.5,10,100", "2,4,1.5,10,100"]);

    let jsonl = std::fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    let rows: Vec<serde_json::Value> = jsonl.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let kinds: Vec<&str> = rows.iter().map(|r| r["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["step", "step", "epoch", "step", "step", "epoch"]);
    assert!(rows[0]["loss_generated"].is_null());

    let last = checkpoint::load(&crate::app::run::saved::resolve_checkpoint(&out).unwrap()).unwrap();
    assert_eq!((last.meta("model_toml").unwrap(), last.meta("step").unwrap()), ("name = \"m\"", "4"));
    for file in
        ["samples/epoch-02.png", "plots/losses.png", "plots/accuracy.png", "confusion.png", "summary.json"]
    {
        assert!(out.join(file).is_file(), "{file}");
    }
    drop(r);
    drop(run);
    assert!(out.is_dir(), "a recorded run must stay");
}

#[test]
fn an_interrupted_run_keeps_its_last_step_and_does_not_replace_the_epochs_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let mut run = RunDir::create(Some(&out), "m", "d", "").unwrap();
    let mut r = Recorder::new(&mut run, Texts::new(), History::default(), 2).unwrap();
    r.record(&Event::Started(&started())).unwrap();
    r.record(&Event::Steps(&[step(1), step(2)])).unwrap();
    r.record(&saved(1, 2, &checkpoint(2))).unwrap();
    r.record(&Event::Steps(&[step(3)])).unwrap();
    r.record(&saved(1, 3, &checkpoint(3))).unwrap();
    r.finish().unwrap();
    assert_eq!(std::fs::read_to_string(out.join("metrics.csv")).unwrap().lines().count(), 4);
    let load = |name: &str| checkpoint::load(&out.join("checkpoints").join(name)).unwrap();
    assert_eq!(load("epoch-01.safetensors").meta("step").unwrap(), "2");
    assert_eq!(load("epoch-01-step-3.safetensors").meta("step").unwrap(), "3");
}

#[test]
fn the_newest_checkpoints_and_the_best_stay() {
    let kept = |accuracies: [Option<f32>; 5]| {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("run");
        let mut run = RunDir::create(Some(&out), "m", "d", "").unwrap();
        let mut r = Recorder::new(&mut run, Texts::new(), History::default(), 1).unwrap();
        r.keep(Some(2));
        for (e, validation_accuracy) in (1..).zip(accuracies) {
            r.record(&Event::Epoch(&EpochMetrics { validation_accuracy, ..epoch(e, e) })).unwrap();
            r.record(&saved(e, e, &checkpoint(e))).unwrap();
        }
        let stem = |path: &std::path::PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        crate::app::run::saved::checkpoints(&out).unwrap().iter().map(stem).collect::<Vec<_>>()
    };
    assert_eq!(kept([None; 5]), ["epoch-05", "epoch-04"]);
    let validated = |accuracies: [f32; 5]| kept(accuracies.map(Some));
    assert_eq!(validated([0.1, 0.9, 0.2, 0.3, 0.3]), ["epoch-05", "epoch-04", "epoch-02"]);
    assert_eq!(
        validated([0.9, 0.1, 0.9, 0.3, 0.3]),
        ["epoch-05", "epoch-04", "epoch-03"],
        "the latest of equals"
    );
    assert_eq!(validated([0.1, 0.2, 0.3, 0.4, 0.5]), ["epoch-05", "epoch-04"]);
}

/// A run that is told to end within an epoch evaluates there, and its checkpoint is replaced when it goes on: it is not the best.
#[test]
fn the_best_is_that_of_a_whole_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let mut run = RunDir::create(Some(&out), "m", "d", "").unwrap();
    let mut r = Recorder::new(&mut run, Texts::new(), History::default(), 2).unwrap();
    r.keep(Some(1));
    for (e, at, accuracy) in [(1, 2, 0.9), (2, 4, 0.8), (3, 5, 0.9)] {
        let validation_accuracy = Some(accuracy);
        r.record(&Event::Epoch(&EpochMetrics { validation_accuracy, ..epoch(e, at) })).unwrap();
        r.record(&saved(at / 2, at, &checkpoint(at))).unwrap();
    }
    let names = ["epoch-01", "epoch-02", "epoch-02-step-5"];
    let there = names.map(|name| out.join(format!("checkpoints/{name}.safetensors")).is_file());
    assert_eq!(there, [true, false, true]);
}

/// Windows does not let a folder vanish in which a file is open.
#[cfg(not(windows))]
#[test]
fn a_folder_that_vanished_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let mut run = RunDir::create(Some(&out), "m", "d", "").unwrap();
    let mut r = Recorder::new(&mut run, Texts::new(), History::default(), 2).unwrap();
    std::fs::remove_dir_all(&out).unwrap();
    let e = r.record(&saved(1, 2, &checkpoint(2))).unwrap_err();
    assert!(e.exit_code() == 6 && e.to_string().contains("run"), "{e}");
    assert!(!out.exists(), "half a run was made");
}

/// Two epochs with everything that a run writes, the newest checkpoint kept, on the thread that writes; the first failure, after
/// which what was measured is written if it can be.
fn write_a_run(out: &std::path::Path, known: History) -> Result<()> {
    let mut run = match out.exists() {
        true => RunDir::reopen(out)?,
        false => RunDir::create(Some(out), "m", "d", "x = 1\n")?,
    };
    let first = known.steps.len() as u32 / 2 + 1;
    let mut r = Recorder::new(&mut run, Texts::new(), known, 2)?;
    r.keep(Some(1));
    r.say = |_| ();
    std::thread::scope(|scope| {
        let mut writer = Writer::begin(scope, Folder { recorder: r, events: None })?;
        let told = write_epochs(&mut writer, first);
        writer.end().recorded.and(told)
    })
}

fn write_epochs(r: &mut Writer<'_>, first: u32) -> Result<()> {
    r.record(&Event::Started(&started()))?;
    for e in first..=2 {
        r.record(&Event::Steps(&[step(2 * e - 1), step(2 * e)]))?;
        r.record(&Event::Epoch(&epoch(e, 2 * e)))?;
        let dims = Dims { height: 2, width: 2, channels: 1 };
        r.record(&Event::Samples { epoch: e, dims, images: &[0.5; 16] })?;
        // More than a buffer of the writer holds.
        let values: Vec<f32> = (0..20_000).map(|i| (i * e) as f32).collect();
        let tensors = vec![TensorData { name: "w".into(), shape: vec![values.len()], values }];
        let checkpoint = Arc::new(Checkpoint { tensors, ..(*checkpoint(2 * e)).clone() });
        r.record(&saved(e, 2 * e, &checkpoint))?;
    }
    r.record(&Event::Finished(&summary()))
}

/// Everything that is done to files and folders fails in turn: writes half-way, flushes to the disk, renames, opening,
/// making folders, removing old checkpoints; alone, and with all that comes after it. What is left can be gone on with: the
/// newest checkpoint loads, the metrics know its steps, and the run that goes on ends in the same files. Alone, what fails of
/// pictures and of removing a checkpoint ends nothing.
#[test]
fn a_fault_at_every_operation_leaves_a_run_that_can_go_on() {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, StorageFull};
    let dir = tempfile::tempdir().unwrap();
    let (whole, run) = (dir.path().join("whole"), dir.path().join("run"));
    write_a_run(&whole, History::default()).unwrap();
    for lasting in [true, false] {
        let kinds = [StorageFull, ReadOnlyFilesystem, PermissionDenied].into_iter().cycle();
        let faults = (0..).zip(kinds).map_while(|(n, kind)| fault_in_a_run(&whole, &run, n, kind, lasting));
        let ended: Vec<bool> = faults.collect();
        let (faults, survived) = (ended.len(), ended.iter().filter(|ended| !**ended).count());
        println!("{faults} operations, {survived} of them of no matter");
        assert!(faults > 100);
        // Three times two plots, two samples and the confusion matrix, of five operations at least: folder, temporary file,
        // writing, flush, rename. After the summary nothing is needed.
        let expected = if lasting { 0..9 } else { 45..faults * 2 / 3 };
        assert!(expected.contains(&survived), "{survived} of {faults}");
    }
}

/// Writes a run whose `n`-th operation fails, and goes on with it; whether the failure ended it, `None` if it has not so many.
fn fault_in_a_run(
    whole: &std::path::Path,
    out: &std::path::Path,
    n: u32,
    kind: std::io::ErrorKind,
    lasting: bool,
) -> Option<bool> {
    let name = format!("{kind:?} at operation {n}, lasting {lasting}");
    fault::after(n, kind, lasting);
    let result = write_a_run(out, History::default());
    if !fault::end() {
        assert!(result.is_ok(), "{name}: {result:?}");
        return None;
    }
    if let Err(e) = &result {
        assert_eq!(e.exit_code(), 6, "{name}: {e}");
    }
    // The matrix has no later time to be drawn at.
    if result.is_err() || !out.join("confusion.png").exists() {
        // A run that never began leaves nothing.
        let known = if out.exists() { known_after_fault(out, &name) } else { History::default() };
        write_a_run(out, known).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    assert_eq!(content(out), content(whole), "{name}");
    std::fs::remove_dir_all(out).unwrap();
    Some(result.is_err())
}

/// On a full disk a finished run that is opened again stays finished.
#[test]
fn where_nothing_can_be_written_a_summary_stays() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    write_a_run(&out, History::default()).unwrap();
    let mut run = RunDir::reopen(&out).unwrap();
    // After the first operation, which could be that of removing it.
    fault::after(1, std::io::ErrorKind::StorageFull, true);
    let refused = Recorder::new(&mut run, Texts::new(), History::default(), 2).is_err();
    assert!(fault::end() && refused && out.join("summary.json").is_file());
}

/// A finished run that is evaluated again elsewhere has the speed of where it was trained, and says of which device that is.
#[test]
fn a_summary_names_the_device_that_trained() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    write_a_run(&out, History::default()).unwrap();
    let again = |steps: &[StepMetrics]| {
        let known = crate::app::run::history::load(&out).unwrap();
        let mut run = RunDir::reopen(&out).unwrap();
        let mut r = Recorder::new(&mut run, Texts::new(), known, 2).unwrap();
        if !steps.is_empty() {
            r.record(&Event::Steps(steps)).unwrap();
        }
        let confusion = vec![vec![2, 2], vec![0, 4]];
        r.record(&Event::Finished(&Summary { adapter: "b".into(), confusion, ..summary() })).unwrap();
        let text = std::fs::read_to_string(out.join("summary.json")).unwrap();
        let written: Summary = serde_json::from_str(&text).unwrap();
        (written.adapter, written.confusion[0][0])
    };
    assert_eq!(again(&[]), ("a".to_string(), 2));
    assert_eq!(again(&[step(5)]), ("b".to_string(), 2));
}

/// Another program that has a picture or an old checkpoint open ends no training: what cannot be replaced or removed is told, each
/// once, and done as soon as it can be.
#[test]
fn what_training_does_not_need_ends_no_training() {
    static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let mut run = RunDir::create(Some(&out), "m", "d", "").unwrap();
    let mut r = Recorder::new(&mut run, Texts::new(), History::default(), 1).unwrap();
    r.keep(Some(1));
    r.say = |line| TOLD.lock().unwrap().push(line.into());
    let (plots, samples) = (out.join("plots"), out.join("samples"));
    let old = out.join("checkpoints/epoch-01.safetensors");
    std::fs::write(&plots, "no folder").unwrap();
    std::fs::write(&samples, "no folder").unwrap();
    std::fs::create_dir(out.join("confusion.png")).unwrap();
    for e in 1..=4 {
        r.record(&Event::Steps(&[step(e)])).unwrap();
        r.record(&Event::Epoch(&epoch(e, e))).unwrap();
        let dims = Dims { height: 2, width: 2, channels: 1 };
        r.record(&Event::Samples { epoch: e, dims, images: &[0.5; 16] }).unwrap();
        r.record(&saved(e, e, &checkpoint(e))).unwrap();
        if e == 1 {
            // No file that could be removed.
            std::fs::remove_file(&old).unwrap();
            std::fs::create_dir(&old).unwrap();
        }
    }
    {
        let told = TOLD.lock().unwrap();
        assert!(told[0].contains("losses.png") && told[0].ends_with(OLD_PLOTS), "{told:?}");
        assert!(told[1].contains("epoch-01.png") && told[1].ends_with(OLD_SAMPLES), "{told:?}");
        assert!(told[2].contains("epoch-01") && told[2].ends_with(OLD_CHECKPOINT), "{told:?}");
        assert_eq!(told.len(), 3, "{told:?}");
    }
    let saved = crate::app::run::saved::checkpoints(&out).unwrap();
    assert_eq!(saved, [out.join("checkpoints/epoch-04.safetensors"), old.clone()]);
    std::fs::remove_dir(&old).unwrap();
    std::fs::remove_file(&plots).unwrap();
    std::fs::remove_file(&samples).unwrap();
    r.record(&Event::Finished(&summary())).unwrap();
    assert!(plots.join("losses.png").is_file() && plots.join("accuracy.png").is_file());
    assert_eq!(std::fs::read_dir(&samples).unwrap().count(), 4);
    assert!(out.join("summary.json").is_file());
    let told = TOLD.lock().unwrap();
    assert!(told[3].contains("confusion.png") && told[3].ends_with(OLD_CONFUSION), "{told:?}");
}

/// What is known at the newest checkpoint; every one must load.
fn known_after_fault(out: &std::path::Path, name: &str) -> History {
    let history = crate::app::run::history::load(out).unwrap();
    let saved = crate::app::run::saved::checkpoints(out).unwrap();
    // A run that has not come to its first is begun anew; of one whose checkpoints are gone that would be a loss.
    crate::app::run::restore::check_checkpoints(out, out).unwrap_or_else(|e| panic!("{name}: {e}"));
    let load = |path| checkpoint::load(path).unwrap_or_else(|e| panic!("{name}: {e}"));
    let steps: Vec<u32> = saved.iter().map(|p| load(p).meta("step").unwrap().parse().unwrap()).collect();
    steps.first().map_or(History::default(), |&at| {
        let known = history.until(at, |step| step.is_multiple_of(2));
        known.unwrap_or_else(|| panic!("{name}: metrics end before step {at}"))
    })
}

/// Names of all files and hashes of what is in them. A checkpoint that should have been removed, where just that failed, is
/// none of the run that goes on.
fn content(folder: &std::path::Path) -> BTreeMap<String, u64> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap()) {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            all.extend(
                content(&entry.path()).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)),
            );
        } else if name != "epoch-01.safetensors" {
            let mut hasher = DefaultHasher::new();
            std::fs::read(entry.path()).unwrap().hash(&mut hasher);
            all.insert(name, hasher.finish());
        }
    }
    all
}

/// Stopped at an epoch's last step, before its evaluation: that comes when the run goes on.
#[test]
fn the_last_row_waits_for_its_evaluation() {
    let dir = tempfile::tempdir().unwrap();
    let csv = |run: &std::path::Path| std::fs::read_to_string(run.join("metrics.csv")).unwrap();
    let (whole, stopped) = (dir.path().join("whole"), dir.path().join("stopped"));
    write_a_run(&whole, History::default()).unwrap();
    let mut run = RunDir::create(Some(&stopped), "m", "d", "x = 1\n").unwrap();
    let mut r = Recorder::new(&mut run, Texts::new(), History::default(), 2).unwrap();
    r.record(&Event::Steps(&[step(1), step(2)])).unwrap();
    r.record(&saved(0, 2, &checkpoint(2))).unwrap();
    r.finish().unwrap();
    drop(r);
    drop(run);
    let known = crate::app::run::history::load(&stopped).unwrap();
    assert_eq!(known.steps.len(), 2);
    let mut run = RunDir::reopen(&stopped).unwrap();
    let mut r = Recorder::new(&mut run, Texts::new(), known, 2).unwrap();
    r.record(&Event::Epoch(&epoch(1, 2))).unwrap();
    r.finish().unwrap();
    assert_eq!(csv(&stopped).lines().collect::<Vec<_>>(), csv(&whole).lines().take(3).collect::<Vec<_>>());
}
