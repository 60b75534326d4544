//! A run that is to train more epochs than it began with, or fewer.

use super::config;
use super::saved::{checkpoints, epochs_begun};
use super::settings::RunSettings;
use crate::error::{Error, Result};
use crate::train::settings::Settings;
use std::path::{Path, PathBuf};

/// A change of a run's epochs, which is written into its folder when it goes on.
#[derive(Debug)]
pub struct Extension {
    /// The new text of `config.toml`.
    pub config_toml: String,
    /// What is to be said of it.
    pub note: String,
}

/// The run in `folder`, whose `config.toml` has the text `config_toml`, with so many `epochs`; `None` where it has so many.
/// `from` is its folder or the checkpoint that it goes on from.
///
/// # Errors
/// [`Error::Usage`] for fewer epochs than have begun, and from a checkpoint that is not the newest: those after it are of
/// another schedule, and stay.
pub fn extend(folder: &Path, from: &Path, config_toml: &str, epochs: u32) -> Result<Option<Extension>> {
    let was = config::read(config_toml, &folder.join("config.toml").display().to_string())?;
    if was.train.epochs == epochs {
        return Ok(None);
    }
    let newest = checkpoints(folder)?.into_iter().next();
    let is_newest = |path: &PathBuf| dunce::canonicalize(path).ok() == dunce::canonicalize(from).ok();
    if from.is_file() && !newest.as_ref().is_some_and(is_newest) {
        return Err(Error::Usage(format!(
            "--epochs: {} is not the run's newest checkpoint: name the folder, or begin a new run with --from",
            from.display()
        )));
    }
    let begun = newest.and_then(|path| epochs_begun(&path)).unwrap_or(0);
    if epochs < begun {
        return Err(Error::Usage(format!(
            "epochs = {epochs}: the run is in epoch {begun} already; use {begun} or more"
        )));
    }
    let note = told(&was.train, epochs);
    let now = RunSettings { train: Settings { epochs, ..was.train }, ..was };
    Ok(Some(Extension { config_toml: now.to_toml()?, note }))
}

/// What becomes of the schedules.
fn told(was: &Settings, epochs: u32) -> String {
    let rates = match was.learning_rate_decay {
        0.0 => "the learning rates stay as they are".to_string(),
        share => format!(
            "from here on the learning rates follow the schedule of {epochs} epochs, falling to 0 over the last {:.0} % of them",
            100.0 * share
        ),
    };
    let ramps = match was.has_terms() {
        true => format!(
            "; the weights of entropy, consistency and balance rise over the run's first {} epochs",
            was.ramp_epochs
        ),
        false => String::new(),
    };
    format!("{epochs} epochs instead of {}: {rates}{ramps}", was.epochs)
}

/// Whether two texts of `config.toml` are of one run, which may have been extended in between, also by a version of the
/// program that knows more settings.
pub fn same_run(a: &str, b: &str) -> bool {
    let of = |text: &str| {
        let settings = config::read(text, "config.toml").ok()?;
        Some(RunSettings { train: Settings { epochs: 0, ..settings.train }, ..settings })
    };
    a == b || of(a).is_some_and(|a| of(b) == Some(a))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_the_same_with_more_epochs_alone() {
        assert!(same_run("epochs = 3\nseed = 1\n", "epochs = 20\nseed = 1\n"));
        assert!(!same_run("epochs = 3\nseed = 1\n", "epochs = 3\nseed = 2\n"));
        // An earlier version had fewer settings: what it did is now their default.
        assert!(same_run("epochs = 3\nseed = 2\n", "epochs = 3\nseed = 2\nprecision = \"f32\"\n"));
        assert!(!same_run("epochs = 3\nseed = 2\n", "epochs = 3\n"));
        assert!(!same_run("=", "=="), "texts that do not read");
    }
}
