//! Images as one list, which is the same on every machine: folders lie elsewhere there.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::inputs::Input;
use super::ways::shared;
use crate::text::hex;

/// The innermost folder that all of them lie in.
pub(super) fn common_folder(images: &[Input]) -> PathBuf {
    let mut folders = images.iter().filter_map(|image| image.source.parent());
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
