//! What a labelling came to, as numbers: `summary.json`.

use serde::{Deserialize, Serialize};

use super::arrange::folder_names;
use super::verdict::{Judge, Status, Verdict};
use super::{Abstain, Arrange, Options, short};
use crate::app::report::interval;
use crate::app::text::count;

/// Class folders with names of their own that the notes list.
const LISTED: usize = 20;

/// Images of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassCount {
    /// Its name.
    pub class: String,
    /// Images whose given label it is.
    pub given: u64,
    /// Images of which it is predicted.
    pub predicted: u64,
    /// Images of which it is the most probable class, too little so to count.
    pub unsure: u64,
}

/// What the threshold that was chosen for a precision gave on the held-out labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Precision {
    /// The share that was asked for.
    pub wanted: f64,
    /// Held-out images at or above the threshold.
    pub of: u64,
    /// How many of them were predicted right.
    pub right: u64,
    /// The 95 % interval of the true share (Wilson).
    pub interval: (f64, f64),
}

/// A labelling in numbers. Shares, probabilities and temperatures have six digits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Rows of `labels.csv`, and of those that were there of images that are [`Summary::gone`].
    pub images: u64,
    /// Images whose label was given and is one of the model's.
    pub given: u64,
    /// Images whose label is predicted.
    pub predicted: u64,
    /// Images whose prediction is below the threshold.
    pub unsure: u64,
    /// Given labels that the model contradicts.
    pub contradicted: u64,
    /// Images that are none of the model's classes, by what somebody said: of another one, or without a label.
    #[serde(default)]
    pub other: u64,
    /// Images that could not be labelled: rows of `skipped.csv`, without those of images that are [`Summary::gone`].
    pub skipped: u64,
    /// How many of these have a label, which `labels.csv` does not have then.
    #[serde(default)]
    pub skipped_with_labels: u64,
    /// Images that somebody removed after they were labelled, before they could be moved.
    #[serde(default)]
    pub gone: u64,
    /// K of them.
    pub classes: Vec<ClassCount>,
    /// Share of the given labels that the model predicts, those among them that it learnt from; none without given labels.
    pub accuracy_on_given: Option<f64>,
    /// What the logits were divided by.
    pub temperature: f64,
    /// Held-out labels that the temperature and the threshold come from.
    pub held_out: u64,
    /// Whether those are enough to call the confidences calibrated.
    pub calibrated: bool,
    /// Why there are none, where there are none; parts may differ in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncalibrated: Option<String>,
    /// The confidence from which on a prediction counts; none where no confidence was enough.
    pub threshold: Option<f64>,
    /// Where a precision was asked for and a threshold reaches it.
    pub precision: Option<Precision>,
    /// Rows of `next.csv`, where it was asked for.
    pub next: Option<u64>,
    /// Whether and how images were put into folders of their classes.
    #[serde(default)]
    pub by_class: Option<Arrange>,
    /// SHA-256 of the checkpoint that labelled.
    #[serde(default)]
    pub checkpoint: String,
    /// Which part of the images these are, i of n, where not all.
    #[serde(default)]
    pub part: Option<(usize, usize)>,
    /// [`Options::in_common`]; empty in summaries of earlier versions.
    #[serde(default)]
    pub in_common: String,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

/// Counts while images come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// Given, predicted, unsure, of each class.
    classes: Vec<[u64; 3]>,
    contradicted: u64,
    #[serde(default)]
    other: u64,
    skipped: u64,
    #[serde(default)]
    skipped_with_labels: u64,
}

impl Tally {
    pub fn new(classes: usize) -> Tally {
        Tally { classes: vec![[0; 3]; classes], ..Tally::default() }
    }

    /// An image that cannot be labelled, and whether it has a label.
    pub fn skip(&mut self, has_label: bool) {
        self.skipped += 1;
        self.skipped_with_labels += u64::from(has_label);
    }

    pub fn add(&mut self, verdict: &Verdict) {
        let column = match verdict.status {
            Status::Given => 0,
            Status::Predicted => 1,
            Status::Unsure => 2,
            Status::Other => {
                self.other += 1;
                return;
            }
        };
        if let Some(class) = self.classes.get_mut(verdict.label) {
            class[column] += 1;
        }
        self.contradicted += u64::from(verdict.status == Status::Given && verdict.contradicts());
    }
}

/// How images are judged, and the threshold's precision where one was asked for; `options` are checked.
pub(super) fn judge(options: &Options) -> (Judge, Option<Precision>) {
    let temperature = options.calibration.as_ref().map_or(1.0, |c| c.temperature());
    let (threshold, precision) = match options.abstain {
        Abstain::Never => (Some(0.0), None),
        Abstain::Threshold(threshold) => (Some(threshold), None),
        Abstain::Precision(wanted) => {
            let reached = options.calibration.as_ref().ok().and_then(|c| c.reach(wanted));
            let precision = reached.map(|r| {
                let (low, high) = interval::wilson(r.right, r.of);
                Precision { wanted, of: r.of, right: r.right, interval: (short(low), short(high)) }
            });
            (reached.map(|r| r.threshold), precision)
        }
    };
    (Judge { temperature, threshold }, precision)
}

impl Summary {
    /// What is to be done where labels that somebody gave did not come into `labels.csv`; no note, as parts have numbers of their
    /// own.
    pub fn labels_left_out(&self) -> Option<String> {
        let n = self.skipped_with_labels;
        (n > 0).then(|| {
            format!(
                "{n} of the skipped images {} a label that labels.csv does not have: rename or mend them, and label again",
                if n == 1 { "has" } else { "have" }
            )
        })
    }

