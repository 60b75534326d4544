//! D's losses, the non-saturating loss of G, evaluation.

use super::{Ops, Rows};
use crate::error::Result;
use crate::gpu::{Call, Program, Tensor};

/// Rows of D's stacked batch, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadRows {
    /// Rows of G's images.
    pub generated: u32,
    /// Rows with labels.
    pub labelled: u32,
    /// Rows without.
    pub unlabelled: u32,
    /// The unlabelled images again, under other noise: none, or as many.
    pub second: u32,
}

impl HeadRows {
    /// All of them, or `u32::MAX` where they are more.
    pub fn total(&self) -> u32 {
        let HeadRows { generated, labelled, unlabelled, second } = *self;
        [labelled, unlabelled, second].into_iter().fold(generated, u32::saturating_add)
    }

    /// The unlabelled ones in their first view.
    pub fn first_view(&self) -> Rows {
        Rows { start: self.generated + self.labelled, count: self.unlabelled }
    }
}

/// Weights of L_D = L_labelled + w (L_unlabelled + L_generated) / 2 + ramp (entropy + consistency + balance), whose ramp is
/// the state's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeadWeights {
    /// The weight w of the unlabelled and generated losses.
    pub unsupervised: f32,
    /// What D(x) of an unlabelled image should be: 1 without label smoothing.
    pub real_target: f32,
    /// Weight of the entropy of the predictions for unlabelled images.
    pub entropy: f32,
    /// Weight of the squared distance between the predictions of the two views.
    pub consistency: f32,
    /// Weight of the balance of the predictions for unlabelled images, which [`Ops::balance`] adds.
    pub balance: f32,
}

/// What the losses of D are made from, and where they go.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// D's output `[rows, k]`.
    pub logits: &'a Tensor,
    /// Classes of the labelled rows, `[labelled]`; a row whose label is not below k has no loss and no gradient.
    pub labels: &'a Tensor,
    /// What the rows are.
    pub rows: HeadRows,
    /// Weights of the losses.
    pub weights: HeadWeights,
    /// Gradient of L_D by the logits, `[rows, k]`.
    pub dlogits: &'a Tensor,
    /// What [`Ops::head_metrics`] sums up, `[all rows of the step, 4]`.
    pub row_stats: &'a Tensor,
    /// Number of the first row there.
    pub first: u32,
}

impl Ops {
    /// Gradient of L_D by the logits, and the numbers of each row for [`Ops::head_metrics`].
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn head(&self, p: &mut Program, head: Head<'_>) -> Result<()> {
        let Head { logits, labels, rows, weights, dlogits, row_stats, first } = head;
        let HeadRows { generated, labelled, unlabelled, second } = rows;
        assert!(rows.total() == logits.rows && (second == 0 || second == unlabelled));
        assert!(labels.len() >= labelled as usize && dlogits.len() >= logits.len());
        let HeadWeights { unsupervised, real_target, entropy, consistency, balance: _ } = weights;
        let share = |w: f32, n: u32| if n == 0 { 0.0 } else { w / n as f32 };
        assert!(row_stats.cols == 4 && logits.cols > 0);
        assert!(u64::from(first) + u64::from(logits.rows) <= row_stats.rows.into());
        let call = Call::new("head", "losses")
            .bind("logits", logits)
            .bind("labels", labels)
            .bind("dlogits", dlogits)
            .bind("row_stats", row_stats)
            .bind("state", &self.state)
            .param("generated", generated)
            .param("labelled", labelled)
            .param("unlabelled", unlabelled)
            .param("second", second)
            .param("k", logits.cols)
            .param("weight_generated", share(0.5 * unsupervised, generated))
            .param("weight_labelled", share(1.0, labelled))
            .param("weight_unlabelled", share(0.5 * unsupervised, unlabelled))
            .param("real_target", real_target)
            .param("weight_entropy", share(entropy, unlabelled))
            .param("weight_consistency", share(consistency, second))
            .param("first", first)
            .turns(6 * u64::from(logits.cols + 1))
            .flops(8 * logits.len() as u64);
        p.each(&self.gpu, call, logits.rows.into())
    }

    /// The losses of `rows` rows into `metrics` `[slots, METRICS]`, from `row_stats` `[rows, 4]`; where the balance has a weight,
    /// after [`Ops::balance`].
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn head_metrics(
        &self,
        p: &mut Program,
        rows: HeadRows,
        weights: HeadWeights,
        row_stats: &Tensor,
        metrics: &Tensor,
    ) -> Result<()> {
        let HeadRows { generated, labelled, unlabelled, second } = rows;
        let HeadWeights { unsupervised, entropy, consistency, balance, .. } = weights;
        assert!(row_stats.len() as u64 >= 4 * u64::from(rows.total()));
        // Four parts, each of them at most all rows.
        let call = self.reducing(Call::new("head_metrics", "losses"), rows.total(), 4);
        let call = self
            .to_metrics(call, metrics)
            .bind("row_stats", row_stats)
            .param("generated", generated)
            .param("labelled", labelled)
            .param("unlabelled", unlabelled)
            .param("second", second)
            .param("weight", unsupervised)
            .param("entropy", entropy)
            .param("consistency", consistency)
            .param("balance", balance);
        p.dispatch(&self.gpu, call, [1, 1, 1])
    }

