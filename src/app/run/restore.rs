//! Going on from what a run's folder holds: its tiles, and the newest checkpoint that is whole.

use super::checkpoint::{self, in_file};
use super::records::LABELLED;
use super::saved::{CHECKPOINTS, checkpoints};
use super::{extend, history};
use crate::app::report::progress::Progress;
use crate::app::{atomic, text};
use crate::error::{Error, Result};
use crate::native::BlockOn;
use crate::train::checkpoint::Checkpoint;
use crate::train::event::History;
use crate::train::{Tiles, Trainer};
use std::path::Path;

/// The tiles that the run in a folder has; `None` if it has not begun.
pub(super) fn known_tiles(folder: &Path) -> Result<Option<Tiles>> {
    let file = folder.join("tiles.json");
    if !file.exists() {
        // Runs of earlier versions had no choice.
        return Ok(if checkpoints(folder)?.is_empty() { None } else { Some(Tiles::tables()) });
    }
    serde_json::from_str(&text::read_record(&file)?).map(Some).map_err(|e| {
        let file = file.display();
        Error::Output(format!(
            "{file}: {e}; without it the tiles are those of the tables, and the last bits may differ"
        ))
    })
}

/// Refuses a run without checkpoints that has had some, as its end, its epochs, or a link to them that leads nowhere tell: begun
/// anew, it would lose its results. One that was killed before its first has none.
///
/// # Errors
/// [`Error::Checkpoint`]; [`Error::Io`] if the folder cannot be read.
pub(super) fn check_checkpoints(from: &Path, folder: &Path) -> Result<()> {
    let path = folder.join(CHECKPOINTS);
    let leads_nowhere = path.is_symlink() && !path.exists();
    let has_ended = folder.join("summary.json").exists();
    if from.is_file() || !checkpoints(folder)?.is_empty() {
        return Ok(());
    }
    let history = history::load(folder)?;
    // What is timed is saved before the next step's numbers are written.
    let has_saved = history.times.first().is_some_and(|saved| history.steps.len() > saved.step as usize);
    // Where the run was not evaluated, it is timed when it has been saved.
    let evaluated = |step| history.epochs.iter().any(|e| e.step == step);
    let has_saved = has_saved || history.times.iter().any(|saved| !evaluated(saved.step));
    if !leads_nowhere && !has_ended && !has_saved && history.epochs.len() < 2 {
        return Ok(());
    }
    let reason = "the run's checkpoints are gone: put them back, or train anew with another --out".into();
    Err(Error::Checkpoint { path, reason })
}

/// Sets the trainer to the newest checkpoint that is whole and whose steps the metrics know, and says what was done
/// before it; `None` if the run had not come to its first. A checkpoint that was named is taken or refused.
pub(super) fn restore(
    trainer: &mut Trainer,
    (from, folder): (&Path, &Path),
    [config_toml, model_toml]: [&str; 2],
    progress: &Progress,
) -> Result<Option<History>> {
    let history = history::load(folder)?;
    let candidates = if from.is_file() { vec![from.to_path_buf()] } else { checkpoints(folder)? };
    if candidates.is_empty() {
        progress.note("no checkpoint yet: from the first step");
        return Ok(None);
    }
    check_labelled(trainer, folder)?;
    let mut refused = None;
    for path in &candidates {
        let tried = checkpoint::load(path).and_then(|c| {
            for (key, text) in [("config_toml", config_toml), ("model_toml", model_toml)] {
                let theirs = c.meta(key).map_err(in_file(path))?;
                if theirs != text && !(key == "config_toml" && extend::same_run(theirs, text)) {
                    let reason = format!("its {key} is not that of the folder: it belongs to another run");
                    return Err(Error::Checkpoint { path: path.clone(), reason });
                }
            }
            let step = trainer.restore(&c).block_on().map_err(in_file(path))?;
            let known =
                history.until(step, |s| trainer.evaluates_after(s)).ok_or_else(|| Error::Checkpoint {
                    path: path.clone(),
                    reason: match history::damaged_line(folder) {
                        Some(line) => {
                            format!("was saved after step {step}; metrics.jsonl is damaged in line {line}")
                        }
                        None => format!("was saved after step {step}; metrics.jsonl ends before that"),
                    },
                })?;
            Ok((c, known))
        });
        match tried {
            Ok((c, known)) => {
                keep_damaged(folder, progress)?;
                let step = known.steps.len();
                let path = path.display();
                progress.note(&match step < trainer.steps() as usize {
                    true => format!("going on after step {step}, from {path}"),
                    false => format!("nothing is left to train: {path} is of step {step}, the last; --epochs N makes the run longer"),
                });
                warn_of_changes(trainer, &c, progress);
                return Ok(Some(known));
            }
            // A device that failed is no fault of the checkpoint.
            Err(e @ (Error::Checkpoint { .. } | Error::Io { .. })) if candidates.len() > 1 => {
                progress.note(&format!("passed over: {e}"));
                refused.get_or_insert(e);
            }
            Err(e) => return Err(e),
        }
    }
    // There is at least one candidate, and none was taken.
    refused.map_or(Ok(None), Err)
}

/// Where a line of `metrics.jsonl` is damaged, those behind it may be good: they are kept, as the file is cut.
fn keep_damaged(folder: &Path, progress: &Progress) -> Result<()> {
    let Some(line) = history::damaged_line(folder) else { return Ok(()) };
    let (file, kept) = (folder.join(history::METRICS), folder.join("metrics.jsonl.damaged"));
    atomic::write(&kept, &text::bytes(&file, history::MOST)?)?;
    let kept = kept.display();
    progress.note(&format!("metrics.jsonl is damaged in line {line}: the file as it was is kept as {kept}"));
    Ok(())
}

/// What is read back of `labelled.json`; earlier versions wrote less.
#[derive(serde::Deserialize)]
struct Known {
    train: Option<Vec<u32>>,
    validation: Option<Vec<u32>>,
}

/// Refuses to go on with other labels than the run began with, which are written down.
fn check_labelled(trainer: &Trainer, folder: &Path) -> Result<()> {
    let file = folder.join(LABELLED);
    if !file.is_file() {
        return Ok(());
    }
    let known: Known = serde_json::from_str(&text::read_record(&file)?).map_err(|e| {
        let reason = format!(
            "{e}: the file is damaged; without it the labels are chosen anew by the settings, unchecked"
        );
        Error::Checkpoint { path: file.clone(), reason }
    })?;
    let same = |known: Option<Vec<u32>>, now: &[u32]| known.is_none_or(|known| known == now);
    match same(known.train, trainer.labelled()) && same(known.validation, trainer.validation()) {
        true => Ok(()),
        false => Err(Error::Checkpoint {
            path: file,
            reason: "names other images than would be learnt from now: another version of the program chose them; go on with that, \
                     or train anew"
                .into(),
        }),
    }
}

/// Bits are promised on the same adapter, driver and program alone.
fn warn_of_changes(trainer: &Trainer, from: &Checkpoint, progress: &Progress) {
    for (key, now) in trainer.identity() {
        if let Some(then) = from.metadata.get(key).filter(|then| **then != now) {
            progress.note(&format!(
                "the {key} was {then}, now it is {now}: results will differ in their last bits"
            ));
        }
    }
}
