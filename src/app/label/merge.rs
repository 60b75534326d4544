//! The parts of a labelling, `ssgan label --shard i/n`, put together: what one labelling of all images would have written, but
//! for what was made of each part alone, the page and the images to label next.
//!
//! Part i has the images i, i + n, i + 2n, ..., so rows are taken from the parts in turn; where an image could not be read,
//! those after it may stand in another order. Paths lead from the folder of a part, and then from that of all. Images in class
//! folders stay where they are. Memory does not grow with the number of images.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Component, Path, PathBuf};

use csv::StringRecord;

use super::arrange;
use super::inputs::way;
use super::summary::Summary;
use crate::app::source::images::{filled_in, some};
use crate::app::{atomic, text};
use crate::error::{Error, Result};

/// The table whose last column an earlier version did not write.
const SKIPPED: &str = "skipped.csv";

/// A part that is finished.
struct Part<'a> {
    path: &'a Path,
    /// Without links, for ways from and to it.
    real: PathBuf,
    /// Which one it is, i of n.
    number: (usize, usize),
    summary: Summary,
}

/// Writes `labels.csv`, `skipped.csv` and `summary.json` of all parts into `out`, which is made if need be. The parts may be
/// named in any order. What a merge that was killed has left is completed.
///
/// # Errors
/// [`Error::Usage`] for folders that are no finished parts, that are not all parts of one labelling, or were labelled by
/// different checkpoints or with different flags; [`Error::Output`] if another file is where one should go; [`Error::Io`] and
/// [`Error::Text`] name what cannot be read or written.
pub fn merge(parts: &[PathBuf], out: &Path) -> Result<Summary> {
    let parts = in_order(parts.iter().map(|path| Part::open(path)).collect::<Result<_>>()?)?;
    let mut summary = parts[0].summary.clone();
    summary.part = None;
    for part in &parts[1..] {
        summary.add(&part.summary).map_err(|what| {
            Error::Usage(format!(
                "{} and {} were labelled with different {what}: label one of them again, with the other's flags, where the run's \
                 own data can be read, on the same kind of adapter",
                parts[0].path.display(),
                part.path.display()
            ))
        })?;
    }
    // Each part has its own, of which none is that of all.
    summary.next = None;
    summary.notes.extend(parts.iter().filter_map(Part::unmerged));
    fs::create_dir_all(out).map_err(Error::io("create", out))?;
    let real = dunce::canonicalize(out).map_err(Error::io("read", out))?;
    // Images that are in no class folder are named as they were given, from nowhere.
    let skipped_lead = summary.by_class.is_none();
    write_table(&parts, "labels.csv", out, |part, path| part.way(path, &real))?;
    write_table(&parts, SKIPPED, out, |part, path| match skipped_lead {
        true => part.way(path, &real),
        false => path.into(),
    })?;
    let file = out.join("summary.json");
    let json = text::json(file.display(), &summary)?;
    write_new(&file, |w| w.write_all(json.as_bytes()))?;
    Ok(summary)
}

impl Part<'_> {
    fn open(path: &Path) -> Result<Part<'_>> {
        let file = path.join("summary.json");
        if !file.is_file() {
            let path = path.display();
            return Err(Error::Usage(format!(
                "{path} has no summary.json: it is no labelling, or one that is not finished"
            )));
        }
        let text = text::read_record(&file)?;
        let summary: Summary = serde_json::from_str(&text).map_err(|e| Error::Text {
            file: file.display().to_string(),
            line: e.line(),
            reason: format!("{e}: label this part again"),
        })?;
        let number = summary.part.ok_or_else(|| {
            let path = path.display();
            Error::Usage(format!("{path} is no part of a labelling: it was made without --shard"))
        })?;
        Ok(Part { path, real: dunce::canonicalize(path).map_err(Error::io("read", path))?, number, summary })
    }

    /// A note of labels that came after those of the part's table.
    fn unmerged(&self) -> Option<String> {
        let files = filled_in(self.path);
        (!files.is_empty()).then(|| {
            let (path, files) = (self.path.display(), files.join(" and "));
            format!("{path} has labels in {files}, which do not count in the merged folder: to give more labels, label without --shard")
        })
    }

    /// A path that leads from the part, from `out`.
    fn way(&self, path: &str, out: &Path) -> String {
        if Path::new(path).is_absolute() {
            return path.into();
        }
        let mut whole = self.real.clone();
        for part in Path::new(path).components() {
            match part {
                Component::ParentDir => drop(whole.pop()),
                other => whole.push(other),
            }
        }
        // Of Unicode text, as both parts of it are; where the folders above are not, they are shown as far as they are.
        let way = way(out, &whole);
        arrange::lossy_text(&way)
    }
}

