use super::super::found::{Entry, Purpose};
use super::super::summary::Summary;
use super::*;
use std::fs;

/// The smallest picture: a PNM of one gray pixel.
pub fn picture(value: u8) -> Vec<u8> {
    [&b"P5 1 1 255\n"[..], &[value]].concat()
}

/// A folder with pictures of those paths, each of another gray.
pub fn folder(paths: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, value) in paths.iter().zip(0..) {
        put(dir.path(), path, &picture(value));
    }
    dir
}

fn put(dir: &Path, path: &str, bytes: &[u8]) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn look(path: &Path) -> Result<Found> {
    scan(&Request { path: path.into(), ..Request::default() })
}

/// Path, class and part of every image, as text.
fn listed(found: &Found) -> Vec<String> {
    let line = |i: &Entry| {
        let class = i.class.map_or("-", |c| &found.class_names[usize::from(c)]);
        format!("{} {class} {:?}", i.path.display(), i.part).replace('\\', "/")
    };
    found.images.iter().map(line).collect()
}

fn refused(path: &Path, expected: &str) -> String {
    let e = look(path).unwrap_err();
    let text = e.to_string();
    assert!([3, 4].contains(&e.exit_code()) && text.contains(expected), "{text:?}, expected {expected:?}");
    text
}

#[test]
fn runs_and_labellings_among_the_images_are_passed_over() {
    let dir =
        folder(&["cat/1.png", "dog/2.png", "runs/a/plots/losses.png", "labelled/cat/1.png", "dog/run/3.png"]);
    for folder in ["runs/a", "runs/b", "dog/run"] {
        for name in ["config.toml", "model.toml", "env.json"] {
            put(dir.path(), &format!("{folder}/{name}"), b"");
        }
    }
    put(dir.path(), "labelled/labels.csv", b"path,label\ncat/1.png,cat\n");
    let images = |classes: &[&str], request: Request| {
        let found = scan(&request).unwrap();
        assert_eq!(found.class_names, classes);
        let note = found.notes.first().map(|n| n.replace('\\', "/"));
        (listed(&found), note)
    };
    let all = Request { path: dir.path().into(), ..Request::default() };
    let (_, note) = images(&["cat", "dog", "labelled"], all.clone());
    let passed = "passed over, as written by ssgan (read where named itself): ";
    assert_eq!(note, Some(format!("{passed}dog/run/; runs/a/; runs/b/")));
    put(dir.path(), "labelled/skipped.csv", b"path,reason\n");
    let (found, note) = images(&["cat", "dog"], all.clone());
    assert_eq!(found, ["cat/1.png cat Train", "dog/2.png dog Train"]);
    assert_eq!(note, Some(format!("{passed}dog/run/; labelled/; runs/a/; and 1 more")));
    // Labels that somebody gave there are missed.
    put(dir.path(), "labelled/next.csv", b"path,label,predicted\ncat/1.png,,cat\n");
    let missed =
        || look(dir.path()).unwrap().notes.into_iter().find(|n| n.contains("labels that do not count"));
    assert_eq!(missed(), None);
    put(dir.path(), "labelled/corrections.csv", b"path,label\ncat/1.png,dog\n");
    let folder = dir.path().join("labelled");
    let table = folder.join("corrections.csv");
    let expected = format!("labels that do not count, as their folder was not named: {}", table.display());
    assert_eq!(missed(), Some(expected));
    for name in ["next.csv", "corrections.csv"] {
        fs::remove_file(folder.join(name)).unwrap();
    }
    // One that is asked for is not passed over.
    let labelled = dir.path().join("labelled");
    assert_eq!(
        images(&["cat"], Request { path: labelled.clone(), ..Request::default() }).0,
        ["cat/1.png cat Train"]
    );
    let (found, _) = images(&["cat"], Request { labels: Some(labelled.join("labels.csv")), ..all });
    assert!(found.contains(&"labelled/cat/1.png cat Train".to_string()), "{found:?}");
    // What a table names is read, wherever it lies; what lies beside it is not.
    put(dir.path(), "labelled/cat/5.png", &picture(5));
    put(dir.path(), "labels.csv", b"path,label\ncat/1.png,cat\nlabelled/cat/5.png,owl\n");
    let found = look(dir.path()).unwrap();
    let wanted = ["cat/1.png cat Train", "dog/2.png - Train", "labelled/cat/5.png owl Train"];
    assert_eq!(listed(&found), wanted);
    assert_eq!(found.notes, [format!("{passed}dog/run/; runs/a/; runs/b/")]);
    put(dir.path(), "labels.csv", b"path,label\n1.png,cat\n");
    assert_eq!(listed(&look(dir.path()).unwrap()), ["cat/1.png cat Train", "dog/2.png - Train"]);
    put(dir.path(), "labels.csv", b"path,label\ncat/1.png,cat\nlabelled/cat/6.png,owl\n");
    look(dir.path()).unwrap_err();
    fs::remove_file(dir.path().join("labels.csv")).unwrap();
    // A class that has others too is one.
    put(dir.path(), "runs/4.png", &picture(4));
    assert_eq!(look(dir.path()).unwrap().class_names, ["cat", "dog", "runs"]);
    for gone in ["cat", "dog", "runs/4.png"] {
        let gone = dir.path().join(gone);
        if gone.is_dir() { fs::remove_dir_all(gone).unwrap() } else { fs::remove_file(gone).unwrap() }
    }
    refused(dir.path(), "passed over, as written by ssgan (read where named itself): labelled/");
}

