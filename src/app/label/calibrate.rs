//! Confidences that mean what they say, from labels that the model has not seen.
//!
//! The logits are divided by a temperature T, one number, which changes no label (Guo et al. 2017, "On calibration of
//! modern neural networks"). T has the smallest binary cross entropy, label against all other classes, on the n held-out labels.
//! The target of a label is not 1, as a model that is right on all of twenty images would be called infinitely sure then,
//! but, after Platt (1999, "Probabilistic outputs for support vector machines"), a little less: `(n + 1/2) / (n + 1)`, the
//! share that Krichevsky & Trofimov (1981) expect after n of n. How the other classes share the rest is the model's to say:
//! spread over them evenly, it would make T larger the lower their logits are.

use serde::{Deserialize, Serialize};

use crate::app::report::interval;
use crate::error::{Error, Result};

/// Temperatures that are tried.
const COLDEST: f64 = 0.05;
const HOTTEST: f64 = 20.0;

/// As many temperatures, evenly on a logarithmic scale, are looked at first: the loss need not have one minimum alone.
const TRIED: u32 = 60;

/// Halvings of what lies between two of them: to the last digits of a float64.
const HALVINGS: u32 = 55;

/// A temperature, and how sure and how right the model was on the held-out images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    temperature: f64,
    /// Mean cross entropy of the held-out labels in nats, before the logits are divided and after.
    nll_before: f64,
    nll_after: f64,
    /// For each held-out image its calibrated confidence and whether the label was right, the surest first.
    held_out: Vec<(f64, bool)>,
}

/// A confidence from which on the held-out labels were right often enough.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reached {
    /// That of the least sure of those images.
    pub threshold: f64,
    /// How many of them were right.
    pub right: u64,
    /// How many of them there are.
    pub of: u64,
}

impl Calibration {
    /// Finds the temperature. `logits` are n x K. With fewer than [`interval::FEWEST`] labels there is no telling, and
    /// the temperature stays 1.
    ///
    /// # Errors
    /// [`Error::Data`] if there are not K logits for each label, K is below 2, a label is not below K, or a logit is not
    /// finite.
    pub fn fit(logits: &[f32], k: usize, labels: &[u16]) -> Result<Calibration> {
        let fail = |reason: String| Err(Error::Data(format!("held-out labels: {reason}")));
        if k < 2 || logits.len() != k * labels.len() {
            return fail(format!("{} logits for {} images of {k} classes", logits.len(), labels.len()));
        }
        if let Some(label) = labels.iter().find(|&&label| usize::from(label) >= k) {
            return fail(format!("label {label}, but there are {k} classes"));
        }
        if logits.iter().any(|z| !z.is_finite()) {
            return fail("a logit is not finite: the model has diverged, take an earlier checkpoint".into());
        }
        let rows: Vec<(&[f32], u16)> = logits.chunks_exact(k).zip(labels.iter().copied()).collect();
        let temperature = if labels.len() < interval::FEWEST as usize { 1.0 } else { coolest(&rows) };
        let mut held_out: Vec<(f64, bool)> =
            rows.iter().map(|row| sure_and_right(row, temperature)).collect();
        held_out.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (nll_before, nll_after) = (cross_entropy(&rows, 1.0), cross_entropy(&rows, temperature));
        Ok(Calibration { temperature, nll_before, nll_after, held_out })
    }

    /// What the logits are divided by.
    pub fn temperature(&self) -> f64 {
        self.temperature
    }

    /// How many held-out labels there are.
    pub fn held_out(&self) -> usize {
        self.held_out.len()
    }

    /// Whether they are enough for confidences to be called calibrated.
    pub fn reliable(&self) -> bool {
        self.held_out.len() as u64 >= interval::FEWEST
    }

    /// The lowest confidence such that of the held-out images at or above it a share of at least `precision` is predicted
    /// right, and their mean confidence is at least that too; `None` if there is none.
    ///
    /// The counted share alone is chosen for being high: simulated with 30 labels, wanted 0.95 and a classifier that has 0.79
    /// right, the true share is below 0.95 in 55 % of cases, and by more than 0.05 in a quarter; with the mean confidence, in
    /// 25 % and 5 %. The lower end of the share's interval would need 73 labels without a mistake for 0.95, and who has few
    /// would get nothing. It is said beside it, see [`Precision`](super::Precision).
    pub fn reach(&self, precision: f64) -> Option<Reached> {
        let (mut right, mut sure, mut best) = (0, 0.0, None);
        for (i, &(threshold, correct)) in self.held_out.iter().enumerate() {
            right += u64::from(correct);
            sure += threshold;
            let of = i as u64 + 1;
            // Equal confidences are on the same side of every threshold.
            let last = self.held_out.get(i + 1).is_none_or(|next| next.0 < threshold);
            // 0.55 of 100 is a little more than 55 in binary.
            let wanted = precision * of as f64 * (1.0 - 1e-12);
            if last && right as f64 >= wanted && sure >= wanted {
                best = Some(Reached { threshold, right, of });
            }
        }
        best
    }
}

