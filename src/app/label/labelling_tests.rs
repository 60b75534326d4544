use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;

use sha2::{Digest, Sha256};

use super::*;
use crate::app::atomic::fault;
use crate::app::label::Calibration;
use crate::app::source::images::label_file::{self, Reading};
use crate::shape::Dims;

const IMAGE: Dims = Dims { height: 1, width: 2, channels: 1 };

fn options(out: PathBuf) -> Options {
    Options {
        out,
        probabilities: false,
        by_class: None,
        abstain: Abstain::Never,
        next: None,
        image: IMAGE,
        class_names: ["cat", "dog, brown", "test"].map(String::from).to_vec(),
        calibration: Err("no label was held out of the training".into()),
        checkpoint: "two".into(),
        part: None,
        in_common: String::new(),
        identity: "one".into(),
        review: false,
        trains: true,
    }
}

/// With logits of these probabilities.
fn prediction(path: impl AsRef<Path>, source: &Path, p: [f32; 3], given: Option<u16>) -> Prediction {
    let pixels = vec![(p[0] * 255.0) as u8, (p[1] * 255.0) as u8];
    let (path, source) = (path.as_ref().to_path_buf(), source.to_path_buf());
    let (given, part) = (given.into(), Part::Train);
    Prediction { path, source, given, part, logits: p.map(f32::ln).to_vec(), features: p.to_vec(), pixels }
}