#[test]
fn class_folders_and_what_has_no_class() {
    let dir = folder(&[
        "dog/2.png",
        "cat/x/3.JPG",
        "cat/1.png",
        "_unlabeled/4.png",
        "Unlabelled/5.png",
        "0.png",
        "_unsure/6.png",
    ]);
    put(dir.path(), "cat/notes.txt", b"no picture");
    put(dir.path(), "cat/.hidden.png", b"hidden");
    put(dir.path(), ".git/1.png", b"hidden");
    put(dir.path(), "__MACOSX/cat/1.png", b"hidden");
    put(dir.path(), "dog/without-ending", &picture(9));
    let found = look(dir.path()).unwrap();
    let wanted = [
        "0.png - Train",
        "cat/1.png cat Train",
        "dog/2.png dog Train",
        "cat/x/3.JPG cat Train",
        "_unlabeled/4.png - Train",
        "Unlabelled/5.png - Train",
        "_unsure/6.png - Train",
        "dog/without-ending dog Train",
    ];
    assert_eq!(listed(&found), wanted);
    assert_eq!((found.other_files, found.skipped.len()), (1, 0));
    assert_eq!(found.class_names, ["cat", "dog"]);
    found.check_for_training().unwrap();
    let summary = serde_json::to_value(Summary::of(&found)).unwrap();
    assert_eq!((&summary["classes"][1]["train"], &summary["unlabelled"]["train"]), (&2.into(), &4.into()));
}

/// Giving an image a label, by moving it to its class, leaves the order of all.
#[test]
fn the_order_does_not_depend_on_classes() {
    let names = |found: Found| -> Vec<_> {
        found.images.iter().map(|i| i.path.file_name().unwrap().to_owned()).collect()
    };
    let before = folder(&["_unlabeled/1.png", "_unlabeled/2.png", "b/0.png", "a/3.png"]);
    let after = folder(&["b/1.png", "a/2.png", "b/0.png", "a/3.png"]);
    assert_eq!(names(look(before.path()).unwrap()), names(look(after.path()).unwrap()));
}

#[test]
fn parts_above_classes() {
    let dir = folder(&[
        "train/b/1.png",
        "train/a/2.png",
        "train/3.png",
        "Test/a/1.png",
        "val/b/1.png",
        "_unlabeled/0.png",
    ]);
    let found = look(dir.path()).unwrap();
    let wanted = [
        "_unlabeled/0.png - Train",
        "train/b/1.png b Train",
        "train/a/2.png a Train",
        "train/3.png - Train",
        "val/b/1.png b Validation",
        "Test/a/1.png a Test",
    ];
    assert_eq!(listed(&found), wanted);
    put(dir.path(), "Test/metadata.csv", b"file_name,label\n1.png,b\n");
    put(dir.path(), "Test/1.png", &picture(9));
    let found = look(dir.path()).unwrap();
    assert!(listed(&found).contains(&"Test/1.png b Test".to_string()), "{:?}", listed(&found));
}

#[test]
fn class_folders_named_like_parts() {
    let dir = folder(&["cat/1.png", "test/2.png"]);
    let text = refused(dir.path(), "test/ is read as a part of the data");
    assert!(text.contains("cat/") && text.contains("rename it"), "{text}");
    let dir = folder(&["train/cat/1.png", "train/test/2.png"]);
    refused(dir.path(), "a class folder named like a part of the data: rename it, such as to class_test/");
    let dir = folder(&["test/cat/1.png"]);
    refused(dir.path(), "test/ without train/");
    let dir = folder(&["test/1.png", "val/2.png"]);
    put(dir.path(), "labels.csv", b"path,label\ntest/1.png,a\nval/2.png,b\n");
    assert_eq!(listed(&look(dir.path()).unwrap()), ["test/1.png a Train", "val/2.png b Train"]);
}

