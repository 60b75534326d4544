//! The tables of the report with our numbers beside its own; text and page draw them alike.

use super::plan::{ARMS, Arm, BASE, Part, Section};
use super::results::{Results, RunResult, Stat};
use crate::app::report::sheet::Sheet;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// The tables, numbered through.
pub fn sheets(results: &Results) -> Vec<Sheet> {
    let mut sheets = vec![
        settings(results, Section::Baselines, "The supervised baselines: settings."),
        accuracy(
            results,
            Section::Baselines,
            "The supervised baselines: test accuracy. Not like for like: the report does not describe its cnn, and ours moves its \
             images.",
        ),
        settings(results, Section::SemiSupervised, "The semi-supervised models: settings."),
        accuracy(
            results,
            Section::SemiSupervised,
            "The semi-supervised models: test accuracy. Not like for like: the report does not describe its cnn, and ours moves its \
             images; nor does it give Adam's beta2, which is 0.99 for our dnn.",
        ),
        accuracy(
            results,
            Section::Recipes,
            "Beyond the report: recipes of this program, the one with the paper's settings beside the paper's number. The other \
             recipes' networks are convolutional and move their images.",
        ),
    ];
    if !effects(results).is_empty() {
        sheets.push(ablations(results));
    }
    // Nobody asked for what was not run.
    sheets.retain(|s| !s.rows.is_empty());
    for (sheet, n) in sheets.iter_mut().zip(1..) {
        sheet.drop_empty_columns();
        sheet.caption = format!("Table {n}. {}", sheet.caption);
    }
    sheets
}

impl Sheet {
    /// Leaves out columns without a single value, as of an experiment that is not finished.
    fn drop_empty_columns(&mut self) {
        let filled: Vec<bool> =
            (0..self.heads.len()).map(|c| self.rows.iter().any(|row| !row[c].is_empty())).collect();
        fn keep<T>(cells: &mut Vec<T>, filled: &[bool]) {
            let mut at = filled.iter();
            cells.retain(|_| at.next() != Some(&false));
        }
        keep(&mut self.heads, &filled);
        self.rows.iter_mut().for_each(|row| keep(row, &filled));
    }
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
        caption: "Every run of this plan that the folder has. Seconds are wall time of the steps, whatever else the machine did; \
                  evaluation, saving and the time between two starts of a run are not in them."
            .into(),
        heads: vec!["run", "test", "averaged", "seconds", "command"],
        rows: results.runs.iter().map(row).collect(),
    }
}

fn arms(section: Section) -> impl Iterator<Item = &'static Arm> {
    ARMS.iter().filter(move |arm| arm.section == section)
}

fn settings(results: &Results, section: Section, caption: &str) -> Sheet {
    let supervised = section == Section::Baselines;
    let heads = match supervised {
        true => vec!["network", "labelled images", "optimiser", "epochs", "batch"],
        false => vec!["network", "labelled", "unlabelled", "optimiser", "epochs", "batch"],
    };
    let row = |arm: &'static Arm| {
        let runs = results.of(arm);
        let mut cells = vec![arm.label.to_string()];
        let Some(record) = runs.first().map(|r| &r.record) else {
            cells.resize(heads.len(), "not run".into());
            return cells;
        };
        let (s, labels) = (&record.settings.train, record.summary.labels);
        if supervised {
            let held_out = (s.validation_split * labels as f32).round() as u32;
            let learnt = labels - held_out;
            cells.push(format!("{labels} ({learnt} to learn from, {held_out} to validate)"));
        } else {
            let all = results.data.train.images as u32;
            cells.extend([labels.to_string(), s.unlabelled.unwrap_or(all).to_string()]);
        }
        cells.push(format!("Adam, lr {}, beta1 {}, beta2 {}", s.learning_rate, s.beta1, s.beta2));
        cells.extend([s.epochs.to_string(), s.batch_size.to_string()]);
        cells
    };
    let rows = arms(section).map(row).collect();
    Sheet { caption: caption.into(), heads, rows }
}

