//! Opening a device.

use super::adapter::{COOPERATIVE, USED, lacking, summarise};
use super::pace::Pace;
use super::submission::Reports;
use super::{AdapterChoice, AdapterSummary, Gpu, Host, Opened, Precision, choice};
use crate::error::{Error, Result};
use std::cell::RefCell;
use std::rc::Rc;

impl Gpu {
    /// Opens the adapter that `choice` means, in a program that is `host`; `checked` keeps the bounds and loop checks that
    /// WGSL prescribes in every shader.
    ///
    /// # Errors
    /// [`Error::Adapter`] if there is none, it lacks something needed, or its driver refuses a device; [`Error::Usage`] for an
    /// unknown backend.
    pub async fn open(choice: &AdapterChoice, host: Rc<dyn Host>, checked: bool) -> Result<Gpu> {
        let (summary, adapter) = choice::choose(choice).await?;
        let software = summary.is_software() && !choice.as_gpu;
        Gpu::with_adapter((summary, adapter), (choice.precision, software), host, checked).await
    }

    /// Opens an adapter that was open before, and no other, without bounds checks in shaders, and with sizes and tiles that are its
    /// own, whatever it was opened with.
    ///
    /// # Errors
    /// [`Error::Adapter`] if it is not there, or its driver refuses a device.
    pub async fn reopen(was: &AdapterSummary, precision: Precision, host: Rc<dyn Host>) -> Result<Gpu> {
        #[cfg(test)]
        if super::fault::refused() {
            return Err(Error::Adapter("not there yet".into()));
        }
        let (summary, adapter) = choice::find(was).await?;
        let software = summary.is_software();
        Gpu::with_adapter((summary, adapter), (precision, software), host, false).await
    }

    /// A device that the program around has opened for work of its own. Both submit to one queue, in the order of their calls,
    /// from one thread: as everywhere, submitting and polling from two at once races inside wgpu-core.
    ///
    /// The device's callbacks for errors and for its loss are this library's from now on, and stay so: what the program's own
    /// work fails with comes as the error of one of these calls, unless it stands in an error scope. So one [`Gpu`] for a
    /// device, and clones of that. Bounds checks in shaders are those of [`Gpu::open`] without `checked`; matrix products are
    /// of 32-bit floats. The device's limits of computing are to be WebGPU's defaults at least.
    ///
    /// # Errors
    /// [`Error::Adapter`] if the adapter or the limits that the device was opened with lack something needed.
    pub fn on_device(
        adapter: &wgpu::Adapter,
        (device, queue): (wgpu::Device, wgpu::Queue),
        host: Rc<dyn Host>,
    ) -> Result<Gpu> {
        let summary = summarise(0, adapter);
        if let Some(problem) = lacking(&device.limits(), adapter) {
            return Err(Error::Adapter(format!("the device on {}: {problem}", summary.name)));
        }
        let software = summary.is_software();
        Ok(Gpu::opened((device, queue), (summary, software), None, host, false))
    }

    async fn with_adapter(
        (summary, adapter): (AdapterSummary, wgpu::Adapter),
        (precision, software): (Precision, bool),
        host: Rc<dyn Host>,
        checked: bool,
    ) -> Result<Gpu> {
        let cooperative = match precision {
            Precision::F32 => None,
            Precision::Mixed => Some(summary.cooperative_side.ok_or_else(|| {
                Error::Adapter(format!(
                    "{} has no 16-bit cooperative matrices: take `precision = f32`, or an `adapter` with the feature \
                     cooperative-matrix",
                    summary.name
                ))
            })?),
        };
        let opened = request_device(&adapter, cooperative.is_some()).await;
        let (device, queue) =
            opened.map_err(|e| Error::Adapter(format!("{}: cannot open a device: {e}", summary.name)))?;
        Ok(Gpu::opened((device, queue), (summary, software), cooperative, host, checked))
    }

    fn opened(
        (device, queue): (wgpu::Device, wgpu::Queue),
        (summary, software): (AdapterSummary, bool),
        cooperative: Option<u32>,
        host: Rc<dyn Host>,
        checked: bool,
    ) -> Gpu {
        let reports = Reports::of(&device);
        // On llvmpipe each workgroup costs some time: noise took 16.8 ms a step in groups of 32, 14.7 in groups of 256.
        let elementwise_group = if software { 256 } else { 64 };
        Gpu(Rc::new(Opened {
            device,
            queue,
            summary,
            software,
            host,
            checked,
            elementwise_group,
            cooperative,
            kernels: RefCell::default(),
            reports,
            memory: RefCell::default(),
            staging: RefCell::default(),
            pace: Pace::default(),
            #[cfg(test)]
            _alive: super::fault::Alive::new(),
        }))
    }
}

/// A device with the features that kernels and timers make use of, where the adapter has them.
async fn request_device(
    adapter: &wgpu::Adapter,
    cooperative: bool,
) -> std::result::Result<(wgpu::Device, wgpu::Queue), wgpu::RequestDeviceError> {
    let mut wanted = USED;
    let mut experimental_features = wgpu::ExperimentalFeatures::disabled();
    if cooperative {
        wanted |= COOPERATIVE;
        #[expect(unsafe_code, reason = "wgpu's mark for what is not finished")]
        // SAFETY: wgpu asks to be ready for bugs. A known one: under the Vulkan memory model, which cooperative matrices
        // ask for, naga's barriers do not say that they make workgroup memory visible. So a device is checked before
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
    adapter.request_device(&described).await
}

#[cfg(feature = "native")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::{self, BlockOn};

    fn foreign(limits: wgpu::Limits) -> Result<Gpu> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let adapter = instance.request_adapter(&Default::default()).block_on().unwrap();
        let described = wgpu::DeviceDescriptor { required_limits: limits, ..Default::default() };
        let opened = adapter.request_device(&described).block_on().unwrap();
        native::on_device(&adapter, opened)
    }

    /// On a device with WebGPU's defaults, which another program opened, kernels compute what they compute on one's own.
    #[test]
    fn a_device_of_the_program_around() {
        let gpu = foreign(wgpu::Limits::default()).unwrap();
        crate::ops::self_test(&gpu).block_on().unwrap();
        let few = wgpu::Limits { max_storage_buffers_per_shader_stage: 4, ..Default::default() };
        let e = foreign(few).unwrap_err();
        assert!(e.exit_code() == 5 && e.to_string().contains("max_storage_buffers_per_shader_stage"), "{e}");
    }
}
