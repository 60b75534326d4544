//! Advice that a run's numbers give: plain functions of them, each a note or nothing.

use crate::train::event::{EpochMetrics, Started};

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
    fn few_images_are_noticed() {
        let started = |steps_per_epoch| Started {
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
