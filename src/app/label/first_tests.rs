use super::*;
use crate::app::source::images::label_file::{self, Reading};
use crate::app::source::images::policy::{Fit, Policy};
use crate::app::source::images::set::Images;
use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// Images of 8 x 8 pixels that get brighter in one of three directions, in turns, in a folder; those of the `known`
/// numbers have the class of their direction.
fn set(images: u16, known: &[u16]) -> ImageSet {
    let value = |kind: u16, p: u16| match kind {
        0 => 30 * (p % 8),
        1 => 30 * (p / 8),
        _ => 30 * (7 - p / 8),
    };
    let pixels = |i: u16| (0..64).map(move |p| value(i % 3, p) as u8 ^ u8::from(p == i % 64));
    let labels = (0..images).map(|i| known.contains(&i).then_some(i % 3)).collect();
    let paths = (0..images).map(|i| PathBuf::from(format!("sub/{i:03}.png"))).collect();
    ImageSet {
        name: "photos".into(),
        policy: Policy { height: 8, width: 8, channels: 1, fit: Fit::default() },
        class_names: ["ant", "bee, big", "cow"].map(String::from).into(),
        train: Images::new(64, (0..images).flat_map(pixels).collect(), labels, paths),
        validation: Images::default(),
        test: Images::default(),
        no_label: Default::default(),
        skipped: vec![],
        notes: vec![],
    }
}

/// Number of an image by its path.
fn number(path: &str) -> u16 {
    path.trim_start_matches("sub/").trim_end_matches(".png").parse().unwrap()
}

#[test]
fn one_of_each_kind() {
    let first = First::choose(&set(300, &[]), 3, 1).unwrap();
    let mut kinds: Vec<u16> = first.images.iter().map(|image| number(&image.path) % 3).collect();
    kinds.sort_unstable();
    assert_eq!((kinds, first.labelled), (vec![0, 1, 2], vec![]));
    assert!(first.images.iter().all(|image| image.share == 0.333333 && image.thumbnail.pixels.len() == 64));
}

/// What a label is there for is not chosen again, and the table has all labels, as training reads it.
#[test]
fn a_table_with_all_labels() {
    let first = First::choose(&set(300, &[4, 7]), 2, 1).unwrap();
    assert!(first.images.iter().all(|image| number(&image.path) % 3 != 1), "{first:?}");
    let dir = tempfile::tempdir().unwrap();
    let table = dir.path().join("labels.csv");
    first.write_table(&table).unwrap();
    let read = label_file::read(&table, Reading::default()).unwrap();
    assert_eq!(read.notes, [""; 0]);
    let of = |label: Option<&str>| -> Vec<String> {
        read.rows.iter().filter(|row| row.label.as_deref() == label).map(|row| row.path.clone()).collect()
    };
    assert_eq!(of(Some("bee, big")), ["sub/004.png", "sub/007.png"]);
    assert_eq!(of(None), first.images.iter().map(|image| image.path.clone()).collect::<Vec<_>>());
}

/// An image that was given no label stays so, in the table and on the page.
#[test]
fn images_of_no_class() {
    let mut images = set(300, &[4]);
    images.no_label = [PathBuf::from("sub/005.png")].into();
    let first = First::choose(&images, 200, 1).unwrap();
    assert!(first.images.iter().all(|image| number(&image.path) != 5));
    let dir = tempfile::tempdir().unwrap();
    let table = dir.path().join("labels.csv");
    first.write_table(&table).unwrap();
    let read = label_file::read(&table, Reading::default()).unwrap();
    let none: Vec<&str> = read.rows.iter().filter(|row| row.no_label).map(|row| row.path.as_str()).collect();
    assert_eq!((none, read.rows.iter().filter(|row| row.label.is_some()).count()), (vec!["sub/005.png"], 1));
    assert!(
        first
            .page("photos", Path::new("photos/labels.csv"), Path::new("photos"))
            .unwrap()
            .contains("<li data-path=\"sub/005.png\"></li>")
    );
}

