//! Where the events of a training go.

use super::writer::Writer;
use crate::app::report::progress::Progress;
use crate::error::Result;
use crate::train::event::{Event, Observer, Summary};

/// Hands events to the thread that writes the run folder, and shows them; what is on the screen may not yet be on the disk.
pub(super) struct Both<'a, 'scope> {
    /// Of the folder.
    pub writer: Writer<'scope>,
    /// On the screen.
    pub progress: &'a mut Progress,
    /// Checkpoints that were handed over.
    pub saved: &'a mut u64,
    /// Most bytes that the process had when the run was over.
    pub peak: Option<u64>,
}

impl Observer for Both<'_, '_> {
    fn on(&mut self, event: Event<'_>) -> Result<()> {
        let whole;
        let event = match event {
            Event::Finished(summary) => {
                self.peak = peak_memory();
                whole = Summary { host_peak_bytes: self.peak, ..summary.clone() };
                Event::Finished(&whole)
            }
            other => other,
        };
        self.writer.record(&event)?;
        *self.saved += u64::from(matches!(event, Event::Checkpoint { .. }));
        self.progress.show(&event);
        Ok(())
    }
}

/// The most memory that this process has had, in bytes, where the system tells (Linux).
fn peak_memory() -> Option<u64> {
    // Elsewhere a folder of that name tells of something else, if anything: under Wine of the host's process.
    if !cfg!(target_os = "linux") {
        return None;
    }
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
