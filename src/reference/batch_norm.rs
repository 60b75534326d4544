//! Batch normalisation (Ioffe & Szegedy 2015): `y = gamma (x - mean) / sqrt(var + eps) + beta`, one mean
//! and variance per channel over all rows and pixels of x `[samples, channels]`.

use super::LayerParams;
use super::twin::{Group, LayerRun, Saved, Twin, param_mut};
use crate::layers::{BatchNorm, Statistics};
use std::ops::Range;

/// Rows that are normalised together: their values in the activation, and whether the running statistics follow them.
struct Part {
    values: Range<usize>,
    update_running: bool,
}

impl BatchNorm {
    fn parts(&self, at: &LayerRun<'_>) -> Vec<Part> {
        let update_running = at.groups.iter().any(|g| g.update_running);
        let joined = [Group { rows: at.rows(), update_running }];
        let separate = at.draws.is_some() && self.statistics == Statistics::Separate;
        let mut start = 0;
        let mut part = |g: &Group| {
            let values = start..start + g.rows * at.layer.input.len() as usize;
            start = values.end;
            Part { values, update_running: g.update_running }
        };
        let groups = if separate { at.groups } else { &joined };
        groups.iter().filter(|g| g.rows > 0).map(&mut part).collect()
    }

    /// Of the rows themselves in training, else the running statistics.
    fn statistics_of(&self, at: &LayerRun<'_>, x: &[f64]) -> ChannelStats {
        if at.draws.is_some() {
            return ChannelStats::of(x, at.layer.input.channels as usize);
        }
        let running = |name| at.param(name).unwrap_or_default().to_vec();
        ChannelStats { samples: 0, mean: running("running_mean"), var: running("running_var") }
    }
}

impl Twin for BatchNorm {
    fn forward(&self, at: &LayerRun<'_>, x: &[f64]) -> (Vec<f64>, Saved) {
        let (gamma, beta) = (at.param("weight"), at.param("bias"));
        let mut y = vec![];
        for part in self.parts(at) {
            let x = &x[part.values];
            let s = self.statistics_of(at, x);
            y.extend(batch_norm_forward(x, &s.mean, &s.var, gamma, beta, f64::from(self.eps)));
        }
        (y, vec![])
    }

    fn backward(
        &self,
        at: &LayerRun<'_>,
        (x, dy): (&[f64], &[f64]),
        _: &[f64],
        grads: &mut LayerParams,
    ) -> Vec<f64> {
        let gamma = at.param("weight");
        let mut dx = vec![];
        for part in self.parts(at) {
            let (x, dy) = (&x[part.values.clone()], &dy[part.values]);
            let s = self.statistics_of(at, x);
            let of_batch = at.draws.is_some();
            let grad = batch_norm_backward(x, dy, &s.mean, &s.var, gamma, f64::from(self.eps), of_batch);
            dx.extend(grad.dx);
            for (name, d) in [("weight", grad.dgamma), ("bias", grad.dbeta)] {
                if let Some(sum) = param_mut(at.layer, grads, name) {
                    sum.iter_mut().zip(d).for_each(|(s, d)| *s += d);
                }
            }
        }
        dx
    }

    fn update_running(&self, at: &LayerRun<'_>, x: &[f64], params: &mut LayerParams) {
        // The two running tensors are the last of the layer's list.
        let [.., mean, var] = params.as_mut_slice() else { return };
        for part in self.parts(at).into_iter().filter(|p| p.update_running && at.draws.is_some()) {
            self.statistics_of(at, &x[part.values]).update_running(f64::from(self.momentum), mean, var);
        }
    }
}

/// Mean and biased variance per channel, and how many values each is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelStats {
    /// Values per channel: rows x pixels.
    pub samples: usize,
    /// `[channels]`
    pub mean: Vec<f64>,
    /// `[channels]`, divided by `samples`.
    pub var: Vec<f64>,
}

impl ChannelStats {
    /// Statistics of x `[samples, channels]`.
    ///
    /// # Panics
    /// Where x is empty or not whole rows.
    pub fn of(x: &[f64], channels: usize) -> ChannelStats {
        assert!(
            !x.is_empty() && x.len().is_multiple_of(channels),
            "{} values are no rows of {channels}",
            x.len()
        );
        let samples = x.len() / channels;
        let mut mean = vec![0.0; channels];
        for row in x.chunks_exact(channels) {
            for (m, v) in mean.iter_mut().zip(row) {
                *m += v / samples as f64;
            }
        }
        let mut var = vec![0.0; channels];
        for row in x.chunks_exact(channels) {
            for ((s, v), m) in var.iter_mut().zip(row).zip(&mean) {
                *s += (v - m) * (v - m) / samples as f64;
            }
        }
        ChannelStats { samples, mean, var }
    }

    /// `running = (1 - momentum) running + momentum batch`; the variance unbiased (of one sample: biased).
    pub fn update_running(&self, momentum: f64, running_mean: &mut [f64], running_var: &mut [f64]) {
        let n = self.samples as f64;
        let unbias = if self.samples > 1 { n / (n - 1.0) } else { 1.0 };
        for (r, m) in running_mean.iter_mut().zip(&self.mean) {
            *r = (1.0 - momentum) * *r + momentum * m;
        }
        for (r, v) in running_var.iter_mut().zip(&self.var) {
            *r = (1.0 - momentum) * *r + momentum * v * unbias;
        }
    }
}

