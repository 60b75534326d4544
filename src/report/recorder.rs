//! Writes a run's folder from the trainer's events.

use super::plot::{Line, Panel, draw};
use super::{confusion, grid};
use crate::error::{Error, Result};
use crate::run_dir::{RunDir, checkpoint_name};
use crate::train::checkpoint::Checkpoint;
use crate::train::event::{EpochMetrics, Event, Observer, StepMetrics, Summary};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

/// Columns of `metrics.csv`. The last eight are filled on the step that ended an evaluated epoch.
pub const CSV_COLUMNS: &str = "step,epoch,loss_supervised,accuracy_labelled,loss_discriminator,loss_unlabelled,\
loss_generated,loss_generator,d_unlabelled,d_generated,test_accuracy,test_accuracy_ema,test_loss,\
validation_accuracy,validation_loss,seconds,ms_per_step,images_per_second";

/// What every checkpoint of a run carries besides the trainer's metadata: the texts that make it
/// self-contained.
pub type Texts = BTreeMap<String, String>;

/// Records into a run folder.
pub struct Recorder<'a> {
    run: &'a mut RunDir,
    texts: Texts,
    csv: LogFile,
    jsonl: LogFile,
    steps_per_epoch: u32,
    steps: Vec<StepMetrics>,
    epochs: Vec<EpochMetrics>,
    /// The newest step, whose row waits for the numbers of an epoch that it may have ended.
    waiting: Option<StepMetrics>,
}

