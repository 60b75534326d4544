//! A network on the GPU: packed weights, and the recording of its forward passes.

use super::params::{Layout, Params};
use super::products::{LayerProducts, WeightOperand};
use crate::error::Result;
use crate::gpu::{Gpu, Program, Tensor};
use crate::model::shape::{Dims, LayerShape, NetShape};
use crate::model::spec::{LayerOp, Statistics, WeightNorm};
use crate::ops::{
    Activation, BatchNorm, Closeness, Conv, Epilogue, Gemm, GradientIn, Operand, Ops, ProductKind, Right,
    RightOperand,
};

/// Rows of a stacked batch that came from one input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Images.
    pub rows: u32,
    /// Whether they move batch norm's running averages.
    pub update_running: bool,
}

/// Which of a network's behaviours a pass has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics, noise and dropout on: layer i draws from stream `noise_base + i`.
    Train {
        /// Stream of layer 0.
        noise_base: u32,
        /// The stacked inputs, in row order.
        groups: Vec<Group>,
    },
    /// Running statistics, noise and dropout off.
    Eval,
}

/// What a forward pass leaves for the backward pass. Activations are `[rows * pixels, channels]`.
#[derive(Debug, Clone)]
pub struct Tape {
    /// Images.
    pub rows: u32,
    /// Input of each layer.
    pub inputs: Vec<Tensor>,
    /// Output of each layer; of a layer whose activation was fused into it, the activation's output.
    pub outputs: Vec<Tensor>,
    pub(super) statistics: Vec<Vec<GroupStatistics>>,
    /// Of max pooling layers which place of its window every output came from, of minibatch discrimination the product.
    pub(super) saved: Vec<Option<Tensor>>,
    /// Rows of each stacked input that has any: (first, count).
    pub(super) groups: Vec<(u32, u32)>,
    pub(super) noise_base: Option<u32>,
}

#[derive(Debug, Clone)]
pub(super) struct GroupStatistics {
    pub start: u32,
    pub count: u32,
    pub mean: Tensor,
    pub variance: Tensor,
}

/// A dense or convolution layer's weights as the GEMMs read them.
#[derive(Debug, Clone)]
pub(super) struct Packed {
    /// For a product of rows, or of windows, with the weights: the forward pass, of a transposed convolution the data
    /// gradient.
    pub forward: RightOperand,
    /// For the other direction; `None` where the stored weights serve as they are.
    pub backward: Option<RightOperand>,
    /// Whether that goes through [`Ops::col2im`].
    pub by_windows: bool,
    /// g / ||v|| and 1 / ||v||.
    pub norm: Option<(Tensor, Tensor)>,
}

/// A network: shapes, parameters, packed weights.
#[derive(Debug)]
pub struct Net {
    /// Shapes.
    pub shape: NetShape,
    /// Parameters.
    pub params: Params,
    pub(super) packed: Vec<Option<Packed>>,
}

/// The activation function that a layer is, if it is one.
pub(super) fn activation(op: &LayerOp) -> Option<Activation> {
    Some(match op {
        LayerOp::Relu {} => Activation::Relu,
        LayerOp::LeakyRelu { slope } => Activation::LeakyRelu(*slope),
        LayerOp::Softplus {} => Activation::Softplus,
        LayerOp::Sigmoid {} => Activation::Sigmoid,
        LayerOp::Tanh {} => Activation::Tanh,
        _ => return None,
    })
}

pub(super) fn weight_norm(op: &LayerOp) -> WeightNorm {
    match op {
        LayerOp::Dense { weight_norm, .. } | LayerOp::Conv2d { weight_norm, .. } => *weight_norm,
        _ => WeightNorm::None,
    }
}

/// Whether a layer does to images what a convolution does to gradients.
pub(super) fn transposed(layer: &LayerShape) -> bool {
    matches!(layer.op, LayerOp::ConvTranspose2d { .. })
}

