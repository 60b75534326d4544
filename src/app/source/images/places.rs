//! Which image a row of a file of labels names.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use super::label_file::Row;
use super::walk::File;
use super::{composed, some};
use crate::error::{Error, Result};

/// Images that the rows of tables name.
pub(in crate::app::source) trait Lookup {
    /// The image of this path in a table in the folder `beside`; an error in words where it may be several.
    fn find(&self, beside: &Path, path: &str) -> std::result::Result<Option<usize>, String>;
    /// What an image is called.
    fn called(&self, image: usize) -> String;
    /// What is wrong with a path that names none, in a table that is read for `labels`.
    fn not_there(&self, beside: &Path, labels: &Path, path: &str) -> String;
}

/// For each of the images its row of a table, which is read for `labels` and may be that itself.
pub(in crate::app::source) fn resolve(
    images: &impl Lookup,
    table: &Path,
    labels: &Path,
    rows: Vec<Row>,
) -> Result<HashMap<usize, Row>> {
    let beside = folder_of(table);
    let wrong =
        |line: usize, reason: String| Err(Error::Text { file: table.display().to_string(), line, reason });
    let (mut found, mut unknown) = (HashMap::new(), Vec::new());
    for row in rows {
        let at = match images.find(beside, &row.path) {
            Ok(at) => at,
            Err(reason) => return wrong(row.line, reason),
        };
        let Some(at) = at else {
            unknown.push(row);
            continue;
        };
        let line = row.line;
        if let Some(other) = found.insert(at, row) {
            return wrong(line, format!("{:?} is there twice, first at {}", images.called(at), other.line));
        }
    }
    match unknown.first() {
        None => Ok(found),
        Some(row) => {
            let more =
                if unknown.len() > 1 { format!(", nor {} others", unknown.len() - 1) } else { String::new() };
            wrong(row.line, images.not_there(beside, labels, &row.path) + &more)
        }
    }
}

/// Where the paths of rows, of whatever table, may lie among the images.
pub(super) struct Places<'a> {
    root: &'a Path,
    /// The folder in the root that the images are in; `None` where they are those that a table lists, wherever they lie.
    prefix: Option<&'a Path>,
    files: &'a [File],
    /// How many of the files, the first, go before the others where a name or a link means both.
    own: usize,
    by_path: HashMap<&'a Path, usize>,
    by_name: HashMap<&'a OsStr, Vec<usize>>,
    /// By their real paths, where they are needed.
    by_real: OnceCell<HashMap<PathBuf, usize>>,
    /// By their paths with composed letters, likewise: a table that was written on another system has them otherwise.
    by_composed: OnceCell<HashMap<String, usize>>,
}

impl<'a> Places<'a> {
    pub fn new(root: &'a Path, prefix: Option<&'a Path>, files: &'a [File]) -> Places<'a> {
        Places::beside_others(root, prefix, files, files.len())
    }

    /// The first `own` files, and others, maybe copies of these, which a name or a link means where no own file is meant.
    pub fn beside_others(
        root: &'a Path,
        prefix: Option<&'a Path>,
        files: &'a [File],
        own: usize,
    ) -> Places<'a> {
        let by_path = files.iter().enumerate().map(|(i, f)| (f.path.as_path(), i)).collect();
        let mut by_name: HashMap<&OsStr, Vec<usize>> = HashMap::new();
        for (i, file) in files.iter().enumerate() {
            let named = by_name.entry(file.path.file_name().unwrap_or_default()).or_default();
            if i < own || named.first().is_none_or(|&first| first >= own) {
                named.push(i);
            }
        }
        let (by_real, by_composed) = Default::default();
        Places { root, prefix, files, own, by_path, by_name, by_real, by_composed }
    }

    fn by_path(&self, beside: &Path, path: &str) -> Option<usize> {
        let written = written(path);
        let places = || {
            written.iter().flat_map(|path| match self.prefix {
                Some(prefix) => self.inside(beside, prefix, path),
                None => vec![path.into()],
            })
        };
        let found = places().find_map(|place| self.by_path.get(place.as_path()).copied());
        let found = found.or_else(|| written.iter().find_map(|path| self.by_real(beside, path)));
        found.or_else(|| places().find_map(|place| self.by_composed(&place)))
    }

    fn by_composed(&self, place: &Path) -> Option<usize> {
        let composed = |path: &Path| path.to_str().map(composed);
        let all = || {
            let files = self.files.iter().enumerate().rev();
            files.filter_map(|(i, file)| Some((composed(&file.path)?, i))).collect()
        };
        self.by_composed.get_or_init(all).get(&composed(place)?).copied()
    }

