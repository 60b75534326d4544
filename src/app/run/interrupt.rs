//! Signals: the first asks the trainer to finish its step and save, a second of the same leaves at once, unless it comes with
//! the first, and Ctrl-C after any.

use crate::app::report::progress::say;
use crate::error::{Error, Result};
use crate::train::{Stop, Urgency};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// Exit status after Ctrl-C: 128 and the number of SIGINT, as shells count.
const CTRL_C: u8 = 130;

static STOP: Stop = Stop::new();
/// Exit status that the first signal asks for; 0 until there is one.
static SIGNALLED: AtomicU8 = AtomicU8::new(0);
/// When it came.
static FIRST: OnceLock<Instant> = OnceLock::new();
/// How soon another is the same one: `timeout` and job systems signal a process, and then its group, which it is in. Nobody
/// insists so fast.
const ECHO: Duration = Duration::from_millis(100);

/// Catches Ctrl-C, on Unix SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU and SIGHUP too (the last unless it is ignored, as under
/// `nohup`), and returns what the trainer looks at.
///
/// # Errors
/// [`Error::Usage`] if the system refuses the handler.
pub fn install() -> Result<&'static Stop> {
    catch().map_err(|e| Error::Usage(format!("cannot catch Ctrl-C: {e}")))?;
    Ok(&STOP)
}

/// What batch systems such as Slurm send before a job's time is up. The system repeats SIGXCPU every second.
#[cfg(unix)]
const BATCH: [i32; 3] =
    [signal_hook::consts::SIGUSR1, signal_hook::consts::SIGUSR2, signal_hook::consts::SIGXCPU];

#[cfg(unix)]
fn catch() -> std::io::Result<()> {
    use signal_hook::{consts, iterator::Signals};
    let mut signals = Signals::new([consts::SIGINT, consts::SIGTERM].iter().chain(&BATCH))?;
    if !hangups_are_ignored() {
        signals.add_signal(consts::SIGHUP)?;
    }
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            signalled(u8::try_from(128 + signal).unwrap_or(CTRL_C), !BATCH.contains(&signal));
        }
    })?;
    Ok(())
}

/// Whether this program was begun with `nohup`: then the end of the terminal is not the end of the run.
#[cfg(unix)]
fn hangups_are_ignored() -> bool {
    #[expect(unsafe_code, reason = "the standard library does not tell what a signal does")]
    // SAFETY: `sigaction` is plain data, for which zeros are a value; without a new action the call only writes
    // the old one, to a place that is there.
    unsafe {
        let mut old: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGHUP, std::ptr::null(), &mut old) == 0 && old.sa_sigaction == libc::SIG_IGN
    }
}

#[cfg(not(unix))]
fn catch() -> std::result::Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| signalled(CTRL_C, true))
}

/// `insists`: whether a second of them means that the sender does not want to wait.
fn signalled(status: u8, insists: bool) {
    let is_echo = FIRST.get_or_init(Instant::now).elapsed() < ECHO;
    match SIGNALLED.compare_exchange(0, status, Ordering::SeqCst, Ordering::SeqCst) {
        Ok(_) => {
            STOP.ask(Urgency::AfterStep);
            say("stopping: finishing the step and saving; press Ctrl-C again to quit without saving");
        }
        // Service managers hang up after SIGTERM: that is no impatience.
        Err(first) if status == first && is_echo => {}
        Err(first) if insists && (status == CTRL_C || status == first) => leave(status),
        Err(_) => {}
    }
}

/// Ends the program without what is done at an end otherwise: a driver that is compiling shaders on other threads has crashed
/// in its own.
#[cfg(unix)]
fn leave(status: u8) -> ! {
    signal_hook::low_level::exit(status.into())
}

#[cfg(not(unix))]
fn leave(status: u8) -> ! {
    std::process::exit(status.into())
}

/// Exit status of a program that a signal ended, 128 and its number: 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP.
pub fn exit_code() -> u8 {
    match SIGNALLED.load(Ordering::SeqCst) {
        0 => CTRL_C,
        status => status,
    }
}

/// Asks the trainer to stop after so many seconds.
pub fn stop_after(seconds: f64) {
    // A time that no clock holds is never up.
    let Ok(time) = Duration::try_from_secs_f64(seconds) else { return };
    std::thread::spawn(move || {
        std::thread::sleep(time);
        if !STOP.ask(Urgency::AfterEvaluation) {
            say("time is up: finishing the step and saving");
        }
    });
}

/// Whether it was [`stop_after`] alone that stopped the trainer.
pub fn time_is_up() -> bool {
    STOP.is_asked() && SIGNALLED.load(Ordering::SeqCst) == 0
}
