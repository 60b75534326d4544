//! A recorded list of dispatches. All buffers, bind groups and pipelines exist before the first run, so
//! that a training step only replays the list.

use super::kernel::Kernel;
use super::scratch::{self, Block, Pool};
use super::tensor::padded_bytes;
use super::{Call, Gpu, MAX_GROUPS, Tensor};
use crate::error::{Error, Result};
use std::cell::OnceCell;
use std::rc::Rc;

/// One recorded kernel call.
#[derive(Debug)]
pub struct Dispatch {
    /// The kernel.
    pub kernel: Rc<Kernel>,
    /// On whose behalf, such as `discriminator.2 forward`.
    pub layer: String,
    /// Workgroups along each axis.
    pub grid: [u32; 3],
    /// Floating-point operations.
    pub flops: u64,
    /// Bytes that must move: each input read once, each output written once.
    pub bytes: u64,
    /// Kernel and layer: the name in debuggers.
    label: String,
    /// Tensors by binding.
    bound: Vec<(u32, Tensor)>,
    /// Parameters and their binding.
    uniform: Option<(u32, wgpu::Buffer)>,
    /// Made when every tensor has its memory.
    group: OnceCell<wgpu::BindGroup>,
}

impl Dispatch {
    fn bind(&self, gpu: &Gpu) {
        let tensors = self.bound.iter().map(|(binding, t)| wgpu::BindGroupEntry {
            binding: *binding,
            resource: wgpu::BindingResource::Buffer(t.binding()),
        });
        let uniform = self
            .uniform
            .iter()
            .map(|(binding, u)| wgpu::BindGroupEntry { binding: *binding, resource: u.as_entire_binding() });
        self.group.get_or_init(|| {
            gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(&self.label),
                layout: &self.kernel.layout,
                entries: &tensors.chain(uniform).collect::<Vec<_>>(),
            })
        });
    }
}

/// Dispatches in order.
#[derive(Debug, Default)]
pub struct Program {
    /// The calls, first to last.
    pub dispatches: Vec<Dispatch>,
    /// Whether its scratch tensors share memory.
    shares: bool,
}

/// A grid of at least `groups` workgroups; `linear_group` of `common/grid.wgsl` gives each its number.
pub(crate) fn linear_grid(groups: u64) -> [u32; 3] {
    let groups = groups.max(1);
    if groups <= u64::from(MAX_GROUPS) {
        return [groups as u32, 1, 1];
    }
    let y = groups.div_ceil(u64::from(MAX_GROUPS));
    [groups.div_ceil(y) as u32, y as u32, 1]
}

impl Program {
    /// An empty program whose scratch tensors have memory of their own, so that they can be read when it has run.
    pub fn new() -> Program {
        Program::default()
    }

    /// An empty program whose scratch tensors share memory; when it is recorded, [`Program::plan`] must follow.
    pub fn sharing() -> Program {
        Program { shares: true, ..Program::default() }
    }

    /// A tensor that nothing but this program's dispatches needs. What it holds at first is undefined.
    pub fn scratch(&self, gpu: &Gpu, label: &str, rows: u32, cols: u32) -> Tensor {
        if !self.shares {
            return gpu.tensor(label, rows, cols);
        }
        Tensor::of(Block::later(label, padded_bytes(rows, cols)), rows, cols)
    }

    /// Finds memory in `pool` for the scratch tensors of a sharing program.
    ///
    /// # Panics
    /// If they have some: a program is planned once.
    pub fn plan(&self, gpu: &Gpu, pool: &mut Pool) {
        pool.place(gpu, &self.scratch_blocks());
        self.dispatches.iter().for_each(|d| d.bind(gpu));
    }

    /// Bytes that the scratch tensors of a sharing program take in a pool of their own.
    pub fn scratch_bytes(&self) -> u64 {
        scratch::bytes(&self.scratch_blocks())
    }

    fn scratch_blocks(&self) -> Vec<scratch::Lifetime> {
        scratch::lifetimes(self.dispatches.iter().map(|d| d.bound.as_slice()))
    }

    /// Records `call` with one invocation for each of `n` items.
    ///
    /// # Errors
    /// As [`Program::dispatch`].
    pub(crate) fn each(&mut self, gpu: &Gpu, call: Call<'_>, n: u64) -> Result<()> {
        let kernel = gpu.kernel(call.kernel, &call.defines)?;
        let per_group = u64::from(kernel.reflection.workgroup_size[0]);
        let grid = linear_grid(n.div_ceil(per_group));
        if grid[1] > 1 && !kernel.reflection.unfolds {
            return Err(call.error(format!("{n} items; it knows one axis of workgroups")));
        }
        self.push(gpu, kernel, call, grid)
    }

