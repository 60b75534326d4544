//! The checkpoints of a run: how they are called, which is the newest, and which run one is of.

use super::folder::sampled_epoch;
use crate::app::atomic::{self, fault};
use crate::error::{Error, Result};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The folder of checkpoints.
pub(super) const CHECKPOINTS: &str = "checkpoints";
/// The folder of pictures of generated images.
pub(super) const SAMPLES: &str = "samples";
/// In each of them, what a run had left there that went on from before it.
const SUPERSEDED: &str = "superseded";

/// File name of a checkpoint after `epoch` whole epochs; in the middle of the next one, after which `step` of the run.
pub fn checkpoint_name(epoch: u32, step: Option<u32>) -> String {
    let step = step.map_or(String::new(), |step| format!("-step-{step}"));
    format!("{CHECKPOINTS}/epoch-{epoch:02}{step}.safetensors")
}

/// Whole epochs and, in the middle of the next one, the step: the order of checkpoints.
type Age = (u32, Option<u32>);

fn checkpoint_age(name: &str) -> Option<Age> {
    let middle = name.strip_prefix("epoch-")?.strip_suffix(".safetensors")?;
    match middle.split_once('-') {
        // As earlier versions called them; there was one for an epoch.
        Some((n, "interrupted")) => Some((n.parse().ok()?, Some(0))),
        Some((n, step)) => Some((n.parse().ok()?, Some(step.strip_prefix("step-")?.parse().ok()?))),
        None => Some((middle.parse().ok()?, None)),
    }
}

/// Epochs that a run has begun when it saves under this name; `None` for a name that is no checkpoint's.
pub fn epochs_begun(checkpoint: &Path) -> Option<u32> {
    let (whole, partial) = checkpoint_age(checkpoint.file_name()?.to_str()?)?;
    Some(whole + u32::from(partial.is_some()))
}

/// The checkpoints of a run folder, the newest first.
///
/// # Errors
/// [`Error::Io`] if the folder cannot be read.
pub fn checkpoints(run: &Path) -> Result<Vec<PathBuf>> {
    Ok(aged(run)?.into_iter().map(|(_, path)| path).collect())
}

/// Those in the middle of the epoch after `epoch` whole ones.
///
/// # Errors
/// As [`checkpoints`].
pub fn within_epoch(run: &Path, epoch: u32) -> Result<Vec<PathBuf>> {
    let within = |(age, _): &(Age, PathBuf)| age.0 == epoch && age.1.is_some();
    Ok(aged(run)?.into_iter().filter(within).map(|(_, path)| path).collect())
}

/// Moves the checkpoints after a step, and the samples of later epochs, into a folder `superseded` beside them, over what has
/// their name there: to a run that goes on from that step they are none of its own. How many checkpoints were moved.
///
/// # Errors
/// [`Error::Io`] naming the first file that cannot be moved, after the others.
pub fn supersede(run: &Path, step: u32, steps_per_epoch: u32) -> Result<usize> {
    let later = |&(epoch, within): &Age| match within {
        // Of earlier versions, whose names tell the epoch alone.
        Some(0) => epoch.saturating_mul(steps_per_epoch) >= step,
        Some(at) => at > step,
        None => epoch.saturating_mul(steps_per_epoch) > step,
    };
    let begun = step.div_ceil(steps_per_epoch);
    let checkpoints = named(&run.join(CHECKPOINTS), |name| checkpoint_age(name).filter(later));
    let samples = named(&run.join(SAMPLES), |name| sampled_epoch(name).filter(|epoch| *epoch > begun));
    let (checkpoints, samples) = (checkpoints.unwrap_or_default(), samples.unwrap_or_default());
    let files = checkpoints.iter().map(|(_, path)| path).chain(samples.iter().map(|(_, path)| path));
    files.map(|path| put_aside(path)).fold(Ok(()), Result::and).map(|()| checkpoints.len())
}

fn put_aside(path: &Path) -> Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let aside = folder.join(SUPERSEDED);
    match fault::attempt(|| fs::create_dir(&aside)) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(Error::io("create", aside)(e)),
        _ => {}
    }
    atomic::waiting(|| fs::rename(path, aside.join(name))).map_err(Error::io("move", path))
}

