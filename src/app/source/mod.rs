//! Where data sets come from: the drawn digits, IDX files in a folder, in the cache or on a mirror, the user's own images.

mod catalog;
mod fetch;
pub mod idx;
mod idx_header;
pub mod images;
pub mod own;
pub mod packed;
mod summary;

pub use catalog::{DIGITS, NAMES, check_name};
pub use own::Own;
pub use summary::{Counts, FileStatus, Info, info, status};

use crate::data::digits::{self, Digits, Part};
use crate::data::{Dataset, Split};
use crate::error::{Error, Result};
use crate::model::shape::{DataShape, Dims};
use crate::text::hex;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// What to load, and from where.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// One of [`NAMES`].
    pub dataset: String,
    /// Folder with the IDX files. Then only that folder is looked at. `digits` needs no files and ignores it.
    pub data_dir: Option<PathBuf>,
    /// Never open a connection.
    pub offline: bool,
    /// The user's own images, in place of a data set by name.
    pub own: Option<Own>,
}

impl Default for Request {
    fn default() -> Request {
        Request { dataset: DIGITS.into(), data_dir: None, offline: false, own: None }
    }
}

/// Told about slow work, for a progress bar.
pub trait Listener {
    /// Something begins: its name, and its size in bytes if that is known.
    fn start(&mut self, what: &str, total_bytes: Option<u64>);
    /// That many more bytes are done.
    fn advance(&mut self, bytes: u64);
    /// It is over, well or not.
    fn finish(&mut self);
    /// So many pieces of so many are done of some work.
    fn counted(&mut self, what: &str, done: usize, of: usize);
    /// Something worth knowing.
    fn note(&mut self, line: &str);
}

/// [`Listener`] that says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Listener for Silent {
    fn start(&mut self, _what: &str, _total_bytes: Option<u64>) {}
    fn advance(&mut self, _bytes: u64) {}
    fn finish(&mut self) {}
    fn counted(&mut self, _what: &str, _done: usize, _of: usize) {}
    fn note(&mut self, _line: &str) {}
}

/// Another listener that is not told what is worth knowing, where it has been told before.
pub struct WithoutNotes<'a>(pub &'a mut dyn Listener);

impl Listener for WithoutNotes<'_> {
    fn start(&mut self, what: &str, total_bytes: Option<u64>) {
        self.0.start(what, total_bytes);
    }
    fn advance(&mut self, bytes: u64) {
        self.0.advance(bytes);
    }
    fn finish(&mut self) {
        self.0.finish();
    }
    fn counted(&mut self, what: &str, done: usize, of: usize) {
        self.0.counted(what, done, of);
    }
    fn note(&mut self, _line: &str) {}
}

/// Loads a data set: draws `digits`, or reads IDX files from `data_dir`, else from the cache folder, else
/// downloads them into the cache folder first.
///
/// # Errors
/// [`Error::Usage`] for a name that is not in [`NAMES`]; [`Error::Data`] for files that are missing, broken
/// or do not fit together; [`Error::Download`] if no mirror delivered; [`Error::Io`].
pub fn load(request: &Request, progress: &mut dyn Listener) -> Result<Dataset> {
    if let Some(own) = &request.own {
        return own::load(own, progress);
    }
    let Some(source) = catalog::find(&request.dataset)? else {
        progress.start("drawing the digits", None);
        let drawn = Digits::embedded().map(|digits| [Part::Train, Part::Test].map(|p| draw(&digits, p)));
        progress.finish();
        let [train, test] = drawn?;
        return Dataset::new(DIGITS, digits::SHAPE, train, test);
    };
    match &request.data_dir {
        Some(dir) => read_idx(source, dir),
        None => read_idx(source, &fetch::ensure(source, request.offline, progress)?),
    }
}

/// A part of the digits, drawn by as many threads as there are cores.
fn draw(digits: &Digits, part: Part) -> Split {
    let labels = part.labels();
    let size = digits::SHAPE.image.len() as usize;
    let mut images = vec![0; labels.len() * size];
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = labels.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        for (t, chunk) in images.chunks_mut(share * size).enumerate() {
            let labels = &labels;
            scope.spawn(move || digits.draw(part, labels, t * share, chunk));
        }
    });
    Split::labelled(images, labels)
}

/// Downloads what is missing of a data set into the cache folder and returns that folder; `None` for
/// `digits`, which has no files. With `offline`, only checks.
///
/// # Errors
/// As [`load`].
pub fn fetch(request: &Request, progress: &mut dyn Listener) -> Result<Option<PathBuf>> {
    match catalog::find(&request.dataset)? {
        None => Ok(None),
        Some(source) => fetch::ensure(source, request.offline, progress).map(Some),
    }
}