/// Geometry of a convolution or pooling layer, of a transposed one that of the convolution which it transposes; all zeros
/// for others.
pub(super) fn conv(layer: &LayerShape) -> Conv {
    let Some(w) = layer.window else { return Conv::default() };
    let (image, windows) =
        if transposed(layer) { (layer.output, layer.input) } else { (layer.input, layer.output) };
    Conv {
        h: image.height,
        w: image.width,
        c: image.channels,
        oh: windows.height,
        ow: windows.width,
        oc: windows.channels,
        kernel: w.kernel,
        stride: w.stride,
        pad_top: w.pad_top,
        pad_left: w.pad_left,
    }
}

/// Rows of the stacked inputs; in evaluation one input.
fn group_rows(mode: &Mode, rows: u32) -> Vec<(u32, u32)> {
    let Mode::Train { groups, .. } = mode else { return vec![(0, rows)] };
    let mut start = 0;
    let mut place = |g: &Group| {
        start += g.rows;
        (start - g.rows, g.rows)
    };
    groups.iter().map(&mut place).filter(|(_, count)| *count > 0).collect()
}

/// Sizes of a minibatch discrimination layer.
pub(super) fn closeness(layer: &LayerShape) -> Closeness {
    let LayerOp::MinibatchDiscrimination { kernels, dims, .. } = layer.op else {
        unreachable!("only called for minibatch discrimination")
    };
    Closeness { features: layer.input.channels, kernels, dims }
}

impl Net {
    /// As many rows as this adapter can bind the activations of, at most `wanted`: for passes whose rows are not the
    /// minibatch's, and which therefore can do with fewer.
    pub fn rows_that_fit(&self, gpu: &Gpu, wanted: u32) -> u32 {
        let fit = gpu.max_binding().min(u32::MAX.into()) / (4 * u64::from(self.shape.largest().max(1)));
        wanted.min(fit.clamp(1, u32::MAX.into()) as u32)
    }

    /// A network over given parameter memory.
    pub fn new(ops: &Ops, shape: &NetShape, params: Params) -> Net {
        let gpu = &ops.gpu;
        let packed = shape.layers.iter().map(|l| {
            let LayerProducts { forward, backward, by_windows, out, .. } =
                LayerProducts::of(l, gpu.max_binding())?;
            let norm = weight_norm(&l.op)
                .is_on()
                .then(|| (gpu.vector("weight scale", out), gpu.vector("inverse norm", out)));
            let memory = |label, w: WeightOperand| ops.right_operand(label, w.from, w.k, w.n);
            // Weights [out, n] row by row are stored like that.
            let kind = ProductKind::with_weights(backward.from, backward.k, backward.n);
            let packs = backward.from == Operand::Scatter || norm.is_some() || ops.tiling.panel(kind) > 0;
            Some(Packed {
                forward: memory("weights forward", forward),
                backward: packs.then(|| memory("weights backward", backward)),
                by_windows,
                norm,
            })
        });
        let packed = packed.collect();
        Net { shape: shape.clone(), params, packed }
    }

    pub(super) fn label(&self, layer: usize, what: &str) -> String {
        format!("{}.{layer} {} {what}", self.shape.name, self.shape.layers[layer].op.name())
    }

    /// The stored weights of a dense or convolution layer, `[out, taps * in]`.
    pub(super) fn stored_weights(&self, layer: usize) -> Tensor {
        let p = &self.params;
        p.get(layer, "weight")
            .or_else(|| p.get(layer, "weight_v"))
            .expect("dense and conv2d layers have weights")
    }

    /// Records the packing of all weights: due whenever the parameters have changed.
    ///
    /// # Errors
    /// As [`Program::dispatch`].
    pub fn pack(&self, ops: &Ops, p: &mut Program) -> Result<()> {
        (0..self.shape.layers.len()).try_for_each(|i| self.pack_layer(ops, p, i))
    }

    fn pack_layer(&self, ops: &Ops, p: &mut Program, i: usize) -> Result<()> {
        let Some(packed) = &self.packed[i] else { return Ok(()) };
        let label = self.label(i, "pack");
        let v = self.stored_weights(i);
        let products = LayerProducts::of(&self.shape.layers[i], ops.gpu.max_binding());
        let taps = products.map_or(1, |p| p.packed_taps());
        if let Some((scale, inverse)) = &packed.norm {
            let g = self.params.get(i, "weight_g").expect("weight norm has a scale");
            ops.weight_norm(p, &label, &v, &g, scale, inverse)?;
        }
        let scale = packed.norm.as_ref().map(|n| &n.0);
        ops.pack_weights(p, &label, &v, taps, scale, &packed.forward, packed.backward.as_ref())
    }