/// Folders of parts below a file of labels that names no part are none, which is told: their images are learnt from.
#[test]
fn parts_that_a_label_file_does_not_name() {
    let dir = folder(&["train/1.png", "train/2.png", "test/3.png", "Val/4.png"]);
    put(dir.path(), "labels.csv", b"path,label\ntrain/1.png,a\ntrain/2.png,b\ntest/3.png,a\n");
    let found = look(dir.path()).unwrap();
    assert!(found.images.iter().all(|image| image.part == Part::Train));
    let told = |found: Found| -> Vec<String> {
        found.notes.into_iter().filter(|note| note.contains("not kept for tests")).collect()
    };
    let note = "Val/; test/: not kept for tests, as labels.csv says what each image is and has no column split (train, val or \
                test)";
    assert_eq!(told(found), [note]);
    // Named they are parts, and there is nothing to tell; nor is there of train/ alone.
    put(dir.path(), "labels.csv", b"path,label,split\ntrain/1.png,a,\ntrain/2.png,b,\ntest/3.png,a,test\n");
    let found = look(dir.path()).unwrap();
    assert!(listed(&found).contains(&"test/3.png a Test".to_string()), "{:?}", listed(&found));
    assert_eq!(told(found), [""; 0]);
    let dir = folder(&["train/1.png", "train/2.png"]);
    put(dir.path(), "labels.csv", b"path,label\ntrain/1.png,a\ntrain/2.png,b\n");
    assert_eq!(told(look(dir.path()).unwrap()), [""; 0]);
}

/// What is tested on needs no `train/`; what is labelled needs no classes either, and keeps the labels that there are.
#[test]
fn folders_that_are_not_trained_on() {
    let of = |dir: &tempfile::TempDir, purpose: Purpose| {
        scan(&Request { path: dir.path().into(), purpose, ..Request::default() })
    };
    let dir = folder(&["test/cat/1.png", "val/dog/2.png"]);
    refused(dir.path(), "without train/");
    for purpose in [Purpose::Testing, Purpose::Labelling] {
        let found = of(&dir, purpose).unwrap();
        assert_eq!(listed(&found), ["val/dog/2.png dog Validation", "test/cat/1.png cat Test"]);
    }
    // A class that is called test/, or a part: for an accuracy that must not be guessed.
    let dir = folder(&["cat/1.png", "test/2.png", "3.png", "test/dog/4.png", "_unsure/5.png"]);
    let e = of(&dir, Purpose::Testing).unwrap_err().to_string();
    assert!(e.contains("test/ is read as a part of the data") && e.contains("cat/"), "{e}");
    let found = of(&dir, Purpose::Labelling).unwrap();
    let wanted = [
        "cat/1.png cat Train",
        "3.png - Train",
        "_unsure/5.png - Train",
        "test/2.png - Test",
        "test/dog/4.png dog Test",
    ];
    assert_eq!(listed(&found), wanted);
    assert!(found.notes[0].contains("test/ is read as a part of the data"), "{:?}", found.notes);
    let dir = folder(&["train/cat/1.png", "train/test/2.png"]);
    of(&dir, Purpose::Testing).unwrap_err();
    let wanted = ["train/cat/1.png cat Train", "train/test/2.png - Train"];
    assert_eq!(listed(&of(&dir, Purpose::Labelling).unwrap()), wanted);
}

#[test]
fn a_label_file_in_the_folder() {
    // Windows has no names with quotation marks.
    let name = if cfg!(windows) { "näme, x.png" } else { "näme, \"x\".png" };
    let dir = folder(&["a/1.png", "b/2.png", "b/1.png", "3.png", name]);
    let quoted = name.replace('"', "\"\"");
    let csv = format!("path,label,split\na/1.png,x,\n2.png,y,test\n./b/1.png,,\n\"{quoted}\",x,\n");
    put(dir.path(), "labels.csv", csv.as_bytes());
    let found = look(dir.path()).unwrap();
    let named = format!("{name} x Train");
    let wanted = ["a/1.png x Train", "b/1.png - Train", "3.png - Train", &named, "b/2.png y Test"];
    assert_eq!(listed(&found), wanted);
    put(dir.path(), "metadata.csv", b"path,label\n");
    refused(dir.path(), "are both files of labels");
}