/// Reads the four files of `source` in `dir`.
fn read_idx(source: &catalog::Source, dir: &Path) -> Result<Dataset> {
    let paths = fetch::locate(source, dir)?;
    check_owner(source.name, &paths, &catalog::SOURCES)?;
    let mut parts = Vec::with_capacity(paths.len());
    for (path, file) in paths.iter().zip(&source.files) {
        parts.push(idx::read_file(path, file.kind)?);
    }
    let [train_images, train_labels, test_images, test_labels]: [idx::Idx; 4] = parts
        .try_into()
        .map_err(|_| Error::Data(format!("{}: a data set is made of four files", source.name)))?;
    let pair = |images: idx::Idx, labels: idx::Idx, at: usize| {
        let names = (paths[at].display().to_string(), paths[at + 1].display().to_string());
        idx::pair((&names.0, images), (&names.1, labels), source.classes)
    };
    let (train, size) = pair(train_images, train_labels, 0)?;
    let (test, test_size) = pair(test_images, test_labels, 2)?;
    if size != test_size {
        return Err(Error::Data(format!(
            "{}: training images are {}x{}, test images {}x{}: these files do not belong together",
            dir.display(),
            size.0,
            size.1,
            test_size.0,
            test_size.1
        )));
    }
    let image = Dims { height: size.0, width: size.1, channels: 1 };
    Dataset::new(source.name, DataShape { image, classes: source.classes }, train, test)
}

/// The shape and the number of training images of a data set, where they are known before it is read: the files in a
/// folder of the user's may be any.
///
/// # Errors
/// [`Error::Usage`] for a name that is not in [`NAMES`].
pub fn known(dataset: &str, data_dir: Option<&Path>) -> Result<Option<(DataShape, u32)>> {
    // What is published is in the format of MNIST, whose sizes the digits have.
    let published = |classes: u32| (DataShape { classes, ..digits::SHAPE }, digits::TRAIN);
    Ok(match catalog::find(dataset)? {
        None => Some((digits::SHAPE, digits::TRAIN)),
        Some(source) => data_dir.is_none().then(|| published(source.classes)),
    })
}

/// Refuses test files that are another data set's as published, as a data set's name goes into every result. The test files
/// tell as much as all of them would, in a sixth of the time. What is published nowhere may have any name.
fn check_owner(name: &str, paths: &[PathBuf; 4], known: &[catalog::Source]) -> Result<()> {
    for other in known.iter().filter(|other| other.name != name) {
        for (path, file) in paths.iter().zip(&other.files).skip(2) {
            if fetch::verify(path, file)?.is_none() {
                let (path, other) = (path.display(), other.name);
                return Err(Error::Data(format!(
                    "{path} is a file of {other}, not of {name}: give --dataset {other}"
                )));
            }
        }
    }
    Ok(())
}

/// SHA-256 as 64 lower-case hexadecimal digits.
fn hex_sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_gets_a_suggestion() {
        let request = Request { dataset: "fashion_mnist".into(), ..Request::default() };
        let e = load(&request, &mut Silent).unwrap_err();
        assert!(matches!(&e, Error::Usage(m) if m.contains("did you mean \"fashion-mnist\"?")), "{e}");
    }

    #[test]
    fn a_folder_that_is_missing_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let gone = dir.path().join("gone");
        let request = Request { dataset: "mnist".into(), data_dir: Some(gone.clone()), ..Request::default() };
        let e = load(&request, &mut Silent).unwrap_err();
        assert!(matches!(&e, Error::Data(m) if m.contains(&gone.display().to_string())), "{e}");
    }

    /// A published file under another data set's name is refused, under its own it is read.
    #[test]
    fn data_keep_their_name() {
        let dir = tempfile::tempdir().unwrap();
        idx::tests::write_set(dir.path(), [3, 2], [(4, 4), (4, 4)]);
        let paths = fetch::locate(&catalog::MNIST, dir.path()).unwrap();
        let hash: &'static str = hex_sha256(&std::fs::read(&paths[3]).unwrap()).leak();
        let mut of = catalog::FASHION_MNIST;
        of.files[3].gz_sha256 = hash;
        let e = check_owner("mnist", &paths, &[catalog::MNIST, of]).unwrap_err();
        assert!(e.exit_code() == 4 && e.to_string().ends_with("give --dataset fashion-mnist"), "{e}");
        check_owner("fashion-mnist", &paths, &[catalog::MNIST, of]).unwrap();
        check_owner("mnist", &paths, &catalog::SOURCES).unwrap();
        // Unpacked, too.
        of.files[3] = catalog::FASHION_MNIST.files[3];
        let labels = idx::read_file(&paths[3], idx::Kind::Labels).unwrap().bytes;
        of.files[3].sha256 = hex_sha256(&labels).leak();
        check_owner("mnist", &paths, &[catalog::MNIST, of]).unwrap_err();
    }

    /// Four small files of a folder given by the user load, whatever their hash.
    #[test]
    fn a_folder_of_the_user() {
        let dir = tempfile::tempdir().unwrap();
        idx::tests::write_set(dir.path(), [3, 2], [(4, 4), (4, 4)]);
        let request =
            Request { dataset: "mnist".into(), data_dir: Some(dir.path().into()), ..Request::default() };
        let set = load(&request, &mut Silent).unwrap();
        assert_eq!((set.train.len(), set.test.len(), set.shape.image.len()), (3, 2, 16));

        idx::tests::write_set(dir.path(), [3, 2], [(4, 4), (4, 5)]);
        let e = load(&request, &mut Silent).unwrap_err();
        assert!(matches!(&e, Error::Data(m) if m.contains("4x4") && m.contains("4x5")), "{e}");
    }
}
