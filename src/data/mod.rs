//! Data sets in memory: images as bytes and their labels, the synthetic `digits`, and which training images count as
//! labelled. Knows nothing of files and of GPUs.

pub mod digits;
mod gradients;
mod hold_out;
mod k_means;
mod labels;
mod raster;
mod representatives;
mod skeleton;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::shape::{DataShape, Dims};
use crate::text::hex;
use std::sync::Arc;

pub use k_means::{Clusters, k_means, squared_distance};
pub use labels::{
    LabelCount, check_balance, choose, choose_by_clusters, choose_unlabelled, split_validation,
};
pub use representatives::{Representative, representatives};

/// Images and their labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Split {
    /// Pixels, `N x H x W x C`, 0 is background (black), 255 is full intensity. Shared, since a trainer may keep them.
    pub images: Arc<Vec<u8>>,
    /// Classes, N values below K; `None` where an image has no label.
    pub labels: Vec<Option<u16>>,
}

impl Split {
    /// Images of which each has a label.
    pub fn labelled<L: Into<u16>>(images: Vec<u8>, labels: impl IntoIterator<Item = L>) -> Split {
        Split { images: images.into(), labels: labels.into_iter().map(|label| Some(label.into())).collect() }
    }
    /// N.
    pub fn len(&self) -> usize {
        self.labels.len()
    }
    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
    /// How many images of each of K classes have a label.
    pub fn per_class(&self, classes: u32) -> Vec<usize> {
        let mut counts = vec![0; classes as usize];
        for label in self.labels.iter().flatten() {
            if let Some(n) = counts.get_mut(usize::from(*label)) {
                *n += 1;
            }
        }
        counts
    }
    /// Those of these pixels, of the same size.
    ///
    /// # Panics
    /// If an image has no pixel.
    pub fn only(&self, image: Dims, wanted: impl Fn(&[u8]) -> bool) -> Split {
        let images = self.images.chunks_exact(image.len() as usize).zip(self.labels.iter().copied());
        let (images, labels): (Vec<&[u8]>, Vec<_>) = images.filter(|(pixels, _)| wanted(pixels)).unzip();
        Split { images: images.concat().into(), labels }
    }
    /// How many images have a label.
    pub fn labels_given(&self) -> usize {
        self.labels.iter().flatten().count()
    }
}

/// Where the images come from that a data set is tested on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tested {
    /// They are a part of their own.
    #[default]
    Apart,
    /// They are training images whose labels were set aside, see [`Dataset::hold_out`].
    HeldOut,
}

/// A whole data set in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Its name.
    pub name: String,
    /// Size of an image, and K.
    pub shape: DataShape,
    /// Names of the K classes.
    pub class_names: Vec<String>,
    /// Images to learn from; only some of their labels may be looked at, see [`choose`].
    pub train: Split,
    /// Images to test on, each with its label. There may be none: then nothing can be said of the accuracy. A data set that
    /// a model is only tested on has no training images.
    pub test: Split,
    /// What the test images are.
    pub tested: Tested,
    /// Hexadecimal SHA-256 of the shape, the counts and every byte: what a run records, and what tells
    /// whether two runs saw the same data.
    pub fingerprint: String,
}

impl Dataset {
    /// Puts a data set together whose classes are called by their numbers.
    ///
    /// # Errors
    /// [`Error::Data`] if pixels and labels disagree in number, a label is not below K, or a
    /// test image has no label.
    pub fn new(name: impl Into<String>, shape: DataShape, train: Split, test: Split) -> Result<Dataset> {
        let class_names = (0..shape.classes).map(|class| class.to_string()).collect();
        Dataset::with_classes(name, shape, class_names, train, test)
    }

    /// As [`Dataset::new`], with names for the classes.
    ///
    /// # Errors
    /// As [`Dataset::new`]; [`Error::Data`] if there are not K names.
    pub fn with_classes(
        name: impl Into<String>,
        shape: DataShape,
        class_names: Vec<String>,
        train: Split,
        test: Split,
    ) -> Result<Dataset> {
        let (name, tested) = (name.into(), Tested::Apart);
        let data = Dataset { name, shape, class_names, train, test, tested, fingerprint: String::new() };
        data.check()?;
        Ok(Dataset { fingerprint: fingerprint(shape, [&data.train, &data.test]), ..data })
    }

