use super::*;
use crate::app::label::looked_at::compared_with;
use crate::app::source::images::policy::Fit;

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
    let (by_class, shard, looked_at) = (None, Some((2, 2)), true);
    let wanted = Wanted { images: &images, out: &out, by_class, shard, looked_at, class_names: &class_names };
    let all = Inputs::of(wanted).unwrap();
    let parts: Vec<_> = all.images.iter().map(|image| (image.given.class(), image.part)).collect();
    assert_eq!(parts, [(None, Part::Train), (Some(0), Part::Test)]);
    assert_eq!(all.looked_at.len(), 3, "those to test on, and that of the other shard");
    let compared = compared_with(&all.looked_at, 9);
    assert!(compared.len() == 1 && compared[0].path.ends_with("train/a/1.png"), "{compared:?}");
}

/// What the inputs of these paths are; the model's only class is `a`.
fn inputs(dir: &Path, images: &[&str]) -> Result<Inputs> {
    inputs_by(None, dir, images)
}

/// Likewise, with class folders or without.
fn inputs_by(by_class: Option<Arrange>, dir: &Path, images: &[&str]) -> Result<Inputs> {
    let images: Vec<PathBuf> = images.iter().map(|path| dir.join(path)).collect();
    let (out, class_names) = (dir.join("out"), ["a".to_string()]);
    let (shard, looked_at) = (None, true);
    Inputs::of(Wanted { images: &images, out: &out, by_class, shard, looked_at, class_names: &class_names })
}

/// Those of a list, before they are compared with each other.
fn listed(by_class: Option<Arrange>, dir: &Path, lines: &str) -> Inputs {
    let (out, shard, looked_at) = (dir.join("out"), None, false);
    let from = by_class.is_none().then(|| real(&out).unwrap());
    let mut all = Inputs { from, ..Inputs::default() };
    let wanted = Wanted { images: &[], out: &out, by_class, shard, looked_at, class_names: &[] };
    all.list(lines.as_bytes(), &wanted).unwrap();
    all
}

