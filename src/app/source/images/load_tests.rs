use super::super::policy::Fit;
use super::*;
use crate::app::source::images::found::Request;
use crate::app::source::images::scan::scan;
use crate::app::source::images::scan::tests::{folder, picture};
use image::{GrayImage, Luma, Rgb, RgbImage};
use std::path::PathBuf;

pub fn look(path: &Path) -> Found {
    scan(&Request { path: path.into(), ..Request::default() }).unwrap()
}

fn loaded(found: &Found, choice: Choice) -> Result<ImageSet> {
    load(found, &Loading { choice, ..Loading::default() }, &mut |_, _| ())
}

/// Gray pictures in two class folders and among the unlabelled, their pixels given by their numbers.
fn digits(dir: &Path, n: u32) -> Vec<Vec<u8>> {
    let one = |i: u32| {
        let image = GrayImage::from_fn(28, 28, |x, y| Luma([(x * 7 + y * 13 + i * 31) as u8]));
        let class = ["0", "1", "_unlabeled"][i as usize % 3];
        std::fs::create_dir_all(dir.join(class)).unwrap();
        image.save(dir.join(class).join(format!("{i:05}.png"))).unwrap();
        image.into_raw()
    };
    (0..n).map(one).collect()
}

/// Pictures of one size come through bit by bit, in the order of their names, whatever their folders.
#[test]
fn the_bytes_of_a_data_set() {
    let dir = tempfile::tempdir().unwrap();
    let pixels = digits(dir.path(), 100);
    let mut told = Vec::new();
    let found = look(dir.path());
    let set = load(&found, &Loading::default(), &mut |done, of| told.push((done, of))).unwrap();
    assert_eq!(set.policy, Policy { height: 28, width: 28, channels: 1, fit: Fit::Letterbox });
    assert_eq!(set.train.pixels, pixels.concat());
    let labels: Vec<_> = (0..100).map(|i| [Some(0), Some(1), None][i % 3]).collect();
    assert_eq!(set.train.labels, labels);
    assert_eq!(set.class_names, ["0", "1"]);
    assert_eq!(set.train.paths[3], PathBuf::from("0/00003.png"));
    assert_eq!(told, (1..=100).map(|i| (i, 100)).collect::<Vec<_>>());
    assert!(
        set.test.is_empty()
            && set.skipped.is_empty()
            && set.name == found.root.file_name().unwrap().to_str().unwrap()
    );
}

/// One coloured picture among gray ones makes all of them coloured, wherever it is; the choice overrules.
#[test]
fn channels_follow_the_data() {
    for coloured in [0, 7, 19] {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..20u8 {
            let path = dir.path().join(format!("{i:02}.png"));
            if i == coloured {
                RgbImage::from_pixel(4, 4, Rgb([200, 0, 0])).save(path).unwrap();
            } else {
                RgbImage::from_pixel(4, 4, Rgb([i; 3])).save(path).unwrap();
            }
        }
        let found = look(dir.path());
        let auto = loaded(&found, Choice::default()).unwrap();
        let three = loaded(&found, Choice { channels: Some(3), ..Choice::default() }).unwrap();
        assert_eq!((auto.policy.channels, &auto.train.pixels), (3, &three.train.pixels));
        assert_eq!(auto.train.pixels[19 * 48], if coloured == 19 { 200 } else { 19 });
        let one = loaded(&found, Choice { channels: Some(1), ..Choice::default() }).unwrap();
        assert_eq!((one.policy.channels, one.train.pixels.len()), (1, 20 * 16));
    }
}

/// Training, and labelling with the policy of the checkpoint, give equal bytes.
#[test]
fn a_policy_gives_the_same_bytes_again() {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..5u32 {
        let image = RgbImage::from_fn(30 + i, 20, |x, y| Rgb([(x * 7) as u8, (y * 9) as u8, i as u8]));
        image.save(dir.path().join(format!("{i}.png"))).unwrap();
    }
    let found = look(dir.path());
    let first = loaded(&found, Choice { fit: Fit::Crop, ..Choice::default() }).unwrap();
    assert_eq!((first.policy.height, first.policy.width), (32, 32));
    let again = loaded(&found, Choice::prescribed(first.policy)).unwrap();
    assert_eq!(first, again);
    let gray = Choice::prescribed(Policy { channels: 1, ..first.policy });
    assert_eq!(loaded(&found, gray).unwrap().train.pixels.len(), 5 * 32 * 32);
}

#[test]
fn the_size_follows_the_data() {
    let sizes = |all: &[(u32, u32)]| -> Vec<Size> {
        all.iter().map(|&(width, height)| Size { width, height }).collect()
    };
    assert_eq!(size_of(&sizes(&[(28, 28), (28, 28)])), (28, 28));
    assert_eq!(size_of(&sizes(&[(30, 22), (30, 22)])), (22, 30), "one size: kept as it is");
    assert_eq!(size_of(&sizes(&[(65, 20), (65, 20)])), (64, 64));
    assert_eq!(size_of(&sizes(&[(30, 20), (20, 41), (50, 10)])), (40, 40), "the median of 30, 41 and 50");
    assert_eq!(size_of(&sizes(&[(4000, 3000), (3000, 4000)])), (64, 64));
    assert_eq!(size_of(&sizes(&[(3, 3), (3, 2)])), (8, 8));
    assert_eq!(size_of(&[]), (64, 64));
}

