//! An estimate of the accuracy where there is no test set: labels that training does not see.

use super::{Dataset, Split, Tested, fingerprint};
use crate::error::{Error, Result};
use crate::rng::{Counter, permute, streams};
use std::collections::{HashMap, HashSet};

/// A class with fewer labels keeps them all: each is worth more in training than as a hundredth of an estimate.
const FEWEST: usize = 5;

impl Dataset {
    /// Sets aside `share` of the labels of each class that has at least five, at least one of them, chosen by `label_seed`:
    /// copies of these images become the test set, and the images themselves stay among the training images without their
    /// labels. Without such a class, the test set is empty. Equal images count once, and where one is held out, none of them keeps
    /// its label; those with several labels are not held out.
    ///
    /// # Errors
    /// [`Error::Usage`] for a share that is not from 0 to below 1; [`Error::Data`] if there is a test set already, and those of
    /// [`Dataset::check`].
    pub fn hold_out(self, share: f64, label_seed: u64) -> Result<Dataset> {
        if !(0.0..1.0).contains(&share) {
            return Err(Error::Usage(format!(
                "hold_out = {share}: use a number from 0 to below 1, such as 0.2"
            )));
        }
        if !self.test.is_empty() {
            return Err(Error::Data(format!("{} has a test set: nothing need be held out", self.name)));
        }
        self.check()?;
        let Dataset { mut train, shape, .. } = self;
        let of = equal_ones(&train, shape.image.len() as usize);
        let mut pictures = vec![0; shape.classes as usize];
        for (i, label) in train.labels.iter().enumerate() {
            label
                .filter(|_| of[i] == Some(i))
                .into_iter()
                .for_each(|label| pictures[usize::from(label)] += 1);
        }
        let wanted: Vec<usize> = pictures.iter().map(|&n| held_out(n, share)).collect();
        let pixels = shape.image.len() as usize;
        let (mut images, mut labels) = (vec![], vec![]);
        let chosen = walk(&train, &of, label_seed, wanted);
        for &index in &chosen {
            images.extend_from_slice(&train.images[index * pixels..(index + 1) * pixels]);
            labels.push(train.labels[index]);
        }
        let chosen: HashSet<Option<usize>> = chosen.into_iter().map(|index| of[index]).collect();
        for (label, first) in train.labels.iter_mut().zip(&of) {
            label.take_if(|_| first.is_some() && chosen.contains(first));
        }
        let test = Split { images: images.into(), labels };
        let tested = if test.is_empty() { Tested::Apart } else { Tested::HeldOut };
        Ok(Dataset { fingerprint: fingerprint(shape, [&train, &test]), train, test, tested, ..self })
    }
}

/// How many of a class's `n` labels are held out.
fn held_out(n: usize, share: f64) -> usize {
    match n {
        _ if share == 0.0 || n < FEWEST => 0,
        _ => ((n as f64 * share).round() as usize).clamp(1, n - 1),
    }
}

/// For each labelled image the first with the same pixels; none for images without a label, and for equal ones that have several
/// labels, of which nobody knows which is right.
fn equal_ones(train: &Split, pixels: usize) -> Vec<Option<usize>> {
    let labelled = || {
        let images = train.images.chunks_exact(pixels).zip(&train.labels).enumerate();
        images.filter_map(|(i, (image, label))| Some((i, image, (*label)?)))
    };
    let mut first: HashMap<&[u8], (usize, u16)> = HashMap::new();
    let mut unclear = HashSet::new();
    for (i, image, label) in labelled() {
        if first.entry(image).or_insert((i, label)).1 != label {
            unclear.insert(image);
        }
    }
    let mut of = vec![None; train.len()];
    for (i, image, _) in labelled().filter(|(_, image, _)| !unclear.contains(image)) {
        of[i] = first.get(image).map(|(first, _)| *first);
    }
    of
}

