//! That D finds the classes of a minibatch as frequent as one another.

use super::{Ops, Rows};
use crate::error::Result;
use crate::gpu::{Call, Program, Tensor};

/// What the balance of predictions is made from, and where its gradient goes.
#[derive(Debug, Clone, Copy)]
pub struct Balance<'a> {
    /// D's output `[all rows, k]`.
    pub logits: &'a Tensor,
    /// The unlabelled rows among them, in their first view.
    pub rows: Rows,
    /// Weight of the term, which the state's ramp is multiplied with.
    pub weight: f32,
    /// Gradient of L_D by the logits, `[all rows, k]`, to which that of the term is added.
    pub dlogits: &'a Tensor,
}

impl Ops {
    /// log k less the entropy of the mean prediction for some rows, in nats, into `metrics`, from where [`Ops::head_metrics`] takes
    /// it for L_D; and its gradient by the logits.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn balance(&self, p: &mut Program, of: Balance<'_>, metrics: &Tensor) -> Result<()> {
        let Balance { logits, rows, weight, dlogits } = of;
        let k = logits.cols;
        assert!(rows.count > 0 && u64::from(rows.start) + u64::from(rows.count) <= logits.rows.into());
        assert!(dlogits.len() >= logits.len());
        let predictions = p.scratch(&self.gpu, "predictions", rows.count, k);
        let [mean, logs] =
            ["mean prediction", "its logarithms"].map(|label| p.scratch(&self.gpu, label, 1, k));
        let pass = |number: u32| Call::new("balance", "losses").define("PASS", number).param("k", k);
        let by_row = |number: u32| pass(number).param("first", rows.start).param("n", rows.count);
        let softmax = by_row(0)
            .bind("logits", logits)
            .bind("predictions", &predictions)
            .turns(3 * u64::from(k + 1))
            .bytes(2 * predictions.bytes())
            .flops(5 * predictions.len() as u64);
        p.each(&self.gpu, softmax, rows.count.into())?;
        self.column_sum(p, "losses", (&predictions, Rows::of(&predictions)), 1.0 / rows.count as f32, &mean)?;
        let value = self.reducing(self.to_metrics(pass(1), metrics), k, 1);
        let value = value.bind("mean", &mean).bind("logs", &logs).flops(3 * u64::from(k));
        p.dispatch(&self.gpu, value, [1, 1, 1])?;
        let gradient = by_row(2)
            .bind("state", &self.state)
            .bind("predictions", &predictions)
            .bind("logs", &logs)
            .bind("dlogits", dlogits)
            .param("weight", weight / rows.count as f32)
            .turns(2 * u64::from(k + 1))
            .bytes(3 * predictions.bytes() + logs.bytes())
            .flops(6 * predictions.len() as u64);
        p.each(&self.gpu, gradient, rows.count.into())
    }
}