    /// Records `call` with a grid of workgroups.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the kernel's source cannot be read (what fails in compiling is an error of the first submission),
    /// a binding or parameter is missing, superfluous or of another type, the turns of its loops are not counted, or the
    /// grid is larger than the portable limit. [`Error::Usage`] if an invocation would loop more than
    /// [`MAX_TURNS`](super::MAX_TURNS) times.
    pub(crate) fn dispatch(&mut self, gpu: &Gpu, call: Call<'_>, grid: [u32; 3]) -> Result<()> {
        let kernel = gpu.kernel(call.kernel, &call.defines)?;
        self.push(gpu, kernel, call, grid)
    }

    fn push(&mut self, gpu: &Gpu, kernel: Rc<Kernel>, call: Call<'_>, grid: [u32; 3]) -> Result<()> {
        call.check_bounds(&kernel.reflection, grid)?;
        let (bound, uniform) = call.bindings(gpu, &kernel.reflection)?;
        let label = format!("{} {}", call.kernel, call.layer);
        let bytes = call.moved();
        let Call { layer, flops, .. } = call;
        let group = OnceCell::new();
        let dispatch = Dispatch { kernel, layer, grid, flops, bytes, label, bound, uniform, group };
        if !self.shares {
            dispatch.bind(gpu);
        }
        self.dispatches.push(dispatch);
        Ok(())
    }

    /// Whether one of its dispatches is of this kernel.
    pub fn runs(&self, kernel: &str) -> bool {
        self.dispatches.iter().any(|d| d.kernel.name == kernel)
    }

    /// Waits until the kernels of all dispatches are compiled.
    ///
    /// # Errors
    /// [`Error::Gpu`] if one of them did not compile.
    pub async fn ready(&self) -> Result<()> {
        for d in &self.dispatches {
            d.kernel.ready().await?;
        }
        Ok(())
    }

    /// Records some of the dispatches into a pass, each in a debug group of its name.
    ///
    /// # Errors
    /// [`Error::Gpu`] if a kernel is not compiled, or the program's memory was not planned.
    pub(super) fn encode_range(
        &self,
        pass: &mut wgpu::ComputePass<'_>,
        range: std::ops::Range<usize>,
    ) -> Result<()> {
        for d in &self.dispatches[range] {
            let pipeline = d.kernel.pipeline()?;
            let unplanned = || Error::Gpu(format!("{}: its program was not planned", d.label));
            let group = d.group.get().ok_or_else(unplanned)?;
            pass.push_debug_group(&d.label);
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, group, &[]);
            pass.dispatch_workgroups(d.grid[0], d.grid[1], d.grid[2]);
            pass.pop_debug_group();
        }
        Ok(())
    }

    /// Sum of the calls' floating-point operations.
    pub fn flops(&self) -> u64 {
        self.dispatches.iter().map(|d| d.flops).sum()
    }
}

#[cfg(feature = "native")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{AdapterChoice, MAX_TURNS};

    /// Loops that nobody counted might be too long, and what is too long would be wrong on llvmpipe.
    #[test]
    fn loops_are_counted_and_bounded() {
        let gpu = crate::native::open(&AdapterChoice::default()).unwrap();
        let said = |turns: Option<u32>| {
            let call = Call::new("column_sum", "test");
            let call = turns.into_iter().fold(call, |call, turns| call.turns(turns.into()));
            Program::new().dispatch(&gpu, call, [1, 1, 1]).unwrap_err()
        };
        assert!(said(None).to_string().contains("not counted"), "{}", said(None));
        let most = said(Some(MAX_TURNS)).to_string();
        assert!(most.contains("is not set"), "{most}");
        let more = said(Some(MAX_TURNS + 1));
        assert!(matches!(&more, Error::Usage(m) if m.contains("32769")), "{more}");
    }

    /// A kernel that knows one axis of workgroups computes nothing on two; it is an error.
    #[test]
    fn only_what_unfolds_is_folded() {
        let gpu = crate::native::open(&AdapterChoice::default()).unwrap();
        let most = u64::from(MAX_GROUPS) * u64::from(gpu.elementwise_group());
        let said = |n: u64| {
            let call = Call::new("feature_matching", "test");
            Program::new().each(&gpu, call, n).unwrap_err().to_string()
        };
        assert!(said(most + 1).contains("one axis"), "{}", said(most + 1));
        assert!(!said(most).contains("one axis"), "{}", said(most));
    }
}