fn accuracy(results: &Results, section: Section, caption: &str) -> Sheet {
    let ssl = section != Section::Baselines;
    let recipes = section == Section::Recipes;
    let row = |arm: &'static Arm| {
        let runs = results.of(arm);
        let reference = results.reference(arm);
        let difference = Stat::over(&runs, RunResult::accuracy).zip(reference);
        let mut cells = vec![arm.label.into(), reference.map_or(String::new(), number)];
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
    let shown = arms(section).filter(|arm| !recipes || !results.of(arm).is_empty());
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

impl Difference {
    fn of(all: &[f64]) -> Option<Difference> {
        let Stat { mean, deviation } = Stat::of(all)?;
        Some(Difference { mean, error: deviation.map(|d| d / (all.len() as f64).sqrt()), seeds: all.len() })
    }

    /// Of `runs` from those of `base`; `None` if they share no label seed. Label seeds differ by more than many a change
    /// does, so that only runs of one seed are held against each other.
    fn between(base: &[&RunResult], runs: &[&RunResult], of: fn(&RunResult) -> f64) -> Option<Difference> {
        let same =
            |r: &&RunResult| base.iter().find(|b| b.label_seed() == r.label_seed()).map(|b| of(r) - of(b));
        Difference::of(&runs.iter().filter_map(same).collect::<Vec<f64>>())
    }

    /// How often a mean is as far from 0 by chance (paired t-test, two-sided); `None` of one label seed, and where runs
    /// differ by less than accuracies can tell, one of so many test `images`.
    fn p(self, images: usize) -> Option<f64> {
        let resolved = |e: &f64| e * (self.seeds as f64).sqrt() * images as f64 > 1.0;
        let t = self.error.filter(resolved).map(|e| (self.mean / e).abs());
        t.map(|t| student(t, self.seeds as u32 - 1))
    }

    /// What may be said of it as the best of `tried` changes: one of several is far from 0 by chance more often than one
    /// alone (Bonferroni).
    fn verdict(self, tried: usize, images: usize) -> String {
        let seeds = self.seeds;
        let Some(alone) = self.p(images) else {
            return match seeds {
                1 => "with one label seed, which says little".into(),
                _ => format!("as much with each of {seeds} label seeds, which no test can judge"),
            };
        };
        let p = (alone * tried as f64).min(1.0);
        let what = match self.mean {
            _ if p > 0.05 => "not significantly different",
            m if m > 0.0 => "significantly better",
            _ => "significantly worse",
        };
        let is = |p: f64| format!("p {}{}", if p < 0.001 { "" } else { "= " }, probability(p));
        let of = if tried > 1 { format!("; {} as the best of {tried}", is(p)) } else { String::new() };
        format!("{what} over {seeds} label seeds (paired t-test, {}{of})", is(alone))
    }
}

/// Probability that Student's t with `freedom` degrees of freedom, at least one, is beyond +-`t`.
fn student(t: f64, freedom: u32) -> f64 {
    StudentsT::new(0.0, 1.0, freedom.into()).map_or(f64::NAN, |distribution| 2.0 * distribution.sf(t))
}

fn probability(p: f64) -> String {
    match p {
        p if p < 0.001 => "< 0.001".into(),
        p if p < 0.01 => format!("{p:.3}"),
        p => format!("{p:.2}"),
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
pub struct Effect<'a> {
    /// What it changes; averaging is no change of the runs.
    pub part: Option<Part>,
    /// The change, as tables and figures call it.
    pub label: &'static str,
    /// The changed runs.
    pub runs: Vec<&'a RunResult>,
    /// Of the raw parameters' accuracy; of averaging, what it adds to that.
    pub raw: Difference,
    /// Of the averaged parameters'; averaging itself has none.
    pub averaged: Option<Difference>,
}

fn base_runs(results: &Results) -> Vec<&RunResult> {
    ARMS.iter().find(|arm| arm.key == BASE).map(|arm| results.of(arm)).unwrap_or_default()
}

/// The ablations that were run with a label seed of the base's, in the plan's order, and before them what averaging gives.
pub fn effects(results: &Results) -> Vec<Effect<'_>> {
    let base = base_runs(results);
    let of = |arm: &'static Arm| {
        let Section::Ablations(part) = arm.section else { return None };
        let runs = results.of(arm);
        let raw = Difference::between(&base, &runs, RunResult::accuracy)?;
        let averaged = Difference::between(&base, &runs, RunResult::averaged);
        Some(Effect { part: Some(part), label: arm.label, runs, raw, averaged })
    };
    let mut effects: Vec<Effect> = ARMS.iter().filter_map(of).collect();
    let gained: Vec<f64> = base.iter().map(|r| r.averaged() - r.accuracy()).collect();
    if let (false, Some(raw)) = (effects.is_empty(), Difference::of(&gained)) {
        let label = "averaged in place of raw ones";
        effects.insert(0, Effect { part: None, label, runs: vec![], raw, averaged: None });
    }
    effects
}

