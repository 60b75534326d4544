//! The folder of a training run, which nobody else has.
//!
//! ```text
//! config.toml      the resolved settings              model.toml       the model file's text
//! env.json         program, adapter, data             labelled.json    indices of the labelled images
//! metrics.csv      one row per step                   metrics.jsonl    one object per step and per epoch
//! checkpoints/epoch-NN.safetensors                    samples/epoch-NN.png
//! checkpoints/superseded/, samples/superseded/        those after the step from which the run went on
//! images.npz       of the user's images: those to test on, hashes of those whose labels were learnt
//! tiles.json       tiles of the matrix products
//! timing.csv       one row per epoch                  .lock            held while a process trains
//! from.safetensors the weights that it began with, where they are another run's
//! plots/losses.png, plots/accuracy.png                confusion.png, summary.json
//! tensorboard/     event files, where they are asked for
//! ```

use super::saved::{CHECKPOINTS, SAMPLES, checkpoints};
use crate::app::atomic::{self, fault};
use crate::app::lock::{self, Lock};
use crate::error::{Error, Result};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The file whose exclusive creation makes a folder this run's own.
const CLAIM: &str = "config.toml";
/// Longest name that a run gets, in bytes: file systems have 255, some that encrypt names 143.
const MOST_NAME: usize = 120;
/// What a process does that holds the folder.
const TRAINS: &str = "trains in it";
/// The folder of event files for TensorBoard.
pub const EVENTS: &str = "tensorboard";

/// A run's folder, made by this process. Dropped before [`RunDir::keep`], it removes what it made, so that a
/// run that never began leaves nothing.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    /// Whether the folder itself is new, not just its content.
    new_folder: bool,
    /// Folders around it that were made for it, the innermost first.
    around: Vec<PathBuf>,
    files: Vec<PathBuf>,
    keep: bool,
    /// Locked as long as it is open.
    lock: Option<Lock>,
}

impl RunDir {
    /// Makes `out`, or takes it if it is an empty folder; without `out` makes
    /// `runs/<UTC time>-<model>-<dataset>`, with `-2`, `-3`, ... appended where another run was as quick.
    /// `config` becomes its `config.toml`.
    ///
    /// # Errors
    /// [`Error::Output`] if `out` is in use, [`Error::Io`] if it cannot be made or written.
    pub fn create(out: Option<&Path>, model: &str, dataset: &str, config: &str) -> Result<RunDir> {
        let parent = out.map_or(Some(Path::new("runs")), Path::parent);
        let around = missing(parent.unwrap_or(Path::new("")));
        let (path, new_folder) = match out {
            Some(path) => (path.to_path_buf(), make_given(path)?),
            None => {
                let stem = name_of(SystemTime::now(), model, dataset);
                (make_fresh(Path::new("runs"), &stem)?, true)
            }
        };
        let mut run = RunDir { path, new_folder, around, files: vec![], keep: false, lock: None };
        let claim = run.path.join(CLAIM);
        match fault::attempt(|| fs::OpenOptions::new().write(true).create_new(true).open(&claim)) {
            Ok(_) => run.files.push(claim),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                run.keep = true;
                return Err(lock::in_use(&run.path));
            }
            Err(e) => return Err(Error::io("write", claim)(e)),
        }
        run.files.push(run.path.join(lock::NAME));
        run.lock = Some(lock::hold(&run.path, TRAINS)?);
        run.write(CLAIM, config.as_bytes())?;
        Ok(run)
    }

    /// Takes the folder of a run that was begun earlier, to go on with it.
    ///
    /// # Errors
    /// [`Error::Output`] if it is no run folder or another process trains in it, [`Error::Io`] if it cannot be
    /// written.
    pub fn reopen(path: &Path) -> Result<RunDir> {
        if !path.join(CLAIM).is_file() {
            let path = path.display();
            return Err(Error::Output(format!(
                "{path} is not a run folder: name one that `ssgan train` made"
            )));
        }
        let lock = lock::hold(path, TRAINS)?;
        // Nobody else writes here now, where locks hold: what a killed process left half written goes.
        let left = if lock.is_exclusive() { Duration::ZERO } else { atomic::LEFT };
        for folder in ["", CHECKPOINTS, SAMPLES, "plots", EVENTS] {
            atomic::sweep(&path.join(folder), left);
        }
        Ok(RunDir {
            path: path.into(),
            new_folder: false,
            around: vec![],
            files: vec![],
            keep: true,
            lock: Some(lock),
        })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether no other process can train in it: some file systems know no locks.
    pub fn is_exclusive(&self) -> bool {
        self.lock.as_ref().is_none_or(Lock::is_exclusive)
    }

    /// From now on the folder stays, whatever happens.
    pub fn keep(&mut self) {
        self.keep = true;
    }

    /// Whether it does.
    pub fn stays(&self) -> bool {
        self.keep
    }

    /// Removes the folder of a run in which nothing was begun, while nobody else can take it.
    ///
    /// # Errors
    /// [`Error::Output`] for one that has checkpoints, [`Error::Io`] if it cannot be removed.
    pub fn discard(mut self) -> Result<()> {
        if let Some(saved) = checkpoints(&self.path)?.first() {
            let (path, saved) = (self.path.display(), saved.display());
            return Err(Error::Output(format!(
                "{path}: has {saved}, but not its settings and model: it cannot be resumed: move it away"
            )));
        }
        let claim = self.path.join(CLAIM);
        fs::remove_file(&claim).map_err(Error::io("remove", claim))?;
        self.unlock();
        fs::remove_dir_all(&self.path).map_err(Error::io("remove", &self.path))
    }

    /// Releases the lock, since Windows keeps the name of a file that is open. Once the claim is gone, nobody takes the folder
    /// for a run to go on with; and nobody makes a run in it while it is not empty.
    fn unlock(&mut self) {
        self.lock = None;
    }

    /// Path of a file `NAME` or `FOLDER/NAME` in the folder, with the system's separators; the inner one is made, the run's own is not: where it has
    /// vanished, most of the run is lost, and that must be said.
    ///
    /// # Errors
    /// [`Error::Io`] if the inner folder cannot be made.
    pub fn file(&self, name: &str) -> Result<PathBuf> {
        let path = self.path.join(Path::new(name).components().collect::<PathBuf>());
        let Some(folder) = path.parent().filter(|folder| *folder != self.path) else { return Ok(path) };
        match make(folder) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(Error::io("create", folder)(e)),
            _ => Ok(path),
        }
    }

    /// Writes a whole file atomically.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file.
    pub fn write(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.file(name)?;
        atomic::write(&path, bytes)?;
        self.files.push(path);
        Ok(())
    }

    /// Writes a value as indented JSON; NaN and infinities become null.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file.
    pub fn write_json(&mut self, name: &str, value: &impl serde::Serialize) -> Result<()> {
        self.write(name, crate::app::text::json(name, value)?.as_bytes())
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        // Only what this run made goes, and a folder only if that leaves it empty.
        let lock = self.path.join(lock::NAME);
        for file in self.files.iter().filter(|f| **f != lock) {
            let _ = fs::remove_file(file);
        }
        self.unlock();
        if self.files.contains(&lock) {
            let _ = fs::remove_file(lock);
        }
        if self.new_folder {
            let _ = fs::remove_dir(&self.path);
            // One that another run is in by now stays.
            for folder in &self.around {
                let _ = fs::remove_dir(folder);
            }
        }
    }
}

