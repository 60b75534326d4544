//! Whole training steps: against the twin, twice, and with a device that is lost.

use super::report::deviation;
use super::{Bench, Content, Status};
use crate::checks::steps::{models, repeat, small_models};
use crate::checks::{Finding, Row, table};
use crate::error::Result;
use crate::gpu::Precision;
use crate::model::shape::ModelShape;
use crate::native;
use crate::text::hex;
use serde_json::json;
use sha2::{Digest, Sha256};

/// Gradients, losses and what the optimizer leaves, of one step of small models.
pub fn step(bench: &Bench<'_>) -> Result<Content> {
    let gpu = bench.open(Precision::F32)?;
    bench.progress.borrow().note("comparing one training step with float64");
    let findings: Vec<Finding> = small_models(&gpu)?.into_iter().flat_map(|c| c.findings).collect();
    let rows = table(&findings);
    let wrong = rows.iter().map(|r| r.wrong).sum::<usize>();
    let tensors = findings.len();
    let summary = format!("{tensors} tensors and losses of one step compared with float64, {wrong} wrong");
    let mut content = Content::of(Status::right(wrong == 0 && tensors > 0), summary);
    let row = |r: &Row| {
        let f = &r.worst;
        let compared = r.compared.to_string();
        vec![
            r.verdict(),
            f.variant.clone(),
            compared,
            f.case.clone(),
            deviation(f.deviation),
            deviation(f.bound),
        ]
    };
    let heads = ["", "model", "compared", "worst", "deviation", "bound"];
    let caption =
        "Small models, one step: activations, gradients, parameters and moments, by root mean square error";
    content.table(caption, &heads, rows.iter().map(row).collect());
    content.data = json!({ "compared": tensors, "wrong": wrong, "rows": rows });
    Ok(content)
}

/// A model by its name.
type Model = (&'static str, ModelShape);

/// The small models whose trainings are repeated.
fn small() -> [Model; 2] {
    [("dnn", models::model(models::DNN, 6, 1)), ("cnn", models::model(models::CNN_SEPARATE, 8, 3))]
}

fn short_hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes)[..8])
}

/// The same steps on one device twice, and on another.
pub fn determinism(bench: &Bench<'_>) -> Result<Content> {
    determinism_of(bench, &small())
}

fn determinism_of(bench: &Bench<'_>, models: &[Model]) -> Result<Content> {
    let gpu = bench.open(Precision::F32)?;
    let mut trained = vec![];
    bench.begin("training twice", models.len());
    for (name, model) in models {
        bench.go_on(1.0)?;
        let first = repeat::trained(&gpu, model)?;
        let again = repeat::trained(&gpu, model)?;
        let other = repeat::trained(&bench.open(Precision::F32)?, model)?;
        trained.push((*name, [first, again, other]));
        bench.piece();
    }
    Ok(of_repeated(&trained))
}

/// What is said of trainings: of each model's bytes on one device, there again, and on another.
fn of_repeated(trained: &[(&str, [Vec<u8>; 3])]) -> Content {
    let all = trained.iter().all(|(_, [first, again, other])| first == again && first == other);
    let word = |same: bool| if same { "the same" } else { "other bytes" }.to_string();
    let row = |(name, [first, again, other]): &(&str, [Vec<u8>; 3])| {
        vec![name.to_string(), short_hash(first), word(first == again), word(first == other)]
    };
    let rows: Vec<Vec<String>> = trained.iter().map(row).collect();
    let verdict = if all { "gave the same bytes" } else { "gave other bytes" };
    let summary = format!("{} steps, repeated, {verdict}", repeat::STEPS);
    let mut content = Content::of(Status::right(all), summary);
    content.data = json!({ "steps": repeat::STEPS, "same": all, "rows": rows });
    content.table("", &["model", "SHA-256", "again", "on another device"], rows);
    content
}

/// The same steps with a device that is destroyed in the middle of them.
pub fn resume(bench: &Bench<'_>) -> Result<Content> {
    resume_of(bench, &small())
}

fn resume_of(bench: &Bench<'_>, models: &[Model]) -> Result<Content> {
    let mut trained = vec![];
    bench.begin("losing the device", models.len());
    for (name, model) in models {
        bench.go_on(1.0)?;
        let gpu = bench.open(Precision::F32)?;
        let whole = repeat::trained(&gpu, model)?;
        let was = gpu.summary().clone();
        let resumed = repeat::trained_with_a_loss(gpu, model, || native::reopen(&was, Precision::F32))?;
        trained.push((*name, [whole, resumed]));
        bench.piece();
    }
    Ok(of_resumed(&trained))
}

/// What is said of trainings: of each model's bytes without a loss of the device, and with one.
fn of_resumed(trained: &[(&str, [Vec<u8>; 2])]) -> Content {
    let all = trained.iter().all(|(_, [whole, resumed])| whole == resumed);
    let row = |(name, [whole, resumed]): &(&str, [Vec<u8>; 2])| {
        let word = if whole == resumed { "the same bytes" } else { "other bytes" };
        vec![name.to_string(), short_hash(whole), short_hash(resumed), word.into()]
    };
    let rows: Vec<Vec<String>> = trained.iter().map(row).collect();
    let verdict = if all { "the same bytes as without" } else { "other bytes than without" };
    let summary = format!("the device was destroyed on purpose and opened again: {verdict}");
    let mut content = Content::of(Status::right(all), summary);
    content.data = json!({ "same": all, "rows": rows });
    content.table("", &["model", "without a loss", "with one", ""], rows);
    content
}

#[cfg(test)]
mod tests {
    use super::super::tests::bench;
    use super::*;
    use crate::app::report::progress::{Progress, Style};
    use crate::train::Stop;

    /// One byte that differs, in whichever of a model's trainings, makes the section wrong.
    #[test]
    fn other_bytes_are_wrong() {
        let bytes = |text: &str| text.as_bytes().to_vec();
        let said = |content: Content| (content.status, content.sheets[0].rows[1][2..].to_vec());
        let words = |a: &str, b: &str| vec![a.to_string(), b.to_string()];
        for (texts, status, told) in [
            (["ab", "ab", "ab"], Status::Ok, words("the same", "the same")),
            (["ab", "aa", "ab"], Status::Wrong, words("other bytes", "the same")),
            (["ab", "ab", "a"], Status::Wrong, words("the same", "other bytes")),
        ] {
            let trained = [("right", ["a", "a", "a"].map(bytes)), ("model", texts.map(bytes))];
            assert_eq!(said(of_repeated(&trained)), (status, told), "{texts:?}");
        }
        for (texts, status, told) in
            [(["ab", "ab"], Status::Ok, "the same bytes"), (["ab", "bb"], Status::Wrong, "other bytes")]
        {
            let trained = [("right", ["a", "a"].map(bytes)), ("model", texts.map(bytes))];
            let told = words(&short_hash(texts[1].as_bytes()), told);
            assert_eq!(said(of_resumed(&trained)), (status, told), "{texts:?}");
        }
    }

    /// Of the model that compiles fastest.
    #[test]
    fn trainings_are_repeated_and_resumed() {
        let (stop, mut progress) = (Stop::new(), Progress::new(Style::Quiet));
        let bench = bench(&stop, &mut progress);
        let models = small();
        for section in [determinism_of, resume_of] {
            let content = section(&bench, &models[..1]).unwrap();
            assert_eq!(content.status, Status::Ok, "{}", content.summary);
            assert_eq!(content.sheets[0].rows.len(), 1);
        }
    }
}
