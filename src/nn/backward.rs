//! The recording of a network's backward pass.

use super::net::{Net, Tape, activation, as_matrix, closeness, conv, transposed, weight_norm};
use crate::error::Result;
use crate::gpu::{ALIGN, Program, Tensor};
use crate::model::spec::LayerOp;
use crate::ops::{Activation, Conv, Epilogue, Gemm, GradientIn, Operand, Ops, Right};

/// Gradients by activations that a backward pass leaves.
#[derive(Debug, Clone, Default)]
pub struct Gradients {
    /// By the outputs of dense, convolution and batch norm layers, from the last layer down; where an activation runs in the
    /// layer's kernel, after its derivative.
    pub outputs: Vec<(usize, Tensor)>,
    /// By the network's input.
    pub input: Option<Tensor>,
}

/// Bytes of a column matrix that is made at a time.
const MOST_COLUMNS: u64 = 64 << 20;

/// The epilogue that multiplies it in.
fn epilogue(below: Option<&Below>) -> Epilogue<'_> {
    match below {
        Some(b) => Epilogue::Backward { saved: &b.y, activation: b.activation },
        None => Epilogue::None,
    }
}

/// The activation that an input gradient passes next, or a ReLU with the dropout above it: the kernel above multiplies
/// the derivative in.
struct Below {
    layer: usize,
    /// The output of the activation, or of the dropout, shaped as the input of the layer above; without noise.
    y: Tensor,
    activation: Activation,
}

