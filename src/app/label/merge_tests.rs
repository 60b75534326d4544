use super::*;
use crate::app::label::{Abstain, Arrange, Given, Labelling, Options, Prediction};
use crate::shape::Dims;

/// A file's name that a table must quote; Windows has none with quotation marks.
fn name(i: usize) -> String {
    let quote = if cfg!(windows) { "'" } else { "\"" };
    format!("{i}, of {quote}seven{quote}.png")
}

/// A path of such a file as a table has it.
fn cell(path: &str) -> String {
    format!("\"{}\"", path.replace('"', "\"\""))
}

/// The i-th of seven images of two classes; the fifth cannot be read, and has a given label as have the second and the sixth.
fn image(folder: &Path, i: usize) -> Prediction {
    let path = folder.join(name(i));
    std::fs::write(&path, [i as u8]).unwrap();
    let p = 0.3 + 0.1 * i as f32;
    Prediction {
        path: path.clone(),
        source: path,
        given: (i % 4 == 1).then_some(0).into(),
        part: crate::app::source::images::Part::Train,
        logits: vec![p.ln(), (1.0 - p).ln()],
        features: Vec::new(),
        pixels: vec![i as u8],
    }
}

/// A labelling of a part of the images, with the paths that the command gives them.
fn label(dir: &Path, out: &Path, part: Option<(usize, usize)>, change: impl Fn(&mut Options)) {
    let photos = dir.join("photos");
    std::fs::create_dir_all(&photos).unwrap();
    let mut options = Options {
        out: out.into(),
        probabilities: false,
        by_class: None,
        abstain: Abstain::Threshold(0.55),
        next: None,
        image: Dims { height: 1, width: 1, channels: 1 },
        class_names: ["cat", "dog"].map(String::from).to_vec(),
        calibration: Err("no label was held out of the training".into()),
        checkpoint: "one".into(),
        part,
        in_common: "all images".into(),
        identity: String::new(),
        review: false,
        trains: true,
    };
    change(&mut options);
    let arranged = options.by_class.is_some();
    let mut labelling = Labelling::create(options).unwrap();
    let out = dunce::canonicalize(out).unwrap();
    for i in (0..7).filter(|at| part.is_none_or(|(i, n)| at % n == i - 1)) {
        let mut image = image(&photos, i);
        image.path = match arranged {
            true => image.path.file_name().unwrap().into(),
            false => way(&out, &dunce::canonicalize(&image.path).unwrap()),
        };
        match i {
            4 => labelling.skip(&image.path, "no image", &Given::Class(1)).unwrap(),
            _ => labelling.push(image).unwrap(),
        }
    }
    labelling.finish().unwrap();
}

fn text(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Whatever the order in which the parts are named and wherever they lie: the files of one labelling of all images.
#[test]
fn the_parts_are_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let out = |name: &str| dir.path().join(name);
    label(dir.path(), &out("whole"), None, |_| ());
    let parts = ["all/part-1", "all/part-2", "elsewhere/deep/part-3"].map(out);
    for (i, part) in parts.iter().enumerate() {
        label(dir.path(), part, Some((i + 1, 3)), |_| ());
    }
    let [a, b, c] = parts.clone();
    let summary = merge(&[c, a, b], &out("all")).unwrap();
    let all = text(&out("all"), "labels.csv");
    let row = format!("{},cat,", cell(&format!("../photos/{}", name(1))));
    assert!(all.contains(&row), "{all}");
    for name in ["labels.csv", "skipped.csv", "summary.json"] {
        assert_eq!(text(&out("all"), name), text(&out("whole"), name));
    }
    assert_eq!((summary.images, summary.skipped, summary.given, summary.unsure), (6, 1, 2, 1));
    assert_eq!(summary.skipped_with_labels, 1);
    // Once more, as after one that was killed: what is there is left; what is something else, too.
    std::fs::remove_file(out("all/skipped.csv")).unwrap();
    std::fs::remove_file(out("all/summary.json")).unwrap();
    assert_eq!(merge(&parts, &out("all")).unwrap(), summary);
    std::fs::write(out("all/labels.csv"), "path,label\n").unwrap();
    let e = merge(&parts, &out("all")).unwrap_err();
    assert!(e.exit_code() == 6 && e.to_string().contains("labels.csv is there already"), "{e}");
    assert_eq!(text(&out("all"), "labels.csv"), "path,label\n");
}

#[test]
fn class_folders_stay_in_the_parts() {
    let dir = tempfile::tempdir().unwrap();
    let all = dir.path().join("all");
    let parts = ["part-1", "part-2"].map(|name| all.join(name));
    for (i, part) in parts.iter().enumerate() {
        label(dir.path(), part, Some((i + 1, 2)), |options| options.by_class = Some(Arrange::Copy));
    }
    merge(&parts, &all).unwrap();
    let mut table = csv::Reader::from_path(all.join("labels.csv")).unwrap();
    let rows: Vec<StringRecord> = table.records().map(|row| row.unwrap()).collect();
    assert!(rows.len() == 6 && rows.iter().all(|row| all.join(&row[0]).is_file()), "{rows:?}");
    assert_eq!(text(&all, "skipped.csv"), format!("path,reason,label\n{},no image,dog\n", cell(&name(4))));
}

