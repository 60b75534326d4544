//! Whole files or none: write to a sibling temporary file, flush it to the disk, rename it into place.

pub(crate) mod fault;
mod log_file;

pub use log_file::LogFile;

use crate::error::{Error, Result};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::{NamedTempFile, PersistError};

/// How temporary files are named.
const PREFIX: &str = ".ssgan-";
const SUFFIX: &str = ".part";

/// How long to wait in turn for another program that has a file open, in milliseconds: two seconds in all.
const PAUSES: [u64; 7] = if cfg!(test) { [1; 7] } else { [20, 50, 100, 200, 400, 600, 600] };

/// Numbers of the errors by which file systems say what they do not have.
#[cfg(unix)]
pub(crate) mod lacking {
    /// Any operation. macOS's ENOTSUP is no [`std::io::ErrorKind::Unsupported`].
    pub const OPERATION: &[i32] = &[libc::ENOTSUP, libc::EOPNOTSUPP];
    /// Flushing a file to the disk.
    pub const SYNC: &[i32] = &[libc::EINVAL, libc::ENOTTY];
    /// Flushing a folder.
    pub const FOLDER_SYNC: &[i32] = &[libc::EINVAL, libc::ENOTTY, libc::EBADF];
    /// Locks: network file systems without a lock server.
    pub const LOCKS: &[i32] = &[libc::ENOLCK];
    /// Second names of a file.
    pub const LINKS: &[i32] = &[libc::EPERM];
}

/// Likewise.
#[cfg(not(unix))]
pub(crate) mod lacking {
    /// Any operation: ERROR_INVALID_FUNCTION, ERROR_NOT_SUPPORTED.
    pub const OPERATION: &[i32] = &[1, 50];
    /// No more.
    pub const SYNC: &[i32] = &[];
    /// No more.
    pub const FOLDER_SYNC: &[i32] = &[];
    /// No more.
    pub const LOCKS: &[i32] = &[];
    /// No more.
    pub const LINKS: &[i32] = &[];
}

/// What an operation gives; where it failed, what it was given and why.
type Tried<T, S> = std::result::Result<T, (S, std::io::Error)>;

/// Whether a file of this name is a temporary one, which a process that was killed may leave.
fn is_part(name: &std::ffi::OsStr) -> bool {
    name.to_str().is_some_and(|n| n.starts_with(PREFIX) && n.ends_with(SUFFIX))
}

/// Writes `path` through `fill`. A reader sees the old file or the new one, never a part; after a power cut
/// likewise, because file and folder are synchronised. A failure leaves the old file and no temporary one. A link stays
/// one, and what is no file, such as /dev/null or a pipe, is written to as it is.
///
/// # Errors
/// [`Error::Io`] naming `path`, such as a full disk or a folder without write permission.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    let attempt = || -> std::io::Result<()> {
        let target = match std::fs::metadata(path) {
            Ok(there) if !there.is_file() && !there.is_dir() => {
                let mut writer = BufWriter::new(File::options().write(true).open(path)?);
                fill(&mut writer)?;
                return writer.flush();
            }
            Ok(_) => followed(path)?,
            Err(_) => path.to_path_buf(),
        };
        keep(filled(&target, fill)?, &target)
    };
    attempt().map_err(Error::io("write", path))
}