impl Net {
    /// Records the backward pass from `d`, the gradient by the output of layer `from`, for the first
    /// `d.rows` rows. `grads` (an arena like the trained parameters) receives the parameter gradients;
    /// without it only the data gradient is made. `want_input` asks for the gradient by the input.
    ///
    /// # Errors
    /// As [`Program::dispatch`].
    pub fn backward(
        &self,
        ops: &Ops,
        p: &mut Program,
        tape: &Tape,
        from: usize,
        d: &Tensor,
        grads: Option<&Tensor>,
        want_input: bool,
    ) -> Result<Gradients> {
        let layers = &self.shape.layers;
        let first_trained = layers.iter().position(|l| l.params().iter().any(|p| p.trained)).unwrap_or(0);
        let last = if want_input { 0 } else { first_trained };
        let rows = (d.len() / layers[from].output.len() as usize) as u32;
        let mut result = Gradients::default();
        let mut d = as_matrix(d, rows, layers[from].output);
        // The activation whose derivative the kernel above has multiplied in already, with that of a dropout between them.
        let mut applied: Option<usize> = None;
        for i in (last..=from).rev() {
            let layer = &layers[i];
            d = as_matrix(&d, rows, layer.output);
            let label = self.label(i, "backward");
            let need_input = want_input || i > last;
            match &layer.op {
                LayerOp::Dense { .. } | LayerOp::Conv2d { .. } => {
                    result.outputs.push((i, d.clone()));
                    if let Some(grads) = grads {
                        self.weight_gradients(ops, p, i, tape, &d, grads)?;
                    }
                    if need_input {
                        let below = self.activation_below(i, tape, rows);
                        d = self.data_gradient(ops, p, i, &d, rows, below.as_ref())?;
                        applied = below.map(|b| b.layer);
                    }
                }
                LayerOp::ConvTranspose2d { .. } => {
                    result.outputs.push((i, d.clone()));
                    if let Some(grads) = grads {
                        self.weight_gradients(ops, p, i, tape, &d, grads)?;
                    }
                    if need_input {
                        let below = self.activation_below(i, tape, rows);
                        let label = self.label(i, "data gradient");
                        let dx =
                            p.scratch(&ops.gpu, &label, rows * layer.input.pixels(), layer.input.channels);
                        self.product(ops, p, i, &label, (&d, GradientIn::A), &dx, epilogue(below.as_ref()))?;
                        d = dx;
                        applied = below.map(|b| b.layer);
                    }
                }
                LayerOp::BatchNorm { .. } => {
                    result.outputs.push((i, d.clone()));
                    d = self.batch_norm_backward(ops, p, i, tape, &d, grads)?;
                }
                LayerOp::Dropout { .. } if applied.is_some_and(|below| below < i) => {}
                LayerOp::Dropout { rate } => {
                    if let Some(base) = tape.noise_base.filter(|_| *rate > 0.0) {
                        let dx = p.scratch(&ops.gpu, &label, d.rows, d.cols);
                        ops.dropout(p, &label, base + i as u32, *rate, &d, &dx)?;
                        d = dx;
                    }
                }
                LayerOp::MinibatchDiscrimination { .. } => {
                    d = self.minibatch_discrimination_backward(ops, p, i, tape, &d, grads)?;
                }
                LayerOp::RandomShift { pixels } => {
                    if let Some(base) = tape.noise_base.filter(|_| *pixels > 0) {
                        let dx = p.scratch(&ops.gpu, &label, d.rows, d.cols);
                        ops.random_shift(
                            p,
                            &label,
                            (base + i as u32, *pixels),
                            layer.input,
                            true,
                            (&d, &dx),
                        )?;
                        d = dx;
                    }
                }
                LayerOp::RandomAffine { shift, warp } => {
                    if let Some(base) = tape.noise_base.filter(|_| *shift > 0.0 || *warp > 0.0) {
                        let dx = p.scratch(&ops.gpu, &label, d.rows, d.cols);
                        let draw = (base + i as u32, *shift, *warp);
                        ops.random_affine(p, &label, draw, layer.input, true, (&d, &dx))?;
                        d = dx;
                    }
                }
                LayerOp::MaxPool2d { .. } | LayerOp::AvgPool2d { .. } => {
                    let below = self.activation_below(i, tape, rows);
                    let saved = below.as_ref().map(|b| (&b.y, b.activation));
                    let dx = p.scratch(&ops.gpu, &label, rows * layer.input.pixels(), layer.input.channels);
                    if matches!(layer.op, LayerOp::MaxPool2d { .. }) {
                        let taps = tape.saved[i].as_ref().expect("a training pass keeps the places");
                        ops.max_pool2d_grad(p, &label, &conv(layer), (&d, &taps.head(d.rows)), saved, &dx)?;
                    } else {
                        ops.avg_pool2d_grad(p, &label, &conv(layer), &d, saved, &dx)?;
                    }
                    applied = below.map(|b| b.layer);
                    d = dx;
                }
                LayerOp::GlobalAvgPool {} => {
                    let dx = p.scratch(&ops.gpu, &label, rows * layer.input.pixels(), layer.input.channels);
                    ops.global_avg_pool_grad(p, &label, &d, &dx)?;
                    d = dx;
                }
                LayerOp::GaussianNoise { .. } | LayerOp::Flatten {} | LayerOp::Unflatten { .. } => {}
                op => {
                    if applied != Some(i) {
                        let dx = p.scratch(&ops.gpu, &label, d.rows, d.cols);
                        let act = activation(op).unwrap_or_default();
                        ops.activation_grad(p, &label, act, &tape.outputs[i], &d, &dx)?;
                        d = dx;
                    }
                }
            }
        }
        result.input = want_input.then(|| as_matrix(&d, rows, self.shape.input));
        Ok(result)
    }

    /// The activation that layer `i`'s input gradient passes next, if only noise and reshapes lie between, or a dropout
    /// right above relu. Of its output, that of the first `rows` images: those that carry a gradient.
    fn activation_below(&self, i: usize, tape: &Tape, rows: u32) -> Option<Below> {
        let layers = &self.shape.layers;
        let top = (0..i).rev().find(|&j| {
            use LayerOp::{Flatten, GaussianNoise, Unflatten};
            !matches!(layers[j].op, GaussianNoise { .. } | Flatten {} | Unflatten { .. })
        })?;
        let (below, activation) = match &layers[top].op {
            LayerOp::Dropout { rate } if *rate > 0.0 && tape.noise_base.is_some() => {
                let relu = top.checked_sub(1).filter(|&j| layers[j].op == LayerOp::Relu {})?;
                (relu, Activation::ReluDropout(1.0 - rate))
            }
            op => (top, activation(op)?),
        };
        let y = as_matrix(&tape.outputs[top], tape.rows, layers[i].input);
        Some(Below { layer: below, y: y.head(rows * layers[i].input.pixels()), activation })
    }

