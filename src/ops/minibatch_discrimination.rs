//! Minibatch discrimination.

use super::Ops;
use crate::error::Result;
use crate::gpu::{Call, Program, Tensor};

/// Sizes of the layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closeness {
    /// A, features of a row.
    pub features: u32,
    /// B, numbers that are added to them.
    pub kernels: u32,
    /// C, values that a distance runs over.
    pub dims: u32,
}

impl Ops<'_> {
    /// y `[rows, A + B]` = x `[rows, A]` and beside it the closeness of each row to the rows `start..start + count`,
    /// among which it is; m `[rows, B * C]`.
    ///
    /// # Errors
    /// As [`Program::dispatch`].
    pub fn minibatch_discrimination(
        &self,
        p: &mut Program,
        layer: &str,
        at: Closeness,
        (start, count): (u32, u32),
        (x, m): (&Tensor, &Tensor),
        y: &Tensor,
    ) -> Result<()> {
        debug_assert!(m.cols == at.kernels * at.dims && y.cols == at.features + at.kernels);
        let call = call("minibatch_discrimination", layer, at, (start, count))
            .bind("x", x)
            .bind("m", m)
            .bind("y", y)
            .flops(pairs(at, count) * (3 * u64::from(at.dims) + 2));
        p.each(self.gpu, call, u64::from(count) * u64::from(y.cols))
    }

    /// dm `[rows, B * C]` from dy `[rows, A + B]`, for the rows `start..start + count`.
    ///
    /// # Errors
    /// As [`Program::dispatch`].
    pub fn minibatch_discrimination_grad(
        &self,
        p: &mut Program,
        layer: &str,
        at: Closeness,
        (start, count): (u32, u32),
        (m, dy): (&Tensor, &Tensor),
        dm: &Tensor,
    ) -> Result<()> {
        debug_assert!(dm.cols == at.kernels * at.dims && dy.cols == at.features + at.kernels);
        let call = call("minibatch_discrimination_grad", layer, at, (start, count))
            .bind("m", m)
            .bind("dy", dy)
            .bind("dm", dm)
            .flops(pairs(at, count) * (5 * u64::from(at.dims) + 3));
        p.each(self.gpu, call, u64::from(count) * u64::from(at.kernels))
    }

    /// y `[rows, columns]` += the first columns of x `[rows, ..]`.
    ///
    /// # Errors
    /// As [`Program::dispatch`].
    pub fn add_columns(&self, p: &mut Program, layer: &str, x: &Tensor, y: &Tensor) -> Result<()> {
        debug_assert!(x.rows == y.rows && x.cols >= y.cols);
        let call = Call::new("add_columns", layer)
            .bind("x", x)
            .bind("y", y)
            .param("rows", y.rows)
            .param("columns", y.cols)
            .param("width", x.cols)
            .flops(y.len() as u64);
        p.each(self.gpu, call, y.len() as u64)
    }
}

/// What the layer and its gradient share.
fn call<'a>(kernel: &'static str, layer: &str, at: Closeness, (start, count): (u32, u32)) -> Call<'a> {
    Call::new(kernel, layer)
        .define("DIMS", at.dims)
        .param("start", start)
        .param("count", count)
        .param("features", at.features)
        .param("kernels", at.kernels)
}

/// Distances that a pass makes.
fn pairs(at: Closeness, count: u32) -> u64 {
    u64::from(count) * u64::from(count) * u64::from(at.kernels)
}
