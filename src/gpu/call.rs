//! One kernel call: how it is described, and its checks against what the kernel's WGSL declares.

use super::reflect::{BindingKind, Member, MemberType, Reflection};
use super::wgsl::Defines;
use super::{Gpu, Tensor};
use crate::error::{Error, Result};

/// Most workgroups along one axis (WebGPU's portable limit).
pub const MAX_GROUPS: u32 = 65_535;

/// Most turns that an invocation may take in all its loops together. Mesa's llvmpipe ends every loop of a shader after
/// 65,535 of them (`LP_MAX_TGSI_LOOP_ITERATIONS`), counted over all loops of an invocation, without an error: what is summed up
/// after that is missing from the result. Half of it leaves room for turns that a compiler adds. The bound holds on every
/// adapter, as more and shorter chunks cost nothing.
pub const MAX_TURNS: u32 = 1 << 15;

/// A parameter of a dispatch, fixed when it is recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Param {
    /// `u32`
    U(u32),
    /// `f32`
    F(f32),
}

impl From<u32> for Param {
    fn from(v: u32) -> Param {
        Param::U(v)
    }
}
impl From<f32> for Param {
    fn from(v: f32) -> Param {
        Param::F(v)
    }
}

/// One kernel call being described: tensors and parameters by the names its WGSL gives them. Kernels trust their parameters: who
/// describes a call ([`crate::ops`]) has checked that they fit the tensors, for what does not is out of bounds on the device.
#[derive(Debug)]
#[must_use = "nothing is recorded by describing it"]
pub(crate) struct Call<'a> {
    pub(super) kernel: &'static str,
    pub(super) layer: String,
    pub(super) defines: Defines,
    pub(super) tensors: Vec<(&'static str, &'a Tensor)>,
    params: Vec<(&'static str, Param)>,
    turns: Option<u64>,
    pub(super) flops: u64,
    pub(super) bytes: Option<u64>,
}

