//! What a run keeps of the user's images, `images.npz` in its folder: those that it is tested on with their labels, and which
//! it learnt the labels of, by hash. The folder that they came from grows, moves and is labelled further.

use super::folder::RunDir;
use super::saved::run_of;
use super::weights::Origin;
use crate::app::report::progress::Progress;
use crate::app::source::packed::npz::{self, Array};
use crate::app::text::count;
use crate::data::{Dataset, Split, Tested};
use crate::error::{Error, Result};
use crate::shape::Dims;
use crate::text::hex;
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

/// The array of SHA-256 of the pixels of images whose labels were learnt: of all of them, or of those that are known.
const LEARNT: &str = "learnt_sha256";
const SOME_LEARNT: &str = "some_learnt_sha256";
/// The array of one number: test images that are not kept, as the weights had learnt them that the run began with.
const LEFT_OUT: &str = "test_images_learnt_before";
/// The array of the data set's fingerprint, in ASCII.
const DATA: &str = "data_sha256";

/// Before hashes of which there are others.
const INCOMPLETE: &str = "and others: ";

/// Bytes of a hash.
const HASH: usize = 32;

/// Most bytes of test images that are kept; of more, the run is tested on its images as they are.
const MOST: usize = 256 << 20;

/// Which images a run has learnt the labels of, or chose its checkpoints by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learnt {
    hashes: HashSet<[u8; HASH]>,
    /// Whether there are no others, which weights had learnt that a run began with.
    complete: bool,
}

/// The test images of a run without the folder that they came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestImages {
    /// The size of an image.
    pub image: Dims,
    /// The images.
    pub split: Split,
    /// What these images are.
    pub tested: Tested,
    /// How many more there were, which the weights had learnt that the run began with.
    pub left_out: u64,
}

impl Learnt {
    /// Whether the run learnt the label of an image of these pixels.
    pub fn contains(&self, pixels: &[u8]) -> bool {
        self.hashes.contains(&sha256(pixels))
    }

    /// As a text: the hashes in hexadecimal digits, after [`INCOMPLETE`] where there are others.
    pub(super) fn to_text(&self) -> String {
        let mark = if self.complete { "" } else { INCOMPLETE };
        format!("{mark}{}", hex(self.sorted().as_flattened()))
    }

    /// What [`Learnt::to_text`] wrote; what is no hash is passed over.
    pub(super) fn from_text(text: &str) -> Learnt {
        let (complete, text) = text.strip_prefix(INCOMPLETE).map_or((true, text), |rest| (false, rest));
        let digit = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Vec<u8> = text.as_bytes().as_chunks::<2>().0.iter().filter_map(digit).collect();
        Learnt { hashes: bytes.as_chunks::<HASH>().0.iter().copied().collect(), complete }
    }

    fn sorted(&self) -> Vec<[u8; HASH]> {
        let mut hashes: Vec<[u8; HASH]> = self.hashes.iter().copied().collect();
        hashes.sort_unstable();
        hashes
    }

    /// What the run of a checkpoint has learnt, which was trained on data of this fingerprint; `None` where the checkpoint lies
    /// in no run's folder, or in one that does not tell.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] naming the file where it is damaged; [`Error::Io`].
    pub fn of(checkpoint: &Path, data_sha256: &str) -> Result<Option<Learnt>> {
        read(checkpoint, data_sha256, [LEARNT, SOME_LEARNT], |[all, some]| {
            let complete = all.is_some();
            let learnt = all.or(some).ok_or("an array is missing")?;
            let (hashes, rest) = learnt.bytes.as_chunks::<HASH>();
            match rest {
                [] => Ok(Learnt { hashes: hashes.iter().copied().collect(), complete }),
                _ => Err("hashes of another length".to_string()),
            }
        })
    }
}

impl TestImages {
    /// Those that the run of a checkpoint keeps, as [`Learnt::of`].
    ///
    /// # Errors
    /// As [`Learnt::of`].
    pub fn of(checkpoint: &Path, data_sha256: &str) -> Result<Option<TestImages>> {
        let ([held_out, its_labels], [apart, their_labels]) = (names(Tested::HeldOut), names(Tested::Apart));
        let arrays = [held_out, its_labels, apart, their_labels, LEFT_OUT];
        read(checkpoint, data_sha256, arrays, |[held_out, its_labels, apart, their_labels, left_out]| {
            let left_out = left_out.map(npz::numbers).transpose()?;
            let left_out = left_out.and_then(|n| n.first().copied()).map_or(0, i64::unsigned_abs);
            match ((held_out, its_labels), (apart, their_labels)) {
                ((Some(images), Some(labels)), _) => {
                    TestImages::parse(images, labels, (Tested::HeldOut, left_out)).map(Some)
                }
                (_, (Some(images), Some(labels))) => {
                    TestImages::parse(images, labels, (Tested::Apart, left_out)).map(Some)
                }
                // They were too many, or are of a data set that has a name.
                ((None, None), (None, None)) => Ok(None),
                _ => Err("an array is missing".into()),
            }
        })
        .map(Option::flatten)
    }

