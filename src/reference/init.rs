//! Fresh parameters, and the data-dependent initialisation of weight-normalised layers.

use super::batch_norm::ChannelStats;
use super::twin::{Group, LayerRun, param_mut, twin};
use super::{LayerParams, NetParams};
use crate::layers::{Init, Initial, LayerShape, ParamShape};
use crate::model::shape::NetShape;
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
        layer.params().iter().map(|p| init_tensor(p, seed, at)).collect()
    };
    net.layers.iter().enumerate().map(layer_params).collect()
}

fn init_tensor(param: &ParamShape, seed: u64, at: Counter) -> Vec<f64> {
    match param.initial {
        Initial::Constant(value) => vec![value.into(); param.len()],
        Initial::Drawn { init, fan_in, fan_out } => {
            let (fan_in, fan_out) = (f64::from(fan_in), f64::from(fan_out));
            (0..param.len()).map(|e| draw(init, fan_in, fan_out, seed, at, e as u32)).collect()
        }
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

/// Sets g and b of every layer whose [`WeightNorm`](crate::layers::WeightNorm) is data-dependent so that its outputs on `input`
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
        if layer.op.weights().is_some_and(|w| w.norm.data_dependent()) {
            let params = &mut params[i];
            fill(layer, params, "weight_g", 1.0);
            fill(layer, params, "bias", 0.0);
            let (z, _) = twin(&layer.op).forward(&LayerRun { layer, params, groups: &groups, draws }, &x);
            let stats = ChannelStats::of(&z, layer.output.channels as usize);
            let g: Vec<f64> = stats.var.iter().copied().map(data_scale).collect();
            if let Some(bias) = param_mut(layer, params, "bias") {
                *bias = stats.mean.iter().zip(&g).map(|(m, g)| -m * g).collect();
            }
            if let Some(scale) = param_mut(layer, params, "weight_g") {
                *scale = g;
            }
        }
        let at = LayerRun { layer, params: &params[i], groups: &groups, draws };
        x = twin(&layer.op).forward(&at, &x).0;
    }
}

fn fill(layer: &LayerShape, params: &mut LayerParams, name: &str, value: f64) {
    if let Some(tensor) = param_mut(layer, params, name) {
        tensor.fill(value);
    }
}