    fn weight_gradients(
        &self,
        ops: &Ops,
        p: &mut Program,
        i: usize,
        tape: &Tape,
        d: &Tensor,
        grads: &Tensor,
    ) -> Result<()> {
        let layer = &self.shape.layers[i];
        let label = self.label(i, "weight gradient");
        if let Some(bias) = self.grad(grads, i, "bias") {
            ops.column_sum(p, &label, d, 0, d.rows, 1.0, &bias)?;
        }
        let v = self.stored_weights(i);
        let norm = weight_norm(&layer.op).is_on();
        let dw = if norm {
            p.scratch(&ops.gpu, &label, v.rows, v.cols)
        } else {
            self.grad(grads, i, "weight").expect("plain weights are trained")
        };
        // Of a transposed convolution the gradient is the image and the input lies behind the windows.
        let x = tape.inputs[i].head(d.rows / layer.output.pixels() * layer.input.pixels());
        let (behind, image) = if transposed(layer) { (&x, d) } else { (d, &tape.inputs[i]) };
        let g = Gemm {
            m: v.rows,
            n: v.cols,
            k: behind.rows,
            a: (behind, Operand::Columns),
            b: if layer.window.is_some() { Right::Window(image) } else { Right::Rows(image) },
            conv: conv(layer),
            out: &dw,
            epilogue: Epilogue::None,
            gradient_in: if transposed(layer) { GradientIn::B } else { GradientIn::A },
        };
        ops.gemm(p, &label, g)?;
        if norm {
            let (scale, inverse) =
                self.packed[i].as_ref().and_then(|p| p.norm.as_ref()).expect("weight norm has norms");
            let dv = self.grad(grads, i, "weight_v").expect("directions are trained");
            let dg = self.grad(grads, i, "weight_g");
            ops.weight_norm_grad(p, &label, (&dw, &v), (scale, inverse), &dv, dg.as_ref())?;
        }
        Ok(())
    }

    fn data_gradient(
        &self,
        ops: &Ops,
        p: &mut Program,
        i: usize,
        d: &Tensor,
        rows: u32,
        below: Option<&Below>,
    ) -> Result<Tensor> {
        let layer = &self.shape.layers[i];
        let label = self.label(i, "data gradient");
        let dx = p.scratch(&ops.gpu, &label, rows * layer.input.pixels(), layer.input.channels);
        self.transposed_product(ops, p, i, &label, (d, GradientIn::A), rows, epilogue(below), &dx)?;
        Ok(dx)
    }

    /// The product with the transposed weights: the data gradient of a dense or convolution layer, or a transposed
    /// convolution.
    pub(super) fn transposed_product(
        &self,
        ops: &Ops,
        p: &mut Program,
        i: usize,
        label: &str,
        (d, gradient_in): (&Tensor, GradientIn),
        rows: u32,
        epilogue: Epilogue<'_>,
        out: &Tensor,
    ) -> Result<()> {
        let layer = &self.shape.layers[i];
        let conv = conv(layer);
        let packed = self.packed[i].as_ref().expect("layers with weights are packed");
        let stored = self.stored_weights(i);
        let b = packed.backward.as_ref().map_or(Right::Rows(&stored), Right::Packed);
        if packed.by_windows {
            return by_windows(ops, p, label, &conv, (d, gradient_in, b), rows, epilogue, out);
        }
        let (a, k, n) = match layer.window {
            Some(w) => (Operand::Scatter, w.kernel * w.kernel * conv.oc, conv.c),
            None => (Operand::Rows, layer.product_columns(), layer.input.channels),
        };
        ops.gemm(p, label, Gemm { m: out.rows, n, k, a: (d, a), b, conv, out, epilogue, gradient_in })
    }

