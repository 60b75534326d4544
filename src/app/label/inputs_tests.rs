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

/// An image that is named by its folder and by a table is labelled once, with the label that it has in either; what somebody
/// said stays, also where the model does not know it.
#[test]
fn images_that_are_named_twice() {
    let dir = tempfile::tempdir().unwrap();
    for (name, gray) in [("photos/1.png", 1), ("photos/2.png", 2), ("photos/3.png", 3)] {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::GrayImage::from_pixel(2, 2, image::Luma([gray])).save(path).unwrap();
    }
    let table = dir.path().join("labels.csv");
    let rows = "path,label,status\nphotos/2.png,owl,given\nphotos/3.png,,given\nphotos/1.png,a,given\n";
    std::fs::write(&table, rows).unwrap();
    let (images, class_names) = ([dir.path().join("photos"), table], ["a".to_string()]);
    let (out, by_class, shard, labelled) = (dir.path().join("out"), None, None, true);
    let wanted = Wanted { images: &images, out: &out, by_class, shard, labelled, class_names: &class_names };
    let all = Inputs::of(wanted).unwrap();
    let given: Vec<_> = all.images.iter().map(|image| image.given.clone()).collect();
    assert_eq!(given, [Given::Class(0), Given::Other("owl".into()), Given::NoLabel]);
    assert_eq!(all.labelled.len(), 1);
    let notes = all.notes.join("\n");
    assert!(notes.contains("3 images named twice") && notes.contains("does not know owl"), "{notes}");
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
