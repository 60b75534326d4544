use super::*;
use crate::app::source::idx::tests::{file, images, write_set};
use crate::app::source::images::Part;
use crate::app::source::packed;
use std::fs;

/// A set of three images to learn from, labelled 0, 1, 2, and two to test on, in `set/`, and a table in `out/`.
fn set_and_table(rows: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("set")).unwrap();
    fs::create_dir(dir.path().join("out")).unwrap();
    write_set(&dir.path().join("set"), [3, 2], [(2, 2), (2, 2)]);
    fs::write(dir.path().join("out/labels.csv"), rows).unwrap();
    dir
}

const TRAIN: &str = "../set/train-images-idx3-ubyte";

#[track_caller]
fn refused(rows: &str, line: usize, expected: &str) {
    let dir = set_and_table(rows);
    let e = packed::read(&dir.path().join("out")).unwrap_err().to_string();
    assert!(e.contains(&format!("labels.csv:{line}: ")) && e.contains(expected), "{e}");
}

/// A label of the table counts, an empty one that was given is none, a predicted one says nothing, nor does a row that is not
/// there; later files count over the table.
#[test]
fn labels_of_a_table() {
    let dir = set_and_table(&format!(
        "path,label,status,split\n{TRAIN}#0,owl,given,\n{TRAIN}#1,2,predicted,\n..\\set\\t10k-images.idx3-ubyte#1,,given,test\n"
    ));
    let read = |path: &str| packed::read(&dir.path().join(path)).unwrap().unwrap();
    let Opened { set, path, named, no_label } = read("out");
    assert_eq!(named, Some(BTreeSet::from([Part::Train, Part::Test])));
    assert!(path.ends_with("set/train-images-idx3-ubyte"), "{}", path.display());
    assert_eq!(set.class_names, ["0", "1", "2", "owl"]);
    assert_eq!(set.train.labels, [Some(3), Some(1), Some(2)]);
    assert_eq!(set.test.labels, [Some(0), None]);
    assert_eq!(no_label, HashSet::from([PathBuf::from("t10k-images.idx3-ubyte#1")]));
    assert!(set.notes[0].contains("1 label predicted"), "{:?}", set.notes);
    assert_eq!(read("out/labels.csv").set, set);
    fs::write(dir.path().join("out/next.csv"), format!("path,label\n{TRAIN}#2,0\n{TRAIN}#1,\n")).unwrap();
    let set = read("out").set;
    assert_eq!(set.train.labels, [Some(3), Some(1), Some(0)]);
    assert!(set.notes[1].ends_with("next.csv: labels added: 1"), "{:?}", set.notes);
    assert_eq!(read("set").named, None, "without a table");
}

/// In the folder of the set itself, and where the folder has several.
#[test]
fn a_table_beside_its_images() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    for (set, label) in [("emnist-letters", 1), ("emnist-digits", 2)] {
        put(&format!("{set}-train-images-idx3-ubyte"), &images(2, 2, 2));
        put(&format!("{set}-train-labels-idx1-ubyte"), &file(0x801, &[2], &[label, 255]));
    }
    put("labels.csv", b"path,label\nemnist-digits-train-images-idx3-ubyte#1,7\n");
    let Opened { set, named, .. } = packed::read(dir.path()).unwrap().unwrap();
    assert_eq!((set.class_names, set.train.labels), (vec!["2".into(), "7".into()], vec![Some(0), Some(1)]));
    assert_eq!(named, Some(BTreeSet::from([Part::Train])));
}

#[test]
fn rows_that_do_not_fit() {
    let rows = |more: &str| format!("path,label,split\n{TRAIN}#0,1,\n{more}\n");
    refused(&rows("../set/train-images-idx3-ubyte#3,1,"), 3, "no image");
    refused(&rows("../other/train-images-idx3-ubyte#1,1,"), 3, "is not in ../set, where the rows before lie");
    refused(&rows("../set/t10k-images.idx3-ubyte#0,1,train"), 3, "is of the part test in its packed set");
    refused(&rows(&format!("{TRAIN}#0,2,")), 3, "there twice");
}

/// Tables of files are not read here, whatever the files are called.
#[test]
fn tables_of_files() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    put("a#1", "no picture");
    for rows in ["path,label\na#1,x\n", "path,label\na.png,x\n", "path,label\ngone#2,x\n", "path,label\n"] {
        put("labels.csv", rows);
        assert_eq!(packed::read(dir.path()).unwrap(), None, "{rows}");
    }
}
