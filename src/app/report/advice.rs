//! Advice that a run's numbers give: plain functions of them, each a note or nothing.

use crate::train::event::{EpochMetrics, Started};
use crate::train::settings::Settings;

/// Below this both of D's losses on unlabelled and generated images say that it is certain of all of them: D(x) above 0.99.
const CERTAIN: f32 = 0.01;

/// Whether D has won: for the whole of epoch `now` it told generated images from real ones without a doubt, and G's loss
/// fell by less than a tenth since epoch `before`. G then learns nothing from D, nor D from G's images. Without an epoch
/// before, losses in the first one are no sign: nothing is said.
pub fn discriminator_won(before: Option<&EpochMetrics>, now: &EpochMetrics) -> Option<String> {
    let (then, m) = (&before?.mean, &now.mean);
    let certain = m.loss_unlabelled < CERTAIN && m.loss_generated < CERTAIN;
    let apart = m.loss_generator > 0.9 * then.loss_generator;
    (certain && apart).then(|| {
        format!(
            "Note: the discriminator has won (losses {:.4} and {:.4}), the generator does not catch up. Try --label-smoothing 0.1, \
             --model cnn-noise or a larger --generator-learning-rate.",
            m.loss_unlabelled, m.loss_generated
        )
    })
}

/// At the end the labelled images are classified far worse than guessing, which costs ln K, would.
pub fn got_nowhere(loss: f32, classes: usize) -> Option<String> {
    let guessing = (classes.max(2) as f32).ln();
    (loss > 10.0 * guessing).then(|| {
        format!(
            "Note: training got nowhere: at the end the loss of the labelled images is {loss:.3e}, that of guessing \
             {guessing:.1}; use a smaller --learning-rate, such as 0.001"
        )
    })
}

/// The images fill fewer than two minibatches, so that each epoch sees all or most of them at once.
pub fn few_images(started: &Started) -> Option<String> {
    (started.steps_per_epoch < 2).then(|| {
        "Note: an epoch is a single step, as there are fewer images than two minibatches hold. Try a smaller --batch-size.".into()
    })
}

/// Steps of MNIST over which the recipes' terms rise, with which they were chosen.
const RISING: u32 = 234;

/// The weights of entropy, consistency and balance rise over so few steps that the network may grow sure of what its first ones
/// believe: digits of 8x8 had 0.38 to 0.87 of the test images where 0.90 were right without these terms (docs/own-images.md).
pub fn short_ramp(train: &Settings, steps_per_epoch: u32) -> Option<String> {
    let steps = train.ramp_epochs.saturating_mul(steps_per_epoch);
    let epochs = RISING.div_ceil(steps_per_epoch.max(1));
    let other = if train.has_generator() { "a training without them" } else { "--method supervised" };
    (train.has_terms() && steps < RISING / 2).then(|| {
        format!(
            "the weights of entropy, consistency and balance rise over {steps} steps, which may make the network sure of early mistakes: \
             try --ramp-epochs {epochs} with more --epochs, and compare with {other}"
        )
    })
}

/// Labels of a class up to which the entropy term may keep one class for another: with two of MNIST's a class `best` took the eights
/// for zeros, with five it had 0.990 right (docs/recipes.md).
const FEW_A_CLASS: usize = 3;

