//! The end of a labelling that moves its images. All of it can be done again, as after a kill.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use csv::StringRecord;

use super::bookmark::{Bookmark, Folder};
use super::summary::Summary;
use super::{Arrange, arrange, table};
use crate::app::atomic;
use crate::app::source::images::some;
use crate::error::{Error, Result};

/// Moves all images into their folders. One that is in neither place is passed over, as somebody removed it since it was
/// labelled: it stands in `skipped.csv`, and not in `labels.csv`, which could not be trained on with it. What is to be told of
/// such ones, which `summary` has then.
///
/// # Errors
/// [`Error::Output`] where nothing is left in the folder of such an image, which may be on a drive that is not connected; as
/// [`arrange::put`]; [`Error::Io`] naming what cannot be written.
pub(super) fn end(folder: &Folder, bookmark: &Bookmark, summary: &mut Summary) -> Result<Option<String>> {
    let (out, mut gone) = (folder.path(), BTreeSet::new());
    // Folders out of which an image was moved now.
    let mut there: HashSet<PathBuf> = HashSet::new();
    folder.each_place(0, bookmark.places, |source, target| {
        let (at, place) = (source.parent().unwrap_or(source), out.join(target));
        if arrange::has_vanished(source, &place) {
            if !there.contains(at) {
                check_there(at)?;
            }
            // An earlier move had taken its name.
            if atomic::is_reserved(&place) {
                atomic::remove(&place)?;
            }
            gone.extend(target.to_str().map(String::from));
            return Ok(());
        }
        if source.exists() && !there.contains(at) {
            there.insert(at.into());
        }
        arrange::put(Arrange::Move, source, out, target)
    })?;
    if gone.is_empty() {
        return Ok(None);
    }
    take_out(folder, &gone)?;
    summary.gone = gone.len() as u64;
    let note = format!(
        "images that were removed before they could be moved: {} ({}); they are in skipped.csv, and not in labels.csv",
        gone.len(),
        some(gone.iter().map(|target| below(target).into()), 3)
    );
    summary.notes.push(note.clone());
    Ok(Some(note))
}

/// Whether a folder is there and has something: where a drive is not connected there may be an empty folder in its place.
fn check_there(folder: &Path) -> Result<()> {
    match std::fs::read_dir(folder).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Ok(()),
        _ => Err(Error::Output(format!(
            "the folder {} of images to move is empty or not there: put it back (is its drive connected?), or, if they are gone for \
             good, put any file into a folder of that name; then repeat the command",
            folder.display()
        ))),
    }
}

/// Takes the rows of these targets out of `labels.csv` and puts the images into `skipped.csv`, with the labels that were given.
fn take_out(folder: &Folder, gone: &BTreeSet<String>) -> Result<()> {
    let (labels, skipped) = (folder.file("labels.csv"), folder.file("skipped.csv"));
    let is_gone = |row: &StringRecord| row.get(0).is_some_and(|path| gone.contains(path));
    let mut rows = vec![];
    for row in table::rows(&labels, 0, u64::MAX)? {
        let row = row?;
        if is_gone(&row) {
            let label = row.get(1).filter(|_| row.get(3) == Some("given")).unwrap_or_default();
            let path = below(row.get(0).unwrap_or_default());
            rows.push(StringRecord::from(vec![path, "removed before it could be moved", label]));
        }
    }
    // A run that was killed then has taken them out.
    if rows.is_empty() {
        return Ok(());
    }
    // First where they come to: a kill in between leaves them in both, and then twice in the one.
    rewrite(&skipped, |_| true, rows)?;
    rewrite(&labels, |row| !is_gone(row), vec![])
}

/// Writes those rows of a table that are to stay, and then more of its number of columns, in its place.
fn rewrite(path: &Path, stays: impl Fn(&StringRecord) -> bool, more: Vec<StringRecord>) -> Result<()> {
    let rows = table::rows(path, 0, u64::MAX)?;
    atomic::write_with(path, |w| {
        let (mut table, mut columns) = (csv::Writer::from_writer(w), usize::MAX);
        for row in rows {
            let row = row.map_err(|e| std::io::Error::other(e.to_string()))?;
            columns = row.len();
            if stays(&row) {
                table.write_record(&row)?;
            }
        }
        for mut row in more {
            row.truncate(columns);
            table.write_record(&row)?;
        }
        table.flush()
    })
}

/// The path of an image below its class folder, as what is skipped is named.
fn below(target: &str) -> &str {
    target.split_once('/').map_or(target, |(_, below)| below)
}
