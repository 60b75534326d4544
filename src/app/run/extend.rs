//! A run that is to train more epochs than it began with, or fewer.

use super::config;
use super::folder::{RunDir, checkpoints, epochs_begun};
use super::settings::RunSettings;
use crate::error::{Error, Result};
use crate::train::settings::Settings;
use std::path::Path;
use toml::Table;

/// Writes `epochs` into the `config.toml` of a run, whose text is `config_toml`, and gives its new text and what is to be
/// said of it; `None` where the run has so many. `from` is its folder or the checkpoint that it goes on from.
///
/// # Errors
/// [`Error::Usage`] for fewer epochs than are trained up to `from`; [`Error::Io`].
pub fn extend(
    dir: &mut RunDir,
    from: &Path,
    config_toml: &str,
    epochs: u32,
) -> Result<Option<(String, String)>> {
    let was = config::read(config_toml, &dir.path().join("config.toml").display().to_string())?;
    if was.train.epochs == epochs {
        return Ok(None);
    }
    let newest = if from.is_file() { Some(from.into()) } else { checkpoints(dir.path())?.into_iter().next() };
    let begun = newest.and_then(|path| epochs_begun(&path)).unwrap_or(0);
    if epochs < begun {
        return Err(Error::Usage(format!(
            "epochs = {epochs}: the run is in epoch {begun} already; use {begun} or more"
        )));
    }
    let note = told(&was.train, epochs);
    let now = RunSettings { train: Settings { epochs, ..was.train }, ..was };
    let text = now.to_toml()?;
    dir.write("config.toml", text.as_bytes())?;
    Ok(Some((text, note)))
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
    let ramps = match was.entropy_weight > 0.0 || was.consistency_weight > 0.0 {
        true => format!(
            "; the weights of entropy and consistency rise over the run's first {} epochs",
            was.ramp_epochs
        ),
        false => String::new(),
    };
    format!("{epochs} epochs instead of {}: {rates}{ramps}", was.epochs)
}

/// Whether two texts of `config.toml` are of one run, which may have been extended in between.
pub fn same_run(a: &str, b: &str) -> bool {
    let of = |text: &str| {
        let mut settings: Table = toml::from_str(text).ok()?;
        settings.remove("epochs");
        Some(settings)
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
        assert!(!same_run("epochs = 3\nseed = 1\n", "epochs = 3\n"));
        assert!(!same_run("=", "=="), "texts that do not read");
    }
}
