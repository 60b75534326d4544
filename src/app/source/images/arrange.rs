//! Which class and part each file of a folder has: by its folders, or by a file of labels.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use super::label_file::{self, LabelFile, Reading, Row};
use super::scan::{Found, LABEL_FILES, Labelled, Labels, Request, Skipped, found};
use super::walk::{self, File, Walk};
use super::{Part, some};
use crate::error::{Error, Result};

/// Files beside a `labels.csv` whose labels count over its own: what `ssgan label` asked for, filled in, and what was marked on
/// its page.
const LATER: [&str; 2] = ["next.csv", "corrections.csv"];

/// Folders whose images have no label.
pub(super) const UNLABELLED: [&str; 5] = ["_unlabeled", "_unlabelled", "unlabeled", "unlabelled", "_unsure"];

fn first(path: &Path) -> Option<&OsStr> {
    path.iter().next()
}

fn is_unlabelled(name: &OsStr) -> bool {
    name.to_str().is_some_and(|n| UNLABELLED.contains(&n.to_lowercase().as_str()))
}

fn part_of(name: &OsStr) -> Option<Part> {
    name.to_str().and_then(Part::named)
}

/// What the walk through a folder found, with labels.
pub(super) fn folder(root: &Path, walk: Walk, request: &Request) -> Result<Found> {
    let mut arranging = Arranging::new(root, request.reading);
    let tops: Vec<&OsStr> =
        walk.folders.iter().filter(|f| f.iter().count() == 1).filter_map(|f| first(f)).collect();
    let parts: BTreeMap<&OsStr, Part> = tops.iter().filter_map(|&t| Some((t, part_of(t)?))).collect();
    let own = match &request.labels {
        Some(file) => Some(file.clone()),
        None => label_file_in(root, Path::new(""), &walk.others)?,
    };
    if let Some(file) = own {
        // What `ssgan label` writes lists images that lie elsewhere.
        if walk.files.is_empty() {
            return listed(&file, request.reading);
        }
        arranging.by_file(&file, Path::new(""), walk.files, Part::Train)?;
    } else if parts.is_empty() {
        arranging.by_folders(Path::new(""), Part::Train, walk.files, &walk.folders)?;
    } else {
        check_parts(root, &tops, &parts)?;
        let mut of_part: BTreeMap<&OsStr, Vec<File>> = BTreeMap::new();
        for file in walk.files {
            match first(&file.path).and_then(|top| parts.get_key_value(top)) {
                Some((top, _)) => of_part.entry(*top).or_default().push(file),
                // Beside the parts lie loose files and folders of unlabelled ones.
                None => arranging.images.push(Labelled { file, class: None, part: Part::Train }),
            }
        }
        for (top, &part) in &parts {
            let (prefix, files) = (Path::new(top), of_part.remove(top).unwrap_or_default());
            match label_file_in(root, prefix, &walk.others)? {
                Some(file) => arranging.by_file(&file, prefix, files, part)?,
                None => arranging.by_folders(prefix, part, files, &walk.folders)?,
            }
        }
    }
    Ok(arranging.finish(walk.unreadable, walk.others.len()))
}

/// The label file of a folder, if one is in it.
fn label_file_in(root: &Path, folder: &Path, others: &[PathBuf]) -> Result<Option<PathBuf>> {
    let there = LABEL_FILES.iter().map(|name| folder.join(name)).filter(|f| others.contains(f));
    let there: Vec<PathBuf> = there.map(|f| root.join(f)).collect();
    match &there[..] {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        [a, b, ..] => Err(Error::Data(format!(
            "{} and {} are both files of labels: say which one counts, or move one away",
            a.display(),
            b.display()
        ))),
    }
}

fn listed_folders<'a>(names: impl Iterator<Item = &'a OsStr>) -> String {
    let names: BTreeSet<String> = names.map(|n| format!("{}/", n.display())).collect();
    some(names, 3)
}

