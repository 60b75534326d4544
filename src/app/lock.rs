//! A folder that one process at a time writes in.

use crate::app::atomic::{fault, lacking, lacks};
use crate::error::{Error, Result};
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;

/// The file in the folder that is locked; the system releases it when its process ends, however it ends.
pub const NAME: &str = ".lock";

/// A lock that is held.
#[derive(Debug)]
pub struct Lock {
    file: File,
    /// Whether nobody else can hold it.
    exclusive: bool,
}

impl Lock {
    /// Whether nobody else can hold it: some file systems know no locks.
    pub fn is_exclusive(&self) -> bool {
        self.exclusive
    }
}

impl Drop for Lock {
    /// Not by closing alone: a child process that was just forked has the file open too, until it becomes its program.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

/// Holds the folder until what is returned is dropped; its file is made if need be. `does` says what another process that
/// holds it does.
///
/// # Errors
/// [`Error::Output`] where another process holds it; [`Error::Io`] naming the file.
pub fn hold(folder: &Path, does: &str) -> Result<Lock> {
    lock(&folder.join(NAME))?.ok_or_else(|| {
        Error::Output(format!("{}: another process {does}; wait for that, or end it", folder.display()))
    })
}

/// The error of a folder that has something else in it.
pub fn in_use(folder: &Path) -> Error {
    let folder = folder.display();
    Error::Output(format!("{folder} is not empty: name an --out that does not exist or is an empty folder"))
}

/// Refuses an output folder that is there and is not an empty folder; makes nothing.
///
/// # Errors
/// [`Error::Output`], as [`in_use`]; [`Error::Io`] for a folder that cannot be read.
pub fn check_unused(folder: &Path) -> Result<()> {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().map_or(Ok(()), |_| Err(in_use(folder))),
        // Making it says why it cannot be made.
        Err(_) if !folder.exists() => Ok(()),
        Err(_) if !folder.is_dir() => Err(in_use(folder)),
        Err(e) => Err(Error::io("read", folder)(e)),
    }
}

fn lock(path: &Path) -> Result<Option<Lock>> {
    let open = || File::options().write(true).create(true).truncate(false).open(path);
    // That of another user, in a folder that both may write in.
    let open_only = |e: std::io::Error| match e.kind() {
        ErrorKind::PermissionDenied => File::open(path).map_err(|_| e),
        _ => Err(e),
    };
    let file = fault::attempt(open).or_else(open_only).map_err(Error::io("write", path))?;
    match fault::point().map_err(TryLockError::Error).and_then(|()| file.try_lock()) {
        Ok(()) => Ok(Some(Lock { file, exclusive: true })),
        Err(TryLockError::WouldBlock) => Ok(None),
        // Some network file systems know no locks; there the folder's owner has to take care.
        Err(TryLockError::Error(e)) if lacks(&e, lacking::LOCKS) => Ok(Some(Lock { file, exclusive: false })),
        Err(TryLockError::Error(e)) => Err(Error::io("lock", path)(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_although_a_child_has_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = lock(&path).unwrap().unwrap();
        let childs = held.file.try_clone().unwrap();
        assert!(lock(&path).unwrap().is_none());
        drop(held);
        assert!(lock(&path).unwrap().is_some());
        drop(childs);
    }

    /// Where there are no locks, the folder can be written in all the same; other errors are told.
    #[cfg(unix)]
    #[test]
    fn without_locks_the_folder_is_its_owners() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        // The first operation opens the file, the second one locks it.
        for code in [libc::ENOLCK, libc::ENOTSUP, libc::EOPNOTSUPP, libc::ENOSYS] {
            fault::after(1, code, false);
            let held = lock(&path).unwrap().unwrap();
            assert!(!held.is_exclusive() && fault::end(), "{code}");
        }
        fault::after(1, libc::EIO, false);
        let e = lock(&path).unwrap_err();
        assert!(fault::end() && e.exit_code() == 6 && e.to_string().contains("cannot lock"), "{e}");
        // The file of another user, which may be read.
        fault::after(0, libc::EACCES, false);
        let held = lock(&path).unwrap().unwrap();
        assert!(held.is_exclusive() && fault::end() && lock(&path).unwrap().is_none());
        drop(held);
        std::fs::remove_file(&path).unwrap();
        fault::after(0, libc::EACCES, false);
        let e = lock(&path).unwrap_err();
        assert!(fault::end() && e.to_string().contains("cannot write"), "{e}");
    }
}
