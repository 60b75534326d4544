//! The two kernels that measure what an adapter can do at most.

use super::Ops;
use crate::error::Result;
use crate::gpu::{Call, Program, Tensor};

/// Multiply-adds of a chain in one round of `roof_fma.wgsl`.
const STEPS: u64 = 8;

impl Ops {
    /// y = x, `per` vec4 an invocation.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn roof_copy(&self, p: &mut Program, per: u32, x: &Tensor, y: &Tensor) -> Result<()> {
        assert_eq!(x.len(), y.len());
        let call = Call::new("roof_copy", "roof")
            .define("PER", per)
            .bind("x", x)
            .bind("y", y)
            .param("n4", x.vec4s());
        p.each(&self.gpu, call, u64::from(x.vec4s().div_ceil(per)))
    }

    /// `chains` chains of `8 rounds` multiply-adds v <- v a + b per row of y [n, 4].
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn roof_fma(
        &self,
        p: &mut Program,
        (chains, rounds): (u32, u32),
        (a, b): (f32, f32),
        y: &Tensor,
    ) -> Result<()> {
        assert_eq!(y.cols, 4);
        let call = Call::new("roof_fma", "roof")
            .define("ACC", chains)
            .bind("y", y)
            .param("n", y.rows)
            .param("rounds", rounds)
            .param("a", a)
            .param("b", b)
            .turns(u64::from(rounds) + 1)
            .flops(2 * 4 * STEPS * u64::from(rounds) * u64::from(chains) * u64::from(y.rows));
        p.each(&self.gpu, call, y.rows.into())
    }
}