fn text(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Twenty held-out labels of which one in five is wrong, all with confidences from 0.5 to 0.9.
fn calibration() -> Calibration {
    let logits = (0..20u8).flat_map(|i| [f32::from(i) / 10.0, 0.0, -3.0]).collect::<Vec<f32>>();
    let labels: Vec<u16> = (0..20).map(|i| u16::from(i % 5 == 0)).collect();
    Calibration::fit(&logits, 3, &labels).unwrap()
}

#[test]
fn rows_of_labels() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let options = Options { abstain: Abstain::Threshold(0.5), probabilities: true, ..options(out.clone()) };
    let mut l = Labelling::create(options).unwrap();
    l.push(prediction("a.png", Path::new("a.png"), [0.7, 0.2, 0.1], None)).unwrap();
    l.push(prediction("s/b, \"c\"\nd.png", Path::new("b"), [0.2, 0.7, 0.1], Some(0))).unwrap();
    l.push(prediction("e.png", Path::new("e"), [0.1, 0.45, 0.45], None)).unwrap();
    l.push(prediction("f.png", Path::new("f"), [0.1, 0.8, 0.1], Some(1))).unwrap();
    l.skip(Path::new("broken, really.png"), "a broken PNG", &Given::Class(1)).unwrap();
    l.skip(Path::new("more.png"), "a broken PNG", &Given::Other("owl".into())).unwrap();
    l.skip(Path::new("none.png"), "a broken PNG", &Given::Nothing).unwrap();
    let summary = l.finish().unwrap();
    let expected = "\
path,label,confidence,status,second_label,second_confidence,disagrees_with_given,split,p_cat,\"p_dog, brown\",p_test
a.png,cat,0.7,predicted,\"dog, brown\",0.2,false,,0.7,0.2,0.1
\"s/b, \"\"c\"\"\nd.png\",cat,0.2,given,\"dog, brown\",0.7,true,,0.2,0.7,0.1
e.png,\"dog, brown\",0.45,unsure,test,0.45,false,,0.1,0.45,0.45
f.png,\"dog, brown\",0.8,given,cat,0.1,false,,0.1,0.8,0.1
";
    assert_eq!(text(&out, "labels.csv"), expected);
    let expected = "path,reason,label\n\"broken, really.png\",a broken PNG,\"dog, brown\"\nmore.png,a broken PNG,owl\n\
                    none.png,a broken PNG,\n";
    assert_eq!(text(&out, "skipped.csv"), expected);
    let told = summary.labels_left_out().unwrap();
    assert!(told.starts_with("2 of the skipped images have a label that labels.csv does not have"), "{told}");
    assert_eq!(serde_json::from_str::<Summary>(&text(&out, "summary.json")).unwrap(), summary);
    let Summary { images, given, predicted, unsure, contradicted, skipped, accuracy_on_given, .. } = summary;
    assert_eq!((images, given, predicted, unsure, contradicted, skipped), (4, 2, 1, 1, 1, 3));
    assert_eq!((accuracy_on_given, summary.threshold, summary.calibrated), (Some(0.5), Some(0.5), false));
    assert!(
        summary.notes[0].contains("not calibrated: there are no held-out labels to calibrate with; models")
            && summary.uncalibrated.as_deref() == Some("no label was held out of the training"),
        "{:?}",
        summary.notes
    );
    let counts: Vec<_> = summary.classes.iter().map(|c| (c.given, c.predicted, c.unsure)).collect();
    assert_eq!(counts, [(1, 1, 0), (1, 0, 1), (0, 0, 0)]);
    let left: Vec<_> = fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

/// The threshold comes from the held-out labels, and so does what is said of it.
#[test]
fn a_wanted_precision() {
    let dir = tempfile::tempdir().unwrap();
    let of = |wanted: f64, name: &str| {
        let calibration = Ok(calibration());
        let options =
            Options { calibration, abstain: Abstain::Precision(wanted), ..options(dir.path().join(name)) };
        let mut l = Labelling::create(options).unwrap();
        l.push(prediction("a", Path::new("a"), [0.9, 0.05, 0.05], None)).unwrap();
        l.finish().unwrap()
    };
    let summary = of(0.85, "a");
    let precision = summary.precision.clone().unwrap();
    assert_eq!(
        (precision.right, precision.of),
        (8, 9),
        "twelve of fourteen are 0.857, and the model is less sure of them than that"
    );
    assert!(summary.calibrated && summary.temperature != 1.0 && summary.held_out == 20);
    assert!(summary.notes[0].contains("95 % interval"), "{:?}", summary.notes);
    let of_all_wrong = Calibration::fit(&[1.0, 0.0, 0.0].repeat(20), 3, &[1; 20]).unwrap();
    let options = Options {
        calibration: Ok(of_all_wrong),
        abstain: Abstain::Precision(0.9),
        ..options(dir.path().join("b"))
    };
    let mut l = Labelling::create(options).unwrap();
    l.push(prediction("a", Path::new("a"), [0.9, 0.05, 0.05], None)).unwrap();
    let summary = l.finish().unwrap();
    assert_eq!((summary.unsure, summary.threshold, summary.precision), (1, None, None));
    assert!(summary.notes[0].contains("every prediction is unsure"), "{:?}", summary.notes);
}

#[test]
fn bad_options_and_predictions() {
    let dir = tempfile::tempdir().unwrap();
    let out = || dir.path().join("out");
    let bad = [
        (Options { class_names: vec!["one".into()], ..options(out()) }, "1 classes"),
        (Options { abstain: Abstain::Threshold(1.5), ..options(out()) }, "--threshold 1.5"),
        (Options { abstain: Abstain::Precision(0.0), ..options(out()) }, "--target-precision 0"),
        (Options { abstain: Abstain::Precision(0.9), ..options(out()) }, "needs held-out labels"),
        (Options { next: Some(0), ..options(out()) }, "--next 0"),
    ];
    for (options, part) in bad {
        let e = Labelling::create(options).err().unwrap();
        assert!(e.to_string().contains(part) && e.exit_code() == 2, "{e}");
        assert!(!out().exists(), "nothing is made");
    }
    let mut l = Labelling::create(Options { review: true, ..options(out()) }).unwrap();
    let good = || prediction("a.png", Path::new("a.png"), [0.5, 0.3, 0.2], None);
    for (bad, part) in [
        (Prediction { logits: vec![1.0], ..good() }, "a.png: 1 logits for 3 classes"),
        (Prediction { logits: vec![f32::NAN, 0.0, 0.0], ..good() }, "not finite"),
        (Prediction { given: Given::Class(3), ..good() }, "label 3, but there are 3 classes"),
        (Prediction { pixels: vec![], ..good() }, "0 bytes of pixels where 2 are needed"),
    ] {
        let e = l.push(bad).unwrap_err();
        assert!(e.to_string().contains(part) && e.exit_code() == 4, "{e}");
    }
    assert_eq!(l.done(), 0);
}

/// What is there is never written over, and not added to.
#[test]
fn folders_that_are_not_ours() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |options: Options, part: &str| {
        let e = Labelling::create(options).err().unwrap_or_else(|| panic!("{part}"));
        assert!(e.to_string().contains(part) && e.exit_code() == 6, "{e}");
    };
    fs::write(dir.path().join("photo.png"), "x").unwrap();
    refused(options(dir.path().into()), "is not empty");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is made there");
    refused(options(dir.path().join("photo.png")), "photo.png");
    // One after another, and at once.
    let out = dir.path().join("out");
    let mut l = Labelling::create(options(out.clone())).unwrap();
    refused(options(out.clone()), "another process labels into it");
    l.push(prediction("a", Path::new("a"), [0.5, 0.3, 0.2], None)).unwrap();
    l.end_step().unwrap();
    drop(l);
    refused(
        Options { identity: "two".into(), ..options(out.clone()) },
        "another checkpoint, other images or settings, or another version",
    );
    refused(Options { abstain: Abstain::Threshold(0.9), ..options(out.clone()) }, "images or settings");
    let l = Labelling::create(options(out.clone())).unwrap();
    assert_eq!(l.done(), 1);
    l.finish().unwrap();
    refused(options(out.clone()), "is finished");
    assert_eq!(text(&out, "labels.csv").lines().count(), 2);
    // Where nothing was labelled yet, other settings begin anew.
    let empty = dir.path().join("empty");
    drop(Labelling::create(options(empty.clone())).unwrap());
    Labelling::create(Options { identity: "two".into(), ..options(empty) }).unwrap();
}

