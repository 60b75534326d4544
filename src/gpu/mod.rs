//! The device: adapters, buffers, kernels, recorded programs. Nothing here knows of layers or training.

mod adapter;
mod compiler;
mod driver;
mod host;
mod kernel;
mod memory;
mod program;
mod readback;
pub mod reflect;
mod scratch;
mod tensor;
mod timing;
pub mod wgsl;

pub use adapter::{
    AdapterChoice, AdapterSummary, Power, Precision, backend_name, install_hint, list_adapters,
};
pub use compiler::Compilation;
pub use driver::ShaderCompiler;
pub use host::Host;
pub use kernel::Kernel;
pub use memory::Memory;
pub use program::{Call, Dispatch, MAX_GROUPS, MAX_TURNS, Param, Program, linear_grid};
pub use readback::Readback;
pub use scratch::Pool;
pub use tensor::{ALIGN, Tensor};
pub use timing::{Timer, Timing, TimingMode};
pub use wgsl::shader_hash;

use crate::error::{Error, Result};
use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::{Deref, Range};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// An open device with its caches; clones are the same device. One thread owns it: submitting and polling from two
/// threads at once races inside wgpu-core.
#[derive(Debug, Clone)]
pub struct Gpu(Rc<Opened>);

impl Deref for Gpu {
    type Target = Opened;

    fn deref(&self) -> &Opened {
        &self.0
    }
}

/// What the clones of a [`Gpu`] share.
#[derive(Debug)]
pub struct Opened {
    device: wgpu::Device,
    queue: wgpu::Queue,
    summary: AdapterSummary,
    host: Rc<dyn Host>,
    checked: bool,
    elementwise_group: u32,
    cooperative: Option<u32>,
    kernels: RefCell<HashMap<String, Rc<Kernel>>>,
    failure: Arc<Mutex<Option<String>>>,
    /// Why the device is gone.
    lost: Arc<Mutex<Option<String>>>,
    memory: RefCell<Memory>,
    /// Set when the adapter has no more memory.
    exhausted: Arc<AtomicBool>,
    staging: RefCell<Option<Readback>>,
}

impl Gpu {
    /// Opens the adapter that `choice` means, in a program that is `host`; `checked` keeps the bounds and loop checks that
    /// WGSL prescribes in every shader.
    ///
    /// # Errors
    /// [`Error::Adapter`] if there is none, it lacks something needed, or its driver refuses a device.
    pub async fn open(choice: &AdapterChoice, host: Rc<dyn Host>, checked: bool) -> Result<Gpu> {
        Gpu::with_adapter(adapter::choose(choice).await?, choice.precision, host, checked).await
    }

    /// Opens an adapter that was open before, and no other.
    ///
    /// # Errors
    /// [`Error::Adapter`] if it is not there, or its driver refuses a device.
    pub async fn reopen(was: &AdapterSummary, precision: Precision, host: Rc<dyn Host>) -> Result<Gpu> {
        #[cfg(test)]
        if fault::refused() {
            return Err(Error::Adapter("not there yet".into()));
        }
        Gpu::with_adapter(adapter::find(was).await?, precision, host, false).await
    }

