//! Data sets in memory: images as bytes and their labels, the synthetic `digits`, and which training images count as
//! labelled. Knows nothing of files and of GPUs.

pub mod digits;
mod labels;
mod raster;
mod skeleton;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::shape::DataShape;
use crate::text::hex;

pub use labels::{check_balance, choose, choose_unlabelled, split_validation};

/// Images and their labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Pixels, `N x H x W x C`, 0 is background (black), 255 is full intensity.
    pub images: Vec<u8>,
    /// Classes, N values below K.
    pub labels: Vec<u8>,
}

impl Split {
    /// N.
    pub fn len(&self) -> usize {
        self.labels.len()
    }
    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// A whole data set in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Its name.
    pub name: String,
    /// Size of an image, and K.
    pub shape: DataShape,
    /// Images to learn from; only some of their labels may be looked at, see [`choose`].
    pub train: Split,
    /// Images to test on.
    pub test: Split,
    /// Hexadecimal SHA-256 of the shape, the counts and every byte: what a run records, and what tells
    /// whether two runs saw the same data.
    pub fingerprint: String,
}

impl Dataset {
    /// Puts a data set together.
    ///
    /// # Errors
    /// [`Error::Data`] if a split is empty, pixels and labels disagree in number, or a label is not below K.
    pub fn new(name: impl Into<String>, shape: DataShape, train: Split, test: Split) -> Result<Dataset> {
        let data = Dataset { name: name.into(), shape, train, test, fingerprint: String::new() };
        data.check()?;
        Ok(Dataset { fingerprint: fingerprint(shape, [&data.train, &data.test]), ..data })
    }

    /// Whether the parts fit together, which anybody may have changed.
    ///
    /// # Errors
    /// As [`Dataset::new`].
    pub fn check(&self) -> Result<()> {
        let shape = self.shape;
        for (what, split) in [("training", &self.train), ("test", &self.test)] {
            let fail = |reason: String| Err(Error::Data(format!("{what} set: {reason}")));
            let pixels = split.labels.len() as u64 * u64::from(shape.image.len());
            if split.is_empty() || shape.image.is_empty() {
                return fail("no images".into());
            }
            if split.images.len() as u64 != pixels {
                return fail(format!("{} bytes of pixels where {pixels} are needed", split.images.len()));
            }
            if let Some(l) = split.labels.iter().find(|&&l| u32::from(l) >= shape.classes) {
                let last = shape.classes.saturating_sub(1);
                return fail(format!("label {l}, but the classes are 0 to {last}"));
            }
        }
        Ok(())
    }
}

fn fingerprint(shape: DataShape, splits: [&Split; 2]) -> String {
    let mut hash = Sha256::new();
    for n in [shape.image.height, shape.image.width, shape.image.channels, shape.classes] {
        hash.update(n.to_le_bytes());
    }
    for split in splits {
        hash.update((split.len() as u64).to_le_bytes());
        hash.update(&split.images);
        hash.update(&split.labels);
    }
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Dims;

    fn tiny(label: u8) -> Result<Dataset> {
        let shape = DataShape { image: Dims { height: 1, width: 2, channels: 1 }, classes: 2 };
        let split = |label| Split { images: vec![1, 2], labels: vec![label] };
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
        data.test.labels[0] = 7;
        assert!(data.check().is_err_and(|e| e.to_string().contains("test set: label 7")));
        let mut data = tiny(0).unwrap();
        data.train.images.pop();
        assert!(data.check().is_err_and(|e| e.to_string().contains("training set: 1 bytes")));
    }

    #[test]
    fn labels_must_be_classes() {
        let e = tiny(2).unwrap_err();
        assert!(matches!(&e, Error::Data(m) if m.contains("label 2")), "{e}");
    }
}