/// Refuses folders of parts beside folders of classes, and parts that cannot be alone.
fn check_parts(root: &Path, tops: &[&OsStr], parts: &BTreeMap<&OsStr, Part>) -> Result<()> {
    let words = listed_folders(parts.keys().copied());
    let classes: Vec<&OsStr> =
        tops.iter().copied().filter(|t| !parts.contains_key(t) && !is_unlabelled(t)).collect();
    let root = root.display();
    if !classes.is_empty() {
        let classes = listed_folders(classes.into_iter());
        return Err(Error::Data(format!(
            "{root}: {words} is read as a part of the data (train, val or test), but beside it are folders of classes: \
             {classes}. If it is a class, rename it, such as to class_test/, or name the classes in labels.csv; if it is a \
             part, move the folders of classes into train/"
        )));
    }
    if !parts.values().any(|p| *p == Part::Train) {
        return Err(Error::Data(format!(
            "{root}: {words} without train/: put the images to learn from into train/; if it is a class, rename it, \
             such as to class_test/"
        )));
    }
    Ok(())
}

/// Collects images and their labels.
struct Arranging<'a> {
    root: &'a Path,
    reading: Reading,
    images: Vec<Labelled>,
    /// Folders of classes.
    classes: Vec<String>,
    files: Vec<PathBuf>,
    notes: Vec<String>,
    /// Whose first folders are classes.
    class_folders: Vec<PathBuf>,
}

