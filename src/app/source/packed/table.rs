//! Labels of packed images in a table, as `ssgan label` writes it: a row names its image's place,
//! `../photos.npz/train_images#7`.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Opened, PackedSet, Table, unpacked};
use crate::app::source::images::found::{LABEL_FILES, TABLE};
use crate::app::source::images::label_file::{self, LabelFile, Reading, Row};
use crate::app::source::images::later::Later;
use crate::app::source::images::places::{Lookup, folder_of, resolve};
use crate::app::source::images::set::ImageSet;
use crate::app::source::images::{PARTS, some, sorted_classes};
use crate::app::text;
use crate::error::{Error, Result};

/// The packed images that the table at `path` names, or one of the [`LABEL_FILES`] in this folder, with its labels and those that
/// count over it. `None` where there is no table, or one that names no place in a packed set.
pub(super) fn read(path: &Path) -> Result<Option<Opened>> {
    let tables = match path.is_dir() {
        true => LABEL_FILES.map(|name| path.join(name)).into(),
        false => vec![path.to_path_buf()],
    };
    for table in tables {
        let Some(file) = rows_of(&table, names_a_place)? else { continue };
        let Some(place) = file.rows.iter().find_map(|row| set_named_by(&table, row)) else { continue };
        let Some(packed) = unpacked(&place)? else { continue };
        if path.is_dir() {
            check_own(path, &table, &packed)?;
        }
        return labelled(&table, file, packed).map(Some);
    }
    Ok(None)
}

/// Refuses a table in a folder of packed images that names another set's: which of them were meant?
fn check_own(folder: &Path, table: &Path, named: &PackedSet) -> Result<()> {
    // What is named lies here: no need to read it a second time.
    if real(folder) == real(&named.at) {
        return Ok(());
    }
    match unpacked(folder) {
        Ok(Some(own)) if real(&own.at) != real(&named.at) => {
            let (table, named, own) = (table.display(), named.at.display(), own.at.display());
            Err(Error::Data(format!(
                "{table} names images of {named}, and beside it lie those of {own}: move it away, or name it itself"
            )))
        }
        _ => Ok(()),
    }
}

/// Tables that count where a set lies: [`TABLE`] in its folder or beside its one file, and one called like the set.
pub fn tables(at: &Path, name: &str) -> [PathBuf; 2] {
    let folder = if at.is_dir() { at } else { folder_of(at) };
    [folder.join(TABLE), folder.join(format!("{name}.csv"))]
}

/// The images with the labels of the first of their [`tables`] that names some of them; else as they are.
pub(super) fn beside(packed: PackedSet) -> Result<Opened> {
    let mut foreign = vec![];
    for table in tables(&packed.at, &packed.set.name) {
        let images = Images::of(&packed);
        match rows_of(&table, |text| images.are_named_in(text))? {
            Some(file)
                if file.rows.iter().any(|row| images.part_of(folder_of(&table), &row.path).is_some()) =>
            {
                return labelled(&table, file, packed);
            }
            _ if table.is_file() => foreign.push(table),
            _ => {}
        }
    }
    let PackedSet { at, mut set } = packed;
    let note = |table: PathBuf| format!("{}: names none of these images, and is not read", table.display());
    set.notes.extend(foreign.into_iter().map(note));
    Ok(Opened { at, set, table: None })
}

/// Bytes of a file that tell whether it is a table.
const ENOUGH: u64 = 1 << 20;

/// The rows of a table; `None` where it is something else, which may be called so. What cannot be read is an error where it is
/// a table by its text.
fn rows_of(table: &Path, is_table: impl Fn(&str) -> bool) -> Result<Option<LabelFile>> {
    if !table.is_file() || !label_file::is_label_file(table) {
        return Ok(None);
    }
    label_file::read(table, Reading::default()).map(Some).or_else(|e| {
        let mut bytes = vec![];
        let read = File::open(table).and_then(|file| file.take(ENOUGH).read_to_end(&mut bytes));
        if read.is_err() {
            return Err(e);
        }
        // Of 16-bit text every other byte is 0.
        bytes.retain(|byte| *byte != 0);
        if is_table(&String::from_utf8_lossy(&bytes)) { Err(e) } else { Ok(None) }
    })
}

/// Whether a value ends like `train_images#7`.
fn names_a_place(text: &str) -> bool {
    let mut values = text.split([',', ';', '\t', '"', '\r', '\n']);
    values.any(|value| {
        let (name, number) = value.rsplit_once('#').unwrap_or_default();
        !name.is_empty() && number.parse::<usize>().is_ok()
    })
}

fn real(path: &Path) -> Option<PathBuf> {
    dunce::canonicalize(path).ok()
}

/// The packed set that a row's image lies in, to be opened; `None` for what is a file, or named like one.
fn set_named_by(table: &Path, row: &Row) -> Option<PathBuf> {
    let (folder, name) = parted(&row.path);
    let (file, _) = numbered(&name)?;
    let folder = folder_of(table).join(folder);
    if folder.join(&name).exists() {
        return None;
    }
    // Of several sets in a folder one is named by its file.
    let one = [file.to_string(), format!("{file}.gz")].map(|file| folder.join(file));
    let path = one.into_iter().find(|one| one.is_file()).unwrap_or(folder);
    path.exists().then_some(path)
}

/// The folder in a path, and the name.
fn parted(path: &str) -> (String, String) {
    let path = path.replace('\\', "/");
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
    (folder.into(), name.into())
}

