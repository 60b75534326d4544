//! Writes a run's folder from the trainer's events.

use super::checkpoint::save_with;
use super::curves::{accuracy_panel, loss_panels};
use super::history::{JsonRow, TIMING_COLUMNS};
use crate::app::atomic::{self, LogFile};
use crate::app::report::plot::{Panel, draw};
use crate::app::report::png::Picture;
use crate::app::report::progress::say;
use crate::app::report::{confusion, grid};
use crate::app::run::folder::{RunDir, sample_name};
use crate::app::run::saved::{checkpoint_name, checkpoints, supersede, within_epoch};
use crate::error::{Error, Result};
use crate::train::checkpoint::Checkpoint;
use crate::train::event::{EpochMetrics, Event, History, StepMetrics, Summary, TimeAt};
use std::collections::BTreeMap;
use std::path::Path;

/// Columns of `metrics.csv`. The last five are filled on the step that ended an evaluated epoch.
pub fn csv_columns() -> String {
    let step = StepMetrics::NAMES.join(",");
    format!("step,epoch,{step},test_accuracy,test_accuracy_ema,test_loss,validation_accuracy,validation_loss")
}

/// What every checkpoint of a run carries besides the trainer's metadata: the texts that make it
/// self-contained.
pub type Texts = BTreeMap<String, String>;

/// What comes of plots that could not be drawn.
const OLD_PLOTS: &str = "the plots stay as they were until they can be drawn";
/// Of a checkpoint that could not be removed.
const OLD_CHECKPOINT: &str = "the old checkpoint stays for now";
/// Of one that is of a later step than the run goes on from, and cannot be moved.
const LATER_CHECKPOINT: &str = "until it is written over it counts as newer than what is trained now";
/// Of generated images.
const OLD_SAMPLES: &str = "their picture is written when it can be";
/// Of the confusion matrix, at the end.
const OLD_CONFUSION: &str = "summary.json has the numbers";
/// Pictures that are held until they can be written.
const MOST_PICTURES: usize = 8;

/// Records into a run folder.
pub struct Recorder<'a> {
    run: &'a mut RunDir,
    texts: Texts,
    csv: LogFile,
    jsonl: LogFile,
    timing: LogFile,
    steps_per_epoch: u32,
    history: History,
    /// Checkpoints that stay; all if `None`.
    keep: Option<usize>,
    /// The newest step, whose row waits for the numbers of an epoch that it may have ended.
    waiting: Option<StepMetrics>,
    /// Generated images whose picture could not be written yet, and its name.
    samples: Vec<(String, Picture)>,
    /// The end that the run had when it was taken up, where nothing is trained since.
    former: Option<Summary>,
    /// What was said once of files that training does not need.
    said: Vec<&'static str>,
    /// Says it to the user.
    say: fn(&str),
}