impl<'a> Arranging<'a> {
    fn new(root: &'a Path, reading: Reading) -> Arranging<'a> {
        let (images, classes, files) = Default::default();
        Arranging { root, reading, images, classes, files, notes: Vec::new(), class_folders: Vec::new() }
    }

    /// The folders in `prefix` are classes.
    fn by_folders(&mut self, prefix: &Path, part: Part, files: Vec<File>, folders: &[PathBuf]) -> Result<()> {
        let inside = |path: &Path| path.strip_prefix(prefix).ok().map(Path::to_path_buf);
        for folder in folders.iter().filter_map(|f| inside(f)).filter(|f| f.iter().count() == 1) {
            let name = first(&folder).unwrap_or_default();
            if !is_unlabelled(name) {
                self.classes.push(self.class_name(prefix, name)?);
            }
        }
        for file in files {
            let path = inside(&file.path).unwrap_or_default();
            let top = first(&path).filter(|_| path.iter().count() > 1).filter(|top| !is_unlabelled(top));
            let class = top.map(|top| self.class_name(prefix, top)).transpose()?;
            self.images.push(Labelled { file, class, part });
        }
        self.class_folders.push(prefix.to_path_buf());
        Ok(())
    }

    fn class_name(&self, prefix: &Path, name: &OsStr) -> Result<String> {
        let path = self.root.join(prefix).join(name);
        let fail = |reason: String| Err(Error::Data(format!("{}: {reason}", path.display())));
        let Some(name) = name.to_str() else {
            return fail("the name of a class must be Unicode text: rename the folder".into());
        };
        if part_of(OsStr::new(name)).is_some() {
            return fail(format!(
                "a class folder named like a part of the data: rename it, such as to class_{name}/, or name the classes in \
                 labels.csv"
            ));
        }
        Ok(name.into())
    }

    /// A file has the labels of the images in `prefix`, which are of the part where it does not say another.
    fn by_file(&mut self, labels: &Path, prefix: &Path, files: Vec<File>, part: Part) -> Result<()> {
        let LabelFile { rows, notes } = label_file::read(labels, self.reading)?;
        let mut resolved = resolve(self.root, labels, prefix, &files, rows)?;
        let later = Later::read(self.root, labels, prefix, &files, &mut resolved)?;
        for (i, file) in files.into_iter().enumerate() {
            let row = resolved.get(&i);
            let class = row.and_then(|r| r.label.clone());
            let part = row.and_then(|r| r.part).unwrap_or(part);
            self.images.push(Labelled { file, class, part });
        }
        self.notes.extend(notes.into_iter().chain(later.notes));
        self.files.push(labels.to_path_buf());
        self.files.extend(later.files);
        Ok(())
    }

    fn finish(self, unreadable: Vec<(PathBuf, String)>, other_files: usize) -> Found {
        let labelled = |path: &Path| {
            self.class_folders.iter().any(|prefix| {
                let inside = path.strip_prefix(prefix).ok();
                inside
                    .is_some_and(|p| first(p).is_some_and(|top| p.iter().count() > 1 && !is_unlabelled(top)))
            })
        };
        // A link in a circle leads to images that are there already.
        let skipped = unreadable.into_iter().map(|(path, reason)| Skipped {
            labelled: !reason.contains("circle") && labelled(&path),
            path,
            reason,
        });
        let mut skipped: Vec<Skipped> = skipped.collect();
        skipped.sort_by_cached_key(|s| walk::order(&s.path));
        let labels = if self.files.is_empty() { Labels::Folders } else { Labels::Files(self.files) };
        let found = found(self.root.to_path_buf(), labels, self.classes, self.images, skipped);
        let notes = self.notes.into_iter().chain(found.notes).collect();
        Found { other_files, notes, ..found }
    }
}

/// What files beside a `labels.csv` say of its images.
#[derive(Default)]
struct Later {
    /// Those that say something.
    files: Vec<PathBuf>,
    notes: Vec<String>,
}

impl Later {
    /// Reads [`LATER`], and puts their labels into the rows of the images, which keep their parts. An empty label says nothing,
    /// unless it is given.
    fn read(
        root: &Path,
        labels: &Path,
        prefix: &Path,
        files: &[File],
        rows: &mut HashMap<usize, Row>,
    ) -> Result<Later> {
        let mut later = Later::default();
        if labels.file_name() != Some(OsStr::new(LABEL_FILES[0])) {
            return Ok(later);
        }
        let mut said: HashMap<usize, (PathBuf, Row)> = HashMap::new();
        for path in LATER.map(|name| labels.with_file_name(name)).into_iter().filter(|path| path.is_file()) {
            let LabelFile { rows: theirs, notes } = label_file::read(&path, Reading::default())?;
            let filled = theirs.into_iter().filter(|row| row.label.is_some() || row.none).collect();
            let mut filled: Vec<(usize, Row)> =
                resolve(root, &path, prefix, files, filled)?.into_iter().collect();
            filled.sort_by_key(|(_, row)| row.line);
            let (mut more, mut changed, mut taken) = (0, 0, 0);
            for (at, row) in &filled {
                if let Some((other, theirs)) = said.get(at).filter(|(_, theirs)| theirs.label != row.label) {
                    let reason = format!(
                        "{:?} has another label in {}:{}: keep one",
                        row.path,
                        other.display(),
                        theirs.line
                    );
                    return Err(Error::Text { file: path.display().to_string(), line: row.line, reason });
                }
                let own = rows.entry(*at).or_default();
                match (&own.label, &row.label) {
                    (None, Some(_)) => more += 1,
                    (Some(_), None) => taken += 1,
                    (old, new) => changed += usize::from(old != new),
                }
                own.label = row.label.clone();
            }
            later.notes.extend(notes);
            if !filled.is_empty() {
                let counts = [("added", more), ("changed", changed), ("taken away", taken)];
                let counts = counts.iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!("{what}: {n}"));
                let counts = counts.collect::<Vec<_>>().join(", ");
                let counts = if counts.is_empty() { "none that is not there" } else { &counts };
                later.notes.push(format!("{}: labels {counts}", path.display()));
                later.files.push(path.clone());
            }
            said.extend(filled.into_iter().map(|(at, row)| (at, (path.clone(), row))));
        }
        Ok(later)
    }
}

