//! What a run keeps of the user's images, `images.npz` in its folder: those that it is tested on with their labels, and which
//! it learnt the labels of, by hash. The folder that they came from grows, moves and is labelled further.

use super::folder::{CHECKPOINTS, RunDir};
use crate::app::source::packed::npz::{self, Array};
use crate::data::{Dataset, Split, Tested};
use crate::error::{Error, Result};
use crate::shape::Dims;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::path::Path;

/// The file's name.
const FILE: &str = "images.npz";

/// The arrays of the test images and of their labels.
const fn names(tested: Tested) -> [&'static str; 2] {
    match tested {
        Tested::HeldOut => ["held_out_images", "held_out_labels"],
        Tested::Apart => ["test_images", "test_labels"],
    }
}

/// The array of hashes of the images whose labels were learnt.
const LEARNT: &str = "learnt_sha256";
/// The array of the data set's fingerprint, in ASCII.
const DATA: &str = "data_sha256";

/// Bytes of a hash.
const HASH: usize = 32;

/// What a run knows of its images without the folder that they came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptImages {
    /// The size of an image.
    pub image: Dims,
    /// What it is tested on; there may be none.
    pub test: Split,
    /// What these images are.
    pub tested: Tested,
    /// SHA-256 of the pixels of each image whose label it learnt, or chose its checkpoints by.
    learnt: HashSet<[u8; HASH]>,
    /// [`Dataset::fingerprint`] of all its images.
    pub data_sha256: String,
}

impl KeptImages {
    /// Of a data set of which a run knows the labels of the training images `labelled`.
    pub fn of(set: &Dataset, labelled: impl Iterator<Item = u32>) -> KeptImages {
        let size = set.shape.image.len() as usize;
        let hash = |i: u32| sha256(&set.train.images[i as usize * size..][..size]);
        KeptImages {
            image: set.shape.image,
            test: set.test.clone(),
            tested: set.tested,
            learnt: labelled.map(hash).collect(),
            data_sha256: set.fingerprint.clone(),
        }
    }

    /// Those that the run keeps which a checkpoint is of; `None` where it lies in no run's folder, or in one that keeps none.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] naming the file where it is damaged; [`Error::Io`].
    pub fn load(checkpoint: &Path) -> Result<Option<KeptImages>> {
        // The whole path: in that folder a file's name alone is one, too.
        let whole = dunce::canonicalize(checkpoint).map_err(Error::io("read", checkpoint))?;
        let saved = whole.parent().filter(|folder| folder.ends_with(CHECKPOINTS));
        let file = saved.and_then(Path::parent).map(|run| run.join(FILE));
        let Some(file) = file.filter(|file| file.is_file()) else { return Ok(None) };
        let ([held_out, its_labels], [apart, their_labels]) = (names(Tested::HeldOut), names(Tested::Apart));
        let read = npz::arrays(&file, [held_out, its_labels, apart, their_labels, LEARNT, DATA])?;
        let kept = read.and_then(KeptImages::parse);
        kept.map(Some).map_err(|reason| Error::Checkpoint {
            path: file,
            reason: format!("{reason}: the file is damaged; move it away, and the run is tested on its images as they are now"),
        })
    }

    fn parse(arrays: [Option<Array>; 6]) -> std::result::Result<KeptImages, String> {
        let [held_out, its_labels, apart, their_labels, learnt, data] = arrays;
        let (tested, images, labels) = match held_out.is_some() {
            true => (Tested::HeldOut, held_out, its_labels),
            false => (Tested::Apart, apart, their_labels),
        };
        let (Some(images), Some(labels), Some(learnt), Some(data)) = (images, labels, learnt, data) else {
            return Err("an array is missing".into());
        };
        let (image, pixels) = npz::pixels(images)?;
        let labels = npz::numbers(labels)?;
        let class = |label| u16::try_from(label).map(Some).map_err(|_| format!("label {label}"));
        let labels = labels.into_iter().map(class).collect::<std::result::Result<Vec<_>, _>>()?;
        if pixels.len() as u64 != labels.len() as u64 * u64::from(image.len()) {
            return Err("another number of images than of labels".into());
        }
        let (hashes, rest) = learnt.bytes.as_chunks::<HASH>();
        if !rest.is_empty() {
            return Err("hashes of another length".into());
        }
        Ok(KeptImages {
            image,
            test: Split { images: pixels.into(), labels },
            tested,
            learnt: hashes.iter().copied().collect(),
            data_sha256: String::from_utf8(data.bytes).map_err(|_| format!("{DATA} is no text"))?,
        })
    }