impl<'a> Recorder<'a> {
    /// Starts the metrics files with what is known of the run already; from here on the folder is kept.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file that cannot be made.
    pub fn new(
        run: &'a mut RunDir,
        texts: Texts,
        history: History,
        steps_per_epoch: u32,
    ) -> Result<Recorder<'a>> {
        run.keep();
        let steps_per_epoch = steps_per_epoch.max(1);
        let mut csv = vec![csv_columns()];
        let mut jsonl = vec![];
        let timing: Vec<String> =
            std::iter::once(TIMING_COLUMNS.to_string()).chain(history.times.iter().map(timing_row)).collect();
        let mut waiting = None;
        let mut epochs = history.epochs.iter().peekable();
        for step in &history.steps {
            let epoch = epochs.next_if(|e| e.step == step.step);
            match epoch {
                // It may still be evaluated.
                None if step.step as usize == history.steps.len() => waiting = Some(*step),
                _ => csv.push(csv_row(step, steps_per_epoch, epoch)),
            }
            jsonl.push(json(&JsonRow::Step(*step))?);
            if let Some(e) = epoch {
                jsonl.push(json(&JsonRow::Epoch(e.clone()))?);
            }
        }
        let csv = LogFile::with(run.file("metrics.csv")?, &csv)?;
        let jsonl = LogFile::with(run.file("metrics.jsonl")?, &jsonl)?;
        let timing = LogFile::with(run.file("timing.csv")?, &timing)?;
        // Of a run that is taken back to before its end, it would state what is no longer so. Last: where nothing can be written, a
        // finished run keeps it.
        let summary = run.file("summary.json")?;
        let former = crate::app::text::read_record(&summary).ok().and_then(|s| serde_json::from_str(&s).ok());
        atomic::remove(&summary)?;
        Ok(Recorder {
            samples: vec![],
            former,
            csv,
            jsonl,
            timing,
            run,
            texts,
            steps_per_epoch,
            history,
            keep: None,
            waiting,
            said: vec![],
            say,
        })
    }

    /// Moves aside what a run had left that went on from before it ([`supersede`]), and says so.
    pub fn supersede(&mut self) {
        let done = supersede(self.run.path(), self.history.steps.len() as u32, self.steps_per_epoch);
        if let Ok(1..) = done {
            (self.say)(
                "later checkpoints are in checkpoints/superseded now: they are of a course that this run has left",
            );
        }
        self.go_on_without(done.map(drop), LATER_CHECKPOINT);
    }

    /// From now on, after each save, the checkpoints before the `keep` newest up to that one are removed, but for the one
    /// of the epoch with the highest validation accuracy; with `None` all stay. Runs that hold no labelled images out have
    /// nothing to choose by: the test images are for the report.
    pub fn keep(&mut self, keep: Option<usize>) {
        self.keep = keep;
    }

    /// Writes what an event tells.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file that cannot be written.
    pub fn record(&mut self, event: &Event<'_>) -> Result<()> {
        match *event {
            Event::Started(_) | Event::Progress { .. } => Ok(()),
            Event::Steps(steps) => self.on_steps(steps),
            Event::Epoch(epoch) => self.on_epoch(epoch),
            Event::Samples { epoch, dims, images } => {
                self.samples.push((sample_name(epoch), grid::grid(images, dims)));
                self.write_samples();
                Ok(())
            }
            Event::Checkpoint { epoch, time, checkpoint } => self.on_checkpoint((epoch, time), checkpoint),
            Event::Finished(summary) => self.on_finished(summary),
        }
    }

    /// Writes what still waits, and the plots: for runs that end early.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file.
    pub fn finish(&mut self) -> Result<()> {
        self.write_waiting(None)?;
        self.csv.flush()?;
        self.jsonl.flush()?;
        self.write_samples();
        if !self.history.steps.is_empty() {
            self.write_plots();
        }
        Ok(())
    }

    fn on_steps(&mut self, steps: &[StepMetrics]) -> Result<()> {
        self.former = None;
        for step in steps {
            self.write_waiting(None)?;
            self.waiting = Some(*step);
            let row = json(&JsonRow::Step(*step))?;
            self.jsonl.line(&row)?;
        }
        self.history.steps.extend_from_slice(steps);
        self.csv.flush()?;
        self.jsonl.flush()
    }

    fn on_epoch(&mut self, epoch: &EpochMetrics) -> Result<()> {
        let ended = self.waiting.is_some_and(|w| w.step == epoch.step);
        self.write_waiting(ended.then_some(epoch))?;
        let row = json(&JsonRow::Epoch(epoch.clone()))?;
        self.jsonl.line(&row)?;
        self.csv.flush()?;
        self.jsonl.flush()?;
        // After it: a time without an evaluation is that of a checkpoint.
        self.on_time(TimeAt { epoch: epoch.epoch, step: epoch.step, time: epoch.time })?;
        self.history.epochs.push(epoch.clone());
        self.write_plots();
        Ok(())
    }

    /// One row for a step: where the run was evaluated it has been written, and before the first there is nothing to say.
    fn on_time(&mut self, at: TimeAt) -> Result<()> {
        if at.step == 0 || self.history.times.last().is_some_and(|t| t.step >= at.step) {
            return Ok(());
        }
        self.history.times.push(at);
        self.timing.line(&timing_row(&at))?;
        self.timing.flush()
    }

    fn write_waiting(&mut self, epoch: Option<&EpochMetrics>) -> Result<()> {
        match self.waiting.take() {
            Some(step) => self.csv.line(&csv_row(&step, self.steps_per_epoch, epoch)),
            None => Ok(()),
        }
    }

    fn on_checkpoint(&mut self, (epoch, time): (u32, TimeAt), checkpoint: &Checkpoint) -> Result<()> {
        let step = time.step;
        self.write_waiting(None)?;
        self.csv.sync()?;
        self.jsonl.sync()?;
        let within = (step != epoch.saturating_mul(self.steps_per_epoch)).then_some(step);
        let path = self.run.file(&checkpoint_name(epoch, within))?;
        save_with(checkpoint, &self.texts, &path)?;
        // After it, likewise.
        self.on_time(time)?;
        self.timing.sync()?;
        // Of an epoch under way one is enough.
        if within.is_some() {
            for old in within_epoch(self.run.path(), epoch)?.into_iter().filter(|c| *c != path) {
                self.remove_checkpoint(&old);
            }
        }
        let Some(keep) = self.keep else { return Ok(()) };
        // Later ones, of a run that goes on from before them, are written over one by one.
        let earlier = checkpoints(self.run.path())?.into_iter().skip_while(|c| *c != path);
        let best = self.best_epoch().map(|epoch| self.run.path().join(checkpoint_name(epoch, None)));
        for old in earlier.skip(keep).filter(|c| Some(c) != best.as_ref()) {
            self.remove_checkpoint(&old);
        }
        Ok(())
    }

    fn remove_checkpoint(&mut self, old: &Path) {
        let removed = atomic::remove(old);
        self.go_on_without(removed, OLD_CHECKPOINT);
    }

    /// The epoch with the highest validation accuracy, of equals the latest; one that was ended early has no checkpoint of its
    /// own.
    fn best_epoch(&self) -> Option<u32> {
        let whole = self.history.epochs.iter().filter(|e| e.step.is_multiple_of(self.steps_per_epoch));
        let validated = whole.filter_map(|e| Some((e.validation_accuracy?, e.epoch)));
        validated.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, epoch)| epoch)
    }

    fn on_finished(&mut self, summary: &Summary) -> Result<()> {
        self.finish()?;
        let summary = match self.former.take().filter(|former| former.steps == summary.steps) {
            // Nothing was trained: the times are those of the device that did.
            Some(Summary { adapter, driver, backend, ms_per_save, gpu_bytes, host_peak_bytes, .. }) => {
                Summary {
                    adapter,
                    driver,
                    backend,
                    ms_per_save,
                    gpu_bytes,
                    host_peak_bytes,
                    ..summary.clone()
                }
            }
            None => summary.clone(),
        };
        self.run.write_json("summary.json", &summary)?;
        if !summary.confusion.is_empty() {
            let picture = confusion::picture(&summary.confusion, &summary.class_names);
            let written = self.run.file("confusion.png").and_then(|path| picture.save(&path));
            self.go_on_without(written, OLD_CONFUSION);
        }
        Ok(())
    }

    fn write_samples(&mut self) {
        let mut failed = Ok(());
        for (name, picture) in std::mem::take(&mut self.samples) {
            if let Err(e) = self.run.file(&name).and_then(|path| picture.save(&path)) {
                self.samples.push((name, picture));
                failed = failed.and(Err(e));
            }
        }
        let many = self.samples.len().saturating_sub(MOST_PICTURES);
        self.samples.drain(..many);
        self.go_on_without(failed, OLD_SAMPLES);
    }

    fn write_plots(&mut self) {
        let drawn = self.draw_plots();
        self.go_on_without(drawn, OLD_PLOTS);
    }

    fn draw_plots(&self) -> Result<()> {
        let save = |name: &str, panels: &[Panel]| -> Result<()> {
            let path = self.run.file(name)?;
            draw(panels).save(&path)
        };
        let losses = save("plots/losses.png", &loss_panels(&self.history.steps));
        // Where one cannot be replaced, the other may.
        losses.and(save("plots/accuracy.png", &[accuracy_panel(&self.history.epochs)]))
    }

    /// A failure that ends no run: on Windows a program that shows a file keeps it from being replaced. `instead` says what
    /// comes of it; the first of a kind is told.
    fn go_on_without(&mut self, done: Result<()>, instead: &'static str) {
        let Err(e) = done else { return };
        if !self.said.contains(&instead) {
            self.said.push(instead);
            (self.say)(&format!("{e}; {instead}"));
        }
    }
}

