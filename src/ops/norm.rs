//! Batch normalisation and data-dependent initialisation.

use super::reduce::Rows;
use super::{Activation, Ops, lanes};
use crate::error::{Error, Result};
use crate::gpu::{Call, Program, Tensor};

/// One batch norm over x `[rows, cols]`; vectors are `[cols]`.
#[derive(Debug, Clone)]
pub struct BatchNorm {
    /// Trained scale, if any.
    pub gamma: Option<Tensor>,
    /// Trained shift, if any.
    pub beta: Option<Tensor>,
    /// Running mean.
    pub running_mean: Tensor,
    /// Running unbiased variance.
    pub running_var: Tensor,
    /// Added to the variance.
    pub eps: f32,
    /// Weight of the newest batch in the running averages.
    pub momentum: f32,
}

impl Ops {
    /// Column means and biased variances of `count` rows of x from `start`; with `running`, its averages
    /// move too.
    ///
    /// # Errors
    /// As [`Program::dispatch`].
    pub fn batch_norm_statistics(
        &self,
        p: &mut Program,
        layer: &str,
        x: &Tensor,
        start: u32,
        count: u32,
        running: Option<&BatchNorm>,
    ) -> Result<(Tensor, Tensor)> {
        let rows = Rows { start, count };
        let partial = self.column_reduce(p, layer, 1, x, rows, None)?;
        let mean = p.scratch(&self.gpu, "mean", 1, x.cols);
        let variance = p.scratch(&self.gpu, "variance", 1, x.cols);
        let mut call = Call::new("batch_norm_statistics", layer)
            .define("RUNNING", u32::from(running.is_some()))
            .bind("partial", &partial)
            .bind("mean", &mean)
            .bind("variance", &variance)
            .param("cols", x.cols)
            .param("chunks", rows.chunks())
            .param("chunk", rows.chunk())
            .param("count", count)
            .turns(u64::from(rows.chunks()))
            .param("momentum", running.map_or(0.0, |r| r.momentum));
        if let Some(r) = running {
            call = call.bind("running_mean", &r.running_mean).bind("running_var", &r.running_var);
        }
        p.each(&self.gpu, call, x.cols.into())?;
        Ok((mean, variance))
    }

    /// y = act(gamma (x - mean) / sqrt(variance + eps) + beta) for `count` rows from `start`.
    ///
    /// # Errors
    /// As [`Program::dispatch`].
    pub fn batch_norm(
        &self,
        p: &mut Program,
        layer: &str,
        bn: &BatchNorm,
        (mean, variance): (&Tensor, &Tensor),
        x: &Tensor,
        (start, count): (u32, u32),
        act: Activation,
        y: &Tensor,
    ) -> Result<()> {
        let (v, ty) = lanes(x.cols);
        let values = u64::from(count) * u64::from(x.cols);
        let mut call = Call::new("batch_norm", layer)
            .define("ACT", act.number())
            .define("SCALE", u32::from(bn.gamma.is_some()))
            .define("SHIFT", u32::from(bn.beta.is_some()))
            .define("V", v)
            .define("T", ty)
            .bind("x", x)
            .bind("mean", mean)
            .bind("variance", variance)
            .bind("y", y)
            .param("start", start)
            .param("count", count)
            .param("cols", x.cols)
            .param("eps", bn.eps)
            .param("slope", act.slope())
            .flops(4 * values)
            .bytes(8 * values + 16 * u64::from(x.cols));
        if let Some(g) = &bn.gamma {
            call = call.bind("gamma", g);
        }
        if let Some(b) = &bn.beta {
            call = call.bind("beta", b);
        }
        p.each(&self.gpu, call, values / u64::from(v))
    }

    /// dx of the rows `start..start + count`, over which the statistics were taken; adds to (or sets, for the first group)
    /// the gradients of gamma and beta.
    ///
    /// # Errors
    /// [`Error::Gpu`] where a matrix has not all of these rows; those of [`Program::dispatch`].
    pub fn batch_norm_grad(
        &self,
        p: &mut Program,
        layer: &str,
        bn: &BatchNorm,
        (mean, variance): (&Tensor, &Tensor),
        (x, dy, dx): (&Tensor, &Tensor, &Tensor),
        (start, count): (u32, u32),
        add: bool,
        (dgamma, dbeta): (Option<&Tensor>, Option<&Tensor>),
    ) -> Result<()> {
        let rows = Rows { start, count };
        let values = (start + count) as usize * x.cols as usize;
        if [x, dy, dx].iter().any(|t| t.len() < values) {
            return Err(Error::Gpu(format!("batch norm for {layer}: fewer rows than its statistics are of")));
        }
        let partial = self.column_reduce(p, layer, 2, x, rows, Some((dy, mean)))?;
        let moments = p.scratch(&self.gpu, "batch norm moments", 3, x.cols);
        let (v, ty) = lanes(x.cols);
        let base = |pass: u32, scale: bool, shift: bool| {
            Call::new("batch_norm_grad", layer)
                .define("PASS", pass)
                .define("SCALE", u32::from(scale))
                .define("SHIFT", u32::from(shift))
                .define("V", v)
                .define("T", ty)
                .param("start", start)
                .param("count", count)
                .param("cols", x.cols)
                .param("chunks", rows.chunks())
                .param("add", u32::from(add))
                .param("eps", bn.eps)
                .bind("variance", variance)
                .bind("moments", &moments)
        };
        let mut first = base(0, dgamma.is_some(), dbeta.is_some()).bind("partial", &partial);
        first = first.turns(u64::from(rows.chunks() + 1));
        if let Some(g) = dgamma {
            first = first.bind("dgamma", g);
        }
        if let Some(b) = dbeta {
            first = first.bind("dbeta", b);
        }
        p.each(&self.gpu, first, x.cols.into())?;
        let values = u64::from(count) * u64::from(x.cols);
        let mut second = base(1, bn.gamma.is_some(), false)
            .bind("x", x)
            .bind("dy", dy)
            .bind("mean", mean)
            .bind("dx", dx)
            .flops(8 * values)
            .bytes(12 * values + 20 * u64::from(x.cols));
        if let Some(g) = &bn.gamma {
            second = second.bind("gamma", g);
        }
        p.each(&self.gpu, second, values / u64::from(v))
    }

    /// g = 1 / std, bias = -mean / std from the statistics of z at g = 1, bias = 0.
    ///
    /// # Errors
    /// As [`Program::dispatch`].
    pub fn data_init(
        &self,
        p: &mut Program,
        layer: &str,
        (mean, variance): (&Tensor, &Tensor),
        g: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<()> {
        let mut call = Call::new("data_init", layer)
            .define("BIAS", u32::from(bias.is_some()))
            .bind("mean", mean)
            .bind("variance", variance)
            .bind("g", g)
            .param("n", mean.cols);
        if let Some(b) = bias {
            call = call.bind("bias", b);
        }
        p.each(&self.gpu, call, mean.cols.into())
    }
}