/// What cannot be labelled into is refused before images are read, and nothing is made to see it.
#[test]
fn folders_are_looked_at_first() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let refused = |out: &Path, part: &str| {
        let e = Labelling::check_out(out).unwrap_err();
        assert!(e.to_string().contains(part) && e.exit_code() == 6, "{e}");
    };
    fs::write(dir.path().join("photo.png"), "x").unwrap();
    refused(dir.path(), "is not empty");
    refused(&dir.path().join("photo.png"), "photo.png is not empty");
    refused(&dir.path().join("photo.png/out"), "cannot write");
    Labelling::check_out(&out.join("deep")).unwrap();
    Labelling::check_out(Path::new("not/there")).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    let mut l = Labelling::create(options(out.clone())).unwrap();
    l.push(prediction("a", Path::new("a"), [0.5, 0.3, 0.2], None)).unwrap();
    l.end_step().unwrap();
    drop(l);
    Labelling::check_out(&out).unwrap();
    Labelling::create(options(out.clone())).unwrap().finish().unwrap();
    refused(&out, "is finished");
    // Killed before all that a finished one does not need was gone: now it is.
    fs::write(out.join(".bookmark.json"), "").unwrap();
    refused(&out, "is finished");
    assert!(!out.join(".bookmark.json").exists());
}

/// Who goes on with a labelling may be in another folder, and have another image of that name there.
#[test]
fn sources_are_written_whole() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { by_class: Some(Arrange::Move), ..options(dir.path().into()) };
    let mut l = Labelling::create(options).unwrap();
    l.push(prediction("a.png", Path::new("photos/a.png"), [0.5, 0.3, 0.2], None)).unwrap();
    let mut places = csv::ReaderBuilder::new();
    let mut places = places.has_headers(false).from_path(dir.path().join(".places.csv")).unwrap();
    let row = places.records().next().unwrap().unwrap();
    assert_eq!(Path::new(&row[0]), std::path::absolute("photos/a.png").unwrap());
    assert_eq!(&row[1], "cat/a.png");
}