/// As their paths are written, with `/` between their parts.
fn written(all: &Inputs) -> Vec<String> {
    all.images.iter().map(|image| image.path.to_str().unwrap().replace('\\', "/")).collect()
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
        // Nobody is asked for a copy of any; the others are compared with those of a class, and those of none.
        assert_eq!(all.looked_at.len(), 4);
        let mut compared: Vec<String> = compared_with(&all.looked_at, 9)
            .iter()
            .map(|image| image.path.file_name().unwrap().to_str().unwrap().into())
            .collect();
        compared.sort();
        assert_eq!(compared, ["1.png", "3.png"]);
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

/// Images that are links into a store of objects are called as people call them, from round to round, by folder, list and name;
/// two links to one object are one image that is named twice.
#[cfg(unix)]
#[test]
fn links_are_not_called_what_they_lead_to() {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    pictures(dir.path(), &["objects/1.png", "far/day/2.png"]);
    std::fs::rename(at("objects/1.png"), at("objects/1f2e")).unwrap();
    std::fs::create_dir(at("photos")).unwrap();
    for (link, leads_to) in
        [("cat.png", "../objects/1f2e"), ("day", "../far/day"), ("dog.png", "../objects/1f2e")]
    {
        std::os::unix::fs::symlink(leads_to, at("photos").join(link)).unwrap();
    }
    let (day, cat) = ("../photos/day/2.png", "../photos/cat.png");
    let all = inputs(dir.path(), &["photos"]).unwrap();
    assert_eq!(written(&all), [day, cat]);
    assert!(all.notes.join("\n").contains("1 image named twice"), "{:?}", all.notes);
    assert_eq!(written(&inputs(dir.path(), &["photos/cat.png"]).unwrap()), [cat]);
    std::fs::create_dir(at("first")).unwrap();
    std::fs::write(at("first/labels.csv"), format!("path,label\n{day},a\n{cat},a\n")).unwrap();
    assert_eq!(written(&inputs(dir.path(), &["first"]).unwrap()), [day, cat]);
    let listed = listed(None, dir.path(), at("photos/cat.png").to_str().unwrap());
    assert_eq!(written(&listed), [cat]);
}

/// In class folders images of equal names keep their folders, below the one that all lie in; where no two are equal, names are
/// as they were given.
#[test]
fn images_of_equal_names_are_kept_apart() {
    let dir = tempfile::tempdir().unwrap();
    pictures(dir.path(), &["a/1.png", "x/a/1.png", "x/a/b/2.png", "x/a/b/3.png"]);
    std::fs::write(dir.path().join("x/labels.csv"), "path,label\na/1.png,\n../a/1.png,\n").unwrap();
    for (images, expected, equal) in [
        (&["x/a/1.png", "x/a/b/2.png"][..], &["1.png", "2.png"][..], false),
        (&["x/a/1.png", "x/a/b/2.png", "a/1.png"][..], &["x/a/1.png", "x/a/b/2.png", "a/1.png"][..], true),
        (&["x/labels.csv"][..], &["a/1.png", "x/a/1.png"][..], true),
        // Their folders keep them apart.
        (&["x/../a", "x/a"][..], &["a/1.png", "x/a/1.png", "x/a/b/2.png", "x/a/b/3.png"][..], false),
    ] {
        let all = inputs_by(Some(Arrange::Move), dir.path(), images).unwrap();
        assert_eq!(written(&all), expected, "{images:?}");
        let told = all.notes.iter().any(|note| note.contains("some images have equal names"));
        assert_eq!(told, equal, "{images:?}: {:?}", all.notes);
    }
    // Of a list likewise; one image in two spellings is one.
    let lines = ["a/1.png", "x/../a/1.png", "x/a/1.png"].map(|line| dir.path().join(line));
    let lines = lines.map(|line| line.to_str().unwrap().to_string()).join("\r\n");
    let mut listed = listed(Some(Arrange::Move), dir.path(), &lines);
    assert_eq!(written(&listed), ["1.png"; 3]);
    listed.keep_one_of_each().unwrap();
    keep_apart(&mut listed.images).unwrap();
    assert_eq!(written(&listed), ["a/1.png", "x/a/1.png"]);
}

/// Where nothing keeps them apart, nothing is labelled.
#[test]
fn images_that_nothing_keeps_apart() {
    let image = |source: &str| Input {
        path: "1.png".into(),
        source: source.into(),
        given: Given::Nothing,
        part: Part::Train,
        packed: None,
    };
    let e = keep_apart(&mut [image("/p/q/1.png"), image("/p/../q/1.png")]).unwrap_err();
    assert!(e.exit_code() == 2 && e.to_string().contains("would be one file in a class folder"), "{e}");
}

/// With class folders a path is that below the folder that was named: a labelling goes on with that folder alone, however and from
/// wherever it is named. One that was begun before the folder counted is refused: nobody knows whose images it has.
#[test]
fn the_same_names_in_another_folder_are_other_images() {
    let dir = tempfile::tempdir().unwrap();
    pictures(dir.path(), &["video1/1.png", "video2/1.png"]);
    let policy = Policy { height: 2, width: 2, channels: 1, fit: Fit::Letterbox };
    let here = way(&real(Path::new("")).unwrap(), &real(dir.path()).unwrap());
    let of = |by_class, dir: &Path, images: &str| {
        let all = inputs_by(by_class, dir, &[images]).unwrap();
        assert!(all.images[0].source.is_absolute(), "{:?}", all.images);
        (written(&all), all.identity("checkpoint", policy, false, None))
    };
    for by_class in [None, Some(Arrange::Copy)] {
        let one = of(by_class, dir.path(), "video1");
        assert_ne!(one.1, of(by_class, dir.path(), "video2").1, "{by_class:?}");
        assert_eq!(one, of(by_class, &here, "video1"), "{by_class:?}");
        assert_eq!(one, of(by_class, dir.path(), "video2/../video1"), "{by_class:?}");
    }
    assert_eq!(of(Some(Arrange::Copy), dir.path(), "video2").0, ["1.png"]);
}

/// Several folders are called by their ways from the one that has all of them, from wherever they are named: the same labelling
/// goes on in another current folder.
#[test]
fn several_folders_are_the_same_from_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    pictures(dir.path(), &["photos/a/1.png", "photos/deep/b/1.png"]);
    let policy = Policy { height: 2, width: 2, channels: 1, fit: Fit::Letterbox };
    let here = way(&real(Path::new("")).unwrap(), &real(dir.path()).unwrap());
    let of = |dir: &Path, images: [&str; 2]| {
        let all = inputs_by(Some(Arrange::Copy), dir, &images).unwrap();
        (written(&all), all.identity("checkpoint", policy, false, None))
    };
    let one = of(dir.path(), ["photos/a", "photos/deep/b"]);
    assert_eq!(one.0, ["a/1.png", "deep/b/1.png"]);
    assert_eq!(one, of(&here, ["photos/a", "photos/deep/b"]));
    assert_eq!(one, of(&here, ["photos/deep/../a", "photos/deep/../deep/b"]));
    // One folder alone, with an image, has its name too.
    assert_eq!(of(&here, ["photos/a", "photos/deep/b/1.png"]).0, ["a/1.png", "1.png"]);
}

