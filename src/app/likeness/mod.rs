//! How like real images generated ones are, as an examiner sees them: a classifier that was trained on many labels.

mod frechet;

pub use frechet::frechet_distance;

use crate::app::label::{largest, softmax};
use crate::train::Examined;
use serde::Serialize;

/// What an examiner says of generated images beside the test images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Likeness {
    /// Generated images.
    pub images: u64,
    /// F, the examiner's features.
    pub features: usize,
    /// From the generated images to the test images.
    pub frechet_distance: f64,
    /// From as many training images to the test images, for comparison. The examiner may have learnt from those, and knows them
    /// better than images that it never saw.
    pub frechet_distance_of_training_images: Option<f64>,
    /// Share of the test images that the examiner classifies rightly.
    pub examiner_accuracy: f64,
    /// e to the entropy of the classes' shares of the generated images: K where each is as frequent as the others, 1 where
    /// there is one alone.
    pub effective_classes: f64,
    /// Mean probability of the class that the examiner takes an image for: of the generated images,
    pub confidence: f64,
    /// and of the test images.
    pub confidence_of_test_images: f64,
    /// By class.
    pub classes: Vec<ClassLikeness>,
}

/// The same, of one class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassLikeness {
    /// Its name.
    pub class: String,
    /// Share of the test images that the examiner takes for it.
    pub test: f64,
    /// Share of the generated images.
    pub generated: f64,
    /// Mean probability that the examiner gives it of those; `None` where there are none.
    pub confidence: Option<f64>,
}

/// Which class an examiner takes each image for, and how sure it is.
#[derive(Debug)]
struct Taken {
    /// By class: how many images.
    counts: Vec<u64>,
    /// By class: sum of the probabilities of those.
    sure: Vec<f64>,
    predicted: Vec<usize>,
}

impl Taken {
    fn of(logits: &[f32], classes: usize) -> Taken {
        let mut taken = Taken { counts: vec![0; classes], sure: vec![0.0; classes], predicted: vec![] };
        for row in logits.chunks(classes) {
            let probabilities = softmax(row, 1.0);
            let class = largest(&probabilities);
            taken.counts[class] += 1;
            taken.sure[class] += probabilities[class];
            taken.predicted.push(class);
        }
        taken
    }

    fn share(&self, class: usize) -> f64 {
        self.counts[class] as f64 / self.predicted.len() as f64
    }

    fn confidence(&self) -> f64 {
        self.sure.iter().sum::<f64>() / self.predicted.len() as f64
    }
}

impl Likeness {
    /// Of the `generated` images, beside the `test` images, whose labels are these, and `training` images.
    ///
    /// # Panics
    /// If there are fewer than two images of a kind.
    pub fn new(
        generated: &Examined,
        (test, labels): (&Examined, &[Option<u16>]),
        training: Option<&Examined>,
        class_names: &[String],
    ) -> Likeness {
        let k = class_names.len();
        let (made, real) = (Taken::of(&generated.logits, k), Taken::of(&test.logits, k));
        let right = real.predicted.iter().zip(labels).filter(|&(&p, l)| *l == Some(p as u16)).count();
        let entropy: f64 =
            (0..k).map(|class| made.share(class)).filter(|&p| p > 0.0).map(|p| -p * p.ln()).sum();
        let class = |(i, name): (usize, &String)| ClassLikeness {
            class: name.clone(),
            test: real.share(i),
            generated: made.share(i),
            confidence: (made.counts[i] > 0).then(|| made.sure[i] / made.counts[i] as f64),
        };
        Likeness {
            images: generated.moments.images(),
            features: generated.moments.features(),
            frechet_distance: frechet_distance(&generated.moments, &test.moments),
            frechet_distance_of_training_images: training
                .map(|training| frechet_distance(&training.moments, &test.moments)),
            examiner_accuracy: right as f64 / labels.len() as f64,
            effective_classes: entropy.exp(),
            confidence: made.confidence(),
            confidence_of_test_images: real.confidence(),
            classes: class_names.iter().enumerate().map(class).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::FeatureMoments;

    /// Images of one feature, with two logits each.
    fn examined(images: &[(f32, [f32; 2])]) -> Examined {
        let mut moments = FeatureMoments::new(1);
        images.iter().for_each(|(f, _)| moments.add(1, &[*f], &[0.0]));
        Examined { logits: images.iter().flat_map(|(_, logits)| *logits).collect(), moments }
    }

    #[test]
    fn classes_are_counted() {
        let sure = 3f32.ln();
        let test = examined(&[(0.0, [sure, 0.0]), (2.0, [0.0, sure]), (0.0, [sure, 0.0]), (2.0, [0.0, 9.0])]);
        let generated = examined(&[(4.0, [sure, 0.0]), (6.0, [0.0, 0.0]), (5.0, [sure, 0.0])]);
        let labels = [Some(0), Some(1), Some(1), Some(1)];
        let names = ["ant", "bee"].map(String::from);
        let l = Likeness::new(&generated, (&test, &labels), Some(&test), &names);
        assert_eq!((l.images, l.features), (3, 1));
        assert_eq!(l.examiner_accuracy, 0.75);
        assert!((l.effective_classes - 1.0).abs() < 1e-12, "{}", l.effective_classes);
        assert!((l.confidence - (0.75 + 0.75 + 0.5) / 3.0).abs() < 1e-6, "{}", l.confidence);
        assert!((l.classes[0].test, l.classes[0].generated) == (0.5, 1.0));
        assert_eq!((l.classes[1].class.as_str(), l.classes[1].confidence), ("bee", None));
        // Means 5 and 1, variances 1 and 4/3.
        let apart = 16.0 + (1.0 - (4.0f64 / 3.0).sqrt()).powi(2);
        assert!((l.frechet_distance - apart).abs() < 1e-6, "{} {apart}", l.frechet_distance);
        assert!(l.frechet_distance_of_training_images.unwrap().abs() < 1e-9);
        // Both classes, as often: two of them.
        let both = Likeness::new(&test, (&test, &labels), None, &names);
        assert!((both.effective_classes - 2.0).abs() < 1e-12);
        assert_eq!(both.frechet_distance_of_training_images, None);
    }
}