/// Another adapter fits another temperature in the last digits: a labelling that goes on there keeps the one that it began
/// with, and ends in the same table.
#[test]
fn a_labelling_that_goes_on_keeps_its_calibration() {
    let dir = tempfile::tempdir().unwrap();
    let other = Calibration::fit(&[1.0, 0.0, 0.0].repeat(20), 3, &[1; 20]).unwrap();
    let with = |name: &str, calibration: &Calibration| {
        let (calibration, abstain) = (Ok(calibration.clone()), Abstain::Precision(0.85));
        Labelling::create(Options { calibration, abstain, ..options(dir.path().join(name)) }).unwrap()
    };
    let push = |l: &mut Labelling, name: &str| {
        l.push(prediction(name, Path::new(name), [0.8, 0.15, 0.05], None)).unwrap()
    };
    let end = |mut l: Labelling| {
        push(&mut l, "b");
        l.finish().unwrap()
    };
    let mut whole = with("whole", &calibration());
    push(&mut whole, "a");
    let expected = end(whole);
    let mut part = with("part", &calibration());
    push(&mut part, "a");
    part.end_step().unwrap();
    drop(part);
    let rest = with("part", &other);
    assert_eq!(rest.done(), 1);
    assert_eq!(end(rest), expected);
    let table = |name: &str| text(&dir.path().join(name), "labels.csv");
    assert_eq!(table("part"), table("whole"));
    assert_ne!(end(with("other", &other)).temperature, expected.temperature);
}

#[test]
fn damaged_progress_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let mut l = Labelling::create(options(dir.path().into())).unwrap();
    l.push(prediction("a", Path::new("a"), [0.5, 0.3, 0.2], None)).unwrap();
    l.end_step().unwrap();
    drop(l);
    fs::write(dir.path().join("labels.csv"), "path").unwrap();
    let e = Labelling::create(options(dir.path().into())).err().unwrap();
    assert!(e.to_string().contains("labels.csv has lost lines"), "{e}");
    let (class, wrong) = ("\"label\":0", "\"label\":9");
    for (name, next, review) in [("next", Some(2), false), ("review", None, true)] {
        let out = dir.path().join(name);
        let options = || Options { next, review, ..options(out.clone()) };
        let mut l = Labelling::create(options()).unwrap();
        l.push(prediction("a", Path::new("a"), [0.5, 0.3, 0.2], None)).unwrap();
        l.end_step().unwrap();
        drop(l);
        let progress = text(&out, ".bookmark.json");
        assert!(progress.contains(class), "{progress}");
        fs::write(out.join(".bookmark.json"), progress.replace(class, wrong)).unwrap();
        let e = Labelling::create(options()).err().unwrap();
        assert!(e.to_string().contains("not of this labelling"), "{e}");
    }
    fs::write(dir.path().join(".bookmark.json"), "{").unwrap();
    let e = Labelling::create(options(dir.path().into())).err().unwrap();
    assert!(e.to_string().contains(".bookmark.json:1") && e.to_string().contains("--out"), "{e}");
}

/// A name that no table of Unicode text can hold is skipped, and said.
#[cfg(unix)]
#[test]
fn names_that_are_not_unicode() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let mut l = Labelling::create(options(dir.path().into())).unwrap();
    let name = Path::new(std::ffi::OsStr::from_bytes(b"na\xefve.png"));
    l.push(prediction(name, name, [0.5, 0.3, 0.2], Some(0))).unwrap();
    assert_eq!(l.done(), 1);
    // Of the folder around all no row says anything, but for where an image is put from.
    let above = Path::new("/").join(name).join("a.png");
    l.push(prediction("a.png", &above, [0.5, 0.3, 0.2], None)).unwrap();
    let summary = l.finish().unwrap();
    assert_eq!((summary.skipped, summary.skipped_with_labels, summary.images), (1, 1, 1));
    assert_eq!(
        text(dir.path(), "skipped.csv"),
        "path,reason,label\nna\u{fffd}ve.png,its name is not Unicode: rename it,cat\n"
    );
    let out = dir.path().join("sorted");
    let mut l = Labelling::create(Options { by_class: Some(Arrange::Copy), ..options(out.clone()) }).unwrap();
    l.push(prediction("a.png", &above, [0.5, 0.3, 0.2], Some(0))).unwrap();
    assert_eq!(l.finish().unwrap().skipped_with_labels, 1);
    assert!(
        text(&out, "skipped.csv").contains("a.png,a folder above it has no Unicode name: rename that,cat")
    );
}