    async fn with_adapter(
        (summary, adapter): (AdapterSummary, wgpu::Adapter),
        precision: Precision,
        host: Rc<dyn Host>,
        checked: bool,
    ) -> Result<Gpu> {
        let cooperative = match precision {
            Precision::F32 => None,
            Precision::Mixed => Some(summary.cooperative_side.ok_or_else(|| {
                Error::Adapter(format!(
                    "{} has no cooperative matrices of 16-bit floats: choose one that `ssgan adapters` lists with \
                     cooperative-matrix, or train with `--precision f32`",
                    summary.name
                ))
            })?),
        };
        let mut wanted = wgpu::Features::SUBGROUP
            | wgpu::Features::SHADER_INT64
            | wgpu::Features::TIMESTAMP_QUERY
            | wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES;
        let mut experimental_features = wgpu::ExperimentalFeatures::disabled();
        if cooperative.is_some() {
            wanted |= adapter::COOPERATIVE;
            #[expect(unsafe_code, reason = "wgpu's mark for what is not finished")]
            // SAFETY: wgpu asks to be ready for bugs. A known one: under the Vulkan memory model, which cooperative matrices
            // ask for, naga's barriers do not say that they make workgroup memory visible. So a device is checked before a
            // anything is computed on it (`Ops::checked`), and nobody gets them who did not ask.
            let unfinished = unsafe { wgpu::ExperimentalFeatures::enabled() };
            experimental_features = unfinished;
        }
        let described = wgpu::DeviceDescriptor {
            label: Some("ssgan"),
            required_features: adapter.features() & wanted,
            experimental_features,
            required_limits: adapter.limits(),
            // 8 to 64 MiB at a time: most of a larger block would stay unused (docs/performance.md, Memory).
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let opened = adapter.request_device(&described).await;
        let (device, queue) =
            opened.map_err(|e| Error::Adapter(format!("{}: cannot open a device: {e}", summary.name)))?;
        let failure = Arc::new(Mutex::new(None));
        let exhausted = Arc::new(AtomicBool::new(false));
        let (sink, no_more) = (failure.clone(), exhausted.clone());
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| {
            if matches!(e, wgpu::Error::OutOfMemory { .. }) {
                no_more.store(true, Ordering::SeqCst);
            }
            if let Ok(mut slot) = sink.lock() {
                slot.get_or_insert_with(|| e.to_string());
            }
        }));
        let lost = Arc::new(Mutex::new(None));
        let sink = lost.clone();
        device.set_device_lost_callback(move |reason, message| {
            // Dropping a device destroys it too, but then nobody is left to ask.
            if let Ok(mut slot) = sink.lock() {
                slot.get_or_insert_with(|| format!("{reason:?}: {message}"));
            }
        });
        // On llvmpipe each workgroup costs some time: noise took 16.8 ms a step in groups of 32, 14.7 in groups of 256.
        let elementwise_group = if summary.is_software() { 256 } else { 64 };
        Ok(Gpu(Rc::new(Opened {
            device,
            queue,
            summary,
            host,
            checked,
            elementwise_group,
            cooperative,
            kernels: RefCell::default(),
            failure,
            lost,
            memory: RefCell::default(),
            exhausted,
            staging: RefCell::default(),
        })))
    }

    /// The adapter.
    pub fn summary(&self) -> &AdapterSummary {
        &self.summary
    }

    /// Lanes of a subgroup where the adapter has subgroups of one known size.
    pub fn subgroup_size(&self) -> Option<u32> {
        let s = &self.summary;
        let fixed = s.subgroup_min == s.subgroup_max && s.subgroup_min > 0;
        (fixed && self.device.features().contains(wgpu::Features::SUBGROUP)).then_some(s.subgroup_min)
    }

    /// Rows and columns of the matrices that subgroups multiply, of 16-bit floats with 32-bit sums: where the adapter has
    /// them and [`Precision::Mixed`] was asked for.
    pub fn cooperative_side(&self) -> Option<u32> {
        self.cooperative
    }

    /// How many lanes subgroups may have, what is most likely first: where the driver chooses, 32 or the most.
    pub fn likely_lanes(&self) -> Vec<u32> {
        let (min, max) = (self.summary.subgroup_min, self.summary.subgroup_max);
        let mut lanes = vec![32.clamp(min, max.max(min)), max];
        lanes.dedup();
        lanes
    }

    /// Whether shaders may use `u64`.
    pub fn has_64_bit_integers(&self) -> bool {
        self.device.features().contains(wgpu::Features::SHADER_INT64)
    }

    /// Largest tensor that a shader can bind, in bytes.
    pub fn max_binding(&self) -> u64 {
        // Shaders compute addresses in 32 bits.
        let most = self.device.limits().max_storage_buffer_binding_size.min(u64::from(u32::MAX));
        #[cfg(test)]
        let most = most.min(fault::binding());
        most
    }

    /// Invocations of an elementwise workgroup (WG in the shaders).
    pub fn elementwise_group(&self) -> u32 {
        self.elementwise_group
    }

    /// Invocations of a workgroup that sums over itself: a single subgroup in software, where a barrier is a switch of
    /// coroutines (the gradient of weight normalisation took 11.1 ms a step in groups of 32, 6.5 in groups of 8).
    pub fn reducing_group(&self) -> u32 {
        if self.summary.is_software() { self.subgroup_size().unwrap_or(8) } else { self.elementwise_group }
    }

    fn buffer(&self, label: &str, bytes: u64) -> wgpu::Buffer {
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes,
            usage: wgpu::BufferUsages::STORAGE
                | wgpu::BufferUsages::UNIFORM
                | wgpu::BufferUsages::COPY_SRC
                | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut memory = self.memory.borrow_mut();
        #[cfg(test)]
        if fault::exceeds(memory.asked + bytes) {
            self.exhausted.store(true, Ordering::SeqCst);
        }
        memory.add(label, bytes, self.exhausted.load(Ordering::SeqCst));
        buffer
    }

    fn uniform(&self, label: &str, bytes: &[u8]) -> wgpu::Buffer {
        let b = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes.len() as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        self.queue.write_buffer(&b, 0, bytes);
        b
    }

    /// The host's time.
    pub fn now(&self) -> Duration {
        self.host.now()
    }

    /// Submits a program as one compute pass when its kernels are compiled; `copies` (source, destination) follow it.
    ///
    /// # Errors
    /// [`Error::Gpu`] with the driver's or wgpu's message if anything failed since the last call.
    pub async fn submit(&self, program: &Program, copies: &[(&Tensor, &Readback)]) -> Result<Submission> {
        program.ready().await.map_err(|e| self.instead(e))?;
        #[cfg(test)]
        if fault::point() {
            self.device.destroy();
        }
        let commands = self.encode(program, 0..program.dispatches.len(), copies);
        let submission = self.hand_over(commands.map_err(|e| self.instead(e))?);
        self.check()?;
        Ok(submission)
    }

    fn hand_over(&self, commands: wgpu::CommandBuffer) -> Submission {
        let index = self.queue.submit([commands]);
        let (sender, done) = oneshot_channel();
        self.queue.on_submitted_work_done(move || {
            let _ = sender.send(());
        });
        Submission { index, done }
    }

    fn encode(
        &self,
        program: &Program,
        dispatches: Range<usize>,
        copies: &[(&Tensor, &Readback)],
    ) -> Result<wgpu::CommandBuffer> {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        program.encode_range(&mut encoder.begin_compute_pass(&Default::default()), dispatches)?;
        for (source, destination) in copies {
            destination.copy_from(&mut encoder, source);
        }
        Ok(encoder.finish())
    }

    /// Waits for a submission.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the device failed.
    pub async fn wait(&self, submission: Submission) -> Result<()> {
        let until = wgpu::PollType::Wait { submission_index: Some(submission.index), timeout: None };
        self.host.drive(&self.device, until).map_err(|e| self.failed(e.to_string()))?;
        self.check()?;
        submission.done.receive().await;
        self.check()
    }

    fn check(&self) -> Result<()> {
        let failed = self.failure.lock().ok().and_then(|mut slot| slot.take());
        match failed {
            Some(message) => Err(self.failed(message)),
            None if self.is_lost() => Err(self.failed(String::new())),
            None => Ok(()),
        }
    }

    /// Waits until every kernel is compiled that was asked for.
    ///
    /// # Errors
    /// [`Error::Gpu`] if one of them is not valid, the driver rejects it, or something else that was recorded is not valid.
    pub async fn compiled(&self) -> Result<()> {
        let kernels: Vec<Rc<Kernel>> = self.kernels.borrow().values().cloned().collect();
        for kernel in kernels {
            kernel.ready().await.map_err(|e| self.instead(e))?;
        }
        self.check()
    }

    /// The error of a kernel that did not compile, or why it could not: a device that is lost. Nothing of it stays for
    /// the next check.
    fn instead(&self, e: Error) -> Error {
        match self.check() {
            Err(lost @ Error::DeviceLost(_)) => lost,
            _ => e,
        }
    }

    fn is_lost(&self) -> bool {
        self.lost.lock().is_ok_and(|slot| slot.is_some())
    }

    /// The error for a failure with this message; of a device that is gone, everything fails.
    fn failed(&self, message: String) -> Error {
        let name = &self.summary.name;
        // The news of a loss comes when the work before it is done.
        let timeout = Some(Duration::from_secs(5));
        let _ = self.host.drive(&self.device, wgpu::PollType::Wait { submission_index: None, timeout });
        match self.lost.lock().ok().and_then(|slot| slot.clone()) {
            Some(why) => Error::DeviceLost(format!("{why} (adapter {name})")),
            None => {
                let message = self.memory.borrow().shortage().unwrap_or(message);
                Error::Gpu(format!("{message} (adapter {name})"))
            }
        }
    }
}