/// Probabilities of K logits at a temperature.
pub(in crate::app) fn softmax(logits: &[f32], temperature: f64) -> Vec<f64> {
    let largest = logits.iter().fold(f64::NEG_INFINITY, |m, &z| m.max(f64::from(z)));
    let powers: Vec<f64> = logits.iter().map(|&z| ((f64::from(z) - largest) / temperature).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|p| p / sum).collect()
}

/// The place of the largest value, the first of equal ones.
pub(in crate::app) fn largest(values: &[f64]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

fn sure_and_right(&(logits, label): &(&[f32], u16), temperature: f64) -> (f64, bool) {
    let p = softmax(logits, temperature);
    let predicted = largest(&p);
    (p[predicted], predicted == usize::from(label))
}

/// Mean over images of -log p(label).
fn cross_entropy(rows: &[(&[f32], u16)], temperature: f64) -> f64 {
    let each = rows.iter().map(|&(logits, label)| {
        log_sum(logits, None, temperature) - f64::from(logits[usize::from(label)]) / temperature
    });
    each.sum::<f64>() / rows.len().max(1) as f64
}

/// The temperature with the smallest loss: the best of [`TRIED`], from where the slope's zero is looked for.
fn coolest(rows: &[(&[f32], u16)]) -> f64 {
    let step = (HOTTEST / COLDEST).ln() / f64::from(TRIED);
    let tried = |i: u32| COLDEST.ln() + step * f64::from(i);
    let losses: Vec<f64> = (0..=TRIED).map(|i| loss(rows, tried(i).exp())).collect();
    let best = (0..=TRIED).min_by(|&a, &b| losses[a as usize].total_cmp(&losses[b as usize])).unwrap_or(0);
    let (mut cold, mut hot) = (tried(best.saturating_sub(1)), tried((best + 1).min(TRIED)));
    for _ in 0..HALVINGS {
        let middle = (cold + hot) / 2.0;
        if slope(rows, middle.exp()) > 0.0 {
            cold = middle;
        } else {
            hot = middle;
        }
    }
    ((cold + hot) / 2.0).exp()
}

/// What a label's target lacks to 1.
fn rest(rows: &[(&[f32], u16)]) -> f64 {
    0.5 / (rows.len() as f64 + 1.0)
}

/// Sum of the binary cross entropies, label against other classes.
fn loss(rows: &[(&[f32], u16)], temperature: f64) -> f64 {
    let rest = rest(rows);
    let each = rows.iter().map(|&(logits, label)| {
        let all = log_sum(logits, None, temperature);
        let others = log_sum(logits, Some(label), temperature);
        let of_label = f64::from(logits[usize::from(label)]) / temperature;
        all - (1.0 - rest) * of_label - rest * others
    });
    each.sum()
}

/// Log of the sum of the exponentials at a temperature, `without` one of the classes.
fn log_sum(logits: &[f32], without: Option<u16>, temperature: f64) -> f64 {
    let kept =
        logits.iter().enumerate().filter(|&(k, _)| without.is_none_or(|label| k != usize::from(label)));
    let powers: Vec<f64> = kept.map(|(_, &z)| f64::from(z) / temperature).collect();
    let largest = powers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + powers.iter().map(|z| (z - largest).exp()).sum::<f64>().ln()
}

/// Slope of [`loss`] in 1 / T: what the label's probability is above its target, times the distance of its logit from the one
/// that the model expects of another class.
fn slope(rows: &[(&[f32], u16)], temperature: f64) -> f64 {
    let rest = rest(rows);
    let each = rows.iter().map(|&(logits, label)| {
        let label = usize::from(label);
        let p = softmax(logits, temperature);
        // Not 1 - p: a sure model leaves the others less than that can tell.
        let others: f64 = (0..p.len()).filter(|&k| k != label).map(|k| p[k]).sum();
        let expected: f64 = (0..p.len()).filter(|&k| k != label).map(|k| p[k] * f64::from(logits[k])).sum();
        let expected = if others > 0.0 { expected / others } else { second(logits, label) };
        (rest - others) * (f64::from(logits[label]) - expected)
    });
    each.sum()
}

/// The largest logit of another class, which is what is expected where all their probabilities are too small for a float64.
fn second(logits: &[f32], label: usize) -> f64 {
    let others = logits.iter().enumerate().filter(|&(k, _)| k != label);
    others.map(|(_, &z)| f64::from(z)).fold(f64::NEG_INFINITY, f64::max)
}

#[cfg(test)]
#[path = "calibrate_tests.rs"]
mod tests;
