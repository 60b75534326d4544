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

/// The small models whose trainings are repeated.
fn small() -> [(&'static str, ModelShape); 2] {
    [("dnn", models::model(models::DNN, 6, 1)), ("cnn", models::model(models::CNN_SEPARATE, 8, 3))]
}

fn short_hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes)[..8])
}

/// The same steps on one device twice, and on another.
pub fn determinism(bench: &Bench<'_>) -> Result<Content> {
    let gpu = bench.open(Precision::F32)?;
    let mut rows = vec![];
    let mut all = true;
    bench.begin("training twice", 2);
    for (name, model) in small() {
        bench.go_on(1.0)?;
        let first = repeat::trained(&gpu, &model)?;
        let again = repeat::trained(&gpu, &model)?;
        let other = repeat::trained(&bench.open(Precision::F32)?, &model)?;
        let (same, elsewhere) = (first == again, first == other);
        all &= same && elsewhere;
        let word = |same: bool| if same { "the same" } else { "other bytes" }.to_string();
        rows.push(vec![name.to_string(), short_hash(&first), word(same), word(elsewhere)]);
        bench.piece();
    }
    let verdict = if all { "gave the same bytes" } else { "gave other bytes" };
    let summary = format!("{} steps, repeated, {verdict}", repeat::STEPS);
    let mut content = Content::of(Status::right(all), summary);
    content.data = json!({ "steps": repeat::STEPS, "same": all, "rows": rows });
    content.table("", &["model", "SHA-256", "again", "on another device"], rows);
    Ok(content)
}

/// The same steps with a device that is destroyed in the middle of them.
pub fn resume(bench: &Bench<'_>) -> Result<Content> {
    let mut rows = vec![];
    let mut all = true;
    bench.begin("losing the device", 2);
    for (name, model) in small() {
        bench.go_on(1.0)?;
        let gpu = bench.open(Precision::F32)?;
        let whole = repeat::trained(&gpu, &model)?;
        let was = gpu.summary().clone();
        let resumed = repeat::trained_with_a_loss(gpu, &model, || native::reopen(&was, Precision::F32))?;
        let same = whole == resumed;
        all &= same;
        let word = if same { "the same bytes" } else { "other bytes" };
        rows.push(vec![name.to_string(), short_hash(&whole), short_hash(&resumed), word.into()]);
        bench.piece();
    }
    let verdict = if all { "the same bytes as without" } else { "other bytes than without" };
    let summary = format!("the device was destroyed on purpose and opened again: {verdict}");
    let mut content = Content::of(Status::right(all), summary);
    content.data = json!({ "same": all, "rows": rows });
    content.table("", &["model", "without a loss", "with one", ""], rows);
    Ok(content)
}