/// A place in a set: the array or file, which may have been unpacked since, and the image's number.
fn numbered(name: &str) -> Option<(&str, usize)> {
    let (file, number) = name.rsplit_once('#')?;
    Some((file.strip_suffix(".gz").unwrap_or(file), number.parse().ok()?))
}

/// The images of a packed set, by their places.
struct Images<'a> {
    at: &'a Path,
    set: &'a ImageSet,
    /// Of each part that has images: what its places begin with, its first image among those of all parts, how many.
    parts: Vec<(String, usize, usize)>,
    /// Whether a folder is where the set lies.
    known: RefCell<HashMap<PathBuf, bool>>,
}

impl<'a> Images<'a> {
    fn of(packed: &'a PackedSet) -> Images<'a> {
        let (mut parts, mut first) = (vec![], 0);
        for part in PARTS {
            let paths = &packed.set.part(part).paths;
            if let Some(name) = paths.first().and_then(|path| path.to_str()) {
                parts.extend(numbered(name).map(|(file, _)| (file.to_string(), first, paths.len())));
            }
            first += paths.len();
        }
        Images { at: &packed.at, set: &packed.set, parts, known: RefCell::default() }
    }

    /// Of a place in a part of this set its number there, the part's first image and how many it has. A place without a folder
    /// is one of this set.
    fn part_of(&self, beside: &Path, path: &str) -> Option<(usize, usize, usize)> {
        let (folder, name) = parted(path);
        let (file, number) = numbered(&name)?;
        let (_, first, len) = self.parts.iter().find(|(name, ..)| name == file)?;
        (folder.is_empty() || self.is_here(beside.join(&folder))).then_some((number, *first, *len))
    }

    /// Whether a text may be a table of this set.
    fn are_named_in(&self, text: &str) -> bool {
        self.parts
            .iter()
            .any(|(name, ..)| [".gz#", "#"].iter().any(|end| text.contains(&format!("{name}{end}"))))
    }

    fn is_here(&self, folder: PathBuf) -> bool {
        let mut known = self.known.borrow_mut();
        *known
            .entry(folder)
            .or_insert_with_key(|folder| real(folder).is_some_and(|folder| Some(folder) == real(self.at)))
    }
}

impl Lookup for Images<'_> {
    fn find(&self, beside: &Path, path: &str) -> std::result::Result<Option<usize>, String> {
        let image = |(number, first, len): (usize, usize, usize)| (number < len).then_some(first + number);
        Ok(self.part_of(beside, path).and_then(image))
    }

    fn called(&self, image: usize) -> String {
        let path = all(self.set).nth(image).map_or(self.at.into(), |(_, path)| self.at.join(path));
        path.display().to_string()
    }

    fn not_there(&self, _beside: &Path, _labels: &Path, path: &str) -> String {
        let places = self.parts.iter().map(|(name, _, len)| format!("{name}#0 to #{}", len - 1));
        format!("{path:?} is no image of {}, which has {}", self.at.display(), some(places, 3))
    }
}

/// The images of all parts, in their order.
fn all(set: &ImageSet) -> impl Iterator<Item = (Option<u16>, &Path)> {
    PARTS.into_iter().flat_map(|part| {
        let images = set.part(part);
        images.labels.iter().copied().zip(images.paths.iter().map(PathBuf::as_path))
    })
}

/// The images with the labels of a table. What the table names has the label that it says, or none; all others keep that of the
/// set.
fn labelled(table: &Path, file: LabelFile, packed: PackedSet) -> Result<Opened> {
    let images = Images::of(&packed);
    let mut rows = resolve(&images, table, table, file.rows)?;
    let later = Later::read(&images, table, &mut rows)?;
    let PackedSet { at, mut set } = packed;
    let own = std::mem::take(&mut set.class_names);
    let name = |image: usize, label: Option<u16>| match rows.get(&image) {
        Some(row) => row.label.as_deref(),
        None => label.map(|label| own[usize::from(label)].as_str()),
    };
    let called: BTreeSet<&str> =
        all(&set).enumerate().filter_map(|(image, (label, _))| name(image, label)).collect();
    let names = sorted_classes(called.into_iter().map(String::from));
    if names.len() > usize::from(u16::MAX) {
        return Err(Error::Data(format!("{}: {} classes are too many", table.display(), names.len())));
    }
    let classes: HashMap<&str, u16> = names.iter().map(String::as_str).zip(0..).collect();
    let (mut named, mut no_label, mut image) = (BTreeSet::new(), HashSet::new(), 0..);
    for part in PARTS {
        let images = set.part_mut(part);
        for (path, label) in images.paths.iter().zip(&mut images.labels) {
            let image = image.next().unwrap_or_default();
            *label = name(image, *label).and_then(|name| classes.get(name)).copied();
            let Some(row) = rows.get(&image) else { continue };
            if row.part.is_some_and(|theirs| theirs != part) {
                let part = part.name();
                let reason = format!("{:?} is of the part {part} in its set, and stays of it", row.path);
                return Err(Error::Text { file: table.display().to_string(), line: row.line, reason });
            }
            named.insert(part);
            if row.no_label {
                no_label.insert(path.clone());
            }
        }
    }
    let labels = rows.values().filter(|row| row.label.is_some()).count();
    let labels = text::count(labels as u32, "label");
    let told = format!("{}: {labels} of images of {}", table.display(), at.display());
    set.notes.extend(std::iter::once(told).chain(file.notes).chain(later.notes));
    (set.class_names, set.no_label) = (names, no_label);
    Ok(Opened { at, set, table: Some(Table { path: table.into(), parts: named }) })
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
