//! The folder of a labelling that is not finished, and what is needed to go on with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::calibrate::Calibration;
use super::next::Pool;
use super::sheet::Sheet;
use super::summary::{Summary, Tally};
use super::{Abstain, Options, table};
use crate::app::atomic::{self, fault};
use crate::app::lock::{self, Lock};
use crate::app::text;
use crate::error::{Error, Result};
use crate::text::hex;

/// What has been done, replaced as a whole.
const BOOKMARK: &str = ".bookmark.json";
/// Sources and targets of images in class folders.
const PLACES: &str = ".places.csv";
/// What a process does that holds the folder.
const LABELS: &str = "labels into it";
/// Written last.
const SUMMARY: &str = "summary.json";

/// Everything up to an image: the lengths of the files there, and what is gathered from all images.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Bookmark {
    /// Of the options.
    fingerprint: String,
    /// That the labelling began with.
    pub calibration: Option<Calibration>,
    /// Images, skipped ones too.
    pub done: usize,
    /// Bytes of `labels.csv`.
    pub labels: u64,
    /// Bytes of `skipped.csv`.
    pub skipped: u64,
    /// Whether that has a column for labels, as one that an earlier version began has not.
    #[serde(default)]
    pub skipped_has_labels: bool,
    /// Bytes of the places.
    pub places: u64,
    /// Bytes of the places before which every image is in its folder.
    pub arranged: u64,
    pub tally: Tally,
    pub sheet: Option<Sheet>,
    pub pool: Option<Pool>,
    /// That of a labelling of which only files are left to be moved.
    pub summary: Option<Summary>,
}

impl Bookmark {
    fn new(options: &Options) -> Bookmark {
        let classes = options.class_names.len();
        Bookmark {
            fingerprint: fingerprint(options),
            calibration: options.calibration.clone().ok(),
            done: 0,
            labels: 0,
            skipped: 0,
            skipped_has_labels: false,
            places: 0,
            arranged: 0,
            tally: Tally::new(classes),
            sheet: options.review.then(|| Sheet::new(classes)),
            pool: options.next.map(|wanted| Pool::new(wanted, options.review.then_some(options.image))),
            summary: None,
        }
    }

    /// Whether every class in it is one of K.
    fn fits(&self, classes: usize) -> bool {
        let sheet = self.sheet.as_ref().is_none_or(|sheet| sheet.fits(classes));
        sheet && self.pool.as_ref().is_none_or(|pool| pool.fits(classes))
    }
}

/// Hash of everything that the results depend on, but for the calibration, which is kept: another adapter has it in other last
/// digits.
fn fingerprint(options: &Options) -> String {
    let Options {
        out: _,
        probabilities,
        by_class,
        abstain,
        next,
        image,
        class_names,
        calibration: _,
        // What is of this part is in the identity.
        checkpoint: _,
        part: _,
        in_common: _,
        identity,
        review,
        trains,
    } = options;
    let all = (probabilities, by_class, abstain, next, image, class_names, identity, review, trains);
    // What a wanted precision asks of a threshold has changed once.
    let rule = if matches!(abstain, Abstain::Precision(_)) { " by counts and mean confidence" } else { "" };
    hex(&Sha256::digest(format!("{all:?}{rule}")))
}

/// A folder that this process alone labels into.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: Lock,
}

impl Folder {
    /// Refuses a folder that [`Folder::open`] would refuse whatever is to be labelled, or that nothing can be made in. What it
    /// makes to see that is gone when it returns.
    ///
    /// # Errors
    /// As [`Folder::open`].
    pub fn check(path: &Path) -> Result<()> {
        if path.is_dir() {
            check_known(path)?;
            if path.join(SUMMARY).exists() {
                Folder::hold(path)?.refuse_finished()?;
            }
        } else if path.exists() {
            return Err(lock::in_use(path));
        }
        atomic::check_folder(path)
    }

    /// Makes the folder of a labelling, or goes on in it.
    ///
    /// # Errors
    /// [`Error::Output`] if something else is in it, another labelling, one that is finished, or another process that labels;
    /// [`Error::Io`] naming what cannot be written.
    pub fn open(options: &Options) -> Result<(Folder, Bookmark)> {
        let path = &options.out;
        fault::attempt(|| fs::create_dir_all(path)).map_err(Error::io("create", path))?;
        check_known(path)?;
        let folder = Folder::hold(path)?;
        atomic::sweep(path, Duration::ZERO);
        folder.refuse_finished()?;
        let new = Bookmark::new(options);
        if folder.file(BOOKMARK).exists() {
            let known = folder.load()?;
            let same = known.fingerprint == new.fingerprint;
            if same && !known.fits(options.class_names.len()) {
                return Err(folder.damaged(1, "it is not of this labelling"));
            }
            if same {
                return Ok((folder, known));
            }
            // Where nothing has been done, nothing is lost.
            if known.done > 0 {
                return Err(another(path));
            }
        }
        folder.save(&new)?;
        Ok((folder, new))
    }