/// What cannot be read in the folder of a class has its label, which is told.
#[cfg(unix)]
#[test]
fn labels_of_what_is_no_image() {
    let dir = tempfile::tempdir().unwrap();
    pictures(dir.path(), &["photos/a/1.png", "photos/owl/1.png", "photos/2.png"]);
    for link in ["a/gone.png", "owl/deep.png", "gone.png"] {
        std::os::unix::fs::symlink("nothing", dir.path().join("photos").join(link)).unwrap();
    }
    let all = inputs(dir.path(), &["photos"]).unwrap();
    let mut said: Vec<_> = all.skipped.into_iter().map(|unread| (unread.path, unread.given)).collect();
    said.sort_by(|a, b| a.0.cmp(&b.0));
    let given: Vec<Given> = said.into_iter().map(|(_, given)| given).collect();
    assert_eq!(given, [Given::Class(0), Given::Nothing, Given::Other("owl".into())]);
}

/// Parts that are to be merged are of the same images, in whatever folder these lie on each machine and wherever the labels go.
#[test]
fn parts_know_the_images_of_all() {
    let dir = tempfile::tempdir().unwrap();
    pictures(dir.path(), &["here/photos/a/1.png", "here/photos/2.png", "far/away/pictures/a/1.png"]);
    pictures(dir.path(), &["far/away/pictures/2.png", "more/a/1.png", "more/2.png", "more/3.png"]);
    let policy = Policy { height: 2, width: 2, channels: 1, fit: Fit::Letterbox };
    let of = |images: &str, shard, averaged| {
        let (images, out) = ([dir.path().join(images)], dir.path().join(images).join("deep/out"));
        let wanted = Wanted {
            images: &images,
            out: &out,
            by_class: None,
            shard,
            looked_at: false,
            class_names: &["a".to_string()],
        };
        Inputs::of(wanted).unwrap().in_common("checkpoint", policy, averaged)
    };
    let whole = of("here/photos", None, false);
    assert_eq!(of("here/photos", Some((2, 2)), false), whole);
    assert_eq!(of("far/away/pictures", Some((1, 2)), false), whole);
    assert_ne!(of("more", Some((1, 2)), false), whole);
    assert_ne!(of("here/photos", None, true), whole);
}

/// A list that came out empty, or that was written in another folder, is a mistake; of one of which a part is gone the rest is
/// labelled.
#[test]
fn images_that_are_not_there() {
    let dir = tempfile::tempdir().unwrap();
    pictures(dir.path(), &["1.png"]);
    let lines = |names: &[&str]| -> String {
        names.iter().map(|name| format!("{}\n", dir.path().join(name).display())).collect()
    };
    for (list, told) in [(lines(&[]), "no image is named"), (lines(&["2.png", "3.png"]), "such as ")] {
        let e = listed(None, dir.path(), &list).check_there().unwrap_err();
        assert!(e.exit_code() == 4 && e.to_string().contains(told), "{e}");
    }
    listed(None, dir.path(), &lines(&["2.png", "1.png"])).check_there().unwrap();
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
            looked_at: false,
            class_names: &class_names,
        };
        let all = Inputs::of(wanted).unwrap();
        let images: Vec<PathBuf> = all.images.into_iter().map(|i| i.path).collect();
        (images, all.skipped.into_iter().map(|unread| unread.path).collect::<Vec<_>>())
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
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("set", dir.path().join("linked")).unwrap();
        let linked = inputs(dir.path(), &["linked"]).unwrap();
        assert_eq!(linked.images[0].path, Path::new("../linked/train-images-idx3-ubyte#0"));
    }
    pictures(dir.path(), &["photos/1.png"]);
    assert!(!inputs(dir.path(), &["photos", "set"]).unwrap().make_a_set());
    assert!(inputs(dir.path(), &["photos"]).unwrap().make_a_set());
    // Named twice they are labelled once, with what the table says; two tables that differ are an error.
    let twice = inputs(dir.path(), &["set", "labels.csv"]).unwrap();
    assert!(twice.images.len() == 4 && twice.make_a_set());
    assert!(matches!(inputs(dir.path(), &["labels.csv", "other"]), Ok(all) if all.images.len() == 8));
}