    /// Writes the file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn save(&self, dir: &mut RunDir) -> Result<()> {
        dir.write(FILE, &self.to_bytes()?)
    }

    /// The file's bytes; those of equal images are equal.
    fn to_bytes(&self) -> Result<Vec<u8>> {
        let Dims { height, width, channels } = self.image;
        let array =
            |kind: &str, shape: &[u64], bytes| Array { kind: kind.into(), shape: shape.into(), bytes };
        let n = self.test.len() as u64;
        let labels = self.test.labels.iter().flatten().flat_map(|label| label.to_le_bytes()).collect();
        let mut learnt: Vec<[u8; HASH]> = self.learnt.iter().copied().collect();
        learnt.sort_unstable();
        let [images_name, labels_name] = names(self.tested);
        let shape = [n, height.into(), width.into(), channels.into()];
        npz::to_bytes(&[
            (images_name, array("|u1", &shape, self.test.images.to_vec())),
            (labels_name, array("<u2", &[n], labels)),
            (LEARNT, array("|u1", &[learnt.len() as u64, HASH as u64], learnt.concat())),
            (DATA, array("|u1", &[self.data_sha256.len() as u64], self.data_sha256.clone().into_bytes())),
        ])
    }

    /// Whether the run learnt the label of an image of these pixels.
    pub fn learnt(&self, pixels: &[u8]) -> bool {
        self.learnt.contains(&sha256(pixels))
    }
}

fn sha256(pixels: &[u8]) -> [u8; HASH] {
    Sha256::digest(pixels).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::DataShape;
    use std::fs;

    fn kept(classes: u16) -> KeptImages {
        let shape = DataShape { image: Dims { height: 2, width: 2, channels: 3 }, classes: classes.into() };
        let labels = (0..12).map(|i| i % classes);
        let train = Split::labelled((0..12 * 12).collect(), labels);
        let set = Dataset::new("few", shape, train, Split::default()).unwrap().hold_out(0.2, 1).unwrap();
        KeptImages::of(&set, [0, 3].into_iter())
    }

    /// As it is read from the folder of a run, by one of its checkpoints.
    fn read(bytes: &[u8]) -> Result<Option<KeptImages>> {
        let run = tempfile::tempdir().unwrap();
        fs::create_dir(run.path().join(CHECKPOINTS)).unwrap();
        let checkpoint = run.path().join("checkpoints/epoch-01.safetensors");
        fs::write(&checkpoint, "").unwrap();
        assert_eq!(KeptImages::load(&checkpoint).unwrap(), None);
        fs::write(run.path().join(FILE), bytes).unwrap();
        KeptImages::load(&checkpoint)
    }

    #[test]
    fn what_is_kept_is_read() {
        let mut kept = kept(2);
        assert_eq!((kept.test.len(), kept.tested), (2, Tested::HeldOut));
        assert_eq!(read(&kept.to_bytes().unwrap()).unwrap().as_ref(), Some(&kept));
        assert_eq!(kept.to_bytes().unwrap(), kept.to_bytes().unwrap());
        let pixels = |i: u8| (12 * i..12 * (i + 1)).collect::<Vec<u8>>();
        assert_eq!([0, 1, 3].map(|i| kept.learnt(&pixels(i))), [true, false, true]);
        // Labels of two bytes, images of a part of their own, and none.
        kept.tested = Tested::Apart;
        kept.test.labels[1] = Some(300);
        assert_eq!(read(&kept.to_bytes().unwrap()).unwrap().as_ref(), Some(&kept));
        kept.test = Split::default();
        assert_eq!(read(&kept.to_bytes().unwrap()).unwrap().as_ref(), Some(&kept));
    }

    #[test]
    fn a_damaged_file_is_told() {
        let kept = kept(3);
        let good = kept.to_bytes().unwrap();
        for bytes in [&good[..good.len() / 2], &npz::to_bytes(&[]).unwrap(), b""] {
            let e = read(bytes).unwrap_err();
            assert!(e.exit_code() == 7 && e.to_string().contains("images.npz"), "{e}");
        }
        // Some bytes of an archive mean nothing; none gives other images.
        let mut refused = 0;
        for i in (0..good.len()).step_by(7) {
            let mut changed = good.clone();
            changed[i] ^= 0x55;
            match read(&changed) {
                Ok(read) => assert_eq!(read.as_ref(), Some(&kept), "byte {i}"),
                Err(e) => refused += usize::from(e.exit_code() == 7),
            }
        }
        assert!(refused > good.len() / 14, "{refused} of {}", good.len());
    }
}
