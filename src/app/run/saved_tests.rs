use super::*;
use std::time::UNIX_EPOCH;

#[test]
fn the_newest_checkpoint_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let e = resolve_checkpoint(dir.path()).unwrap_err();
    assert!(e.exit_code() == 7 && e.to_string().contains("name a run folder"), "{e}");
    fs::create_dir(dir.path().join("checkpoints")).unwrap();
    for (epoch, step) in [(9, None), (100, None), (100, Some(1000)), (100, Some(998)), (10, None)] {
        fs::write(dir.path().join(checkpoint_name(epoch, step)), "").unwrap();
        fs::write(dir.path().join("checkpoints/epoch-999.txt"), "").unwrap();
    }
    let newest = dir.path().join("checkpoints/epoch-100-step-1000.safetensors");
    assert_eq!(resolve_checkpoint(dir.path()).unwrap(), newest);
    assert_eq!(resolve_checkpoint(&dir.path().join("checkpoints")).unwrap(), newest);
    // A clock that stepped backwards between them changes nothing: the name says which is newer.
    let file = fs::File::options().write(true).open(&newest).unwrap();
    file.set_modified(UNIX_EPOCH).unwrap();
    assert_eq!(resolve_checkpoint(dir.path()).unwrap(), newest);
    assert_eq!(resolve_checkpoint(&newest).unwrap(), newest);
    assert_eq!(resolve_checkpoint(&dir.path().join("none")).unwrap_err().exit_code(), 6);
}

/// The folder of checkpoints may be a link to another disk, and a checkpoint may be named through a link from elsewhere.
#[cfg(unix)]
#[test]
fn the_run_of_a_checkpoint_is_found_through_links() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for folder in ["run", "scratch/c7", "keep/best", "other/checkpoints"] {
        fs::create_dir_all(at(folder)).unwrap();
    }
    symlink(at("scratch/c7"), at("run/checkpoints")).unwrap();
    let checkpoint = at("run/checkpoints/epoch-01.safetensors");
    fs::write(&checkpoint, "").unwrap();
    assert_eq!(run_of(&checkpoint).unwrap(), Some(at("run")));
    assert_eq!(run_folder(&checkpoint).unwrap(), at("run"));
    // Where it lies there is no run.
    assert_eq!(run_of(&at("scratch/c7/epoch-01.safetensors")).unwrap(), None);
    fs::write(at("other/checkpoints/epoch-02.safetensors"), "").unwrap();
    let link = at("keep/best/good.safetensors");
    symlink(at("other/checkpoints/epoch-02.safetensors"), &link).unwrap();
    let other = dunce::canonicalize(at("other")).unwrap();
    assert_eq!((run_of(&link).unwrap(), run_folder(&link).unwrap()), (Some(other.clone()), other));
}
