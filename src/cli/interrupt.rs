//! Ctrl-C: the first asks the trainer to finish its step and save, the second leaves at once.

use crate::error::{Error, Result};
use crate::report::progress::say;
use std::sync::atomic::{AtomicBool, Ordering};

static STOP: AtomicBool = AtomicBool::new(false);

/// Installs the handler (also for SIGTERM and SIGHUP) and returns the flag that the trainer looks at.
///
/// # Errors
/// [`Error::Usage`] if the system refuses the handler.
pub fn install() -> Result<&'static AtomicBool> {
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        say("stopping: finishing the step and saving; press Ctrl-C again to leave at once");
    })
    .map_err(|e| Error::Usage(format!("cannot catch Ctrl-C: {e}")))?;
    Ok(&STOP)
}
