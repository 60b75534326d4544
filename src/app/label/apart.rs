//! Class folders in which no two images come to lie at one place: there one of them would be refused, or taken for the other, and
//! removed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::arrange;
use super::inputs::Input;
use super::list::common_folder;
use crate::error::{Error, Result};

/// Whether names that differ in case alone are one, as on the file systems that Windows and macOS have by default.
const FOLDS_CASE: bool = cfg!(any(windows, target_os = "macos"));

/// Where two images would come to lie at one place in a class folder, all keep their folders there, below the one that all of
/// them lie in: those that differ may be of one class, and people find all of them in the same way. What is to be told of it.
///
/// # Errors
/// [`Error::Usage`] where that does not keep them apart, as on two drives of Windows.
pub(super) fn keep_apart(images: &mut [Input]) -> Result<Option<String>> {
    if clash(images, FOLDS_CASE).is_none() {
        return Ok(None);
    }
    let folder = common_folder(images);
    for image in images.iter_mut() {
        image.path = image.source.strip_prefix(&folder).unwrap_or(&image.source).to_path_buf();
    }
    // Those of one folder that differ in case alone do not lie on such a file system.
    match clash(images, false) {
        None => {
            let below = match folder.as_os_str().is_empty() {
                true => String::new(),
                false => format!(" below {}", folder.display()),
            };
            Ok(Some(format!(
                "some images have equal names: in the class folders all keep their folders{below}"
            )))
        }
        Some((a, b)) => Err(Error::Usage(format!(
            "{} and {} would be one file in a class folder: rename one, or label them apart",
            a.source.display(),
            b.source.display()
        ))),
    }
}

/// Two images that would be one file if they were of one class.
fn clash(images: &[Input], folds_case: bool) -> Option<(&Input, &Input)> {
    let mut there: HashMap<PathBuf, &Input> = HashMap::with_capacity(images.len());
    images
        .iter()
        .find_map(|image| there.insert(file(&image.path, folds_case), image).map(|other| (other, image)))
}

/// A file below its class folder; equal for what a file system that folds case takes for equal.
fn file(path: &Path, folds_case: bool) -> PathBuf {
    let place = arrange::place("", path);
    let folded = place.to_str().filter(|_| folds_case).map(|text| PathBuf::from(text.to_lowercase()));
    folded.unwrap_or(place)
}
