//! A network of a model file in burn's tensor operations. Activations are NCHW, dense weights `[in, out]`, as
//! burn has them; the trace's are NHWC and `[out, in]`.

use std::ops::Range;

use burn::{
    optim::{Adam, AdamState, AdaptiveMomentumState, Optimizer},
    tensor::{
        Device, Distribution, Gradients, Tensor, activation,
        module::{batch_norm_train, conv2d, linear, max_pool2d},
        ops::{ConvOptions, MaxPoolOptions},
    },
};
use toml::Table;

use crate::trace::{Result, Trace};

/// An activation.
pub enum Value {
    Flat(Tensor<2>),
    Maps(Tensor<4>),
}

impl Value {
    pub fn flat(self) -> Tensor<2> {
        match self {
            Self::Flat(x) => x,
            Self::Maps(x) => x.flatten(1, 3),
        }
    }

    fn maps(self) -> Tensor<4> {
        match self {
            Self::Flat(_) => panic!("this layer needs maps"),
            Self::Maps(x) => x,
        }
    }
}

pub fn to_nchw(x: Tensor<4>) -> Tensor<4> {
    x.permute([0, 3, 1, 2])
}

/// The same values contiguous in memory, so that no kernel of a step pays for a permutation made in loading.
pub fn contiguous<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let device = x.device();
    Tensor::from_data(x.into_data(), &device)
}

/// Where the random numbers of a pass come from.
pub enum Draws<'a> {
    Fresh,
    /// Rows of the trace's, with the beginning of their names.
    Recorded(&'a Trace, &'static str, Range<usize>),
}

impl Draws<'_> {
    /// Random numbers in the shape of x for layer i: of the distribution `fresh`, or the trace's as they are.
    fn like<const D: usize>(
        &self,
        x: &Tensor<D>,
        i: usize,
        kind: &str,
        fresh: Distribution,
    ) -> Result<Tensor<D>> {
        let device = x.device().inner();
        let Self::Recorded(trace, prefix, rows) = self else {
            return Ok(Tensor::random(x.shape(), fresh, &device));
        };
        let recorded = trace.tensor::<D>(&format!("{prefix}.{i}.{kind}"), &device)?.slice([rows.clone()]);
        Ok(match D {
            4 => recorded.movedim(3, 1),
            _ => recorded,
        })
    }
}

/// A parameter and, if it is trained, Adam's moments.
struct Param<const D: usize> {
    leaf: Tensor<D>,
    moments: Option<AdamState<D>>,
}

impl<const D: usize> Param<D> {
    /// None where the trace has no such parameter. `layout` turns the trace's layout into burn's.
    fn load(
        trace: &Trace,
        name: &str,
        device: &Device,
        layout: impl Fn(Tensor<D>) -> Tensor<D>,
    ) -> Result<Option<Self>> {
        if !trace.has(name) {
            return Ok(None);
        }
        let load = |suffix: &str| -> Result<Tensor<D>> {
            Ok(contiguous(layout(trace.tensor(&format!("{name}{suffix}"), device)?)))
        };
        let trained = trace.has(&format!("{name}.exp_avg"));
        let leaf = load("")?;
        if !trained {
            return Ok(Some(Self { leaf, moments: None }));
        }
        let time = trace.number("step")? as usize;
        let moments = AdaptiveMomentumState::new(time, load(".exp_avg")?, load(".exp_avg_sq")?);
        Ok(Some(Self { leaf: leaf.autodiff().require_grad(), moments: Some(AdamState::new(moments)) }))
    }

    fn value(&self, tracked: bool) -> Tensor<D> {
        if tracked { self.leaf.clone() } else { self.leaf.clone().inner() }
    }

    fn update(&mut self, adam: &Adam, rate: f64, grads: &mut Gradients) {
        if self.moments.is_none() {
            return;
        }
        let grad = self.leaf.grad_remove(grads).expect("a trained parameter has a gradient");
        let (value, moments) = adam.step(rate, self.leaf.clone().inner(), grad, self.moments.take());
        self.leaf = value.autodiff().require_grad();
        self.moments = moments;
    }
}

