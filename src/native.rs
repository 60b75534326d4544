//! The engine in a program of an operating system: its calls wait, its clock is the system's, and its pipelines are compiled
//! by threads.

use crate::error::Result;
use crate::gpu::{AdapterChoice, AdapterSummary, Compilation, Gpu, Host, Precision};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Compilers of drivers gain little from more.
const MOST_THREADS: usize = 8;

/// Stack of a thread: the shader translator recurses, in debug builds deeply.
const STACK: usize = 8 << 20;

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

    fn drive(
        &self,
        device: &wgpu::Device,
        until: wgpu::PollType,
    ) -> std::result::Result<(), wgpu::PollError> {
        device.poll(until).map(drop)
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
