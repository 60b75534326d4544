//! Labels in a file: CSV, or JSON of the form `{"cats/1.jpg": "cat", "2.jpg": null}`.
//!
//! A CSV has a line of column names: one of [`PATHS`], one of [`LABELS`], and, if wanted, `split` (train, val or test) and
//! `status`. Other columns are not used. UTF-8, with or without byte-order mark, any ends of lines; the columns may be
//! parted by commas, semicolons or tabs. An empty label leaves the image unlabelled.
//!
//! `status` is what `ssgan label` writes: `given`, `predicted` or `unsure`. Only a given label is a label when the file is
//! read again, unless [`Reading::predicted`] asks for the predicted ones: a model that learns from its own predictions is
//! told that it was right.

use std::fmt;
use std::path::Path;

use serde::de::{Deserializer, MapAccess, Visitor};

use super::found::{LATER, TABLE};
use super::{Part, class_name, means_no_label};
use crate::app::text;
use crate::error::{Error, Result};
use crate::text::closest;

/// Names of the column of paths.
pub const PATHS: [&str; 5] = ["path", "file_name", "image_path", "filename", "image"];

/// What this program's tables have besides.
const OWN: [&str; 7] = [
    "confidence",
    "second_label",
    "second_confidence",
    "disagrees_with_given",
    "predicted",
    "alike",
    "share",
];

/// Names of the column of labels.
pub const LABELS: [&str; 2] = ["label", "class"];

/// Largest file, in bytes: a labelling of ten million images, or of one million with the probabilities of a hundred classes.
const MAX_TABLE: u64 = 4 << 30;

const SPLITS: [&str; 1] = ["split"];
const STATUSES: [&str; 1] = ["status"];

/// The status of a label that somebody gave.
const GIVEN: &str = "given";

/// How a file of labels is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// Whether labels of the status `predicted` count as given.
    pub predicted: bool,
    /// Whether an empty label without a status is one that was given: in a file of corrections, which has no other reason to
    /// name an image.
    pub empty_is_given: bool,
}

/// What a file says of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its line, counted from 1; of JSON its place among the images.
    pub line: usize,
    /// As written: relative to the file's folder, or absolute.
    pub path: String,
    /// `None`: unlabelled.
    pub label: Option<String>,
    /// Whether somebody gave it no label: an empty one of the status `given`, see also [`Reading::empty_is_given`].
    pub no_label: bool,
    /// `None` where the file does not say.
    pub part: Option<Part>,
}

/// A file of labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelFile {
    /// Its images, in the file's order.
    pub rows: Vec<Row>,
    /// What a reader of the table of contents should know: columns that are not used, labels that are predictions.
    pub notes: Vec<String>,
}

/// Whether a file of this name can be a label file.
pub fn is_label_file(path: &Path) -> bool {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
    ["csv", "tsv", "json"].contains(&ending.as_str())
}

/// Reads a label file, JSON by its ending, else CSV.
///
/// # Errors
/// [`Error::Text`] with the line of what is wrong: no column of paths or labels, an unknown split or status, an empty
/// path, one that is there twice, text that is not UTF-8; as [`text::read_up_to`].
pub fn read(path: &Path, reading: Reading) -> Result<LabelFile> {
    let text = text::read_up_to(path, MAX_TABLE).map_err(how_to_save)?;
    let name = path.display().to_string();
    let text = text.trim_start_matches('\u{feff}');
    let json = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
    let file = if json { from_json(&name, text) } else { from_csv(&name, text, reading) }?;
    check_twice(&name, &file.rows)?;
    Ok(file)
}

/// Excel's plain CSV is in the encoding of the system, on Windows mostly Windows-1252.
fn how_to_save(e: Error) -> Error {
    match e {
        Error::Text { file, line, reason } => {
            let reason = format!("{reason}: save it as UTF-8, which Excel calls \"CSV UTF-8\"");
            Error::Text { file, line, reason }
        }
        e => e,
    }
}

fn error(file: &str, line: usize, reason: impl Into<String>) -> Error {
    Error::Text { file: file.into(), line, reason: reason.into() }
}

/// Which column has what.
struct Columns {
    path: usize,
    label: usize,
    part: Option<usize>,
    status: Option<usize>,
    unused: Vec<String>,
}

