//! Weights between storage and GEMM: packing and weight normalisation.

use super::{Ops, RightOperand, lanes};
use crate::error::Result;
use crate::gpu::{Call, Program, Tensor, linear_grid};

impl Ops {
    /// v `[out, taps * in]` (times `scale` `[out]`) as `forward`, the right operand `[taps * in, out]`, and, where
    /// given, `backward`, `[taps * out, in]`.
    ///
    /// # Errors
    /// As [`Program::dispatch`].
    pub fn pack_weights(
        &self,
        p: &mut Program,
        layer: &str,
        v: &Tensor,
        taps: u32,
        scale: Option<&Tensor>,
        forward: &RightOperand,
        backward: Option<&RightOperand>,
    ) -> Result<()> {
        let c = v.cols / taps;
        let blocks = u64::from(v.rows.div_ceil(4)) * u64::from(taps) * u64::from(c.div_ceil(4));
        let mut call = Call::new("pack_weights", layer)
            .define("SCALE", u32::from(scale.is_some()))
            .define("BACKWARD", u32::from(backward.is_some()))
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
            .param("bk", backward.map_or(0, RightOperand::panel_rows));
        if let Some(s) = scale {
            call = call.bind("scale", s).flops(v.len() as u64);
        }
        if let Some(b) = backward {
            call = call.bind("backward", &b.tensor);
        }
        p.each(&self.gpu, call, blocks)
    }

    /// scale = g / ||v||, inverse = 1 / ||v|| per output; v `[out, k]`, vectors `[out]`.
    ///
    /// # Errors
    /// As [`Program::dispatch`].
    pub fn weight_norm(
        &self,
        p: &mut Program,
        layer: &str,
        v: &Tensor,
        g: &Tensor,
        scale: &Tensor,
        inverse: &Tensor,
    ) -> Result<()> {
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
    /// As [`Program::dispatch`].
    pub fn weight_norm_grad(
        &self,
        p: &mut Program,
        layer: &str,
        (dw, v): (&Tensor, &Tensor),
        (scale, inverse): (&Tensor, &Tensor),
        dv: &Tensor,
        dg: Option<&Tensor>,
    ) -> Result<()> {
        let (lanes, ty) = lanes(v.cols);
        let mut call = self
            .reducing(Call::new("weight_norm_grad", layer), v.cols / lanes, 2)
            .define("V", lanes)
            .define("T", ty)
            .define("SCALE", u32::from(dg.is_some()))
            .bind("dw", dw)
            .bind("v", v)
            .bind("scale", scale)
            .bind("inverse", inverse)
            .bind("dv", dv)
            .param("out", v.rows)
            .param("k", v.cols / lanes)
            .flops(6 * v.len() as u64);
        if let Some(dg) = dg {
            call = call.bind("dg", dg);
        }
        p.dispatch(&self.gpu, call, linear_grid(v.rows.into()))
    }
}
