//! IDX files of any size, gray or coloured (four axes), with labels of 8 to 32 bits, of which QMNIST has several for an
//! image: the first is the class. Names are those of MNIST and what others have made of them: `train-images-idx3-ubyte`,
//! `emnist-letters-test-labels-idx1-ubyte.gz`, `qmnist-train-labels-idx2-int`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::npz::integer;
use super::{Packed, Unpacked, name_of, some};
use crate::app::source::idx::{self, Array};
use crate::error::{Error, Result};
use crate::shape::Dims;

/// Folders below the given one that are looked into: `MNIST/raw`.
const DEPTH: usize = 3;

/// The files of one data set: images and labels, for training and for testing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Files {
    images: [Option<PathBuf>; 2],
    labels: [Option<PathBuf>; 2],
}

/// What a file's name says of it.
struct Named {
    /// What stands before `train` or `test`: `emnist-letters`.
    set: String,
    /// 0 for training, 1 for testing.
    part: usize,
    images: bool,
}

fn named(name: &str) -> Option<Named> {
    let lower = name.to_lowercase();
    let words: Vec<&str> = lower.split(['-', '.', '_']).collect();
    if !words.iter().any(|w| w.starts_with("idx")) {
        return None;
    }
    let at = words.iter().position(|w| ["train", "test", "t10k"].contains(w))?;
    let part = usize::from(words[at] != "train");
    let images = match *words.get(at + 1)? {
        "images" => true,
        "labels" => false,
        _ => return None,
    };
    Some(Named { set: words[..at].join("-"), part, images })
}

/// The sets of IDX files in a folder and a few below it, by folder and name.
fn find(folder: &Path) -> BTreeMap<(PathBuf, String), Files> {
    let mut sets: BTreeMap<(PathBuf, String), Files> = BTreeMap::new();
    for entry in WalkDir::new(folder).max_depth(DEPTH).sort_by_file_name().into_iter().flatten() {
        let Some(named) = entry.file_name().to_str().and_then(named).filter(|_| entry.path().is_file())
        else {
            continue;
        };
        let parent = entry.path().parent().unwrap_or(folder).to_path_buf();
        let files = sets.entry((parent, named.set)).or_default();
        let place = if named.images { &mut files.images } else { &mut files.labels };
        // Plain before gzipped, as names are sorted.
        place[named.part].get_or_insert(entry.into_path());
    }
    sets.retain(|_, files| files.images[0].is_some());
    sets
}

/// Reads the set of IDX files in a folder, or the set that an IDX file belongs to; `None` where there is none.
///
/// # Errors
/// [`Error::Data`] for a folder of several sets, files that are broken, or do not belong together; [`Error::Io`].
pub fn read(path: &Path) -> Result<Option<Unpacked>> {
    let mut sets = match path.file_name().and_then(|name| name.to_str()).and_then(named) {
        Some(one) if path.is_file() => {
            let parent = path.parent().unwrap_or(Path::new("")).to_path_buf();
            let mut sets = find(&parent);
            sets.retain(|(folder, set), _| *folder == parent && *set == one.set);
            sets
        }
        _ => find(path),
    };
    if sets.len() > 1 {
        let files: Vec<String> =
            sets.values().filter_map(|files| Some(files.images[0].as_ref()?.display().to_string())).collect();
        let (path, files) = (path.display(), some(files, 8));
        return Err(Error::Data(format!(
            "{path}: several sets of IDX files: give the images of one of them in place of the folder: {files}"
        )));
    }
    let called = |(parent, own): (PathBuf, String)| if own.is_empty() { name_of(&parent) } else { own };
    let Some((key, files)) = sets.pop_first() else { return Ok(None) };
    unpack(key.0.clone(), called(key), files).map(Some)
}

fn unpack(at: PathBuf, name: String, files: Files) -> Result<Unpacked> {
    let mut dims: Option<Dims> = None;
    let [mut train, mut test] = [None, None];
    for (to, (images, labels)) in
        [&mut train, &mut test].into_iter().zip(files.images.into_iter().zip(files.labels))
    {
        let Some(images) = images else { continue };
        let (own, mut pixels) = pixels(&images, idx::read_array(&images)?)?;
        // EMNIST's are written column by column.
        if name.starts_with("emnist") && own.height == own.width {
            transpose(&mut pixels, own);
        }
        if let Some(other) = dims.replace(own).filter(|other| *other != own) {
            let size = |d: Dims| format!("{}x{}x{}", d.height, d.width, d.channels);
            return Err(Error::Data(format!(
                "{}: images of {}, the training images are {}: these files do not belong together",
                images.display(),
                size(own),
                size(other)
            )));
        }
        let labels = labels.map(|path| numbers(&path, idx::read_array(&path)?)).transpose()?;
        let source = images.file_name().unwrap_or_default().to_string_lossy().into_owned();
        *to = Some(Packed { source, pixels, labels });
    }
    let dims = dims.unwrap_or(Dims { height: 1, width: 1, channels: 1 });
    Ok(Unpacked { at, name, dims, class_names: None, parts: [train, None, test] })
}

/// The size of an image and all pixels.
fn pixels(path: &Path, array: Array) -> Result<(Dims, Vec<u8>)> {
    let dims = match (array.element, &array.sizes[..]) {
        (8, &[_, height, width] | &[_, height, width, 1]) => Dims { height, width, channels: 1 },
        (8, &[_, height, width, 3]) => Dims { height, width, channels: 3 },
        _ => {
            return Err(Error::Data(format!(
                "{}: images are unsigned bytes, N x H x W, or with 1 or 3 channels last; this file has the type {} and the \
                 sizes {:?}",
                path.display(),
                array.element,
                array.sizes
            )));
        }
    };
    Ok((dims, array.into_data()))
}

/// Exchanges the rows and columns of square images.
fn transpose(pixels: &mut [u8], dims: Dims) {
    let (side, channels) = (dims.width as usize, dims.channels as usize);
    for image in pixels.chunks_exact_mut(side * side * channels) {
        for (row, column) in (0..side).flat_map(|row| (0..row).map(move |column| (row, column))) {
            for c in 0..channels {
                image.swap((row * side + column) * channels + c, (column * side + row) * channels + c);
            }
        }
    }
}

/// The labels, the first of each image.
fn numbers(path: &Path, array: Array) -> Result<Vec<i64>> {
    let (element, columns) = match array.sizes[..] {
        [_] => (array.element, 1),
        [_, columns] => (array.element, columns as usize),
        _ => {
            let (name, n) = (path.display(), array.sizes.len());
            return Err(Error::Data(format!("{name}: labels lie along 1 or 2 axes, this file has {n}")));
        }
    };
    let each = match element {
        11 => 2,
        12 => 4,
        _ => 1,
    };
    let signed = element != 8;
    let data = array.into_data();
    Ok(data.chunks_exact(each * columns).map(|row| integer(&row[..each], true, signed)).collect())
}
