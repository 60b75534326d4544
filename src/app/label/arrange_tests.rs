use super::*;

#[test]
fn class_folders_are_safe_and_differ() {
    let classes = [
        "cat",
        "Cat",
        "a/b",
        "a\\b",
        "..",
        ".hidden",
        "",
        "con",
        "COM3.txt",
        "test",
        "_unsure",
        "labels.csv",
        "end. ",
        "commas, \"q\"",
        "über",
    ];
    let names = folder_names(&classes.map(String::from));
    let expected = [
        "cat",
        "Cat-2",
        "a_b",
        "a_b-2",
        "class_",
        "class_.hidden",
        "class_-2",
        "class_con",
        "class_COM3.txt",
        "class_test",
        "class__unsure",
        "class_labels.csv",
        "end",
        "commas, _q_",
        "über",
    ];
    assert_eq!(names, expected);
    let long = folder_names(&["ä".repeat(300)]);
    assert_eq!(long[0], "ä".repeat(100));
}

#[test]
fn places_stay_in_their_folder() {
    for (path, expected) in [
        ("a.png", "cat/a.png"),
        ("x/y/a.png", "cat/x/y/a.png"),
        ("../../x/a.png", "cat/x/a.png"),
        ("/etc/./a", "cat/etc/a"),
    ] {
        assert_eq!(place("cat", Path::new(path)), Path::new(expected), "{path}");
    }
}

/// A folder with `source`, and how things are put into `out`.
struct Case {
    dir: tempfile::TempDir,
}

impl Case {
    fn new() -> Case {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("source"), "image").unwrap();
        fs::create_dir(dir.path().join("out")).unwrap();
        Case { dir }
    }
    fn source(&self) -> PathBuf {
        self.dir.path().join("source")
    }
    fn target(&self) -> PathBuf {
        self.dir.path().join("out/cat/x/1.png")
    }
    fn put(&self, how: Arrange) -> Result<()> {
        put(how, &self.source(), &self.dir.path().join("out"), Path::new("cat/x/1.png"))
    }
}

/// Not every user of Windows may make symbolic links, and under Wine they are nothing.
const ALL: &[Arrange] = match cfg!(windows) {
    true => &[Arrange::Copy, Arrange::Hardlink, Arrange::Move],
    false => &[Arrange::Copy, Arrange::Hardlink, Arrange::Move, Arrange::Symlink],
};

/// Each way puts the image there; a second time is no error, as a run that goes on cannot know.
#[test]
fn each_way_twice() {
    for &how in ALL {
        let case = Case::new();
        case.put(how).unwrap();
        case.put(how).unwrap();
        assert_eq!(fs::read(case.target()).unwrap(), b"image", "{how:?}");
        assert_eq!(case.source().exists(), how != Arrange::Move);
        assert_eq!(case.target().is_symlink(), how == Arrange::Symlink);
        let left = fs::read_dir(case.dir.path().join("out")).unwrap().count();
        assert_eq!(left, 1, "{how:?}: no temporary file");
    }
}

/// Another file that is there stays, and so does the image; also where it cannot be linked.
#[test]
fn nothing_is_overwritten() {
    let without_links = [ErrorKind::Unsupported, ErrorKind::CrossesDevices].map(|e| (Arrange::Move, Some(e)));
    for (how, fails) in ALL.iter().map(|&how| (how, None)).chain(without_links) {
        for other in ["other", "a longer one"] {
            let case = Case::new();
            fs::create_dir_all(case.target().parent().unwrap()).unwrap();
            fs::write(case.target(), other).unwrap();
            fails.into_iter().for_each(|kind| fault::after(1, kind, false));
            let e = case.put(how).unwrap_err();
            assert_eq!(fault::end(), fails.is_some());
            assert!(e.to_string().contains("1.png is there already") && e.exit_code() == 6, "{how:?}: {e}");
            assert_eq!(fs::read_to_string(case.target()).unwrap(), other, "{how:?}");
            assert_eq!(fs::read(case.source()).unwrap(), b"image", "{how:?}");
        }
    }
}

/// Killed between the second name and the removal of the first: the rest is done.
#[test]
fn a_half_move_is_ended() {
    let case = Case::new();
    fs::create_dir_all(case.target().parent().unwrap()).unwrap();
    fs::hard_link(case.source(), case.target()).unwrap();
    case.put(Arrange::Move).unwrap();
    assert!(!case.source().exists() && case.target().exists());
}

#[test]
fn what_vanished_is_named() {
    for &how in ALL {
        let case = Case::new();
        fs::remove_file(case.source()).unwrap();
        let e = case.put(how).unwrap_err();
        assert!(e.to_string().contains("cannot read") && e.to_string().contains("source"), "{how:?}: {e}");
        assert_eq!(e.exit_code(), 6, "{how:?}: {e}");
        assert!(!case.target().exists());
    }
}

