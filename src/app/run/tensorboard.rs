//! Event files for TensorBoard: the numbers of every step and evaluation, and the generated images.
//!
//! An event file is a sequence of TFRecords, each around a protobuf message: the message's length as 8 bytes, a checksum
//! of these, the message, a checksum of it; all little-endian, the checksums CRC-32C, masked
//! (<https://www.tensorflow.org/tutorials/load_data/tfrecord>).
//!
//! A process that goes on with a run leaves the files as they are and begins the next one with the mark of a restart,
//! `SessionLog.START`, at the first step that it does: what earlier files say of that step and of later ones, TensorBoard
//! drops.

mod proto;

use self::proto::{Image, Message, SessionLog, Summary, Value};
use super::folder::{EVENTS, RunDir};
use crate::app::atomic::LogFile;
use crate::app::report::grid;
use crate::error::{Error, Result};
use crate::model::shape::Dims;
use crate::train::event::{EpochMetrics, Event, History, StepMetrics};
use crc::{CRC_32_ISCSI, Crc};
use prost::Message as _;
use std::io::ErrorKind;
use std::path::Path;
use std::time::SystemTime;

/// What the files' names begin with, before a number of four digits: TensorBoard takes what has `tfevents` in its name, in the
/// order of the names.
const NAME: &str = "events.out.tfevents.";

/// The version of event files that this is.
const VERSION: &str = "brain.Event:2";

/// CRC-32C, of Castagnoli.
const CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// Added to a checksum when its bits have been rotated.
const MASK: u32 = 0xa282_ead8;

/// The event file of one process.
#[derive(Debug)]
pub struct EventFile {
    log: LogFile,
    /// Steps of the run that are written.
    step: u32,
}

impl EventFile {
    /// Begins the next file of a run that knows `known` already; `None` where nobody asks for one and the run has none yet.
    /// The first file of a run tells what was before it as well, but for the images.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file or folder that cannot be made or read.
    pub fn begin(run: &mut RunDir, known: &History, asked: bool) -> Result<Option<EventFile>> {
        let newest = newest(&run.path().join(EVENTS))?;
        if newest == 0 && !asked {
            return Ok(None);
        }
        run.keep();
        let step = known.steps.len() as u32;
        let mut bytes = record(&Message { file_version: Some(VERSION.into()), ..message(0) });
        let start = SessionLog { status: proto::START };
        let from = if newest == 0 { 0 } else { step + 1 };
        bytes.extend(record(&Message { session_log: Some(start), ..message(from) }));
        if newest == 0 {
            let mut epochs = known.epochs.iter().peekable();
            for step in &known.steps {
                bytes.extend(record(&of_step(step)));
                let evaluated = epochs.next_if(|e| e.step == step.step);
                evaluated.iter().for_each(|e| bytes.extend(record(&of_epoch(e))));
            }
        }
        let path = run.file(&format!("{EVENTS}/{NAME}{:04}", newest + 1))?;
        Ok(Some(EventFile { log: LogFile::with_bytes(path, &bytes)?, step }))
    }

    /// Writes what an event tells.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file.
    pub fn record(&mut self, event: &Event<'_>) -> Result<()> {
        match *event {
            Event::Started(_) | Event::Progress { .. } | Event::Finished(_) => return Ok(()),
            Event::Steps(steps) => {
                steps.iter().try_for_each(|step| self.log.bytes(&record(&of_step(step))))?;
                self.step = steps.last().map_or(self.step, |step| step.step);
            }
            Event::Epoch(epoch) => self.log.bytes(&record(&of_epoch(epoch)))?,
            Event::Samples { dims, images, .. } => {
                self.log.bytes(&record(&of_images(self.step, images, dims)?))?;
            }
            // A run that goes on from it has no other record of the steps before.
            Event::Checkpoint { .. } => return self.log.sync(),
        }
        self.log.flush()
    }
}

/// The number of the newest event file in a folder; 0 if there is none.
fn newest(folder: &Path) -> Result<u32> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(Error::io("read", folder)(e)),
    };
    let number = |name: &str| name.strip_prefix(NAME)?.parse::<u32>().ok();
    let numbers = entries.flatten().filter_map(|e| number(e.file_name().to_str()?));
    Ok(numbers.max().unwrap_or(0))
}

/// A message of now, without content.
fn message(step: u32) -> Message {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Message { wall_time: since.as_secs_f64(), step: step.into(), ..Default::default() }
}

/// Numbers by the names of their curves; those that a run does not have are left out.
fn scalars(step: u32, values: impl IntoIterator<Item = (String, f32)>) -> Message {
    let there = values.into_iter().filter(|(_, value)| value.is_finite());
    let value = |(tag, number)| Value { tag, simple_value: Some(number), image: None };
    Message { summary: Some(Summary { value: there.map(value).collect() }), ..message(step) }
}

fn of_step(m: &StepMetrics) -> Message {
    let named = StepMetrics::NAMES.iter().zip(m.values());
    scalars(m.step, named.map(|(name, value)| (format!("train/{name}"), value)))
}

/// The names are those of the columns of `metrics.csv` and `timing.csv`.
fn of_epoch(e: &EpochMetrics) -> Message {
    let values = [
        ("evaluation/test_accuracy", e.test_accuracy),
        ("evaluation/test_accuracy_ema", e.test_accuracy_ema),
        ("evaluation/test_loss", e.test_loss),
        ("evaluation/validation_accuracy", e.validation_accuracy.unwrap_or(f32::NAN)),
        ("evaluation/validation_loss", e.validation_loss.unwrap_or(f32::NAN)),
        ("time/ms_per_step", e.time.ms_per_step as f32),
        ("time/images_per_second", e.time.images_per_second as f32),
    ];
    scalars(e.step, values.map(|(name, value)| (name.to_string(), value)))
}

fn of_images(step: u32, images: &[f32], dims: Dims) -> Result<Message> {
    let picture = grid::grid(images, dims);
    let image = Image {
        height: picture.height as i32,
        width: picture.width as i32,
        colorspace: picture.channels as i32,
        encoded_image_string: picture.encode()?,
    };
    let value = Value { tag: "samples".into(), simple_value: None, image: Some(image) };
    Ok(Message { summary: Some(Summary { value: vec![value] }), ..message(step) })
}

/// The TFRecord of a message.
fn record(message: &Message) -> Vec<u8> {
    let data = message.encode_to_vec();
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked(&length).to_le_bytes(), &data, &masked(&data).to_le_bytes()].concat()
}

/// The checksum of a TFRecord's part.
fn masked(bytes: &[u8]) -> u32 {
    CRC32C.checksum(bytes).rotate_right(15).wrapping_add(MASK)
}

#[cfg(test)]
#[path = "tensorboard_tests.rs"]
mod tests;
