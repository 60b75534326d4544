//! Images as one list, which is the same on every machine: folders lie elsewhere there.

use std::ops::Range;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::inputs::{Input, Unread};
use super::ways::shared;
use crate::text::hex;

/// The innermost folder that all of them lie in.
pub(super) fn common_folder(images: &[Input]) -> PathBuf {
    innermost(images.iter().filter_map(|image| image.source.parent()))
}

/// The innermost folder that has all of these, or is each of them.
pub(super) fn innermost<'a>(mut folders: impl Iterator<Item = &'a Path>) -> PathBuf {
    let first = folders.next().unwrap_or(Path::new(""));
    let shared = folders.fold(first.components().count(), |most, folder| most.min(shared(first, folder)));
    first.components().take(shared).collect()
}

/// Hash of the images in their order, each by its way from that folder.
pub(super) fn hash_of(images: &[Input]) -> String {
    let (folder, mut hash) = (common_folder(images), Sha256::new());
    for image in images {
        for part in image.source.strip_prefix(&folder).unwrap_or(&image.source) {
            hash.update(part.as_encoded_bytes());
            hash.update("/");
        }
        hash.update("\0");
    }
    hex(&hash.finalize())
}

/// One of several folders that were named.
#[derive(Debug)]
pub(super) struct Named {
    /// Whole and without links.
    pub folder: PathBuf,
    /// Which images are its own.
    pub images: Range<usize>,
    /// Which of the files that are none.
    pub skipped: Range<usize>,
}

/// Puts the name of each folder before the paths of what is in it, as it is to be written in class folders: its way from the
/// folder that has all of them, which is the same from wherever they are named.
pub(super) fn name_folders(named: &[Named], images: &mut [Input], skipped: &mut [Unread]) {
    let around = innermost(named.iter().map(|Named { folder, .. }| folder.parent().unwrap_or(folder)));
    for Named { folder, images: own, skipped: unread } in named {
        let name = folder.strip_prefix(&around).unwrap_or(folder);
        images[own.clone()].iter_mut().for_each(|image| image.path = name.join(&image.path));
        skipped[unread.clone()].iter_mut().for_each(|unread| unread.path = name.join(&unread.path));
    }
}
