//! Initial parameter values, drawn on the host: a pure function of the seed.

use crate::layers::{Init, Initial, ParamShape};
use crate::model::shape::NetShape;
use crate::rng::{self, Counter};

/// Initial values of a parameter in memory order, element e from stream `stream`.
pub fn initial(param: &ParamShape, seed: u64, stream: u32) -> Vec<f32> {
    let (init, fan_in, fan_out) = match param.initial {
        Initial::Constant(value) => return vec![value; param.len()],
        Initial::Drawn { init, fan_in, fan_out } => (init, f64::from(fan_in), f64::from(fan_out)),
    };
    let at = Counter { stream, step: 0 };
    let draw = |e: u32| match init {
        Init::GlorotUniform => (2.0 * rng::uniform(seed, at, e) - 1.0) * (6.0 / (fan_in + fan_out)).sqrt(),
        Init::HeNormal => rng::normal(seed, at, e) * (2.0 / fan_in).sqrt(),
        Init::Normal(std) => rng::normal(seed, at, e) * f64::from(std),
    };
    (0..param.len() as u32).map(|e| draw(e) as f32).collect()
}

/// Initial values of every parameter, by layer and in the order of `LayerShape::params`.
pub fn initial_net(net: &NetShape, seed: u64, stream_base: u32) -> Vec<Vec<Vec<f32>>> {
    let layer = |(i, layer): (usize, &crate::layers::LayerShape)| {
        layer.params().iter().map(|p| initial(p, seed, stream_base + i as u32)).collect()
    };
    net.layers.iter().enumerate().map(layer).collect()
}
