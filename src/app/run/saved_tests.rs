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

/// What is after the step a run goes on from is put aside, and what had its name there is replaced.
#[test]
fn what_is_later_is_superseded() {
    let dir = tempfile::tempdir().unwrap();
    let run = |name: &str| dir.path().join(name);
    // Nothing there: nothing to do.
    assert_eq!(supersede(dir.path(), 3, 10).unwrap(), 0);
    fs::create_dir_all(run("checkpoints/superseded")).unwrap();
    fs::create_dir(run("samples")).unwrap();
    fs::write(run("checkpoints/superseded/epoch-03.safetensors"), "old").unwrap();
    let stems =
        ["epoch-01", "epoch-01-step-15", "epoch-01-step-16", "epoch-02", "epoch-03", "epoch-02-interrupted"];
    for name in stems {
        fs::write(run(&format!("checkpoints/{name}.safetensors")), name).unwrap();
        fs::write(run(&format!("samples/{name}.png")), name).unwrap();
    }
    fs::write(run("checkpoints/notes.txt"), "").unwrap();
    assert_eq!(supersede(dir.path(), 15, 10).unwrap(), 4);
    let names = |folder: &str| {
        let entries =
            fs::read_dir(run(folder)).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = entries.collect();
        names.sort();
        names
    };
    let kept = ["epoch-01-step-15.safetensors", "epoch-01.safetensors", "notes.txt", "superseded"];
    assert_eq!(names("checkpoints"), kept);
    let later = ["epoch-01-step-16", "epoch-02-interrupted", "epoch-02", "epoch-03"];
    assert_eq!(names("checkpoints/superseded"), later.map(|name| format!("{name}.safetensors")));
    assert_eq!(fs::read(run("checkpoints/superseded/epoch-03.safetensors")).unwrap(), b"epoch-03");
    // The picture of the second epoch may be that of step 15, where it was told to end.
    assert_eq!(names("samples/superseded"), ["epoch-03.png"]);
    assert_eq!(checkpoints(dir.path()).unwrap()[0], run("checkpoints/epoch-01-step-15.safetensors"));
    // Of which run it is, is known; that run has left it.
    let left = run("checkpoints/superseded/epoch-03.safetensors");
    assert_eq!(run_of(&left).unwrap(), Some(dir.path().into()));
    assert!(run_folder(&left).unwrap_err().to_string().contains("--from"));
    // What cannot be moved is named, and the others are moved.
    fs::create_dir(run("checkpoints/superseded/epoch-04.safetensors")).unwrap();
    for name in ["epoch-04", "epoch-05"] {
        fs::write(run(&format!("checkpoints/{name}.safetensors")), name).unwrap();
    }
    let e = supersede(dir.path(), 15, 10).unwrap_err();
    assert!(e.exit_code() == 6 && e.to_string().contains("epoch-04"), "{e}");
    assert!(run("checkpoints/superseded/epoch-05.safetensors").is_file());
}