/// A label file elsewhere, for the folder: paths relative to the file, or to the folder.
#[test]
fn a_label_file_beside_the_folder() {
    let dir = folder(&["photos/a/1.png", "photos/2.png"]);
    for csv in [
        "path,label\nphotos/a/1.png,x\nphotos/2.png,y\n",
        "path,label\na/1.png,x\n2.png,y\n",
        "path,label\nphotos\\a\\1.png,x\n../photos/2.png,y\n",
    ] {
        put(dir.path(), "sub/../my labels.csv", csv.as_bytes());
        put(dir.path(), "sub/l.csv", csv.as_bytes());
        let file = if csv.contains("..") { "sub/l.csv" } else { "my labels.csv" };
        let csv = csv.replace("photos\\", "..\\photos\\");
        if file == "sub/l.csv" {
            put(dir.path(), file, csv.as_bytes());
        }
        let labels = Some(dir.path().join(file));
        let found = scan(&Request { path: dir.path().join("photos"), labels, ..Request::default() }).unwrap();
        assert_eq!(listed(&found), ["a/1.png x Train", "2.png y Train"], "{csv}");
    }
}

/// A label file by itself: its images and no others, wherever they are.
#[test]
fn the_images_of_a_label_file() {
    let dir = folder(&["photos/1.png", "photos/2.png", "out/3.png"]);
    put(dir.path(), "out/labels.csv", b"path,label,status\n../photos/1.png,x,given\n3.png,y,predicted\n");
    let found = look(&dir.path().join("out/labels.csv")).unwrap();
    assert_eq!(listed(&found), ["../photos/1.png x Train", "3.png - Train"]);
    assert!(found.root.join(&found.images[0].path).is_file());
    put(dir.path(), "out/labels.csv", b"path,label\n3.png,y\n4.png,y\n");
    refused(&dir.path().join("out/labels.csv"), "labels.csv:3: no image \"4.png\"");
    let one = look(&dir.path().join("out/3.png")).unwrap();
    assert_eq!(listed(&one), ["3.png - Train"]);
}

/// What was asked for and filled in, and what was marked on the page, counts over the table that it lies beside: in a folder, for a
/// file by itself, and whatever its paths go through. What is not filled in says nothing.
#[test]
fn later_labels_count() {
    let names = ["photos/1.png", "photos/2.png", "photos/3.png", "photos/4.png", "photos/5.png"];
    let dir = folder(&names);
    let labels = "path,label,status,split\n../photos/1.png,x,given,\n../photos/2.png,y,predicted,\n\
                  ../photos/3.png,y,given,test\n../photos/4.png,x,given,\n../photos/5.png,x,unsure,\n";
    let next = "path,label,predicted,confidence,alike\n../photos/2.png,z,y,0.5,7\n../photos/1.png,,x,0.9,1\n";
    let corrections =
        "path,label,status\n../photos/3.png,x,given\n../photos/4.png,,given\n../photos/2.png,z,given\n";
    let at = dir.path().join("out/labels.csv");
    put(dir.path(), "out/labels.csv", labels.as_bytes());
    put(dir.path(), "out/next.csv", next.as_bytes());
    put(dir.path(), "out/corrections.csv", corrections.as_bytes());
    let found = look(&at).unwrap();
    assert_eq!(look(&dir.path().join("out")).unwrap(), found, "a folder with a table and no images");
    let expected = [
        "../photos/1.png x Train",
        "../photos/2.png z Train",
        "../photos/4.png - Train",
        "../photos/5.png - Train",
    ];
    assert_eq!(listed(&found)[..4], expected);
    assert_eq!(listed(&found)[4], "../photos/3.png x Test", "the part is that of labels.csv");
    let notes = found.notes.join("\n").replace('\\', "/");
    assert!(notes.contains("out/next.csv: labels added: 1") && !notes.contains("not used"), "{notes}");
    assert!(notes.contains("out/corrections.csv: labels changed: 1, taken away: 1"), "{notes}");
    assert_eq!(Summary::of(&found).label_files.len(), 3);
    // Two that contradict each other.
    put(dir.path(), "out/corrections.csv", corrections.replace("2.png,z", "2.png,x").as_bytes());
    refused(&at, "corrections.csv:4: \"../photos/2.png\" has another label in");
    // A mistake is told, not passed over.
    put(dir.path(), "out/corrections.csv", corrections.replace("2.png", "7.png").as_bytes());
    refused(&at, "corrections.csv:4: no image \"../photos/7.png\"");
    // In the images' own folder, written from another one; beside another table they are tables like others.
    fs::remove_file(dir.path().join("out/corrections.csv")).unwrap();
    put(dir.path(), "photos/labels.csv", b"path,label\n1.png,x\n2.png,x\n");
    put(dir.path(), "photos/next.csv", next.as_bytes());
    assert_eq!(
        listed(&look(&dir.path().join("photos")).unwrap())[..3],
        ["1.png x Train", "2.png z Train", "3.png - Train"]
    );
    fs::rename(dir.path().join("photos/labels.csv"), dir.path().join("photos/mine.csv")).unwrap();
    assert_eq!(
        listed(&look(&dir.path().join("photos/mine.csv")).unwrap()),
        ["1.png x Train", "2.png x Train"]
    );
    // The first of the images is gone; one of the images lies in the folder, so that the others should.
    put(dir.path(), "out/labels.csv", b"path,label\n../photos/0.png,x\n../photos/1.png,x\n");
    refused(&dir.path().join("out"), "labels.csv:2: no image \"../photos/0.png\": paths are relative");
    put(dir.path(), "out/in.png", &picture(8));
    put(dir.path(), "out/labels.csv", b"path,label\n../photos/1.png,x\nin.png,x\n");
    refused(&dir.path().join("out"), "labels.csv:2: \"../photos/1.png\" is no image in");
    fs::remove_file(dir.path().join("out/in.png")).unwrap();
    put(dir.path(), "out/labels.csv", labels.as_bytes());
    // Pictures that came into the folder later are none of the table's, which still is that of images elsewhere.
    put(dir.path(), "out/grid.png", &picture(9));
    let (in_folder, listed_alone) = (look(&dir.path().join("out")).unwrap(), look(&at).unwrap());
    assert_eq!((&in_folder.images, &in_folder.labels), (&listed_alone.images, &listed_alone.labels));
    assert!(in_folder.notes[0].contains("1 picture in ") && in_folder.notes[1..] == listed_alone.notes);
    // None is filled in.
    put(dir.path(), "out/next.csv", next.replace(",z,", ",,").as_bytes());
    assert_eq!(Summary::of(&look(&at).unwrap()).label_files.len(), 1);
}

