//! Which class and part each file of a folder has: by its folders, or by a file of labels.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::found::{Found, LABEL_FILES, Labelled, Labels, Purpose, Request, Skipped, TABLE, found};
use super::label_file::{self, LabelFile, Reading, Row};
use super::later::{self, Later};
use super::places::{Places, resolve, written};
use super::walk::{self, CIRCLE, File, Walk};
use super::{Part, class_name, composed, means_no_label, some};
use crate::app::text::count;
use crate::error::{Error, Result};

fn first(path: &Path) -> Option<&OsStr> {
    path.iter().next()
}

fn is_unlabelled(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| means_no_label(name.trim()))
}

fn part_of(name: &OsStr) -> Option<Part> {
    name.to_str().and_then(Part::named)
}

/// What the walk through a folder found, with labels.
pub(super) fn folder(root: &Path, walk: Walk, request: &Request) -> Result<Found> {
    let mut arranging =
        Arranging { written: walk.written, in_written: walk.in_written, ..Arranging::new(root, request) };
    let tops: Vec<&OsStr> =
        walk.folders.iter().filter(|f| f.iter().count() == 1).filter_map(|f| first(f)).collect();
    let parts: BTreeMap<&OsStr, Part> = tops.iter().filter_map(|&t| Some((t, part_of(t)?))).collect();
    let own = match &request.labels {
        Some(file) => Some(file.clone()),
        None => label_file_in(root, Path::new(""), &walk.others)?,
    };
    // What lies beside a table is told with it.
    if own.as_ref().is_none_or(|file| file.parent() != Some(root) || !file.ends_with(TABLE)) {
        arranging.notes.extend(later::not_read(root));
    }
    if let Some(file) = own {
        let table = label_file::read(&file, request.reading)?;
        let note = no_parts(&file, &table, &parts);
        // As in the folder of a labelling.
        if Places::new(root, Some(Path::new("")), &walk.files).are_elsewhere(&file, &table.rows) {
            let found = of_table(&file, table)?;
            let notes = uncounted(root, walk.files.len()).into_iter().chain(found.notes).collect();
            return Ok(Found { notes, ..found });
        }
        arranging.by_file(&file, table, Path::new(""), walk.files, Part::Train)?;
        arranging.notes.extend(note);
    } else if parts.is_empty() {
        arranging.by_folders(Path::new(""), Part::Train, walk.files, &walk.folders)?;
    } else {
        let beside = check_parts(root, &tops, &parts, request.purpose)?;
        arranging.by_parts(&parts, beside, walk.files, &walk.folders, &walk.others)?;
    }
    arranging.note_passed_over();
    if walk.away > 0 {
        let away = count(walk.away as u32, "picture");
        arranging.notes.push(format!(
            "{away} in iCloud alone: not read; download what is to be learnt from or labelled"
        ));
    }
    if walk.raw > 0 {
        let raw = count(walk.raw as u32, "raw photo");
        arranging.notes.push(format!("{raw}: not read; save those that have no JPEG as JPEG or PNG"));
    }
    Ok(arranging.finish(walk.unreadable, walk.others.len()))
}

/// A note of folders that would be parts to test on, were there no table above them, which names no part. They may be classes:
/// such a table is how to have one of these names.
fn no_parts(file: &Path, table: &LabelFile, parts: &BTreeMap<&OsStr, Part>) -> Option<String> {
    let tested = parts.iter().filter(|(_, part)| **part != Part::Train).map(|(name, _)| *name);
    let words = listed_folders(tested);
    let none = !words.is_empty() && table.rows.iter().all(|row| row.part.is_none());
    let file = file.file_name().unwrap_or_default().display();
    none.then(|| {
        format!(
            "{words}: not kept for tests, as {file} says what each image is and has no column split (train, val or test)"
        )
    })
}

/// A note of pictures beside a table that lists none of them.
fn uncounted(root: &Path, pictures: usize) -> Option<String> {
    let pictures = (pictures > 0).then(|| count(pictures as u32, "picture"))?;
    Some(format!("{pictures} in {} not in its file of labels: not counted", root.display()))
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

/// Refuses folders of parts beside folders of classes, and parts that cannot be alone; where images are only to be labelled, a
/// note of such folders.
fn check_parts(
    root: &Path,
    tops: &[&OsStr],
    parts: &BTreeMap<&OsStr, Part>,
    purpose: Purpose,
) -> Result<Option<String>> {
    let words = listed_folders(parts.keys().copied());
    let classes: Vec<&OsStr> =
        tops.iter().copied().filter(|t| !parts.contains_key(t) && !is_unlabelled(t)).collect();
    let root = root.display();
    if !classes.is_empty() {
        let part = format!("{root}: {words} is read as a part of the data (train, val or test)");
        if purpose == Purpose::Labelling {
            return Ok(Some(format!("{part}: if it is none, rename it")));
        }
        let classes = listed_folders(classes.into_iter());
        return Err(Error::Data(format!(
            "{part}, but beside it are folders of classes: {classes}. If it is a class, rename it, such as to class_test/, or \
             name the classes in labels.csv; if it is a part, move the folders of classes into train/"
        )));
    }
    if purpose == Purpose::Training && !parts.values().any(|p| *p == Part::Train) {
        return Err(Error::Data(format!(
            "{root}: {words} without train/: put the images to learn from into train/; if it is a class, rename it, \
             such as to class_test/"
        )));
    }
    Ok(None)
}

/// Collects images and their labels.
struct Arranging<'a> {
    root: &'a Path,
    request: &'a Request,
    images: Vec<Labelled>,
    /// Folders of classes.
    classes: Vec<String>,
    files: Vec<PathBuf>,
    notes: Vec<String>,
    /// Whose first folders are classes.
    class_folders: Vec<PathBuf>,
    /// Folders that this program wrote, and the images in them, which count where a table names them.
    written: Vec<PathBuf>,
    in_written: Vec<File>,
}