    fn batch_norm_backward(
        &self,
        ops: &Ops,
        p: &mut Program,
        i: usize,
        tape: &Tape,
        d: &Tensor,
        grads: Option<&Tensor>,
    ) -> Result<Tensor> {
        let label = self.label(i, "backward");
        let bn = self.batch_norm_of(i);
        let dx = p.scratch(&ops.gpu, &label, d.rows, d.cols);
        let dgamma = grads.and_then(|g| self.grad(g, i, "weight"));
        let dbeta = grads.and_then(|g| self.grad(g, i, "bias"));
        for (at, g) in tape.statistics[i].iter().filter(|g| g.start < d.rows).enumerate() {
            ops.batch_norm_grad(
                p,
                &label,
                &bn,
                (&g.mean, &g.variance),
                (&tape.inputs[i], d, &dx),
                (g.start, g.count),
                at > 0,
                (dgamma.as_ref(), dbeta.as_ref()),
            )?;
        }
        Ok(dx)
    }

    fn minibatch_discrimination_backward(
        &self,
        ops: &Ops,
        p: &mut Program,
        i: usize,
        tape: &Tape,
        d: &Tensor,
        grads: Option<&Tensor>,
    ) -> Result<Tensor> {
        let label = self.label(i, "backward");
        let at = closeness(&self.shape.layers[i]);
        let m = tape.saved[i].as_ref().expect("the forward pass keeps the product");
        let dm = p.scratch(&ops.gpu, &label, d.rows, m.cols);
        // Inputs are whole: none has rows with a gradient and rows without.
        for group in tape.groups.iter().filter(|g| g.0 < d.rows) {
            ops.minibatch_discrimination_grad(p, &label, at, *group, (m, d), &dm)?;
        }
        if let Some(grads) = grads {
            self.weight_gradients(ops, p, i, tape, &dm, grads)?;
        }
        let dx = self.data_gradient(ops, p, i, &dm, d.rows, None)?;
        ops.copy_columns(p, &label, true, d, &dx)?;
        Ok(dx)
    }

    /// Whether gradients of one input's rows reach another input's: batch norm over the joined batch does that.
    pub fn joins_rows(&self) -> bool {
        use crate::model::spec::Statistics::Joined;
        self.shape.layers.iter().any(|l| matches!(l.op, LayerOp::BatchNorm { statistics: Joined, .. }))
    }
}

/// A product with transposed weights where the image has few channels: its column matrix, one product; then the sum over
/// the windows that hold a pixel. Some images at a time, so that the matrix stays within bounds.
fn by_windows(
    ops: &Ops,
    p: &mut Program,
    label: &str,
    conv: &Conv,
    (d, gradient_in, b): (&Tensor, GradientIn, Right<'_>),
    rows: u32,
    epilogue: Epilogue<'_>,
    out: &Tensor,
) -> Result<()> {
    let (windows, pixels) = (conv.oh * conv.ow, conv.h * conv.w);
    let n = conv.kernel * conv.kernel * conv.c;
    let bytes = u64::from(windows) * u64::from(n) * 4;
    // Parts of tensors begin at multiples of ALIGN values.
    let fits = (MOST_COLUMNS.min(ops.gpu.max_binding()) / bytes) as u32 / ALIGN as u32 * ALIGN as u32;
    let most = fits.max(ALIGN as u32).min(rows);
    let columns = p.scratch(&ops.gpu, label, most * windows, n);
    for start in (0..rows).step_by(most as usize) {
        let count = most.min(rows - start);
        let part = |t: &Tensor, pixels: u32| {
            t.part(start as usize * pixels as usize * t.cols as usize, count * pixels, t.cols)
        };
        let columns = columns.head(count * windows);
        let g = Gemm {
            m: columns.rows,
            n,
            k: conv.oc,
            a: (&part(d, windows), Operand::Rows),
            b,
            conv: Default::default(),
            out: &columns,
            epilogue: Epilogue::None,
            gradient_in,
        };
        ops.gemm(p, label, g)?;
        let saved = match epilogue {
            Epilogue::Backward { saved, .. } => Some(part(saved, pixels)),
            _ => None,
        };
        let epilogue = match (&saved, epilogue) {
            (Some(saved), Epilogue::Backward { activation, .. }) => Epilogue::Backward { saved, activation },
            (_, other) => other,
        };
        ops.col2im(p, label, conv, &columns, epilogue, &part(out, pixels))?;
    }
    Ok(())
}