/// All parts of one labelling, the first one first.
fn in_order(mut parts: Vec<Part>) -> Result<Vec<Part>> {
    let usage = |reason: String| Err(Error::Usage(reason));
    let Some((_, n)) = parts.first().map(|first| first.number) else {
        return usage("name the parts to merge".into());
    };
    if let Some(Part { path, number: (i, of), .. }) = parts.iter().find(|part| part.number.1 != n) {
        return usage(format!("{} is part {i} of {of}, and others are parts of {n}", path.display()));
    }
    parts.sort_by_key(|part| part.number);
    if let Some(pair) = parts.windows(2).find(|pair| pair[0].number == pair[1].number) {
        return usage(format!("{} and {} are the same part", pair[0].path.display(), pair[1].path.display()));
    }
    let there = |i: &usize| parts.iter().any(|part| part.number.0 == *i);
    let missing: Vec<String> = (1..=n).filter(|i| !there(i)).map(|i| format!("{i}/{n}")).collect();
    match missing.is_empty() {
        true => Ok(parts),
        false => usage(format!("missing: the folders of --shard {}", some(missing, 5))),
    }
}

/// The rows of all parts' tables of this name, the first one's after the names of the columns, which must be the same; where a
/// part has no last column in [`SKIPPED`], it is empty there.
fn write_table(parts: &[Part], name: &str, out: &Path, way: impl Fn(&Part, &str) -> String) -> Result<()> {
    let mut tables = Vec::with_capacity(parts.len());
    for part in parts {
        let path = part.path.join(name);
        let file = File::open(&path).map_err(Error::io("read", &path))?;
        let mut reader = csv::Reader::from_reader(file);
        let columns = reader.headers().map_err(|e| Error::io("read", &path)(e.into()))?.clone();
        tables.push((part, path, columns, reader.into_records()));
    }
    let longest = tables.iter().max_by_key(|table| table.2.len()).filter(|_| name == SKIPPED);
    let columns = longest.unwrap_or(&tables[0]).2.clone();
    let begins = |theirs: &StringRecord| theirs.iter().eq(columns.iter().take(theirs.len()));
    let fits = |theirs: &StringRecord| *theirs == columns || name == SKIPPED && begins(theirs);
    if let Some((part, ..)) = tables.iter().find(|table| !fits(&table.2)) {
        return Err(Error::Usage(format!(
            "{} has other columns in {name} than {}: label one of them again with the other's flags",
            part.path.display(),
            parts[0].path.display()
        )));
    }
    write_new(&out.join(name), |w| {
        let mut all = csv::Writer::from_writer(w);
        all.write_record(&columns)?;
        let mut left = tables.len();
        while left > 0 {
            left = 0;
            for (part, path, _, rows) in &mut tables {
                let Some(row) = rows.next() else { continue };
                let row: StringRecord =
                    row.map_err(|e| std::io::Error::other(format!("{}: {e}", path.display())))?;
                let first = way(part, row.get(0).unwrap_or_default());
                let rest = row.iter().chain(std::iter::repeat("")).take(columns.len()).skip(1);
                all.write_record(std::iter::once(first.as_str()).chain(rest))?;
                left += 1;
            }
        }
        all.flush()
    })
}

/// Makes a file that must not be there, unless it is the same.
fn write_new(path: &Path, fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    match atomic::write_new(path, fill)? {
        true => Ok(()),
        false => Err(Error::Output(format!(
            "{} is there already, and is another: nothing is overwritten; name another --out, or move it away",
            path.display()
        ))),
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
