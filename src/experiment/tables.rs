//! The tables of the report with our numbers beside its own; text and page draw them alike.

use super::plan::{BASE, GROUPS, Group, Part, Section};
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
    let mut sheets = vec![
        settings(results, Section::Baselines, "Table 1. The supervised baselines: settings."),
        accuracy(results, Section::Baselines, "Table 2. The supervised baselines: test accuracy."),
        settings(results, Section::SemiSupervised, "Table 3. The semi-supervised models: settings."),
        accuracy(results, Section::SemiSupervised, "Table 4. The semi-supervised models: test accuracy."),
        accuracy(
            results,
            Section::Recipes,
            "Table 5. Beyond the report: recipes of this program, the one with the paper's settings beside the paper's number.",
        ),
    ];
    if !effects(results).is_empty() {
        sheets.push(ablations(results));
    }
    // Nobody asked for what was not run.
    sheets.retain(|s| !s.rows.is_empty());
    sheets
}

/// Every run with the command that repeats it.
pub fn runs(results: &Results) -> Sheet {
    let row = |r: &RunResult| {
        vec![
            r.id.clone(),
            number(r.accuracy()),
            number(r.averaged()),
            format!("{:.0}", r.record.summary.seconds),
            r.record.command.clone(),
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
    let heads = match supervised {
        true => vec!["network", "labelled images", "optimiser", "epochs", "batch"],
        false => vec!["network", "labelled", "unlabelled", "optimiser", "epochs", "batch"],
    };
    let row = |g: &'static Group| {
        let runs = results.of(g);
        let mut cells = vec![g.label.to_string()];
        let Some(s) = runs.first().map(|r| &r.record.settings) else {
            cells.resize(heads.len(), "not run".into());
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
        cells.push(format!("Adam, lr {}, beta1 {}, beta2 {}", s.learning_rate, s.beta1, s.beta2));
        cells.extend([s.epochs.to_string(), s.batch_size.to_string()]);
        cells
    };
    let rows = groups(section).map(row).collect();
    Sheet { caption: caption.into(), heads, rows }
}

fn accuracy(results: &Results, section: Section, caption: &str) -> Sheet {
    let ssl = section != Section::Baselines;
    let recipes = section == Section::Recipes;
    let row = |g: &'static Group| {
        let runs = results.of(g);
        let reference = results.reference(g);
        let difference = Stat::over(&runs, RunResult::accuracy).zip(reference);
        let mut cells = vec![g.label.into(), reference.map_or(String::new(), number)];
        cells.push(stat(&runs, RunResult::accuracy));
        cells.push(difference.map_or(String::new(), |(s, r)| format!("{:+.4}", s.mean - r)));
        cells.push(list(&runs, RunResult::accuracy));
        if ssl {
            cells.extend([stat(&runs, RunResult::averaged), list(&runs, RunResult::averaged)]);
        }
        cells
    };
    let (name, reference) = if recipes { ("recipe", "paper") } else { ("network", "report") };
    let mut heads = vec![name, reference, "ours", "difference", "by label seed"];
    if ssl {
        heads.extend(["ours, averaged parameters", "by label seed"]);
    }
    let shown = groups(section).filter(|g| !recipes || !results.of(g).is_empty());
    Sheet { caption: caption.into(), heads, rows: shown.map(row).collect() }
}

/// The base of the ablations, as tables and figures call it.
pub const BASE_LABEL: &str = "the cnn as it is";

/// Mean difference between runs of the same label seed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// Mean over the label seeds.
    pub mean: f64,
    /// Its standard error; `None` of one label seed.
    pub error: Option<f64>,
    /// Label seeds.
    pub seeds: usize,
}

/// Standard errors that a mean of n = 2, 3, ... differences is from 0 in one of twenty cases by chance (Student's t with n - 1
/// degrees of freedom, two-sided); of more, the last.
const BY_CHANCE: [f64; 9] = [12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26];

impl Difference {
    /// Of `runs` from those of `base`; `None` if they share no label seed. Label seeds differ by more than many a change
    /// does, so that only runs of one seed are held against each other.
    fn between(base: &[&RunResult], runs: &[&RunResult], of: fn(&RunResult) -> f64) -> Option<Difference> {
        let same =
            |r: &&RunResult| base.iter().find(|b| b.label_seed() == r.label_seed()).map(|b| of(r) - of(b));
        let all: Vec<f64> = runs.iter().filter_map(same).collect();
        let Stat { mean, deviation } = Stat::of(&all)?;
        Some(Difference { mean, error: deviation.map(|d| d / (all.len() as f64).sqrt()), seeds: all.len() })
    }

