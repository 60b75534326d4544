//! Batch normalisation.

use super::settings::yes;
use super::{
    Backward, Batch, Context, Forward, Group, Initial, Layer, LayerShape, Mode, ParamShape, Statistics,
};
use crate::error::Result;
use crate::gpu::{Program, Tensor};
use crate::ops::{self, BatchNormGrad, RowStatistics, Rows};
use crate::shape::{DataShape, Dims, Window};
use serde::{Deserialize, Serialize};

/// Batch normalisation over rows (and pixels), one statistic per channel (Ioffe & Szegedy 2015).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm {
    /// Added to the variance.
    #[serde(default = "eps")]
    pub eps: f32,
    /// running = (1 - momentum) running + momentum batch.
    #[serde(default = "momentum")]
    pub momentum: f32,
    /// Trains gamma.
    #[serde(default = "yes")]
    pub scale: bool,
    /// Trains beta.
    #[serde(default = "yes")]
    pub bias: bool,
    /// Which rows share statistics.
    #[serde(default)]
    pub statistics: Statistics,
}

fn eps() -> f32 {
    1e-5
}
fn momentum() -> f32 {
    0.1
}

impl BatchNorm {
    /// The layer as the kernels want it.
    fn on_device(&self, at: &Context<'_>) -> ops::BatchNorm {
        let get = |name| at.params.get(name).cloned();
        ops::BatchNorm {
            gamma: get("weight"),
            beta: get("bias"),
            running_mean: get("running_mean").expect("batch norm has running statistics"),
            running_var: get("running_var").expect("batch norm has running statistics"),
            eps: self.eps,
            momentum: self.momentum,
        }
    }

    /// The inputs that share statistics, in row order; none in evaluation.
    fn together(&self, batch: &Batch) -> Vec<Group> {
        let Mode::Train { groups, .. } = &batch.mode else { return vec![] };
        let joined = Group { rows: batch.rows, update_running: groups.iter().any(|g| g.update_running) };
        let all = match self.statistics {
            Statistics::Separate => groups.clone(),
            Statistics::Joined => vec![joined],
        };
        all.into_iter().filter(|g| g.rows > 0).collect()
    }
}

impl Layer for BatchNorm {
    fn shape(&self, input: Dims, _: DataShape) -> std::result::Result<(Dims, Option<Window>), String> {
        let BatchNorm { eps, momentum, .. } = *self;
        // A device may take a subnormal number for 0.
        if !(eps.is_normal() && eps > 0.0) {
            return Err(format!("eps {eps} must be positive, such as 1e-5"));
        }
        if !(0.0..=1.0).contains(&momentum) {
            return Err(format!("momentum {momentum} must be within 0..=1"));
        }
        Ok((input, None))
    }

    fn params(&self, at: &LayerShape) -> Vec<ParamShape> {
        let p = |name, trained, initial| {
            let initial = Initial::Constant(initial);
            ParamShape { name, shape: vec![at.output.channels], trained, initial }
        };
        let gamma = self.scale.then(|| p("weight", true, 1.0));
        let beta = self.bias.then(|| p("bias", true, 0.0));
        let running = [p("running_mean", false, 0.0), p("running_var", false, 1.0)];
        gamma.into_iter().chain(beta).chain(running).collect()
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.statistics)
    }

    fn takes_activation(&self) -> bool {
        true
    }

    fn kind(&self) -> &'static str {
        "norm"
    }

    fn forward(&self, p: &mut Program, f: Forward<'_>) -> Result<Tensor> {
        let y = f.output(p)?;
        let (ops, label, x, act) = (f.at.ops, f.label(), f.x, f.activation);
        let bn = self.on_device(f.at);
        if !f.batch.trains() {
            let (mean, variance) = (bn.running_mean.clone(), bn.running_var.clone());
            let running = RowStatistics { rows: Rows::of(x), mean, variance };
            ops.batch_norm(p, &label, &bn, &running, (x, &y), act)?;
        }
        let mut start = 0;
        for g in self.together(f.batch) {
            let count = g.rows * f.at.layer.input.pixels();
            let running = g.update_running.then_some(&bn);
            let statistics = ops.batch_norm_statistics(p, &label, (x, Rows { start, count }), running)?;
            ops.batch_norm(p, &label, &bn, &statistics, (x, &y), act)?;
            f.saved.extend([statistics.mean, statistics.variance]);
            start += count;
        }
        Ok(y)
    }

    fn backward(&self, p: &mut Program, b: Backward<'_>) -> Result<Tensor> {
        let bn = self.on_device(b.at);
        let dx = b.like_d(p);
        let grad = |name| b.grads.and_then(|g| g.get(name));
        let mut start = 0;
        for (g, saved) in self.together(b.batch).iter().zip(b.saved.chunks_exact(2)) {
            if start >= b.d.rows {
                break;
            }
            let count = g.rows * b.at.layer.input.pixels();
            let (mean, variance) = (saved[0].clone(), saved[1].clone());
            let statistics = RowStatistics { rows: Rows { start, count }, mean, variance };
            let grad = BatchNormGrad {
                x: b.x,
                dy: b.d,
                dx: &dx,
                dgamma: grad("weight"),
                dbeta: grad("bias"),
                add: start > 0,
            };
            b.at.ops.batch_norm_grad(p, &b.label(), &bn, &statistics, grad)?;
            start += count;
        }
        Ok(dx)
    }
}