/// A labelling that an earlier version began goes on with its table, which has no labels of what is skipped; they are counted.
#[test]
fn skipped_images_of_an_earlier_version() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path();
    let mut l = Labelling::create(options(out.into())).unwrap();
    l.skip(Path::new("a.png"), "broken", &Given::Nothing).unwrap();
    l.end_step().unwrap();
    drop(l);
    let (table, progress) = (text(out, "skipped.csv"), text(out, ".bookmark.json"));
    let before = "path,reason\na.png,broken\n";
    let known = format!("\"skipped\":{},\"skipped_has_labels\":true,", table.len());
    assert!(progress.contains(&known), "{progress}");
    let earlier = progress.replace(&known, &format!("\"skipped\":{},", before.len()));
    fs::write(out.join(".bookmark.json"), earlier).unwrap();
    fs::write(out.join("skipped.csv"), before).unwrap();
    let mut l = Labelling::create(options(out.into())).unwrap();
    assert_eq!(l.done(), 1);
    l.skip(Path::new("b.png"), "broken", &Given::Class(0)).unwrap();
    assert_eq!(l.finish().unwrap().skipped_with_labels, 1);
    assert_eq!(text(out, "skipped.csv"), format!("{before}b.png,broken\n"));
}

const IMAGES: usize = 9;

/// Labels nine files in steps of three with all that there is; goes on where a run was killed.
fn label(root: &Path, out: &Path, how: Arrange) -> Result<Summary> {
    let abstain = Abstain::Threshold(0.45);
    let options =
        Options { by_class: Some(how), next: Some(3), review: true, abstain, ..options(out.to_path_buf()) };
    let mut l = Labelling::create(options)?;
    l.step = 3;
    l.add_labelled(&Given::Class(0), &[0.36, 0.32, 0.32]);
    for i in l.done()..IMAGES {
        let path = format!("s{}/{i}.png", i % 2);
        if i == 4 {
            l.skip(Path::new(&path), "broken", &Given::Nothing)?;
            continue;
        }
        let mut p = [0.2 + 0.01 * i as f32; 3];
        p[i % 3] += 0.1 * (i % 5) as f32;
        let sum: f32 = p.iter().sum();
        l.push(prediction(&path, &root.join(&path), p.map(|v| v / sum), (i == 8).then_some(0)))?;
    }
    l.finish()
}

fn images(root: &Path) {
    for i in 0..IMAGES {
        let path = root.join(format!("s{}/{i}.png", i % 2));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("image {i}")).unwrap();
    }
}

/// All files below a folder and what is in them.
fn content(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        match entry.is_dir() {
            true => all.extend(content(&entry)),
            false => drop(all.insert(entry.clone(), fs::read_to_string(&entry).unwrap())),
        }
    }
    all
}

fn inside(folder: &Path) -> BTreeMap<PathBuf, String> {
    let strip = |(path, text): (PathBuf, String)| (path.strip_prefix(folder).unwrap().to_path_buf(), text);
    content(folder).into_iter().map(strip).collect()
}

/// What is asked for is what is far from the labelled images of its class, and from those that were given no label.
#[test]
fn labelled_images_decide_what_is_next() {
    let dir = tempfile::tempdir().unwrap();
    let next = |name: &str, labelled: &[(Given, [f32; 3])]| {
        let out = dir.path().join(name);
        let mut l = Labelling::create(Options { next: Some(2), ..options(out.clone()) }).unwrap();
        labelled.iter().for_each(|(given, features)| l.add_labelled(given, features));
        for (path, p) in [("plain", [0.8, 0.1, 0.1]), ("unsure", [0.4, 0.3, 0.3])] {
            l.push(prediction(path, Path::new(path), p, None)).unwrap();
        }
        l.finish().unwrap();
        text(&out, "next.csv").lines().nth(1).unwrap().split(',').next().unwrap().to_string()
    };
    let (plain, unsure, other) = ([0.8, 0.1, 0.1], [0.4, 0.3, 0.3], [0.1, 0.8, 0.1]);
    let [zero, one] = [0, 1].map(Given::Class);
    assert_eq!(next("none", &[]), "unsure");
    assert_eq!(next("unsure known", &[(zero.clone(), unsure), (one.clone(), plain)]), "plain");
    assert_eq!(next("plain known", &[(zero.clone(), plain), (one, unsure)]), "unsure");
    assert_eq!(next("other known", &[(zero.clone(), other)]), "plain");
    assert_eq!(next("plain no class", &[(zero, other), (Given::NoLabel, plain)]), "unsure");
}

