//! What a comparison found, and the table of all.

use serde::Serialize;
use std::collections::BTreeMap;

/// One comparison with the twin.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The kernels, such as `products`.
    pub family: &'static str,
    /// The check, such as `products by columns`.
    pub check: &'static str,
    /// The variant: a tile, or empty where there is one alone.
    pub variant: String,
    /// Size and settings.
    pub case: String,
    /// How far from the twin: a normalised mean square error, the distance of the value that is worst beside its bound, or how
    /// many values differ.
    pub deviation: f64,
    /// What rounding may leave of it.
    pub bound: f64,
    /// What is wrong, in words.
    pub failure: Option<String>,
}

impl Finding {
    /// Whether the deviation is one that rounding leaves. What is not a number is none.
    pub fn is_right(&self) -> bool {
        self.failure.is_none() && self.deviation <= self.bound
    }

    /// Family and check.
    pub fn title(&self) -> String {
        format!("{}: {}", self.family, self.check)
    }

    /// The deviation as a part of its bound: above 1 it is wrong.
    pub fn strain(&self) -> f64 {
        match self.is_right() {
            true if self.bound > 0.0 => self.deviation / self.bound,
            true => 0.0,
            false if self.bound > 0.0 && self.deviation > self.bound => self.deviation / self.bound,
            false => f64::INFINITY,
        }
    }
}

/// All findings of a check and variant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The finding that is nearest to its bound, or beyond it.
    pub worst: Finding,
    /// Comparisons.
    pub compared: usize,
    /// Comparisons, of these, that are wrong.
    pub wrong: usize,
}

impl Row {
    /// `ok`, or how many comparisons are wrong.
    pub fn verdict(&self) -> String {
        match self.wrong {
            0 => "ok".into(),
            n => format!("{n} wrong"),
        }
    }
}

/// A row for each check and variant, in the order in which they were first found.
pub fn table(findings: &[Finding]) -> Vec<Row> {
    let mut rows: Vec<Row> = vec![];
    let mut places: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for finding in findings {
        let key = (finding.family, finding.check, finding.variant.as_str());
        let wrong = usize::from(!finding.is_right());
        match places.get(&key) {
            Some(&at) => {
                let row = &mut rows[at];
                row.compared += 1;
                row.wrong += wrong;
                if finding.strain() > row.worst.strain() {
                    row.worst = finding.clone();
                }
            }
            None => {
                places.insert(key, rows.len());
                rows.push(Row { worst: finding.clone(), compared: 1, wrong });
            }
        }
    }
    rows
}

/// The distance and its bound of the value that is nearest to its bound, or farthest beyond it.
pub(super) fn nearest_to_wrong(want: &[f64], got: &[f32], rtol: f64, atol: f64) -> (f64, f64) {
    let distance = |(w, g): (&f64, &f32)| ((w - f64::from(*g)).abs(), atol + rtol * w.abs());
    let strain = |(d, b): &(f64, f64)| if *d == 0.0 { 0.0 } else { d / b };
    let all = want.iter().zip(got).map(distance);
    all.max_by(|a, b| strain(a).total_cmp(&strain(b))).unwrap_or((0.0, 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(variant: &str, deviation: f64, bound: f64) -> Finding {
        let (case, failure) = ("1 x 1".into(), None);
        Finding { family: "f", check: "c", variant: variant.into(), case, deviation, bound, failure }
    }

    #[test]
    fn what_is_beyond_its_bound_or_not_a_number_is_wrong() {
        assert!(finding("", 1e-10, 1e-9).is_right() && finding("", 0.0, 0.0).is_right());
        for deviation in [2e-9, f64::NAN, f64::INFINITY] {
            assert!(!finding("", deviation, 1e-9).is_right(), "{deviation}");
        }
        assert!(!Finding { failure: Some("a guard".into()), ..finding("", 0.0, 0.0) }.is_right());
    }

    #[test]
    fn a_row_shows_the_worst_of_its_variant() {
        let all = [
            finding("a", 0.1, 1.0),
            finding("b", 0.9, 1.0),
            finding("a", f64::NAN, 1.0),
            finding("a", 0.5, 1.0),
        ];
        let rows = table(&all);
        let short: Vec<_> = rows.iter().map(|r| (r.worst.variant.as_str(), r.compared, r.wrong)).collect();
        assert_eq!(short, [("a", 3, 1), ("b", 1, 0)]);
        assert!(rows[0].worst.deviation.is_nan());
    }

    #[test]
    fn the_worst_value_is_worst_beside_its_own_bound() {
        assert_eq!(nearest_to_wrong(&[100.0, 0.0], &[100.5, 0.25], 0.01, 0.5), (0.25, 0.5));
        assert_eq!(nearest_to_wrong(&[1.0], &[1.0], 0.0, 0.0), (0.0, 0.0));
        assert!(nearest_to_wrong(&[1.0, 2.0], &[1.0, f32::NAN], 0.1, 0.0).0.is_nan());
    }
}