/// A text that is called .jpg, one file in fifty: skipped and listed, unless it has a label.
#[test]
fn broken_files() {
    let names: Vec<String> = (0..49).map(|i| format!("{i:02}.pgm")).collect();
    let dir = folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let put = |path: &str| {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "Dear reader, I am no picture.").unwrap();
    };
    put("07.jpg");
    let set = loaded(&look(dir.path()), Choice::default()).unwrap();
    assert_eq!((set.train.len(), set.skipped.len()), (49, 1));
    assert!(set.skipped[0].reason.starts_with("not a picture") && !set.skipped[0].labelled);
    assert!(
        set.notes[0].starts_with("left out: ") && set.notes[0].contains("not a picture"),
        "{:?}",
        set.notes
    );
    assert_eq!(set.train.pixels, (0..49).collect::<Vec<u8>>(), "the others keep their places");
    put("08.jpg");
    put("09.jpg");
    let e = loaded(&look(dir.path()), Choice::default()).unwrap_err().to_string();
    assert!(
        e.contains("3 of 52 images cannot be read, more than one in twenty: 07.jpg: not a picture"),
        "{e}"
    );
    let skipping = Loading { broken: Broken::Skip, ..Loading::default() };
    assert_eq!(load(&look(dir.path()), &skipping, &mut |_, _| ()).unwrap().skipped.len(), 3);
    std::fs::remove_file(dir.path().join("08.jpg")).unwrap();
    std::fs::remove_file(dir.path().join("09.jpg")).unwrap();
    put("cat/10.jpg");
    let e = loaded(&look(dir.path()), Choice::default()).unwrap_err().to_string();
    assert!(e.contains("1 with a label cannot be read: cat") && e.contains("10.jpg"), "{e}");
}

/// A link in a circle leads to images that are there already: it spoils no small folder.
#[cfg(unix)]
#[test]
fn a_link_in_a_circle_is_no_broken_image() {
    let dir = folder(&["1.pgm", "2.pgm", "3.pgm"]);
    std::os::unix::fs::symlink(dir.path(), dir.path().join("round")).unwrap();
    let set = loaded(&look(dir.path()), Choice::default()).unwrap();
    assert_eq!((set.train.len(), set.skipped.len()), (3, 1));
    assert!(set.notes[0].ends_with("round: a link in a circle"), "{:?}", set.notes);
    // A broken one beside it is told with how many images there are.
    std::fs::write(dir.path().join("4.jpg"), "Dear reader").unwrap();
    let e = loaded(&look(dir.path()), Choice::default()).unwrap_err().to_string();
    assert!(e.contains("1 of 4 images cannot be read, more than one in twenty: 4.jpg"), "{e}");
}

#[test]
fn files_that_vanish() {
    let names: Vec<String> = (0..30).map(|i| format!("{i:02}.pgm")).collect();
    let dir = folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let found = look(dir.path());
    std::fs::remove_file(dir.path().join("11.pgm")).unwrap();
    let set = loaded(&found, Choice::default()).unwrap();
    assert_eq!((set.train.len(), set.skipped[0].reason.as_str()), (29, "no longer there"));
    assert_eq!(set.train.pixels[11], 12);
}

#[test]
fn sizes_and_channels_that_cannot_be() {
    let dir = folder(&["1.png"]);
    let found = look(dir.path());
    for choice in [
        Choice { size: Some((0, 5)), ..Choice::default() },
        Choice { size: Some((5, 1 << 20)), ..Choice::default() },
        Choice { channels: Some(2), ..Choice::default() },
    ] {
        assert_eq!(loaded(&found, choice).unwrap_err().exit_code(), 2);
    }
    assert_eq!(
        room(usize::MAX / 2, &Policy { height: 4096, width: 4096, channels: 3, fit: Fit::Crop })
            .unwrap_err()
            .exit_code(),
        4
    );
}

/// 12-bit data in 16-bit files are nearly black, and the user hears of it.
#[test]
fn faint_images() {
    let dir = tempfile::tempdir().unwrap();
    let deep = |v: u16| image::ImageBuffer::<Luma<u16>, _>::from_pixel(3, 3, Luma([v]));
    deep(4000).save(dir.path().join("1.png")).unwrap();
    deep(60000).save(dir.path().join("2.png")).unwrap();
    let set = loaded(&look(dir.path()), Choice::default()).unwrap();
    assert!(set.notes[0].starts_with("1 images of 16 bits use less than an eighth"), "{:?}", set.notes);
}

/// 50,000 small files, timed; run by hand: `cargo test --release --lib fifty_thousand -- --ignored --nocapture`.
#[test]
#[ignore = "writes 50,000 files"]
fn fifty_thousand_files() {
    let dir = tempfile::tempdir().unwrap();
    digits(dir.path(), 50_000);
    let timed = |what: &str, cache: Option<&Path>| {
        let start = std::time::Instant::now();
        let found = look(dir.path());
        let scanned = start.elapsed();
        let set = load(&found, &Loading { cache, ..Loading::default() }, &mut |_, _| ()).unwrap();
        println!(
            "{what}: {scanned:.2?} to look through, {:.2?} in all, {}",
            start.elapsed(),
            set.train.len()
        );
        set
    };
    let kept = tempfile::tempdir().unwrap();
    let first = timed("decoded", Some(kept.path()));
    assert_eq!(timed("from the cache", Some(kept.path())), first);
}

#[test]
fn one_pixel() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a"), picture(9)).unwrap();
    assert_eq!(loaded(&look(dir.path()), Choice::default()).unwrap().train.pixels, [9]);
}