/// Nobody is asked for a copy of what was looked at, be that among these images or in another part of them.
#[test]
fn copies_are_not_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut l = Labelling::create(Options { next: Some(9), ..options(dir.path().into()) }).unwrap();
    let [copy, other] = [("copy", [0.6, 0.2, 0.2]), ("other", [0.2, 0.6, 0.2])]
        .map(|(path, p)| prediction(path, Path::new(path), p, None));
    l.add_labelled(&Given::Class(0), &[0.0, 0.0, 1.0]);
    l.add_hashes(vec![Sha256::digest(&copy.pixels).into()]);
    l.push(copy).unwrap();
    l.push(other).unwrap();
    assert_eq!(l.finish().unwrap().next, Some(1));
    assert!(text(dir.path(), "next.csv").contains("\nother,,"));
}

#[test]
fn class_folders() {
    let dir = tempfile::tempdir().unwrap();
    let (root, out) = (dir.path().join("in"), dir.path().join("out"));
    images(&root);
    let summary = label(&root, &out, Arrange::Copy).unwrap();
    assert_eq!((summary.images, summary.skipped, summary.next), (8, 1, Some(3)));
    assert!(
        summary.notes.iter().any(|n| n.contains("class \"test\" is in the folder \"class_test\"")),
        "{:?}",
        summary.notes
    );
    let all = inside(&out);
    let mut rows = csv::Reader::from_path(out.join("labels.csv")).unwrap();
    let mut folders = std::collections::BTreeSet::new();
    for row in rows.records().map(|r| r.unwrap()) {
        let name = Path::new(&row[0]).file_stem().unwrap().to_str().unwrap();
        assert_eq!(all[Path::new(&row[0])], format!("image {name}"), "the path leads to the image");
        let folder = row[0].split('/').next().unwrap().to_string();
        let of_label = if &row[1] == "test" { "class_test" } else { &row[1] };
        assert_eq!(folder, if &row[3] == "unsure" { "_unsure" } else { of_label });
        folders.insert(folder);
    }
    assert_eq!(folders.into_iter().collect::<Vec<_>>(), ["_unsure", "cat", "class_test", "dog, brown"]);
    let next = text(&out, "next.csv");
    assert!(
        next.starts_with("path,label,predicted,confidence,alike\n") && next.lines().count() == 4,
        "{next}"
    );
    assert!(next.lines().skip(1).all(|l| l.contains(",,")), "{next}");
    assert!(content(&root).len() == IMAGES, "the originals stay");
}

/// Everything that is done to files fails in turn, half-way, alone or with all that comes after it, as if the process had been
/// killed there. The run that goes on ends in the same files.
#[test]
fn killed_after_each_write() {
    for (how, lasting) in [(Arrange::Copy, false), (Arrange::Move, true)] {
        let dir = tempfile::tempdir().unwrap();
        let (root, whole) = (dir.path().join("in"), dir.path().join("whole"));
        images(&root);
        label(&root, &whole, how).unwrap();
        let whole = inside(&whole);
        let mut kills = 0;
        while killed(dir.path(), how, kills, lasting, &whole) {
            kills += 1;
        }
        assert!(kills > 60, "{how:?}: {kills} operations");
    }
}

/// `false` if there is no such operation.
fn killed(dir: &Path, how: Arrange, n: u32, lasting: bool, whole: &BTreeMap<PathBuf, String>) -> bool {
    let name = format!("{how:?}, operation {n}, lasting {lasting}");
    let (root, out) = (dir.join("in"), dir.join("out"));
    images(&root);
    let _ = fs::remove_dir_all(&out);
    fault::after(n, ErrorKind::StorageFull, lasting);
    let result = label(&root, &out, how);
    let happened = fault::end();
    if result.is_err() {
        assert!(happened, "{name}: {result:?}");
        // All was labelled, and files were left to be moved, or the folder to be flushed to the disk.
        if let Err(e) = label(&root, &out, how) {
            assert!(e.to_string().contains("is finished"), "{name}: {e}");
        }
    }
    let there = inside(&out);
    let differs = |path: &&PathBuf| whole.get(*path) != there.get(*path);
    let differing: Vec<&PathBuf> = whole.keys().chain(there.keys()).filter(differs).collect();
    assert!(differing.is_empty(), "{name}: {differing:?}");
    if how == Arrange::Move {
        assert_eq!(content(&root).len(), 1, "{name}: only the skipped one is left");
    }
    happened
}