/// Tables written on another system, whole paths, what programs for tables leave, and what browsers call a second file.
#[test]
fn later_labels_in_other_spellings() {
    let dir = folder(&["photos/1.png", "photos/2.png", "photos/3.png"]);
    let at = dir.path().join("out/labels.csv");
    put(
        dir.path(),
        "out/labels.csv",
        b"path,label,status\n../photos/1.png,x,given\n../photos/2.png,y,predicted\n",
    );
    let whole = dir.path().join("photos/2.png").display().to_string();
    for path in ["..\\photos\\2.png", "../out/../photos/2.png", &whole] {
        put(
            dir.path(),
            "out/next.csv",
            format!("\u{feff}path;label;predicted\r\n{path};z;y\r\n;;\r\n").as_bytes(),
        );
        assert_eq!(listed(&look(&at).unwrap())[1], "../photos/2.png z Train", "{path}");
    }
    // An image that the table does not list; one whose label is taken away here and given there.
    put(dir.path(), "out/next.csv", b"path,label,predicted\n../photos/3.png,z,y\n");
    refused(&at, "next.csv:2: \"../photos/3.png\" is not in ");
    put(dir.path(), "out/next.csv", b"path,label,predicted\n../photos/1.png,z,y\n");
    // Made by hand, without a status.
    for text in ["path,label,status\n../photos/1.png,,given\n", "path,label\n../photos/1.png,\n"] {
        put(dir.path(), "out/corrections.csv", text.as_bytes());
        refused(&at, "corrections.csv:2: \"../photos/1.png\" has another label in");
    }
    fs::remove_file(dir.path().join("out/next.csv")).unwrap();
    let found = look(&at).unwrap();
    let no_label: Vec<bool> = found.images.iter().map(|image| image.no_label).collect();
    assert_eq!((listed(&found)[0].as_str(), &no_label[..]), ("../photos/1.png - Train", &[true, false][..]));
    // Somebody's own.
    put(dir.path(), "out/corrections.csv", b"date,what\n1,2\n");
    refused(&at, "it counts over the labels.csv beside it: rename it");
    for name in [
        "corrections (1).csv",
        "Corrections - Copy.csv",
        "next-3.csv",
        "nextcloud.csv",
        "next2024.csv",
        "next (a).csv",
    ] {
        put(dir.path(), &format!("out/{name}"), b"");
    }
    fs::remove_file(dir.path().join("out/corrections.csv")).unwrap();
    let notes = look(&at).unwrap().notes;
    let unread = |words: &str| notes.iter().filter(|note| note.contains(words)).count();
    // `next.csv` is gone by now, `corrections.csv` too.
    assert_eq!(unread("is not read: if its labels are to count, rename it to "), 3, "{notes:?}");
}