    fn parse(
        images: Array,
        labels: Array,
        (tested, left_out): (Tested, u64),
    ) -> std::result::Result<TestImages, String> {
        let (image, pixels) = npz::pixels(images)?;
        let class = |label| u16::try_from(label).map(Some).map_err(|_| format!("label {label}"));
        let labels: Vec<_> =
            npz::numbers(labels)?.into_iter().map(class).collect::<std::result::Result<_, _>>()?;
        if pixels.len() as u64 != labels.len() as u64 * u64::from(image.len()) {
            return Err("another number of images than of labels".into());
        }
        Ok(TestImages { image, split: Split { images: pixels.into(), labels }, tested, left_out })
    }
}

/// What `parse` makes of arrays that the run of a checkpoint keeps; `None` where it keeps none, or those of other data: then the
/// checkpoint was put into another run's folder.
fn read<const N: usize, T>(
    checkpoint: &Path,
    data_sha256: &str,
    arrays: [&str; N],
    parse: impl FnOnce([Option<Array>; N]) -> std::result::Result<T, String>,
) -> Result<Option<T>> {
    let file = run_of(checkpoint)?.map(|run| run.join(FILE));
    let Some(file) = file.filter(|file| file.is_file()) else { return Ok(None) };
    let damaged = |reason: String| Error::Checkpoint {
        path: file.clone(),
        reason: format!(
            "{reason}: the file is damaged; move it away, and the run is tested on its own images if they are unchanged"
        ),
    };
    let [data] = npz::arrays(&file, [DATA])?.map_err(damaged)?;
    let data = data.ok_or_else(|| damaged("an array is missing".into()))?;
    if data.bytes != data_sha256.as_bytes() {
        return Ok(None);
    }
    npz::arrays(&file, arrays)?.and_then(parse).map(Some).map_err(damaged)
}

/// Writes down which training images a run knows the labels of, `labelled`, and of the user's images, where it is trained on those
/// (`own`), the test images. What the weights have learnt that it begins with, this run has, too, and is not tested on; what is
/// known of that is told.
///
/// # Errors
/// [`Error::Io`] where the file cannot be written.
pub(super) fn keep(
    dir: &mut RunDir,
    (set, own): (&Dataset, bool),
    labelled: impl Iterator<Item = u32>,
    origin: Option<&Origin>,
    progress: &Progress,
) -> Result<()> {
    let size = set.shape.image.len() as usize;
    let hashes = labelled.map(|i| sha256(&set.train.images[i as usize * size..][..size]));
    let mut learnt = Learnt { hashes: hashes.collect(), complete: true };
    let mut test = set.test.clone();
    if let Some(origin) = origin {
        learnt.complete = origin.learnt.as_ref().map_or(!origin.on_own_images, |theirs| theirs.complete);
        if let Some(theirs) = &origin.learnt {
            learnt.hashes.extend(&theirs.hashes);
            test = test.only(set.shape.image, |pixels| !theirs.contains(pixels));
        }
    }
    let (all, left_out) = (set.test.len(), set.test.len() - test.len());
    if left_out > 0 {
        progress.note(&format!(
            "these weights have learnt the labels of {left_out} of the {}: the accuracy will look better than it is, until `ssgan eval` \
             tests on the others alone",
            count(all as u32, "test image"),
        ));
    }
    if !learnt.complete && all > 0 && own {
        progress.note(
            "not all labels that these weights have learnt are known: if they include test images, the accuracy will look better than it is",
        );
    }
    let (image, left_out) = (set.shape.image, left_out as u64);
    let test = TestImages { image, split: test, tested: set.tested, left_out };
    dir.write(FILE, &to_bytes(&learnt, own.then_some(&test), &set.fingerprint)?)
}

/// The file's bytes; those of equal images are equal. The data are of this fingerprint.
fn to_bytes(learnt: &Learnt, test: Option<&TestImages>, data_sha256: &str) -> Result<Vec<u8>> {
    let hashes = learnt.sorted();
    let (all, of_data) = ([hashes.len() as u64, HASH as u64], [data_sha256.len() as u64]);
    let name = if learnt.complete { LEARNT } else { SOME_LEARNT };
    let bytes = npz::BYTES;
    let mut arrays = vec![
        npz::Written { name: DATA, kind: bytes, shape: &of_data, bytes: data_sha256.as_bytes() },
        npz::Written { name, kind: bytes, shape: &all, bytes: hashes.as_flattened() },
    ];
    let Some(TestImages { image, split, tested, left_out }) =
        test.filter(|test| test.split.images.len() <= MOST)
    else {
        return npz::to_bytes(&arrays);
    };
    let Dims { height, width, channels } = *image;
    let n = split.len() as u64;
    let labels: Vec<u8> = split.labels.iter().flatten().flat_map(|label| label.to_le_bytes()).collect();
    let (shape, left_out) = ([n, height.into(), width.into(), channels.into()], left_out.to_le_bytes());
    let [images_name, labels_name] = names(*tested);
    arrays.extend([
        npz::Written { name: images_name, kind: bytes, shape: &shape, bytes: &split.images },
        npz::Written { name: labels_name, kind: "<u2", shape: &shape[..1], bytes: &labels },
        npz::Written { name: LEFT_OUT, kind: "<u8", shape: &[1], bytes: &left_out },
    ]);
    npz::to_bytes(&arrays)
}

