//! The tables of the report with our numbers beside its own; text and page draw them alike.

use super::plan::{GROUPS, Group, Section};
use super::results::{Results, RunResult, Stat};

/// A table.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// Above it.
    pub caption: String,
    /// Column heads.
    pub heads: Vec<&'static str>,
    /// Cells.
    pub rows: Vec<Vec<String>>,
}

/// Tables 1 to 4 of the report.
pub fn sheets(results: &Results) -> Vec<Sheet> {
    vec![
        settings(results, Section::Baselines, "Table 1. The supervised baselines: settings."),
        accuracy(results, Section::Baselines, "Table 2. The supervised baselines: test accuracy."),
        settings(results, Section::SemiSupervised, "Table 3. The semi-supervised models: settings."),
        accuracy(results, Section::SemiSupervised, "Table 4. The semi-supervised models: test accuracy."),
        accuracy(
            results,
            Section::Recipes,
            "Table 5. Beyond the report: recipes of this program (recipe-paper beside the paper's own number).",
        ),
    ]
}

/// Every run with the command that repeats it.
pub fn runs(results: &Results) -> Sheet {
    let row = |r: &RunResult| {
        vec![
            r.id.clone(),
            number(r.summary.test_accuracy.into()),
            number(r.summary.test_accuracy_ema.into()),
            format!("{:.0}", r.summary.seconds),
            r.command.clone(),
        ]
    };
    Sheet {
        caption: "Every run, none left out.".into(),
        heads: vec!["run", "test", "averaged", "seconds", "command"],
        rows: results.runs.iter().map(row).collect(),
    }
}

fn groups(section: Section) -> impl Iterator<Item = &'static Group> {
    GROUPS.iter().filter(move |g| g.section == section)
}

fn settings(results: &Results, section: Section, caption: &str) -> Sheet {
    let supervised = section == Section::Baselines;
    let row = |g: &'static Group| {
        let runs = results.of(g);
        let mut cells = vec![g.network.to_string()];
        let Some(s) = runs.first().map(|r| &r.settings) else {
            cells.resize(6, "not run".into());
            return cells;
        };
        if supervised {
            let held_out = (s.validation_split * s.labels as f32).round() as u32;
            cells.push(format!(
                "{} ({} to learn from, {held_out} to validate)",
                s.labels,
                s.labels - held_out
            ));
        } else {
            let all = results.data.train.images as u32;
            cells.extend([s.labels.to_string(), s.unlabelled.unwrap_or(all).to_string()]);
        }
        cells.push(format!("Adam, lr {}, beta1 {}", s.learning_rate, s.beta1));
        cells.extend([s.epochs.to_string(), s.batch_size.to_string()]);
        cells
    };
    let heads = match supervised {
        true => vec!["network", "labelled images", "optimiser", "epochs", "batch"],
        false => vec!["network", "labelled", "unlabelled", "optimiser", "epochs", "batch"],
    };
    let n = heads.len();
    let rows = groups(section).map(row).map(|mut cells| {
        cells.truncate(n);
        cells
    });
    Sheet { caption: caption.into(), heads, rows: rows.collect() }
}

fn accuracy(results: &Results, section: Section, caption: &str) -> Sheet {
    let ssl = section != Section::Baselines;
    let recipes = section == Section::Recipes;
    let row = |g: &'static Group| {
        let runs = results.of(g);
        let raw = values(&runs, |r| r.summary.test_accuracy);
        let averaged = values(&runs, |r| r.summary.test_accuracy_ema);
        let name = if recipes { g.key } else { g.network };
        let reference = g.reference.map_or(String::new(), number);
        let mut cells = vec![name.into(), reference, stat(&raw)];
        let difference = Stat::of(&raw).zip(g.reference).map(|(s, r)| format!("{:+.4}", s.mean - r));
        cells.push(difference.unwrap_or_default());
        cells.push(list(&raw));
        if ssl {
            cells.extend([stat(&averaged), list(&averaged)]);
        }
        cells
    };
    let (name, reference) = if recipes { ("recipe", "paper") } else { ("network", "report") };
    let mut heads = vec![name, reference, "ours", "difference", "by label seed"];
    if ssl {
        heads.extend(["ours, averaged parameters", "by label seed"]);
    }
    // Nobody asked for a recipe that was not run.
    let shown = groups(section).filter(|g| !recipes || !results.of(g).is_empty());
    Sheet { caption: caption.into(), heads, rows: shown.map(row).collect() }
}

fn values(runs: &[&RunResult], of: impl Fn(&RunResult) -> f32) -> Vec<f64> {
    runs.iter().map(|r| f64::from(of(r))).collect()
}

fn stat(values: &[f64]) -> String {
    Stat::of(values).map_or("not run".into(), |s| s.to_string())
}

fn number(v: f64) -> String {
    format!("{v:.4}")
}

fn list(values: &[f64]) -> String {
    values.iter().map(|v| number(*v)).collect::<Vec<_>>().join(", ")
}