/// Reads the text of a CSV; `name` is for messages.
///
/// # Errors
/// As [`read`], but for paths that are there twice.
pub fn from_csv(name: &str, text: &str, reading: Reading) -> Result<LabelFile> {
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter(text)).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| csv_error(name, &e))?.clone();
    let columns = check_apart(&header).and_then(|()| columns(&header));
    let columns = columns.map_err(|reason| error(name, 1, reason))?;
    let (mut rows, mut predictions, mut none) = (Vec::new(), 0usize, 0usize);
    for record in reader.records() {
        let record = record.map_err(|e| csv_error(name, &e))?;
        let line = record.position().map_or(0, |p| p.line() as usize);
        // Programs for tables leave such rows at the end.
        if record.iter().all(|value| value.trim().is_empty()) {
            continue;
        }
        let value = |column: Option<usize>| column.and_then(|c| record.get(c)).unwrap_or_default();
        let (path, word) = (value(Some(columns.path)), value(columns.part).trim());
        if path.is_empty() {
            return Err(error(name, line, "no path: every line names an image"));
        }
        let part = match word {
            "" => None,
            _ => Some(Part::named(word).ok_or_else(|| {
                error(name, line, format!("split {word:?}: known are train, val and test"))
            })?),
        };
        let given = is_given(value(columns.status), reading).map_err(|reason| error(name, line, reason))?;
        let written = value(Some(columns.label)).trim();
        let label = Some(written).filter(|l| !l.is_empty() && !means_no_label(l));
        none += usize::from(label.is_none() && !written.is_empty());
        predictions += usize::from(label.is_some() && !given);
        let looked_at = match value(columns.status).trim() {
            "" => reading.empty_is_given,
            status => status == GIVEN,
        };
        let no_label = label.is_none() && looked_at;
        let label = label.filter(|_| given).map(class_name);
        rows.push(Row { line, path: path.into(), label, no_label, part });
    }
    let mut notes = Vec::new();
    if !columns.unused.is_empty() {
        notes.push(format!("{name}: columns that are not used: {}", columns.unused.join(", ")));
    }
    if none > 0 {
        let labels = text::count(none as u32, "label");
        notes.push(format!(
            "{name}: {labels} named like a folder without labels: these images count as unlabelled"
        ));
    }
    if predictions > 0 {
        let labels = text::count(predictions as u32, "label");
        notes.push(format!(
            "{name}: {labels} predicted: these images count as unlabelled; give those that you corrected the status {GIVEN}, or \
             write them into {} beside a {TABLE}",
            LATER.join(" or ")
        ));
    }
    Ok(LabelFile { rows, notes })
}

/// Whether a label of this status is one.
fn is_given(status: &str, reading: Reading) -> std::result::Result<bool, String> {
    match status.trim() {
        "" | GIVEN => Ok(true),
        "predicted" => Ok(reading.predicted),
        "unsure" => Ok(false),
        other => Err(format!("status {other:?}: known are given, predicted and unsure")),
    }
}

/// The one of the usual delimiters that gives the line of names a column of paths; a comma where none does.
fn delimiter(text: &str) -> u8 {
    let first = text.lines().next().unwrap_or_default();
    let has_path = |d: &&u8| first.split(**d as char).any(|word| PATHS.contains(&plain(word).as_str()));
    *b",;\t".iter().find(|d| first.contains(**d as char) && has_path(d)).unwrap_or(&b',')
}

/// A column's name as it is compared.
fn plain(name: &str) -> String {
    name.trim().trim_matches('"').trim().to_lowercase()
}

/// Refuses a line of names with another delimiter in it. Where a list's separator is a semicolon, Excel opens a table with commas
/// as one column; what is typed beside that comes after the semicolons, in no column of this.
fn check_apart(header: &csv::StringRecord) -> std::result::Result<(), String> {
    let known = |word: &str| {
        let word = plain(word);
        [&PATHS[..], &LABELS, &SPLITS, &STATUSES, &OWN].into_iter().flatten().any(|name| *name == word)
    };
    // A name of somebody's own may have one in it, and so may a class in the name of its column.
    let in_two_ways = |name: &&str| {
        let parts = name.split([';', '\t', ',']).filter(|part| !part.trim().is_empty());
        parts.clone().any(known) && (parts.count() > 1 || name.trim_end().ends_with(';'))
    };
    match header.iter().find(in_two_ways) {
        Some(name) => Err(format!(
            "the columns are parted in two ways, as in {:?}: open the table by Data > From Text/CSV, and type the labels into \
             their column",
            name.chars().take(40).collect::<String>()
        )),
        None => Ok(()),
    }
}

