//! Ctrl-C: the first asks the trainer to finish its step and save, the second leaves at once.

use crate::error::{Error, Result};
use crate::report::progress::say;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static STOP: AtomicBool = AtomicBool::new(false);
static SIGNALLED: AtomicBool = AtomicBool::new(false);
static TIME_IS_UP: AtomicBool = AtomicBool::new(false);

/// Installs the handler (also for SIGTERM and SIGHUP) and returns the flag that the trainer looks at.
///
/// # Errors
/// [`Error::Usage`] if the system refuses the handler.
pub fn install() -> Result<&'static AtomicBool> {
    ctrlc::set_handler(|| {
        if SIGNALLED.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        STOP.store(true, Ordering::SeqCst);
        say("stopping: finishing the step and saving; press Ctrl-C again to leave at once");
    })
    .map_err(|e| Error::Usage(format!("cannot catch Ctrl-C: {e}")))?;
    Ok(&STOP)
}

/// Asks the trainer to stop after so many seconds, as Ctrl-C would.
pub fn stop_after(seconds: f64) {
    // A time that no clock holds is never up.
    let Ok(time) = Duration::try_from_secs_f64(seconds) else { return };
    std::thread::spawn(move || {
        std::thread::sleep(time);
        TIME_IS_UP.store(true, Ordering::SeqCst);
        if !STOP.swap(true, Ordering::SeqCst) {
            say("time is up: finishing the step and saving");
        }
    });
}

/// Whether it was [`stop_after`] alone that stopped the trainer.
pub fn time_is_up() -> bool {
    TIME_IS_UP.load(Ordering::SeqCst) && !SIGNALLED.load(Ordering::SeqCst)
}