impl<'a> Call<'a> {
    /// A call of `shaders/{kernel}.wgsl` on behalf of `layer`.
    pub fn new(kernel: &'static str, layer: impl Into<String>) -> Call<'a> {
        Call {
            kernel,
            layer: layer.into(),
            defines: Defines::new(),
            tensors: vec![],
            params: vec![],
            turns: None,
            flops: 0,
            bytes: None,
        }
    }
    /// Adds a definition that selects the variant.
    pub fn define(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.defines.insert(name.into(), value.to_string());
        self
    }
    /// Binds a tensor.
    pub fn bind(mut self, name: &'static str, tensor: &'a Tensor) -> Self {
        self.tensors.push((name, tensor));
        self
    }
    /// Binds a tensor that not every variant has; the definition `flag` is 1 where it is there, else 0.
    pub fn optional(self, flag: &str, name: &'static str, tensor: Option<&'a Tensor>) -> Self {
        let call = self.define(flag, u32::from(tensor.is_some()));
        match tensor {
            Some(tensor) => call.bind(name, tensor),
            None => call,
        }
    }
    /// Sets a member of the parameter struct.
    pub fn param(mut self, name: &'static str, value: impl Into<Param>) -> Self {
        self.params.push((name, value.into()));
        self
    }
    /// Most turns that one invocation takes in all its loops together, inner ones included; required of a kernel with
    /// loops, and at most [`MAX_TURNS`].
    pub fn turns(mut self, n: u64) -> Self {
        self.turns = Some(n);
        self
    }
    /// Floating-point operations of the call.
    pub fn flops(mut self, n: u64) -> Self {
        self.flops = n;
        self
    }
    /// Bytes that must move, where it is not each bound tensor once: tensors that are read and written, or of
    /// which a part is touched.
    pub fn bytes(mut self, n: u64) -> Self {
        self.bytes = Some(n);
        self
    }

    /// Bytes that must move.
    pub(super) fn moved(&self) -> u64 {
        self.bytes.unwrap_or_else(|| self.tensors.iter().map(|(_, t)| t.bytes()).sum())
    }

    /// One dispatch of several that share the work: `part` of `all` of its operations and bytes.
    pub fn part(mut self, part: u64, all: u64) -> Self {
        let of = |n: u64| (u128::from(n) * u128::from(part) / u128::from(all)) as u64;
        (self.flops, self.bytes) = (of(self.flops), Some(of(self.moved())));
        self
    }

    /// The error of a call that does not fit its kernel.
    pub(super) fn error(&self, what: String) -> Error {
        Error::Gpu(format!("{} for {}: {what}", self.kernel, self.layer))
    }

    /// Refuses more workgroups or turns than every driver computes rightly.
    pub(super) fn check_bounds(&self, kernel: &Reflection, grid: [u32; 3]) -> Result<()> {
        if grid.iter().any(|&g| g > MAX_GROUPS) {
            return Err(self.error(format!("{grid:?} workgroups; at most {MAX_GROUPS} along an axis")));
        }
        match self.turns {
            None if kernel.loops => Err(self.error("the turns of its loops are not counted".into())),
            Some(turns) if turns > u64::from(MAX_TURNS) => Err(Error::Usage(format!(
                "{}: too large: each invocation of {} would loop {turns} times, and some drivers compute wrongly \
                 after 65,535 (at most {MAX_TURNS} here): use smaller images, kernels, or batches",
                self.layer, self.kernel
            ))),
            _ => Ok(()),
        }
    }

    /// The tensors by the numbers of their bindings, and the uniform buffer of the parameters, if there are any.
    pub(super) fn bindings(&self, gpu: &Gpu, kernel: &Reflection) -> Result<Bindings> {
        let mut tensors = Vec::with_capacity(kernel.bindings.len());
        let mut uniform = None;
        for b in &kernel.bindings {
            match (&b.kind, self.tensors.iter().find(|(n, _)| *n == b.name)) {
                (_, Some((_, tensor))) => tensors.push((b.index, (*tensor).clone())),
                (BindingKind::Storage { .. }, None) => {
                    return Err(self.error(format!("{:?} is not bound", b.name)));
                }
                (BindingKind::Uniform { size, members }, None) => {
                    let bytes = self.param_bytes(*size, members)?;
                    if b.name != "p" {
                        return Err(self.error("parameters must be named \"p\"".into()));
                    }
                    uniform = Some((b.index, gpu.uniform(self.kernel, &bytes)));
                }
            }
        }
        if tensors.len() != self.tensors.len() {
            let names: Vec<_> = self.tensors.iter().map(|(n, _)| *n).collect();
            return Err(self.error(format!("binds {names:?}, but declares {} of them", tensors.len())));
        }
        Ok((tensors, uniform))
    }

    /// The parameters as the kernel's struct has them in memory.
    fn param_bytes(&self, size: u32, members: &[Member]) -> Result<Vec<u8>> {
        let mut bytes = vec![0u8; size as usize];
        for m in members {
            let found = self.params.iter().find(|(n, _)| *n == m.name);
            let (_, v) = found.ok_or_else(|| self.error(format!("parameter {:?} is not set", m.name)))?;
            let word = match (v, m.ty) {
                (Param::U(v), MemberType::U32) => *v,
                (Param::F(v), MemberType::F32) => v.to_bits(),
                _ => return Err(self.error(format!("parameter {:?} is a {:?}", m.name, m.ty))),
            };
            bytes[m.offset as usize..][..4].copy_from_slice(bytemuck::bytes_of(&word));
        }
        match self.params.iter().find(|(n, _)| !members.iter().any(|m| m.name == *n)) {
            Some((n, _)) => Err(self.error(format!("has no parameter {n:?}"))),
            None => Ok(bytes),
        }
    }
}

/// Tensors and the uniform buffer of a call, with the numbers of their bindings.
type Bindings = (Vec<(u32, Tensor)>, Option<(u32, wgpu::Buffer)>);
