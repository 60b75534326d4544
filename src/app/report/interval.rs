//! How far a share that was counted may be from the true one.

/// The 0.975 quantile of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Fewer images than this are too few for more than a guess: of 19, all of them right, the interval is from 0.83 to 1.
pub const FEWEST: u64 = 20;

/// How far an accuracy is to be trusted, in a line: `95 % interval 0.71 to 0.98, of 20 test images`.
pub fn trust(right: u64, images: u64, held_out: bool) -> String {
    let (low, high) = wilson(right, images);
    let which = if held_out { "images whose labels were held out" } else { "test images" };
    let guess = if images < FEWEST { ": too few for more than a guess" } else { "" };
    format!("95 % interval {low:.4} to {high:.4}, of {images} {which}{guess}")
}

/// The 95 % interval of a share of which `right` of `n` were counted (Wilson 1927, "Probable inference, the law of succession,
/// and statistical inference"); from 0 to 1 where nothing was.
pub fn wilson(right: u64, n: u64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let (share, n) = (right as f64 / n as f64, n as f64);
    let scale = 1.0 + Z * Z / n;
    let centre = (share + Z * Z / (2.0 * n)) / scale;
    let half = Z / scale * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of statsmodels, `proportion_confint(right, n, method="wilson")`.
    #[test]
    fn known_intervals() {
        for (right, n, low, high) in [
            (0, 10, 0.0, 0.277_532_799_862_889_3),
            (19, 20, 0.763_868_806_553_257_7, 0.991_118_551_199_204_4),
            (540, 600, 0.873_392_308_777_103_3, 0.921_518_330_411_936_2),
            (10, 10, 0.722_467_200_137_110_6, 1.0),
        ] {
            let (a, b) = wilson(right, n);
            assert!((a - low).abs() < 1e-9 && (b - high).abs() < 1e-9, "{right} of {n}: {a} {b}");
        }
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }
}
