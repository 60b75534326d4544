//! A network over its [`NetShape`]: forward with everything kept, backward, running statistics.

use super::affine::{self, Affine};
use super::batch_norm::{ChannelStats, batch_norm_backward, batch_norm_forward};
use super::conv2d::{ConvShape, conv2d_data_grad, conv2d_forward, conv2d_weight_grad};
use super::dense::{add_bias, bias_grad, dense_data_grad, dense_forward, dense_weight_grad};
use super::optimizer::zeros;
use super::weight_norm::{weight_norm, weight_norm_grad};
use super::{LayerParams, NetParams, minibatch_discrimination, pointwise, pool, shift};
use crate::model::shape::{LayerShape, NetShape};
use crate::model::spec::{LayerOp, Statistics};
use crate::rng::Counter;
use std::ops::Range;

/// Consecutive rows of a stacked batch that belong together (labelled, unlabelled, generated).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Number of rows.
    pub rows: usize,
    /// Whether their batch-norm statistics go into the running ones.
    pub update_running: bool,
}

/// How a forward pass is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Running statistics, no noise, no dropout.
    Eval,
    /// Batch statistics, noise and dropout on.
    Train {
        /// The run's seed.
        seed: u64,
        /// Stream of layer 0's noise; layer i draws from `noise_base + i`.
        noise_base: u32,
        /// Training step.
        step: u32,
    },
}

impl Mode {
    /// Seed and place of the random numbers of layer i; `None` in evaluation.
    fn draws(self, layer: usize) -> Option<(u64, Counter)> {
        match self {
            Mode::Eval => None,
            Mode::Train { seed, noise_base, step } => {
                Some((seed, Counter { stream: noise_base + layer as u32, step }))
            }
        }
    }
}

/// Rows that were normalised together, and with what.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalised {
    /// Their values in the activation.
    pub values: Range<usize>,
    /// Mean and biased variance used.
    pub stats: ChannelStats,
    /// Whether `stats` are those of the rows themselves (training).
    pub of_batch: bool,
    /// Whether `stats` go into the running ones.
    pub update_running: bool,
}

/// What a layer's backward pass needs beside its input.
#[derive(Debug, Clone, PartialEq)]
pub enum Saved {
    /// Nothing.
    Nothing,
    /// Dense and convolution: the weights used, weight normalisation applied.
    Weight(Vec<f64>),
    /// Batch norm: statistics per group.
    Normalised(Vec<Normalised>),
    /// Dropout: the factor of every value.
    Factors(Vec<f64>),
    /// Minibatch discrimination: the product, and the rows that were compared with one another.
    Product(Vec<f64>, Vec<Group>),
    /// Random shifts: rows and columns of every image.
    Offsets(Vec<[i32; 2]>),
    /// The map of each image.
    Maps(Vec<Affine>),
    /// Max pooling: which place of its window every output came from.
    Taps(Vec<u32>),
}

/// A forward pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Tape {
    /// The groups of the batch.
    pub groups: Vec<Group>,
    /// `activations[0]` is the input, `activations[i + 1]` the output of layer i: `[rows, values]`.
    pub activations: Vec<Vec<f64>>,
    /// What each layer saved.
    pub saved: Vec<Saved>,
}

impl Tape {
    /// Rows of the whole batch.
    pub fn rows(&self) -> usize {
        rows(&self.groups)
    }
    /// Output of the last layer.
    pub fn output(&self) -> &[f64] {
        &self.activations[self.activations.len() - 1]
    }
    /// Output of layer i.
    pub fn layer_output(&self, i: usize) -> &[f64] {
        &self.activations[i + 1]
    }
}

/// What [`backward`] gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradients {
    /// Gradient of the network's input.
    pub d_input: Vec<f64>,
    /// Gradient of every parameter, trained or not; 0 for running statistics.
    pub params: NetParams,
    /// Gradient of every layer's output.
    pub d_outputs: Vec<Vec<f64>>,
}

/// Rows of all groups.
pub fn rows(groups: &[Group]) -> usize {
    groups.iter().map(|g| g.rows).sum()
}

