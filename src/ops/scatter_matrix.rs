//! Products of rows' deviations from their means: what covariances are made of.

use super::{Conv, Epilogue, Gemm, GradientIn, Operand, Ops, Right, lanes};
use crate::error::Result;
use crate::gpu::{Call, MAX_GROUPS, Program, Tensor};

/// Rows of two kinds, those of the first before the others.
#[derive(Debug, Clone, Copy)]
pub struct Kinds<'a> {
    /// Rows of the first kind.
    pub first: u32,
    /// What is taken from the rows of each kind: their means, each `[F]`.
    pub means: [&'a Tensor; 2],
    /// What the scatter matrix of each kind is multiplied by.
    pub weights: [f32; 2],
}

impl<'a> Kinds<'a> {
    /// All rows of one kind, with this mean.
    pub fn one(rows: u32, mean: &'a Tensor) -> Kinds<'a> {
        Kinds { first: rows, means: [mean; 2], weights: [1.0, 0.0] }
    }
}

impl Ops {
    /// out `[F, F]` = the sum over both kinds of weight * (f - mean)^T (f - mean), f `[rows, F]`. Centred first: where a mean is
    /// large, products of the values themselves would leave few digits. Returns weight * (f - mean), `[rows, F]`.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn scatter_matrix(
        &self,
        p: &mut Program,
        layer: &str,
        (f, kinds): (&Tensor, Kinds<'_>),
        gradient_in: GradientIn,
        out: &Tensor,
    ) -> Result<Tensor> {
        let n = f.cols;
        assert!(kinds.means.iter().all(|mean| mean.len() >= n as usize));
        let y = p.scratch(&self.gpu, "deviations", f.rows, n);
        let weighted = p.scratch(&self.gpu, "weighted deviations", f.rows, n);
        let (v, ty) = lanes(n);
        let call = Call::new("deviations", layer)
            .define("V", v)
            .define("T", ty)
            .bind("f", f)
            .bind("mean", kinds.means[0])
            .bind("mean_of_others", kinds.means[1])
            .bind("y", &y)
            .bind("weighted", &weighted)
            .param("rows", f.rows)
            .param("first", kinds.first)
            .param("n", n / v)
            .param("weight", kinds.weights[0])
            .param("weight_of_others", kinds.weights[1])
            .flops(2 * f.len() as u64);
        self.by_rows(p, call, f.rows, n / v)?;
        let product = Gemm {
            m: n,
            n,
            k: f.rows,
            a: (&y, Operand::Columns),
            b: Right::Rows(&weighted),
            conv: Conv::default(),
            out,
            epilogue: Epilogue::None,
            gradient_in,
        };
        self.gemm(p, layer, product)?;
        Ok(weighted)
    }

    /// One invocation for each of `columns` in each row.
    pub(super) fn by_rows(&self, p: &mut Program, call: Call<'_>, rows: u32, columns: u32) -> Result<()> {
        let folds = rows.div_ceil(MAX_GROUPS);
        p.dispatch(&self.gpu, call, [self.column_groups(columns), rows.min(MAX_GROUPS), folds])
    }
}
