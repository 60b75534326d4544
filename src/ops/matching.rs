//! What G learns from features: that those of its images have the moments of real images'.

use super::{Conv, Epilogue, Gemm, GradientIn, Kinds, Operand, Ops, Product, Right, Rows, lanes};
use crate::error::Result;
use crate::gpu::{Call, Program, Tensor};

/// Label of the calls.
const LAYER: &str = "feature matching";

/// Features whose moments are matched.
#[derive(Debug, Clone, Copy)]
pub struct Features<'a> {
    /// `[rows, F]`, generated rows first, then real ones.
    pub f: &'a Tensor,
    /// Generated rows.
    pub generated: u32,
    /// Whether a distance is divided by F.
    pub mean: bool,
}

/// Means of both kinds of rows, and the first minus the second, each `[F]`.
struct Means {
    generated: Tensor,
    real: Tensor,
    diff: Tensor,
}

impl Features<'_> {
    /// The products of [`Ops::moment_matching`] with F = `n`, of as many generated and real rows.
    pub fn products(n: u32, rows: u32) -> [Product; 2] {
        let product = |size, a| Product { size, a, b_window: false, conv: Conv::default() };
        [product((n, n, 2 * rows), Operand::Columns), product((rows, n, n), Operand::Rows)]
    }

    fn real(&self) -> u32 {
        self.f.rows - self.generated
    }

    /// What a squared distance is multiplied by.
    fn norm(&self) -> f32 {
        if self.mean { 1.0 / self.f.cols as f32 } else { 1.0 }
    }
}

impl Ops {
    /// L_G = norm || mean f(G(z)) - mean f(x) ||^2 into `metrics`, and df `[df.rows, F]`, the gradient by the features of the
    /// first rows of f: the generated ones, and the real ones behind them where df has as many rows as f.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn feature_matching(
        &self,
        p: &mut Program,
        features: Features<'_>,
        df: &Tensor,
        metrics: &Tensor,
    ) -> Result<()> {
        let means = self.means(p, features, metrics)?;
        self.means_grad(p, features, &means.diff, df, false)
    }

    /// The same with norm || C_generated - C_real ||^2 as well, C `[F, F]` the covariance matrices of the features.
    ///
    /// # Errors
    /// [`Error::Adapter`](crate::Error::Adapter) where the adapter cannot bind a matrix of F x F; else as [`Ops`].
    pub fn moment_matching(
        &self,
        p: &mut Program,
        features: Features<'_>,
        df: &Tensor,
        metrics: &Tensor,
    ) -> Result<()> {
        let Features { f, generated, .. } = features;
        let n = f.cols;
        let what = format!("covariances of {n} features");
        self.gpu.binds(&what, 4 * u64::from(n) * u64::from(n), "use `generator_loss = feature_matching`")?;
        let means = self.means(p, features, metrics)?;
        let apart = p.scratch(&self.gpu, "covariances apart", n, n);
        let kinds = Kinds {
            first: generated,
            means: [&means.generated, &means.real],
            weights: [1.0 / generated as f32, -1.0 / features.real() as f32],
        };
        let weighted = self.scatter_matrix(p, LAYER, (f, kinds), GradientIn::B, &apart)?;
        self.covariances(p, features, &apart, metrics)?;
        let product = Gemm {
            m: df.rows,
            n,
            k: n,
            a: (&weighted.head(df.rows), Operand::Rows),
            b: Right::Rows(&apart),
            conv: Conv::default(),
            out: df,
            epilogue: Epilogue::None,
            gradient_in: GradientIn::A,
        };
        self.gemm(p, LAYER, product)?;
        self.means_grad(p, features, &means.diff, df, true)
    }

    /// The means and their distance, which goes into `metrics`.
    fn means(&self, p: &mut Program, features: Features<'_>, metrics: &Tensor) -> Result<Means> {
        let Features { f, generated, .. } = features;
        let real = features.real();
        let means = Means {
            generated: p.scratch(&self.gpu, "generated feature means", 1, f.cols),
            real: p.scratch(&self.gpu, "real feature means", 1, f.cols),
            diff: p.scratch(&self.gpu, "feature difference", 1, f.cols),
        };
        let rows = |start, count| (f, Rows { start, count });
        self.column_sum(p, LAYER, rows(0, generated), 1.0 / generated as f32, &means.generated)?;
        self.column_sum(p, LAYER, rows(generated, real), 1.0 / real as f32, &means.real)?;
        let call = self
            .to_metrics(self.reducing(Call::new("feature_matching", LAYER), f.cols, 1), metrics)
            .bind("generated", &means.generated)
            .bind("real", &means.real)
            .bind("diff", &means.diff)
            .param("n", f.cols)
            .param("norm", features.norm())
            .flops(3 * u64::from(f.cols));
        p.dispatch(&self.gpu, call, [1, 1, 1])?;
        Ok(means)
    }

    /// df, or what is added to it, from the difference of the means.
    fn means_grad(
        &self,
        p: &mut Program,
        features: Features<'_>,
        diff: &Tensor,
        df: &Tensor,
        add: bool,
    ) -> Result<()> {
        let n = features.f.cols;
        assert_eq!(df.cols, n);
        let (v, ty) = lanes(n);
        let call = Call::new("feature_matching_grad", LAYER)
            .define("V", v)
            .define("T", ty)
            .define("ADD", u32::from(add))
            .bind("diff", diff)
            .bind("df", df)
            .param("rows", df.rows)
            .param("generated", features.generated)
            .param("n", n / v)
            .param("scale", 2.0 * features.norm() / features.generated as f32)
            .param("scale_real", -2.0 * features.norm() / features.real() as f32)
            .bytes(diff.bytes() + (1 + u64::from(add)) * df.bytes())
            .flops((1 + u64::from(add)) * df.len() as u64);
        self.by_rows(p, call, df.rows, n / v)
    }

    /// The distance of the covariances to `metrics`; `apart` becomes the factor of its gradient.
    fn covariances(
        &self,
        p: &mut Program,
        features: Features<'_>,
        apart: &Tensor,
        metrics: &Tensor,
    ) -> Result<()> {
        let n = apart.cols;
        let squares = p.scratch(&self.gpu, "squares of covariances", 1, n);
        let pass = |number: u32| {
            let call = Call::new("covariance_matching", LAYER).define("PASS", number);
            call.bind("squares", &squares).param("n", n).param("norm", features.norm())
        };
        // In place.
        let bytes = 2 * apart.bytes() + squares.bytes();
        let sums = pass(0).bind("apart", apart).turns(n.into()).bytes(bytes).flops(3 * apart.len() as u64);
        p.each(&self.gpu, sums, n.into())?;
        let total = self.reducing(self.to_metrics(pass(1), metrics), n, 1);
        p.dispatch(&self.gpu, total.flops(n.into()), [1, 1, 1])
    }
}
