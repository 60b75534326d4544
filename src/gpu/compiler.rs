//! Pipelines are compiled by threads of their own while the host records on; what runs first waits for them.

use crate::error::{Error, Result};
use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread::JoinHandle;

/// Compilers of drivers gain little from more.
const MOST_THREADS: usize = 8;

/// Stack of a thread: the shader translator recurses, in debug builds deeply.
const STACK: usize = 8 << 20;

/// A pipeline that is being compiled, or why there is none.
#[derive(Debug, Clone, Default)]
pub(super) struct Pending(Arc<OnceLock<std::result::Result<wgpu::ComputePipeline, String>>>);

impl Pending {
    /// Waits until it is there.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the shader is not valid or the driver rejects it.
    pub fn wait(&self) -> Result<&wgpu::ComputePipeline> {
        self.0.wait().as_ref().map_err(|e| Error::Gpu(e.clone()))
    }

    /// Whether it is known that there will be none.
    pub fn failed(&self) -> bool {
        self.0.get().is_some_and(|made| made.is_err())
    }
}

/// What to compile.
pub(super) struct Job {
    /// Of the kernel, for labels.
    pub name: &'static str,
    /// The kernel with its definitions, for errors.
    pub what: String,
    pub module: naga::Module,
    pub layout: wgpu::PipelineLayout,
    /// With the bounds and loop checks that WGSL prescribes.
    pub checked: bool,
    pub done: Pending,
}

impl Job {
    fn run(mut self, device: &wgpu::Device) {
        // Some backends' compilers refuse a pipeline with an internal error.
        let kinds =
            [wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::Validation];
        let scopes = kinds.map(|kind| device.push_error_scope(kind));
        let desc = wgpu::ShaderModuleDescriptor {
            label: Some(self.name),
            source: wgpu::ShaderSource::Naga(Cow::Owned(std::mem::take(&mut self.module))),
        };
        let module = if self.checked {
            device.create_shader_module(desc)
        } else {
            #[expect(unsafe_code, reason = "wgpu's mark for shaders without bounds checks")]
            // SAFETY: every index is below the length of its buffer and every loop ends, for all shapes the
            // host passes; the test suite runs the kernels also with the checks on, and has guard values around outputs.
            unsafe {
                device.create_shader_module_trusted(desc, wgpu::ShaderRuntimeChecks::unchecked())
            }
        };
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(self.name),
            layout: Some(&self.layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        });
        // The last one first, as wgpu asks; all of them, whatever they say.
        let errors: Vec<_> = scopes.into_iter().rev().map(|s| pollster::block_on(s.pop())).collect();
        let made = match errors.into_iter().flatten().next() {
            Some(e) => Err(format!("kernel {}: {e}", self.what)),
            None => Ok(pipeline),
        };
        let _ = self.done.0.set(made);
    }
}

impl Drop for Job {
    /// Nobody waits for a job that was given up, or whose thread broke.
    fn drop(&mut self) {
        if self.done.0.get().is_none() {
            let _ = self.done.0.set(Err(format!("kernel {}: its compilation was given up", self.what)));
        }
    }
}

/// The threads of a device.
#[derive(Debug)]
pub(super) struct Compiler {
    device: wgpu::Device,
    jobs: Option<mpsc::Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

impl Compiler {
    pub fn new(device: &wgpu::Device) -> Compiler {
        let (jobs, queue) = mpsc::channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        let stop = Arc::new(AtomicBool::new(false));
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let start = |_| {
            let (device, queue, stop) = (device.clone(), queue.clone(), stop.clone());
            let work = move || {
                while let Some(job) = queue.lock().ok().and_then(|q| q.recv().ok()) {
                    if !stop.load(Ordering::Relaxed) {
                        job.run(&device);
                    }
                }
            };
            // A system that gives no more threads still gets its pipelines: see `compile`.
            std::thread::Builder::new().name("compiler".into()).stack_size(STACK).spawn(work).ok()
        };
        let threads = (0..count).filter_map(start).collect();
        Compiler { device: device.clone(), jobs: Some(jobs), threads, stop }
    }

    /// Begins to compile.
    pub fn compile(&self, job: Job) {
        match &self.jobs {
            Some(jobs) if !self.threads.is_empty() => drop(jobs.send(job)),
            _ => job.run(&self.device),
        }
    }
}

impl Drop for Compiler {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.jobs = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::gpu::wgsl::Defines;
    use crate::gpu::{AdapterChoice, Gpu, Program};

    /// A kernel that does not compile is an error of what runs it, with its name; others are not touched by it.
    #[test]
    fn a_broken_kernel_is_an_error() {
        let gpu = Gpu::open(&AdapterChoice::default()).unwrap();
        // Valid WGSL, but more invocations than any device has.
        let defines = Defines::from([("WG".to_string(), "65536".to_string())]);
        let broken = gpu.kernel("noise", &defines).unwrap();
        let said = broken.pipeline().unwrap_err().to_string();
        assert!(said.contains("noise") && said.contains("65536"), "{said}");
        let (x, y) = (gpu.upload("x", 1, 4, &[1.0f32, 2.0, 3.0, 4.0]), gpu.tensor("y", 1, 4));
        let mut p = Program::new();
        crate::ops::Ops::new(&gpu).copy(&mut p, "test", &x, &y, false).unwrap();
        gpu.submit(&p, &[]).unwrap();
        assert_eq!(gpu.read::<f32>(&y).unwrap(), [1.0, 2.0, 3.0, 4.0]);
    }

    /// A device that goes while its kernels are compiled waits for none of them but those that were begun.
    #[test]
    fn a_device_can_go_at_once() {
        let gpu = Gpu::open(&AdapterChoice::default()).unwrap();
        let kernels: Vec<_> = [32, 64, 128, 256]
            .map(|wg| gpu.kernel("noise", &Defines::from([("WG".to_string(), wg.to_string())])).unwrap())
            .into();
        drop(gpu);
        for k in kernels {
            let said = k.pipeline().map_err(|e| e.to_string());
            assert!(said.is_ok() || said.is_err_and(|e| e.contains("given up")));
        }
    }
}