/// The tensor called `name` of a layer.
pub fn param<'a>(layer: &LayerShape, params: &'a LayerParams, name: &str) -> Option<&'a [f64]> {
    layer.params().iter().position(|p| p.name == name).map(|i| params[i].as_slice())
}

/// The tensor called `name` of a layer, to be written.
pub fn param_mut<'a>(
    layer: &LayerShape,
    params: &'a mut LayerParams,
    name: &str,
) -> Option<&'a mut Vec<f64>> {
    layer.params().iter().position(|p| p.name == name).map(|i| &mut params[i])
}

/// Runs `input` `[rows, values]` (NHWC) through the network. Changes nothing; see [`update_running`].
///
/// # Panics
/// Where the input or a parameter does not have the length that the shapes say.
pub fn forward(net: &NetShape, params: &NetParams, input: &[f64], groups: &[Group], mode: Mode) -> Tape {
    let expected = rows(groups) * net.input.len() as usize;
    assert_eq!(input.len(), expected, "{}: input is not [{}, {}]", net.name, rows(groups), net.input);
    let mut tape = Tape { groups: groups.to_vec(), activations: vec![input.to_vec()], saved: vec![] };
    for (i, layer) in net.layers.iter().enumerate() {
        let (y, saved) = layer_forward(layer, &params[i], tape.output(), groups, mode.draws(i));
        tape.activations.push(y);
        tape.saved.push(saved);
    }
    tape
}

/// One layer's forward pass; `draws` is `None` in evaluation.
pub fn layer_forward(
    layer: &LayerShape,
    params: &LayerParams,
    x: &[f64],
    groups: &[Group],
    draws: Option<(u64, Counter)>,
) -> (Vec<f64>, Saved) {
    let map = |f: &dyn Fn(f64) -> f64| (x.iter().map(|&v| f(v)).collect(), Saved::Nothing);
    match &layer.op {
        LayerOp::Dense { .. } | LayerOp::Conv2d { .. } | LayerOp::ConvTranspose2d { .. } => {
            affine_forward(layer, params, x, rows(groups))
        }
        LayerOp::BatchNorm { .. } => normalise(layer, params, x, groups, draws.is_some()),
        LayerOp::GaussianNoise { sigma } => match draws {
            Some((seed, at)) => (pointwise::gaussian_noise(x, f64::from(*sigma), seed, at), Saved::Nothing),
            None => (x.to_vec(), Saved::Nothing),
        },
        LayerOp::Dropout { rate } => {
            let factors = match draws {
                Some((seed, at)) => pointwise::dropout_factors(x.len(), f64::from(*rate), seed, at),
                None => vec![1.0; x.len()],
            };
            (multiply(x, &factors), Saved::Factors(factors))
        }
        LayerOp::MinibatchDiscrimination { .. } => {
            let (n, m) = (layer.input.len() as usize, layer.product_columns() as usize);
            let product = dense_forward(x, &effective_weight(layer, params), rows(groups), n, m);
            let one = [Group { rows: rows(groups), update_running: false }];
            let compared = if draws.is_some() { groups } else { &one };
            let y = minibatch_discrimination::forward(x, &product, closeness(layer), compared);
            (y, Saved::Product(product, compared.to_vec()))
        }
        LayerOp::RandomShift { pixels } => {
            let offsets = match draws {
                Some((seed, at)) => shift::offsets(rows(groups), *pixels, seed, at),
                None => vec![[0, 0]; rows(groups)],
            };
            (shift::shift(x, layer.input, &offsets), Saved::Offsets(offsets))
        }
        LayerOp::RandomAffine { shift, warp } => {
            let maps = match draws {
                Some((seed, at)) => affine::draw(rows(groups), *shift, *warp, seed, at),
                None => vec![Affine::IDENTITY; rows(groups)],
            };
            (affine::warp(x, layer.input, &maps), Saved::Maps(maps))
        }
        LayerOp::Relu {} => map(&pointwise::relu),
        LayerOp::LeakyRelu { slope } => map(&|v| pointwise::leaky_relu(v, f64::from(*slope))),
        LayerOp::Softplus {} => map(&pointwise::softplus),
        LayerOp::Sigmoid {} => map(&pointwise::sigmoid),
        LayerOp::Tanh {} => map(&pointwise::tanh),
        LayerOp::MaxPool2d { .. } => {
            let (y, taps) = pool::max_pool2d(x, &window(layer, rows(groups)));
            (y, Saved::Taps(taps))
        }
        LayerOp::AvgPool2d { .. } => (pool::avg_pool2d(x, &window(layer, rows(groups))), Saved::Nothing),
        LayerOp::GlobalAvgPool {} => {
            let (pixels, channels) = (layer.input.pixels() as usize, layer.input.channels as usize);
            (pool::global_avg_pool(x, rows(groups), pixels, channels), Saved::Nothing)
        }
        LayerOp::Flatten {} | LayerOp::Unflatten { .. } => (x.to_vec(), Saved::Nothing),
    }
}

