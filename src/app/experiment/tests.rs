//! The page of made-up results.

use super::plan::{Part, Planned, Scope, Section, plan};
use super::results::{Epoch, Record, Results, RunResult, Samples};
use super::tables::{answer, effects};
use super::*;
use crate::app::model_file;
use crate::app::report::grid::first_row;
use crate::app::report::png::Picture;
use crate::app::run::folder;
use crate::app::run::settings::RunSettings;
use crate::app::source::{Counts, Info};
use crate::model::shape::Dims;
use crate::train::event::{EpochMetrics, StepMetrics, Summary};
use crate::train::settings::{Method, Settings};

fn info() -> Info {
    let counts = |images| Counts { images, per_class: vec![images / 10; 10], mean: 0.1, std: 0.3 };
    Info {
        class_names: vec![],
        name: "mnist".into(),
        image: [28, 28, 1],
        classes: 10,
        train: counts(60_000),
        test: counts(10_000),
        fingerprint: "f".into(),
    }
}

/// Every run of a plan with ablations, its accuracy by its place in the arms and its seed.
fn results(ablate: bool) -> Results {
    let scope = Scope { dataset: "digits".into(), label_seeds: 3, quick: false, paper: true, ablate };
    let runs = plan(&scope);
    // Without the recipes, however many there are: the base has place 2, the first ablation 6.
    let recipe = |p: &Planned| matches!(p.arm.section, Section::Recipes);
    let made = runs.iter().map(|p| {
        let before = runs.iter().take_while(|q| q.id != p.id).filter(|q| q.seed == p.seed && !recipe(q));
        let place = before.count() + if matches!(p.arm.section, Section::Ablations(_)) { 2 } else { 0 };
        let accuracy = 0.9 + 0.002 * place as f32 + 0.001 * p.seed as f32;
        let supervised = p.flags.contains(&"supervised".to_string());
        let method = if supervised { Method::Supervised } else { Method::Ssl };
        let text = |s: &str| s.to_string();
        let step = |step| StepMetrics {
            step,
            loss_supervised: 0.5,
            accuracy_labelled: 0.8,
            loss_discriminator: 1.0,
            loss_unlabelled: 0.4,
            loss_generated: f32::NAN,
            loss_generator: 0.1,
            d_unlabelled: 0.6,
            d_generated: 0.4,
            entropy_unlabelled: 0.2,
            loss_consistency: f32::NAN,
            loss_balance: f32::NAN,
        };
        let epoch = |epoch| Epoch {
            metrics: EpochMetrics {
                epoch,
                step: 10 * epoch,
                mean: step(10 * epoch),
                test_accuracy: accuracy,
                test_accuracy_ema: accuracy - 0.01,
                test_loss: 0.3,
                validation_accuracy: supervised.then_some(0.7),
                validation_loss: supervised.then_some(0.9),
                time: Default::default(),
            },
            seconds: f64::from(epoch),
        };
        RunResult {
            id: p.id.clone(),
            arm: p.arm.key,
            record: Record {
                command: format!("ssgan train {}", p.flags.join(" ")),
                program: Some(text("ssgan 9.9")),
                shaders: None,
                started: None,
                settings: {
                    let of = RunSettings::defaults(method, !p.arm.network.starts_with("dnn"));
                    RunSettings { train: Settings { label_seed: p.seed, ..of.train }, ..of }
                },
                summary: Summary {
                    gpu_bytes: None,
                    host_peak_bytes: None,
                    method: method.name().into(),
                    model: p.arm.network.into(),
                    dataset: text("digits"),
                    labels: 100,
                    seed: p.seed,
                    label_seed: p.seed,
                    epochs: 2,
                    steps: 20,
                    batch_size: 512,
                    test_accuracy: accuracy,
                    test_accuracy_ema: accuracy - 0.01,
                    seconds: 1.0,
                    ms_per_step: 1.0,
                    ms_per_save: None,
                    images_per_second: 1.0,
                    adapter: text("an <adapter>"),
                    driver: text("driver"),
                    backend: text("Vulkan"),
                    held_out: false,
                    class_names: vec![],
                    confusion: vec![],
                },
                history: (1..=2).map(epoch).collect(),
                model_toml: model_file::load(p.arm.network).unwrap().1,
            },
            samples: vec![],
        }
    });
    let mut made: Vec<RunResult> = made.collect();
    let missing = vec![made.pop().unwrap().id];
    Results { data: info(), quick: false, planned: runs.len(), runs: made, missing }
}