/// One object per line of `metrics.jsonl`: `{"kind": "step", ...}` or `{"kind": "epoch", ...}`.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum JsonRow<'a> {
    Step(&'a StepMetrics),
    Epoch(&'a EpochMetrics),
}

/// A text file that grows while the run goes on, whole lines at a time.
struct LogFile {
    path: PathBuf,
    writer: BufWriter<File>,
}

impl LogFile {
    fn create(path: PathBuf) -> Result<LogFile> {
        let file = File::create(&path).map_err(Error::io("create", &path))?;
        Ok(LogFile { path, writer: BufWriter::new(file) })
    }

    fn line(&mut self, text: &str) -> Result<()> {
        writeln!(self.writer, "{text}").map_err(Error::io("write", &self.path))
    }

    fn flush(&mut self) -> Result<()> {
        self.writer.flush().map_err(Error::io("write", &self.path))
    }
}

impl<'a> Recorder<'a> {
    /// Starts the metrics files; from here on the folder is kept.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file that cannot be made.
    pub fn new(run: &'a mut RunDir, texts: Texts) -> Result<Recorder<'a>> {
        run.keep();
        let mut csv = LogFile::create(run.file("metrics.csv")?)?;
        let jsonl = LogFile::create(run.file("metrics.jsonl")?)?;
        csv.line(CSV_COLUMNS)?;
        csv.flush()?;
        Ok(Recorder {
            run,
            texts,
            csv,
            jsonl,
            steps_per_epoch: 1,
            steps: vec![],
            epochs: vec![],
            waiting: None,
        })
    }

    /// [`Observer::on`] for an event that others see too.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file that cannot be written.
    pub fn record(&mut self, event: &Event<'_>) -> Result<()> {
        match *event {
            Event::Started(s) => {
                self.steps_per_epoch = s.steps_per_epoch.max(1);
                Ok(())
            }
            Event::Steps(steps) => self.on_steps(steps),
            Event::Epoch(epoch) => self.on_epoch(epoch),
            Event::Samples { epoch, dims, images } => {
                let path = self.run.file(&format!("samples/epoch-{epoch:02}.png"))?;
                grid::grid(images, dims).save(&path)
            }
            Event::Checkpoint { epoch, checkpoint } => self.on_checkpoint(epoch, checkpoint),
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
        if self.steps.is_empty() { Ok(()) } else { self.write_plots() }
    }

    fn on_steps(&mut self, steps: &[StepMetrics]) -> Result<()> {
        for step in steps {
            self.write_waiting(None)?;
            self.waiting = Some(*step);
            let row = json(&JsonRow::Step(step))?;
            self.jsonl.line(&row)?;
        }
        self.steps.extend_from_slice(steps);
        self.csv.flush()?;
        self.jsonl.flush()
    }

    fn on_epoch(&mut self, epoch: &EpochMetrics) -> Result<()> {
        let ended = self.waiting.is_some_and(|w| w.step == epoch.step);
        self.write_waiting(ended.then_some(epoch))?;
        let row = json(&JsonRow::Epoch(epoch))?;
        self.jsonl.line(&row)?;
        self.epochs.push(epoch.clone());
        self.csv.flush()?;
        self.jsonl.flush()?;
        self.write_plots()
    }

    fn write_waiting(&mut self, epoch: Option<&EpochMetrics>) -> Result<()> {
        match self.waiting.take() {
            Some(step) => self.csv.line(&csv_row(&step, self.steps_per_epoch, epoch)),
            None => Ok(()),
        }
    }

    fn on_checkpoint(&mut self, epoch: u32, checkpoint: &Checkpoint) -> Result<()> {
        let step: Option<u64> = checkpoint.metadata.get("step").and_then(|s| s.parse().ok());
        let partial = step.is_some_and(|s| s != u64::from(epoch) * u64::from(self.steps_per_epoch));
        let path = self.run.file(&checkpoint_name(epoch, partial))?;
        checkpoint.save_with(&path, &self.texts)
    }

    fn on_finished(&mut self, summary: &Summary) -> Result<()> {
        self.finish()?;
        if !summary.confusion.is_empty() {
            confusion::picture(&summary.confusion).save(&self.run.file("confusion.png")?)?;
        }
        self.run.write_json("summary.json", summary)
    }

    fn write_plots(&mut self) -> Result<()> {
        draw(&loss_panels(&self.steps)).save(&self.run.file("plots/losses.png")?)?;
        draw(&[accuracy_panel(&self.epochs)]).save(&self.run.file("plots/accuracy.png")?)
    }
}

impl Observer for Recorder<'_> {
    fn on(&mut self, event: Event<'_>) -> Result<()> {
        self.record(&event)
    }
}

fn json(row: &JsonRow<'_>) -> Result<String> {
    serde_json::to_string(row).map_err(|e| Error::Output(format!("metrics.jsonl: {e}")))
}

/// A number, or nothing where there is none.
fn cell(v: f64) -> String {
    if v.is_finite() { v.to_string() } else { String::new() }
}

/// The shortest text that reads back as the same f32.
fn cell32(v: f32) -> String {
    if v.is_finite() { v.to_string() } else { String::new() }
}

fn csv_row(m: &StepMetrics, steps_per_epoch: u32, epoch: Option<&EpochMetrics>) -> String {
    let mut cells = vec![m.step.to_string(), (m.step.saturating_sub(1) / steps_per_epoch + 1).to_string()];
    let values = [
        m.loss_supervised,
        m.accuracy_labelled,
        m.loss_discriminator,
        m.loss_unlabelled,
        m.loss_generated,
        m.loss_generator,
        m.d_unlabelled,
        m.d_generated,
    ];
    cells.extend(values.map(cell32));
    match epoch {
        Some(e) => {
            let some = |v: Option<f32>| v.map_or(String::new(), cell32);
            cells.extend([cell32(e.test_accuracy), cell32(e.test_accuracy_ema), cell32(e.test_loss)]);
            cells.extend([some(e.validation_accuracy), some(e.validation_loss)]);
            cells.extend([e.seconds, e.ms_per_step, e.images_per_second].map(cell));
        }
        None => cells.extend(std::iter::repeat_n(String::new(), 8)),
    }
    cells.join(",")
}

fn loss_panels(steps: &[StepMetrics]) -> Vec<Panel> {
    type Of = fn(&StepMetrics) -> f32;
    let line = |(name, of): (&str, Of)| Line {
        name: name.into(),
        points: steps.iter().map(|m| (f64::from(m.step), f64::from(of(m)))).collect(),
    };
    let there = |l: &Line| l.points.iter().any(|p| p.1.is_finite());
    let panel = |title: &str, y: &str, lines: Vec<(&str, Of)>| Panel {
        title: title.into(),
        x_label: "step".into(),
        y_label: y.into(),
        lines: lines.into_iter().map(line).filter(there).collect(),
        include: vec![0.0],
    };
    let d: Vec<(&str, Of)> = vec![
        ("supervised", |m| m.loss_supervised),
        ("unlabelled", |m| m.loss_unlabelled),
        ("generated", |m| m.loss_generated),
    ];
    let mut panels = vec![panel("Discriminator losses", "nats", d)];
    let g = panel("Generator loss", "feature matching", vec![("feature matching", |m| m.loss_generator)]);
    if !g.lines.is_empty() {
        panels.push(g);
    }
    panels
}

fn accuracy_panel(epochs: &[EpochMetrics]) -> Panel {
    type Of = fn(&EpochMetrics) -> f32;
    let lines: [(&str, Of); 4] = [
        ("test", |e| e.test_accuracy),
        ("test, averaged parameters", |e| e.test_accuracy_ema),
        ("validation", |e| e.validation_accuracy.unwrap_or(f32::NAN)),
        ("labelled minibatches", |e| e.mean.accuracy_labelled),
    ];
    let line = |(name, of): (&str, Of)| Line {
        name: name.into(),
        points: epochs.iter().map(|e| (f64::from(e.epoch), f64::from(of(e)))).collect(),
    };
    let there = |l: &Line| l.points.iter().any(|p| p.1.is_finite());
    Panel {
        title: "Accuracy".into(),
        x_label: "epoch".into(),
        y_label: "share classified rightly".into(),
        lines: lines.into_iter().map(line).filter(there).collect(),
        include: vec![1.0],
    }
}

#[cfg(test)]
#[path = "recorder_tests.rs"]
mod tests;
