//! Labels that came after those of a `labels.csv`: files beside it that count over it.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::found::{CORRECTIONS, LATER, TABLE};
use super::label_file::{self, LabelFile, Reading, Row};
use super::places::{Lookup, folder_of, resolve};
use crate::error::{Error, Result};

/// What files beside a `labels.csv` say of its images.
#[derive(Default)]
pub(in crate::app::source) struct Later {
    /// Those that say something.
    pub files: Vec<PathBuf>,
    pub notes: Vec<String>,
}

impl Later {
    /// Reads [`LATER`], and puts their labels into the rows of the images, which keep their parts. An empty label says nothing,
    /// unless it is given, or a correction.
    pub fn read(images: &impl Lookup, labels: &Path, rows: &mut HashMap<usize, Row>) -> Result<Later> {
        let mut later = Later::default();
        if labels.file_name() != Some(OsStr::new(TABLE)) {
            return Ok(later);
        }
        later.notes.extend(not_read(folder_of(labels)));
        let mut said: HashMap<usize, (PathBuf, Row)> = HashMap::new();
        for path in LATER.map(|name| labels.with_file_name(name)).into_iter().filter(|path| path.is_file()) {
            let LabelFile { rows: theirs, notes } =
                label_file::read(&path, reading(&path)).map_err(why_it_is_read)?;
            let filled = theirs.into_iter().filter(says_something).collect();
            let filled = resolve(images, &path, labels, filled);
            let mut filled: Vec<(usize, Row)> = filled.map_err(why_it_is_read)?.into_iter().collect();
            filled.sort_by_key(|(_, row)| row.line);
            later.notes.extend(notes);
            if !filled.is_empty() {
                later.notes.push(format!("{}: {}", path.display(), changes(&filled, rows)));
                later.files.push(path.clone());
            }
            for (at, row) in filled {
                if let Some((other, theirs)) = said.get(&at).filter(|(_, theirs)| theirs.label != row.label) {
                    let (image, other, line) = (row.path, other.display(), theirs.line);
                    let reason = format!("{image:?} has another label in {other}:{line}: keep one");
                    return Err(Error::Text { file: path.display().to_string(), line: row.line, reason });
                }
                let part = rows.get(&at).and_then(|own| own.part);
                rows.insert(at, Row { part, ..row.clone() });
                said.insert(at, (path.clone(), row));
            }
        }
        Ok(later)
    }
}

fn reading(path: &Path) -> Reading {
    Reading { empty_is_given: path.ends_with(CORRECTIONS), ..Reading::default() }
}

fn says_something(row: &Row) -> bool {
    row.label.is_some() || row.no_label
}

/// How many labels are added, changed and taken away by rows that take the place of others.
fn changes(later: &[(usize, Row)], rows: &HashMap<usize, Row>) -> String {
    let (mut added, mut changed, mut taken) = (0, 0, 0);
    for (at, row) in later {
        match (rows.get(at).and_then(|own| own.label.as_ref()), &row.label) {
            (None, Some(_)) => added += 1,
            (Some(_), None) => taken += 1,
            (old, new) => changed += usize::from(old != new.as_ref()),
        }
    }
    let counts = [("added", added), ("changed", changed), ("taken away", taken)];
    let counts = counts.iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!("{what}: {n}"));
    match counts.collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => format!("no label that {TABLE} does not have"),
        counts => format!("labels {counts}"),
    }
}

/// Whoever has such a file for something else is told why it matters.
fn why_it_is_read(e: Error) -> Error {
    match e {
        Error::Text { file, line, reason } => {
            let reason =
                format!("{reason}; it counts over the {TABLE} beside it: rename it if it is something else");
            Error::Text { file, line, reason }
        }
        e => e,
    }
}

/// Notes of files in the folder of images that look like tables of labels and are not read: `corrections (1).csv`, `Next.csv`,
/// `next.csv.txt`; those of [`LATER`] where there is no [`TABLE`].
pub(super) fn not_read(folder: &Path) -> Vec<String> {
    let at = if folder == Path::new("") { Path::new(".") } else { folder };
    let Ok(entries) = std::fs::read_dir(at) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    // A table is found by its exact name, those that count over it wherever the system finds them.
    let is_read = |known: &str| match known {
        TABLE => names.iter().any(|name| name == TABLE),
        later => folder.join(later).is_file(),
    };
    let note = |name: &String| {
        let path = folder.join(name);
        let path = path.display();
        if !is_read(TABLE) && LATER.contains(&name.as_str()) {
            return Some(format!(
                "{path} is not read: it counts beside a {TABLE}, such as that of a labelling: move it there"
            ));
        }
        let known = || LATER.into_iter().chain([TABLE]);
        match known().find(|known| is_second(name, known)) {
            Some(first) if is_read(first) => {
                Some(format!("{path} is not read, as {first} is: put what is to count into that"))
            }
            Some(first) => {
                Some(format!("{path} is not read: if its labels are to count, rename it to {first}"))
            }
            None => {
                let of = known().find(|known| is_another_form(name, known) && !is_read(known))?;
                Some(format!("{path} is not read: if its labels are to count, rename it to {of}"))
            }
        }
    };
    names.iter().filter_map(note).collect()
}

/// Whether a name is that of another, but for case and an ending that a system adds and hides.
fn is_another_form(name: &str, known: &str) -> bool {
    let lower = name.to_lowercase();
    name != known && lower.strip_suffix(".txt").unwrap_or(&lower) == known
}

/// Those of [`LATER`] in the folder of a labelling that say something, as somebody filled them in.
pub(in crate::app) fn filled_in(folder: &Path) -> Vec<&'static str> {
    let says = |name: &&str| {
        let path = folder.join(name);
        path.is_file()
            // One that does not read says something to whoever wrote it.
            && label_file::read(&path, reading(&path))
                .map_or(true, |table| table.rows.iter().any(says_something))
    };
    LATER.into_iter().filter(says).collect()
}

/// Whether a name is what browsers and desktops call a second file of this name.
fn is_second(name: &str, first: &str) -> bool {
    let (name, stem) = (name.to_lowercase(), first.trim_end_matches(".csv"));
    let Some(mark) = name.strip_prefix(stem).and_then(|rest| rest.strip_suffix(".csv")) else { return false };
    let apart = mark.starts_with([' ', '(', '-', '_']);
    apart && (mark.contains("copy") || mark.trim_matches([' ', '(', ')', '-', '_']).parse::<u32>().is_ok())
}
