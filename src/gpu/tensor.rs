//! A matrix in GPU memory.

use super::Gpu;
use super::scratch::Block;
use std::rc::Rc;

/// `[rows, cols]` of 32-bit values, row-major without gaps, in its own buffer, at an aligned offset of a larger one, or,
/// a program's scratch, in a buffer that it shares with others. Cloning clones the handle.
#[derive(Debug, Clone)]
pub struct Tensor {
    pub(super) block: Rc<Block>,
    pub(super) offset: u64,
    /// Rows.
    pub rows: u32,
    /// Values per row.
    pub cols: u32,
}

/// Tensors inside one buffer start at multiples of this many values (WebGPU's 256-byte binding alignment).
pub const ALIGN: usize = 64;

/// Bytes of a part of an upload.
const STAGED: usize = 16 << 20;

impl Tensor {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.rows as usize * self.cols as usize
    }

    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of `vec4` that cover it; buffers are padded so that the last one may be read and written.
    pub fn vec4s(&self) -> u32 {
        self.len().div_ceil(4) as u32
    }

    /// Bytes of its values.
    pub fn bytes(&self) -> u64 {
        self.len() as u64 * 4
    }

    /// The first `rows` rows. Ops that write whole `vec4`s may write up to three values behind them.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn head(&self, rows: u32) -> Tensor {
        assert!(rows <= self.rows);
        Tensor { rows, ..self.clone() }
    }

    /// The same values with another number of columns.
    ///
    /// # Panics
    /// If `rows * cols` is not the number of values.
    pub fn reshape(&self, rows: u32, cols: u32) -> Tensor {
        assert_eq!(rows as usize * cols as usize, self.len());
        Tensor { rows, cols, ..self.clone() }
    }

    /// `[rows, cols]` of this tensor's values from number `start` on, a multiple of [`ALIGN`].
    ///
    /// # Panics
    /// If `start` is no such multiple, or there are fewer values.
    pub fn part(&self, start: usize, rows: u32, cols: u32) -> Tensor {
        assert!(start.is_multiple_of(ALIGN) && start + rows as usize * cols as usize <= self.len());
        Tensor { block: self.block.clone(), offset: self.offset + start as u64 * 4, rows, cols }
    }

    /// `[rows, cols]` at the start of a block.
    pub(super) fn of(block: Rc<Block>, rows: u32, cols: u32) -> Tensor {
        Tensor { block, offset: 0, rows, cols }
    }

    pub(super) fn binding(&self) -> wgpu::BufferBinding<'_> {
        wgpu::BufferBinding {
            buffer: self.block.buffer(),
            offset: self.offset,
            size: wgpu::BufferSize::new((u64::from(self.vec4s()) * 16).max(16)),
        }
    }
}

/// Bytes of a block for `[rows, cols]`: whole `vec4`.
pub(super) fn padded_bytes(rows: u32, cols: u32) -> u64 {
    (u64::from(rows) * u64::from(cols) * 4).next_multiple_of(16).max(16)
}

impl Gpu {
    /// A zeroed tensor in its own buffer.
    pub fn tensor(&self, label: &str, rows: u32, cols: u32) -> Tensor {
        Tensor::of(Block::of(self.buffer(label, padded_bytes(rows, cols))), rows, cols)
    }

    /// A column vector or list of `n` values.
    pub fn vector(&self, label: &str, n: u32) -> Tensor {
        self.tensor(label, 1, n)
    }

    /// A tensor with given contents (`f32` or `u32`); zeros where these are fewer.
    ///
    /// # Panics
    /// If they are more than `rows * cols` values.
    pub fn upload<T: bytemuck::Pod>(&self, label: &str, rows: u32, cols: u32, values: &[T]) -> Tensor {
        let t = self.tensor(label, rows, cols);
        self.write(&t, values);
        t
    }

    /// Replaces a tensor's contents before the next submit; of fewer values, its first ones.
    ///
    /// # Panics
    /// If they are more than it has, or it is scratch that shares memory.
    pub fn write<T: bytemuck::Pod>(&self, t: &Tensor, values: &[T]) {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        assert!(bytes.len() as u64 <= t.bytes() && !t.block.is_shared());
        // wgpu keeps a copy of what is written until the device has taken it over: where the host can wait, two parts at most.
        let (count, mut before) = (bytes.len().div_ceil(STAGED), None);
        for (i, part) in bytes.chunks(STAGED).enumerate() {
            self.queue.write_buffer(t.block.buffer(), t.offset + (i * STAGED) as u64, part);
            if i + 1 < count
                && let Some(index) = before.replace(self.queue.submit([]))
                && let Err(said) = self.drive_to(index)
            {
                self.reports.fail(said);
            }
        }
    }
}

#[cfg(feature = "native")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::BlockOn;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn parts_lie_within_their_tensor() {
        let gpu = crate::native::open(&Default::default()).unwrap();
        let whole = gpu.tensor("whole", 3, 64);
        let fits = |of: &Tensor, start, rows, cols| {
            catch_unwind(AssertUnwindSafe(|| of.part(start, rows, cols))).is_ok()
        };
        assert!(fits(&whole, 64, 8, 16) && fits(&whole, 192, 0, 9));
        assert!(!fits(&whole, 64, 1, 129) && !fits(&whole, 32, 1, 1));
        // Of a part, its own end.
        let part = whole.part(64, 1, 64);
        assert!(fits(&part, 0, 1, 64) && !fits(&part, 64, 1, 1));
    }

    /// The copies of a large upload do not add up.
    #[test]
    fn little_is_staged_at_a_time() {
        let gpu = crate::native::open(&Default::default()).unwrap();
        let Some(before) = gpu.allocated() else { return };
        let values: Vec<u32> = (0..24 << 20).collect();
        let tensor = gpu.upload("large", 1, values.len() as u32, &values);
        let more = gpu.allocated().unwrap() - before - tensor.bytes();
        assert!(more <= 3 * STAGED as u64, "{} MiB are staged", more >> 20);
        assert!(gpu.read::<u32>(&tensor).block_on().unwrap() == values);
    }
}
