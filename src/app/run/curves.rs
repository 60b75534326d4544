//! What is plotted of a run.

use crate::app::report::plot::{Line, Panel};
use crate::train::event::{EpochMetrics, StepMetrics};

/// The discriminator's losses by step, and the generator's where there is one.
pub(super) fn loss_panels(steps: &[StepMetrics]) -> Vec<Panel> {
    type Of = fn(&StepMetrics) -> f32;
    let line = |(name, of): (&str, Of)| Line {
        name: name.into(),
        points: steps.iter().map(|m| (f64::from(m.step), f64::from(of(m)))).collect(),
        members: vec![],
    };
    let there = |l: &Line| l.points.iter().any(|p| p.1.is_finite());
    let panel = |title: &str, y: &str, lines: Vec<(&str, Of)>| Panel {
        title: title.into(),
        x_label: "step".into(),
        y_label: y.into(),
        lines: lines.into_iter().map(line).filter(there).collect(),
        include: vec![0.0],
    };
    let d: Vec<(&str, Of)> = vec![
        ("supervised", |m| m.loss_supervised),
        ("unlabelled", |m| m.loss_unlabelled),
        ("generated", |m| m.loss_generated),
        ("entropy", |m| if m.loss_unlabelled.is_nan() { m.entropy_unlabelled } else { f32::NAN }),
        ("consistency", |m| m.loss_consistency),
        ("balance", |m| m.loss_balance),
    ];
    let mut panels = vec![panel("Discriminator losses", "loss", d)];
    let g = panel("Generator loss", "loss", vec![("generator", |m| m.loss_generator)]);
    if !g.lines.is_empty() {
        panels.push(g);
    }
    panels
}

/// Accuracies by epoch.
pub(super) fn accuracy_panel(epochs: &[EpochMetrics]) -> Panel {
    type Of = fn(&EpochMetrics) -> f32;
    let lines: [(&str, Of); 4] = [
        ("test", |e| e.test_accuracy),
        ("test, averaged parameters", |e| e.test_accuracy_ema),
        ("validation", |e| e.validation_accuracy.unwrap_or(f32::NAN)),
        ("labelled minibatches", |e| e.mean.accuracy_labelled),
    ];
    let line = |(name, of): (&str, Of)| Line {
        name: name.into(),
        points: epochs.iter().map(|e| (f64::from(e.epoch), f64::from(of(e)))).collect(),
        members: vec![],
    };
    let there = |l: &Line| l.points.iter().any(|p| p.1.is_finite());
    Panel {
        title: "Accuracy".into(),
        x_label: "epoch".into(),
        y_label: "accuracy".into(),
        lines: lines.into_iter().map(line).filter(there).collect(),
        include: vec![1.0],
    }
}