/// Work that was handed to the device.
#[derive(Debug)]
pub struct Submission {
    index: wgpu::SubmissionIndex,
    done: OneshotReceiver<()>,
}

/// Where tests lose a device, at the `n`-th submission of this thread, cannot open it again, run out of its memory, or find
/// that it binds little at once.
#[cfg(test)]
pub(crate) mod fault {
    use std::cell::{Cell, RefCell};
    use std::collections::VecDeque;

    thread_local! {
        /// Submissions until the next loss, and from each loss to the one after.
        static LEFT: RefCell<VecDeque<u32>> = const { RefCell::new(VecDeque::new()) };
        /// Bytes that there are.
        static MEMORY: Cell<u64> = const { Cell::new(u64::MAX) };
        /// Bytes of the largest binding.
        static BINDING: Cell<u64> = const { Cell::new(u64::MAX) };
        /// Lost devices that will not open again.
        static REFUSED: Cell<u32> = const { Cell::new(0) };
    }

    /// So many attempts of this thread to open a lost device again fail.
    pub fn refuse(devices: u32) {
        REFUSED.set(devices);
    }

    pub(super) fn refused() -> bool {
        REFUSED.replace(REFUSED.get().saturating_sub(1)) > 0
    }

    /// Devices opened by this thread have so many bytes.
    pub fn memory(bytes: u64) {
        MEMORY.set(bytes);
    }

    /// Devices bind at most so many bytes to this thread's kernels.
    pub fn bind(bytes: u64) {
        BINDING.set(bytes);
    }

    pub(super) fn binding() -> u64 {
        BINDING.get()
    }

    pub(super) fn exceeds(bytes: u64) -> bool {
        bytes > MEMORY.get()
    }

    /// Loses the device at these submissions from now on, each counted from the loss before.
    pub fn at(submissions: impl IntoIterator<Item = u32>) {
        LEFT.set(submissions.into_iter().collect());
    }

    /// Losses that are still to come.
    pub fn left() -> usize {
        LEFT.with_borrow(VecDeque::len)
    }

    pub(super) fn point() -> bool {
        LEFT.with_borrow_mut(|left| match left.front_mut() {
            Some(0) => left.pop_front().is_some(),
            Some(n) => {
                *n -= 1;
                false
            }
            None => false,
        })
    }
}