/// What was to be moved has vanished where it is in neither place.
#[test]
fn what_somebody_removed_is_not_moved() {
    let case = Case::new();
    let vanished = || has_vanished(&case.source(), &case.target());
    assert!(!vanished());
    case.put(Arrange::Move).unwrap();
    assert!(!vanished() && !case.source().exists());
    fs::remove_file(case.target()).unwrap();
    assert!(vanished());
    // A run that was killed had taken its name.
    atomic::reserve(&case.target()).unwrap();
    assert!(vanished());
    // What a link led to may be on a drive that is not connected.
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nowhere", case.source()).unwrap();
        assert!(!vanished());
        let e = case.put(Arrange::Move).unwrap_err();
        assert_eq!(e.exit_code(), 6, "{e}");
    }
}

/// The link's file is moved in its place, not the link, which may lead nowhere from there.
#[cfg(unix)]
#[test]
fn links_are_followed() {
    let case = Case::new();
    let real = case.dir.path().join("real");
    fs::rename(case.source(), &real).unwrap();
    std::os::unix::fs::symlink("real", case.source()).unwrap();
    case.put(Arrange::Move).unwrap();
    assert_eq!(fs::read(case.target()).unwrap(), b"image");
    assert!(!case.target().is_symlink() && !case.source().is_symlink() && real.exists());
}

/// Killed after a name was taken, before the image came to it: the rest is done, and an image that vanished is no empty one.
#[test]
fn a_name_without_its_image_is_no_other_file() {
    for how in [Arrange::Copy, Arrange::Move] {
        let case = Case::new();
        fs::create_dir_all(case.target().parent().unwrap()).unwrap();
        atomic::reserve(&case.target()).unwrap();
        case.put(how).unwrap();
        assert_eq!(fs::read(case.target()).unwrap(), b"image", "{how:?}");
        assert_eq!(case.source().exists(), how == Arrange::Copy);
    }
    let case = Case::new();
    // Without links, and killed there: neither renamed, nor is the name given back.
    fault::after(1, ErrorKind::Unsupported, true);
    case.put(Arrange::Move).unwrap_err();
    assert!(fault::end() && case.source().exists() && atomic::is_reserved(&case.target()));
    fs::rename(case.source(), case.dir.path().join("elsewhere")).unwrap();
    let e = case.put(Arrange::Move).unwrap_err();
    assert!(e.to_string().contains("cannot read") && e.to_string().contains("source"), "{e}");
    fs::rename(case.dir.path().join("elsewhere"), case.source()).unwrap();
    case.put(Arrange::Move).unwrap();
    assert!(!case.source().exists());
    assert_eq!(fs::read(case.target()).unwrap(), b"image");
}

/// Nothing is copied where the image can be renamed. Where it cannot, the name is given back.
#[test]
fn renaming() {
    let case = Case::new();
    let (source, target) = (case.source(), case.dir.path().join("out/1.png"));
    // The first operation renames.
    fault::after(0, ErrorKind::CrossesDevices, false);
    assert!(!rename(&source, &target).unwrap() && fault::end());
    assert!(source.exists() && !target.exists());
    assert!(rename(&source, &target).unwrap());
    assert!(!source.exists());
    assert_eq!(fs::read(&target).unwrap(), b"image");
    fs::write(&source, "another").unwrap();
    let e = rename(&source, &target).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&target).unwrap(), b"image");
}

/// A moved file is as old as it was, whichever way it went, and may be read by whom it was.
#[test]
fn a_move_keeps_time_and_permissions() {
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    for kind in [ErrorKind::Unsupported, ErrorKind::CrossesDevices] {
        let case = Case::new();
        File::options().write(true).open(case.source()).unwrap().set_modified(old).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(case.source(), fs::Permissions::from_mode(0o640)).unwrap();
        }
        let permissions = fs::metadata(case.source()).unwrap().permissions();
        fault::after(1, kind, false);
        case.put(Arrange::Move).unwrap();
        assert!(fault::end() && !case.source().exists());
        let moved = fs::metadata(case.target()).unwrap();
        assert_eq!((moved.modified().unwrap(), moved.permissions()), (old, permissions), "{kind:?}");
    }
}

/// File systems without links: an error that says what to do. A move renames or copies instead.
#[test]
fn without_links() {
    let case = Case::new();
    // The first operation makes the folder, the second one links.
    fault::after(1, ErrorKind::Unsupported, false);
    let e = case.put(Arrange::Hardlink).unwrap_err();
    assert!(fault::end() && e.to_string().contains("--by-class copy"), "{e}");
    for kind in [ErrorKind::Unsupported, ErrorKind::CrossesDevices] {
        let case = Case::new();
        fault::after(1, kind, false);
        case.put(Arrange::Move).unwrap();
        assert!(fault::end() && !case.source().exists());
        assert_eq!(fs::read(case.target()).unwrap(), b"image");
        let left = fs::read_dir(case.dir.path().join("out")).unwrap().count();
        assert_eq!(left, 1, "{kind:?}: no temporary file");
    }
}
