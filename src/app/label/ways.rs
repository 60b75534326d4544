//! Where files lie, whatever they are called from, and the ways there. A link keeps its own name: by that people know the image,
//! not by that of what it leads to, which may be an object in a store.

use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};

/// A whole path without links, also of what is yet to be made.
pub(super) fn real(path: &Path) -> Result<PathBuf> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let whole = std::path::absolute(path).map_err(Error::io("read", path))?;
    let known = whole.ancestors().find_map(|there| Some((there, dunce::canonicalize(there).ok()?)));
    Ok(known.map_or(whole.clone(), |(there, real)| {
        let rest = whole.strip_prefix(there).unwrap_or(&whole);
        // Joined with nothing, the path of a file would end like a folder's.
        real.components().chain(rest.components()).collect()
    }))
}

/// The whole path of a file, its folder without links.
pub(super) fn named(path: &Path) -> Result<PathBuf> {
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => Ok(real(folder)?.join(name)),
        _ => real(path),
    }
}

/// The whole path of the file at `below` from a folder, which is whole and without links.
pub(super) fn inside(root: &Path, below: &Path) -> Result<PathBuf> {
    if below.is_absolute() {
        return named(below);
    }
    let steps: Vec<Component> = below.components().collect();
    let ups = steps.iter().rposition(|step| !matches!(step, Component::Normal(_))).map_or(0, |at| at + 1);
    if ups == 0 {
        return Ok(root.join(below));
    }
    // A way up out of a linked folder begins where that really is.
    let (up, down) = steps.split_at(ups);
    let up = real(&root.join(up.iter().collect::<PathBuf>()))?;
    Ok(up.join(down.iter().collect::<PathBuf>()))
}

/// How many components two paths have in common at their beginning.
pub(super) fn shared(a: &Path, b: &Path) -> usize {
    a.components().zip(b.components()).take_while(|(a, b)| a == b).count()
}

/// The way from a folder, whole and without links, to a whole path.
pub fn way(from: &Path, to: &Path) -> PathBuf {
    let shared = shared(from, to);
    // Another drive.
    if shared == 0 {
        return to.into();
    }
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(to.components().skip(shared)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_from_the_output_folder() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("photos/a/1.png");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, b"x").unwrap();
        for (out, expected) in
            [("labelled", "../photos/a/1.png"), ("photos", "a/1.png"), ("x/y", "../../photos/a/1.png")]
        {
            let out = real(&dir.path().join(out)).unwrap();
            assert_eq!(way(&out, &named(&file).unwrap()), Path::new(expected));
        }
        // What is there has no slash behind it.
        let whole = real(&file).unwrap();
        assert!(whole.to_str().unwrap().ends_with("1.png") && whole == named(&file).unwrap());
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
            let way = way(&real(&dir.path().join(out)).unwrap(), &named(&file).unwrap());
            std::fs::create_dir_all(dir.path().join(out)).unwrap();
            assert!(dir.path().join(out).join(&way).is_file(), "{out}: {}", way.display());
        }
    }

    /// Links keep their names, those of folders too; ways up through them are those of the system.
    #[cfg(unix)]
    #[test]
    fn links_keep_their_names() {
        let dir = tempfile::tempdir().unwrap();
        let root = real(dir.path()).unwrap();
        std::fs::create_dir_all(root.join("far/away/day")).unwrap();
        std::fs::create_dir(root.join("photos")).unwrap();
        std::fs::write(root.join("far/away/day/object"), b"x").unwrap();
        for (leads_to, link) in [("../far/away/day", "photos/day"), ("object", "far/away/day/1.png")] {
            std::os::unix::fs::symlink(leads_to, root.join(link)).unwrap();
        }
        let photos = root.join("photos");
        for (below, expected) in [
            ("day/1.png", "photos/day/1.png"),
            ("./day/1.png", "photos/day/1.png"),
            ("../photos/day/1.png", "photos/day/1.png"),
            ("day/../day/1.png", "far/away/day/1.png"),
        ] {
            assert_eq!(inside(&photos, Path::new(below)).unwrap(), root.join(expected), "{below}");
        }
        let absolute = dir.path().join("photos/day/1.png");
        assert_eq!(inside(&photos, &absolute).unwrap(), root.join("far/away/day/1.png"));
    }
}
