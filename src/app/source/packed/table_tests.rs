use super::*;
use crate::app::source::idx::tests::{file, gz, images, write_set};
use crate::app::source::images::Part;
use crate::app::source::packed;
use std::fs;

/// A set of three images to learn from, labelled 0, 1, 2, and two to test on, labelled 0 and 1, in `set/`, and a table in
/// `out/`.
fn set_and_table(rows: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("set")).unwrap();
    fs::create_dir(dir.path().join("out")).unwrap();
    write_set(&dir.path().join("set"), [3, 2], [(2, 2), (2, 2)]);
    fs::write(dir.path().join("out/labels.csv"), rows).unwrap();
    dir
}

fn read(dir: &tempfile::TempDir, path: &str) -> Opened {
    packed::read(&dir.path().join(path)).unwrap().unwrap()
}

const TRAIN: &str = "../set/train-images-idx3-ubyte";

#[track_caller]
fn refused(rows: &str, line: usize, expected: &str) {
    let dir = set_and_table(rows);
    let e = packed::read(&dir.path().join("out")).unwrap_err().to_string();
    assert!(e.contains(&format!("labels.csv:{line}: ")) && e.contains(expected), "{e}");
}

/// What the table names has its label or none, all others those of the set; later files count over the table.
#[test]
fn labels_of_a_table() {
    let dir = set_and_table(&format!(
        "path,label,status,split\n{TRAIN}#0,owl,given,\n{TRAIN}#1,2,predicted,\n..\\set\\t10k-images.idx3-ubyte#1,,given,test\n"
    ));
    let Opened { at, set, table } = read(&dir, "out");
    assert_eq!(table.unwrap().parts, BTreeSet::from([Part::Train, Part::Test]));
    assert!(at.ends_with("set"), "{}", at.display());
    assert_eq!(set.class_names, ["0", "2", "owl"], "no image is a 1 any more");
    assert_eq!(set.train.labels, [Some(2), None, Some(1)]);
    assert_eq!(set.test.labels, [Some(0), None]);
    assert_eq!(set.no_label.iter().collect::<Vec<_>>(), [Path::new("t10k-images.idx3-ubyte#1")]);
    assert!(set.notes[0].contains("labels.csv: 1 label of images of "), "{:?}", set.notes);
    assert!(set.notes[1].contains("1 label predicted"), "{:?}", set.notes);
    assert_eq!(read(&dir, "out/labels.csv").set.train, set.train);
    fs::write(dir.path().join("out/next.csv"), format!("path,label\n{TRAIN}#1,0\n{TRAIN}#0,\n")).unwrap();
    let set = read(&dir, "out").set;
    assert_eq!(set.train.labels, [Some(2), Some(0), Some(1)]);
    assert!(set.notes[2].ends_with("next.csv: labels added: 1"), "{:?}", set.notes);
    assert_eq!(read(&dir, "set").table, None, "without a table");
}

/// A table where the files lie counts by whatever name the set is called, and chooses where there are several sets.
#[test]
fn a_table_beside_its_images() {
    let dir = tempfile::tempdir().unwrap();
    let raw = dir.path().join("MNIST/raw");
    fs::create_dir_all(&raw).unwrap();
    write_set(&raw, [3, 2], [(2, 2), (2, 2)]);
    // Not the first row alone says whose table it is.
    fs::write(
        raw.join("labels.csv"),
        "path,label\nt10k-images.idx3-ubyte#0,7\ntrain-images-idx3-ubyte.gz#1,9\n",
    )
    .unwrap();
    for path in [".", "MNIST", "MNIST/raw", "MNIST/raw/train-images-idx3-ubyte", "MNIST/raw/labels.csv"] {
        let Opened { set, table, .. } = read(&dir, path);
        assert_eq!((set.class_names.join(" "), table.is_some()), ("0 1 2 7 9".into(), true), "{path}");
    }
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    for (set, label) in [("emnist-letters", 1), ("emnist-digits", 2)] {
        put(&format!("{set}-train-images-idx3-ubyte.gz"), &gz(&images(2, 2, 2)));
        put(&format!("{set}-train-labels-idx1-ubyte"), &file(0x801, &[2], &[label, 255]));
    }
    put("labels.csv", b"path,label\nemnist-digits-train-images-idx3-ubyte.gz#1,7\n");
    let set = read(&dir, ".").set;
    assert_eq!((set.class_names, set.train.labels), (vec!["2".into(), "7".into()], vec![Some(0), Some(1)]));
    // The other set has nothing of it.
    let letters = read(&dir, "emnist-letters-train-images-idx3-ubyte.gz");
    assert_eq!((letters.table, letters.set.train.labels), (None, vec![Some(0), None]));
    assert!(letters.set.notes[0].contains("names none of these images"), "{:?}", letters.set.notes);
    // Its own is called like it.
    put("emnist-letters.csv", b"path,label\nemnist-letters-train-images-idx3-ubyte#1,7\n");
    assert!(read(&dir, "emnist-letters-train-images-idx3-ubyte.gz").set.train.labels[1].is_some());
    // What else is called so names none, whatever it has.
    for other in ["id;name\n0;ant\n", "name,colour\nant,#00ff00\n", "name,number\nant,#1\n"] {
        put("labels.csv", other.as_bytes());
        assert_eq!(read(&dir, "emnist-digits-train-images-idx3-ubyte.gz").table, None, "{other}");
    }
}

