//! Pipelines are compiled wherever the host likes while the recording goes on; what runs first waits for them.

use crate::error::{Error, Result};
use futures_intrusive::sync::ManualResetEvent;
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

/// A pipeline that is being compiled, or why there is none.
#[derive(Debug, Clone)]
pub(super) struct Pending(Arc<State>);

#[derive(Debug)]
struct State {
    made: OnceLock<std::result::Result<wgpu::ComputePipeline, String>>,
    /// Set when `made` is.
    known: ManualResetEvent,
}

impl Pending {
    pub fn new() -> Pending {
        Pending(Arc::new(State { made: OnceLock::new(), known: ManualResetEvent::new(false) }))
    }

    fn set(&self, made: std::result::Result<wgpu::ComputePipeline, String>) {
        let _ = self.0.made.set(made);
        self.0.known.set();
    }

    /// The pipeline, when it is there.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the shader is not valid or the driver rejects it.
    pub async fn ready(&self) -> Result<&wgpu::ComputePipeline> {
        if self.0.made.get().is_none() {
            self.0.known.wait().await;
        }
        self.get()
    }

    /// The pipeline.
    ///
    /// # Errors
    /// As [`Pending::ready`], and if it is not there yet.
    pub fn get(&self) -> Result<&wgpu::ComputePipeline> {
        match self.0.made.get() {
            Some(made) => made.as_ref().map_err(|e| Error::Gpu(e.clone())),
            None => Err(Error::Gpu("a pipeline that is still being compiled".into())),
        }
    }

    /// Whether it is known that there will be none.
    pub fn failed(&self) -> bool {
        self.0.made.get().is_some_and(|made| made.is_err())
    }
}

/// A pipeline to compile. One that is dropped unrun is an error for those who wait for it.
#[derive(Debug)]
#[must_use = "who waits for it would be told that it was given up"]
pub struct Compilation {
    pub(super) device: wgpu::Device,
    /// Of the kernel, for labels.
    pub(super) name: &'static str,
    /// The kernel with its definitions, for errors.
    pub(super) what: String,
    pub(super) module: naga::Module,
    pub(super) layout: wgpu::PipelineLayout,
    /// With the bounds and loop checks that WGSL prescribes.
    pub(super) checked: bool,
    pub(super) done: Pending,
}

impl Compilation {
    /// Compiles it; whoever waits for it goes on.
    pub async fn run(mut self) {
        // Some backends' compilers refuse a pipeline with an internal error.
        let kinds =
            [wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::Validation];
        let scopes = kinds.map(|kind| self.device.push_error_scope(kind));
        let pipeline = self.pipeline();
        // The last one first, as wgpu asks. All are popped before one is waited for: what another task does meanwhile is in
        // none of them.
        let popped: Vec<_> = scopes.into_iter().rev().map(wgpu::ErrorScopeGuard::pop).collect();
        let mut made = Ok(pipeline);
        for error in popped {
            if let (Some(e), true) = (error.await, made.is_ok()) {
                made = Err(format!("kernel {}: {e}", self.what));
            }
        }
        self.done.set(made);
    }

    fn pipeline(&mut self) -> wgpu::ComputePipeline {
        let desc = wgpu::ShaderModuleDescriptor {
            label: Some(self.name),
            source: wgpu::ShaderSource::Naga(Cow::Owned(std::mem::take(&mut self.module))),
        };
        let module = if self.checked {
            self.device.create_shader_module(desc)
        } else {
            #[expect(unsafe_code, reason = "wgpu's mark for shaders without bounds checks")]
            // SAFETY: every index is below the length of its buffer and every loop ends, for all shapes the
            // host passes, whatever the buffers hold; the test suite runs the kernels also with the checks on, and has guard
            // values around outputs.
            unsafe {
                self.device.create_shader_module_trusted(desc, wgpu::ShaderRuntimeChecks::unchecked())
            }
        };
        self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(self.name),
            layout: Some(&self.layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        })
    }
}

impl Drop for Compilation {
    /// Nobody waits for what was given up, or whose thread broke.
    fn drop(&mut self) {
        if self.done.0.made.get().is_none() {
            self.done.set(Err(format!("kernel {}: its compilation was given up", self.what)));
        }
    }
}

#[cfg(feature = "native")]
#[cfg(test)]
mod tests {
    use crate::gpu::wgsl::Defines;
    use crate::gpu::{AdapterChoice, Program};
    use crate::native::BlockOn;

    /// A kernel that does not compile is an error of what runs it, with its name; others are not touched by it.
    #[test]
    fn a_broken_kernel_is_an_error() {
        let gpu = crate::native::open(&AdapterChoice::default()).unwrap();
        // Valid WGSL, but more invocations than any device has.
        let defines = Defines::from([("WG".to_string(), "65536".to_string())]);
        let broken = gpu.kernel("noise", &defines).unwrap();
        let said = broken.ready().block_on().unwrap_err().to_string();
        assert!(said.contains("noise") && said.contains("65536"), "{said}");
        let (x, y) = (gpu.upload("x", 1, 4, &[1.0f32, 2.0, 3.0, 4.0]), gpu.tensor("y", 1, 4));
        let mut p = Program::new();
        crate::ops::Ops::new(&gpu).copy(&mut p, "test", &x, &y, false).unwrap();
        gpu.submit(&p, &[]).block_on().unwrap();
        assert_eq!(gpu.read::<f32>(&y).block_on().unwrap(), [1.0, 2.0, 3.0, 4.0]);
    }

    /// A device that goes while its kernels are compiled waits for none of them but those that were begun.
    #[test]
    fn a_device_can_go_at_once() {
        let gpu = crate::native::open(&AdapterChoice::default()).unwrap();
        let kernels: Vec<_> = [32, 64, 128, 256]
            .map(|wg| gpu.kernel("noise", &Defines::from([("WG".to_string(), wg.to_string())])).unwrap())
            .into();
        drop(gpu);
        for k in kernels {
            let said = k.ready().block_on().map_err(|e| e.to_string());
            assert!(said.is_ok() || said.is_err_and(|e| e.contains("given up")));
        }
    }
}
