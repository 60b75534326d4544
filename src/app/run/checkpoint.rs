//! Checkpoints and traces in files.

use crate::app::atomic;
use crate::error::{Error, Result};
use crate::train::checkpoint::Checkpoint;
use std::collections::BTreeMap;
use std::path::Path;

/// Largest file that is loaded, in bytes: far above any model of this program, far below an accident.
const MAX_FILE: u64 = 8 << 30;

/// Writes the file atomically. Equal content gives equal bytes.
///
/// # Errors
/// [`Error::Io`] where the file cannot be written; those of [`Checkpoint::head`].
pub fn save(checkpoint: &Checkpoint, path: &Path) -> Result<()> {
    save_with(checkpoint, &BTreeMap::new(), path)
}

/// [`save`] with more metadata; `extra` wins where both have a key.
///
/// # Errors
/// As [`save`].
pub fn save_with(checkpoint: &Checkpoint, extra: &BTreeMap<String, String>, path: &Path) -> Result<()> {
    let head = checkpoint.head(extra).map_err(in_file(path))?;
    atomic::write_with(path, |w| {
        w.write_all(&head)?;
        checkpoint.write_values(w)
    })
}

/// Reads a file that [`save`] or any other safetensors writer made with f32 tensors.
///
/// # Errors
/// [`Error::Io`] where it cannot be read, [`Error::Checkpoint`] where it is not what it should be.
pub fn load(path: &Path) -> Result<Checkpoint> {
    let size = std::fs::metadata(path).map_err(Error::io("read", path))?;
    let bad = |reason: String| Error::Checkpoint { path: path.into(), reason };
    if !size.is_file() {
        return Err(bad("not a file; name a .safetensors file or a run folder".into()));
    }
    if size.len() > MAX_FILE {
        return Err(bad(format!("{} bytes is more than any checkpoint of this program has", size.len())));
    }
    let bytes = crate::app::text::bytes(path, MAX_FILE)?;
    Checkpoint::parse(&bytes).map_err(in_file(path))
}

/// Adds the path to an [`Error::Checkpoint`] of [`Checkpoint::get`] or [`Checkpoint::meta`].
pub fn in_file(path: &Path) -> impl FnOnce(Error) -> Error {
    move |e| match e {
        Error::Checkpoint { path: p, reason } if p.as_os_str().is_empty() => {
            Error::Checkpoint { path: path.into(), reason }
        }
        other => other,
    }
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;
