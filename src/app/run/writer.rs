//! Writes a run's files on a thread of its own, so that training goes on meanwhile: of the 179 ms that saving the dnn takes, the
//! steps wait for 48 (two cores of a Zen 3 EPYC).

use super::recorder::Recorder;
use super::tensorboard::EventFile;
use crate::app::atomic::fault;
use crate::error::{Error, Result};
use crate::model::shape::Dims;
use crate::train::checkpoint::Checkpoint;
use crate::train::event::{EpochMetrics, Event, StepMetrics, Summary, TimeAt};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};

/// What is written of a run.
pub trait Files: Send {
    /// Writes what an event tells.
    ///
    /// # Errors
    /// [`crate::Error::Io`] naming the file that cannot be written.
    fn record(&mut self, event: &Event<'_>) -> Result<()>;

    /// Writes what still waits, of a run that ended early.
    ///
    /// # Errors
    /// As [`Files::record`].
    fn finish(&mut self) -> Result<()>;
}

/// The run's folder, and TensorBoard's files in it where they are asked for.
pub struct Folder<'a> {
    /// Metrics, checkpoints, pictures, summary.
    pub recorder: Recorder<'a>,
    /// For TensorBoard.
    pub events: Option<EventFile>,
}

impl Files for Folder<'_> {
    fn record(&mut self, event: &Event<'_>) -> Result<()> {
        self.recorder.record(event)?;
        self.events.iter_mut().try_for_each(|events| events.record(event))
    }

    fn finish(&mut self) -> Result<()> {
        self.recorder.finish()
    }
}

/// How writing ended.
#[derive(Debug)]
pub struct Written {
    /// The first event that could not be written; none after it was.
    pub recorded: Result<()>,
    /// What [`Files::finish`] gave.
    pub finished: Result<()>,
}

impl Written {
    /// Of a thread that never was, or has told before.
    pub fn nothing() -> Written {
        Written { recorded: Ok(()), finished: Ok(()) }
    }
}

/// Hands events to the thread that writes them, in their order. A checkpoint waits until the one before it is written, so that
/// of those of a run at most two are in memory, and one not on the disk, however slow that is; the numbers in between are small.
pub struct Writer<'scope> {
    /// `None` when all is said.
    events: Option<Sender<Owned>>,
    /// A message for each checkpoint that is written.
    written: Receiver<()>,
    /// Whether such a message is still to come.
    saving: bool,
    thread: Option<ScopedJoinHandle<'scope, Written>>,
}

impl<'scope> Writer<'scope> {
    /// Begins the thread, which ends when the writer does.
    ///
    /// # Errors
    /// [`Error::Output`] where the system begins no more threads.
    pub fn begin<'env>(
        scope: &'scope Scope<'scope, 'env>,
        files: impl Files + 'scope,
    ) -> Result<Writer<'scope>> {
        let ((events, waiting), (tell, written)) = (channel(), channel());
        let faults = fault::shared();
        let begun = move || {
            faults.adopt();
            write(files, &waiting, &tell)
        };
        let thread = Builder::new()
            .name("files".into())
            .spawn_scoped(scope, begun)
            .map_err(|e| Error::Output(format!("no thread could be begun that writes the files: {e}")))?;
        Ok(Writer { events: Some(events), written, saving: false, thread: Some(thread) })
    }

    /// Has the event written, if not at once.
    ///
    /// # Errors
    /// That of an event before it which could not be written.
    pub fn record(&mut self, event: &Event<'_>) -> Result<()> {
        let (Some(event), Some(events)) = (Owned::of(event), &self.events) else { return Ok(()) };
        let saves = matches!(event, Owned::Checkpoint(..));
        let ended = saves && self.saving && self.written.recv().is_err();
        // Nobody takes it: writing has ended, which it does by itself after a failure alone.
        if ended || events.send(event).is_err() {
            return self.end().recorded;
        }
        self.saving |= saves;
        Ok(())
    }

    /// Waits until all is written. The second call has nothing to tell.
    pub fn end(&mut self) -> Written {
        self.events = None;
        self.thread.take().map_or(Written::nothing(), |thread| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

/// Writes events until there are no more, or until one cannot be written; tells of each checkpoint when it is.
fn write(mut files: impl Files, events: &Receiver<Owned>, tell: &Sender<()>) -> Written {
    let mut over = false;
    let mut recorded = Ok(());
    for event in events {
        over = matches!(event, Owned::Finished(_));
        recorded = event.lend(|event| files.record(&event));
        if recorded.is_err() {
            break;
        }
        if matches!(event, Owned::Checkpoint(..)) {
            // Whoever does not listen has ended, and will join this thread.
            let _ = tell.send(());
        }
    }
    let finished = if over { Ok(()) } else { files.finish() };
    Written { recorded, finished }
}

/// An event that outlives what the trainer lends.
enum Owned {
    Steps(Vec<StepMetrics>),
    Epoch(EpochMetrics),
    Samples(u32, Dims, Vec<f32>),
    Checkpoint(u32, TimeAt, Arc<Checkpoint>),
    Finished(Box<Summary>),
}

impl Owned {
    /// `None` where nothing is to be written.
    fn of(event: &Event<'_>) -> Option<Owned> {
        Some(match *event {
            Event::Started(_) | Event::Progress { .. } => return None,
            Event::Steps(steps) => Owned::Steps(steps.to_vec()),
            Event::Epoch(epoch) => Owned::Epoch(epoch.clone()),
            Event::Samples { epoch, dims, images } => Owned::Samples(epoch, dims, images.to_vec()),
            Event::Checkpoint { epoch, time, checkpoint } => {
                Owned::Checkpoint(epoch, time, checkpoint.clone())
            }
            Event::Finished(summary) => Owned::Finished(Box::new(summary.clone())),
        })
    }

    fn lend<T>(&self, to: impl FnOnce(Event<'_>) -> T) -> T {
        to(match self {
            Owned::Steps(steps) => Event::Steps(steps),
            Owned::Epoch(epoch) => Event::Epoch(epoch),
            &Owned::Samples(epoch, dims, ref images) => Event::Samples { epoch, dims, images },
            &Owned::Checkpoint(epoch, time, ref checkpoint) => Event::Checkpoint { epoch, time, checkpoint },
            Owned::Finished(summary) => Event::Finished(summary),
        })
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
