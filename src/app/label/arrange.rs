//! Images in folders of their classes. Nothing is ever overwritten, and nothing is half there: a copy is made beside and
//! renamed. What has been done already, by a run that was killed, is done. Such a run may leave an empty file: a name that it
//! had taken, where the file system can move an image only over what is there.

use std::fs::{self, File};
use std::io::{ErrorKind, Result as IoResult};
use std::path::{Component, Path, PathBuf};

use super::Arrange;
use crate::app::atomic::{self, fault};
use crate::error::{Error, Result};

/// The folder of images that are not sure enough.
pub(super) const UNSURE: &str = "_unsure";

/// Names that a class folder cannot have, in lower case: the files beside it, and what data sets call their unlabelled images
/// and their parts.
const RESERVED: [&str; 17] = [
    "labels.csv",
    "skipped.csv",
    "next.csv",
    "review.html",
    "summary.json",
    UNSURE,
    "_unlabeled",
    "_unlabelled",
    "unlabeled",
    "unlabelled",
    "train",
    "training",
    "val",
    "valid",
    "validation",
    "test",
    "testing",
];

/// Devices of Windows, whatever the ending; `com1` to `lpt9` too.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// Most bytes of a class folder's name; file systems take 255.
const LONGEST: usize = 200;

/// A folder's name for each class: its own, where that is safe on every system, and no two alike in lower case.
pub(super) fn folder_names(classes: &[String]) -> Vec<String> {
    let mut taken: Vec<String> = Vec::with_capacity(classes.len());
    let mut names = Vec::with_capacity(classes.len());
    for class in classes {
        let safe = safe_name(class);
        let numbered = |n: usize| if n == 1 { safe.clone() } else { format!("{safe}-{n}") };
        let free = (1..).map(numbered).find(|name| !taken.contains(&name.to_lowercase()));
        let name = free.unwrap_or_default();
        taken.push(name.to_lowercase());
        names.push(name);
    }
    names
}

fn safe_name(class: &str) -> String {
    let bad = |c: char| c.is_control() || "/\\:*?\"<>|".contains(c);
    let mut name: String = class.trim().chars().map(|c| if bad(c) { '_' } else { c }).collect();
    while name.len() > LONGEST {
        name.pop();
    }
    // Windows drops dots and spaces at the end.
    name.truncate(name.trim_end_matches(['.', ' ']).len());
    // What begins with a dot is hidden, and not read again.
    if name.is_empty() || name.starts_with('.') || is_reserved(&name.to_lowercase()) {
        name.insert_str(0, "class_");
    }
    name
}

fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    let numbered = ["com", "lpt"].iter().find_map(|device| stem.strip_prefix(device));
    let device =
        DEVICES.contains(&stem) || numbered.is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit());
    device || RESERVED.contains(&name)
}

/// Where an image goes, from the folder of all: its own path below its class, without what leads out of there.
pub(super) fn place(folder: &str, path: &Path) -> PathBuf {
    let inside = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    Path::new(folder).join(inside.collect::<PathBuf>())
}

/// Puts `source` at `target`, a path in the folder `out`.
///
/// # Errors
/// [`Error::Output`] if another file is there, or if the file system has no such links; [`Error::Io`] else.
pub(super) fn put(how: Arrange, source: &Path, out: &Path, target: &Path) -> Result<()> {
    let target = out.join(target);
    if let Some(folder) = target.parent() {
        fault::attempt(|| fs::create_dir_all(folder)).map_err(Error::io("create", folder))?;
    }
    let once = || match how {
        Arrange::Copy => copy(source, out, &target, false),
        Arrange::Hardlink => fault::attempt(|| fs::hard_link(dunce::canonicalize(source)?, &target)),
        Arrange::Symlink => fault::attempt(|| link(&dunce::canonicalize(source)?, &target)),
        Arrange::Move => shift(source, out, &target),
    };
    let done = match once() {
        // The name that the run that was killed had taken.
        Err(e) if e.kind() == ErrorKind::AlreadyExists && atomic::is_reserved(&target) => {
            fault::attempt(|| fs::remove_file(&target)).and_then(|()| once())
        }
        done => done,
    };
    let is_there = || target.is_file() && !atomic::is_reserved(&target);
    match done {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => there_already(how, source, &target),
        // Moved by the run that was killed.
        Err(e) if how == Arrange::Move && e.kind() == ErrorKind::NotFound && is_there() => Ok(()),
        Err(e) if !source.exists() => Err(Error::io("read", source)(e)),
        Err(e) if [Arrange::Hardlink, Arrange::Symlink].contains(&how) => Err(Error::Output(format!(
            "cannot link {} to {}: {e}; if the file system has no such links, remove {} and label again with --by-class copy",
            target.display(),
            source.display(),
            out.display()
        ))),
        Err(e) => Err(Error::io("write", target)(e)),
    }
}