fn json(row: &JsonRow) -> Result<String> {
    serde_json::to_string(row).map_err(|e| Error::Output(format!("metrics.jsonl: {e}")))
}

fn timing_row(e: &TimeAt) -> String {
    let t = e.time;
    format!("{},{},{},{},{}", e.epoch, e.step, t.seconds, t.ms_per_step, t.images_per_second)
}

/// The shortest text that reads back as the same f32.
fn cell32(v: f32) -> String {
    if v.is_finite() { v.to_string() } else { String::new() }
}

fn csv_row(m: &StepMetrics, steps_per_epoch: u32, epoch: Option<&EpochMetrics>) -> String {
    let mut cells = vec![m.step.to_string(), (m.step.saturating_sub(1) / steps_per_epoch + 1).to_string()];
    cells.extend(m.values().map(cell32));
    match epoch {
        Some(e) => {
            let some = |v: Option<f32>| v.map_or(String::new(), cell32);
            cells.extend([cell32(e.test_accuracy), cell32(e.test_accuracy_ema), cell32(e.test_loss)]);
            cells.extend([some(e.validation_accuracy), some(e.validation_loss)]);
        }
        None => cells.extend(std::iter::repeat_n(String::new(), 5)),
    }
    cells.join(",")
}

#[cfg(test)]
#[path = "recorder_tests.rs"]
mod tests;