    /// Records layers `0..upto` on x `[rows * pixels, channels]`.
    ///
    /// # Errors
    /// [`Error::Adapter`](crate::Error::Adapter) if an activation is larger than the adapter can bind; else as
    /// [`Program::dispatch`].
    pub fn forward(&self, ops: &Ops, p: &mut Program, x: &Tensor, mode: &Mode, upto: usize) -> Result<Tape> {
        self.run(ops, p, x, mode, upto, false)
    }

    /// Records data-dependent initialisation (Salimans & Kingma 2016, section 3) on a first minibatch.
    /// `mode` must be a training mode. Leaves packed weights up to date.
    ///
    /// # Errors
    /// As [`Net::forward`].
    pub fn data_init(&self, ops: &Ops, p: &mut Program, x: &Tensor, mode: &Mode) -> Result<()> {
        self.run(ops, p, x, mode, self.shape.layers.len(), true).map(|_| ())
    }

    fn run(
        &self,
        ops: &Ops,
        p: &mut Program,
        x: &Tensor,
        mode: &Mode,
        upto: usize,
        data_init: bool,
    ) -> Result<Tape> {
        let rows = (x.len() / self.shape.input.len() as usize) as u32;
        let noise_base = if let Mode::Train { noise_base, .. } = mode { Some(*noise_base) } else { None };
        let count = self.shape.layers.len();
        let mut tape = Tape {
            rows,
            inputs: vec![],
            outputs: vec![],
            statistics: vec![vec![]; count],
            saved: vec![None; count],
            groups: group_rows(mode, rows),
            noise_base,
        };
        let mut at = as_matrix(x, rows, self.shape.input);
        let mut i = 0;
        while i < upto {
            let layer = &self.shape.layers[i];
            at = as_matrix(&at, rows, layer.input);
            // An activation straight after a product or a normalisation runs in its epilogue, unless
            // somebody wants the value in between.
            let next = self.shape.layers.get(i + 1).filter(|_| i + 1 < upto && !layer.feature);
            let fusable = matches!(
                layer.op,
                LayerOp::Dense { .. }
                    | LayerOp::Conv2d { .. }
                    | LayerOp::ConvTranspose2d { .. }
                    | LayerOp::BatchNorm { .. }
            );
            let fused = next.and_then(|n| activation(&n.op)).filter(|_| fusable);
            if data_init && weight_norm(&layer.op).data_dependent() {
                self.init_layer(ops, p, i, &at)?;
            } else if data_init {
                self.pack_layer(ops, p, i)?;
            }
            let out = self.layer(ops, p, i, &at, fused.unwrap_or_default(), mode, &mut tape)?;
            tape.inputs.push(at);
            tape.outputs.push(out.clone());
            at = out;
            i += 1;
            if fused.is_some() {
                tape.inputs.push(at.clone());
                tape.outputs.push(at.clone());
                i += 1;
            }
        }
        Ok(tape)
    }

