//! Batch normalisation and data-dependent initialisation.

use super::reduce::{Across, Rows};
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

/// Statistics of each column over some rows of a matrix; vectors are `[cols]`.
#[derive(Debug, Clone)]
pub struct RowStatistics {
    /// The rows.
    pub rows: Rows,
    /// Mean.
    pub mean: Tensor,
    /// Biased variance.
    pub variance: Tensor,
}

/// What the gradient of batch norm is made from, `[rows, cols]`, and where it goes; vectors are `[cols]`.
#[derive(Debug, Clone, Copy)]
pub struct BatchNormGrad<'a> {
    /// Input.
    pub x: &'a Tensor,
    /// Gradient by the output.
    pub dy: &'a Tensor,
    /// Gradient by the input.
    pub dx: &'a Tensor,
    /// Gradient of gamma, if it is wanted.
    pub dgamma: Option<&'a Tensor>,
    /// Gradient of beta, if it is wanted.
    pub dbeta: Option<&'a Tensor>,
    /// Whether those of gamma and beta are added to what is there.
    pub add: bool,
}

impl Ops {
    /// Column means and biased variances of some rows of x; with `running`, its averages move too.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn batch_norm_statistics(
        &self,
        p: &mut Program,
        layer: &str,
        (x, rows): (&Tensor, Rows),
        running: Option<&BatchNorm>,
    ) -> Result<RowStatistics> {
        self.statistics(p, layer, (x, rows), running, Across::Columns)
    }

    /// As [`Ops::batch_norm_statistics`].
    pub(super) fn statistics(
        &self,
        p: &mut Program,
        layer: &str,
        (x, rows): (&Tensor, Rows),
        running: Option<&BatchNorm>,
        across: Across,
    ) -> Result<RowStatistics> {
        let holds = |average: &Tensor| average.len() >= x.cols as usize;
        assert!(running.is_none_or(|r| holds(&r.running_mean) && holds(&r.running_var)));
        let (partial, chunks) = self.column_reduce(p, layer, (1, across), (x, rows), None)?;
        let mean = p.scratch(&self.gpu, "mean", 1, x.cols);
        let variance = p.scratch(&self.gpu, "variance", 1, x.cols);
        let mut call = Call::new("batch_norm_statistics", layer)
            .define("RUNNING", u32::from(running.is_some()))
            .bind("partial", &partial)
            .bind("mean", &mean)
            .bind("variance", &variance)
            .param("cols", x.cols)
            .param("chunks", chunks.count)
            .param("chunk", chunks.rows)
            .param("count", rows.count)
            .turns(u64::from(chunks.count))
            .param("momentum", running.map_or(0.0, |r| r.momentum));
        if let Some(r) = running {
            call = call.bind("running_mean", &r.running_mean).bind("running_var", &r.running_var);
        }
        p.each(&self.gpu, call, x.cols.into())?;
        Ok(RowStatistics { rows, mean, variance })
    }

    /// y = act(gamma (x - mean) / sqrt(variance + eps) + beta) for the rows of the statistics.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn batch_norm(
        &self,
        p: &mut Program,
        layer: &str,
        bn: &BatchNorm,
        statistics: &RowStatistics,
        (x, y): (&Tensor, &Tensor),
        act: Activation,
    ) -> Result<()> {
        let RowStatistics { rows: Rows { start, count }, mean, variance } = statistics;
        let (start, count) = (*start, *count);
        let last = (u64::from(start) + u64::from(count)) * u64::from(x.cols);
        assert!(x.len() as u64 >= last && y.len() as u64 >= last);
        let mut vectors = [mean, variance].into_iter().chain(&bn.gamma).chain(&bn.beta);
        assert!(vectors.all(|vector| vector.len() >= x.cols as usize));
        let (v, ty) = lanes(x.cols);
        let values = u64::from(count) * u64::from(x.cols);
        let call = Call::new("batch_norm", layer)
            .define("ACT", act.number())
            .optional("SCALE", "gamma", bn.gamma.as_ref())
            .optional("SHIFT", "beta", bn.beta.as_ref())
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
        p.each(&self.gpu, call, values / u64::from(v))
    }

    /// dx of the rows over which the statistics were taken, and the gradients of gamma and beta.
    ///
    /// # Errors
    /// [`Error::Gpu`] where a matrix has not all of these rows; those of [`Ops`].
    pub fn batch_norm_grad(
        &self,
        p: &mut Program,
        layer: &str,
        bn: &BatchNorm,
        statistics: &RowStatistics,
        grad: BatchNormGrad<'_>,
    ) -> Result<()> {
        let RowStatistics { rows, mean, variance } = statistics;
        let (rows, Rows { start, count }) = (*rows, *rows);
        let BatchNormGrad { x, dy, dx, dgamma, dbeta, add } = grad;
        let values = (start + count) as usize * x.cols as usize;
        if [x, dy, dx].iter().any(|t| t.len() < values) {
            return Err(Error::Gpu(format!("batch norm for {layer}: fewer rows than its statistics are of")));
        }
        let mut vectors = [mean, variance].into_iter().chain(dgamma).chain(dbeta).chain(&bn.gamma);
        assert!(vectors.all(|vector| vector.len() >= x.cols as usize));
        let (partial, chunks) =
            self.column_reduce(p, layer, (2, Across::Columns), (x, rows), Some((dy, mean)))?;
        let moments = p.scratch(&self.gpu, "batch norm moments", 3, x.cols);
        let (v, ty) = lanes(x.cols);
        let base = |pass: u32| {
            Call::new("batch_norm_grad", layer)
                .define("PASS", pass)
                .define("V", v)
                .define("T", ty)
                .param("start", start)
                .param("count", count)
                .param("cols", x.cols)
                .param("chunks", chunks.count)
                .param("add", u32::from(add))
                .param("eps", bn.eps)
                .bind("variance", variance)
                .bind("moments", &moments)
        };
        let first = base(0)
            .optional("SCALE", "dgamma", dgamma)
            .optional("SHIFT", "dbeta", dbeta)
            .bind("partial", &partial)
            .turns(u64::from(chunks.count + 1));
        p.each(&self.gpu, first, x.cols.into())?;
        let values = u64::from(count) * u64::from(x.cols);
        let second = base(1)
            .optional("SCALE", "gamma", bn.gamma.as_ref())
            .define("SHIFT", 0)
            .bind("x", x)
            .bind("dy", dy)
            .bind("mean", mean)
            .bind("dx", dx)
            .flops(8 * values)
            .bytes(12 * values + 20 * u64::from(x.cols));
        p.each(&self.gpu, second, values / u64::from(v))
    }

    /// g / std, and bias = -mean / std, from the statistics of z at this g and bias = 0.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn data_init(
        &self,
        p: &mut Program,
        layer: &str,
        statistics: &RowStatistics,
        g: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<()> {
        let RowStatistics { mean, variance, .. } = statistics;
        assert!([mean, variance, g].into_iter().chain(bias).all(|v| v.len() >= mean.cols as usize));
        let call = Call::new("data_init", layer)
            .optional("BIAS", "bias", bias)
            .bind("mean", mean)
            .bind("variance", variance)
            .bind("g", g)
            .param("n", mean.cols);
        p.each(&self.gpu, call, mean.cols.into())
    }
}
