//! Sums over the rows of a matrix, in two passes of fixed order.

use super::{Ops, lanes};
use crate::error::Result;
use crate::gpu::{Call, MAX_TURNS, Program, Tensor};

/// A run of rows of a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows {
    /// The first.
    pub start: u32,
    /// How many.
    pub count: u32,
}

impl Rows {
    /// As many as are summed up in 64 chunks.
    pub(super) const LONGEST: u32 = 64 * MOST_ROWS;

    /// All rows of `x`.
    pub fn of(x: &Tensor) -> Rows {
        Rows { start: 0, count: x.rows }
    }

    /// What the first pass takes together, with workgroups that take `high` chunks each: 64 chunks for each of these, or where
    /// these are many as many as a chunk has rows, so that neither pass is long. At least 32 rows, and no more than the bound
    /// on loops allows.
    fn chunks(self, high: u32) -> Chunks {
        let most = (64 * high).min(self.count.isqrt()).max(64);
        let rows = self.count.div_ceil(most).clamp(32, MOST_ROWS);
        Chunks { rows, count: self.count.div_ceil(rows) }
    }
}

/// How many invocations of a workgroup of the first pass lie side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Across {
    /// As many as there are columns for on a GPU, so that the others have rows.
    Columns,
    /// All, so that chunks are as long as they can be: for the self-test.
    Workgroup,
}

/// The chunks of rows of the first pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunks {
    /// Rows of each but the last.
    pub rows: u32,
    /// How many.
    pub count: u32,
}

/// Rows of a block that is summed up by itself: BLOCK of `column_reduce.wgsl`.
const BLOCK: u32 = 64;

/// Rows of the longest chunk, a whole number of blocks.
const MOST_ROWS: u32 = 15_872;

/// Turns of an invocation that goes over `rows` rows once, in blocks.
const fn column_turns(rows: u32) -> u32 {
    let blocks = rows.div_ceil(BLOCK);
    rows + blocks + blocks + 1
}

const _: () = assert!(MOST_ROWS.is_multiple_of(BLOCK) && 2 * column_turns(MOST_ROWS) <= MAX_TURNS);

/// Turns of an invocation of a workgroup of `group` that goes over `n` values in each of `loops` loops, between which
/// it sums over the workgroup.
fn reducing_turns(group: u32, n: u32, loops: u32) -> u64 {
    u64::from(loops) * u64::from(n.div_ceil(group) + group.ilog2() + 2)
}

impl Ops {
    /// First pass: some numbers per chunk and column, and the chunks; see `column_reduce.wgsl`. `grad` = (dy, mean) for batch
    /// norm's gradient.
    pub(super) fn column_reduce(
        &self,
        p: &mut Program,
        layer: &str,
        (mode, across): (u32, Across),
        (x, rows): (&Tensor, Rows),
        grad: Option<(&Tensor, &Tensor)>,
    ) -> Result<(Tensor, Chunks)> {
        assert!(u64::from(rows.start) + u64::from(rows.count) <= x.rows.into() && rows.count > 0);
        let (numbers, operations) = [(1, 1), (2, 5), (4, 5)][mode as usize];
        let (v, ty) = lanes(x.cols);
        // What software adapters compute is as it was recorded.
        let group = self.gpu.elementwise_group();
        let across = match across {
            Across::Columns if !self.gpu.is_software() => (x.cols / v).next_power_of_two().min(group),
            _ => group,
        };
        let high = group / across;
        let chunks = rows.chunks(high);
        let partial = p.scratch(&self.gpu, "column partials", chunks.count, numbers * x.cols);
        let read = if grad.is_some() { 2 } else { 1 };
        let mut call = Call::new("column_reduce", layer)
            .define("MODE", mode)
            .define("ACROSS", across)
            .define("V", v)
            .define("T", ty)
            .bind("x", x)
            .bind("partial", &partial)
            .param("start", rows.start)
            .param("count", rows.count)
            .param("cols", x.cols / v)
            .param("chunk", chunks.rows)
            .flops(operations * u64::from(rows.count) * u64::from(x.cols))
            .bytes(read * 4 * u64::from(rows.count) * u64::from(x.cols) + partial.bytes());
        call = call.turns((if mode == 1 { 2 } else { 1 } * column_turns(chunks.rows)).into());
        if let Some((dy, mean)) = grad {
            call = call.bind("dy", dy).bind("mean", mean);
        }
        p.dispatch(&self.gpu, call, [(x.cols / v).div_ceil(across), chunks.count.div_ceil(high), 1])?;
        Ok((partial, chunks))
    }

    /// `call` of a kernel of which each workgroup goes over `n` values in each of `loops` loops, with as many invocations as
    /// is usual on the adapter, or as the bound on their turns asks for.
    pub(super) fn reducing<'a>(&self, call: Call<'a>, n: u32, loops: u32) -> Call<'a> {
        let usual = self.gpu.reducing_group();
        let fits = |group: &u32| reducing_turns(*group, n, loops) <= u64::from(MAX_TURNS);
        let group = [usual, usual.max(64), 256].into_iter().find(fits).unwrap_or(256);
        assert!(group.is_power_of_two(), "sums are trees of halves");
        call.define("WG", group).turns(reducing_turns(group, n, loops))
    }

    /// Workgroups that cover `cols` columns, one invocation each.
    pub(super) fn column_groups(&self, cols: u32) -> u32 {
        cols.div_ceil(self.gpu.elementwise_group())
    }

    /// out `[cols]` = scale * sum of some rows of x `[rows, cols]`: bias gradients and feature means.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn column_sum(
        &self,
        p: &mut Program,
        layer: &str,
        (x, rows): (&Tensor, Rows),
        scale: f32,
        out: &Tensor,
    ) -> Result<()> {
        assert!(out.len() >= x.cols as usize);
        let (partial, chunks) = self.column_reduce(p, layer, (0, Across::Columns), (x, rows), None)?;
        let call = Call::new("column_sum", layer)
            .bind("partial", &partial)
            .bind("out", out)
            .param("cols", x.cols)
            .param("chunks", chunks.count)
            .param("scale", scale)
            .turns(u64::from(chunks.count + 1))
            .flops(u64::from(chunks.count) * u64::from(x.cols));
        p.each(&self.gpu, call, x.cols.into())
    }
}