#[test]
fn the_page_has_all_tables_and_figures() {
    let dir = tempfile::tempdir().unwrap();
    let picture = dir.path().join("data.png");
    Picture::filled(4, 4, 1, 0).save(&picture).unwrap();
    let mut r = results(true);
    let strip = dir.path().join("strip.png");
    Picture::filled(5, 2 * first_row(Dims { height: 28, width: 28, channels: 1 }), 1, 0)
        .save(&strip)
        .unwrap();
    r.runs.iter_mut().for_each(|run| run.samples = vec![Samples::Strip(strip.clone())]);
    let html = page(&r, &picture).unwrap();
    for n in 1..=6 {
        assert!(html.contains(&format!("Table {n}.")), "table {n}");
    }
    for n in 1..=13 {
        assert!(html.contains(&format!("Figure {n}.")), "figure {n}");
    }
    assert!(html.contains("an &lt;adapter&gt;") && !html.contains("<adapter>"), "unescaped text");
    assert!(html.contains(&format!("Not finished: {}", r.missing[0])));
    // Nothing is fetched from elsewhere.
    assert!(!html.contains("src=\"http") && !html.contains("href="));
    if let Some(dir) = std::env::var_os("SSGAN_TEST_PICTURES") {
        std::fs::write(std::path::Path::new(&dir).join("report.html"), &html).unwrap();
    }
    // Curves of a part of the runs say so.
    assert!(html.contains("<h3>cnn</h3>") && html.contains("Thick: mean over"));
    r.runs.iter_mut().filter(|run| run.label_seed() != 2).for_each(|run| run.record.history.clear());
    let one = page(&r, &picture).unwrap();
    assert!(one.contains("<h3>cnn, 1 of 3 label seeds</h3>") && !one.contains("Thick: mean over"));
    let plain = page(&results(false), &picture).unwrap();
    // No number is left out where a figure is.
    let figures = plain.matches("<figcaption>Figure ").count();
    assert!(
        (1..=figures).all(|n| plain.contains(&format!("<figcaption>Figure {n}."))),
        "a gap in {figures} figures"
    );
    assert!(plain.contains("Table 5.") && !plain.contains("Table 6.") && !plain.contains("Figure 13."));
}

/// Differences are those of runs with the same label seed, however many there are of each arm.
#[test]
fn effects_are_paired_by_label_seed() {
    let mut r = results(true);
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a}, not {b}");
    let second = |r: &mut Results, by: f32| {
        let run = r.runs.iter_mut().find(|r| r.id == "minibatch-seed2").unwrap();
        run.record.summary.test_accuracy += by;
    };
    second(&mut r, 0.003);
    // 0.008, 0.011 and 0.008 in place of three times 0.008.
    let first = &effects(&r)[1];
    close(first.raw.mean, 0.009);
    close(first.raw.error.unwrap(), 0.001);
    let averaged = first.averaged.unwrap();
    close(averaged.mean, 0.008);
    close(averaged.error.unwrap(), 0.0);
    // Averaging is a change without runs of its own: it takes 0.01 from every run.
    let averaging = &effects(&r)[0];
    close(averaging.raw.mean, -0.01);
    assert!(averaging.runs.is_empty() && averaging.averaged.is_none() && averaging.raw.seeds == 3);
    // The last arm lacks seed 3, whose runs are better by 0.001.
    let last = effects(&r).pop().unwrap();
    assert_eq!(last.label, "100 labels by clusters");
    close(last.raw.mean, 0.032);
    // Nine standard errors of three label seeds are chance in one of 82 cases.
    let best = |r: &Results| answer(r)[0].clone();
    let is = |r: &Results, what: &str| assert!(best(r).ends_with(what), "{}", best(r));
    r.runs.retain(|r| !["label-smoothing", "batch-norm", "noise"].contains(&r.arm));
    let (elsewhere, rest): (Vec<RunResult>, _) = std::mem::take(&mut r.runs)
        .into_iter()
        .partition(|r| ["plain-loss", "conv-generator", "moments", "both"].contains(&r.arm));
    r.runs = rest;
    is(&r, "(averaged +0.0080 ± 0.0000), significantly better over 3 label seeds (paired t-test, p = 0.01).");
    // One label seed is no rival of several.
    let others = results(true).runs.into_iter().filter(|r| r.arm == "label-smoothing");
    let mut others: Vec<RunResult> = others.collect();
    r.runs.extend(others.iter().filter(|r| r.label_seed() == 2).cloned());
    is(&r, "p = 0.01).");
    // Of five tried, one is so far from 0 by chance in one of 16 cases.
    r.runs.retain(|r| r.arm != "label-smoothing");
    for (i, arm) in ["label-smoothing", "batch-norm", "noise", "plain-loss"].into_iter().enumerate() {
        r.runs.retain(|r| r.arm != "plain-loss");
        for run in &mut others {
            run.arm = arm;
            run.record.summary.test_accuracy = 0.5 + 0.01 * i as f32;
        }
        if arm != "plain-loss" {
            r.runs.extend(others.iter().cloned());
        }
    }
    is(&r, "significantly better over 3 label seeds (paired t-test, p = 0.01; p = 0.05 as the best of 4).");
    second(&mut r, 0.002);
    is(
        &r,
        "not significantly different over 3 label seeds (paired t-test, p = 0.03; p = 0.11 as the best of 4).",
    );
    r.runs.retain(|r| !["label-smoothing", "batch-norm", "noise"].contains(&r.arm));
    is(&r, "significantly better over 3 label seeds (paired t-test, p = 0.03).");
    // Changes to the generator and to both are asked about in the same question.
    let alone = r.runs.clone();
    r.runs.extend(elsewhere.iter().cloned());
    assert!(best(&r).contains("as the best of 5"), "{}", best(&r));
    r.runs = alone;
    second(&mut r, -0.013);
    is(&r, "not significantly different over 3 label seeds (paired t-test, p = 0.18).");
    let minibatch = |r: &mut Results, by: f32| {
        let of = r.runs.iter_mut().filter(|r| r.arm == "minibatch");
        of.for_each(|r| r.record.summary.test_accuracy += by);
    };
    minibatch(&mut r, -0.030);
    is(&r, "significantly worse over 3 label seeds (paired t-test, p = 0.01).");
    minibatch(&mut r, 0.030);
    // The same to the last image: a test would have it certain.
    second(&mut r, 0.008);
    is(&r, "as much with each of 3 label seeds, which no test can judge.");
    // One label seed says nothing of its error, and another one than the base's nothing at all.
    r.runs.retain(|r| r.arm != "minibatch" || r.label_seed() == 2);
    assert_eq!(effects(&r)[1].raw.to_string(), "+0.0080");
    assert!(best(&r).ends_with("with one label seed, which says little."), "{}", best(&r));
    r.runs.extend(elsewhere);
    r.runs.retain(|r| r.arm != "ssl-cnn" || r.label_seed() != 2);
    assert_eq!(effects(&r)[1].part, Some(Part::Generator));
}