/// `folder` and those around it that are not there, the innermost first.
fn missing(folder: &Path) -> Vec<PathBuf> {
    let named = folder.ancestors().take_while(|f| !f.as_os_str().is_empty() && !f.exists());
    named.map(Into::into).collect()
}

/// Makes a folder that stays after a power cut.
fn make(folder: &Path) -> std::io::Result<()> {
    fault::attempt(|| fs::create_dir(folder))?;
    let synced = atomic::sync_parent(folder);
    // A folder that might not outlast a power cut is taken away again, so that an error leaves nothing behind.
    synced.inspect_err(|_| drop(fs::remove_dir(folder)))
}

/// Makes a folder and those around it, where they are not there, likewise.
fn make_all(folder: &Path) -> Result<()> {
    for folder in missing(folder).iter().rev() {
        match make(folder) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(Error::io("create", folder)(e)),
            _ => {}
        }
    }
    Ok(())
}

/// Makes the folder that the user named; `false` if it was there, empty.
fn make_given(path: &Path) -> Result<bool> {
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        make_all(parent)?;
    }
    match make(path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => lock::check_unused(path).map(|()| false),
        Err(e) => Err(Error::io("create", path)(e)),
    }
}

/// Makes the first of `stem`, `stem-2`, `stem-3`, ... that is not there. Making a folder is atomic, so of
/// many processes each gets its own.
fn make_fresh(parent: &Path, stem: &str) -> Result<PathBuf> {
    make_all(parent)?;
    for n in 1..=10_000 {
        let path = parent.join(if n == 1 { stem.to_string() } else { format!("{stem}-{n}") });
        match make(&path) {
            Ok(()) => return Ok(path),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(Error::io("create", path)(e)),
        }
    }
    Err(Error::Output(format!(
        "{} has 10000 runs that began in this second: name a folder with --out",
        parent.display()
    )))
}

/// What a run is called that began at this time, if it has no other name.
fn name_of(began: SystemTime, model: &str, dataset: &str) -> String {
    let mut name = format!("{}-{model}-{dataset}", timestamp(began, true));
    let cut = (0..=MOST_NAME).rev().find(|&at| name.is_char_boundary(at));
    name.truncate(cut.unwrap_or_default());
    name
}

/// UTC as ISO 8601: `2024-05-06T07:08:09Z`, or `20240506T070809Z` where `basic`, which file systems like.
pub fn timestamp(time: SystemTime, basic: bool) -> String {
    let s = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let (days, s) = (s / 86_400, s % 86_400);
    // Years begin in March here, so that a leap day ends one; 719468 days from 1 March 0 to 1970.
    let z = days + 719_468;
    let (era, day) = (z / 146_097, z % 146_097);
    let year_of_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day + 2) / 153;
    let d = day - (153 * month + 2) / 5 + 1;
    let m = if month < 10 { month + 3 } else { month - 9 };
    let y = era * 400 + year_of_era + u64::from(m <= 2);
    let (h, min, sec) = (s / 3600, s / 60 % 60, s % 60);
    if basic {
        format!("{y:04}{m:02}{d:02}T{h:02}{min:02}{sec:02}Z")
    } else {
        format!("{y:04}-{m:02}-{d:02}T{h:02}:{min:02}:{sec:02}Z")
    }
}

/// File name of the images generated after an epoch.
pub fn sample_name(epoch: u32) -> String {
    format!("{SAMPLES}/epoch-{epoch:02}.png")
}

/// The epoch after which the images of a file of this name were generated.
pub(super) fn sampled_epoch(name: &str) -> Option<u32> {
    name.strip_prefix("epoch-")?.strip_suffix(".png")?.parse().ok()
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