enum Op {
    Flatten,
    Noise { sigma: f64 },
    Dropout { rate: f64 },
    Relu,
    Softplus,
    Sigmoid,
    Dense,
    Conv { stride: usize, padding: Padding },
    BatchNorm { eps: f64, momentum: f64 },
    MaxPool { kernel: usize, stride: usize, padding: Padding },
}

#[derive(Clone, Copy)]
enum Padding {
    Same,
    Each(usize),
}

impl Padding {
    fn of(layer: &Table, default: Self) -> Self {
        match layer.get("padding") {
            None => default,
            Some(p) if p.as_str() == Some("same") => Self::Same,
            Some(p) => Self::Each(p.as_integer().unwrap_or(0) as usize),
        }
    }

    /// Rows or columns before and after the map, for both of its axes.
    fn pairs(self, sizes: [usize; 2], kernel: usize, stride: usize) -> [(usize, usize); 2] {
        sizes.map(|size| match self {
            Self::Each(n) => (n, n),
            Self::Same => {
                let total = ((size.div_ceil(stride) - 1) * stride + kernel).saturating_sub(size);
                (total / 2, total - total / 2)
            }
        })
    }
}

impl Op {
    fn new(layer: &Table) -> Result<Self> {
        let number = |key: &str, default: f64| match layer.get(key) {
            Some(v) => v.as_float().unwrap_or_else(|| v.as_integer().unwrap_or(0) as f64),
            None => default,
        };
        let count = |key: &str, default: usize| number(key, default as f64) as usize;
        let kernel = count("kernel", 1);
        Ok(match layer["op"].as_str().unwrap_or_default() {
            "flatten" => Self::Flatten,
            "gaussian_noise" => Self::Noise { sigma: number("sigma", 0.0) },
            "dropout" => Self::Dropout { rate: number("rate", 0.0) },
            "relu" => Self::Relu,
            "softplus" => Self::Softplus,
            "sigmoid" => Self::Sigmoid,
            "dense" => Self::Dense,
            "conv2d" => Self::Conv { stride: count("stride", 1), padding: Padding::of(layer, Padding::Same) },
            "batch_norm" => Self::BatchNorm { eps: number("eps", 1e-5), momentum: number("momentum", 0.1) },
            "max_pool2d" => {
                let padding = Padding::of(layer, Padding::Each(0));
                Self::MaxPool { kernel, stride: count("stride", kernel), padding }
            }
            other => return Err(format!("layer `{other}` is not part of this benchmark").into()),
        })
    }
}

struct Layer {
    op: Op,
    feature: bool,
    dense: Option<Param<2>>,
    conv: Option<Param<4>>,
    gain: Option<Param<1>>,
    bias: Option<Param<1>>,
    /// Of batch norm: ones if there is no scale.
    scale: Option<Param<1>>,
    running: Option<[Tensor<1>; 2]>,
}

/// The weights of a layer as a pass uses them: weight normalisation is done.
pub struct Weights {
    dense: Option<Tensor<2>>,
    conv: Option<Tensor<4>>,
    scale: Option<Tensor<1>>,
    bias: Option<Tensor<1>>,
}

/// Weight normalisation, g v / ||v||; v is summed over axis `axis`, the other one is the units'.
fn normalise(v: Tensor<2>, g: Tensor<1>, axis: usize) -> Tensor<2> {
    let norm = v.clone().square().sum_dim(axis).sqrt();
    v * (g.unsqueeze_dim::<2>(axis) / norm)
}

pub struct Net {
    layers: Vec<Layer>,
}