/// Of three kinds two are asked for where an image of the third was given no label: what looks like it, and each copy of it,
/// would be given none either.
#[test]
fn what_is_like_an_image_of_no_class_is_not_asked_for() {
    for given_none in 3..6u16 {
        let mut images = set(300, &[]);
        images.no_label = [PathBuf::from(format!("sub/{given_none:03}.png"))].into();
        let first = First::choose(&images, 2, 1).unwrap();
        let mut kinds: Vec<u16> = first.images.iter().map(|image| number(&image.path) % 3).collect();
        kinds.sort_unstable();
        let others: Vec<u16> = (0..3).filter(|kind| *kind != given_none % 3).collect();
        assert_eq!(kinds, others, "{given_none}");
    }
}

/// A label that the browser keeps is that of a picture, by the hash of its pixels: another one of that name is told from it.
#[test]
fn the_page_has_the_hash_of_each_picture() {
    let images = set(300, &[4]);
    let first = First::choose(&images, 20, 1).unwrap();
    let page = first.page("photos", Path::new("photos/labels.csv"), Path::new("photos")).unwrap();
    let mut hashes: Vec<String> = vec![];
    for Unlabelled { path, .. } in &first.images {
        let at = usize::from(number(path));
        let hash = Sha256::digest(&images.train.pixels[at * 64..(at + 1) * 64]);
        hashes.push(hex(&hash[..8]));
        let item = format!("data-path=\"{path}\" data-hash=\"{}\"", hashes[hashes.len() - 1]);
        assert!(page.contains(&item), "{item}");
    }
    hashes.sort();
    hashes.dedup();
    assert!(hashes.len() == first.images.len() && hashes.len() > 3, "{hashes:?}");
}

#[test]
fn the_page_names_every_image_and_runs_its_script_alone() {
    let mut images = set(60, &[1]);
    images.train.paths[2] = "<b>\"2\".png".into();
    let first = First::choose(&images, 59, 1).unwrap();
    assert!(first.images.iter().any(|image| image.path == "<b>\"2\".png"));
    let page = first.page("photos", Path::new("photos/labels.csv"), Path::new("photos")).unwrap();
    assert!(page.contains("<title>What to label first</title>"));
    assert!(page.contains("data-path=\"sub/001.png\" data-label=\"bee, big\""));
    assert!(!page.contains("<b>") && page.contains("data-path=\"&lt;b&gt;&quot;2&quot;.png\""));
    assert_eq!(page.matches("<input ").count(), page.matches("class=\"item\"").count());
    assert_eq!(page.matches("<script>").count(), 1);
}

/// For tests/pages/check.mjs, which uses it as people do.
#[test]
#[ignore = "writes a page for `make check-pages`"]
fn pages_for_a_browser() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pages");
    std::fs::create_dir_all(&folder).unwrap();
    let first = First::choose(&set(60, &[1]), 59, 1).unwrap();
    let table = Path::new("photos/labels.csv");
    first.write_page(Path::new("photos"), (table, Path::new("photos")), &folder.join("pick.html")).unwrap();
}

/// What no table can name is told, and no label is lost by it.
#[cfg(unix)]
#[test]
fn names_that_are_not_unicode() {
    use std::os::unix::ffi::OsStrExt;
    let name = || PathBuf::from(std::ffi::OsStr::from_bytes(b"\xff.png"));
    let mut images = set(30, &[4]);
    images.train.paths[3] = name();
    let first = First::choose(&images, 29, 1).unwrap();
    assert!(first.unnamed == 1 && first.images.iter().all(|image| number(&image.path) != 3));
    images.train.paths[4] = name();
    assert!(First::choose(&images, 3, 1).is_err_and(|e| e.to_string().contains("has a label, and a name")));
    let mut images = set(3, &[]);
    images.train.paths = vec![name(); 3];
    assert!(First::choose(&images, 3, 1).is_err_and(|e| e.to_string().contains("rename them")));
}

#[test]
fn nothing_to_label() {
    let all: Vec<u16> = (0..30).collect();
    let e = First::choose(&set(30, &all), 3, 1).unwrap_err();
    assert!(matches!(&e, Error::Data(m) if m.contains("every image to learn from has a label")), "{e}");
    let many: Vec<u16> = (0..1001).collect();
    let e = First::choose(&set(1200, &many), 3, 1).unwrap_err();
    assert!(matches!(&e, Error::Data(m) if m.contains("ssgan label --next 3")), "{e}");
}