/// What is meant as a table of labels and is none by its name, or has none to count over, is told.
#[test]
fn tables_that_are_not_read() {
    let dir = folder(&["ant/1.png", "bee/2.png"]);
    for name in ["labels (1).csv", "next.csv.txt", "corrections.csv", "notes.csv"] {
        put(dir.path(), name, b"path,label\nant/1.png,bee\n");
    }
    let told = || look(dir.path()).unwrap().notes;
    let of = |name: &str| told().into_iter().find(|note| note.contains(name)).unwrap_or_default();
    assert!(of("labels (1).csv is not read").ends_with("rename it to labels.csv"), "{:?}", told());
    assert!(of("next.csv.txt is not read").ends_with("rename it to next.csv"), "{:?}", told());
    assert!(of("corrections.csv is not read").contains("beside a labels.csv"), "{:?}", told());
    assert_eq!(told().len(), 3, "{:?}", told());
    put(dir.path(), "labels.csv", b"path,label\nant/1.png,ant\n");
    put(dir.path(), "corrections (2).csv", b"path,label\n");
    assert!(of("corrections.csv: labels").ends_with("labels changed: 1"), "{:?}", told());
    for (second, first) in [("labels (1).csv", "labels.csv"), ("corrections (2).csv", "corrections.csv")] {
        assert!(of(second).contains(&format!("is not read, as {first} is")), "{:?}", told());
    }
    // Where case makes no difference, `Next.csv` is `next.csv`.
    put(dir.path(), "Next.csv", b"path,label\nbee/2.png,bee\n");
    let same = dir.path().join("next.csv").is_file();
    assert!(of("ext.csv").contains(if same { "labels added: 1" } else { "is not read" }), "{:?}", told());
    // The table itself is found by its exact name everywhere.
    fs::rename(dir.path().join("labels.csv"), dir.path().join("Labels.csv")).unwrap();
    assert!(of("Labels.csv is not read").ends_with("rename it to labels.csv"), "{:?}", told());
}

/// An image that the table does not list gets a label of a later file, and below parts each has its own.
#[test]
fn later_labels_of_parts() {
    let dir = folder(&["train/1.png", "train/2.png", "test/x/3.png"]);
    put(dir.path(), "train/labels.csv", b"path,label\n1.png,x\n");
    put(dir.path(), "train/next.csv", b"path,label\n2.png,y\n");
    assert_eq!(
        listed(&look(dir.path()).unwrap()),
        ["1.png x Train", "2.png y Train", "3.png x Test"].map(|row| {
            let (name, rest) = row.split_once(' ').unwrap();
            format!("{}/{name} {rest}", if name == "3.png" { "test/x" } else { "train" })
        })
    );
    put(dir.path(), "train/corrections.csv", b"path,label,status\n1.png,,given\n");
    let images = look(dir.path()).unwrap().images;
    assert_eq!(images.iter().map(|image| image.no_label).collect::<Vec<_>>(), [true, false, false]);
}

#[test]
fn paths_that_are_not_there() {
    let dir = folder(&["a/1.png", "b/1.png", "2.png"]);
    let write = |csv: &str| put(dir.path(), "labels.csv", csv.as_bytes());
    write("path,label\n2.png,x\n3.png,x\n4.png,x\n5.png,y\n");
    refused(
        dir.path(),
        "labels.csv:3: no image \"3.png\": paths are relative to the file's folder, with their endings, nor 2 others",
    );
    write("path,label\n1.png,x\n");
    refused(dir.path(), "labels.csv:2: \"1.png\" is the name of several images: write their paths (");
    write("path,label\nmoved/2.png,x\n");
    refused(
        dir.path(),
        "with their endings; there is \"2.png\": if it was moved, move it back and change its label",
    );
    write("path,label\nmoved/1.png,x\n");
    refused(dir.path(), "labels.csv:2: no image \"moved/1.png\": paths are relative");
    write("path,label\nlabels.csv,x\n");
    refused(dir.path(), "\"labels.csv\" is no image in");
    write("path,label\n2.png,x\n./2.png,y\n");
    refused(dir.path(), "labels.csv:3: \"2.png\" is there twice, first at 2");
}

#[test]
fn nothing_to_read() {
    let dir = tempfile::tempdir().unwrap();
    refused(dir.path(), "no images: nothing is in it; PNG, JPEG");
    put(dir.path(), "a.txt", b"text");
    refused(dir.path(), "no images: 1 file of other kinds in it");
    put(dir.path(), "b.npz", b"packed");
    put(dir.path(), "a.npz", b"packed");
    refused(dir.path(), &format!("no images but packed ones: give {}", dir.path().join("a.npz").display()));
    refused(&dir.path().join("gone"), "no such folder or file");
}