impl Net {
    /// `name`: discriminator or generator.
    pub fn load(trace: &Trace, model: &Table, name: &str, device: &Device) -> Result<Self> {
        let mut layers = Vec::new();
        // Height, width and channels of a map whose flattening the next dense layer reads.
        let mut map: Option<[usize; 3]> = None;
        let specs = model[name]["layers"].as_array().ok_or("a network without layers")?;
        for (i, spec) in specs.iter().enumerate() {
            let spec = spec.as_table().ok_or("a layer is not a table")?;
            let op = Op::new(spec)?;
            let at = |p: &str| format!("before.{name}.{i}.{p}");
            let as_is = |t| t;
            let (mut dense, mut conv, mut scale, mut running) = (None, None, None, None);
            let weight = if trace.has(&at("weight_v")) { at("weight_v") } else { at("weight") };
            match op {
                Op::Dense => {
                    let from = map.take();
                    dense = Param::load(trace, &weight, device, |t: Tensor<2>| {
                        let [out, n] = t.dims();
                        let t = match from {
                            Some([h, w, c]) => to_nchw(t.reshape([out, h, w, c])).reshape([out, n]),
                            None => t,
                        };
                        t.transpose()
                    })?;
                }
                Op::Conv { .. } => conv = Param::load(trace, &weight, device, as_is)?,
                Op::BatchNorm { .. } => {
                    let mean = trace.tensor::<1>(&at("running_mean"), device)?;
                    let ones = Param { leaf: mean.ones_like(), moments: None };
                    scale = Some(Param::load(trace, &weight, device, |t| t)?.unwrap_or(ones));
                    running = Some([mean, trace.tensor(&at("running_var"), device)?]);
                }
                Op::Flatten => {
                    let before = match i {
                        0 => "d_step.images".into(),
                        _ => format!("d_step.{name}.{}.output", i - 1),
                    };
                    map = trace.shape(&before)?.get(1..4).and_then(|s| s.try_into().ok());
                }
                _ => (),
            }
            layers.push(Layer {
                op,
                feature: spec.get("feature").and_then(|f| f.as_bool()).unwrap_or(false),
                dense,
                conv,
                gain: Param::load(trace, &at("weight_g"), device, |t| t)?,
                bias: Param::load(trace, &at("bias"), device, |t| t)?,
                scale,
                running,
            });
        }
        Ok(Self { layers })
    }

    /// The weights for a pass, as parts of an autodiff graph or not.
    pub fn weights(&self, tracked: bool) -> Vec<Weights> {
        let weights = |layer: &Layer| {
            let gain = layer.gain.as_ref().map(|g| g.value(tracked));
            let dense = layer.dense.as_ref().map(|v| match gain.clone() {
                Some(g) => normalise(v.value(tracked), g, 0),
                None => v.value(tracked),
            });
            let conv = layer.conv.as_ref().map(|v| match gain {
                Some(g) => {
                    let v = v.value(tracked);
                    let [out, i, h, w] = v.dims();
                    normalise(v.reshape([out, i * h * w]), g, 1).reshape([out, i, h, w])
                }
                None => v.value(tracked),
            });
            let scale = layer.scale.as_ref().map(|p| p.value(tracked));
            Weights { dense, conv, scale, bias: layer.bias.as_ref().map(|p| p.value(tracked)) }
        };
        self.layers.iter().map(weights).collect()
    }

    /// The output of the last layer, or of the feature layer.
    pub fn forward(
        &mut self,
        weights: &[Weights],
        x: Value,
        draws: &Draws,
        to_feature: bool,
    ) -> Result<Value> {
        let mut x = x;
        for (i, (layer, weights)) in self.layers.iter_mut().zip(weights).enumerate() {
            x = layer.forward(weights, x, draws, i)?;
            if to_feature && layer.feature {
                break;
            }
        }
        Ok(x)
    }