/// The weights a dense or convolution layer multiplies with `[out, kh, kw, in]`.
///
/// # Panics
/// On other layers.
pub fn effective_weight(layer: &LayerShape, params: &LayerParams) -> Vec<f64> {
    match (param(layer, params, "weight_v"), param(layer, params, "weight_g"), param(layer, params, "weight"))
    {
        (Some(v), Some(g), _) => weight_norm(v, g),
        (_, _, Some(w)) => w.to_vec(),
        _ => panic!("{} has no weights", layer.op.name()),
    }
}

fn closeness(layer: &LayerShape) -> minibatch_discrimination::Sizes {
    let LayerOp::MinibatchDiscrimination { kernels, dims, .. } = layer.op else {
        unreachable!("called on minibatch discrimination only")
    };
    minibatch_discrimination::Sizes {
        features: layer.input.len() as usize,
        kernels: kernels as usize,
        dims: dims as usize,
    }
}

fn window(layer: &LayerShape, rows: usize) -> ConvShape {
    ConvShape::of(layer, rows).expect("pooling layers have a window")
}

fn transposed(layer: &LayerShape) -> bool {
    matches!(layer.op, LayerOp::ConvTranspose2d { .. })
}

fn affine_forward(layer: &LayerShape, params: &LayerParams, x: &[f64], rows: usize) -> (Vec<f64>, Saved) {
    let w = effective_weight(layer, params);
    let mut y = match ConvShape::of(layer, rows) {
        Some(shape) if transposed(layer) => conv2d_data_grad(x, &w, &shape),
        Some(shape) => conv2d_forward(x, &w, &shape),
        None => dense_forward(x, &w, rows, layer.input.len() as usize, layer.output.len() as usize),
    };
    if let Some(bias) = param(layer, params, "bias") {
        add_bias(&mut y, bias);
    }
    (y, Saved::Weight(w))
}

/// Batch norm of all groups. Returns y and what each part was normalised with.
fn normalise(
    layer: &LayerShape,
    params: &LayerParams,
    x: &[f64],
    groups: &[Group],
    train: bool,
) -> (Vec<f64>, Saved) {
    let LayerOp::BatchNorm { eps, statistics, .. } = &layer.op else {
        unreachable!("called on batch norm only")
    };
    let (gamma, beta) = (param(layer, params, "weight"), param(layer, params, "bias"));
    let joined = [Group { rows: rows(groups), update_running: groups.iter().any(|g| g.update_running) }];
    let together = if train && *statistics == Statistics::Separate { groups } else { &joined };
    let (mut y, mut parts, mut start) = (vec![], vec![], 0);
    for group in together.iter().filter(|g| g.rows > 0) {
        let values = start..start + group.rows * layer.input.len() as usize;
        start = values.end;
        let stats = if train {
            ChannelStats::of(&x[values.clone()], layer.input.channels as usize)
        } else {
            let running = |name| param(layer, params, name).unwrap_or_default().to_vec();
            ChannelStats { samples: 0, mean: running("running_mean"), var: running("running_var") }
        };
        y.extend(batch_norm_forward(
            &x[values.clone()],
            &stats.mean,
            &stats.var,
            gamma,
            beta,
            f64::from(*eps),
        ));
        parts.push(Normalised {
            values,
            stats,
            of_batch: train,
            update_running: train && group.update_running,
        });
    }
    (y, Saved::Normalised(parts))
}