fn aged(run: &Path) -> Result<Vec<(Age, PathBuf)>> {
    let sub = run.join(CHECKPOINTS);
    let folder = if sub.is_dir() { sub } else { run.to_path_buf() };
    let mut found = named(&folder, checkpoint_age)?;
    found.sort_by_key(|(age, _)| std::cmp::Reverse(*age));
    Ok(found)
}

/// The files in a folder that `of` finds something in the names of, and that.
fn named<T>(folder: &Path, of: impl Fn(&str) -> Option<T>) -> Result<Vec<(T, PathBuf)>> {
    let entries = fs::read_dir(folder).map_err(Error::io("read", folder))?;
    let found = entries.flatten().filter_map(|e| Some((of(e.file_name().to_str()?)?, e.path())));
    Ok(found.collect())
}

/// What a user means by `RUN|CHECKPOINT`: a file itself, or a run folder's newest checkpoint.
///
/// # Errors
/// [`Error::Io`] if there is no such thing, [`Error::Checkpoint`] if the folder has none.
pub fn resolve_checkpoint(run_or_file: &Path) -> Result<PathBuf> {
    let meta = fs::metadata(run_or_file).map_err(Error::io("read", run_or_file))?;
    if !meta.is_dir() {
        return Ok(run_or_file.to_path_buf());
    }
    match checkpoints(run_or_file)?.into_iter().next() {
        Some(path) => Ok(path),
        None => Err(Error::Checkpoint {
            path: run_or_file.into(),
            reason:
                "no checkpoints/epoch-NN.safetensors in this folder; name a run folder or a .safetensors file"
                    .into(),
        }),
    }
}

/// A run folder, or that of one of its checkpoints, to go on with.
///
/// # Errors
/// [`Error::Output`] for another file, or none, and for a checkpoint that was superseded; [`Error::Io`] if it cannot be read.
pub(super) fn run_folder(from: &Path) -> Result<PathBuf> {
    if !from.exists() {
        let from = from.display();
        return Err(Error::Output(format!(
            "{from}: there is no such run folder or checkpoint: name one that `ssgan train` made"
        )));
    }
    if !from.is_file() {
        return Ok(from.into());
    }
    if from.parent().is_some_and(|folder| folder.ends_with(SUPERSEDED)) {
        let from = from.display();
        return Err(Error::Output(format!(
            "{from}: its run went on from before it: begin a new run with --from"
        )));
    }
    let Some(folder) = run_of(from)? else {
        let from = from.display();
        return Err(Error::Output(format!(
            "{from} is not a run folder: name one that `ssgan train` made, or a file of its checkpoints"
        )));
    };
    // As the user wrote it where that is enough.
    let saved = from.parent().filter(|saved| saved.ends_with(CHECKPOINTS));
    let written = saved.and_then(Path::parent).filter(|p| !p.as_os_str().is_empty());
    Ok(written.map_or(folder, Into::into))
}

/// The run folder that a checkpoint lies in, if it does: by its path as it is named, whose folder of checkpoints may be a link to
/// another disk, or by where the file is.
///
/// # Errors
/// [`Error::Io`] if it cannot be read.
pub(super) fn run_of(checkpoint: &Path) -> Result<Option<PathBuf>> {
    let cannot = || Error::io("read", checkpoint);
    let real = dunce::canonicalize(checkpoint).map_err(cannot())?;
    // The whole path: in that folder a file's name alone is one, too.
    let named = std::path::absolute(checkpoint).map_err(cannot())?;
    let run = |path: &Path| {
        let folder = path.parent()?;
        let saved = if folder.ends_with(SUPERSEDED) { folder.parent()? } else { folder };
        saved.parent().filter(|_| saved.ends_with(CHECKPOINTS)).map(PathBuf::from)
    };
    Ok(run(&named).or_else(|| run(&real)))
}

#[cfg(test)]
#[path = "saved_tests.rs"]
mod tests;