    pub fn update(&mut self, adam: &Adam, rate: f64, mut grads: Gradients) {
        for layer in &mut self.layers {
            layer.dense.iter_mut().for_each(|p| p.update(adam, rate, &mut grads));
            layer.conv.iter_mut().for_each(|p| p.update(adam, rate, &mut grads));
            let vectors = [&mut layer.gain, &mut layer.bias, &mut layer.scale];
            vectors.into_iter().flatten().for_each(|p| p.update(adam, rate, &mut grads));
        }
    }
}

impl Layer {
    fn forward(&mut self, weights: &Weights, x: Value, draws: &Draws, i: usize) -> Result<Value> {
        let bias = weights.bias.clone();
        Ok(match self.op {
            Op::Flatten => Value::Flat(x.flat()),
            Op::Dense => Value::Flat(linear(x.flat(), weights.dense.clone().unwrap(), bias)),
            Op::Conv { stride, padding } => {
                let (x, w) = (x.maps(), weights.conv.clone().unwrap());
                let ([_, _, h, width], [_, _, kernel, _]) = (x.dims(), w.dims());
                let pairs = padding.pairs([h, width], kernel, stride);
                Value::Maps(conv2d(x, w, bias, ConvOptions::new_with_padding([stride; 2], pairs, [1; 2], 1)))
            }
            Op::MaxPool { kernel, stride, padding } => {
                let x = x.maps();
                let [_, _, h, width] = x.dims();
                let options = MaxPoolOptions::new([kernel; 2])
                    .with_stride([stride; 2])
                    .with_padding_pairs(padding.pairs([h, width], kernel, stride));
                Value::Maps(max_pool2d(x, options))
            }
            Op::BatchNorm { eps, momentum } => match x {
                Value::Flat(x) => Value::Flat(self.batch_norm(weights, x, eps, momentum)),
                Value::Maps(x) => Value::Maps(self.batch_norm(weights, x, eps, momentum)),
            },
            _ => match x {
                Value::Flat(x) => Value::Flat(self.elementwise(x, draws, i)?),
                Value::Maps(x) => Value::Maps(self.elementwise(x, draws, i)?),
            },
        })
    }

    /// With the statistics of the batch, which move the running ones.
    fn batch_norm<const D: usize>(
        &mut self,
        weights: &Weights,
        x: Tensor<D>,
        eps: f64,
        momentum: f64,
    ) -> Tensor<D> {
        let [scale, bias] = [&weights.scale, &weights.bias].map(|p| p.clone().unwrap());
        let per_channel = (x.shape().num_elements() / x.dims()[1]) as f64;
        let result = batch_norm_train(x, scale, bias, eps);
        // The running variance takes the unbiased one.
        let variance = result.variance.inner() * (per_channel / (per_channel - 1.0));
        let [mean, var] = self.running.take().unwrap();
        let moved = |old: Tensor<1>, new: Tensor<1>| old * (1.0 - momentum) + new * momentum;
        self.running = Some([moved(mean, result.mean.inner()), moved(var, variance)]);
        result.output
    }

    fn elementwise<const D: usize>(&self, x: Tensor<D>, draws: &Draws, i: usize) -> Result<Tensor<D>> {
        Ok(match self.op {
            Op::Noise { sigma } => {
                let noise = draws.like(&x, i, "noise", Distribution::Normal(0.0, sigma))?;
                match draws {
                    Draws::Fresh => x + noise,
                    // Standard normals.
                    Draws::Recorded(..) => x + noise * sigma,
                }
            }
            Op::Dropout { rate } => {
                let kept = draws.like(&x, i, "dropout", Distribution::Bernoulli(1.0 - rate))?;
                match draws {
                    Draws::Fresh => x * kept * (1.0 / (1.0 - rate)),
                    // 0 or 1 / (1 - rate).
                    Draws::Recorded(..) => x * kept,
                }
            }
            Op::Relu => activation::relu(x),
            Op::Softplus => activation::softplus(x, 1.0),
            Op::Sigmoid => activation::sigmoid(x),
            _ => unreachable!("not an elementwise layer"),
        })
    }
}
