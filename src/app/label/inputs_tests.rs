use super::*;

#[test]
fn paths_lead_from_the_output_folder() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("photos/a/1.png");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, b"x").unwrap();
    for (out, way) in
        [("labelled", "../photos/a/1.png"), ("photos", "a/1.png"), ("x/y", "../../photos/a/1.png")]
    {
        assert_eq!(relative(&real(&dir.path().join(out)).unwrap(), &file).unwrap(), Path::new(way));
    }
}

/// What is compared with is what a model learns from; an image to test on has a label, too, and its part.
#[test]
fn images_to_test_on_are_not_compared_with() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["train/a/1.png", "train/_unlabeled/2.png", "val/a/3.png", "test/a/4.png"] {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        GrayImage::new(2, 2).save(path).unwrap();
    }
    let (images, class_names) = ([dir.path().to_path_buf()], ["a".to_string()]);
    let out = dir.path().join("out");
    let (by_class, shard, labelled) = (None, Some((2, 2)), true);
    let wanted = Wanted { images: &images, out: &out, by_class, shard, labelled, class_names: &class_names };
    let all = Inputs::of(wanted).unwrap();
    let parts: Vec<_> = all.images.iter().map(|image| (image.given.class(), image.part)).collect();
    assert_eq!(parts, [(None, Part::Train), (Some(0), Part::Test)]);
    assert_eq!(all.labelled.len(), 1, "that of the other shard");
    assert!(all.labelled[0].path.ends_with("train/a/1.png"));
}

/// What the inputs of these paths are; the model's only class is `a`.
fn inputs(dir: &Path, images: &[&str]) -> Result<Inputs> {
    let images: Vec<PathBuf> = images.iter().map(|path| dir.join(path)).collect();
    let (out, class_names) = (dir.join("out"), ["a".to_string()]);
    let (by_class, shard, labelled) = (None, None, true);
    Inputs::of(Wanted { images: &images, out: &out, by_class, shard, labelled, class_names: &class_names })
}

/// Pictures of these paths, each of another gray.
fn pictures(dir: &Path, paths: &[&str]) {
    for (path, gray) in paths.iter().zip(1..) {
        let path = dir.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        GrayImage::from_pixel(2, 2, image::Luma([gray])).save(path).unwrap();
    }
}

/// An image that is named by its folder and by a table is labelled once, with what either says of it, also where the model does
/// not know it; an image to test on is one by any name.
#[test]
fn images_that_are_named_twice() {
    let dir = tempfile::tempdir().unwrap();
    pictures(dir.path(), &["photos/1.png", "photos/2.png", "photos/3.png", "photos/4.png"]);
    let rows = "path,label,status,split\nphotos/2.png,owl,given,\nphotos/3.png,,given,\nphotos/1.png,a,given,\n\
                photos/4.png,a,given,test\n";
    std::fs::write(dir.path().join("labels.csv"), rows).unwrap();
    for order in [["photos", "labels.csv"], ["labels.csv", "photos"]] {
        let all = inputs(dir.path(), &order).unwrap();
        let said: Vec<_> = all.images.iter().map(|image| (image.given.clone(), image.part)).collect();
        let (owl, train) = (Given::Other("owl".into()), Part::Train);
        let expected =
            [(Given::Class(0), train), (owl, train), (Given::NoLabel, train), (Given::Class(0), Part::Test)];
        assert_eq!(said, expected, "{order:?}");
        assert_eq!(all.labelled.len(), 1);
        let notes = all.notes.join("\n");
        assert!(notes.contains("4 images named twice") && notes.contains("does not know owl"), "{notes}");
    }
    // Two that contradict each other.
    std::fs::write(dir.path().join("other.csv"), "path,label\nphotos/2.png,a\n").unwrap();
    let e = inputs(dir.path(), &["labels.csv", "other.csv"]).unwrap_err().to_string();
    assert!(e.contains("2.png is named twice, with two labels"), "{e}");
}

/// Folders of days are no labels; a folder of a class beside those of the model's is one.
#[test]
fn folders_that_are_no_classes() {
    let dir = tempfile::tempdir().unwrap();
    pictures(dir.path(), &["days/monday/1.png", "days/tuesday/2.png", "more/a/3.png", "more/owl/4.png"]);
    let all = inputs(dir.path(), &["days"]).unwrap();
    assert!(all.images.iter().all(|image| image.given == Given::Nothing));
    assert!(
        all.notes[0].contains("does not know monday; tuesday: these are no labels to it"),
        "{:?}",
        all.notes
    );
    let all = inputs(dir.path(), &["more"]).unwrap();
    let given: Vec<_> = all.images.iter().map(|image| image.given.clone()).collect();
    assert_eq!(given, [Given::Class(0), Given::Other("owl".into())]);
}

