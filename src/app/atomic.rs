//! Whole files or none: write to a sibling temporary file, flush it to the disk, rename it into place.

pub(crate) mod fault;

use crate::error::{Error, Result};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::NamedTempFile;

/// How temporary files are named.
const PREFIX: &str = ".ssgan-";
const SUFFIX: &str = ".part";

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
            Ok(_) => dunce::canonicalize(path)?,
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
        fault::attempt(|| temporary.as_file().sync_all())?;
        fault::point()?;
        match temporary.persist_noclobber(path) {
            Ok(_) => fault::attempt(|| sync_parent(path)).map(|()| true),
            Err(e) if e.error.kind() == ErrorKind::AlreadyExists => same_content(e.file.path(), path),
            Err(e) => Err(e.error),
        }
    };
    attempt().map_err(Error::io("write", path))
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
    fault::attempt(|| temporary.as_file().sync_all())?;
    fault::attempt(|| temporary.persist(target).map_err(|e| e.error))?;
    fault::attempt(|| sync_parent(target))
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
    match fault::attempt(|| std::fs::remove_file(path)) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// [`write_with`] for bytes that are there already.
///
/// # Errors
/// As [`write_with`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |w| w.write_all(bytes))
}

/// A file that grows, whole lines or records at a time.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    writer: BufWriter<fault::Writer<File>>,
}

impl LogFile {
    /// The file with these lines and nothing else, to be continued.
    ///
    /// # Errors
    /// [`Error::Io`] naming it, as do the others.
    pub fn with(path: PathBuf, lines: &[String]) -> Result<LogFile> {
        let text: String = lines.iter().flat_map(|l| [l.as_str(), "\n"]).collect();
        LogFile::with_bytes(path, text.as_bytes())
    }

    /// The file with these bytes and nothing else, to be continued.
    ///
    /// # Errors
    /// As [`LogFile::with`].
    pub fn with_bytes(path: PathBuf, bytes: &[u8]) -> Result<LogFile> {
        write(&path, bytes)?;
        let file = fault::attempt(|| File::options().append(true).open(&path));
        let file = file.map_err(Error::io("write", &path))?;
        Ok(LogFile { path, writer: BufWriter::new(fault::Writer::new(file)) })
    }

    /// One more line, written at the latest by [`LogFile::flush`].
    ///
    /// # Errors
    /// As [`LogFile::with`].
    pub fn line(&mut self, text: &str) -> Result<()> {
        writeln!(self.writer, "{text}").map_err(Error::io("write", &self.path))
    }

    /// More bytes, likewise.
    ///
    /// # Errors
    /// As [`LogFile::with`].
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.writer.write_all(bytes).map_err(Error::io("write", &self.path))
    }

    /// To the system.
    ///
    /// # Errors
    /// As [`LogFile::with`].
    pub fn flush(&mut self) -> Result<()> {
        self.writer.flush().map_err(Error::io("write", &self.path))
    }

    /// To the disk: what a checkpoint relies on outlives a power cut.
    ///
    /// # Errors
    /// As [`LogFile::with`].
    pub fn sync(&mut self) -> Result<()> {
        self.flush()?;
        fault::attempt(|| self.writer.get_ref().get_ref().sync_data()).map_err(Error::io("write", &self.path))
    }
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// Makes the entry of a file or folder in the one around it durable. Only Unix can open a folder; elsewhere the file
/// system's own order has to do.
pub(crate) fn sync_parent(path: &Path) -> std::io::Result<()> {
    if cfg!(unix) { File::open(folder_of(path))?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_keeps_the_old_file_and_leaves_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write(&path, b"old").unwrap();
        let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
        let e = write_with(&path, |w| {
            w.write_all(b"half")?;
            Err(full())
        });
        assert_eq!(e.unwrap_err().exit_code(), 6);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        write(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
    }

    /// A rename would make a file of /dev/null, for the whole machine, and of a link.
    #[cfg(unix)]
    #[test]
    fn what_is_no_file_stays_what_it_is() {
        use std::os::unix::fs::{FileTypeExt, symlink};
        let null = Path::new("/dev/null");
        write(null, b"text").unwrap();
        assert!(std::fs::metadata(null).unwrap().file_type().is_char_device());
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        write(&file, b"old").unwrap();
        symlink("file", &link).unwrap();
        write(&link, b"new").unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
    }

    #[test]
    fn only_what_was_left_long_ago_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        let [old, new, other] = [".ssgan-a.part", ".ssgan-b.part", "c.part"].map(|n| dir.path().join(n));
        for path in [&old, &new, &other] {
            std::fs::write(path, b"x").unwrap();
        }
        let long_ago = std::time::SystemTime::now() - Duration::from_secs(4000);
        for path in [&old, &other] {
            File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
        }
        sweep(dir.path(), LEFT);
        assert_eq!([&old, &new, &other].map(|p| p.exists()), [false, true, true]);
        sweep(dir.path(), Duration::ZERO);
        assert_eq!([&new, &other].map(|p| p.exists()), [false, true]);
        write(&new, b"x").unwrap();
        remove(&new).unwrap();
        remove(&new).unwrap();
    }

    #[test]
    fn a_missing_folder_is_named() {
        let e = write(Path::new("no-such-folder/x"), b"").unwrap_err();
        assert!(e.to_string().contains("no-such-folder"), "{e}");
    }
}