/// An earlier version, and a part that it began, has no labels of what was skipped.
#[test]
fn parts_without_the_labels_of_what_was_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let parts = ["part-1", "part-2"].map(|name| dir.path().join(name));
    for (i, part) in parts.iter().enumerate() {
        label(dir.path(), part, Some((i + 1, 2)), |_| ());
    }
    for (earlier, label) in [(1, "dog"), (0, "")] {
        let table = text(&parts[earlier], "skipped.csv");
        let without = table.replace(",label\n", "\n").replace(",no image,dog\n", ",no image\n");
        assert_ne!(without, table);
        std::fs::write(parts[earlier].join("skipped.csv"), without).unwrap();
        let all = dir.path().join(format!("all-{earlier}"));
        merge(&parts, &all).unwrap();
        let mut table = csv::Reader::from_path(all.join("skipped.csv")).unwrap();
        let rows: Vec<StringRecord> = table.records().map(|row| row.unwrap()).collect();
        // Of two parts that have none, the merged table has none either.
        assert!(rows.len() == 1 && rows[0].get(2).unwrap_or_default() == label, "{rows:?}");
    }
}

/// What was labelled since in the folder of a part is not passed over in silence; what was only asked for is.
#[test]
fn later_labels_of_a_part_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let parts = ["part-1", "part-2"].map(|name| dir.path().join(name));
    for (i, part) in parts.iter().enumerate() {
        label(dir.path(), part, Some((i + 1, 2)), |options| options.next = Some(1));
    }
    std::fs::write(parts[1].join("corrections.csv"), "path,label,status\nx.png,,given\n").unwrap();
    let notes = merge(&parts, &dir.path().join("all")).unwrap().notes;
    let told: Vec<_> =
        notes.iter().filter(|note| note.contains("do not count in the merged folder")).collect();
    assert!(told.len() == 1 && told[0].contains("part-2 has labels in corrections.csv"), "{notes:?}");
}

#[test]
fn what_are_not_the_parts_of_one_labelling() {
    let dir = tempfile::tempdir().unwrap();
    let make = |name: &str, part, change: &dyn Fn(&mut Options)| {
        let out = dir.path().join(name);
        label(dir.path(), &out, part, change);
        out
    };
    let one = make("1", Some((1, 2)), &|_| ());
    let two = make("2", Some((2, 2)), &|_| ());
    let sure = make("sure", Some((2, 2)), &|options| options.abstain = Abstain::Never);
    let columns = make("columns", Some((2, 2)), &|options| options.probabilities = true);
    let model = make("model", Some((2, 2)), &|options| options.checkpoint = "two".into());
    let others = make("others", Some((2, 2)), &|options| options.in_common = "other images".into());
    let third = make("third", Some((2, 3)), &|_| ());
    let few = make("few", Some((1, 100)), &|_| ());
    let whole = make("whole", None, &|_| ());
    let out = dir.path().join("out");
    for (parts, told) in [
        (vec![], "name the parts"),
        (vec![&one], "missing: the folders of --shard 2/2"),
        (vec![&one, &two, &one], "are the same part"),
        (vec![&one, &third], "is part 2 of 3, and others are parts of 2"),
        (vec![&one, &whole], "whole is no part of a labelling"),
        (vec![&whole], "whole is no part of a labelling"),
        (vec![&one, &sure], "were labelled with different thresholds"),
        (vec![&one, &model], "were labelled with different checkpoints"),
        (vec![&one, &others], "were labelled with different images or parameters"),
        (vec![&few], "missing: the folders of --shard 2/100; 3/100; 4/100; 5/100; 6/100; and 94 more"),
        (vec![&one, &columns], "columns has other columns in labels.csv"),
        (vec![&one, &out], "out has no summary.json"),
    ] {
        let parts: Vec<PathBuf> = parts.into_iter().cloned().collect();
        let e = merge(&parts, &out).unwrap_err();
        assert!(e.exit_code() == 2 && e.to_string().contains(told), "{e}");
        assert!(!out.join("labels.csv").exists());
    }
    // Earlier versions did not write down of what images a part is.
    let json = text(&two, "summary.json");
    let earlier = json.replace("\"in_common\": \"all images\"", "\"earlier\": true");
    assert_ne!(earlier, json);
    std::fs::write(two.join("summary.json"), earlier).unwrap();
    merge(&[one.clone(), two.clone()], &dir.path().join("earlier")).unwrap();
    std::fs::write(two.join("summary.json"), "{").unwrap();
    let e = merge(&[one, two], &out).unwrap_err();
    assert!(e.to_string().contains("label this part again"), "{e}");
}
