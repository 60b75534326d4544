//! The figures of the report, drawn from our runs.

use super::plan::{ARMS, Arm, Part, Section};
use super::results::{Epoch, Results, RunResult};
use super::tables::{BASE_LABEL, Effect, effects};
use crate::app::report::plot::{Dot, Line, Panel};
use crate::model::shape::{LayerShape, NetShape};

type Value = fn(&Epoch) -> f32;

/// Curves of an arm's runs.
#[derive(Debug)]
pub struct Chart {
    /// The network; and of how many label seeds the curves are, where not of all.
    pub name: String,
    /// The drawing.
    pub panel: Panel,
    /// Runs that are drawn.
    pub runs: usize,
}

/// A panel for each baseline.
pub fn baselines(results: &Results, losses: bool) -> Vec<Chart> {
    let lines: &[(&str, Value)] = match losses {
        true => &[
            ("training", |e| e.metrics.mean.loss_supervised),
            ("validation", |e| e.metrics.validation_loss.unwrap_or(f32::NAN)),
        ],
        false => &[
            ("training", |e| e.metrics.mean.accuracy_labelled),
            ("validation", |e| e.metrics.validation_accuracy.unwrap_or(f32::NAN)),
            ("test", |e| e.metrics.test_accuracy),
        ],
    };
    panels(results, Section::Baselines, lines, if losses { ("loss", 0.0) } else { ("accuracy", 1.0) })
}

/// Test accuracy over the epochs, a panel for each semi-supervised model.
pub fn accuracies(results: &Results) -> Vec<Chart> {
    let lines: &[(&str, Value)] = &[
        ("test", |e| e.metrics.test_accuracy),
        ("test, averaged parameters", |e| e.metrics.test_accuracy_ema),
    ];
    panels(results, Section::SemiSupervised, lines, ("accuracy", 1.0))
}

/// The losses of the semi-supervised models.
pub fn losses(results: &Results) -> Vec<Chart> {
    let lines: &[(&str, Value)] = &[
        ("supervised", |e| e.metrics.mean.loss_supervised),
        ("unlabelled", |e| e.metrics.mean.loss_unlabelled),
        ("generated", |e| e.metrics.mean.loss_generated),
        ("consistency", |e| e.metrics.mean.loss_consistency),
        ("balance", |e| e.metrics.mean.loss_balance),
        ("generator", |e| e.metrics.mean.loss_generator),
    ];
    panels(results, Section::SemiSupervised, lines, ("loss", 0.0))
}

fn panels(
    results: &Results,
    section: Section,
    lines: &[(&str, Value)],
    (y_label, include): (&str, f64),
) -> Vec<Chart> {
    let of = |arm: &Arm| {
        let all = results.of(arm);
        // Of some runs only the end is known.
        let runs: Vec<&RunResult> = all.iter().copied().filter(|r| !r.record.history.is_empty()).collect();
        let lines = lines.iter().map(|(name, value)| mean_line(name, &runs, *value)).collect();
        let panel = Panel {
            title: String::new(),
            x_label: "epoch".into(),
            y_label: y_label.into(),
            lines,
            include: vec![include],
        };
        let name = match runs.len() {
            n if n == all.len() => arm.network.to_string(),
            n => format!("{}, {n} of {} label seeds", arm.network, all.len()),
        };
        Chart { name, panel, runs: runs.len() }
    };
    let charts = ARMS.iter().filter(|arm| arm.section == section).map(of);
    charts.filter(|c| c.runs > 0).collect()
}

/// The mean over runs at each epoch that all of them have, and the runs.
fn mean_line(name: &str, runs: &[&RunResult], value: Value) -> Line {
    let members: Vec<Vec<(f64, f64)>> = runs
        .iter()
        .map(|r| r.record.history.iter().map(|e| (f64::from(e.metrics.epoch), f64::from(value(e)))).collect())
        .collect();
    let shortest = members.iter().map(Vec::len).min().unwrap_or(0);
    let n = members.len() as f64;
    let mean = |i: usize| (members[0][i].0, members.iter().map(|m| m[i].1).sum::<f64>() / n);
    let points = (0..shortest).map(mean).collect();
    Line { name: name.into(), points, members: if runs.len() > 1 { members } else { vec![] } }
}

/// What each change of D, G or both gave, then what other numbers of labels gave, whose differences are far
/// larger; of each the base first.
pub fn ablations(results: &Results) -> Vec<Vec<Dot>> {
    let dot = |name: &str, mean, error| Dot { name: name.into(), mean, error };
    let changed = effects(results).into_iter().filter(|e| e.part.is_some());
    let (labels, networks): (Vec<Effect>, Vec<Effect>) = changed.partition(|e| e.part == Some(Part::Labels));
    let chart = |effects: Vec<Effect>| {
        let base = dot(BASE_LABEL, 0.0, Some(0.0));
        let changes = effects.iter().map(|e| dot(e.label, e.raw.mean, e.raw.error));
        std::iter::once(base).chain(changes).collect()
    };
    [networks, labels].into_iter().filter(|e| !e.is_empty()).map(chart).collect()
}

/// A layer in the drawing of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// `weights`, `norm`, `noise`, `activation` or `shape`: decides its colour.
    pub kind: &'static str,
    /// Name and settings.
    pub text: String,
    /// Shape of its output.
    pub shape: String,
    /// Trained parameters.
    pub parameters: usize,
    /// Whether its output is f(x).
    pub feature: bool,
}

/// A network, layer by layer.
pub fn blocks(net: &NetShape) -> Vec<Block> {
    net.layers.iter().map(block).collect()
}

fn block(layer: &LayerShape) -> Block {
    Block {
        kind: layer.op.kind(),
        text: format!("{}{}", layer.op.name(), layer.op.detail()),
        shape: layer.output.to_string().replace('x', "×"),
        parameters: layer.params().iter().filter(|p| p.trained).map(|p| p.len()).sum(),
        feature: layer.feature,
    }
}
