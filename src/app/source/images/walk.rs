//! The files under a folder: which may be pictures, which not.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::io::{Read, Result as IoResult};
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use walkdir::{DirEntry, WalkDir};

use super::decode;
use crate::error::{Error, Result};

/// Endings of picture files. Files of other names are looked into.
const ENDINGS: [&str; 16] = [
    "png", "jpg", "jpeg", "jpe", "jfif", "webp", "bmp", "dib", "tif", "tiff", "pnm", "pbm", "pgm", "ppm",
    "gif", "apng",
];

/// Why a link is skipped that leads to a folder above it, whose images are there already: nothing is lost with it.
pub(super) const CIRCLE: &str = "a link in a circle";

/// What cameras, network drives and operating systems leave in folders, besides all that begins with a dot; in lower case.
const LITTER: [&str; 7] =
    ["__macosx", "@eadir", "$recycle.bin", "#recycle", "@recycle", "system volume information", "lost+found"];

/// Files that only folders have which this program wrote: a run, with its plots and samples, and a labelling, with copies of
/// images and maybe of their folders. People train and label where their images are.
const WRITTEN: [&[&str]; 2] = [&["config.toml", "model.toml", "env.json"], &["labels.csv", "skipped.csv"]];

/// A file that may be a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    /// Relative to the folder.
    pub path: PathBuf,
    pub bytes: u64,
    pub stamp: Option<Stamp>,
}

/// When a file got its content, as far as a system tells: one that was unpacked or copied over another with its size and its
/// time has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Nanoseconds since 1970.
    pub modified: u128,
    /// On Unix when the file was changed, on Windows when it was made, in seconds and nanoseconds.
    pub changed: [i64; 2],
}

impl Stamp {
    fn of(metadata: &Metadata) -> Option<Stamp> {
        let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
        Some(Stamp { modified, changed: changed(metadata) })
    }
}

#[cfg(unix)]
fn changed(metadata: &Metadata) -> [i64; 2] {
    use std::os::unix::fs::MetadataExt;
    [metadata.ctime(), metadata.ctime_nsec()]
}

#[cfg(not(unix))]
fn changed(metadata: &Metadata) -> [i64; 2] {
    let made =
        metadata.created().ok().and_then(|made| made.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    [made.as_secs().cast_signed(), i64::from(made.subsec_nanos())]
}

/// What is under a folder, in no order.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub files: Vec<File>,
    /// Folders in it and in those, relative.
    pub folders: Vec<PathBuf>,
    /// What cannot be read, and why.
    pub unreadable: Vec<(PathBuf, String)>,
    /// Files that are no pictures, relative.
    pub others: Vec<PathBuf>,
    /// Folders that this program wrote, relative; of what is in them only pictures are told, and apart.
    pub written: Vec<PathBuf>,
    pub in_written: Vec<File>,
    /// Pictures that are in iCloud alone: `.photo.jpg.icloud` stands for each.
    pub away: usize,
    /// How many of the others are raw photos.
    pub raw: usize,
}

/// What images are sorted by: the bytes of the file's name, then those of the names of its folders.
pub(super) fn order(path: &Path) -> (Vec<u8>, Vec<u8>) {
    let bytes = |name: Option<&OsStr>| name.map(|n| n.as_encoded_bytes().to_vec()).unwrap_or_default();
    let mut folders = Vec::new();
    for part in path.parent().into_iter().flat_map(Path::iter) {
        folders.extend(part.as_encoded_bytes());
        folders.push(0);
    }
    (bytes(path.file_name()), folders)
}

/// A file by its path on the disk and the one to call it by.
pub(super) fn file(on_disk: &Path, path: PathBuf) -> IoResult<File> {
    Ok(file_of(&std::fs::metadata(on_disk)?, path))
}

fn file_of(metadata: &Metadata, path: PathBuf) -> File {
    File { path, bytes: metadata.len(), stamp: Stamp::of(metadata) }
}

/// All files under a folder, links followed.
///
/// # Errors
/// [`Error::Io`] if the folder itself cannot be read; what is wrong below it is in [`Walk::unreadable`].
pub(super) fn walk(root: &Path) -> Result<Walk> {
    let mut walk = Walk::default();
    let mut away = 0;
    let wanted = |e: &DirEntry| {
        away += usize::from(is_away(e.file_name()));
        e.depth() == 0 || !is_litter(e.file_name())
    };
    for entry in WalkDir::new(root).follow_links(true).into_iter().filter_entry(wanted) {
        match entry {
            Ok(entry) => walk.add(root, &entry),
            Err(e) if e.depth() == 0 => {
                return Err(Error::io("read", root)(e.into()));
            }
            Err(e) => walk.cannot(root, e),
        }
    }
    walk.away = away;
    walk.written.sort();
    walk.drop_folders_of_written_ones();
    Ok(walk)
}

