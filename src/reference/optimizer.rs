//! Adam (Kingma & Ba 2015) and the exponential moving average of parameters.

use super::NetParams;
use crate::model::shape::NetShape;

/// Where Adam adds epsilon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EpsPlacement {
    /// `m_hat / (sqrt(v_hat) + eps)`, as published.
    #[default]
    Outside,
    /// `m_hat / sqrt(v_hat + eps)`, as in the paper's code.
    Inside,
}

/// Adam's settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamSettings {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Keeps the division finite.
    pub eps: f64,
    /// Where epsilon is added.
    pub placement: EpsPlacement,
}

/// First and second moments, shaped like the parameters (kept, but unused, for untrained ones).
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// Mean of gradients.
    pub m: NetParams,
    /// Mean of squared gradients.
    pub v: NetParams,
}

impl Moments {
    /// Zeros for every tensor of `net`.
    pub fn new(net: &NetShape) -> Moments {
        Moments { m: zeros(net), v: zeros(net) }
    }
}

/// Zeros in the shape of the parameters of `net`.
pub fn zeros(net: &NetShape) -> NetParams {
    net.layers.iter().map(|l| l.params().iter().map(|p| vec![0.0; p.len()]).collect()).collect()
}

/// One Adam update of one tensor; `t` counts updates from 1.
pub fn adam_update(p: &mut [f64], g: &[f64], m: &mut [f64], v: &mut [f64], s: &AdamSettings, t: u32) {
    assert!(p.len() == g.len() && p.len() == m.len() && p.len() == v.len(), "adam_update: lengths differ");
    let correction1 = 1.0 - s.beta1.powf(f64::from(t));
    let correction2 = 1.0 - s.beta2.powf(f64::from(t));
    for e in 0..p.len() {
        m[e] = s.beta1 * m[e] + (1.0 - s.beta1) * g[e];
        v[e] = s.beta2 * v[e] + (1.0 - s.beta2) * g[e] * g[e];
        let (m_hat, v_hat) = (m[e] / correction1, v[e] / correction2);
        let root = match s.placement {
            EpsPlacement::Outside => v_hat.sqrt() + s.eps,
            EpsPlacement::Inside => (v_hat + s.eps).sqrt(),
        };
        p[e] -= s.lr * m_hat / root;
    }
}

/// Calls `f(layer, tensor)` for every trained tensor of `net`.
fn for_each_trained(net: &NetShape, mut f: impl FnMut(usize, usize)) {
    for (i, layer) in net.layers.iter().enumerate() {
        for (j, shape) in layer.params().iter().enumerate() {
            if shape.trained {
                f(i, j);
            }
        }
    }
}

/// Adam on all trained tensors of a network; `step` counts from 0.
pub fn adam(
    net: &NetShape,
    p: &mut NetParams,
    g: &NetParams,
    moments: &mut Moments,
    s: &AdamSettings,
    step: u32,
) {
    for_each_trained(net, |i, j| {
        adam_update(&mut p[i][j], &g[i][j], &mut moments.m[i][j], &mut moments.v[i][j], s, step + 1);
    });
}

/// `ema = (1 - rate) ema + rate p` for one tensor.
pub fn ema_update(ema: &mut [f64], p: &[f64], rate: f64) {
    assert_eq!(ema.len(), p.len(), "ema_update: lengths differ");
    for (e, p) in ema.iter_mut().zip(p) {
        *e = (1.0 - rate) * *e + rate * p;
    }
}

/// [`ema_update`] on all trained tensors of a network.
pub fn ema(net: &NetShape, ema: &mut NetParams, p: &NetParams, rate: f64) {
    for_each_trained(net, |i, j| ema_update(&mut ema[i][j], &p[i][j], rate));
}

/// What an average that started at zero is divided by after `updates` updates: `1 - (1 - rate)^updates`.
pub fn ema_correction(rate: f64, updates: u32) -> f64 {
    -(f64::from(updates) * (-rate).ln_1p()).exp_m1()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::assert_close;

    fn settings(placement: EpsPlacement) -> AdamSettings {
        AdamSettings { lr: 0.1, beta1: 0.5, beta2: 0.75, eps: 0.25, placement }
    }

    /// Two updates worked out by hand, epsilon large enough to tell its places apart.
    #[test]
    fn adam_by_hand() {
        for (placement, first, second) in [
            // g = 2: m_hat 2, v_hat 4. Then g = -1: m 0, v 1, m_hat 0.
            (EpsPlacement::Outside, 2.0 / 2.25, 0.0),
            (EpsPlacement::Inside, 2.0 / 4.25f64.sqrt(), 0.0),
        ] {
            let (mut p, mut m, mut v) = ([1.0], [0.0], [0.0]);
            adam_update(&mut p, &[2.0], &mut m, &mut v, &settings(placement), 1);
            assert_eq!((m, v), ([1.0], [1.0]));
            assert_close("first", &[1.0 - 0.1 * first], &p, 1e-15, 0.0);
            adam_update(&mut p, &[-1.0], &mut m, &mut v, &settings(placement), 2);
            assert_eq!((m, v), ([0.0], [1.0]));
            assert_close("second", &[1.0 - 0.1 * (first + second)], &p, 1e-15, 0.0);
            adam_update(&mut p, &[4.0], &mut m, &mut v, &settings(placement), 3);
            // m 2, m_hat 2 / 0.875; v 4.75, v_hat 4.75 / (37/64)
            let v_hat: f64 = 4.75 * 64.0 / 37.0;
            let root =
                if placement == EpsPlacement::Outside { v_hat.sqrt() + 0.25 } else { (v_hat + 0.25).sqrt() };
            assert_close("third", &[1.0 - 0.1 * (first + 2.0 / 0.875 / root)], &p, 1e-14, 0.0);
        }
    }

    #[test]
    fn average_of_a_constant_is_the_constant() {
        let mut average = [0.0];
        for t in 1..=5 {
            ema_update(&mut average, &[3.0], 0.1);
            assert_close("corrected", &[3.0], &[average[0] / ema_correction(0.1, t)], 1e-14, 0.0);
        }
        assert_close("raw", &[3.0 * (1.0 - 0.9f64.powi(5))], &average, 1e-14, 0.0);
    }
}