/// For each of `files` its row.
fn resolve(
    root: &Path,
    labels: &Path,
    prefix: &Path,
    files: &[File],
    rows: Vec<Row>,
) -> Result<HashMap<usize, Row>> {
    let name = labels.display().to_string();
    let by_path: HashMap<&Path, usize> =
        files.iter().enumerate().map(|(i, f)| (f.path.as_path(), i)).collect();
    let mut by_name: HashMap<&OsStr, Vec<usize>> = HashMap::new();
    for (i, file) in files.iter().enumerate() {
        by_name.entry(file.path.file_name().unwrap_or_default()).or_default().push(i);
    }
    let places = Places::new(root, labels, prefix);
    let (mut found, mut unknown) = (HashMap::new(), Vec::new());
    for row in rows {
        let mut places = places.of(&row.path).into_iter().chain([PathBuf::from(&row.path)]);
        let exact = places.find_map(|p| by_path.get(p.as_path()).copied());
        let at = match (exact, by_name.get(OsStr::new(&row.path)).map(Vec::as_slice)) {
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
            let reason = not_there(root, labels, row);
            Err(Error::Text { file: name, line: row.line, reason: format!("{reason}{more}") })
        }
    }
}

fn not_there(root: &Path, labels: &Path, row: &Row) -> String {
    let folder = labels.parent().unwrap_or(Path::new(""));
    let path = &row.path;
    if folder.join(path).exists() {
        return format!("{path:?} is no image in {}", root.display());
    }
    format!("no image {path:?}: paths are relative to the file's folder, with their endings")
}

/// Where the path of a row may lie among the images of a folder.
struct Places<'a> {
    root: &'a Path,
    prefix: &'a Path,
    /// The folder of the label file.
    beside: PathBuf,
    real_root: Option<PathBuf>,
}

impl<'a> Places<'a> {
    fn new(root: &'a Path, labels: &Path, prefix: &'a Path) -> Places<'a> {
        let beside = labels.parent().unwrap_or(Path::new("")).to_path_buf();
        Places { root, prefix, beside, real_root: dunce::canonicalize(root).ok() }
    }

    /// Relative to the folder, most likely first.
    fn of(&self, written: &str) -> Vec<PathBuf> {
        let mut places = Vec::new();
        // Windows writes paths with backslashes.
        for path in [Some(written.to_string()), written.contains('\\').then(|| written.replace('\\', "/"))] {
            let Some(path) = path else { continue };
            let joined = self.beside.join(&path);
            places.extend(joined.strip_prefix(self.root).ok().and_then(straight));
            places.extend(straight(&self.prefix.join(&path)));
            if path.starts_with('/') || path.contains("..") || !self.beside.starts_with(self.root) {
                places.extend(self.canonical(&joined));
            }
        }
        places
    }

    /// By the real paths: links, and ways up and down again.
    fn canonical(&self, path: &Path) -> Option<PathBuf> {
        let real = dunce::canonicalize(path).ok()?;
        Some(real.strip_prefix(self.real_root.as_ref()?).ok()?.to_path_buf())
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

/// The images that a label file lists, and no others.
pub(super) fn listed(labels: &Path, reading: Reading) -> Result<Found> {
    let LabelFile { rows, notes } = label_file::read(labels, reading)?;
    let root = labels.parent().unwrap_or(Path::new("")).to_path_buf();
    let mut files = Vec::with_capacity(rows.len());
    for Row { line, path, .. } in &rows {
        let there = |p: &str| root.join(p).metadata().is_ok_and(|m| m.is_file());
        let path = if there(path) { path.clone() } else { path.replace('\\', "/") };
        let file = walk::file(&root.join(&path), PathBuf::from(&path)).map_err(|_| Error::Text {
            file: labels.display().to_string(),
            line: *line,
            reason: format!("no image {path:?}: paths are relative to the file's folder, with their endings"),
        })?;
        files.push(file);
    }
    let mut rows = rows.into_iter().enumerate().collect();
    let later = Later::read(&root, labels, Path::new(""), &files, &mut rows)?;
    let image = |(i, file)| {
        let Row { label, part, .. } = rows.remove(&i).unwrap_or_default();
        Labelled { file, class: label, part: part.unwrap_or_default() }
    };
    let images = files.into_iter().enumerate().map(image).collect();
    let files = std::iter::once(labels.to_path_buf()).chain(later.files).collect();
    let found = found(root, Labels::Files(files), Vec::new(), images, Vec::new());
    Ok(Found { notes: notes.into_iter().chain(later.notes).chain(found.notes).collect(), ..found })
}
