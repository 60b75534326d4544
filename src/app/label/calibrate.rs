//! Confidences that mean what they say, from labels that the model has not seen.
//!
//! The logits are divided by a temperature T, one number, which changes no label (Guo et al. 2017, "On calibration of
//! modern neural networks"). T has the smallest cross entropy on the held-out labels. Their n targets are those of Platt
//! (1999, "Probabilistic outputs for support vector machines"), `(n + 1) / (n + 2)` for the label and the rest for the
//! other classes: with 1 and 0 in their place, a model that is right on all of twenty images would be called infinitely sure.

use serde::{Deserialize, Serialize};

use crate::app::report::interval;
use crate::error::{Error, Result};

/// Temperatures that are tried.
const COLDEST: f64 = 0.05;
const HOTTEST: f64 = 20.0;

/// Halvings of the range of temperatures on a logarithmic scale: to the last digits of a float64.
const HALVINGS: u32 = 60;

/// A temperature, and how sure and how right the model was on the held-out images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    temperature: f64,
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

    /// Mean cross entropy of the held-out labels in nats, before the division and after it.
    pub fn cross_entropies(&self) -> (f64, f64) {
        (self.nll_before, self.nll_after)
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
    /// right; `None` if there is none.
    ///
    /// It is the share as counted, not the lower end of its interval: that would need 73 labels without a mistake for 0.95,
    /// and who has few labels would get nothing. What the true share may be is said beside it, see
    /// [`Precision`](super::Precision).
    pub fn reach(&self, precision: f64) -> Option<Reached> {
        let (mut right, mut best) = (0, None);
        for (i, &(threshold, correct)) in self.held_out.iter().enumerate() {
            right += u64::from(correct);
            let of = i as u64 + 1;
            // Equal confidences are on the same side of every threshold.
            let last = self.held_out.get(i + 1).is_none_or(|next| next.0 < threshold);
            // 0.55 of 100 is a little more than 55 in binary.
            if last && right as f64 >= precision * of as f64 * (1.0 - 1e-12) {
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
    let each = rows.iter().map(|(logits, label)| {
        let largest = logits.iter().fold(f64::NEG_INFINITY, |m, &z| m.max(f64::from(z)));
        let sum: f64 = logits.iter().map(|&z| ((f64::from(z) - largest) / temperature).exp()).sum();
        sum.ln() - (f64::from(logits[usize::from(*label)]) - largest) / temperature
    });
    each.sum::<f64>() / rows.len().max(1) as f64
}

/// The temperature with the smallest cross entropy. That is convex in 1 / T, so its slope there has one zero.
fn coolest(rows: &[(&[f32], u16)]) -> f64 {
    let (mut cold, mut hot) = (COLDEST.ln(), HOTTEST.ln());
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

/// Slope of the summed cross entropy in 1 / T: the mean logit that the model expects less that of the targets.
fn slope(rows: &[(&[f32], u16)], temperature: f64) -> f64 {
    let n = rows.len() as f64;
    let rest = 1.0 / (n + 2.0);
    let each = rows.iter().map(|(logits, label)| {
        let expected: f64 =
            softmax(logits, temperature).iter().zip(*logits).map(|(p, &z)| p * f64::from(z)).sum();
        let of_label = f64::from(logits[usize::from(*label)]);
        let others = logits.iter().map(|&z| f64::from(z)).sum::<f64>() - of_label;
        expected - of_label * (1.0 - rest) - others * rest / (logits.len() - 1) as f64
    });
    each.sum()
}

#[cfg(test)]
#[path = "calibrate_tests.rs"]
mod tests;