fn is_written(folder: &Path) -> bool {
    let has_all = |names: &&[&str]| names.iter().all(|name| folder.join(name).is_file());
    WRITTEN.iter().any(has_all)
}

/// Whether a picture that is written to `file` would be one of the images of the folder `images` from then on: not in a run or a
/// labelling there, nor beside the tables of a labelling without class folders, whose images lie elsewhere.
pub fn would_be_read(images: &Path, file: &Path) -> bool {
    let folder = file.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let passed_over = |folder: &Path| is_written(folder) || folder.file_name().is_some_and(is_litter);
    let inside = |images: &Path, folder: &Path| {
        folder.starts_with(images) && !folder.ancestors().take_while(|f| *f != images).any(passed_over)
    };
    // As they are, and as they are written, where no way leads up: links are followed.
    let real = |path: &Path| dunce::canonicalize(path).ok();
    let leads_up = |path: &PathBuf| path.components().any(|part| part == Component::ParentDir);
    let whole = |path: &Path| std::path::absolute(path).ok().filter(|path| !leads_up(path));
    let ways = [(real(images), real(folder)), (whole(images), whole(folder))];
    let lies_inside = ways
        .iter()
        .any(|(images, folder)| images.as_ref().zip(folder.as_ref()).is_some_and(|(i, f)| inside(i, f)));
    images.is_dir() && lies_inside && (!is_written(images) || has_folders(images))
}

fn has_folders(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.any(|e| e.is_ok_and(|e| e.path().is_dir())))
}

fn is_litter(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
        || name.to_str().is_some_and(|n| LITTER.contains(&n.to_lowercase().as_str()))
}

/// Whether a name is that of a stand-in for a picture.
fn is_away(name: &OsStr) -> bool {
    let stands_for = name.to_str().and_then(|n| n.strip_prefix('.')?.strip_suffix(".icloud"));
    stands_for.is_some_and(|file| has_ending(Path::new(file)) || file.to_lowercase().ends_with(".heic"))
}

impl Walk {
    fn add(&mut self, root: &Path, entry: &DirEntry) {
        let Ok(path) = entry.path().strip_prefix(root) else { return };
        let path = path.to_path_buf();
        // Depth first: what is in such a folder follows it.
        let in_written = self.written.last().is_some_and(|folder| path.starts_with(folder));
        if entry.file_type().is_dir() {
            match entry.depth() > 0 && !in_written {
                true if is_written(entry.path()) => self.written.push(path),
                true => self.folders.push(path),
                false => {}
            }
            return;
        }
        let named = has_ending(&path);
        if in_written {
            let picture = entry.metadata().ok().filter(|m| m.is_file() && named);
            self.in_written.extend(picture.map(|m| file_of(&m, path)));
            return;
        }
        match entry.metadata() {
            // A pipe would be waited for without end.
            Ok(m) if !m.is_file() && named => self.unreadable.push((path, "a pipe or a device".into())),
            Ok(m) if m.is_file() && decode::is_raw(&path) => {
                self.raw += 1;
                self.others.push(path);
            }
            Ok(m) if m.is_file() && (named || begins_as_picture(entry.path())) => {
                self.files.push(file_of(&m, path));
            }
            Err(e) if named => self.unreadable.push((path, format!("cannot be read: {e}"))),
            _ => self.others.push(path),
        }
    }

    /// `runs/`, with nothing but runs in it, is no class without images.
    fn drop_folders_of_written_ones(&mut self) {
        let Walk { files, folders, unreadable, others, written, .. } = self;
        let paths =
            || files.iter().map(|f| &f.path).chain(unreadable.iter().map(|(p, _)| p)).chain(others.iter());
        folders.retain(|folder| {
            !written.iter().any(|w| w.starts_with(folder)) || paths().any(|path| path.starts_with(folder))
        });
    }

    fn cannot(&mut self, root: &Path, e: walkdir::Error) {
        let path = e.path().unwrap_or(root).strip_prefix(root).unwrap_or(root).to_path_buf();
        if self.written.last().is_some_and(|folder| path.starts_with(folder)) {
            return;
        }
        let reason = match (e.loop_ancestor(), e.io_error().map(std::io::Error::kind)) {
            (Some(_), _) => CIRCLE.into(),
            (_, Some(std::io::ErrorKind::PermissionDenied)) => "no permission to read it".into(),
            _ if e.path().is_some_and(Path::is_symlink) => {
                if !has_ending(&path) {
                    return self.others.push(path);
                }
                "a link that leads nowhere".into()
            }
            _ => format!("cannot be read: {e}"),
        };
        self.unreadable.push((path, reason));
    }
}

fn has_ending(path: &Path) -> bool {
    ENDINGS.contains(&decode::ending(path).as_str())
}

fn begins_as_picture(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = std::fs::File::open(path).and_then(|f| f.take(16).read_to_end(&mut head));
    read.is_ok() && decode::is_picture(&head)
}