#[test]
fn what_cannot_be_trained_on() {
    let check = |paths: &[&str], expected: &str| {
        let dir = folder(paths);
        fs::create_dir_all(dir.path().join("empty")).unwrap();
        if !expected.contains("empty") {
            fs::remove_dir(dir.path().join("empty")).unwrap();
        }
        let e = look(dir.path()).unwrap().check_for_training().unwrap_err().to_string();
        assert!(e.contains(expected), "{e}");
    };
    check(&["1.png", "2.png"], "2 images, and no label for any of them: `ssgan pick` says");
    check(&["cat/1.png", "_unlabeled/2.png"], "\"cat\" is the only class");
    check(&["cat/1.png", "dog/2.png"], "no labelled training image of: empty; add");
    check(&["train/cat/1.png", "train/dog/2.png", "test/cow/3.png"], "no labelled training image of: cow");
}

#[test]
fn classes_that_differ_in_case() {
    let dir = folder(&["1.png", "2.png"]);
    put(dir.path(), "labels.csv", b"path,label\n1.png,Cat\n2.png,cat\n");
    assert_eq!(look(dir.path()).unwrap().notes, ["classes \"Cat\" and \"cat\" differ in case alone"]);
}

/// However its letters are stored: in a folder's name, as macOS gives it, and in a table, as it is typed.
#[test]
fn one_name_is_one_class() {
    let dir = folder(&["K\u{e4}fer/1.png", "Ka\u{308}fer/2.png", "ant/3.png"]);
    assert_eq!(look(dir.path()).unwrap().class_names, ["K\u{e4}fer", "ant"]);
    put(
        dir.path(),
        "labels.csv",
        "path,label\nK\u{e4}fer/1.png,caf\u{e9}\nant/3.png,cafe\u{301}\n".as_bytes(),
    );
    assert_eq!(look(dir.path()).unwrap().class_names, ["caf\u{e9}"]);
    put(dir.path(), "labels.csv", "path,label\nKa\u{308}fer/1.png,ant\nK\u{e4}fer/2.png,ant\n".as_bytes());
    let found = look(dir.path()).unwrap();
    assert_eq!(
        found.images.iter().filter(|i| i.class.is_some()).count(),
        2,
        "paths are found however they are written"
    );
    // A table that is named itself, too, where a file's name is stored otherwise.
    let dir = folder(&["cat/a\u{308}.png", "cat/o\u{308}.png"]);
    put(dir.path(), "labels.csv", "path,label\ncat/\u{e4}.png,x\ncat/\u{f6}.png,y\n".as_bytes());
    assert_eq!(look(&dir.path().join("labels.csv")).unwrap().class_names, ["x", "y"]);
}

/// Nobody sees a space at the end of a folder's name; a table has none there.
#[cfg(unix)]
#[test]
fn spaces_around_a_name_are_not_of_it() {
    let dir = folder(&["ant /1.png", "ant/2.png", "_unlabeled /3.png", " bee/4.png"]);
    let found = look(dir.path()).unwrap();
    assert_eq!(found.class_names, ["ant", "bee"]);
    let expected =
        ["ant /1.png ant Train", "ant/2.png ant Train", "_unlabeled /3.png - Train", " bee/4.png bee Train"];
    assert_eq!(listed(&found), expected);
    for (name, words) in [("test ", "named like a part"), (" ", "nothing but spaces")] {
        let dir = folder(&["ant/1.png", &format!("{name}/2.png")]);
        refused(dir.path(), words);
    }
}

