//! Comparators. Expected values are float64, computed ones f32 or f64. All reject NaN, infinities and
//! unequal lengths, and name the index, both values and the tolerance.

use std::fmt;

/// Why two tensors do not agree.
#[derive(Debug, Clone, PartialEq)]
pub enum Mismatch {
    /// Not the same number of values.
    Length {
        /// Values expected.
        expected: usize,
        /// Values computed.
        got: usize,
    },
    /// NaN or an infinity, in either.
    NotFinite {
        /// Index of the value.
        index: usize,
        /// Value expected there.
        expected: f64,
        /// Value computed there.
        got: f64,
    },
    /// A relative error is asked for, but everything expected is 0 and something computed is not.
    ExpectedZero {
        /// Index of the value.
        index: usize,
        /// Value computed there.
        got: f64,
    },
    /// Further apart than allowed.
    Apart {
        /// Index of the value with the largest excess over the tolerance.
        index: usize,
        /// Value expected there.
        expected: f64,
        /// Value computed there.
        got: f64,
        /// Largest distance allowed there, as a formula with its value.
        tolerance: String,
        /// How many values are too far apart, of how many.
        count: (usize, usize),
    },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mismatch::Length { expected, got } => write!(f, "expected {expected} values, got {got}"),
            Mismatch::NotFinite { index, expected, got } => {
                write!(f, "index {index}: expected {expected:e}, got {got:e}: not finite, no tolerance holds")
            }
            Mismatch::ExpectedZero { index, got } => {
                write!(f, "index {index}: expected 0 everywhere, got {got:e}: give an absolute tolerance")
            }
            Mismatch::Apart { index, expected, got, tolerance, count } => write!(
                f,
                "index {index}: expected {expected:e}, got {got:e}, apart {:e} > {tolerance}; {} of {} too far",
                (expected - got).abs(),
                count.0,
                count.1
            ),
        }
    }
}

impl std::error::Error for Mismatch {}

fn check_finite<T: Copy + Into<f64>>(expected: &[f64], got: &[T]) -> Result<(), Mismatch> {
    if expected.len() != got.len() {
        return Err(Mismatch::Length { expected: expected.len(), got: got.len() });
    }
    for (index, (&e, &g)) in expected.iter().zip(got).enumerate() {
        let g = g.into();
        if !e.is_finite() || !g.is_finite() {
            return Err(Mismatch::NotFinite { index, expected: e, got: g });
        }
    }
    Ok(())
}

/// Normalised mean squared error, `sum (expected - got)^2 / sum expected^2`; 0 where both are all zero.
///
/// # Errors
/// Unequal lengths, NaN or infinities, and values where only zeros are expected.
pub fn nmse<T: Copy + Into<f64>>(expected: &[f64], got: &[T]) -> Result<f64, Mismatch> {
    check_finite(expected, got)?;
    let (mut error, mut power) = (0.0, 0.0);
    for (&e, &g) in expected.iter().zip(got) {
        error += (e - g.into()).powi(2);
        power += e * e;
    }
    if power > 0.0 {
        return Ok(error / power);
    }
    match got.iter().position(|&g| g.into() != 0.0) {
        Some(index) => Err(Mismatch::ExpectedZero { index, got: got[index].into() }),
        None => Ok(0.0),
    }
}

/// [`nmse`], which must not exceed `tolerance`.
///
/// # Panics
/// Where it does, with the index that is furthest off; and on everything that [`nmse`] rejects.
#[track_caller]
pub fn assert_nmse<T: Copy + Into<f64>>(name: &str, expected: &[f64], got: &[T], tolerance: f64) {
    let value = nmse(expected, got).unwrap_or_else(|m| panic!("{name}: {m}; nmse tolerance {tolerance:e}"));
    // Written so that a NaN tolerance fails too.
    if value <= tolerance {
        return;
    }
    let distance = |i: usize| (expected[i] - got[i].into()).abs();
    let worst = (0..expected.len()).max_by(|&a, &b| distance(a).total_cmp(&distance(b))).unwrap_or(0);
    panic!(
        "{name}: nmse {value:e} > tolerance {tolerance:e}; furthest off index {worst}: expected {:e}, got {:e}",
        expected[worst],
        got[worst].into()
    );
}