/// Killed while it moves images, of which somebody then removes some: the rest is moved, and they are named and in no table of
/// labels. Where a whole folder is not there, nothing is taken for removed.
#[test]
fn images_that_are_removed_before_they_are_moved() {
    let dir = tempfile::tempdir().unwrap();
    let (root, out) = (dir.path().join("in"), dir.path().join("out"));
    images(&root);
    let (of_drive, elsewhere) = (root.join("s1"), dir.path().join("elsewhere"));
    fs::rename(&of_drive, &elsewhere).unwrap();
    // Where a drive was there may be an empty folder.
    for empty in [false, true] {
        if empty {
            fs::create_dir(&of_drive).unwrap();
        }
        let e = label(&root, &out, Arrange::Move).unwrap_err();
        let words = "s1 of images to move is empty or not there";
        assert!(e.exit_code() == 6 && e.to_string().contains(words), "{e}");
        assert!(root.join("s0/8.png").is_file() && !root.join("s0/0.png").exists(), "killed in between");
    }
    fs::remove_dir(&of_drive).unwrap();
    fs::rename(&elsewhere, &of_drive).unwrap();
    ["s1/3.png", "s0/8.png"].iter().for_each(|gone| fs::remove_file(root.join(gone)).unwrap());
    let told = label(&root, &out, Arrange::Move).unwrap_err().to_string();
    assert!(
        told.contains("is finished") && told.contains("could be moved: 2 (s0/8.png; s1/3.png)"),
        "{told}"
    );
    assert!(told.contains("skipped.csv"), "{told}");
    assert_eq!(content(&root).len(), 1, "only the skipped one is left");
    let mut rows = csv::Reader::from_path(out.join("labels.csv")).unwrap();
    let paths: Vec<String> = rows.records().map(|row| row.unwrap()[0].to_string()).collect();
    assert!(paths.len() == 6 && paths.iter().all(|path| out.join(path).is_file()), "{paths:?}");
    // A label that somebody gave is in the other table.
    let reason = "removed before it could be moved";
    let expected =
        format!("path,reason,label\ns0/4.png,broken,\ns1/3.png,{reason},\ns0/8.png,{reason},cat\n");
    assert_eq!(text(&out, "skipped.csv"), expected);
    let summary: Summary = serde_json::from_str(&text(&out, "summary.json")).unwrap();
    assert!(summary.gone == 2 && summary.notes.iter().any(|note| told.contains(note)), "{summary:?}");
}

/// What somebody said stays, though the model cannot say it: it is in the table, where the next reader finds it, nobody is asked
/// again, and no class has the image.
#[test]
fn what_the_model_cannot_say() {
    let dir = tempfile::tempdir().unwrap();
    let (out, photos) = (dir.path().join("out"), dir.path().join("photos"));
    fs::create_dir(&photos).unwrap();
    let options =
        Options { next: Some(9), by_class: Some(Arrange::Copy), review: true, ..options(out.clone()) };
    let mut l = Labelling::create(options).unwrap();
    for (name, given) in
        [("a", Given::Other("owl, big".into())), ("b", Given::NoLabel), ("c", Given::Nothing)]
    {
        fs::write(photos.join(name), name).unwrap();
        let seen = prediction(name, &photos.join(name), [0.7, 0.2, 0.1], None);
        l.push(Prediction { given, ..seen }).unwrap();
    }
    let summary = l.finish().unwrap();
    assert_eq!((summary.images, summary.predicted, summary.unsure, summary.other), (3, 1, 0, 2));
    let table = text(&out, "labels.csv");
    let rows: Vec<&str> = table.lines().skip(1).collect();
    assert_eq!(rows[0], "_unsure/a,\"owl, big\",0,given,cat,0.7,false,");
    assert_eq!(rows[1], "_unsure/b,,0,given,cat,0.7,false,");
    assert_eq!(rows[2], "cat/c,cat,0.7,predicted,\"dog, brown\",0.2,false,");
    assert!(out.join("_unsure/a").is_file() && out.join("_unsure/b").is_file());
    let next = text(&out, "next.csv");
    assert!(next.lines().count() == 2 && next.contains("cat/c,,"), "{next}");
    // Whoever looks through the predictions would say of a wrong one that it is right.
    let page = text(&out, "review.html");
    assert!(page.contains("cat/c") && !page.contains("_unsure/"), "{page}");
    let again = label_file::read(&out.join("labels.csv"), Reading::default()).unwrap().rows;
    let said: Vec<_> = again.iter().map(|row| (row.label.as_deref(), row.no_label)).collect();
    assert_eq!(said, [(Some("owl, big"), false), (None, true), (None, false)]);
}

