use super::*;
use std::collections::HashSet;

#[test]
fn fifty_at_once_get_fifty_folders() {
    let dir = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = std::thread::scope(|s| {
        let all: Vec<_> =
            (0..50).map(|_| s.spawn(|| make_fresh(dir.path(), "t-dnn-digits").unwrap())).collect();
        all.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(paths.iter().collect::<HashSet<_>>().len(), 50);
}

#[test]
fn of_two_in_one_empty_folder_one_gets_it() {
    let dir = tempfile::tempdir().unwrap();
    let got: Vec<bool> = std::thread::scope(|s| {
        let take = || {
            RunDir::create(Some(dir.path()), "m", "d", "x = 1\n").map(|mut r| {
                r.keep();
            })
        };
        let all: Vec<_> = (0..8).map(|_| s.spawn(move || take().is_ok())).collect();
        all.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(got.iter().filter(|g| **g).count(), 1);
    assert_eq!(fs::read_to_string(dir.path().join("config.toml")).unwrap(), "x = 1\n");
}

#[test]
fn a_folder_or_file_in_use_is_refused_and_untouched() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("precious"), "1").unwrap();
    for path in [dir.path().to_path_buf(), dir.path().join("precious")] {
        let e = RunDir::create(Some(&path), "m", "d", "").unwrap_err();
        assert!(e.exit_code() == 6 && e.to_string().contains("--out"), "{e}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(dir.path().join("precious")).unwrap(), "1");
}

#[test]
fn a_run_that_never_began_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("a/b");
    let mut run = RunDir::create(Some(&out), "m", "d", "").unwrap();
    run.write("env.json", b"{}").unwrap();
    drop(run);
    // Nor does the folder around it that was made for it.
    assert!(!dir.path().join("a").exists() && dir.path().exists());
    // A folder that was there stays, and so do a stranger's files.
    fs::create_dir_all(&out).unwrap();
    let run = RunDir::create(Some(&out), "m", "d", "").unwrap();
    fs::write(out.join("other"), "").unwrap();
    drop(run);
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
}

#[test]
fn times() {
    let at = |s| timestamp(UNIX_EPOCH + Duration::from_secs(s), false);
    assert_eq!(at(0), "1970-01-01T00:00:00Z");
    assert_eq!(at(951_782_399), "2000-02-28T23:59:59Z");
    assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
    assert_eq!(at(1_709_251_200), "2024-03-01T00:00:00Z");
    assert_eq!(at(4_107_542_399), "2100-02-28T23:59:59Z");
    assert_eq!(timestamp(UNIX_EPOCH + Duration::from_secs(1_714_979_289), true), "20240506T070809Z");
}

/// A clock before 1970, and one that goes back to a second that has had its run.
#[test]
fn clocks_may_be_wrong() {
    assert_eq!(timestamp(UNIX_EPOCH - Duration::from_secs(5), false), "1970-01-01T00:00:00Z");
    let dir = tempfile::tempdir().unwrap();
    let at = |s| {
        let stem = format!("{}-m-d", timestamp(UNIX_EPOCH + Duration::from_secs(s), true));
        let path = make_fresh(dir.path(), &stem).unwrap();
        path.file_name().unwrap().to_string_lossy().into_owned()
    };
    assert_eq!(
        [at(60), at(0), at(60)],
        ["19700101T000100Z-m-d", "19700101T000000Z-m-d", "19700101T000100Z-m-d-2"]
    );
}

/// A folder of images may have a long name, which the file system would not take with what a run adds to it.
#[test]
fn names_are_cut_between_characters() {
    let dir = tempfile::tempdir().unwrap();
    let stem = |dataset: &str| name_of(UNIX_EPOCH, "m", dataset);
    assert_eq!(stem("d"), "19700101T000000Z-m-d");
    let long = stem(&"\u{5199}".repeat(80));
    assert!(long.len() <= MOST_NAME && long.ends_with('\u{5199}'), "{long}");
    assert!(make_fresh(dir.path(), &long).unwrap().is_dir());
}
