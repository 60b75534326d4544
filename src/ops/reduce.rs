//! Sums over the rows of a matrix, in two passes of fixed order.

use super::{Ops, lanes};
use crate::error::Result;
use crate::gpu::{Call, Program, Tensor};

/// A run of rows that a reduction takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rows {
    pub start: u32,
    pub count: u32,
}

impl Rows {
    /// Rows per chunk: at most 64 chunks, at least 32 rows each.
    pub fn chunk(self) -> u32 {
        self.count.div_ceil(64).max(32)
    }
    pub fn chunks(self) -> u32 {
        self.count.div_ceil(self.chunk())
    }
}

impl Ops<'_> {
    /// First pass: two numbers per chunk and column; see `column_reduce.wgsl`. `grad` = (dy, mean,
    /// variance, eps) for batch norm's gradient.
    pub(super) fn column_reduce(
        &self,
        p: &mut Program,
        layer: &str,
        mode: u32,
        x: &Tensor,
        rows: Rows,
        grad: Option<(&Tensor, &Tensor, &Tensor, f32)>,
    ) -> Result<Tensor> {
        debug_assert!(rows.start + rows.count <= x.rows && rows.count > 0);
        let partial = p.scratch(self.gpu, "column partials", rows.chunks(), 2 * x.cols);
        let passes = if mode == 1 { 4 } else { 2 };
        let read = if grad.is_some() { 2 } else { 1 };
        let (v, ty) = lanes(x.cols);
        let mut call = Call::new("column_reduce", layer)
            .define("MODE", mode)
            .define("V", v)
            .define("T", ty)
            .bind("x", x)
            .bind("partial", &partial)
            .param("start", rows.start)
            .param("count", rows.count)
            .param("cols", x.cols / v)
            .param("chunk", rows.chunk())
            .param("eps", grad.map_or(0.0, |g| g.3))
            .flops(passes * u64::from(rows.count) * u64::from(x.cols))
            .bytes(read * 4 * u64::from(rows.count) * u64::from(x.cols) + partial.bytes());
        if let Some((dy, mean, variance, _)) = grad {
            call = call.bind("dy", dy).bind("mean", mean).bind("variance", variance);
        }
        let group = self.column_groups(x.cols / v);
        p.dispatch(self.gpu, call, [group, rows.chunks(), 1])?;
        Ok(partial)
    }

    /// Workgroups that cover `cols` columns, one invocation each.
    pub(super) fn column_groups(&self, cols: u32) -> u32 {
        cols.div_ceil(self.gpu.elementwise_group())
    }

    /// out `[cols]` = scale * sum of the rows `start..start + count` of x `[rows, cols]`: bias gradients and
    /// feature means.
    ///
    /// # Errors
    /// As [`Program::dispatch`].
    pub fn column_sum(
        &self,
        p: &mut Program,
        layer: &str,
        x: &Tensor,
        start: u32,
        count: u32,
        scale: f32,
        out: &Tensor,
    ) -> Result<()> {
        let rows = Rows { start, count };
        let partial = self.column_reduce(p, layer, 0, x, rows, None)?;
        let call = Call::new("column_sum", layer)
            .bind("partial", &partial)
            .bind("out", out)
            .param("cols", x.cols)
            .param("chunks", rows.chunks())
            .param("scale", scale)
            .flops(u64::from(rows.chunks()) * u64::from(x.cols));
        p.each(self.gpu, call, x.cols.into())
    }
}
