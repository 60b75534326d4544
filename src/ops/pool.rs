//! Global average pooling.

use super::Ops;
use crate::error::Result;
use crate::gpu::{Call, Program, Tensor};

impl Ops<'_> {
    /// y [rows, cols] = mean over the pixels of x [rows * pixels, cols].
    ///
    /// # Errors
    /// As [`Program::dispatch`].
    pub fn global_avg_pool(&self, p: &mut Program, layer: &str, x: &Tensor, y: &Tensor) -> Result<()> {
        let call = Call::new("global_avg_pool", layer)
            .bind("x", x)
            .bind("y", y)
            .param("rows", y.rows)
            .param("pixels", x.rows / y.rows)
            .param("cols", y.cols)
            .flops(x.len() as u64);
        p.each(self.gpu, call, y.len() as u64)
    }

    /// dx [rows * pixels, cols] = dy [rows, cols] / pixels.
    ///
    /// # Errors
    /// As [`Program::dispatch`].
    pub fn global_avg_pool_grad(&self, p: &mut Program, layer: &str, dy: &Tensor, dx: &Tensor) -> Result<()> {
        let call = Call::new("global_avg_pool_grad", layer)
            .bind("dy", dy)
            .bind("dx", dx)
            .param("rows", dy.rows)
            .param("pixels", dx.rows / dy.rows)
            .param("cols", dy.cols)
            .flops(dx.len() as u64);
        p.each(self.gpu, call, dx.len() as u64)
    }
}