/// Compares element by element: `|expected - got| <= atol + rtol |expected|`.
///
/// # Errors
/// Unequal lengths, NaN or infinities, and the value with the largest excess over the tolerance.
pub fn check_close<T: Copy + Into<f64>>(
    expected: &[f64],
    got: &[T],
    rtol: f64,
    atol: f64,
) -> Result<(), Mismatch> {
    check_finite(expected, got)?;
    let (mut worst, mut count) = (None, 0);
    for (index, (&e, &g)) in expected.iter().zip(got).enumerate() {
        let allowed = atol + rtol * e.abs();
        let apart = (e - g.into()).abs();
        if apart <= allowed {
            continue;
        }
        count += 1;
        if worst.is_none_or(|(_, excess)| apart - allowed > excess) {
            worst = Some((index, apart - allowed));
        }
    }
    let Some((index, _)) = worst else { return Ok(()) };
    let e = expected[index];
    let tolerance = format!("{:e} ({atol:e} + {rtol:e} x |expected|)", atol + rtol * e.abs());
    Err(Mismatch::Apart {
        index,
        expected: e,
        got: got[index].into(),
        tolerance,
        count: (count, expected.len()),
    })
}

/// [`check_close`] for tests.
///
/// # Panics
/// Where the two do not agree, with `name` and the [`Mismatch`].
#[track_caller]
pub fn assert_close<T: Copy + Into<f64>>(name: &str, expected: &[f64], got: &[T], rtol: f64, atol: f64) {
    if let Err(mismatch) = check_close(expected, got, rtol, atol) {
        panic!("{name}: {mismatch}; tolerance {atol:e} + {rtol:e} x |expected|");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_values_pass() {
        assert_close("same", &[1.0, -2.0, 0.0], &[1.0f32, -2.0, 0.0], 0.0, 0.0);
        assert_close("relative", &[100.0], &[100.9f64], 0.01, 0.0);
        assert_close("absolute", &[0.0], &[0.009f64], 0.0, 0.01);
        assert_close::<f32>("empty", &[], &[], 0.0, 0.0);
        assert_eq!(nmse(&[3.0, 4.0], &[3.0f32, 4.5]), Ok(0.01));
        assert_eq!(nmse(&[0.0, 0.0], &[0.0f32, 0.0]), Ok(0.0));
        assert_nmse("nmse", &[3.0, 4.0], &[3.0f32, 4.5], 0.011);
    }

    #[test]
    fn the_worst_value_is_named() {
        let e = check_close(&[1.0, 1.0, 1.0], &[1.0f32, 1.5, 1.25], 0.01, 0.02).unwrap_err();
        let text = e.to_string();
        assert!(
            text.starts_with("index 1: expected 1e0, got 1.5e0, apart 5e-1 > 3e-2 (2e-2 + 1e-2"),
            "{text}"
        );
        assert!(text.ends_with("2 of 3 too far"), "{text}");
    }

    #[test]
    fn what_is_not_finite_fails_everywhere() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for (expected, got) in
                [([1.0, bad], [1.0, 1.0]), ([1.0, 1.0], [1.0, bad]), ([1.0, bad], [1.0, bad])]
            {
                let close = check_close(&expected, &got, f64::INFINITY, f64::INFINITY);
                assert!(matches!(close, Err(Mismatch::NotFinite { index: 1, .. })), "{bad}: {close:?}");
                let nmse = nmse(&expected, &got);
                assert!(matches!(nmse, Err(Mismatch::NotFinite { index: 1, .. })), "{bad}: {nmse:?}");
            }
        }
    }

    #[test]
    fn unequal_lengths_fail() {
        let mismatch = Mismatch::Length { expected: 2, got: 1 };
        assert_eq!(check_close(&[1.0, 2.0], &[1.0f32], 1.0, 1.0), Err(mismatch.clone()));
        assert_eq!(nmse(&[1.0, 2.0], &[1.0f32]), Err(mismatch));
    }

    #[test]
    fn nan_tolerances_fail() {
        assert!(check_close(&[1.0], &[1.0f32], f64::NAN, 0.0).is_err());
        assert!(check_close(&[1.0], &[1.0f32], 0.0, f64::NAN).is_err());
    }

    #[test]
    #[should_panic(expected = "weights: index 2: expected 1e0, got 2e0")]
    fn assert_close_panics() {
        assert_close("weights", &[1.0, 1.0, 1.0], &[1.0f32, 1.0, 2.0], 1e-3, 1e-3);
    }

    #[test]
    #[should_panic(
        expected = "weights: nmse 2.5e-1 > tolerance 1e-1; furthest off index 1: expected 1e0, got 2e0"
    )]
    fn assert_nmse_panics() {
        assert_nmse("weights", &[1.0, 1.0, 1.0, 1.0], &[1.0f32, 2.0, 1.0, 1.0], 0.1);
    }

    #[test]
    #[should_panic(expected = "index 0: expected 0 everywhere, got 1e-3")]
    fn nmse_of_nothing_panics() {
        assert_nmse("zero", &[0.0], &[1e-3f64], 1.0);
    }
}