    /// Tests on fewer images: those of these pixels.
    pub fn keep_tested(&mut self, wanted: impl Fn(&[u8]) -> bool) {
        self.test = self.test.only(self.shape.image, wanted);
        self.fingerprint = fingerprint(self.shape, [&self.train, &self.test]);
    }

    /// Whether the parts fit together, which anybody may have changed.
    ///
    /// # Errors
    /// As [`Dataset::with_classes`].
    pub fn check(&self) -> Result<()> {
        let shape = self.shape;
        if self.class_names.len() != shape.classes as usize {
            let (names, k) = (self.class_names.len(), shape.classes);
            return Err(Error::Data(format!("{names} names for {k} classes")));
        }
        for (what, split) in [("training", &self.train), ("test", &self.test)] {
            let fail = |reason: String| Err(Error::Data(format!("{what} set: {reason}")));
            if shape.image.values() > u32::MAX.into() {
                return fail(format!("images of {}", shape.image));
            }
            let pixels = split.labels.len() as u64 * u64::from(shape.image.len());
            if shape.image.is_empty() {
                return fail("images without a pixel".into());
            }
            if split.images.len() as u64 != pixels {
                return fail(format!("{} bytes of pixels where {pixels} are needed", split.images.len()));
            }
            if let Some(l) = split.labels.iter().flatten().find(|&&l| u32::from(l) >= shape.classes) {
                let last = shape.classes.saturating_sub(1);
                return fail(format!("label {l}, but the classes are 0 to {last}"));
            }
        }
        match self.test.labels.iter().position(Option::is_none) {
            Some(i) => Err(Error::Data(format!("test set: image {i} has no label"))),
            None => Ok(()),
        }
    }
}

/// Labels as bytes, 255 where there is none; of more than 255 classes in two bytes, little-endian.
fn fingerprint(shape: DataShape, splits: [&Split; 2]) -> String {
    let mut hash = Sha256::new();
    for n in [shape.image.height, shape.image.width, shape.image.channels, shape.classes] {
        hash.update(n.to_le_bytes());
    }
    let size = if shape.classes <= 255 { 1 } else { 2 };
    for split in splits {
        hash.update((split.len() as u64).to_le_bytes());
        hash.update(&split.images[..]);
        let labels = split.labels.iter();
        let bytes = labels.flat_map(|label| label.unwrap_or(u16::MAX).to_le_bytes().into_iter().take(size));
        hash.update(bytes.collect::<Vec<u8>>());
    }
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiny(label: u16) -> Result<Dataset> {
        let shape = DataShape { image: Dims { height: 1, width: 2, channels: 1 }, classes: 2 };
        let split = |label| Split::labelled(vec![1, 2], [label]);
        Dataset::new("tiny", shape, split(label), split(0))
    }

    #[test]
    fn the_fingerprint_depends_on_every_byte() {
        assert_eq!(tiny(0).unwrap().fingerprint, tiny(0).unwrap().fingerprint);
        assert_ne!(tiny(0).unwrap().fingerprint, tiny(1).unwrap().fingerprint);
        assert_eq!(tiny(0).unwrap().fingerprint.len(), 64);
    }

    /// What was put together rightly may have been taken apart since.
    #[test]
    fn parts_that_no_longer_fit_are_refused() {
        let mut data = tiny(0).unwrap();
        data.test.labels[0] = Some(7);
        assert!(data.check().is_err_and(|e| e.to_string().contains("test set: label 7")));
        let mut data = tiny(0).unwrap();
        Arc::make_mut(&mut data.train.images).pop();
        assert!(data.check().is_err_and(|e| e.to_string().contains("training set: 1 bytes")));
    }

    #[test]
    fn some_test_images_can_be_left_out() {
        let shape = DataShape { image: Dims { height: 1, width: 2, channels: 1 }, classes: 2 };
        let test = Split::labelled(vec![1, 2, 3, 4, 5, 6], [0u16, 1, 1]);
        let mut data = Dataset::new("few", shape, Split::default(), test).unwrap();
        let before = data.fingerprint.clone();
        data.keep_tested(|pixels| pixels != [3, 4]);
        assert_eq!(data.test, Split::labelled(vec![1, 2, 5, 6], [0u16, 1]));
        assert_ne!(data.fingerprint, before);
    }

    #[test]
    fn labels_must_be_classes() {
        let e = tiny(2).unwrap_err();
        assert!(matches!(&e, Error::Data(m) if m.contains("label 2")), "{e}");
    }
}