    /// Adds what another part of the same labelling came to; of the images to label next there is no sum.
    ///
    /// # Errors
    /// What differs in them although both must have it from checkpoint, calibration and flags.
    pub(super) fn add(&mut self, other: &Summary) -> std::result::Result<(), &'static str> {
        let Summary {
            images,
            given,
            predicted,
            unsure,
            contradicted,
            other: others,
            skipped,
            skipped_with_labels,
            gone,
            classes,
            accuracy_on_given: _,
            // What both must have in common.
            temperature: _,
            held_out: _,
            calibrated: _,
            uncalibrated,
            threshold: _,
            precision: _,
            next: _,
            by_class: _,
            checkpoint: _,
            part: _,
            in_common: _,
            // They say of the above what both have.
            notes: _,
        } = other;
        if let Some(what) = self.difference(other) {
            return Err(what);
        }
        if *uncalibrated != self.uncalibrated {
            self.uncalibrated = None;
        }
        self.images += images;
        self.given += given;
        self.predicted += predicted;
        self.unsure += unsure;
        self.contradicted += contradicted;
        self.other += others;
        self.skipped += skipped;
        self.skipped_with_labels += skipped_with_labels;
        self.gone += gone;
        for (own, other) in self.classes.iter_mut().zip(classes) {
            own.given += other.given;
            own.predicted += other.predicted;
            own.unsure += other.unsure;
        }
        self.accuracy_on_given = accuracy(self.given, self.contradicted);
        Ok(())
    }

    /// What differs in another part that both must have from checkpoint, calibration and flags.
    fn difference(&self, other: &Summary) -> Option<&'static str> {
        let names = |s: &Summary| s.classes.iter().map(|c| c.class.clone()).collect::<Vec<_>>();
        // Earlier versions did not tell.
        let told = !other.in_common.is_empty() && !self.in_common.is_empty();
        let held_out = |s: &Summary| (s.held_out, s.calibrated);
        let differences = [
            ("checkpoints", other.checkpoint != self.checkpoint || names(other) != names(self)),
            ("images or parameters", told && other.in_common != self.in_common),
            ("temperatures", other.temperature != self.temperature),
            ("held-out labels", held_out(other) != held_out(self)),
            ("thresholds", other.threshold != self.threshold || other.precision != self.precision),
            ("class folders", other.by_class != self.by_class),
        ];
        differences.iter().find(|(_, differ)| *differ).map(|(what, _)| *what)
    }

    pub(super) fn of(options: &Options, tally: &Tally, next: Option<usize>) -> Summary {
        let (judge, precision) = judge(options);
        let total = |column: usize| tally.classes.iter().map(|c| c[column]).sum::<u64>();
        let (given, predicted, unsure) = (total(0), total(1), total(2));
        let class = |(name, n): (&String, &[u64; 3])| ClassCount {
            class: name.clone(),
            given: n[0],
            predicted: n[1],
            unsure: n[2],
        };
        Summary {
            images: given + predicted + unsure + tally.other,
            given,
            predicted,
            unsure,
            contradicted: tally.contradicted,
            other: tally.other,
            skipped: tally.skipped,
            skipped_with_labels: tally.skipped_with_labels,
            gone: 0,
            classes: options.class_names.iter().zip(&tally.classes).map(class).collect(),
            accuracy_on_given: accuracy(given, tally.contradicted),
            temperature: short(judge.temperature),
            held_out: options.calibration.as_ref().map_or(0, |c| c.held_out() as u64),
            calibrated: options.calibration.as_ref().is_ok_and(|c| c.reliable()),
            uncalibrated: options.calibration.as_ref().err().cloned(),
            threshold: judge.threshold.map(short),
            notes: notes(options, judge, precision.as_ref()),
            precision,
            next: next.map(|n| n as u64),
            by_class: options.by_class,
            checkpoint: options.checkpoint.clone(),
            part: options.part,
            in_common: options.in_common.clone(),
        }
    }
}

/// The share of the given labels that the model does not contradict.
fn accuracy(given: u64, contradicted: u64) -> Option<f64> {
    (given > 0).then(|| short(1.0 - contradicted as f64 / given as f64))
}

fn notes(options: &Options, judge: Judge, precision: Option<&Precision>) -> Vec<String> {
    let mut notes = Vec::new();
    let held_out = options.calibration.as_ref().map_or(0, |c| c.held_out() as u32);
    if u64::from(held_out) < interval::FEWEST {
        let reason = match &options.calibration {
            Ok(_) => format!(
                "there are {}, and {} are needed",
                count(held_out, "held-out label"),
                interval::FEWEST
            ),
            Err(_) => "there are no held-out labels to calibrate with".into(),
        };
        notes.push(format!(
            "confidences are not calibrated: {reason}; models trained on few labels are often surer than they should be"
        ));
    }
    if let Abstain::Precision(wanted) = options.abstain {
        notes.push(match (precision, judge.threshold) {
            (Some(Precision { of, right, interval: (low, high), .. }), Some(threshold)) => format!(
                "from confidence {} on (the threshold that these labels chose), {right} of {of} held-out labels are predicted right; the true share \
                 is between {low:.3} and {high:.3} (95 % interval)",
                short(threshold)
            ),
            _ => format!(
                "no confidence gives a precision of {wanted} on the held-out labels: every prediction is unsure; ask for less, \
                 or train with more labels"
            ),
        });
    }
    if options.by_class.is_some() {
        let renamed = options.class_names.iter().zip(folder_names(&options.class_names));
        let renamed: Vec<_> = renamed.filter(|(class, folder)| *class != folder).collect();
        notes.extend(renamed.iter().take(LISTED).map(|(class, folder)| {
            format!("class {class:?} is in the folder {folder:?}, as its name is not safe for a folder")
        }));
        if renamed.len() > LISTED {
            notes.push(format!("and {} more classes in folders of other names", renamed.len() - LISTED));
        }
    }
    notes
}