    /// What may be said of it.
    fn verdict(self) -> &'static str {
        let Some(error) = self.error else { return "with one label seed, which says little" };
        let far = BY_CHANCE[(self.seeds - 2).min(BY_CHANCE.len() - 1)] * error;
        match self.mean {
            m if m > far => "better than chance",
            m if m < -far => "worse",
            _ => "within what runs differ by",
        }
    }
}

impl std::fmt::Display for Difference {
    /// `+0.0040 ± 0.0012`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:+.4}", self.mean)?;
        self.error.map_or(Ok(()), |e| write!(f, " ± {e:.4}"))
    }
}

/// What a change to the base gave.
pub struct Effect {
    /// The changed group.
    pub group: &'static Group,
    /// What it changes.
    pub part: Part,
    /// Of the raw parameters' accuracy.
    pub raw: Difference,
    /// Of the averaged parameters'.
    pub averaged: Difference,
}

fn base_runs(results: &Results) -> Vec<&RunResult> {
    GROUPS.iter().find(|g| g.key == BASE).map(|g| results.of(g)).unwrap_or_default()
}

/// The ablations that were run with a label seed of the base's, in the plan's order.
pub fn effects(results: &Results) -> Vec<Effect> {
    let base = base_runs(results);
    let of = |group: &'static Group| {
        let Section::Ablations(part) = group.section else { return None };
        let runs = results.of(group);
        let raw = Difference::between(&base, &runs, RunResult::accuracy)?;
        let averaged = Difference::between(&base, &runs, RunResult::averaged)?;
        Some(Effect { group, part, raw, averaged })
    };
    GROUPS.iter().filter_map(of).collect()
}

fn ablations(results: &Results) -> Sheet {
    let row = |changed: &str, how: &str, effect: Option<&Effect>, runs: &[&RunResult]| {
        let of = |d: fn(&Effect) -> Difference| effect.map_or(String::new(), |e| d(e).to_string());
        vec![
            changed.into(),
            how.into(),
            of(|e| e.raw),
            of(|e| e.averaged),
            list(runs, RunResult::accuracy),
            list(runs, RunResult::averaged),
        ]
    };
    let mut rows = vec![row("", BASE_LABEL, None, &base_runs(results))];
    rows.extend(
        effects(results).iter().map(|e| row(part(e.part), e.group.label, Some(e), &results.of(e.group))),
    );
    Sheet {
        caption: "Table 6. One thing changed in the semi-supervised cnn: difference from it at the same label seeds ± its \
                  standard error."
            .into(),
        heads: vec!["changed", "how", "difference", "averaged", "by label seed", "averaged"],
        rows,
    }
}

fn part(part: Part) -> &'static str {
    match part {
        Part::Discriminator => "discriminator",
        Part::Generator => "generator",
        Part::Both => "both",
        Part::Labels => "labels",
    }
}

/// The report's closing question.
pub const QUESTION: &str = "Should one improve the discriminator, the generator, or both?";

/// The report's closing question, as far as the ablations answer it: a sentence for each part.
pub fn answer(results: &Results) -> Vec<String> {
    let effects = effects(results);
    let best = |p: Part| {
        let of = effects.iter().filter(|e| e.part == p);
        of.max_by(|a, b| a.raw.mean.total_cmp(&b.raw.mean))
    };
    let sentence = |p: Part| {
        let e = best(p)?;
        let to = match p {
            Part::Both => "both at once",
            Part::Generator => "the generator",
            _ => "the discriminator",
        };
        let (label, raw, averaged, verdict) = (e.group.label, e.raw, e.averaged, e.raw.verdict());
        Some(format!("The best change to {to} was {label}: {raw} (averaged {averaged}), {verdict}."))
    };
    [Part::Discriminator, Part::Generator, Part::Both].into_iter().filter_map(sentence).collect()
}

fn stat(runs: &[&RunResult], of: impl Fn(&RunResult) -> f64) -> String {
    Stat::over(runs, of).map_or("not run".into(), |s| s.to_string())
}

fn number(v: f64) -> String {
    format!("{v:.4}")
}

fn list(runs: &[&RunResult], of: impl Fn(&RunResult) -> f64) -> String {
    runs.iter().map(|r| number(of(r))).collect::<Vec<_>>().join(", ")
}