/// Moves the running statistics of all batch-norm layers by those of a training pass, group after group.
pub fn update_running(net: &NetShape, params: &mut NetParams, tape: &Tape) {
    for ((layer, params), saved) in net.layers.iter().zip(params).zip(&tape.saved) {
        let (LayerOp::BatchNorm { momentum, .. }, Saved::Normalised(parts)) = (&layer.op, saved) else {
            continue;
        };
        // The two running tensors are the last of the layer's list.
        let [.., mean, var] = params.as_mut_slice() else { continue };
        for part in parts.iter().filter(|p| p.update_running) {
            part.stats.update_running(f64::from(*momentum), mean, var);
        }
    }
}

/// Gradients from that of the output (`None`: zero) and that of the feature layer's output, which is added
/// to what arrives there from above.
///
/// # Panics
/// Where a gradient does not fit, or `d_feature` is given and the network has no feature layer.
pub fn backward(
    net: &NetShape,
    params: &NetParams,
    tape: &Tape,
    d_out: Option<&[f64]>,
    d_feature: Option<&[f64]>,
) -> Gradients {
    assert!(d_feature.is_none() || net.feature().is_some(), "{}: no feature layer", net.name);
    let mut d = d_out.map_or_else(|| vec![0.0; tape.output().len()], <[f64]>::to_vec);
    assert_eq!(d.len(), tape.output().len(), "{}: d_out does not fit the output", net.name);
    let mut grads = zeros(net);
    let mut d_outputs = vec![vec![]; net.layers.len()];
    for (i, layer) in net.layers.iter().enumerate().rev() {
        if let (true, Some(d_feature)) = (layer.feature, d_feature) {
            assert_eq!(d.len(), d_feature.len(), "{}: d_feature does not fit layer {}", net.name, i + 1);
            d.iter_mut().zip(d_feature).for_each(|(d, f)| *d += f);
        }
        let dx = layer_backward(
            layer,
            &params[i],
            &tape.activations[i],
            &d,
            &tape.saved[i],
            tape.rows(),
            &mut grads[i],
        );
        d_outputs[i] = std::mem::replace(&mut d, dx);
    }
    Gradients { d_input: d, params: grads, d_outputs }
}