    /// The folder of a labelling of which only files are left to be moved, and what it ends with.
    ///
    /// # Errors
    /// [`Error::Output`] where another process labels into it; as [`Folder::load`].
    pub fn moving(path: &Path) -> Result<Option<(Folder, Bookmark, Summary)>> {
        if !path.join(BOOKMARK).is_file() || path.join(SUMMARY).exists() {
            return Ok(None);
        }
        let folder = Folder::hold(path)?;
        let mut bookmark = folder.load()?;
        Ok(bookmark.summary.take().map(|summary| (folder, bookmark, summary)))
    }

    fn hold(path: &Path) -> Result<Folder> {
        Ok(Folder { path: path.into(), _lock: lock::hold(path, LABELS)? })
    }

    /// Refuses a labelling that is finished, and removes what it does not need any more.
    fn refuse_finished(&self) -> Result<()> {
        if !self.file(SUMMARY).exists() {
            return Ok(());
        }
        self.clear();
        Err(finished(&self.path))
    }

    fn load(&self) -> Result<Bookmark> {
        let path = self.file(BOOKMARK);
        let text = text::read_record(&path)?;
        serde_json::from_str(&text).map_err(|e| self.damaged(e.line(), e))
    }

    fn damaged(&self, line: usize, reason: impl std::fmt::Display) -> Error {
        let reason = format!("{reason}: label again with another --out");
        Error::Text { file: self.file(BOOKMARK).display().to_string(), line, reason }
    }

    /// Writes down how far the labelling is.
    pub fn save(&self, bookmark: &Bookmark) -> Result<()> {
        atomic::write_with(&self.file(BOOKMARK), |w| serde_json::to_writer(w, bookmark).map_err(Into::into))
    }

    /// Ends the labelling.
    pub fn finish(&self, summary: &Summary) -> Result<()> {
        let path = self.file(SUMMARY);
        atomic::write(&path, text::json(path.display(), summary)?.as_bytes())?;
        self.clear();
        Ok(())
    }

    /// Removes what a finished labelling does not need, last what makes the next command do this if it is not done.
    fn clear(&self) {
        for name in [PLACES, lock::NAME, BOOKMARK] {
            let _ = fs::remove_file(self.file(name));
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub fn places(&self) -> PathBuf {
        self.file(PLACES)
    }

    /// Calls `put` with the source and target of each image from one place to another.
    pub fn each_place(
        &self,
        from: u64,
        to: u64,
        mut put: impl FnMut(&Path, &Path) -> Result<()>,
    ) -> Result<()> {
        for row in table::rows(&self.places(), from, to)? {
            let row = row?;
            if let (Some(source), Some(target)) = (row.get(0), row.get(1)) {
                put(Path::new(source), Path::new(target))?;
            }
        }
        Ok(())
    }
}

/// Refuses a folder with files that are not a labelling's before anything is made in it.
fn check_known(path: &Path) -> Result<()> {
    let names = fs::read_dir(path).map_err(Error::io("read", path))?.map(|e| e.map(|e| e.file_name()));
    let names: Vec<_> = names.collect::<std::io::Result<_>>().map_err(Error::io("read", path))?;
    let has = |name: &str| names.iter().any(|n| n == name);
    // A process that was killed at once leaves no more than its lock and a temporary file.
    let early =
        |n: &std::ffi::OsString| n == lock::NAME || n.to_str().is_some_and(|n| n.starts_with(".ssgan-"));
    if has(BOOKMARK) || names.iter().all(early) {
        return Ok(());
    }
    if has(SUMMARY) && has("labels.csv") {
        return Err(finished(path));
    }
    Err(lock::in_use(path))
}

pub(super) fn finished(path: &Path) -> Error {
    let path = path.display();
    Error::Output(format!("{path}: the labelling in it is finished: name another --out"))
}

fn another(path: &Path) -> Error {
    let path = path.display();
    Error::Output(format!(
        "{path} has a labelling that was begun with another checkpoint, other images or settings, or another version: repeat its \
         command to go on with it, or name another --out"
    ))
}
