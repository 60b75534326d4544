//! The device: adapters, buffers, kernels, recorded programs. Nothing here knows of layers or training.

mod adapter;
mod call;
mod choice;
mod compiler;
mod driver;
#[cfg(test)]
pub(crate) mod fault;
mod host;
mod kernel;
mod memory;
mod open;
mod pace;
mod program;
mod readback;
pub mod reflect;
mod scratch;
mod submission;
mod tensor;
mod timing;
pub mod wgsl;

pub use adapter::{AdapterSummary, describe, install_hint, list_adapters};
pub(crate) use call::Call;
pub use call::{MAX_GROUPS, MAX_TURNS};
pub use choice::{AdapterChoice, Power, Precision, backend_name};
pub use compiler::Compilation;
pub use driver::ShaderCompiler;
pub use host::Host;
pub use kernel::Kernel;
pub use memory::Memory;
pub(crate) use program::linear_grid;
pub use program::{Dispatch, Program};
pub use readback::Readback;
pub use scratch::Pool;
pub use submission::Submission;
pub use tensor::{ALIGN, Tensor};
pub use timing::{Timer, Timing, TimingMode};
pub use wgpu;
pub use wgsl::shader_hash;

use self::pace::Pace;
use self::submission::Reports;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
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
    software: bool,
    host: Rc<dyn Host>,
    checked: bool,
    elementwise_group: u32,
    cooperative: Option<u32>,
    kernels: RefCell<HashMap<String, Rc<Kernel>>>,
    reports: Arc<Reports>,
    memory: RefCell<Memory>,
    staging: RefCell<Option<Readback>>,
    pace: Pace,
    #[cfg(test)]
    _alive: fault::Alive,
}

impl Gpu {
    /// The adapter.
    pub fn summary(&self) -> &AdapterSummary {
        &self.summary
    }

    /// Whether sizes and tiles are those of software adapters: on the CPU, unless they are to be [as on a
    /// GPU](AdapterChoice::as_gpu).
    pub fn is_software(&self) -> bool {
        self.software
    }

    /// Lanes of a subgroup where the adapter has subgroups of one known size.
    pub fn subgroup_size(&self) -> Option<u32> {
        self.summary.lanes().filter(|_| self.device.features().contains(wgpu::Features::SUBGROUP))
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
        if self.software { self.subgroup_size().unwrap_or(8).max(2) } else { self.elementwise_group }
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
        #[cfg(test)]
        if fault::exceeds(self.memory.borrow().asked + bytes) {
            self.reports.exhaust();
        }
        self.count(label, bytes);
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

    /// Limits that tiles and tensors depend on: name and value, sizes in bytes.
    pub fn limits(&self) -> [(&'static str, u64); 5] {
        let l = self.device.limits();
        [
            ("buffer size", l.max_buffer_size),
            ("binding size", self.max_binding()),
            ("workgroup memory", l.max_compute_workgroup_storage_size.into()),
            ("workgroup invocations", l.max_compute_invocations_per_workgroup.into()),
            ("workgroups along an axis", l.max_compute_workgroups_per_dimension.into()),
        ]
    }

    /// Most operations that one dispatch should have.
    pub(crate) fn largest_dispatch(&self) -> u64 {
        let most = pace::LARGEST;
        #[cfg(test)]
        let most = most.min(fault::largest());
        most
    }

    /// The host's time.
    pub fn now(&self) -> Duration {
        self.host.now()
    }
}