fn ablations(results: &Results) -> Sheet {
    let row = |part: &str, label: &str, effect: Option<&Effect>, runs: &[&RunResult]| {
        let raw = effect.map(|e| e.raw);
        let text = |d: Option<Difference>| d.map_or(String::new(), |d| d.to_string());
        vec![
            part.into(),
            label.into(),
            raw.map_or(String::new(), |d| d.seeds.to_string()),
            text(raw),
            raw.and_then(|d| d.p(results.data.test.images)).map_or(String::new(), probability),
            text(effect.and_then(|e| e.averaged)),
            list(runs, RunResult::accuracy),
            list(runs, RunResult::averaged),
        ]
    };
    let mut rows = vec![row("", BASE_LABEL, None, &base_runs(results))];
    rows.extend(effects(results).iter().map(|e| row(name(e.part), e.label, Some(e), &e.runs)));
    Sheet {
        caption: "One thing changed in the semi-supervised cnn: difference from it at the same label seeds ± its \
                  standard error, and how often chance alone would make it as large (p, of a paired t-test for each row alone)."
            .into(),
        heads: vec![
            "changed",
            "how",
            "label seeds",
            "difference",
            "p",
            "difference, averaged parameters",
            "by label seed",
            "by label seed, averaged parameters",
        ],
        rows,
    }
}

/// What an ablation changes, in a table.
fn name(part: Option<Part>) -> &'static str {
    match part {
        None => "parameters",
        Some(Part::Discriminator) => "discriminator",
        Some(Part::Generator) => "generator",
        Some(Part::Both) => "both",
        Some(Part::Labels) => "labels",
    }
}

/// The report's closing question.
pub const QUESTION: &str = "Should one improve the discriminator, the generator, or both?";

/// The report's closing question, as far as the ablations answer it: a sentence for each part.
pub fn answer(results: &Results) -> Vec<String> {
    let effects = effects(results);
    // One label seed is no rival of several.
    let several = |e: &Effect| e.raw.seeds > 1;
    // It is one question, so the best of a part is the best of them all that were asked.
    let asked = [Part::Discriminator, Part::Generator, Part::Both];
    let rivals =
        effects.iter().filter(|e| several(e) && e.part.is_some_and(|part| asked.contains(&part))).count();
    let sentence = |part: Part| {
        let tried: Vec<&Effect> = effects.iter().filter(|e| e.part == Some(part)).collect();
        let order =
            |a: &Effect, b: &Effect| several(a).cmp(&several(b)).then(a.raw.mean.total_cmp(&b.raw.mean));
        let e = tried.iter().max_by(|a, b| order(a, b))?;
        let to = match part {
            Part::Both => "both at once",
            Part::Generator => "the generator",
            _ => "the discriminator",
        };
        let averaged = e.averaged.map_or(String::new(), |d| format!(" (averaged {d})"));
        let verdict = e.raw.verdict(rivals, results.data.test.images);
        Some(format!("The best change to {to} was {}: {}{averaged}, {verdict}.", e.label, e.raw))
    };
    asked.into_iter().filter_map(sentence).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_without_values_are_left_out() {
        let row = |cells: [&str; 3]| cells.map(String::from).to_vec();
        let mut sheet = Sheet {
            caption: String::new(),
            heads: vec!["recipe", "paper", "ours"],
            rows: vec![row(["best", "", "0.9"]), row(["", "", "not run"])],
        };
        sheet.drop_empty_columns();
        assert_eq!(
            (sheet.heads, sheet.rows[1].clone()),
            (vec!["recipe", "ours"], vec!["".into(), "not run".into()])
        );
    }

    #[test]
    fn students_t() {
        for (freedom, of_5, of_1) in
            [(1, 12.706, 63.657), (2, 4.303, 9.925), (3, 3.182, 5.841), (4, 2.776, 4.604), (9, 2.262, 3.250)]
        {
            assert!((student(of_5, freedom) - 0.05).abs() < 1e-4, "{freedom}: {}", student(of_5, freedom));
            assert!((student(of_1, freedom) - 0.01).abs() < 1e-4, "{freedom}: {}", student(of_1, freedom));
        }
        assert!((student(0.0, 4) - 1.0).abs() < 1e-12);
    }
}