/// A way up out of a linked folder begins where the folder really is.
#[cfg(unix)]
#[test]
fn paths_lead_from_where_the_output_folder_is() {
    let dir = tempfile::tempdir().unwrap();
    let (link, file) = (dir.path().join("link"), dir.path().join("1.png"));
    std::fs::create_dir_all(dir.path().join("far/away")).unwrap();
    std::os::unix::fs::symlink(dir.path().join("far/away"), &link).unwrap();
    std::fs::write(&file, b"x").unwrap();
    for out in ["link", "link/out"] {
        let way = relative(&real(&dir.path().join(out)).unwrap(), &file).unwrap();
        std::fs::create_dir_all(dir.path().join(out)).unwrap();
        assert!(dir.path().join(out).join(&way).is_file(), "{out}: {}", way.display());
    }
}

/// A second labelling into a folder among the images does not take what the first one left for images, and what is
/// skipped is named as what is labelled.
#[cfg(unix)]
#[test]
fn what_was_written_before_is_no_input() {
    let dir = tempfile::tempdir().unwrap();
    let photos = dir.path().join("photos");
    let out = photos.join("labelled");
    std::fs::create_dir_all(&out).unwrap();
    for name in ["1.png", "labelled/1.png"] {
        GrayImage::new(2, 2).save(photos.join(name)).unwrap();
    }
    for name in ["gone.png", "labelled/gone.png"] {
        std::os::unix::fs::symlink("nothing", photos.join(name)).unwrap();
    }
    let of = |by_class| {
        let (images, class_names) = ([photos.clone()], ["a".to_string()]);
        let wanted = Wanted {
            images: &images,
            out: &out,
            by_class,
            shard: None,
            labelled: false,
            class_names: &class_names,
        };
        let all = Inputs::of(wanted).unwrap();
        let images: Vec<PathBuf> = all.images.into_iter().map(|i| i.path).collect();
        (images, all.skipped.into_iter().map(|(path, _)| path).collect::<Vec<_>>())
    };
    let paths = |names: [&str; 2]| (vec![PathBuf::from(names[0])], vec![PathBuf::from(names[1])]);
    assert_eq!(of(None), paths(["../1.png", "../gone.png"]));
    assert_eq!(of(Some(Arrange::Copy)), paths(["1.png", "gone.png"]));
}

/// Packed images keep what a table says of them, as files do; a table of one set alone can be trained on.
#[test]
fn packed_images_of_a_table() {
    use crate::app::source::idx::tests::write_set;
    let dir = tempfile::tempdir().unwrap();
    for set in ["set", "other"] {
        std::fs::create_dir(dir.path().join(set)).unwrap();
        write_set(&dir.path().join(set), [3, 1], [(2, 2), (2, 2)]);
    }
    let place = "set/train-images-idx3-ubyte";
    let rows = format!("path,label,status\n{place}#0,a,given\n{place}#1,owl,given\n{place}#2,,given\n");
    std::fs::write(dir.path().join("labels.csv"), rows).unwrap();
    let all = inputs(dir.path(), &["labels.csv"]).unwrap();
    let given: Vec<_> = all.images.iter().map(|image| image.given.clone()).collect();
    let (owl, zero) = (Given::Other("owl".into()), Given::Other("0".into()));
    assert_eq!(given, [Given::Class(0), owl, Given::NoLabel, zero]);
    assert_eq!(all.images[0].path, Path::new("../set/train-images-idx3-ubyte#0"));
    assert!(all.make_a_set());
    assert!(inputs(dir.path(), &["set"]).unwrap().make_a_set());
    assert!(!inputs(dir.path(), &["set", "other"]).unwrap().make_a_set());
    pictures(dir.path(), &["photos/1.png"]);
    assert!(!inputs(dir.path(), &["photos", "set"]).unwrap().make_a_set());
    assert!(inputs(dir.path(), &["photos"]).unwrap().make_a_set());
    // Named twice they are labelled once, with what the table says; two tables that differ are an error.
    let twice = inputs(dir.path(), &["set", "labels.csv"]).unwrap();
    assert!(twice.images.len() == 4 && twice.make_a_set());
    assert!(matches!(inputs(dir.path(), &["labels.csv", "other"]), Ok(all) if all.images.len() == 8));
}
