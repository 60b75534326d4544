//! What a folder of images holds, before any of them is decoded.
//!
//! Three layouts are known:
//! - class folders, beside them `_unlabeled/` (and the like) and loose files, which are unlabelled: `cat/1.jpg`;
//! - a folder with a file of labels in it ([`LABEL_FILES`](super::found::LABEL_FILES)) or beside it, whose folders then say nothing; a label file
//!   given by its own path, or alone in a folder, stands for the images that it lists;
//! - `train/`, `val/` and `test/` above either of these.
//!
//! What `ssgan label` asked for and what was marked on its page, beside a `labels.csv`, counts over it. Hidden files, files that
//! are no pictures, and runs and labellings that lie among the images, but for what a file of labels names, are passed over. The images are in the order of their file names, then of their paths, by bytes: the
//! same on every machine, and one that does not change when an image is moved to its class.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::found::{Found, Labelled, Labels, MAX_CLASSES, Request, found};
use super::walk::{self, Walk};
use super::{Part, arrange, decode, label_file};
use crate::app::text::count;
use crate::error::{Error, Result};

/// Looks through a folder, a label file's images, or one picture.
///
/// # Errors
/// [`Error::Data`] if there is no such folder or no image in it, if folders contradict each other, or a label file names
/// an image that is not there; [`Error::Text`] for a mistake in a label file; [`Error::Usage`]; [`Error::Io`].
pub fn scan(request: &Request) -> Result<Found> {
    let path = &request.path;
    let at = std::fs::metadata(path).map_err(|e| match e.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename => {
            Error::Data(format!("{}: no such folder or file: name a folder of images", path.display()))
        }
        _ => Error::io("read", path)(e),
    })?;
    let found = if at.is_dir() {
        let walk = walk::walk(path)?;
        arrange::folder(path, walk, request)?
    } else if label_file::is_label_file(path) {
        if request.labels.is_some() {
            let name = path.display();
            return Err(Error::Usage(format!(
                "{name} is a label file itself: give one, or the images' folder"
            )));
        }
        arrange::listed(path, request.reading)?
    } else {
        one_picture(path)?
    };
    if found.images.is_empty() {
        return Err(nothing_in(&found));
    }
    if found.class_names.len() > usize::from(u16::MAX) {
        let (root, n) = (found.root.display(), found.class_names.len());
        return Err(Error::Data(format!("{root}: {n} classes: at most {MAX_CLASSES} can be told apart")));
    }
    Ok(found)
}

fn nothing_in(found: &Found) -> Error {
    let root = found.root.display();
    if let Some(packed) = packed_in(&found.root) {
        return Error::Data(format!("{root}: no images but packed ones: give {}", packed.display()));
    }
    let seen = match (found.skipped.as_slice(), found.other_files) {
        ([], 0) => "nothing is in it".to_string(),
        ([], n) => format!("{} of other kinds in it", count(n as u32, "file")),
        (skipped, _) => {
            let shown = skipped.iter().map(|s| format!("{}: {}", s.path.display(), s.reason));
            format!("not read: {}", super::some(shown, 3))
        }
    };
    let notes = found.notes.iter().map(|note| format!("; {note}"));
    Error::Data(format!(
        "{root}: no images: {seen}{}; {} are read",
        notes.collect::<String>(),
        decode::FORMATS
    ))
}

/// The first of the files of packed images in a folder which are named each by itself.
fn packed_in(folder: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    files.filter(|f| f.extension().is_some_and(|e| e.eq_ignore_ascii_case("npz"))).min()
}

fn one_picture(path: &Path) -> Result<Found> {
    let root = path.parent().unwrap_or(Path::new("")).to_path_buf();
    let name = PathBuf::from(path.file_name().unwrap_or(path.as_os_str()));
    let file = walk::file(path, name).map_err(Error::io("read", path))?;
    let walk = Walk { files: vec![file], ..Walk::default() };
    Ok(found(root, Labels::Folders, Vec::new(), unlabelled(walk.files), Vec::new()))
}

fn unlabelled(files: Vec<walk::File>) -> Vec<Labelled> {
    files.into_iter().map(|file| Labelled::new(file, None, Part::Train)).collect()
}

#[cfg(test)]
#[path = "scan_tests.rs"]
pub(super) mod tests;