/// Whether an image that is to be moved is in neither place. A link that leads nowhere is in its place: what it led to may be on
/// a drive that is not connected.
pub(super) fn has_vanished(source: &Path, target: &Path) -> bool {
    let lacks = |path: &Path| fs::symlink_metadata(path).is_err_and(|e| e.kind() == ErrorKind::NotFound);
    lacks(source) && (atomic::is_reserved(target) || lacks(target))
}

/// An error, unless what is there is this image.
fn there_already(how: Arrange, source: &Path, target: &Path) -> Result<()> {
    match atomic::same_content(source, target).map_err(Error::io("read", target))? {
        true if how == Arrange::Move => atomic::remove(source),
        true => Ok(()),
        false => Err(Error::Output(format!(
            "{} is there already, and is not {}: nothing is overwritten; move one of them away, then repeat the command",
            target.display(),
            source.display()
        ))),
    }
}

/// A copy that is whole or not there; `moves` where the original goes. One that a power cut takes can be made again.
fn copy(source: &Path, out: &Path, target: &Path, moves: bool) -> IoResult<()> {
    let mut from = File::open(source)?;
    let temporary = fault::attempt(|| atomic::temporary_beside(&out.join("copy")))?;
    fault::attempt(|| std::io::copy(&mut from, &mut temporary.as_file()))?;
    if moves {
        pass_on(&from, temporary.as_file());
        atomic::sync(temporary.as_file())?;
    }
    atomic::keep_new(temporary, target).map_err(|(_, e)| e)?;
    if moves { atomic::sync_parent(target) } else { Ok(()) }
}

/// Gives a file what a move keeps, as far as its file system has it: the time of the last change, and the permissions.
fn pass_on(from: &File, to: &File) {
    let Ok(known) = from.metadata() else { return };
    let _ = known.modified().and_then(|at| to.set_modified(at));
    let _ = to.set_permissions(known.permissions());
}

/// Moves a file: a second name, then the first goes, because renaming would overwrite. Where there are no second names, it is
/// renamed to a name that is taken before. What is in another file system is copied, and a link, which may not lead there from
/// elsewhere.
fn shift(source: &Path, out: &Path, target: &Path) -> IoResult<()> {
    let is_link = fs::symlink_metadata(source)?.is_symlink();
    let linked: IoResult<()> = match is_link {
        true => Err(ErrorKind::Unsupported.into()),
        false => fault::attempt(|| fs::hard_link(source, target)),
    };
    match linked {
        Ok(()) => atomic::sync_parent(target)?,
        Err(e) if [ErrorKind::AlreadyExists, ErrorKind::NotFound].contains(&e.kind()) => return Err(e),
        Err(e) => {
            let elsewhere = is_link || e.kind() == ErrorKind::CrossesDevices;
            if !elsewhere && rename(source, target)? {
                return atomic::sync_parent(target);
            }
            copy(source, out, target, true)?;
        }
    }
    atomic::remove_file(source)
}

/// Renames a file to a name that nothing has; `false` where the system refuses, as from one file system to another.
fn rename(source: &Path, target: &Path) -> IoResult<bool> {
    atomic::reserve(target)?;
    match atomic::waiting(|| fs::rename(source, target)) {
        Ok(()) => Ok(true),
        // Network file systems may say so of a rename that was done: an image is not taken for the name that was taken.
        Err(e) if !source.exists() || !atomic::is_reserved(target) => Err(e),
        Err(_) => fault::attempt(|| fs::remove_file(target)).map(|()| false),
    }
}

#[cfg(unix)]
fn link(source: &Path, target: &Path) -> IoResult<()> {
    std::os::unix::fs::symlink(source, target)
}

#[cfg(windows)]
fn link(source: &Path, target: &Path) -> IoResult<()> {
    std::os::windows::fs::symlink_file(source, target)
}

#[cfg(not(any(unix, windows)))]
fn link(_: &Path, _: &Path) -> IoResult<()> {
    Err(ErrorKind::Unsupported.into())
}

/// A path as text with `/` between its parts, on every system; `None` if it is not Unicode, which no CSV of Unicode holds.
pub(super) fn text(path: &Path) -> Option<String> {
    path.to_str().map(with_slashes)
}

/// As [`text`], with something else for what is not Unicode.
pub(super) fn lossy_text(path: &Path) -> String {
    with_slashes(&path.to_string_lossy())
}

fn with_slashes(path: &str) -> String {
    path.replace(std::path::MAIN_SEPARATOR, "/")
}

#[cfg(test)]
#[path = "arrange_tests.rs"]
mod tests;