#[test]
fn the_text_has_every_run_and_an_answer() {
    let r = results(true);
    let text = markdown(&r);
    for run in &r.runs {
        assert!(text.contains(&format!("| {} |", run.id)), "{}", run.id);
    }
    // Means over seeds 1 to 3 of the first arm: 0.901, 0.902, 0.903.
    assert!(text.contains("0.9020 ± 0.0010"), "{text}");
    let sentences = answer(&r);
    assert_eq!(sentences.len(), 3);
    assert!(sentences[2].contains("both at once") && sentences[2].contains("no test can judge"));
    // The base has place 2, minibatch discrimination 6.
    let first = &effects(&r)[1];
    assert!((first.raw.mean - 0.008).abs() < 1e-6, "{}", first.raw.mean);
    assert!(answer(&results(false)).is_empty());
    assert!(text.contains("| cnn | 0.8339 |") && text.contains("ssgan 9.9"));
    // The report's numbers are of its data.
    let mut other = results(false);
    other.data.name = "digits".into();
    assert!(!markdown(&other).contains("0.8339"));
}

#[test]
fn a_report_without_runs_is_a_report() {
    let mut r = results(false);
    r.missing = r.runs.drain(..).map(|run| run.id).collect();
    assert!(markdown(&r).contains("not run"));
}

/// Generated images from a run's folder, and from the picture that is left of it.
#[test]
fn sample_rows_outlive_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let r = results(false);
    let mut run = r.runs.into_iter().find(|r| r.arm == "ssl-cnn").unwrap();
    let image = Dims { height: 28, width: 28, channels: 1 };
    let row = first_row(image);
    run.samples = vec![Samples::Folder(dir.path().into())];
    std::fs::create_dir(dir.path().join("samples")).unwrap();
    let save = |epoch, value: u8| {
        let mut picture = Picture::filled(5, 2 * row, 1, 9);
        picture.pixels[..5 * row as usize].fill(value);
        picture.save(&dir.path().join(folder::sample_name(epoch))).unwrap();
    };
    save(1, 100);
    assert!(run.samples(image).unwrap().is_empty(), "the second epoch's is missing");
    save(2, 200);
    let rows = run.samples(image).unwrap();
    let expected = [(1, Picture::filled(5, row, 1, 100)), (2, Picture::filled(5, row, 1, 200))];
    assert_eq!(rows, expected);
    let path = dir.path().join("strip.png");
    run.samples = vec![Samples::Strip(path.clone())];
    assert!(run.samples(image).unwrap().is_empty());
    Samples::strip(&rows).unwrap().save(&path).unwrap();
    assert_eq!(run.samples(image).unwrap(), expected);
}
