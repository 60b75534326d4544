//! Initial parameter values, drawn on the host: a pure function of the seed.

use crate::model::shape::{LayerShape, NetShape};
use crate::model::spec::{Init, LayerOp};
use crate::rng::{self, Counter};

/// Initial values of `layer`'s parameter `name` with `len` values in memory order, element e from stream
/// `stream`: weights by the layer's `init`, scales and variances 1, the rest 0.
pub fn initial(layer: &LayerShape, name: &str, len: usize, seed: u64, stream: u32) -> Vec<f32> {
    match name {
        "weight" | "weight_v" => {}
        "weight_g" | "running_var" => return vec![1.0; len],
        _ => return vec![0.0; len],
    }
    let (init, taps) = match &layer.op {
        LayerOp::Dense { init, .. } => (*init, 1),
        LayerOp::MinibatchDiscrimination { init, .. } => (*init, 1),
        LayerOp::Conv2d { init, kernel, .. } | LayerOp::ConvTranspose2d { init, kernel, .. } => {
            (*init, kernel * kernel)
        }
        _ => return vec![1.0; len],
    };
    let fan_in = f64::from(taps * layer.input.channels);
    let fan_out = f64::from(taps * layer.product_columns());
    let at = Counter { stream, step: 0 };
    let draw = |e: u32| match init {
        Init::GlorotUniform => (2.0 * rng::uniform(seed, at, e) - 1.0) * (6.0 / (fan_in + fan_out)).sqrt(),
        Init::HeNormal => rng::normal(seed, at, e) * (2.0 / fan_in).sqrt(),
        Init::Normal(std) => rng::normal(seed, at, e) * f64::from(std),
    };
    (0..len as u32).map(|e| draw(e) as f32).collect()
}

/// Initial values of every parameter, by layer and in the order of `LayerShape::params`.
pub fn initial_net(net: &NetShape, seed: u64, stream_base: u32) -> Vec<Vec<Vec<f32>>> {
    net.layers
        .iter()
        .enumerate()
        .map(|(i, layer)| {
            layer
                .params()
                .iter()
                .map(|p| initial(layer, p.name, p.len(), seed, stream_base + i as u32))
                .collect()
        })
        .collect()
}