fn sha256(pixels: &[u8]) -> [u8; HASH] {
    Sha256::digest(pixels).into()
}

#[cfg(test)]
mod tests {
    use super::super::saved::CHECKPOINTS;
    use super::*;
    use crate::shape::DataShape;
    use std::fs;

    fn few(classes: u16) -> Dataset {
        let shape = DataShape { image: Dims { height: 2, width: 2, channels: 3 }, classes: classes.into() };
        let labels = (0..12).map(|i| i % classes);
        let train = Split::labelled((0..12 * 12).collect(), labels);
        Dataset::new("few", shape, train, Split::default()).unwrap().hold_out(0.2, 1).unwrap()
    }

    fn learnt(set: &Dataset) -> Learnt {
        Learnt {
            hashes: [0, 3].map(|i: usize| sha256(&set.train.images[i * 12..][..12])).into(),
            complete: true,
        }
    }

    /// As both are read from the folder of a run, by one of its checkpoints.
    fn read_of(bytes: &[u8], data: &str) -> Result<(Option<TestImages>, Option<Learnt>)> {
        let run = tempfile::tempdir().unwrap();
        fs::create_dir(run.path().join(CHECKPOINTS)).unwrap();
        let checkpoint = run.path().join("checkpoints/epoch-01.safetensors");
        fs::write(&checkpoint, "").unwrap();
        assert_eq!(Learnt::of(&checkpoint, data).unwrap(), None);
        fs::write(run.path().join(FILE), bytes).unwrap();
        Ok((TestImages::of(&checkpoint, data)?, Learnt::of(&checkpoint, data)?))
    }

    #[test]
    fn what_is_kept_is_read() {
        let mut set = few(2);
        assert_eq!((set.test.len(), set.tested), (2, Tested::HeldOut));
        let learnt = learnt(&set);
        let pixels = |i: u8| (12 * i..12 * (i + 1)).collect::<Vec<u8>>();
        assert_eq!([0, 1, 3].map(|i| learnt.contains(&pixels(i))), [true, false, true]);
        let some = Learnt { complete: false, ..learnt.clone() };
        assert_eq!([&learnt, &some].map(|l| Learnt::from_text(&l.to_text())), [learnt.clone(), some.clone()]);
        let check = |set: &Dataset| {
            let (image, split) = (set.shape.image, set.test.clone());
            let kept = TestImages { image, split, tested: set.tested, left_out: 7 };
            let bytes = to_bytes(&learnt, Some(&kept), "d").unwrap();
            assert_eq!(bytes, to_bytes(&learnt, Some(&kept), "d").unwrap());
            assert_eq!(read_of(&bytes, "d").unwrap(), (Some(kept), Some(learnt.clone())));
            assert_eq!(read_of(&bytes, "other").unwrap(), (None, None));
        };
        check(&set);
        // Labels of two bytes, images of a part of their own, and none.
        set.tested = Tested::Apart;
        set.test.labels[1] = Some(300);
        check(&set);
        set.test = Split::default();
        check(&set);
        // Of a data set that has a name.
        assert_eq!(read_of(&to_bytes(&some, None, "d").unwrap(), "d").unwrap(), (None, Some(some)));
    }

    #[test]
    fn a_damaged_file_is_told() {
        let set = few(3);
        let (image, split) = (set.shape.image, set.test.clone());
        let test = TestImages { image, split, tested: set.tested, left_out: 0 };
        let good = to_bytes(&learnt(&set), Some(&test), "d").unwrap();
        for bytes in [&good[..good.len() / 2], &npz::to_bytes(&[]).unwrap(), b""] {
            let e = read_of(bytes, "d").unwrap_err();
            assert!(e.exit_code() == 7 && e.to_string().contains("images.npz"), "{e}");
        }
        // Some bytes of an archive mean nothing; none gives other images.
        let whole = read_of(&good, "d").unwrap();
        let (mut tried, mut refused) = (0, 0);
        for i in (0..good.len()).step_by(7) {
            let mut changed = good.clone();
            changed[i] ^= 0x55;
            tried += 1;
            match read_of(&changed, "d") {
                Ok((test, learnt)) => {
                    assert!(test.is_none() || test == whole.0, "byte {i}");
                    assert!(learnt.is_none() || learnt == whole.1, "byte {i}");
                }
                Err(e) => refused += usize::from(e.exit_code() == 7),
            }
        }
        assert!(2 * refused > tried, "{refused} of {tried}");
    }
}
