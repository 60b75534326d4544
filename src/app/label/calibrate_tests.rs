use super::*;

/// 24 images of 3 classes, one in four of them not of its most probable class.
fn set() -> (Vec<f32>, Vec<u16>) {
    let (mut logits, mut labels) = (Vec::new(), Vec::new());
    for i in 0..24u16 {
        let row: Vec<f32> = (0..3).map(|c| f32::from((i * 7 + c * 5) % 11) / 2.0 - 2.0).collect();
        let best = largest(&row.iter().map(|&z| f64::from(z)).collect::<Vec<_>>()) as u16;
        labels.push(if i % 4 == 0 { (best + 1) % 3 } else { best });
        logits.extend(row);
    }
    (logits, labels)
}

/// Values of a golden-section search of the same loss in Python.
#[test]
fn a_known_temperature() {
    let (logits, labels) = set();
    let c = Calibration::fit(&logits, 3, &labels).unwrap();
    assert!((c.temperature() - 2.413_810_54).abs() < 1e-6, "{}", c.temperature());
    let (before, after) = (c.nll_before, c.nll_after);
    assert!((before - 1.126_857_802_022_988_2).abs() < 1e-12, "{before}");
    assert!((after - 0.941_719_282_169_642).abs() < 1e-7, "{after}");
    assert!(c.reliable() && c.held_out() == 24);
}

/// Logits that are four times as large ask for four times the temperature.
#[test]
fn temperature_goes_with_the_scale() {
    let (logits, labels) = set();
    let one = Calibration::fit(&logits, 3, &labels).unwrap().temperature();
    let larger: Vec<f32> = logits.iter().map(|z| z * 4.0).collect();
    let four = Calibration::fit(&larger, 3, &labels).unwrap().temperature();
    assert!((four / one - 4.0).abs() < 1e-9, "{one} {four}");
}

/// What classes that nobody would take an image for add to the logits' spread says nothing of how sure to be: with more of
/// them the temperature stays. (The targets of Platt's that are spread over all other classes evenly made it rise.)
#[test]
fn far_classes_change_no_temperature() {
    let (logits, labels) = set();
    let three = Calibration::fit(&logits, 3, &labels).unwrap().temperature();
    let more: Vec<f32> = logits.chunks(3).flat_map(|row| [row, &[-60.0; 7]].concat()).collect();
    let ten = Calibration::fit(&more, 10, &labels).unwrap().temperature();
    assert!((ten / three - 1.0).abs() < 1e-6, "{three} {ten}");
}

/// The slope is that of the loss, by finite differences in 1 / T, with logits too far apart for probabilities as well.
#[test]
fn the_slope_is_that_of_the_loss() {
    let (logits, labels) = set();
    for scale in [1.0, 300.0] {
        let logits: Vec<f32> = logits.iter().map(|z| z * scale).collect();
        let rows: Vec<(&[f32], u16)> = logits.chunks_exact(3).zip(labels.iter().copied()).collect();
        for temperature in [0.1, 0.7, 3.0] {
            let (inverse, h) = (1.0 / temperature, 1e-6);
            let difference =
                (loss(&rows, 1.0 / (inverse + h)) - loss(&rows, 1.0 / (inverse - h))) / (2.0 * h);
            let slope = slope(&rows, temperature);
            assert!((slope - difference).abs() < 1e-5 * difference.abs().max(1.0), "{slope} {difference}");
        }
    }
}

/// Right on all of twenty images is not sure of everything; wrong on all of them is bounded too.
#[test]
fn extremes_are_finite() {
    let logits: Vec<f32> = (0..20).flat_map(|_| [3.0, 0.0]).collect();
    let right = Calibration::fit(&logits, 2, &[0; 20]).unwrap();
    let confidence = right.reach(0.0).unwrap().threshold;
    assert!((confidence - 20.5 / 21.0).abs() < 1e-9, "{confidence}: the target");
    let wrong = Calibration::fit(&logits, 2, &[1; 20]).unwrap();
    assert!((wrong.temperature() - HOTTEST).abs() < 1e-9);
    assert_eq!(wrong.reach(0.01), None);
}

#[test]
fn too_few_labels_calibrate_nothing() {
    let (logits, labels) = set();
    let c = Calibration::fit(&logits[..19 * 3], 3, &labels[..19]).unwrap();
    assert!(!c.reliable());
    assert_eq!(c.temperature(), 1.0);
    let none = Calibration::fit(&[], 3, &[]).unwrap();
    assert_eq!((none.held_out(), none.reach(0.5)), (0, None));
}

/// Confidences 0.9, 0.8, 0.8, 0.7, 0.6 with one of the two equal ones wrong: a threshold has both of them or none.
#[test]
fn the_lowest_threshold_that_is_right_often_enough() {
    let held_out = vec![(0.9, true), (0.8, true), (0.8, false), (0.7, true), (0.6, false)];
    let c = Calibration { temperature: 1.0, nll_before: 0.0, nll_after: 0.0, held_out };
    let reached = |threshold, right, of| Some(Reached { threshold, right, of });
    assert_eq!((c.reach(1.0), c.reach(0.9)), (None, reached(0.9, 1, 1)));
    assert_eq!(c.reach(0.75), reached(0.7, 3, 4));
    assert_eq!(c.reach(0.7), reached(0.7, 3, 4), "0.8 gives two of three, but 0.7 is lower and gives enough");
    assert_eq!(c.reach(0.6), reached(0.6, 3, 5));
    let c = Calibration { held_out: vec![(0.9, true), (0.8, true), (0.5, true)], ..c };
    assert_eq!(c.reach(0.8), reached(0.8, 2, 2), "all three are right, and the model is not so sure of them");
    assert_eq!(c.reach(0.95), None);
    let c = Calibration { held_out: vec![(0.9, false), (0.8, true)], ..c };
    assert_eq!(c.reach(0.9), None);
    // 0.55 of 100 is more than 55 in binary.
    let c = Calibration { held_out: (0..100).map(|i| (0.6, i < 55)).collect(), ..c };
    assert_eq!((c.reach(0.55), c.reach(0.56)), (reached(0.6, 55, 100), None));
}

#[test]
fn bad_input_is_named() {
    for (logits, k, labels, part) in [
        (&[0.0; 5][..], 2, &[0, 1][..], "5 logits for 2 images of 2 classes"),
        (&[0.0; 4][..], 2, &[0, 2][..], "label 2, but there are 2 classes"),
        (&[0.0, f32::NAN][..], 2, &[0][..], "not finite"),
        (&[0.0][..], 1, &[0][..], "1 classes"),
    ] {
        let e = Calibration::fit(logits, k, labels).unwrap_err();
        assert!(e.to_string().contains(part) && e.exit_code() == 4, "{e}");
    }
}