/// So few labels that the terms may take one class for another for good, where nothing keeps predictions even.
pub fn few_labels(train: &Settings, labels: usize, classes: usize) -> Option<String> {
    let are_sure = train.entropy_weight > 0.0 && train.balance_weight == 0.0;
    // Minibatches that hold few images of a class are not even, whatever the data are.
    let may_be_even = train.batch_size as usize >= 8 * classes;
    (are_sure && may_be_even && labels <= FEW_A_CLASS * classes).then(|| {
        format!(
            "{labels} labels of {classes} classes: one class may be taken for another for good. Where classes are about as frequent as \
             one another, add --balance-weight 1 (MNIST, two a class: 0.98 of the test images right in place of 0.88)"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::event::{EpochTime, StepMetrics};

    fn epoch(unlabelled: f32, generated: f32, generator: f32) -> EpochMetrics {
        let mean = StepMetrics {
            step: 10,
            loss_supervised: 0.1,
            accuracy_labelled: 1.0,
            loss_discriminator: 0.1,
            loss_unlabelled: unlabelled,
            loss_generated: generated,
            loss_generator: generator,
            d_unlabelled: 0.99,
            d_generated: 0.01,
            entropy_unlabelled: f32::NAN,
            loss_consistency: f32::NAN,
            loss_balance: f32::NAN,
        };
        EpochMetrics {
            epoch: 1,
            step: 10,
            mean,
            test_accuracy: 0.9,
            test_accuracy_ema: 0.9,
            test_loss: 0.3,
            validation_accuracy: None,
            validation_loss: None,
            time: EpochTime::default(),
        }
    }

    #[test]
    fn a_discriminator_that_has_won() {
        let before = epoch(0.05, 0.05, 0.08);
        let won = discriminator_won(Some(&before), &epoch(0.004, 0.003, 0.079)).unwrap();
        assert!(won.contains("0.0040") && won.contains("--label-smoothing 0.1"), "{won}");
        for (before, now) in [
            // The first epoch; the usual losses; one of two; features that come together; no GAN at all.
            (None, epoch(0.004, 0.003, 0.079)),
            (Some(&before), epoch(0.12, 0.11, 0.079)),
            (Some(&before), epoch(0.004, 0.02, 0.079)),
            (Some(&before), epoch(0.004, 0.003, 0.05)),
            (Some(&before), epoch(f32::NAN, f32::NAN, f32::NAN)),
        ] {
            assert_eq!(discriminator_won(before, &now), None, "{now:?}");
        }
    }

    #[test]
    fn worse_than_guessing() {
        // ln 500 is 6.2.
        assert_eq!((got_nowhere(8.0, 500), got_nowhere(f32::NAN, 10)), (None, None));
        assert!(got_nowhere(63.0, 500).unwrap().contains("that of guessing 6.2"));
    }

    #[test]
    fn terms_that_rise_at_once_are_noticed() {
        use crate::train::settings::{GeneratorLoss, Method};
        let plain = Settings::defaults(Method::Ssl, true);
        let quick =
            Settings { entropy_weight: 1.0, consistency_weight: 3.0, ramp_epochs: 2, ..plain.clone() };
        assert_eq!((short_ramp(&plain, 2), short_ramp(&quick, 117)), (None, None));
        let note = short_ramp(&quick, 2).unwrap();
        assert!(
            note.contains("over 4 steps")
                && note.ends_with("without them")
                && note.contains("--ramp-epochs 117 "),
            "{note}"
        );
        let alone = Settings { generator_loss: GeneratorLoss::None, ..quick.clone() };
        assert!(short_ramp(&alone, 2).unwrap().ends_with("--method supervised"));
        assert_eq!(short_ramp(&Settings { ramp_epochs: 117, ..quick }, 2), None);
    }

    #[test]
    fn few_labels_are_noticed() {
        use crate::train::settings::Method;
        let plain = Settings::defaults(Method::Ssl, true);
        let quick =
            Settings { entropy_weight: 1.0, consistency_weight: 3.0, ramp_epochs: 2, ..plain.clone() };
        let note = few_labels(&quick, 20, 10).unwrap();
        assert!(note.starts_with("20 labels of 10 classes") && note.contains("--balance-weight 1"), "{note}");
        assert!(few_labels(&quick, 30, 10).is_some() && few_labels(&quick, 31, 10).is_none());
        assert_eq!((few_labels(&plain, 20, 10), few_labels(&quick, 200, 100)), (None, None));
        assert_eq!(few_labels(&Settings { balance_weight: 0.5, ..quick }, 20, 10), None);
    }

    #[test]
    fn few_images_are_noticed() {
        let started = |steps_per_epoch| Started {
            variant: "ssl",
            steps: 10,
            done: 0,
            steps_per_epoch,
            epochs: 10,
            images_per_step: 1536,
            adapter: String::new(),
            driver: String::new(),
            backend: String::new(),
        };
        assert!(few_images(&started(1)).unwrap().contains("--batch-size"));
        assert_eq!(few_images(&started(2)), None);
    }
}
