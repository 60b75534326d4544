//! Labels of packed images in a table, as `ssgan label` writes it: a row names its image's place,
//! `../photos.npz/train_images#7`.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use super::{Opened, unpacked};
use crate::app::source::images::label_file::{self, LabelFile, Reading, Row};
use crate::app::source::images::later::Later;
use crate::app::source::images::scan::TABLE;
use crate::app::source::images::set::ImageSet;
use crate::app::source::images::{PARTS, sorted_classes};
use crate::error::{Error, Result};

/// Reads the packed images that a table names, or the [`TABLE`] in a folder, with its labels and those that count over it. An
/// image that none of them names keeps the label of the set. `None` where there is no table, or one of files.
///
/// # Errors
/// [`Error::Text`] for a row that names no image of the set, or another part for it; as [`super::read`].
pub(super) fn read(path: &Path) -> Result<Option<Opened>> {
    let table = if path.is_dir() { path.join(TABLE) } else { path.to_path_buf() };
    if !table.is_file() || !label_file::is_label_file(&table) {
        return Ok(None);
    }
    let file = label_file::read(&table, Reading::default())?;
    let Some(set) = file.rows.first().and_then(|row| Place::of(&table, row)) else { return Ok(None) };
    let Some(images) = unpacked(&set.path)? else { return Ok(None) };
    labelled(&table, file, set, images).map(Some)
}

/// Where a row's image lies.
struct Place {
    /// The set.
    path: PathBuf,
    /// What stands before the image's name in the row.
    folder: PathBuf,
}

impl Place {
    /// `None` for what is a file, or named like one.
    fn of(table: &Path, row: &Row) -> Option<Place> {
        let (folder, name) = parted(row);
        let (file, number) = name.rsplit_once('#')?;
        let beside = table.parent().unwrap_or(Path::new("")).join(&folder);
        number.parse::<usize>().ok()?;
        if beside.join(&name).exists() {
            return None;
        }
        // Of several sets in a folder one is named by its file.
        let one = beside.join(file);
        Some(Place { path: if one.is_file() { one } else { beside }, folder })
    }
}

/// The folder of a row's path, and the name.
fn parted(row: &Row) -> (PathBuf, String) {
    let path = row.path.replace('\\', "/");
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
    (folder.into(), name.into())
}

/// The set with the labels of the table.
fn labelled(table: &Path, file: LabelFile, place: Place, mut set: ImageSet) -> Result<Opened> {
    let wrong = |row: &Row, why: String| {
        let reason = format!("{:?} {why}", row.path);
        Err(Error::Text { file: table.display().to_string(), line: row.line, reason })
    };
    if let Some(row) = file.rows.iter().find(|row| parted(row).0 != place.folder) {
        let folder = place.folder.display();
        return wrong(
            row,
            format!(
                "is not in {folder}, where the rows before lie: a table has the images of one packed set"
            ),
        );
    }
    let all = PARTS.iter().flat_map(|&part| &set.part(part).paths);
    let (mut rows, later) = Later::over(table, file.rows, all.map(|name| place.folder.join(name)).collect())?;
    let said = rows.values().filter_map(|row| row.label.clone());
    let names = sorted_classes(set.class_names.iter().cloned().chain(said));
    let class = |name: &String| names.iter().position(|own| own == name).map(|class| class as u16);
    let own: Vec<Option<u16>> = set.class_names.iter().map(class).collect();
    let (mut named, mut no_label, mut at) = (BTreeSet::new(), HashSet::new(), 0..);
    for part in PARTS {
        let images = set.part_mut(part);
        for (name, label) in images.paths.iter().zip(&mut images.labels) {
            *label = label.and_then(|label| own[usize::from(label)]);
            let Some(row) = at.next().and_then(|at| rows.remove(&at)) else { continue };
            named.insert(part);
            if row.part.is_some_and(|theirs| theirs != part) {
                let part = part.name();
                return wrong(
                    &row,
                    format!("is of the part {part} in its packed set: the table cannot give it another"),
                );
            }
            match &row.label {
                Some(name) => *label = class(name),
                None if row.no_label => {
                    *label = None;
                    no_label.insert(name.clone());
                }
                None => {}
            }
        }
    }
    set.class_names = names;
    set.notes.extend(file.notes.into_iter().chain(later.notes));
    Ok(Opened { set, path: place.path, named: Some(named), no_label })
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
