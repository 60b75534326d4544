//! A compiled kernel variant.

use super::Gpu;
use super::reflect::{BindingKind, Reflection, reflect};
use super::wgsl::{self, Defines};
use crate::error::{Error, Result};
use std::rc::Rc;

/// A pipeline with the bindings that its WGSL declares.
#[derive(Debug)]
pub struct Kernel {
    /// Stem of the shader file: the name in labels, tables and errors.
    pub name: &'static str,
    /// The definitions it was built with.
    pub defines: Defines,
    /// What it binds.
    pub reflection: Reflection,
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
}

impl Kernel {
    /// The definitions that tell it from its other variants, such as `A=2 BIAS=1 SG=8`: those that are not 0,
    /// without the workgroup size and the types that follow from others.
    pub fn variant(&self) -> String {
        let told = self.defines.iter().filter(|(n, v)| !["WG", "T"].contains(&n.as_str()) && *v != "0");
        told.map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(" ")
    }
}

impl Gpu {
    /// The variant of `shaders/{name}.wgsl` with `defines`, compiled at first use.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the source does not expand or the driver rejects it.
    pub fn kernel(&self, name: &'static str, defines: &Defines) -> Result<Rc<Kernel>> {
        let mut all = defines.clone();
        all.entry("WG".into()).or_insert_with(|| self.elementwise_group.to_string());
        let key = all.iter().fold(name.to_string(), |k, (n, v)| k + " " + n + "=" + v);
        if let Some(k) = self.kernels.borrow().get(&key) {
            return Ok(k.clone());
        }
        let kernel = Rc::new(self.compile(name, all)?);
        self.kernels.borrow_mut().insert(key, kernel.clone());
        Ok(kernel)
    }

    fn compile(&self, name: &'static str, defines: Defines) -> Result<Kernel> {
        let text = wgsl::expand(name, &defines)?;
        let reflection = reflect(name, &text)?;
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let desc =
            wgpu::ShaderModuleDescriptor { label: Some(name), source: wgpu::ShaderSource::Wgsl(text.into()) };
        let module = if self.checked {
            self.device.create_shader_module(desc)
        } else {
            #[expect(unsafe_code, reason = "wgpu's mark for shaders without bounds checks")]
            // SAFETY: every index is below the length of its buffer and every loop ends, for all shapes the
            // host passes; the test suite runs all kernels with the checks on and guard values around outputs.
            unsafe {
                self.device.create_shader_module_trusted(desc, wgpu::ShaderRuntimeChecks::unchecked())
            }
        };
        let entries: Vec<_> = reflection
            .bindings
            .iter()
            .map(|b| wgpu::BindGroupLayoutEntry {
                binding: b.index,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: match b.kind {
                        BindingKind::Storage { read_only } => wgpu::BufferBindingType::Storage { read_only },
                        BindingKind::Uniform { .. } => wgpu::BufferBindingType::Uniform,
                    },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        let layout = self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(name),
            entries: &entries,
        });
        let pipeline_layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(name),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        });
        if let Some(e) = pollster::block_on(scope.pop()) {
            return Err(Error::Gpu(format!("kernel {name} {defines:?}: {e}")));
        }
        Ok(Kernel { name, defines, reflection, pipeline, layout })
    }
}