/// Films beside photos, icons and papers are other files; one that is called a picture is told.
#[test]
fn films_are_no_pictures() {
    let dir = folder(&["cat/1.png", "dog/2.png"]);
    put(dir.path(), "cat/1.mov", b"\0\0\0\x14ftypqt  \0\0\0\0qt  ");
    put(dir.path(), "cat/folder.ico", b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0\x20\0\0\0");
    put(dir.path(), "dog/scan.pdf", b"%PDF-1.7 and so on and on");
    put(dir.path(), "dog/.3.heic.icloud", b"bplist00");
    put(dir.path(), "dog/.3.jpg.icloud", b"bplist00");
    put(dir.path(), "#recycle/4.png", b"\x89PNG\r\n\x1a\n");
    put(dir.path(), "$Recycle.Bin/5.png", b"\x89PNG\r\n\x1a\n");
    let found = look(dir.path()).unwrap();
    assert_eq!((found.images.len(), found.other_files, found.class_names.len()), (2, 3, 2));
    assert!(found.notes[0].starts_with("2 pictures in iCloud alone"), "{:?}", found.notes);
    put(dir.path(), "cat/film.jpg", b"\0\0\0\x14ftypqt  \0\0\0\0qt  ");
    assert_eq!(look(dir.path()).unwrap().images.len(), 3);
}

/// A raw photo beside the JPEG that the camera made of it is not the same photo once more, and spoils no class.
#[test]
fn raw_photos_are_other_files() {
    let dir = folder(&["cat/1.jpg", "dog/2.jpg"]);
    let tiff = b"II*\0\x08\0\0\0\0\0\0\0\0\0\0\0";
    put(dir.path(), "cat/1.NEF", tiff);
    put(dir.path(), "dog/2.dng", tiff);
    put(dir.path(), "dog/3.CR3", b"\0\0\0\x18ftypcrx \0\0\0\x01");
    let found = look(dir.path()).unwrap();
    assert_eq!(listed(&found), ["cat/1.jpg cat Train", "dog/2.jpg dog Train"]);
    assert_eq!((found.other_files, found.skipped.len()), (3, 0));
    assert!(found.notes[0].starts_with("3 raw photos: not read"), "{:?}", found.notes);
    put(dir.path(), "cat/scan", tiff);
    assert_eq!(look(dir.path()).unwrap().images.len(), 3, "a TIFF of another name is a picture");
    let dir = folder(&[]);
    put(dir.path(), "cat/1.nef", tiff);
    refused(dir.path(), "1 raw photo: not read");
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// Links are followed; those that lead nowhere or in a circle are listed, a pipe is not waited for.
    #[test]
    fn links_and_pipes() {
        let dir = folder(&["cat/1.png", "elsewhere/2.png"]);
        let at = |p: &str| dir.path().join(p);
        fs::create_dir(at("dog")).unwrap();
        fs::rename(at("elsewhere"), at(".elsewhere")).unwrap();
        symlink(at(".elsewhere/2.png"), at("dog/2.png")).unwrap();
        symlink(dir.path(), at("dog/round")).unwrap();
        symlink("self.png", at("cat/self.png")).unwrap();
        symlink("gone.png", at("cat/dangling.png")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(at("cat/pipe.png")).status().unwrap().success());
        let found = look(dir.path()).unwrap();
        assert_eq!(listed(&found), ["cat/1.png cat Train", "dog/2.png dog Train"]);
        let skipped: Vec<_> =
            found.skipped.iter().map(|s| (s.path.to_str().unwrap(), s.reason.as_str(), s.labelled)).collect();
        let wanted = [
            ("cat/dangling.png", "a link that leads nowhere", true),
            ("cat/pipe.png", "a pipe or a device", true),
            ("dog/round", "a link in a circle", false),
            ("cat/self.png", "a link that leads nowhere", true),
        ];
        assert_eq!(skipped, wanted);
    }

    /// The superuser may read everything, so that only others see a folder that is closed.
    #[test]
    fn closed_folders() {
        let dir = folder(&["cat/1.png", "dog/2.png", "dog/closed/3.png"]);
        let closed = dir.path().join("dog/closed");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
        let may = fs::read_dir(&closed).is_ok();
        let found = look(dir.path()).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
        let reasons: Vec<_> = found.skipped.iter().map(|s| (s.reason.as_str(), s.labelled)).collect();
        let wanted = if may { vec![] } else { vec![("no permission to read it", true)] };
        assert_eq!((reasons, found.images.len()), (wanted, 2 + usize::from(may)));
    }

    /// The file system of macOS has none.
    #[cfg(target_os = "linux")]
    #[test]
    fn names_that_are_not_unicode() {
        use std::os::unix::ffi::OsStrExt;
        let dir = folder(&["cat/1.png", "dog/2.png"]);
        let name = std::ffi::OsStr::from_bytes(b"caf\xe9.png");
        fs::write(dir.path().join("cat").join(name), picture(9)).unwrap();
        put(dir.path(), "dog/a\nb, \"c\".png", &picture(8));
        let found = look(dir.path()).unwrap();
        assert_eq!(found.images.len(), 4);
        assert!(found.images.iter().all(|i| found.root.join(&i.path).is_file() && i.class.is_some()));
        Summary::of(&found).to_string();
        let odd = dir.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
        fs::create_dir(&odd).unwrap();
        refused(dir.path(), "the name of a class must be Unicode text: rename the folder");
        let purpose = Purpose::Labelling;
        let found = scan(&Request { path: dir.path().into(), purpose, ..Request::default() }).unwrap();
        assert_eq!(found.class_names, ["cat", "dog"]);
    }
}