    /// Where it may be by its words, relative to the root.
    fn inside(&self, beside: &Path, prefix: &Path, path: &str) -> Vec<PathBuf> {
        let joined = beside.join(path);
        let there = joined.strip_prefix(self.root).ok().and_then(straight);
        there.into_iter().chain(straight(&prefix.join(path))).collect()
    }

    /// By links, and ways up and down again.
    fn by_real(&self, beside: &Path, path: &str) -> Option<usize> {
        let real = |path: &Path| dunce::canonicalize(path).ok();
        let sought = real(&beside.join(path))?;
        let all = || {
            // The later one counts: of a file and links to it among the others, the file.
            let (own, others) = (0..self.own, self.own..self.files.len());
            let files = others.chain(own).map(|i| (i, &self.files[i]));
            files.filter_map(|(i, file)| Some((real(&self.root.join(&file.path))?, i))).collect()
        };
        self.by_real.get_or_init(all).get(&sought).copied()
    }

    /// Whether the images that a table lists lie elsewhere: none of them is in the root, and the first that is there is out of it.
    pub fn are_elsewhere(&self, table: &Path, rows: &[Row]) -> bool {
        let beside = folder_of(table);
        let names: HashSet<_> = self.files.iter().filter_map(|file| file.path.file_name()).collect();
        let inside = |path: &String| {
            let places = self.inside(beside, self.prefix.unwrap_or(Path::new("")), path);
            places.iter().any(|place| self.by_path.contains_key(place.as_path()))
                || names.contains(OsStr::new(path)) && !beside.join(path).is_file()
        };
        let real = |path: String| dunce::canonicalize(beside.join(path)).ok().filter(|real| real.is_file());
        let root = dunce::canonicalize(self.root).ok();
        let first = rows.iter().find_map(|row| written(&row.path).into_iter().find_map(real));
        let out = first.zip(root).is_some_and(|(first, root)| !first.starts_with(root));
        out && !rows.iter().any(|row| written(&row.path).iter().any(inside))
    }
}

impl Places<'_> {
    /// The only image of a path's name, in another folder.
    fn elsewhere(&self, path: &str) -> Option<String> {
        let name = |path: String| Path::new(&path).file_name().map(OsStr::to_os_string);
        let named = written(path).into_iter().filter_map(name);
        let found = named.filter_map(|name| self.by_name.get(name.as_os_str())).next()?;
        match found[..] {
            [one] => Some(self.called(one)),
            _ => None,
        }
    }
}

impl Lookup for Places<'_> {
    /// By its path, or by its name where no other image has it.
    fn find(&self, beside: &Path, path: &str) -> std::result::Result<Option<usize>, String> {
        // The name of another file that is there is no image's alone.
        let named = self.by_name.get(OsStr::new(path)).filter(|_| !beside.join(path).is_file());
        match (self.by_path(beside, path), named.map(Vec::as_slice)) {
            (Some(at), _) => Ok(Some(at)),
            (None, Some([one])) => Ok(Some(*one)),
            (None, Some(several)) => {
                let paths = some(several.iter().map(|&i| self.called(i)), 3);
                Err(format!("{path:?} is the name of several images: write their paths ({paths})"))
            }
            (None, None) => Ok(None),
        }
    }

    fn called(&self, image: usize) -> String {
        self.files[image].path.display().to_string()
    }

    fn not_there(&self, beside: &Path, labels: &Path, path: &str) -> String {
        let there = written(path).iter().any(|path| beside.join(path).exists());
        match (there, self.prefix) {
            (true, Some(_)) => format!("{path:?} is no image in {}", self.root.display()),
            (true, None) => format!("{path:?} is not in {}", labels.display()),
            (false, _) => {
                let moved = self.elsewhere(path).map(|moved| {
                    format!("; there is {moved:?}: if it was moved, move it back and change its label in the table")
                });
                let moved = moved.unwrap_or_default();
                format!(
                    "no image {path:?}: paths are relative to the file's folder, with their endings{moved}"
                )
            }
        }
    }
}

/// Where a file lies.
pub(in crate::app::source) fn folder_of(table: &Path) -> &Path {
    table.parent().unwrap_or(Path::new(""))
}

/// A path without `.` and `..`; `None` where it leads out of its folder.
fn straight(path: &Path) -> Option<PathBuf> {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                if !parts.pop() {
                    return None;
                }
            }
            Component::Normal(name) => parts.push(name),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts)
}

/// A path as it is written, and as Windows means it.
pub(super) fn written(path: &str) -> Vec<String> {
    std::iter::once(path.to_string()).chain(path.contains('\\').then(|| path.replace('\\', "/"))).collect()
}
