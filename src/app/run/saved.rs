//! The checkpoints of a run: how they are called, which is the newest, and which run one is of.

use crate::error::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of checkpoints.
pub(super) const CHECKPOINTS: &str = "checkpoints";

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

fn aged(run: &Path) -> Result<Vec<(Age, PathBuf)>> {
    let sub = run.join(CHECKPOINTS);
    let folder = if sub.is_dir() { sub } else { run.to_path_buf() };
    let entries = fs::read_dir(&folder).map_err(Error::io("read", &folder))?;
    let mut found: Vec<_> = entries
        .filter_map(|e| e.ok())
        .filter_map(|e| Some((checkpoint_age(e.file_name().to_str()?)?, e.path())))
        .collect();
    found.sort_by_key(|(age, _)| std::cmp::Reverse(*age));
    Ok(found)
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

/// A run folder, or that of one of its checkpoints.
///
/// # Errors
/// [`Error::Output`] for another file, or none; [`Error::Io`] if it cannot be read.
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
        let saved = path.parent().filter(|folder| folder.ends_with(CHECKPOINTS))?;
        saved.parent().map(PathBuf::from)
    };
    Ok(run(&named).or_else(|| run(&real)))
}

#[cfg(test)]
#[path = "saved_tests.rs"]
mod tests;
