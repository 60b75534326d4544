use super::*;
use crate::error::Error;
use std::sync::Mutex;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::channel;
use std::time::Duration;

/// What was written, by name.
#[derive(Default)]
struct Names<'a> {
    written: Option<&'a Mutex<Vec<String>>>,
    /// Checkpoints until one cannot be written.
    fails_after: Option<u32>,
    /// A checkpoint is not written before something comes from here.
    leave: Option<Receiver<()>>,
}

impl Names<'_> {
    fn write(&self, name: String) {
        self.written.iter().for_each(|written| written.lock().unwrap().push(name.clone()));
    }
}

impl Files for Names<'_> {
    fn record(&mut self, event: &Event<'_>) -> Result<()> {
        if let Event::Checkpoint { epoch, .. } = event {
            self.leave.iter().for_each(|leave| leave.recv().unwrap());
            if self.fails_after.is_some_and(|most| *epoch > most) {
                return Err(Error::Output(format!("checkpoint {epoch}")));
            }
        }
        self.write(match event {
            Event::Checkpoint { epoch, .. } => format!("checkpoint {epoch}"),
            Event::Samples { epoch, images, .. } => format!("samples {epoch} {images:?}"),
            other => format!("{other:?}").split('(').next().unwrap_or_default().to_lowercase(),
        });
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.write("finish".into());
        Ok(())
    }
}

fn checkpoint(writer: &mut Writer<'_>, epoch: u32) -> Result<()> {
    let time = TimeAt::default();
    writer.record(&Event::Checkpoint { epoch, time, checkpoint: &Arc::default() })
}

#[test]
fn events_are_written_in_their_order_while_training_goes_on() {
    let written = Mutex::new(vec![]);
    let (go, leave) = channel();
    let files = Names { written: Some(&written), leave: Some(leave), ..Names::default() };
    std::thread::scope(|scope| {
        let mut writer = Writer::begin(scope, files).unwrap();
        let dims = Dims { height: 1, width: 1, channels: 1 };
        writer.record(&Event::Progress { step: 1 }).unwrap();
        checkpoint(&mut writer, 1).unwrap();
        // The first checkpoint still waits.
        writer.record(&Event::Steps(&[])).unwrap();
        writer.record(&Event::Samples { epoch: 2, dims, images: &[0.5] }).unwrap();
        assert!(written.lock().unwrap().is_empty());
        go.send(()).and(go.send(())).unwrap();
        checkpoint(&mut writer, 2).unwrap();
        let end = writer.end();
        assert!(end.recorded.is_ok() && end.finished.is_ok());
    });
    assert_eq!(
        written.into_inner().unwrap(),
        ["checkpoint 1", "steps", "samples 2 [0.5]", "checkpoint 2", "finish"]
    );
}

/// The error comes with the next event or with the end, once; what could be finished is.
#[test]
fn a_failure_ends_writing_and_is_told_once() {
    let written = Mutex::new(vec![]);
    let files = || Names { written: Some(&written), fails_after: Some(1), ..Names::default() };
    std::thread::scope(|scope| {
        let mut writer = Writer::begin(scope, files()).unwrap();
        let failed = (1..1000).find_map(|epoch| checkpoint(&mut writer, epoch).err()).unwrap();
        assert_eq!(failed.to_string(), Error::Output("checkpoint 2".into()).to_string());
        assert!(writer.end().recorded.is_ok() && checkpoint(&mut writer, 3).is_ok());
        let mut writer = Writer::begin(scope, files()).unwrap();
        checkpoint(&mut writer, 2).unwrap();
        assert!(writer.end().recorded.is_err());
    });
    assert_eq!(written.into_inner().unwrap(), ["checkpoint 1", "finish", "finish"]);
}

/// A slow disk, which counts the checkpoints that were handed over after the one that it writes.
struct Slow<'a> {
    handed: &'a AtomicU32,
    most_after: &'a AtomicU32,
}

impl Files for Slow<'_> {
    fn record(&mut self, event: &Event<'_>) -> Result<()> {
        std::thread::sleep(Duration::from_millis(1));
        let Event::Checkpoint { epoch, .. } = event else { return Ok(()) };
        self.most_after.fetch_max(self.handed.load(SeqCst).saturating_sub(*epoch), SeqCst);
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A disk that is slower than training does not fill the memory: no checkpoint is handed over before the one before is written.
#[test]
fn training_waits_for_a_slow_disk() {
    let (handed, most_after) = Default::default();
    std::thread::scope(|scope| {
        let mut writer = Writer::begin(scope, Slow { handed: &handed, most_after: &most_after }).unwrap();
        for epoch in 1..=50 {
            checkpoint(&mut writer, epoch).unwrap();
            handed.store(epoch, SeqCst);
        }
        assert!(writer.end().recorded.is_ok());
    });
    assert_eq!(most_after.into_inner(), 0);
}
