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

/// Only of a link is asked where it leads: drives that cannot say where a file is can be written.
#[cfg(unix)]
#[test]
fn only_links_are_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (file, link) = (dir.path().join("file"), dir.path().join("link"));
    write(&file, b"x").unwrap();
    std::os::unix::fs::symlink("file", &link).unwrap();
    let by_way = dir.path().join("sub/../file");
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    assert_eq!(followed(&by_way).unwrap(), by_way);
    assert_eq!(followed(&link).unwrap(), dunce::canonicalize(&file).unwrap());
}

/// A file system that cannot flush to the disk is written all the same; a disk that is full or broken is told.
#[cfg(unix)]
#[test]
fn a_flush_that_there_is_not_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    // The file's flush comes after making and writing a temporary file, that of the folder after the rename.
    let (of_file, of_folder) = (2, 4);
    let flushed = |at: u32, code: i32| {
        fault::after(at, code, false);
        let written = write(&path, b"text").is_ok();
        assert!(fault::end(), "operation {at}");
        written
    };
    for at in [of_file, of_folder] {
        for code in [libc::EINVAL, libc::ENOTTY, libc::ENOTSUP, libc::EOPNOTSUPP, libc::ENOSYS] {
            assert!(flushed(at, code), "operation {at}, error {code}");
        }
        for code in [libc::EIO, libc::ENOSPC, libc::EDQUOT] {
            assert!(!flushed(at, code), "operation {at}, error {code}");
        }
    }
    assert!(flushed(of_folder, libc::EBADF) && !flushed(of_file, libc::EBADF));
    let mut log = LogFile::with(dir.path().join("log"), &[]).unwrap();
    for (code, synced) in [(libc::ENOTTY, true), (libc::EIO, false)] {
        log.line("one").unwrap();
        fault::after(1, code, false);
        assert_eq!(log.sync().is_ok(), synced, "{code}");
        assert!(fault::end());
    }
}

/// Windows' errors for a file that another program has open: waited for, and if that does not help, told.
#[test]
fn a_file_that_is_open_elsewhere_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    write(&path, b"old").unwrap();
    for code in [5, 32] {
        // The rename comes after making, writing and flushing a temporary file.
        fault::after(3, code, false);
        write(&path, b"new").unwrap();
        assert!(fault::end());
        fault::after(3, code, true);
        let e = write(&path, b"newer").unwrap_err();
        assert!(fault::end() && e.to_string().contains("(open in another program?)"), "{e}");
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        fault::after(0, code, true);
        let e = remove(&path).unwrap_err();
        assert!(fault::end() && e.to_string().contains("(open in another program?)"), "{e}");
        fault::after(0, code, false);
        remove(&path).unwrap();
        assert!(fault::end() && !path.exists());
    }
}

/// Where a file cannot be given a new name without replacing one, its name is taken first: others are not overwritten, and
/// nothing is left of a failure.
#[test]
fn new_files_where_renames_replace() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    // Naming comes after making, writing and flushing a temporary file.
    let new = |bytes: &[u8], lasting| {
        fault::after(3, ErrorKind::Unsupported, lasting);
        let written = write_new(&path, |w| w.write_all(bytes));
        assert!(fault::end());
        written
    };
    assert!(new(b"text", true).is_err());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    assert!(new(b"text", false).unwrap());
    assert!(new(b"text", false).unwrap(), "it is there already");
    assert!(!new(b"other", false).unwrap());
    assert_eq!(std::fs::read(&path).unwrap(), b"text");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}