/// One layer's backward pass: returns dx and fills the gradients of its parameters.
fn layer_backward(
    layer: &LayerShape,
    params: &LayerParams,
    x: &[f64],
    dy: &[f64],
    saved: &Saved,
    rows: usize,
    grads: &mut LayerParams,
) -> Vec<f64> {
    let map = |slope: &dyn Fn(f64) -> f64| x.iter().zip(dy).map(|(&x, d)| slope(x) * d).collect();
    match (&layer.op, saved) {
        (
            LayerOp::Dense { .. } | LayerOp::Conv2d { .. } | LayerOp::ConvTranspose2d { .. },
            Saved::Weight(w),
        ) => affine_backward(layer, params, x, dy, w, rows, grads),
        (LayerOp::BatchNorm { .. }, Saved::Normalised(parts)) => {
            normalise_backward(layer, params, x, dy, parts, grads)
        }
        (LayerOp::Dropout { .. }, Saved::Factors(factors)) => multiply(dy, factors),
        (LayerOp::MinibatchDiscrimination { .. }, Saved::Product(product, compared)) => {
            let s = closeness(layer);
            let dm = minibatch_discrimination::backward(product, dy, s, compared);
            let (n, m) = (s.features, s.kernels * s.dims);
            if let Some(weight) = param_mut(layer, grads, "weight") {
                *weight = dense_weight_grad(&dm, x, rows, n, m);
            }
            let mut dx = dense_data_grad(&dm, &effective_weight(layer, params), rows, n, m);
            for (dx, dy) in dx.chunks_exact_mut(n).zip(dy.chunks_exact(n + s.kernels)) {
                dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += dy);
            }
            dx
        }
        (LayerOp::RandomAffine { .. }, Saved::Maps(maps)) => affine::warp_grad(dy, layer.input, maps),
        (LayerOp::RandomShift { .. }, Saved::Offsets(offsets)) => shift::shift_grad(dy, layer.input, offsets),
        (LayerOp::GaussianNoise { .. } | LayerOp::Flatten {} | LayerOp::Unflatten { .. }, _) => dy.to_vec(),
        (LayerOp::Relu {}, _) => map(&pointwise::relu_grad),
        (LayerOp::LeakyRelu { slope }, _) => map(&|v| pointwise::leaky_relu_grad(v, f64::from(*slope))),
        (LayerOp::Softplus {}, _) => map(&pointwise::softplus_grad),
        (LayerOp::Sigmoid {}, _) => map(&pointwise::sigmoid_grad),
        (LayerOp::Tanh {}, _) => map(&pointwise::tanh_grad),
        (LayerOp::MaxPool2d { .. }, Saved::Taps(taps)) => {
            pool::max_pool2d_grad(dy, taps, &window(layer, rows))
        }
        (LayerOp::AvgPool2d { .. }, _) => pool::avg_pool2d_grad(dy, &window(layer, rows)),
        (LayerOp::GlobalAvgPool {}, _) => {
            let (pixels, channels) = (layer.input.pixels() as usize, layer.input.channels as usize);
            pool::global_avg_pool_grad(dy, rows, pixels, channels)
        }
        (op, saved) => unreachable!("{} saved {saved:?}", op.name()),
    }
}

fn affine_backward(
    layer: &LayerShape,
    params: &LayerParams,
    x: &[f64],
    dy: &[f64],
    w: &[f64],
    rows: usize,
    grads: &mut LayerParams,
) -> Vec<f64> {
    let (inputs, outputs) = (layer.input.len() as usize, layer.output.len() as usize);
    let (dx, dw) = match ConvShape::of(layer, rows) {
        Some(shape) if transposed(layer) => {
            (conv2d_forward(dy, w, &shape), conv2d_weight_grad(x, dy, &shape))
        }
        Some(shape) => (conv2d_data_grad(dy, w, &shape), conv2d_weight_grad(dy, x, &shape)),
        None => {
            (dense_data_grad(dy, w, rows, inputs, outputs), dense_weight_grad(dy, x, rows, inputs, outputs))
        }
    };
    let mut set = |name: &str, value: Vec<f64>| {
        if let Some(slot) = param_mut(layer, grads, name) {
            *slot = value;
        }
    };
    match (param(layer, params, "weight_v"), param(layer, params, "weight_g")) {
        (Some(v), Some(g)) => {
            let (dv, dg) = weight_norm_grad(v, g, &dw);
            set("weight_v", dv);
            set("weight_g", dg);
        }
        _ => set("weight", dw),
    }
    set("bias", bias_grad(dy, layer.output.channels as usize));
    dx
}

fn normalise_backward(
    layer: &LayerShape,
    params: &LayerParams,
    x: &[f64],
    dy: &[f64],
    parts: &[Normalised],
    grads: &mut LayerParams,
) -> Vec<f64> {
    let LayerOp::BatchNorm { eps, .. } = &layer.op else { unreachable!("called on batch norm only") };
    let gamma = param(layer, params, "weight");
    let mut dx = vec![];
    for part in parts {
        let (x, dy) = (&x[part.values.clone()], &dy[part.values.clone()]);
        let (mean, var) = (&part.stats.mean, &part.stats.var);
        let grad = batch_norm_backward(x, dy, mean, var, gamma, f64::from(*eps), part.of_batch);
        dx.extend(grad.dx);
        for (name, d) in [("weight", grad.dgamma), ("bias", grad.dbeta)] {
            if let Some(sum) = param_mut(layer, grads, name) {
                sum.iter_mut().zip(d).for_each(|(s, d)| *s += d);
            }
        }
    }
    dx
}

fn multiply(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a * b).collect()
}
