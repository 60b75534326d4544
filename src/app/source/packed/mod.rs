//! Data sets that others have packed into a few files: `.npz` as MedMNIST and Keras have them ([`npz`]), the binary files
//! of CIFAR-10 and CIFAR-100 ([`cifar`]), and IDX files of any size ([`idx`]). They yield what a folder of images does. A table of
//! labels may name their images (`table`).
//!
//! No label is -1, and 255 where the classes do not reach it. The classes of numbers without names are the numbers that
//! are there: labels from 1 to 26 are 26 classes.

pub mod cifar;
pub mod idx;
pub mod npz;
mod table;

pub use table::tables;

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::images::policy::{Fit, Policy};
use super::images::set::{ImageSet, Images};
use super::images::{Part, some};
use crate::error::{Error, Result};
use crate::shape::Dims;

/// Largest array that is read, in bytes.
pub const MAX_BYTES: u64 = 4 << 30;

/// One part of a packed data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Where it comes from, for messages and the images' paths.
    pub source: String,
    /// `N x H x W x C` bytes.
    pub pixels: Vec<u8>,
    /// N numbers; `None` where there are no labels at all.
    pub labels: Option<Vec<i64>>,
}

/// A packed data set before its labels are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// Where its files lie: an `.npz`, or a folder.
    pub at: PathBuf,
    /// Its name.
    pub name: String,
    /// Of an image.
    pub dims: Dims,
    /// The names of classes 0, 1, ...; `None`: the numbers themselves.
    pub class_names: Option<Vec<String>>,
    /// For training, validation and testing.
    pub parts: [Option<Packed>; 3],
}

/// A packed data set, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Where its images lie: an `.npz`, or the folder of its files.
    pub at: PathBuf,
    /// Its images, with labels.
    pub set: ImageSet,
    /// The table that names some of them.
    pub table: Option<Table>,
}

/// A table that names packed images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its file.
    pub path: PathBuf,
    /// Parts of which it names images.
    pub parts: BTreeSet<Part>,
}

/// Images with the labels that are packed with them.
#[derive(Debug)]
struct PackedSet {
    at: PathBuf,
    set: ImageSet,
}

/// Reads the packed data set at `path`: an `.npz`, an IDX file with the others of its name, or a folder of CIFAR's or IDX
/// files, in it or in a folder of it; or that whose images are named by the table of labels at `path`, or in it. A table where
/// its files lie counts as well. `None` where there is none.
///
/// # Errors
/// [`Error::Data`] for files that are broken or do not belong together, and for formats that are not read; [`Error::Text`] for
/// a table that does not fit its set; [`Error::Io`].
pub fn read(path: &Path) -> Result<Option<Opened>> {
    let opened = match table::read(path)? {
        Some(opened) => Some(opened),
        None => unpacked(path)?.map(table::beside).transpose()?,
    };
    Ok(opened.map(|mut opened| {
        let twice = opened.set.contradictions();
        if !twice.is_empty() {
            let (n, list) = (twice.len(), some(twice, 3));
            opened.set.notes.push(format!("{n} pairs of equal images have different labels: {list}"));
        }
        opened
    }))
}

fn unpacked(path: &Path) -> Result<Option<PackedSet>> {
    let ends = |end: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(end));
    if ends("mat") && path.is_file() {
        return Err(Error::Data(format!(
            "{}: MATLAB files are not read: write the arrays as .npz, see \"Packed data sets\" in docs/own-images.md",
            path.display()
        )));
    }
    let unpacked = if ends("npz") {
        Some(npz::read(path)?)
    } else if let Some(folder) = cifar::find(path) {
        Some(cifar::read(&folder)?)
    } else {
        idx::read(path)?
    };
    let Some(unpacked) = unpacked else { return Ok(None) };
    Ok(Some(PackedSet { at: unpacked.at.clone(), set: unpacked.into_set()? }))
}

impl Unpacked {
    /// With classes instead of numbers.
    ///
    /// # Errors
    /// [`Error::Data`] for numbers of pixels and labels that differ, labels without a name, and files without images.
    pub fn into_set(self) -> Result<ImageSet> {
        let Dims { height, width, channels } = self.dims;
        let policy = Policy { height, width, channels, fit: Fit::Letterbox };
        policy.check().map_err(|e| Error::Data(format!("{}: {e}", self.name)))?;
        let classes = Classes::of(&self)?;
        let size = self.dims.len() as usize;
        let mut images = [(); 3].map(|()| Images::default());
        for (to, part) in images.iter_mut().zip(self.parts) {
            let Some(Packed { source, pixels, labels }) = part else { continue };
            let n = pixels.len() / size;
            let labels = labels.unwrap_or_else(|| vec![-1; n]);
            if labels.len() != n || pixels.len() != n * size {
                let m = labels.len();
                return Err(Error::Data(format!(
                    "{source}: {n} images and {m} labels do not belong together"
                )));
            }
            let labels = labels.iter().map(|&label| classes.index(label)).collect();
            let paths = (0..n).map(|i| PathBuf::from(format!("{source}#{i}"))).collect();
            *to = Images::new(size, pixels, labels, paths);
        }
        let [train, validation, test] = images;
        if train.is_empty() {
            return Err(Error::Data(format!("{}: no training images", self.name)));
        }
        let (name, class_names) = (self.name, classes.names);
        let (skipped, notes, no_label) = Default::default();
        Ok(ImageSet { name, policy, class_names, train, validation, test, no_label, skipped, notes })
    }
}

/// Which class a number is.
struct Classes {
    names: Vec<String>,
    /// The numbers of the classes, ascending.
    numbers: Vec<i64>,
}

impl Classes {
    fn of(set: &Unpacked) -> Result<Classes> {
        let labels = || set.parts.iter().flatten().flat_map(|p| p.labels.iter().flatten().copied());
        let mut numbers: BTreeSet<i64> = labels().filter(|&n| n >= 0).collect();
        // A byte of ones means no label; but where there are more classes than that, it is one of them.
        if numbers.iter().next_back() == Some(&255) && !numbers.contains(&254) {
            numbers.remove(&255);
        }
        let Some(names) = &set.class_names else {
            let names = numbers.iter().map(i64::to_string).collect();
            let numbers: Vec<i64> = numbers.into_iter().collect();
            if numbers.len() > usize::from(u16::MAX) {
                return Err(Error::Data(format!("{}: {} classes are too many", set.name, numbers.len())));
            }
            return Ok(Classes { names, numbers });
        };
        match numbers.iter().find(|&&n| n >= names.len() as i64) {
            Some(n) => {
                Err(Error::Data(format!("{}: label {n}, but {} classes have names", set.name, names.len())))
            }
            None => Ok(Classes { names: names.clone(), numbers: (0..names.len() as i64).collect() }),
        }
    }

    fn index(&self, label: i64) -> Option<u16> {
        self.numbers.binary_search(&label).ok().map(|i| i as u16)
    }
}

/// A data set's name from a path: its last part that says something.
pub(super) fn name_of(path: &Path) -> String {
    let real = dunce::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let names = real.components().rev().filter(|part| matches!(part, Component::Normal(_)));
    let words = names.map(|part| part.as_os_str().to_string_lossy().to_lowercase());
    let mut telling = words.filter(|n| !["raw", "data"].contains(&n.as_str()));
    telling.next().unwrap_or_else(|| "images".into())
}

#[cfg(test)]
#[path = "packed_tests.rs"]
mod tests;