impl<'a> Arranging<'a> {
    fn new(root: &'a Path, request: &'a Request) -> Arranging<'a> {
        let (images, classes, files) = Default::default();
        let (notes, class_folders, written, in_written) = Default::default();
        Arranging { root, request, images, classes, files, notes, class_folders, written, in_written }
    }

    /// Folders of parts hold class folders, or a file of labels each. `beside`: a note, where folders beside them may be those of
    /// classes; else loose files and folders of unlabelled ones lie there.
    fn by_parts(
        &mut self,
        parts: &BTreeMap<&OsStr, Part>,
        beside: Option<String>,
        files: Vec<File>,
        folders: &[PathBuf],
        others: &[PathBuf],
    ) -> Result<()> {
        let mut of_part: BTreeMap<&OsStr, Vec<File>> = BTreeMap::new();
        let mut of_none = Vec::new();
        for file in files {
            match first(&file.path).and_then(|top| parts.get_key_value(top)) {
                Some((top, _)) => of_part.entry(*top).or_default().push(file),
                None => of_none.push(file),
            }
        }
        match beside {
            Some(note) => {
                self.notes.push(note);
                let in_part = |path: &&PathBuf| first(path).is_some_and(|top| parts.contains_key(top));
                let folders: Vec<PathBuf> = folders.iter().filter(|f| !in_part(f)).cloned().collect();
                self.by_folders(Path::new(""), Part::Train, of_none, &folders)?;
            }
            None => {
                self.images.extend(of_none.into_iter().map(|file| Labelled::new(file, None, Part::Train)));
            }
        }
        for (top, &part) in parts {
            let (prefix, files) = (Path::new(top), of_part.remove(top).unwrap_or_default());
            match label_file_in(self.root, prefix, others)? {
                Some(file) => {
                    let table = label_file::read(&file, self.request.reading)?;
                    self.by_file(&file, table, prefix, files, part)?;
                }
                None => self.by_folders(prefix, part, files, folders)?,
            }
        }
        Ok(())
    }

    /// The folders in `prefix` are classes.
    fn by_folders(&mut self, prefix: &Path, part: Part, files: Vec<File>, folders: &[PathBuf]) -> Result<()> {
        let inside = |path: &Path| path.strip_prefix(prefix).ok().map(Path::to_path_buf);
        for folder in folders.iter().filter_map(|f| inside(f)).filter(|f| f.iter().count() == 1) {
            let name = first(&folder).unwrap_or_default();
            if !is_unlabelled(name) {
                let class = self.class_name(prefix, name)?;
                self.classes.extend(class);
            }
        }
        for file in files {
            let path = inside(&file.path).unwrap_or_default();
            let top = first(&path).filter(|_| path.iter().count() > 1).filter(|top| !is_unlabelled(top));
            let class = top.map(|top| self.class_name(prefix, top)).transpose()?.flatten();
            self.images.push(Labelled::new(file, class, part));
        }
        self.class_folders.push(prefix.to_path_buf());
        Ok(())
    }

    /// `None` for a folder that cannot be one of a class, where images are only to be labelled: they have no label then.
    fn class_name(&self, prefix: &Path, name: &OsStr) -> Result<Option<String>> {
        let path = self.root.join(prefix).join(name);
        let fail = |reason: String| match self.request.purpose {
            Purpose::Labelling => Ok(None),
            _ => Err(Error::Data(format!("{}: {reason}", path.display()))),
        };
        let Some(name) = name.to_str() else {
            return fail("the name of a class must be Unicode text: rename the folder".into());
        };
        let name = class_name(name);
        if name.is_empty() {
            return fail("a class folder whose name is nothing but spaces: rename it".into());
        }
        if part_of(OsStr::new(&name)).is_some() {
            return fail(format!(
                "a class folder named like a part of the data: rename it, such as to class_{name}/, or name the classes in \
                 labels.csv"
            ));
        }
        Ok(Some(name))
    }

    /// A file has the labels of the images in `prefix`, which are of the part where it does not say another.
    fn by_file(
        &mut self,
        labels: &Path,
        table: LabelFile,
        prefix: &Path,
        mut files: Vec<File>,
        part: Part,
    ) -> Result<()> {
        let LabelFile { rows, notes } = table;
        let own = files.len();
        files.extend(self.in_written.iter().cloned());
        let places = Places::beside_others(self.root, Some(prefix), &files, own);
        let mut resolved = resolve(&places, labels, labels, rows)?;
        let later = Later::read(&places, labels, &mut resolved)?;
        for (i, file) in files.into_iter().enumerate() {
            let row = resolved.get(&i);
            if i >= own && row.is_none() {
                continue;
            }
            let class = row.and_then(|r| r.label.clone());
            let no_label = row.is_some_and(|r| r.no_label);
            let part = row.and_then(|r| r.part).unwrap_or(part);
            self.images.push(Labelled { file, class, no_label, part });
        }
        self.notes.extend(notes.into_iter().chain(later.notes));
        self.files.push(labels.to_path_buf());
        self.files.extend(later.files);
        Ok(())
    }

    /// Folders that this program wrote and that no table names an image of.
    fn note_passed_over(&mut self) {
        let folders: BTreeSet<&Path> = self.images.iter().filter_map(|i| i.file.path.parent()).collect();
        let read = |folder: &Path| folders.iter().any(|with_images| with_images.starts_with(folder));
        let passed: Vec<&PathBuf> = self.written.iter().filter(|folder| !read(folder)).collect();
        let names: Vec<String> = passed.iter().map(|folder| format!("{}/", folder.display())).collect();
        let filled = passed.into_iter().flat_map(|folder| {
            let path = self.root.join(folder);
            later::filled_in(&path).into_iter().map(move |table| path.join(table).display().to_string())
        });
        let filled = some(filled, 3);
        if !names.is_empty() {
            self.notes.push(format!(
                "passed over, as written by ssgan (read where named itself): {}",
                some(names, 3)
            ));
        }
        if !filled.is_empty() {
            self.notes.push(format!("labels that do not count, as their folder was not named: {filled}"));
        }
    }

    fn finish(self, unreadable: Vec<(PathBuf, String)>, other_files: usize) -> Found {
        let labelled = |path: &Path| {
            self.class_folders.iter().any(|prefix| {
                let inside = path.strip_prefix(prefix).ok();
                inside
                    .is_some_and(|p| first(p).is_some_and(|top| p.iter().count() > 1 && !is_unlabelled(top)))
            })
        };
        let skipped = unreadable.into_iter().map(|(path, reason)| Skipped {
            labelled: reason != CIRCLE && labelled(&path),
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

/// The images that a label file lists, and no others.
pub(super) fn listed(labels: &Path, reading: Reading) -> Result<Found> {
    of_table(labels, label_file::read(labels, reading)?)
}

/// The files of folders, by their composed names: each folder is looked into once.
struct Stored<'a> {
    root: &'a Path,
    folders: HashMap<PathBuf, HashMap<String, String>>,
}

impl Stored<'_> {
    /// The path of the file that is there under this one with its letters stored otherwise, relative to the root.
    fn find(&mut self, path: &str) -> Option<String> {
        let path = Path::new(path);
        let (folder, name) = (path.parent()?, path.file_name()?.to_str()?);
        let root = self.root;
        let names = self.folders.entry(folder.into()).or_insert_with(|| {
            let entries = std::fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
            let names = entries.filter_map(|e| e.file_name().into_string().ok());
            names.map(|name| (composed(&name), name)).collect()
        });
        folder.join(names.get(&composed(name))?).to_str().map(String::from)
    }
}

fn of_table(labels: &Path, LabelFile { rows, notes }: LabelFile) -> Result<Found> {
    let root = labels.parent().unwrap_or(Path::new("")).to_path_buf();
    let mut files = Vec::with_capacity(rows.len());
    let mut stored = Stored { root: &root, folders: HashMap::new() };
    for Row { line, path, .. } in &rows {
        let read = |path: String| walk::file(&root.join(&path), PathBuf::from(&path)).ok();
        let file = written(path).into_iter().find_map(read).or_else(|| {
            // As another system stores its letters.
            written(path).iter().find_map(|path| read(stored.find(path)?))
        });
        let file = file.ok_or_else(|| Error::Text {
            file: labels.display().to_string(),
            line: *line,
            reason: format!("no image {path:?}: paths are relative to the file's folder, with their endings"),
        })?;
        files.push(file);
    }
    let mut rows = rows.into_iter().enumerate().collect();
    let later = Later::read(&Places::new(&root, None, &files), labels, &mut rows)?;
    let image = |(i, file)| {
        let row = rows.remove(&i);
        let (class, no_label, part) = row.map_or_else(Default::default, |r| (r.label, r.no_label, r.part));
        Labelled { file, class, no_label, part: part.unwrap_or_default() }
    };
    let images = files.into_iter().enumerate().map(image).collect();
    let files = std::iter::once(labels.to_path_buf()).chain(later.files).collect();
    let found = found(root, Labels::Files(files), Vec::new(), images, Vec::new());
    Ok(Found { notes: notes.into_iter().chain(later.notes).chain(found.notes).collect(), ..found })
}
