//! Weights between storage and GEMM: packing and weight normalisation.

use super::{Ops, RightOperand, lanes};
use crate::error::Result;
use crate::gpu::{Call, Program, Tensor, linear_grid};

/// Stored weights, and the right operands that are made of them.
#[derive(Debug, Clone, Copy)]
pub struct Packing<'a> {
    /// The weights `[out, taps * in]`.
    pub v: &'a Tensor,
    /// Places of the kernel.
    pub taps: u32,
    /// `[out]`, by which they are multiplied.
    pub scale: Option<&'a Tensor>,
    /// `[taps * in, out]`
    pub forward: &'a RightOperand,
    /// `[taps * out, in]`
    pub backward: Option<&'a RightOperand>,
}

impl Ops {
    /// Packs weights into the layouts that their products read.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn pack_weights(&self, p: &mut Program, layer: &str, packing: Packing<'_>) -> Result<()> {
        let Packing { v, taps, scale, forward, backward } = packing;
        let c = v.cols / taps;
        assert!(v.cols.is_multiple_of(taps) && scale.is_none_or(|scale| scale.len() >= v.rows as usize));
        assert!(forward.holds(taps * c, v.rows) && backward.is_none_or(|b| b.holds(taps * v.rows, c)));
        let blocks = u64::from(v.rows.div_ceil(4)) * u64::from(taps) * u64::from(c.div_ceil(4));
        let call = Call::new("pack_weights", layer)
            .optional("SCALE", "scale", scale)
            .optional("BACKWARD", "backward", backward.map(|b| &b.tensor))
            .define("FP", u32::from(forward.panel > 0))
            .define("BP", u32::from(backward.is_some_and(|b| b.panel > 0)))
            .bind("v", v)
            .bind("forward", &forward.tensor)
            .param("n", blocks as u32)
            .param("out", v.rows)
            .param("taps", taps)
            .param("c", c)
            .param("fw", forward.panel)
            .param("fk", forward.panel_rows())
            .param("bw", backward.map_or(0, |b| b.panel))
            .param("bk", backward.map_or(0, RightOperand::panel_rows))
            .flops(scale.map_or(0, |_| v.len() as u64));
        p.each(&self.gpu, call, blocks)
    }

    /// scale = g / ||v||, inverse = 1 / ||v|| per output; v `[out, k]`, vectors `[out]`.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn weight_norm(
        &self,
        p: &mut Program,
        layer: &str,
        v: &Tensor,
        g: &Tensor,
        scale: &Tensor,
        inverse: &Tensor,
    ) -> Result<()> {
        assert!([g, scale, inverse].iter().all(|vector| vector.len() >= v.rows as usize));
        let (lanes, ty) = lanes(v.cols);
        let call = self
            .reducing(Call::new("weight_norm", layer), v.cols / lanes, 1)
            .define("V", lanes)
            .define("T", ty)
            .bind("v", v)
            .bind("g", g)
            .bind("scale", scale)
            .bind("inverse", inverse)
            .param("out", v.rows)
            .param("k", v.cols / lanes)
            .flops(2 * v.len() as u64);
        p.dispatch(&self.gpu, call, linear_grid(v.rows.into()))
    }

    /// dv and (where trained) dg from dw, the gradient of the effective weights; all `[out, k]` or `[out]`.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn weight_norm_grad(
        &self,
        p: &mut Program,
        layer: &str,
        (dw, v): (&Tensor, &Tensor),
        (scale, inverse): (&Tensor, &Tensor),
        dv: &Tensor,
        dg: Option<&Tensor>,
    ) -> Result<()> {
        assert!([dw, dv].iter().all(|matrix| matrix.len() >= v.len()));
        assert!([scale, inverse].into_iter().chain(dg).all(|vector| vector.len() >= v.rows as usize));
        let (lanes, ty) = lanes(v.cols);
        let call = self
            .reducing(Call::new("weight_norm_grad", layer), v.cols / lanes, 2)
            .define("V", lanes)
            .define("T", ty)
            .optional("SCALE", "dg", dg)
            .bind("dw", dw)
            .bind("v", v)
            .bind("scale", scale)
            .bind("inverse", inverse)
            .bind("dv", dv)
            .param("out", v.rows)
            .param("k", v.cols / lanes)
            .flops(6 * v.len() as u64);
        p.dispatch(&self.gpu, call, linear_grid(v.rows.into()))
    }
}
