//! A kernel variant.

use super::Gpu;
use super::compiler::{Compilation, Pending};
use super::reflect::{BindingKind, Reflection, reflect};
use super::wgsl::{self, Defines};
use crate::error::Result;
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
    pipeline: Pending,
    pub(super) layout: wgpu::BindGroupLayout,
}

impl Kernel {
    /// The definitions that tell it from its other variants, such as `A=2 BIAS=1 SG=8`: those that are not 0,
    /// without the workgroup size and the types that follow from others.
    pub fn variant(&self) -> String {
        let told = self.defines.iter().filter(|(n, v)| !["WG", "T"].contains(&n.as_str()) && *v != "0");
        told.map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(" ")
    }

    /// The pipeline, when it is compiled.
    ///
    /// # Errors
    /// [`crate::error::Error::Gpu`] if the shader is not valid or the driver rejects it.
    pub(super) async fn ready(&self) -> Result<&wgpu::ComputePipeline> {
        self.pipeline.ready().await
    }

    /// The pipeline.
    ///
    /// # Errors
    /// As [`Kernel::ready`], and if it is not compiled yet.
    pub(super) fn pipeline(&self) -> Result<&wgpu::ComputePipeline> {
        self.pipeline.get()
    }

    /// Whether it is known not to compile.
    pub(super) fn failed(&self) -> bool {
        self.pipeline.failed()
    }
}

impl Gpu {
    /// The variant of `shaders/{name}.wgsl` with `defines`. Where it is new, its compilation begins; what fails in it is
    /// an error of the first submit.
    ///
    /// # Errors
    /// [`crate::error::Error::Gpu`] if the source does not expand or read.
    pub(super) fn kernel(&self, name: &'static str, defines: &Defines) -> Result<Rc<Kernel>> {
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
        let (reflection, module) = reflect(name, &text)?;
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
        let pipeline = Pending::new();
        self.host.compile(Compilation {
            device: self.device.clone(),
            name,
            what: format!("{name} {defines:?}"),
            module,
            layout: pipeline_layout,
            checked: self.checked,
            done: pipeline.clone(),
        });
        Ok(Kernel { name, defines, reflection, pipeline, layout })
    }
}
