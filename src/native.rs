//! The engine in a program of an operating system: its calls wait, its clock is the system's, and its pipelines are compiled
//! by threads.
//!
//! wgpu panics where a driver says, while it is waited for, that the device is lost. That panic becomes an error ([`drive`]), and is
//! kept from the process's panic hook, around which the first wait puts one of its own for that; all others go to it. In a program
//! that is built with `panic = "abort"` a lost device ends the process, with wgpu's message.

use crate::error::Result;
use crate::gpu::{AdapterChoice, AdapterSummary, Compilation, Gpu, Host, Precision};
use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Compilers of drivers gain little from more.
const MOST_THREADS: usize = 8;

/// Stack of a thread: the shader translator recurses, in debug builds deeply.
const STACK: usize = 8 << 20;

/// [`hush`], once for the process.
static HUSHED: Once = Once::new();

thread_local! {
    /// Whether this thread waits for a device, so that a panic of its becomes an error.
    static DRIVING: Cell<bool> = const { Cell::new(false) };
}

/// Waits for what the engine computes.
pub trait BlockOn: Future + Sized {
    /// Runs the future to its end on this thread.
    fn block_on(self) -> Self::Output {
        pollster::block_on(self)
    }
}

impl<F: Future> BlockOn for F {}

/// Opens the adapter that `choice` means.
///
/// # Errors
/// As [`Gpu::open`].
pub fn open(choice: &AdapterChoice) -> Result<Gpu> {
    open_with(choice, false)
}

/// As [`open`]; `checked` keeps the bounds and loop checks that WGSL prescribes in every shader.
///
/// # Errors
/// As [`Gpu::open`].
pub fn open_with(choice: &AdapterChoice, checked: bool) -> Result<Gpu> {
    Gpu::open(choice, Native::new(), checked).block_on()
}

/// A device that the program has opened already for work of its own.
///
/// # Errors
/// As [`Gpu::on_device`].
pub fn on_device(adapter: &wgpu::Adapter, opened: (wgpu::Device, wgpu::Queue)) -> Result<Gpu> {
    Gpu::on_device(adapter, opened, Native::new())
}

/// Opens an adapter that was open before, and no other.
///
/// # Errors
/// As [`Gpu::reopen`].
pub fn reopen(was: &AdapterSummary, precision: Precision) -> Result<Gpu> {
    Gpu::reopen(was, precision, Native::new()).block_on()
}

/// All adapters of all backends, in the order in which an index counts them.
pub fn list_adapters() -> Vec<AdapterSummary> {
    crate::gpu::list_adapters().block_on()
}

/// The operating system, for one device.
#[derive(Debug)]
struct Native {
    begun: Instant,
    work: Option<mpsc::Sender<Compilation>>,
    threads: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

impl Native {
    fn new() -> Rc<Native> {
        let (work, queue) = mpsc::channel::<Compilation>();
        let queue = Arc::new(Mutex::new(queue));
        let stop = Arc::new(AtomicBool::new(false));
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let start = |_| {
            let (queue, stop) = (queue.clone(), stop.clone());
            let compile = move || {
                while let Some(work) = queue.lock().ok().and_then(|q| q.recv().ok()) {
                    if !stop.load(Ordering::Relaxed) {
                        work.run().block_on();
                    }
                }
            };
            // A system that gives no more threads still gets its pipelines: see `compile`.
            std::thread::Builder::new().name("compiler".into()).stack_size(STACK).spawn(compile).ok()
        };
        let threads = (0..count).filter_map(start).collect();
        Rc::new(Native { begun: Instant::now(), work: Some(work), threads, stop })
    }
}

impl Host for Native {
    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn drive(&self, device: &wgpu::Device, until: wgpu::PollType) -> std::result::Result<(), String> {
        drive(device, until)
    }

    fn compile(&self, work: Compilation) {
        match &self.work {
            Some(queue) if !self.threads.is_empty() => drop(queue.send(work)),
            _ => work.run().block_on(),
        }
    }
}

impl Drop for Native {
    /// Waits for the pipelines that are being compiled, and for none of those that were not begun.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.work = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// [`wgpu::Device::poll`] for hosts of a system: what it panics with where a driver says that the device is lost becomes an error,
/// unless the program was built to abort. Other panics, such as those of callbacks, go on.
///
/// # Errors
/// What wgpu says, as text.
pub fn drive(device: &wgpu::Device, until: wgpu::PollType) -> std::result::Result<(), String> {
    HUSHED.call_once(hush);
    let poll = || {
        #[cfg(test)]
        crate::gpu::fault::wait();
        device.poll(until)
    };
    DRIVING.set(true);
    // wgpu has let go of its locks when it panics here.
    let polled = catch_unwind(AssertUnwindSafe(poll));
    DRIVING.set(false);
    match polled {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(e)) => Err(e.to_string()),
        Err(panic) => match said(panic.as_ref()) {
            Some(text) => Err(text.split_whitespace().collect::<Vec<_>>().join(" ")),
            None => resume_unwind(panic),
        },
    }
}

/// Keeps the panics that become errors from the panic hook: to a user they would look like a crash.
fn hush() {
    let before = take_hook();
    set_hook(Box::new(move |info| {
        let becomes_an_error = !cfg!(panic = "abort") && DRIVING.get() && said(info.payload()).is_some();
        if !becomes_an_error {
            before(info);
        }
    }));
}

/// What wgpu's own panic says, where it is that of a device that was waited for.
fn said(panic: &(dyn Any + Send)) -> Option<&str> {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .filter(|text| text.starts_with("Error in Device::poll"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{Program, fault};

    /// A panic that becomes an error is not told of as well; every other one is.
    #[test]
    fn only_what_becomes_an_error_is_silent() {
        thread_local! {
            static TOLD: Cell<u32> = const { Cell::new(0) };
        }
        let gpu = open(&AdapterChoice::default()).unwrap();
        let submission = gpu.submit(&Program::new(), &[]).block_on().unwrap();
        // Between the hook that is there by now and another of the same kind.
        let before = take_hook();
        set_hook(Box::new(move |info| {
            TOLD.set(TOLD.get() + 1);
            before(info);
        }));
        hush();
        fault::panics("Error in Device::poll: a broken\n  driver");
        let e = gpu.wait(submission).block_on().unwrap_err().to_string();
        assert!(e.contains("a broken driver") && TOLD.get() == 0, "{e}");
        // Not wgpu's: that of a callback which the device calls while it is waited for.
        let submission = gpu.submit(&Program::new(), &[]).block_on().unwrap();
        fault::panics("of something else");
        let waited = catch_unwind(AssertUnwindSafe(|| gpu.wait(submission).block_on()));
        assert!(waited.is_err() && TOLD.get() == 1);
    }
}