/// Writes a file that is not there, as [`write_with`]; `false`, and nothing is written, where one with
/// other bytes is.
///
/// # Errors
/// As [`write_with`].
pub fn write_new(path: &Path, fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<bool> {
    let attempt = || -> std::io::Result<bool> {
        let temporary = filled(path, fill)?;
        sync(temporary.as_file())?;
        match keep_new(temporary, path) {
            Ok(()) => sync_parent(path).map(|()| true),
            // A name that a process which was killed had taken.
            Err((file, e)) if e.kind() == ErrorKind::AlreadyExists && is_reserved(path) => {
                keep(file, path).map(|()| true)
            }
            Err((file, e)) if e.kind() == ErrorKind::AlreadyExists => same_content(file.path(), path),
            Err((_, e)) => Err(e),
        }
    };
    attempt().map_err(Error::io("write", path))
}

/// What a link leads to; else the path as it is, which some drives of Windows cannot say more of.
fn followed(path: &Path) -> std::io::Result<PathBuf> {
    if path.is_symlink() { dunce::canonicalize(path) } else { Ok(path.to_path_buf()) }
}

/// A temporary file in the folder of `target` with what `fill` writes.
fn filled(
    target: &Path,
    fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> std::io::Result<NamedTempFile> {
    let mut temporary = fault::attempt(|| temporary_beside(target))?;
    let mut writer = BufWriter::with_capacity(1 << 16, fault::Writer::new(temporary.as_file_mut()));
    fill(&mut writer)?;
    writer.flush()?;
    drop(writer);
    Ok(temporary)
}

/// Whether two files have the same bytes.
///
/// # Errors
/// That of the system.
pub fn same_content(a: &Path, b: &Path) -> std::io::Result<bool> {
    let (a, b) = (File::open(a)?, File::open(b)?);
    if a.metadata()?.len() != b.metadata()?.len() {
        return Ok(false);
    }
    let (mut a, mut b) = (BufReader::new(a), BufReader::new(b));
    loop {
        let (x, y) = (a.fill_buf()?, b.fill_buf()?);
        let n = x.len().min(y.len());
        if x[..n] != y[..n] {
            return Ok(false);
        }
        if n == 0 {
            return Ok(x.len() == y.len());
        }
        a.consume(n);
        b.consume(n);
    }
}

/// A temporary file in the folder of `target`, removed when dropped.
///
/// # Errors
/// That of the system.
pub fn temporary_beside(target: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Masked by the process's umask, as for any new file; tempfile's own default is private.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder_of(target)).map_err(without_path)
}

/// Refuses a folder that nothing can be made in, or that cannot be made itself, and leaves nothing there.
///
/// # Errors
/// [`Error::Io`] naming it.
pub fn check_folder(folder: &Path) -> Result<()> {
    let there = folder.ancestors().find(|folder| folder.symlink_metadata().is_ok()).unwrap_or(Path::new("."));
    temporary_beside(&there.join("file")).map(drop).map_err(Error::io("write", folder))
}

/// The system's error without the path that tempfile adds: nobody knows that file.
fn without_path(e: std::io::Error) -> std::io::Error {
    match e.to_string().split_once(" at path ") {
        Some((reason, _)) => std::io::Error::new(e.kind(), reason),
        None => e,
    }
}

/// Gives a temporary file the name `target`, when all of it is on the disk.
///
/// # Errors
/// That of the system.
pub fn keep(temporary: NamedTempFile, target: &Path) -> std::io::Result<()> {
    sync(temporary.as_file())?;
    name(temporary, |file| file.persist(target)).map_err(|(_, e)| e)?;
    sync_parent(target)
}

/// Gives a temporary file a name that nothing has. Where the file system can do that only by replacing, the name is taken
/// first; a process that is killed then leaves an empty file.
///
/// # Errors
/// That of the system, and the file: [`ErrorKind::AlreadyExists`] where something has the name.
pub fn keep_new(temporary: NamedTempFile, target: &Path) -> Tried<(), NamedTempFile> {
    match name(temporary, |file| file.persist_noclobber(target)) {
        Err((file, e)) if lacks(&e, lacking::LINKS) => match reserve(target) {
            Ok(()) => name(file, |file| file.persist(target)).inspect_err(|_| {
                // Network file systems may call a rename failed that was done.
                if is_reserved(target) {
                    let _ = std::fs::remove_file(target);
                }
            }),
            Err(e) => Err((file, e)),
        },
        done => done,
    }
}

/// Names a temporary file in this way.
fn name(
    temporary: NamedTempFile,
    way: impl Fn(NamedTempFile) -> std::result::Result<File, PersistError>,
) -> Tried<(), NamedTempFile> {
    patiently(temporary, |file| match fault::point() {
        Ok(()) => way(file).map(drop).map_err(|e| (e.file, e.error)),
        Err(e) => Err((file, e)),
    })
}

/// Takes a name that nothing has, by an empty file that is to be replaced.
///
/// # Errors
/// That of the system.
pub fn reserve(target: &Path) -> std::io::Result<()> {
    File::options().write(true).create_new(true).open(target).map(drop)
}

/// Whether a name is taken, and no file has come to it.
pub fn is_reserved(target: &Path) -> bool {
    std::fs::symlink_metadata(target).is_ok_and(|there| there.is_file() && there.len() == 0)
}

/// Does what Windows refuses while another program has a file open, as viewers, virus scanners and indexers do for a moment:
/// again and again, with what the last attempt gave back.
fn patiently<S, T>(mut state: S, operation: impl Fn(S) -> Tried<T, S>) -> Tried<T, S> {
    let mut pauses = PAUSES.iter();
    loop {
        match operation(state) {
            Err((left, e)) if is_open_elsewhere(&e) => match pauses.next() {
                Some(&pause) => {
                    std::thread::sleep(Duration::from_millis(pause));
                    state = left;
                }
                None => {
                    let e = std::io::Error::new(e.kind(), format!("{e} (open in another program?)"));
                    return Err((left, e));
                }
            },
            done => return done,
        }
    }
}

/// ERROR_ACCESS_DENIED and ERROR_SHARING_VIOLATION of Windows. Tests have them as faults on every system.
fn is_open_elsewhere(e: &std::io::Error) -> bool {
    cfg!(any(windows, test)) && e.raw_os_error().is_some_and(|code| [5, 32].contains(&code))
}

/// How long nobody has written to a temporary file that a killed process has left, where others may be writing too.
pub const LEFT: Duration = Duration::from_secs(3600);

/// Removes the temporary files in a folder that nobody has written to for so long; all of them where that is nothing, in
/// a folder that nobody else writes to.
pub fn sweep(folder: &Path, left: Duration) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten().filter(|e| is_part(&e.file_name())) {
        let written = entry.metadata().and_then(|m| m.modified());
        if left.is_zero() || written.is_ok_and(|at| at.elapsed().is_ok_and(|since| since > left)) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Removes a file if it is there.
///
/// # Errors
/// [`Error::Io`] naming it.
pub fn remove(path: &Path) -> Result<()> {
    match remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Removes a file, which another program may have open for a moment.
///
/// # Errors
/// That of the system.
pub fn remove_file(path: &Path) -> std::io::Result<()> {
    waiting(|| std::fs::remove_file(path))
}

/// What Windows refuses while another program has a file open.
///
/// # Errors
/// That of the operation.
pub(crate) fn waiting(operation: impl Fn() -> std::io::Result<()>) -> std::io::Result<()> {
    patiently((), |()| fault::attempt(&operation).map_err(|e| ((), e))).map_err(|((), e)| e)
}

/// [`write_with`] for bytes that are there already.
///
/// # Errors
/// As [`write_with`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |w| w.write_all(bytes))
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// Flushes a file to the disk. On macOS that asks the drive to empty its cache too, which exFAT, SMB and FUSE cannot: there the
/// drive has the data, and a power cut may lose them. Where there is no flush at all, the system has them.
///
/// # Errors
/// That of the system, such as a full disk.
pub fn sync(file: &File) -> std::io::Result<()> {
    let whole = fault::attempt(|| file.sync_all());
    flushed(
        whole.or_else(|e| if lacks(&e, lacking::SYNC) { to_the_drive(file) } else { Err(e) }),
        lacking::SYNC,
    )
}

/// Makes the entry of a file or folder in the one around it durable, likewise. Only Unix can open a folder; elsewhere the file
/// system's own order has to do.
pub(crate) fn sync_parent(path: &Path) -> std::io::Result<()> {
    let flush = || -> std::io::Result<()> {
        if cfg!(unix) { File::open(folder_of(path))?.sync_all() } else { Ok(()) }
    };
    flushed(fault::attempt(flush), lacking::FOLDER_SYNC)
}

#[cfg(unix)]
fn to_the_drive(file: &File) -> std::io::Result<()> {
    Ok(rustix::fs::fsync(file)?)
}

#[cfg(not(unix))]
fn to_the_drive(_: &File) -> std::io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// A flush that the file system does not have is no failure.
fn flushed(result: std::io::Result<()>, lacking: &[i32]) -> std::io::Result<()> {
    result.or_else(|e| if lacks(&e, lacking) { Ok(()) } else { Err(e) })
}

/// Whether an operation failed because the file system does not have it; `codes` say so of this one.
pub(crate) fn lacks(e: &std::io::Error, codes: &[i32]) -> bool {
    let says = |code: i32| lacking::OPERATION.contains(&code) || codes.contains(&code);
    e.kind() == ErrorKind::Unsupported || e.raw_os_error().is_some_and(says)
}

#[cfg(test)]
mod tests;
