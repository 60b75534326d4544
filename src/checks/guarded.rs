//! Tensors between guards.

use super::Checks;
use crate::error::Result;
use crate::gpu::{ALIGN, Gpu, Program, Tensor};
use crate::native::BlockOn;
use crate::ops::{Ops, Packing, ProductKind, RightOperand};
use crate::reference::dense::transpose;

/// Stands around outputs; no computation here gives it.
const GUARD: f32 = -1.234_567_8e30;

/// Where a kernel may write beyond the last value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slack {
    /// Nowhere.
    None,
    /// Up to the next vec4, as elementwise kernels do.
    Vec4,
}

/// A tensor that a kernel writes, between guard values in a larger buffer.
#[derive(Debug)]
pub struct Output {
    all: Tensor,
    slack: Slack,
    /// What to bind.
    pub tensor: Tensor,
    /// The same with the guards behind it, for operations that take its size from elsewhere: bound like
    /// this, a write beyond the end is not stopped by the end of the binding.
    pub open: Tensor,
}

impl Output {
    /// `[rows, cols]` of NaN.
    pub fn new(gpu: &Gpu, rows: u32, cols: u32, slack: Slack) -> Output {
        Output::with(gpu, rows, cols, &vec![f32::NAN; rows as usize * cols as usize], slack)
    }

    /// `[rows, cols]` with given values (`f32` or `u32`), for what is read and written.
    pub fn with<T: bytemuck::Pod>(gpu: &Gpu, rows: u32, cols: u32, values: &[T], slack: Slack) -> Output {
        let (all, tensor) = surrounded(gpu, rows, cols, values, GUARD);
        let open = all.part(ALIGN, 1, all.cols - ALIGN as u32);
        Output { all, slack, tensor, open }
    }

    /// The values. A guard that was written is a finding.
    ///
    /// # Errors
    /// [`crate::Error::Gpu`] if the device failed.
    pub fn read<T: bytemuck::Pod>(&self, c: &Checks<'_>, name: &str) -> Result<Vec<T>> {
        let bits: Vec<u32> = c.read(&self.all).block_on()?;
        let end = ALIGN + self.tensor.len();
        let free = if self.slack == Slack::Vec4 { ALIGN + 4 * self.tensor.vec4s() as usize } else { end };
        let outside = bits.iter().enumerate().filter(|(i, _)| *i < ALIGN || *i >= free);
        if let Some((i, b)) = outside.into_iter().find(|(_, b)| **b != GUARD.to_bits()) {
            let (wrote, offset) = (f32::from_bits(*b), i as i64 - ALIGN as i64);
            c.fail(name, format!("wrote {wrote:e} at {offset}, outside of {} values", self.tensor.len()));
        }
        Ok(bytemuck::cast_slice(&bits[ALIGN..end]).to_vec())
    }
}

/// The right operand `[k, n]` of products with A read as `a`, packed by the tile's wish.
///
/// # Errors
/// [`crate::Error::Gpu`] if the device failed.
pub fn packed(ops: &Ops, kind: ProductKind, values: &[f32]) -> Result<RightOperand> {
    let right = ops.right_operand("packed", kind);
    let (k, n) = (right.k, values.len() as u32 / right.k);
    let v = input(&ops.gpu, n, k, &transpose(values, k as usize, n as usize));
    let mut p = Program::new();
    let packing = Packing { v: &v, taps: 1, scale: None, forward: &right, backward: None };
    ops.pack_weights(&mut p, "check", packing)?;
    ops.gpu.submit(&p, &[]).block_on()?;
    Ok(right)
}

/// A tensor of `rows * cols` values that kernels only read, between NaN.
pub fn input<T: bytemuck::Pod>(gpu: &Gpu, rows: u32, cols: u32, values: &[T]) -> Tensor {
    surrounded(gpu, rows, cols, values, f32::NAN).1
}

fn surrounded<T: bytemuck::Pod>(
    gpu: &Gpu,
    rows: u32,
    cols: u32,
    values: &[T],
    around: f32,
) -> (Tensor, Tensor) {
    let len = rows as usize * cols as usize;
    let total = (2 * ALIGN + len).next_multiple_of(ALIGN);
    let mut bits = vec![around.to_bits(); total];
    bits[ALIGN..ALIGN + len].copy_from_slice(bytemuck::cast_slice(values));
    let all = gpu.upload("guarded", 1, total as u32, &bits);
    let tensor = all.part(ALIGN, rows, cols);
    (all, tensor)
}