/// Normalises x `[samples, channels]` with given statistics; gamma and beta `[channels]` default to 1 and 0.
pub fn batch_norm_forward(
    x: &[f64],
    mean: &[f64],
    var: &[f64],
    gamma: Option<&[f64]>,
    beta: Option<&[f64]>,
    eps: f64,
) -> Vec<f64> {
    let channels = mean.len();
    let mut y = Vec::with_capacity(x.len());
    for (e, v) in x.iter().enumerate() {
        let c = e % channels;
        let normal = (v - mean[c]) / (var[c] + eps).sqrt();
        y.push(gamma.map_or(1.0, |g| g[c]) * normal + beta.map_or(0.0, |b| b[c]));
    }
    y
}

/// What [`batch_norm_backward`] gives.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchNormGrad {
    /// `[samples, channels]`
    pub dx: Vec<f64>,
    /// `[channels]`
    pub dgamma: Vec<f64>,
    /// `[channels]`
    pub dbeta: Vec<f64>,
}

/// Gradients from dy `[samples, channels]`. With `of_batch` the statistics are those of x and depend on it:
/// `dx = gamma / sqrt(var + eps) (dy - mean(dy) - xhat mean(dy xhat))`; otherwise they are constants and
/// `dx = gamma / sqrt(var + eps) dy`.
pub fn batch_norm_backward(
    x: &[f64],
    dy: &[f64],
    mean: &[f64],
    var: &[f64],
    gamma: Option<&[f64]>,
    eps: f64,
    of_batch: bool,
) -> BatchNormGrad {
    assert_eq!(x.len(), dy.len(), "batch_norm_backward: dy is not as long as x");
    let channels = mean.len();
    let samples = (x.len() / channels) as f64;
    let xhat = batch_norm_forward(x, mean, var, None, None, eps);
    let (mut dgamma, mut dbeta) = (vec![0.0; channels], vec![0.0; channels]);
    for (e, d) in dy.iter().enumerate() {
        dgamma[e % channels] += d * xhat[e];
        dbeta[e % channels] += d;
    }
    let mut dx = Vec::with_capacity(x.len());
    for (e, d) in dy.iter().enumerate() {
        let c = e % channels;
        let scale = gamma.map_or(1.0, |g| g[c]) / (var[c] + eps).sqrt();
        let through_stats = if of_batch { (dbeta[c] + xhat[e] * dgamma[c]) / samples } else { 0.0 };
        dx.push(scale * (d - through_stats));
    }
    BatchNormGrad { dx, dgamma, dbeta }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::assert_close;
    use crate::reference::gradient_check::{check_gradient, dot, numbers};

    const EPS: f64 = 1e-3;

    #[test]
    fn known_statistics() {
        let stats = ChannelStats::of(&[1.0, 10.0, 3.0, 10.0, 5.0, 10.0, 7.0, 14.0], 2);
        assert_eq!(stats, ChannelStats { samples: 4, mean: vec![4.0, 11.0], var: vec![5.0, 3.0] });
        let (mut mean, mut var) = (vec![0.0, 1.0], vec![1.0, 1.0]);
        stats.update_running(0.25, &mut mean, &mut var);
        assert_eq!(mean, [1.0, 3.5]);
        assert_close("var", &[0.75 + 0.25 * 20.0 / 3.0, 0.75 + 0.25 * 4.0], &var, 1e-15, 0.0);
    }

    #[test]
    fn one_sample_keeps_the_biased_variance() {
        let (mut mean, mut var) = (vec![0.0], vec![1.0]);
        ChannelStats::of(&[8.0], 1).update_running(0.5, &mut mean, &mut var);
        assert_eq!((mean[0], var[0]), (4.0, 0.5));
    }

    #[test]
    fn gradients_through_batch_statistics() {
        let (x, c) = (numbers(1, 5 * 3), numbers(2, 5 * 3));
        let (gamma, beta) = (numbers(3, 3), numbers(4, 3));
        let loss = |x: &[f64], gamma: &[f64], beta: &[f64]| {
            let s = ChannelStats::of(x, 3);
            dot(&batch_norm_forward(x, &s.mean, &s.var, Some(gamma), Some(beta), EPS), &c)
        };
        let s = ChannelStats::of(&x, 3);
        let grad = batch_norm_backward(&x, &c, &s.mean, &s.var, Some(&gamma), EPS, true);
        check_gradient("dx", &x, &grad.dx, |x| loss(x, &gamma, &beta));
        check_gradient("dgamma", &gamma, &grad.dgamma, |gamma| loss(&x, gamma, &beta));
        check_gradient("dbeta", &beta, &grad.dbeta, |beta| loss(&x, &gamma, beta));
    }

    #[test]
    fn gradients_with_constant_statistics() {
        let (x, c) = (numbers(1, 4 * 2), numbers(2, 4 * 2));
        let (mean, var, gamma) = ([0.3, -0.2], [0.7, 1.9], [1.5, -0.5]);
        let grad = batch_norm_backward(&x, &c, &mean, &var, Some(&gamma), EPS, false);
        let loss = |x: &[f64]| dot(&batch_norm_forward(x, &mean, &var, Some(&gamma), None, EPS), &c);
        check_gradient("dx", &x, &grad.dx, loss);
    }
}