    fn layer(
        &self,
        ops: &Ops,
        p: &mut Program,
        i: usize,
        x: &Tensor,
        act: Activation,
        mode: &Mode,
        tape: &mut Tape,
    ) -> Result<Tensor> {
        let layer = &self.shape.layers[i];
        let label = self.label(i, "forward");
        let fits = |values: u32| {
            let bytes = u64::from(tape.rows) * u64::from(values) * 4;
            let what = format!("activations of {}", self.label(i, "").trim_end());
            ops.gpu.binds(&what, bytes, "use a smaller batch size")
        };
        let out = || -> Result<Tensor> {
            fits(layer.output.len())?;
            let rows = tape.rows * layer.output.pixels();
            Ok(p.scratch(&ops.gpu, &label, rows, layer.output.channels))
        };
        match &layer.op {
            LayerOp::Dense { .. } | LayerOp::Conv2d { .. } => {
                let y = out()?;
                let bias = self.params.get(i, "bias");
                let epilogue = Epilogue::Forward { bias: bias.as_ref(), activation: act };
                self.product(ops, p, i, &label, (x, GradientIn::Neither), &y, epilogue)?;
                Ok(y)
            }
            LayerOp::ConvTranspose2d { .. } => {
                let y = out()?;
                let bias = self.params.get(i, "bias");
                let epilogue = Epilogue::Forward { bias: bias.as_ref(), activation: act };
                self.transposed_product(
                    ops,
                    p,
                    i,
                    &label,
                    (x, GradientIn::Neither),
                    tape.rows,
                    epilogue,
                    &y,
                )?;
                Ok(y)
            }
            LayerOp::BatchNorm { statistics, .. } => {
                let y = out()?;
                tape.statistics[i] = self.batch_norm(ops, p, i, &label, x, act, mode, *statistics, &y)?;
                Ok(y)
            }
            LayerOp::GaussianNoise { sigma } => match tape.noise_base {
                Some(base) if *sigma > 0.0 => {
                    let y = out()?;
                    ops.noise(p, &label, base + i as u32, *sigma, x, &y)?;
                    Ok(y)
                }
                _ => Ok(x.clone()),
            },
            LayerOp::Dropout { rate } => match tape.noise_base {
                Some(base) if *rate > 0.0 => {
                    let y = out()?;
                    ops.dropout(p, &label, base + i as u32, *rate, x, &y)?;
                    Ok(y)
                }
                _ => Ok(x.clone()),
            },
            LayerOp::RandomShift { pixels } => match tape.noise_base {
                Some(base) if *pixels > 0 => {
                    let y = out()?;
                    let draw = (base + i as u32, *pixels);
                    ops.random_shift(p, &label, draw, layer.input, false, (x, &y))?;
                    Ok(y)
                }
                _ => Ok(x.clone()),
            },
            LayerOp::RandomAffine { shift, warp } => match tape.noise_base {
                Some(base) if *shift > 0.0 || *warp > 0.0 => {
                    let y = out()?;
                    let draw = (base + i as u32, *shift, *warp);
                    ops.random_affine(p, &label, draw, layer.input, false, (x, &y))?;
                    Ok(y)
                }
                _ => Ok(x.clone()),
            },
            LayerOp::MinibatchDiscrimination { .. } => {
                let y = out()?;
                fits(layer.product_columns())?;
                let m = p.scratch(&ops.gpu, &label, x.rows, layer.product_columns());
                self.product(ops, p, i, &label, (x, GradientIn::Neither), &m, Epilogue::None)?;
                let at = closeness(layer);
                ops.copy_columns(p, &label, false, x, &y)?;
                for group in &tape.groups {
                    ops.minibatch_discrimination(p, &label, at, *group, &m, &y)?;
                }
                tape.saved[i] = Some(m);
                Ok(y)
            }
            LayerOp::MaxPool2d { .. } => {
                let y = out()?;
                // Only a backward pass asks where the values came from.
                let taps = (*mode != Mode::Eval).then(|| p.scratch(&ops.gpu, &label, y.rows, y.cols));
                ops.max_pool2d(p, &label, &conv(layer), x, (&y, taps.as_ref()))?;
                tape.saved[i] = taps;
                Ok(y)
            }
            LayerOp::AvgPool2d { .. } => {
                let y = out()?;
                ops.avg_pool2d(p, &label, &conv(layer), x, &y)?;
                Ok(y)
            }
            LayerOp::GlobalAvgPool {} => {
                let y = out()?;
                ops.global_avg_pool(p, &label, x, &y)?;
                Ok(y)
            }
            LayerOp::Flatten {} | LayerOp::Unflatten { .. } => Ok(as_matrix(x, tape.rows, layer.output)),
            other => {
                let y = out()?;
                let act = activation(other).unwrap_or_default();
                ops.activation(p, &label, act, x, &y)?;
                Ok(y)
            }
        }
    }