/// The first images of a pseudo-random order that fill what is `wanted` of each class, in the order of their numbers: one of
/// those that are equal, see [`equal_ones`].
fn walk(train: &Split, of: &[Option<usize>], label_seed: u64, mut wanted: Vec<usize>) -> Vec<usize> {
    let at = Counter { stream: streams::HOLD_OUT_CHOICE, step: 0 };
    let total = train.len() as u32;
    let (mut chosen, mut taken) = (vec![], HashSet::new());
    for i in 0..total {
        let index = permute(label_seed, at, i, total) as usize;
        let (Some(label), Some(first)) = (train.labels[index], of[index]) else { continue };
        let left = &mut wanted[usize::from(label)];
        if *left > 0 && taken.insert(first) {
            *left -= 1;
            chosen.push(index);
        }
    }
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::{DataShape, Dims};
    use std::sync::Arc;

    /// Ten images of class 0, four of class 1, seven without a label; the pixel is the image's number.
    fn data() -> Dataset {
        let shape = DataShape { image: Dims::flat(1), classes: 2 };
        let label = |i: u8| match i % 3 {
            0 if i < 30 => Some(0),
            1 if i < 12 => Some(1),
            _ => None,
        };
        let train = Split { images: Arc::new((0..31).collect()), labels: (0..31).map(label).collect() };
        Dataset::new("some", shape, train, Split::default()).unwrap()
    }

    #[test]
    fn labels_are_moved_and_images_stay() {
        let (before, after) = (data(), data().hold_out(0.2, 1).unwrap());
        assert_eq!(
            (after.tested, after.test.labels.as_slice()),
            (Tested::HeldOut, [Some(0), Some(0)].as_slice())
        );
        assert_eq!(after.train.images, before.train.images);
        assert_eq!(after.train.per_class(2), [8, 4]);
        for (image, label) in after.test.images.iter().zip(&after.test.labels) {
            assert_eq!(before.train.labels[usize::from(*image)], *label);
            assert_eq!(after.train.labels[usize::from(*image)], None);
        }
        assert_ne!(after.fingerprint, before.fingerprint);
        assert_eq!(after, data().hold_out(0.2, 1).unwrap());
        assert_ne!(after.test, data().hold_out(0.2, 2).unwrap().test);
        after.check().unwrap();
    }

    /// Each picture of class 0 is there twice: no twin of one that is held out is learnt from.
    #[test]
    fn equal_images_stay_together() {
        let DataShape { image, .. } = data().shape;
        let pixels: Vec<u8> =
            (0..10).chain(0..10).chain([50, 51, 51, 51, 51]).chain(60..65).chain(60..65).collect();
        let labels = [0u16; 20].into_iter().chain([1; 5]).chain([0; 5]).chain([1; 5]);
        let train = Split::labelled(pixels, labels);
        let twice = Dataset::new("twice", DataShape { image, classes: 2 }, train, Split::default()).unwrap();
        let held = twice.hold_out(0.2, 1).unwrap();
        // Of class 1 there are ten labels, but two pictures, and five that are of class 0 as well.
        assert_eq!((held.test.len(), held.train.per_class(2)), (2, vec![21, 10]));
        assert!(held.test.images.iter().all(|image| *image < 10));
        for (image, label) in held.train.images.iter().zip(&held.train.labels) {
            assert_eq!(label.is_none(), held.test.images.contains(image));
        }
    }

    #[test]
    fn a_class_keeps_a_label_and_few_labels_stay_together() {
        assert_eq!(
            [(4, 0.2), (5, 0.2), (5, 0.01), (5, 0.99), (100, 0.2), (9, 0.0)].map(|(n, s)| held_out(n, s)),
            [0, 1, 1, 4, 20, 0]
        );
        assert!(data().hold_out(0.0, 1).unwrap().test.is_empty());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for share in [1.0, -0.1, f64::NAN] {
            assert!(matches!(data().hold_out(share, 1), Err(Error::Usage(_))), "{share}");
        }
        assert!(matches!(data().hold_out(0.2, 1).unwrap().hold_out(0.2, 1), Err(Error::Data(_))));
    }
}
