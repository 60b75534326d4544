use super::*;
use crate::app::source::images::load::tests::look;
use crate::app::source::images::load::{Loading, load};
use crate::app::source::images::scan::tests::{folder, picture};
use crate::app::source::images::set::ImageSet;

/// Loads a folder with a cache; also whether anything was decoded.
fn loaded(path: &Path, cache: &Path, choice: Choice) -> (ImageSet, bool) {
    let mut decoded = false;
    let loading = Loading { choice, cache: Some(cache), ..Loading::default() };
    let set = load(&look(path), &loading, &mut |_, _| decoded = true).unwrap();
    (set, decoded)
}

fn kept(cache: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(cache).unwrap().map(|e| e.unwrap().path()).collect()
}

#[test]
fn the_second_start_decodes_nothing() {
    let names: Vec<String> = (0..40).map(|i| format!("{i:02}.pgm")).collect();
    let dir = folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
    std::fs::write(dir.path().join("07.jpg"), "no picture at all, but a text").unwrap();
    let cache = tempfile::tempdir().unwrap();
    let load = || loaded(dir.path(), cache.path(), Choice::default());
    let (first, decoded) = load();
    assert!(decoded && first.skipped.len() == 1);
    let (second, decoded) = load();
    assert!(!decoded);
    assert_eq!(second, first);
    // Labels are not in it: a label file changes them without anything being decoded.
    std::fs::write(dir.path().join("labels.csv"), "path,label\n03.pgm,cat\n").unwrap();
    let (labelled, decoded) = load();
    assert!(!decoded && labelled.train.labels[3] == Some(0) && labelled.class_names == ["cat"]);
}

/// Another choice, a file that is new, gone, or written again: decoded anew.
#[test]
fn what_has_changed_is_noticed() {
    let dir = folder(&["1.png", "2.png"]);
    let cache = tempfile::tempdir().unwrap();
    let load = |choice| loaded(dir.path(), cache.path(), choice);
    load(Choice::default());
    assert!(load(Choice { channels: Some(3), ..Choice::default() }).1);
    assert!(load(Choice { size: Some((2, 2)), ..Choice::default() }).1);
    std::fs::write(dir.path().join("3.png"), picture(7)).unwrap();
    let (set, decoded) = load(Choice::default());
    assert!(decoded && set.train.len() == 3);
    let file = dir.path().join("2.png");
    std::fs::write(&file, picture(99)).unwrap();
    let later = SystemTime::now() + std::time::Duration::from_secs(5);
    File::options().append(true).open(&file).unwrap().set_modified(later).unwrap();
    let (set, decoded) = load(Choice::default());
    assert!(decoded && set.train.pixels == [0, 99, 7]);
    assert_eq!(kept(cache.path()).len(), 5);
}

/// Every byte changed, every length: the set is decoded anew and gives the same.
#[test]
fn damaged_files_are_noticed() {
    let dir = folder(&["1.png", "2.png", "3.png"]);
    let cache = tempfile::tempdir().unwrap();
    let (whole, _) = loaded(dir.path(), cache.path(), Choice::default());
    let file = kept(cache.path()).pop().unwrap();
    let bytes = std::fs::read(&file).unwrap();
    let (found, key) = (look(dir.path()), file.file_stem().unwrap().to_str().unwrap().to_string());
    assert_eq!(super::key(&found, &Choice::default()).unwrap(), key);
    let damaged = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        assert!(read(cache.path(), &key, 3).is_none() && !file.exists());
    };
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        damaged(&changed);
        damaged(&bytes[..at]);
    }
    damaged(&[&bytes[..], &[0]].concat());
    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let (again, decoded) = loaded(dir.path(), cache.path(), Choice::default());
    assert!(decoded && again == whole && std::fs::read(&file).unwrap() == bytes);
}

/// A file that the system did not let read may be there at the next start: such a set is not kept.
#[test]
fn what_may_pass_is_not_kept() {
    let dir = folder(&["1.png"]);
    let decoded = |reason| Decoded {
        policy: Policy { height: 1, width: 1, channels: 1, fit: Default::default() },
        pixels: vec![1],
        failed: [(1, reason)].into(),
        notes: Vec::new(),
    };
    assert!(
        write(dir.path(), "a", &decoded(Unread::System("no permission".into()))).unwrap().contains("be read")
    );
    assert!(read(dir.path(), "a", 2).is_none());
    let lasting = decoded(Unread::Content("a broken PNG".into()));
    assert_eq!(write(dir.path(), "a", &lasting), None);
    assert_eq!(read(dir.path(), "a", 2), Some(lasting));
}

#[test]
fn old_sets_make_room() {
    let dir = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    for (name, age) in [("old.images", 300), ("new.images", 100), ("middle.images", 200), ("other.json", 900)]
    {
        std::fs::write(dir.path().join(name), [0; 100]).unwrap();
        let file = File::options().append(true).open(dir.path().join(name)).unwrap();
        file.set_modified(now - std::time::Duration::from_secs(age)).unwrap();
    }
    make_room(dir.path(), 50, 250);
    let mut left: Vec<_> = kept(dir.path()).iter().map(|p| p.file_name().unwrap().to_owned()).collect();
    left.sort();
    assert_eq!(left, ["middle.images", "new.images", "other.json"]);
    make_room(dir.path(), 50, 250);
    assert_eq!(kept(dir.path()).len(), 3, "all fits");
}