/// The images to test on are told apart, so that what is trained on the table does not learn from them, and none is asked for.
#[test]
fn images_to_test_on_stay_apart() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let mut l = Labelling::create(Options { next: Some(9), ..options(out.clone()) }).unwrap();
    let images = [("a", Part::Train), ("b", Part::Validation), ("c", Part::Test)];
    for ((path, part), axis) in images.into_iter().zip(0..) {
        let features = (0..3).map(|i| f32::from(u8::from(i == axis))).collect();
        let unsure = prediction(path, Path::new(path), [0.34, 0.33, 0.33], None);
        l.push(Prediction { part, features, pixels: path.repeat(2).into(), ..unsure }).unwrap();
    }
    l.finish().unwrap();
    let table = text(&out, "labels.csv");
    let splits: Vec<&str> = table.lines().map(|row| row.rsplit(',').next().unwrap()).collect();
    assert_eq!(splits, ["split", "", "val", "test"]);
    let next = text(&out, "next.csv");
    assert!(next.lines().count() == 2 && next.contains("\na,"), "{next}");
}

/// A torn last line, and rows after the last step, are cut and written again.
#[test]
fn a_torn_line_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let image = |i: usize| prediction(format!("{i}"), Path::new("x"), [0.5, 0.3, 0.2], None);
    let mut l = Labelling::create(options(out.clone())).unwrap();
    (0..3).for_each(|i| l.push(image(i)).unwrap());
    l.end_step().unwrap();
    (3..5).for_each(|i| l.push(image(i)).unwrap());
    drop(l);
    let mut torn = text(&out, "labels.csv");
    torn.truncate(torn.len() - 3);
    fs::write(out.join("labels.csv"), torn).unwrap();
    let mut l = Labelling::create(options(out.clone())).unwrap();
    assert_eq!(l.done(), 3);
    (3..5).for_each(|i| l.push(image(i)).unwrap());
    l.finish().unwrap();
    let paths: Vec<_> =
        text(&out, "labels.csv").lines().map(|l| l.split(',').next().unwrap().to_string()).collect();
    assert_eq!(paths, ["path", "0", "1", "2", "3", "4"]);
}

/// What is gathered from a hundred thousand images is not more than what is gathered from ten thousand.
#[test]
fn memory_does_not_grow() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { next: Some(10), review: true, ..options(dir.path().into()) };
    let mut l = Labelling::create(options).unwrap();
    let mut gathered = Vec::new();
    for i in 0..100_000usize {
        let p = [0.2 + (i % 997) as f32 / 2000.0, 0.3, 0.1 + (i % 89) as f32 / 300.0];
        let mut image = prediction(format!("{i}.png"), Path::new("x"), p, (i % 100 == 0).then_some(1));
        image.pixels = vec![i as u8, (i >> 8) as u8];
        l.push(image).unwrap();
        if i + 1 == 10_000 || i + 1 == 100_000 {
            l.end_step().unwrap();
            gathered.push(fs::metadata(dir.path().join(".bookmark.json")).unwrap().len());
        }
    }
    assert!(gathered[1] < gathered[0] + gathered[0] / 20, "{gathered:?} bytes");
    let summary = l.finish().unwrap();
    assert_eq!((summary.images, summary.next), (100_000, Some(10)));
    assert_eq!(text(dir.path(), "labels.csv").lines().count(), 100_001);
    let page = fs::metadata(dir.path().join("review.html")).unwrap().len();
    assert!(page < 300_000, "{page} bytes");
}