/// A table that cannot be read, or names what is not there, is an error also where the set is named and not the table.
#[test]
fn tables_that_cannot_be_read() {
    let dir = set_and_table("");
    let place = "train-images-idx3-ubyte";
    let mut ansi = format!("path,label\n{place}#0,K_fer\n").into_bytes();
    let at = ansi.iter().position(|byte| *byte == b'_').unwrap();
    ansi[at] = 0xe4;
    let wide: Vec<u8> =
        format!("path,label\n{place}#0,a\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (table, expected) in [
        (ansi, "not UTF-8"),
        (wide, ""),
        (format!("path,label\n{place}#9,a\n").into_bytes(), "train-images-idx3-ubyte#0 to #2"),
    ] {
        fs::write(dir.path().join("set/labels.csv"), &table).unwrap();
        for path in ["set", "set/train-images-idx3-ubyte"] {
            let e = packed::read(&dir.path().join(path)).unwrap_err().to_string();
            assert!(e.contains("labels.csv") && e.contains(expected), "{e}");
        }
    }
    // One of another set, in a set's own folder.
    fs::create_dir(dir.path().join("other")).unwrap();
    write_set(&dir.path().join("other"), [3, 2], [(2, 2), (2, 2)]);
    fs::write(dir.path().join("set/labels.csv"), format!("path,label\n../other/{place}#0,a\n")).unwrap();
    let e = packed::read(&dir.path().join("set")).unwrap_err().to_string();
    assert!(e.contains("move it away"), "{e}");
}

#[test]
fn rows_that_do_not_fit() {
    let rows = |more: &str| format!("path,label,split\n{TRAIN}#0,1,\n{more}\n");
    refused(&rows("../set/train-images-idx3-ubyte#3,1,"), 3, "train-images-idx3-ubyte#0 to #2; t10k");
    refused(&rows("../other/train-images-idx3-ubyte#1,1,"), 3, "is no image of");
    refused(&rows("1.png,1,"), 3, "is no image of");
    refused(&rows("../set/t10k-images.idx3-ubyte#0,1,train"), 3, "is of the part test in its set");
    refused(&rows(&format!("../out/{TRAIN}#0,2,")), 3, "there twice");
    refused(&format!("path,labels\n{TRAIN}#0,2\n"), 1, "no column of labels");
}

/// What is corrected is told no more, and what the table contradicts is.
#[test]
fn equal_images_by_the_table() {
    let dir = set_and_table(&format!("path,label\n{TRAIN}#2,1\n"));
    let file = |labels: &[u8]| file(0x801, &[3], labels);
    let put = |name: &str, bytes: &[u8]| fs::write(dir.path().join("set").join(name), bytes).unwrap();
    put("train-images-idx3-ubyte", &crate::app::source::idx::tests::file(0x803, &[3, 2, 2], &[7; 12]));
    fs::remove_file(dir.path().join("set/train-labels-idx1-ubyte.gz")).unwrap();
    let twice = |path: &str| read(&dir, path).set.notes.iter().any(|note| note.contains("different labels"));
    put("train-labels-idx1-ubyte", &file(&[1, 1, 0]));
    assert_eq!((twice("set"), twice("out")), (true, false));
    put("train-labels-idx1-ubyte", &file(&[0, 0, 0]));
    assert_eq!((twice("set"), twice("out")), (false, true));
}

/// Tables of files are not read here, whatever the files are called.
#[test]
fn tables_of_files() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    put("a#1", "no picture");
    for rows in ["a#1,x\n", "a.png,x\n", "gone#2,x\n", "gone.npz/train_images#2,x\n", ""] {
        put("labels.csv", &format!("path,label\n{rows}"));
        assert_eq!(packed::read(dir.path()).unwrap(), None, "{rows}");
    }
}
