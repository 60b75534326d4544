//! Which image a row of a file of labels names.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use super::label_file::Row;
use super::some;
use super::walk::File;
use crate::error::{Error, Result};

/// For each of the files its row, of a table that is read for `labels`, which may be itself.
pub(super) fn resolve(places: &Places<'_>, labels: &Path, rows: Vec<Row>) -> Result<HashMap<usize, Row>> {
    let name = places.table.display().to_string();
    let files = places.files;
    let mut by_name: HashMap<&OsStr, Vec<usize>> = HashMap::new();
    for (i, file) in files.iter().enumerate() {
        by_name.entry(file.path.file_name().unwrap_or_default()).or_default().push(i);
    }
    let (mut found, mut unknown) = (HashMap::new(), Vec::new());
    for row in rows {
        let at = match (places.find(&row.path), by_name.get(OsStr::new(&row.path)).map(Vec::as_slice)) {
            (Some(at), _) => Some(at),
            (None, Some([one])) => Some(*one),
            (None, Some(several)) => {
                let paths = some(several.iter().map(|&i| files[i].path.display().to_string()), 3);
                let reason =
                    format!("{:?} is the name of several images: write their paths ({paths})", row.path);
                return Err(Error::Text { file: name, line: row.line, reason });
            }
            (None, None) => None,
        };
        let Some(at) = at else {
            unknown.push(row);
            continue;
        };
        let line = row.line;
        if let Some(other) = found.insert(at, row) {
            let reason = format!("{:?} is there twice, first at {}", files[at].path.display(), other.line);
            return Err(Error::Text { file: name, line, reason });
        }
    }
    match unknown.first() {
        None => Ok(found),
        Some(row) => {
            let more =
                if unknown.len() > 1 { format!(", nor {} others", unknown.len() - 1) } else { String::new() };
            let reason = places.not_there(labels, row);
            Err(Error::Text { file: name, line: row.line, reason: format!("{reason}{more}") })
        }
    }
}

/// Where the path of a row of a table may lie among the images.
pub(super) struct Places<'a> {
    root: &'a Path,
    /// The folder in the root that the images are in; `None` where they are those that a table lists, wherever they lie.
    prefix: Option<&'a Path>,
    table: &'a Path,
    /// The folder of the table.
    beside: PathBuf,
    files: &'a [File],
    by_path: HashMap<&'a Path, usize>,
    real_root: Option<PathBuf>,
    /// By their real paths, where they are needed.
    by_real: OnceCell<HashMap<PathBuf, usize>>,
}

impl<'a> Places<'a> {
    pub fn new(root: &'a Path, table: &'a Path, prefix: Option<&'a Path>, files: &'a [File]) -> Places<'a> {
        let beside = table.parent().unwrap_or(Path::new("")).to_path_buf();
        let by_path = files.iter().enumerate().map(|(i, f)| (f.path.as_path(), i)).collect();
        let real_root = dunce::canonicalize(root).ok();
        Places { root, prefix, table, beside, files, by_path, real_root, by_real: OnceCell::new() }
    }

    /// The image that a row names.
    pub fn find(&self, path: &str) -> Option<usize> {
        let written = written(path);
        match self.prefix {
            Some(prefix) => {
                let mut places = written.iter().flat_map(|path| self.of(prefix, path));
                places.find_map(|place| self.by_path.get(place.as_path()).copied())
            }
            None => {
                let same = |path: &String| self.by_path.get(Path::new(path)).copied();
                written.iter().find_map(same).or_else(|| written.iter().find_map(|path| self.by_real(path)))
            }
        }
    }

    /// Whether a row names a file that is there, none of the images, and out of the root.
    pub fn is_elsewhere(&self, path: &str) -> bool {
        let out = |path: &String| {
            let real = dunce::canonicalize(self.beside.join(path)).ok().filter(|real| real.is_file());
            let root = self.real_root.as_ref();
            real.is_some_and(|real| root.is_some_and(|root| !real.starts_with(root)))
        };
        self.find(path).is_none() && written(path).iter().any(out)
    }

    /// Relative to the root, most likely first.
    fn of(&self, prefix: &Path, path: &str) -> Vec<PathBuf> {
        let joined = self.beside.join(path);
        let mut places = Vec::new();
        places.extend(joined.strip_prefix(self.root).ok().and_then(straight));
        places.extend(straight(&prefix.join(path)));
        if path.starts_with('/') || path.contains("..") || !self.beside.starts_with(self.root) {
            places.extend(self.canonical(&joined));
        }
        places
    }

    /// By the real paths: links, and ways up and down again.
    fn canonical(&self, path: &Path) -> Option<PathBuf> {
        let real = dunce::canonicalize(path).ok()?;
        Some(real.strip_prefix(self.real_root.as_ref()?).ok()?.to_path_buf())
    }

    /// Another spelling of the path of a listed image.
    fn by_real(&self, path: &str) -> Option<usize> {
        let real = |path: &Path| dunce::canonicalize(path).ok();
        let sought = real(&self.beside.join(path))?;
        let all = || {
            let files = self.files.iter().enumerate();
            files.filter_map(|(i, file)| Some((real(&self.root.join(&file.path))?, i))).collect()
        };
        self.by_real.get_or_init(all).get(&sought).copied()
    }

    /// What is wrong with a row whose image is not found.
    fn not_there(&self, labels: &Path, row: &Row) -> String {
        let path = &row.path;
        let there = written(path).iter().any(|path| self.beside.join(path).exists());
        match (there, self.prefix) {
            (true, Some(_)) => format!("{path:?} is no image in {}", self.root.display()),
            (true, None) => format!("{path:?} is not in {}", labels.display()),
            (false, _) => {
                format!("no image {path:?}: paths are relative to the file's folder, with their endings")
            }
        }
    }
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
