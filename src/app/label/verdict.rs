//! From logits to a label, how sure it is, and whether it counts.

use serde::{Deserialize, Serialize};

use super::Given;
use super::calibrate::{largest, softmax};

/// Where a label comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Status {
    /// Somebody gave it.
    Given,
    /// The model says so.
    Predicted,
    /// The model says so, but is less sure than was asked for.
    Unsure,
    /// Somebody said that it is none of the model's classes.
    Other,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Status::Given | Status::Other => "given",
            Status::Predicted => "predicted",
            Status::Unsure => "unsure",
        }
    }
}

/// What is made of one image's logits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    /// The given label where it is one of the model's, else the predicted one.
    pub label: usize,
    /// Its probability.
    pub confidence: f64,
    /// The most probable other class.
    pub second: usize,
    /// Its probability.
    pub second_confidence: f64,
    pub status: Status,
    /// K of them.
    pub probabilities: Vec<f64>,
}

impl Verdict {
    /// Whether the label was given and another class is more probable.
    pub fn contradicts(&self) -> bool {
        self.second_confidence > self.confidence
    }

    /// How much more probable the most probable class is than the one after it.
    pub fn margin(&self) -> f64 {
        (self.confidence - self.second_confidence).abs()
    }
}

/// How logits are judged: the same for all images of a labelling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Judge {
    pub temperature: f64,
    /// Confidences below it are unsure; `None`: all are.
    pub threshold: Option<f64>,
}

impl Judge {
    /// Of K >= 2 logits.
    pub fn verdict(&self, logits: &[f32], given: &Given) -> Verdict {
        let probabilities = softmax(logits, self.temperature);
        let label = given.class().map_or_else(|| largest(&probabilities), usize::from);
        let others: Vec<f64> =
            probabilities.iter().enumerate().map(|(i, &p)| if i == label { -1.0 } else { p }).collect();
        let (confidence, second) = (probabilities[label], largest(&others));
        let status = match given {
            Given::Class(_) => Status::Given,
            Given::Nothing if self.threshold.is_some_and(|t| confidence >= t) => Status::Predicted,
            Given::Nothing => Status::Unsure,
            Given::Other(_) | Given::NoLabel => Status::Other,
        };
        Verdict { label, confidence, second, second_confidence: others[second], status, probabilities }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_are_given_stay() {
        let judge = Judge { temperature: 1.0, threshold: Some(0.7) };
        let logits = [0.6f32.ln(), 0.3f32.ln(), 0.1f32.ln()];
        let own = judge.verdict(&logits, &Given::Nothing);
        assert_eq!((own.label, own.second, own.status), (0, 1, Status::Unsure));
        assert!(
            (own.confidence - 0.6).abs() < 1e-6 && (own.margin() - 0.3).abs() < 1e-6 && !own.contradicts()
        );
        let given = judge.verdict(&logits, &Given::Class(2));
        assert_eq!((given.label, given.second), (2, 0));
        assert!(given.contradicts() && (given.confidence - 0.1).abs() < 1e-6);
        assert_eq!(given.status, Status::Given);
        let agreed = judge.verdict(&logits, &Given::Class(0));
        assert!(!agreed.contradicts() && agreed.label == 0);
        let sure = Judge { threshold: Some(0.5), ..judge }.verdict(&logits, &Given::Nothing);
        assert_eq!(sure.status, Status::Predicted);
        let sure = Judge { threshold: Some(0.0), ..judge };
        for given in [Given::NoLabel, Given::Other("owl".into())] {
            assert_eq!(sure.verdict(&logits, &given).status, Status::Other);
        }
        assert_eq!(
            Judge { threshold: None, ..judge }.verdict(&logits, &Given::Nothing).status,
            Status::Unsure
        );
    }

    /// Two classes that are equally probable: the first is the label, and a given second one is not contradicted.
    #[test]
    fn equal_logits() {
        let judge = Judge { temperature: 1.0, threshold: Some(0.0) };
        assert_eq!(judge.verdict(&[1.0, 1.0], &Given::Nothing).label, 0);
        assert!(!judge.verdict(&[1.0, 1.0], &Given::Class(1)).contradicts());
        let colder = Judge { temperature: 0.5, ..judge }.verdict(&[1.0, 0.0], &Given::Nothing);
        assert!((colder.confidence - 1.0 / (1.0 + (-2.0f64).exp())).abs() < 1e-12);
    }
}
