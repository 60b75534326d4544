//! Fresh parameters, and the data-dependent initialisation of weight-normalised layers.

use super::batch_norm::ChannelStats;
use super::net::{Group, layer_forward, param_mut};
use super::{LayerParams, NetParams};
use crate::model::shape::{LayerShape, NetShape};
use crate::model::spec::{Init, LayerOp, WeightNorm};
use crate::rng::{self, Counter};

/// Smallest standard deviation that data-dependent initialisation divides by: an output with less says the same of every
/// image, and keeps its scale.
const MIN_STD: f64 = 1e-8;

/// g of an output with this variance.
pub fn data_scale(variance: f64) -> f64 {
    let std = variance.sqrt();
    if std < MIN_STD { 1.0 } else { 1.0 / std }
}

/// Fresh parameters of a network: weights of layer i from stream `stream_base + i` at step 0, element e in
/// memory order; biases and running means 0; scales, running variances 1.
pub fn init_params(net: &NetShape, seed: u64, stream_base: u32) -> NetParams {
    let layer_params = |(i, layer): (usize, &LayerShape)| -> LayerParams {
        let at = Counter { stream: stream_base + i as u32, step: 0 };
        layer.params().iter().map(|p| init_tensor(layer, p.name, p.len(), seed, at)).collect()
    };
    net.layers.iter().enumerate().map(layer_params).collect()
}

fn init_tensor(layer: &LayerShape, name: &str, len: usize, seed: u64, at: Counter) -> Vec<f64> {
    // Inputs and outputs that one weight tensor connects per tap, and its taps.
    let (init, inputs, taps) = match &layer.op {
        LayerOp::Dense { init, .. } => (Some(*init), layer.input.len(), 1),
        LayerOp::MinibatchDiscrimination { init, .. } => (Some(*init), layer.input.len(), 1),
        LayerOp::Conv2d { init, kernel, .. } | LayerOp::ConvTranspose2d { init, kernel, .. } => {
            (Some(*init), layer.input.channels, kernel * kernel)
        }
        _ => (None, 0, 0),
    };
    match (name, init) {
        ("weight" | "weight_v", Some(init)) => {
            let (fan_in, fan_out) = (f64::from(taps * inputs), f64::from(taps * layer.product_columns()));
            (0..len).map(|e| draw(init, fan_in, fan_out, seed, at, e as u32)).collect()
        }
        ("bias" | "running_mean", _) => vec![0.0; len],
        _ => vec![1.0; len],
    }
}

/// Element e of a weight tensor.
fn draw(init: Init, fan_in: f64, fan_out: f64, seed: u64, at: Counter, e: u32) -> f64 {
    match init {
        Init::GlorotUniform => (6.0 / (fan_in + fan_out)).sqrt() * (2.0 * rng::uniform(seed, at, e) - 1.0),
        Init::HeNormal => (2.0 / fan_in).sqrt() * rng::normal(seed, at, e),
        Init::Normal(s) => f64::from(s) * rng::normal(seed, at, e),
    }
}

/// Sets g and b of every layer whose [`WeightNorm`] is data-dependent so that its outputs on `input`
/// `[rows, values]` have mean 0 and standard deviation 1 per channel (Salimans & Kingma 2016, section 3).
/// Noise and dropout are on (streams `noise_base` + layer, step 0); batch norm uses the batch and keeps its
/// running statistics. A layer without bias is only scaled.
pub fn data_init(
    net: &NetShape,
    params: &mut NetParams,
    input: &[f64],
    rows: usize,
    seed: u64,
    noise_base: u32,
) {
    let groups = [Group { rows, update_running: false }];
    let mut x = input.to_vec();
    for (i, layer) in net.layers.iter().enumerate() {
        let draws = Some((seed, Counter { stream: noise_base + i as u32, step: 0 }));
        if weight_norm_of(layer).data_dependent() {
            let params = &mut params[i];
            fill(layer, params, "weight_g", 1.0);
            fill(layer, params, "bias", 0.0);
            let (z, _) = layer_forward(layer, params, &x, &groups, draws);
            let stats = ChannelStats::of(&z, layer.output.channels as usize);
            let g: Vec<f64> = stats.var.iter().copied().map(data_scale).collect();
            if let Some(bias) = param_mut(layer, params, "bias") {
                *bias = stats.mean.iter().zip(&g).map(|(m, g)| -m * g).collect();
            }
            if let Some(scale) = param_mut(layer, params, "weight_g") {
                *scale = g;
            }
        }
        x = layer_forward(layer, &params[i], &x, &groups, draws).0;
    }
}

fn weight_norm_of(layer: &LayerShape) -> WeightNorm {
    match &layer.op {
        LayerOp::Dense { weight_norm, .. } | LayerOp::Conv2d { weight_norm, .. } => *weight_norm,
        _ => WeightNorm::None,
    }
}

fn fill(layer: &LayerShape, params: &mut LayerParams, name: &str, value: f64) {
    if let Some(tensor) = param_mut(layer, params, name) {
        tensor.fill(value);
    }
}