fn columns(header: &csv::StringRecord) -> std::result::Result<Columns, String> {
    let names: Vec<String> = header.iter().map(plain).collect();
    let one_of = |known: &[&str]| -> std::result::Result<Option<usize>, String> {
        let found: Vec<usize> = (0..names.len()).filter(|&i| known.contains(&names[i].as_str())).collect();
        match found[..] {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            [a, b, ..] => Err(format!("columns {} and {} say the same: keep one", names[a], names[b])),
        }
    };
    let (path, label) = (one_of(&PATHS)?, one_of(&LABELS)?);
    let (part, status) = (one_of(&SPLITS)?, one_of(&STATUSES)?);
    let missing = |what: &str, known: &[&str]| {
        let named = known.join(", ");
        format!("no column of {what} (named {named}); the columns are {}", names.join(", "))
    };
    let path = path.ok_or_else(|| missing("paths", &PATHS))?;
    let label = label.ok_or_else(|| missing("labels", &LABELS))?;
    let used = [Some(path), Some(label), part, status];
    let unused: Vec<&String> =
        names.iter().enumerate().filter(|(i, _)| !used.contains(&Some(*i))).map(|(_, n)| n).collect();
    // A misspelt column would be passed over, and its values with it.
    let wanted = [(part, "split"), (status, "status")];
    let wanted: Vec<&str> = wanted.into_iter().filter(|(at, _)| at.is_none()).map(|(_, n)| n).collect();
    if let Some((name, meant)) = unused.iter().find_map(|n| Some((n, misspelt(n, &wanted)?))) {
        return Err(format!(
            "unknown column {name:?}; did you mean {meant:?}? Name it so, or something else"
        ));
    }
    let others = unused.into_iter().filter(|n| !OWN.contains(&n.as_str()) && !n.starts_with("p_"));
    let unused = others.filter(|n| !n.is_empty()).cloned().collect();
    Ok(Columns { path, label, part, status, unused })
}

/// The one of `wanted` that a name with a letter or two changed was meant to be.
fn misspelt<'a>(name: &str, wanted: &[&'a str]) -> Option<&'a str> {
    closest(name, wanted).filter(|best| strsim::levenshtein(name, best) <= 2)
}

fn csv_error(name: &str, e: &csv::Error) -> Error {
    let line = e.position().map_or(1, |p| p.line() as usize);
    match e.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let hint = "a value with a comma in it stands in double quotes";
            error(
                name,
                line,
                format!("{len} values, where the first line names {expected_len} columns: {hint}"),
            )
        }
        _ => error(name, line, e.to_string()),
    }
}

/// An object of JSON with every entry, those of equal names too.
struct Pairs(Vec<(String, Option<String>)>);

impl<'de> serde::Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Pairs, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Pairs;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of files and labels, such as {\"1.jpg\": \"cat\", \"2.jpg\": null}")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some((path, label)) = map.next_entry::<String, Option<Label>>()? {
                    pairs.push((path, label.map(Label::into_string)));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// A label of JSON.
#[derive(serde::Deserialize)]
#[serde(untagged, expecting = "a label must be text, a whole number or null")]
enum Label {
    Text(String),
    Number(i64),
}

impl Label {
    fn into_string(self) -> String {
        match self {
            Label::Text(text) => text,
            Label::Number(n) => n.to_string(),
        }
    }
}

/// Reads the text of a JSON object; `name` is for messages.
///
/// # Errors
/// As [`read`], but for paths that are there twice.
pub fn from_json(name: &str, text: &str) -> Result<LabelFile> {
    let pairs: Pairs = serde_json::from_str(text).map_err(|e| {
        let told = e.to_string();
        // The line is told already.
        let reason = told.split(" at line ").next().unwrap_or(&told);
        error(name, e.line(), reason.to_string())
    })?;
    let row = |(i, (path, label)): (usize, (String, Option<String>))| {
        let label = label.map(|l| class_name(&l)).filter(|l| !l.is_empty() && !means_no_label(l));
        Row { line: i + 1, path, label, no_label: false, part: None }
    };
    Ok(LabelFile { rows: pairs.0.into_iter().enumerate().map(row).collect(), notes: Vec::new() })
}

fn check_twice(name: &str, rows: &[Row]) -> Result<()> {
    let mut first = std::collections::HashMap::with_capacity(rows.len());
    for row in rows {
        if let Some(line) = first.insert(row.path.as_str(), row.line) {
            let path = &row.path;
            return Err(error(name, row.line, format!("{path:?} is there twice, first at {line}: keep one")));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "label_file_tests.rs"]
mod tests;