    /// Rows or windows times weights: the GEMM of a dense or convolution layer, or of a transposed convolution's data
    /// gradient.
    pub(super) fn product(
        &self,
        ops: &Ops,
        p: &mut Program,
        i: usize,
        label: &str,
        (x, gradient_in): (&Tensor, GradientIn),
        y: &Tensor,
        epilogue: Epilogue<'_>,
    ) -> Result<()> {
        let layer = &self.shape.layers[i];
        let packed = self.packed[i].as_ref().expect("dense and conv2d layers are packed");
        let conv = conv(layer);
        let (a, k, n) = match layer.window {
            Some(w) => (Operand::Window, w.kernel * w.kernel * conv.c, conv.oc),
            None => (Operand::Rows, layer.input.channels, layer.product_columns()),
        };
        let g = Gemm {
            m: y.rows,
            n,
            k,
            a: (x, a),
            b: Right::Packed(&packed.forward),
            conv,
            out: y,
            epilogue,
            gradient_in,
        };
        ops.gemm(p, label, g)
    }

    pub(super) fn batch_norm_of(&self, i: usize) -> BatchNorm {
        let LayerOp::BatchNorm { eps, momentum, .. } = self.shape.layers[i].op else {
            unreachable!("only called for batch norm layers")
        };
        let get = |name| self.params.get(i, name);
        BatchNorm {
            gamma: get("weight"),
            beta: get("bias"),
            running_mean: get("running_mean").expect("batch norm has running statistics"),
            running_var: get("running_var").expect("batch norm has running statistics"),
            eps,
            momentum,
        }
    }

    fn batch_norm(
        &self,
        ops: &Ops,
        p: &mut Program,
        i: usize,
        label: &str,
        x: &Tensor,
        act: Activation,
        mode: &Mode,
        statistics: Statistics,
        y: &Tensor,
    ) -> Result<Vec<GroupStatistics>> {
        let bn = self.batch_norm_of(i);
        let Mode::Train { groups, .. } = mode else {
            let running = (&bn.running_mean, &bn.running_var);
            ops.batch_norm(p, label, &bn, running, x, (0, x.rows), act, y)?;
            return Ok(vec![]);
        };
        let pixels = self.shape.layers[i].input.pixels();
        let joined = Group { rows: x.rows / pixels, update_running: groups.iter().any(|g| g.update_running) };
        let groups = match statistics {
            Statistics::Separate => groups.as_slice(),
            Statistics::Joined => std::slice::from_ref(&joined),
        };
        let mut start = 0;
        let mut kept = vec![];
        for g in groups.iter().filter(|g| g.rows > 0) {
            let count = g.rows * pixels;
            let running = g.update_running.then_some(&bn);
            let (mean, variance) = ops.batch_norm_statistics(p, label, x, start, count, running)?;
            ops.batch_norm(p, label, &bn, (&mean, &variance), x, (start, count), act, y)?;
            kept.push(GroupStatistics { start, count, mean, variance });
            start += count;
        }
        Ok(kept)
    }

    /// g and b of one layer from the statistics of its product at g = 1, b = 0.
    fn init_layer(&self, ops: &Ops, p: &mut Program, i: usize, x: &Tensor) -> Result<()> {
        let label = self.label(i, "data init");
        self.pack_layer(ops, p, i)?;
        let layer = &self.shape.layers[i];
        let rows = x.rows / layer.input.pixels();
        let z = p.scratch(&ops.gpu, &label, rows * layer.output.pixels(), layer.output.channels);
        self.product(ops, p, i, &label, (x, GradientIn::Neither), &z, Epilogue::None)?;
        let (mean, variance) = ops.batch_norm_statistics(p, &label, &z, 0, z.rows, None)?;
        let g = self.params.get(i, "weight_g").expect("weight norm has a scale");
        ops.data_init(p, &label, (&mean, &variance), &g, self.params.get(i, "bias").as_ref())?;
        self.pack_layer(ops, p, i)
    }

    /// The gradient of a parameter inside an arena laid out like the trained parameters.
    pub(super) fn grad(&self, grads: &Tensor, layer: usize, name: &str) -> Option<Tensor> {
        let slot = self.params.layout.slot(layer, name).filter(|s| s.trained)?;
        Some(Layout::view(grads, slot))
    }
}

/// `rows` images of `dims` as the matrix `[rows * pixels, channels]`.
pub(super) fn as_matrix(x: &Tensor, rows: u32, dims: Dims) -> Tensor {
    x.reshape(rows * dims.pixels(), dims.channels)
}