    /// The non-saturating loss of G from the logits of its images `[rows, k]`, into `metrics`; and its gradient `[rows, k]`.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn generator_loss(
        &self,
        p: &mut Program,
        logits: &Tensor,
        dlogits: &Tensor,
        metrics: &Tensor,
    ) -> Result<()> {
        assert!(dlogits.len() >= logits.len());
        let (rows, k) = (logits.rows, logits.cols);
        let losses = p.scratch(&self.gpu, "generator losses", 1, rows);
        let pass = |number: u32| {
            let call = Call::new("generator_loss", "losses").define("PASS", number);
            call.bind("losses", &losses).param("rows", rows).param("k", k)
        };
        let gradient = pass(0)
            .bind("logits", logits)
            .bind("dlogits", dlogits)
            .turns(3 * u64::from(k + 1))
            .flops(6 * logits.len() as u64);
        p.each(&self.gpu, gradient, rows.into())?;
        let mean = self.reducing(self.to_metrics(pass(1), metrics), rows, 1);
        p.dispatch(&self.gpu, mean.flops(rows.into()), [1, 1, 1])
    }

    /// Losses `[images]` and confusion counts `[k, k]` of the logits `[rows, k]` of images `position.w` onwards; labels
    /// `[images]`. An image whose label is not below k has a loss of 0 and is not counted.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn evaluate(
        &self,
        p: &mut Program,
        logits: &Tensor,
        labels: &Tensor,
        images: u32,
        losses: &Tensor,
        confusion: &Tensor,
    ) -> Result<()> {
        let (k, most) = (logits.cols as usize, images as usize);
        assert!(k > 0 && labels.len() >= most && losses.len() >= most && confusion.len() >= k * k);
        let call = Call::new("evaluate", "evaluation")
            .bind("state", &self.state)
            .bind("logits", logits)
            .bind("labels", labels)
            .bind("losses", losses)
            .bind("confusion", confusion)
            .param("rows", logits.rows)
            .param("k", logits.cols)
            .param("images", images)
            .turns(2 * u64::from(logits.cols + 1));
        p.each(&self.gpu, call, logits.rows.into())
    }
}

#[cfg(feature = "native")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::gpu::MAX_TURNS;
    use crate::ops::METRICS;

    const ROWS: u32 = 3;

    /// Whether so many classes are recorded; if not, the error says how many turns they would take.
    fn records(classes: u32, turns: u32, record: impl FnOnce(&mut Program) -> Result<()>) -> bool {
        match record(&mut Program::sharing()) {
            Ok(()) => true,
            Err(Error::Usage(said)) => {
                assert!(said.contains(&format!("loop {turns} times")), "{classes} classes: {said}");
                false
            }
            Err(e) => panic!("{classes} classes: {e}"),
        }
    }

    /// An invocation goes over the classes of its row several times, with a turn more each time that ends it. What is recorded
    /// alone needs no memory.
    #[test]
    fn classes_are_bounded_by_turns() {
        let gpu = crate::native::open(&Default::default()).unwrap();
        let ops = Ops::new(&gpu);
        let head = |classes: u32, turns: u32| {
            records(classes, turns, |p| {
                let [logits, dlogits] =
                    ["logits", "gradient"].map(|label| p.scratch(&gpu, label, ROWS, classes));
                let labels = p.scratch(&gpu, "labels", 1, 1);
                let row_stats = p.scratch(&gpu, "row statistics", ROWS, 4);
                let head = Head {
                    logits: &logits,
                    labels: &labels,
                    rows: HeadRows { generated: 1, labelled: 1, unlabelled: 1, second: 0 },
                    weights: HeadWeights {
                        unsupervised: 1.0,
                        real_target: 1.0,
                        entropy: 0.0,
                        consistency: 0.0,
                        balance: 0.0,
                    },
                    dlogits: &dlogits,
                    row_stats: &row_stats,
                    first: 0,
                };
                ops.head(p, head)
            })
        };
        let generator_loss = |classes: u32, turns: u32| {
            records(classes, turns, |p| {
                let [logits, dlogits] =
                    ["logits", "gradient"].map(|label| p.scratch(&gpu, label, ROWS, classes));
                let metrics = p.scratch(&gpu, "metrics", 1, METRICS);
                ops.generator_loss(p, &logits, &dlogits, &metrics)
            })
        };
        let evaluate = |classes: u32, turns: u32| {
            records(classes, turns, |p| {
                let logits = p.scratch(&gpu, "logits", ROWS, classes);
                let [labels, losses] = ["labels", "losses"].map(|label| p.scratch(&gpu, label, 1, ROWS));
                let confusion = p.scratch(&gpu, "confusion", classes, classes);
                ops.evaluate(p, &logits, &labels, ROWS, &losses, &confusion)
            })
        };
        type Records<'a> = &'a dyn Fn(u32, u32) -> bool;
        let all: [(&str, u32, Records<'_>); 3] =
            [("head", 6, &head), ("generator_loss", 3, &generator_loss), ("evaluate", 2, &evaluate)];
        for (name, loops, records) in all {
            let most = MAX_TURNS / loops - 1;
            let turns = |classes: u32| loops * (classes + 1);
            assert!(records(most, turns(most)), "{name}: {most} classes");
            assert!(!records(most + 1, turns(most + 1)), "{name}: {} classes", most + 1);
        }
    }
}
