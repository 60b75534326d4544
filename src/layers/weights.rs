//! Layers that multiply with weights: their parameters and their products with them.

use super::products::{LayerProducts, WeightOperand};
use super::windows::conv;
use super::{Backward, Context, Forward, Init, Initial, LayerShape, ParamShape, WeightNorm};
use crate::error::Result;
use crate::gpu::{ALIGN, Program, Tensor};
use crate::ops::{Epilogue, Gemm, GradientIn, Operand, Ops, Packing, Right, RightOperand, Rows};

/// Bytes of a column matrix that is made at a time.
const MOST_COLUMNS: u64 = 64 << 20;

/// The weights of a layer, one for each pair of values that its product connects.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// How they are drawn.
    pub init: Init,
    /// How they are normalised.
    pub norm: WeightNorm,
    /// Whether b is added to the product.
    pub bias: bool,
    /// Whether they do to images what a convolution's do to gradients.
    pub transposed: bool,
}

impl Weights {
    /// `weight`, or `weight_v` and `weight_g`; then `bias`.
    pub fn params(&self, at: &LayerShape) -> Vec<ParamShape> {
        let (image, windows) = at.image_and_windows();
        let shape = match at.window {
            Some(w) => vec![windows.channels, image.channels, w.kernel, w.kernel],
            None => vec![at.product_columns(), at.input.len()],
        };
        let taps: u32 = shape[2..].iter().product();
        let fan_out = taps * at.product_columns();
        let drawn = Initial::Drawn { init: self.init, fan_in: taps * at.input.channels, fan_out };
        let scale = vec![shape[0]];
        let p = |name, shape, trained, initial| ParamShape { name, shape, trained, initial };
        let mut v = vec![p(if self.norm.is_on() { "weight_v" } else { "weight" }, shape, true, drawn)];
        if self.norm.is_on() {
            v.push(p("weight_g", scale, self.norm.trains_scale(), Initial::Constant(1.0)));
        }
        if self.bias {
            v.push(p("bias", vec![at.output.channels], true, Initial::Constant(0.0)));
        }
        v
    }

    /// Two operations for every weight at every position of the window.
    pub fn flops(&self, at: &LayerShape) -> u64 {
        let positions = if at.window.is_some() { at.image_and_windows().1.pixels() } else { 1 };
        2 * self.params(at)[0].len() as u64 * u64::from(positions)
    }
}

/// Weights as the products read them.
#[derive(Debug, Clone)]
pub struct Packed {
    /// For a product of rows, or of windows, with the weights: the forward pass, of a transposed convolution the data
    /// gradient.
    forward: RightOperand,
    /// For the other direction; `None` where the stored weights serve as they are.
    backward: Option<RightOperand>,
    /// Whether that goes through [`Ops::col2im`].
    by_windows: bool,
    /// g / ||v|| and 1 / ||v||.
    norm: Option<(Tensor, Tensor)>,
}

impl Packed {
    /// Memory for a layer's weights; `None` where it has none.
    pub fn new(ops: &Ops, layer: &LayerShape) -> Option<Packed> {
        let gpu = &ops.gpu;
        let LayerProducts { forward, backward, by_windows, out, .. } =
            LayerProducts::of(layer, gpu.max_binding())?;
        let norm = layer.op.weights()?.norm;
        let norm = norm.is_on().then(|| (gpu.vector("weight scale", out), gpu.vector("inverse norm", out)));
        let memory = |label, w: WeightOperand| ops.right_operand(label, w.kind());
        // Weights [out, n] row by row are stored like that.
        let packs =
            backward.from == Operand::Scatter || norm.is_some() || ops.tiling.panel(backward.kind()) > 0;
        Some(Packed {
            forward: memory("weights forward", forward),
            backward: packs.then(|| memory("weights backward", backward)),
            by_windows,
            norm,
        })
    }
}

impl Context<'_> {
    /// The stored weights, `[out, taps * in]`.
    fn stored_weights(&self) -> &Tensor {
        let p = &self.params;
        p.get("weight").or_else(|| p.get("weight_v")).expect("the layer has weights")
    }

    fn packed(&self) -> &Packed {
        self.packed.expect("layers with weights are packed")
    }

    /// Records the packing of the weights, if there are any.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn pack(&self, p: &mut Program) -> Result<()> {
        let Some(packed) = self.packed else { return Ok(()) };
        let (ops, label, v) = (self.ops, self.label("pack"), self.stored_weights());
        let products = LayerProducts::of(self.layer, ops.gpu.max_binding());
        let taps = products.map_or(1, |p| p.packed_taps());
        if let Some((scale, inverse)) = &packed.norm {
            let g = self.params.get("weight_g").expect("weight norm has a scale");
            ops.weight_norm(p, &label, v, g, scale, inverse)?;
        }
        let scale = packed.norm.as_ref().map(|n| &n.0);
        let (forward, backward) = (&packed.forward, packed.backward.as_ref());
        ops.pack_weights(p, &label, Packing { v, taps, scale, forward, backward })
    }

    /// Records what initialisation on a first minibatch does to the layer with the input `x`: g and b from the statistics of
    /// its product at the present g and b = 0, where its weight norm wants that; then the packing.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn data_init(&self, p: &mut Program, x: &Tensor) -> Result<()> {
        if !self.layer.op.weights().is_some_and(|w| w.norm.data_dependent()) {
            return self.pack(p);
        }
        let (ops, layer, label) = (self.ops, self.layer, self.label("data init"));
        self.pack(p)?;
        let rows = x.rows / layer.input.pixels();
        let z = p.scratch(&ops.gpu, &label, rows * layer.output.pixels(), layer.output.channels);
        self.product(p, &label, (x, GradientIn::Neither), &z, Epilogue::None)?;
        let statistics = ops.batch_norm_statistics(p, &label, (&z, Rows::of(&z)), None)?;
        let g = self.params.get("weight_g").expect("weight norm has a scale");
        ops.data_init(p, &label, &statistics, g, self.params.get("bias"))?;
        self.pack(p)
    }

    /// Rows or windows times weights: the forward pass, of a transposed convolution the data gradient.
    fn product(
        &self,
        p: &mut Program,
        label: &str,
        (x, gradient_in): (&Tensor, GradientIn),
        y: &Tensor,
        epilogue: Epilogue<'_>,
    ) -> Result<()> {
        let layer = self.layer;
        let conv = conv(layer);
        let (a, k, n) = match layer.window {
            Some(w) => (Operand::Window, w.kernel * w.kernel * conv.c, conv.oc),
            None => (Operand::Rows, layer.input.channels, layer.product_columns()),
        };
        let b = Right::Packed(&self.packed().forward);
        self.ops.gemm(p, label, Gemm { m: y.rows, n, k, a: (x, a), b, conv, out: y, epilogue, gradient_in })
    }

    /// The product with the transposed weights: the data gradient, or a transposed convolution.
    fn transposed_product(
        &self,
        p: &mut Program,
        label: &str,
        (d, gradient_in): (&Tensor, GradientIn),
        epilogue: Epilogue<'_>,
        out: &Tensor,
    ) -> Result<()> {
        let layer = self.layer;
        let conv = conv(layer);
        let packed = self.packed();
        let b = packed.backward.as_ref().map_or(Right::Rows(self.stored_weights()), Right::Packed);
        if packed.by_windows {
            return by_windows(self, p, label, (d, gradient_in, b), epilogue, out);
        }
        let (a, k, n) = match layer.window {
            Some(w) => (Operand::Scatter, w.kernel * w.kernel * conv.oc, conv.c),
            None => (Operand::Rows, layer.product_columns(), layer.input.channels),
        };
        self.ops.gemm(p, label, Gemm { m: out.rows, n, k, a: (d, a), b, conv, out, epilogue, gradient_in })
    }

    fn transposed(&self) -> bool {
        self.layer.op.weights().is_some_and(|w| w.transposed)
    }
}

impl Forward<'_> {
    /// The whole pass of a layer that is a product: product, bias and activation in one kernel.
    ///
    /// # Errors
    /// As [`Layer::forward`](super::Layer::forward).
    pub fn affine(&self, p: &mut Program) -> Result<Tensor> {
        let y = self.output(p)?;
        let epilogue = Epilogue::Forward { bias: self.at.params.get("bias"), activation: self.activation };
        let x = (self.x, GradientIn::Neither);
        if self.at.transposed() {
            self.at.transposed_product(p, &self.label(), x, epilogue, &y)?;
        } else {
            self.at.product(p, &self.label(), x, &y, epilogue)?;
        }
        Ok(y)
    }

    /// The product alone, `[rows, product_columns]`, for layers that make something else of it.
    ///
    /// # Errors
    /// As [`Layer::forward`](super::Layer::forward).
    pub fn product(&self, p: &mut Program) -> Result<Tensor> {
        let columns = self.at.layer.product_columns();
        self.fits(columns)?;
        let m = p.scratch(&self.at.ops.gpu, &self.label(), self.x.rows, columns);
        self.at.product(p, &self.label(), (self.x, GradientIn::Neither), &m, Epilogue::None)?;
        Ok(m)
    }
}

impl Backward<'_> {
    /// The whole pass of a layer that is a product.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn affine(&self, p: &mut Program) -> Result<Tensor> {
        self.weight_gradients(p, self.d)?;
        if self.need_input { self.data_gradient(p, self.d) } else { Ok(self.d.clone()) }
    }

    /// Gradients of weights and bias from `d`, the gradient by the product; none where they are not asked for.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn weight_gradients(&self, p: &mut Program, d: &Tensor) -> Result<()> {
        let Some(grads) = self.grads else { return Ok(()) };
        let (ops, layer) = (self.at.ops, self.at.layer);
        let label = self.at.label("weight gradient");
        if let Some(bias) = grads.get("bias") {
            ops.column_sum(p, &label, (d, Rows::of(d)), 1.0, bias)?;
        }
        let v = self.at.stored_weights();
        let norm = self.at.packed().norm.as_ref();
        let dw = match norm {
            Some(_) => p.scratch(&ops.gpu, &label, v.rows, v.cols),
            None => grads.get("weight").expect("plain weights are trained").clone(),
        };
        // Of a transposed convolution the gradient is the image and the input lies behind the windows.
        let x = self.x.head(d.rows / layer.output.pixels() * layer.input.pixels());
        let (behind, image) = if self.at.transposed() { (&x, d) } else { (d, self.x) };
        let g = Gemm {
            m: v.rows,
            n: v.cols,
            k: behind.rows,
            a: (behind, Operand::Columns),
            b: if layer.window.is_some() { Right::Window(image) } else { Right::Rows(image) },
            conv: conv(layer),
            out: &dw,
            epilogue: Epilogue::None,
            gradient_in: if self.at.transposed() { GradientIn::B } else { GradientIn::A },
        };
        ops.gemm(p, &label, g)?;
        if let Some((scale, inverse)) = norm {
            let dv = grads.get("weight_v").expect("directions are trained");
            ops.weight_norm_grad(p, &label, (&dw, v), (scale, inverse), dv, grads.get("weight_g"))?;
        }
        Ok(())
    }

    /// Gradient by the input from `d`, the gradient by the product.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn data_gradient(&self, p: &mut Program, d: &Tensor) -> Result<Tensor> {
        let label = self.at.label("data gradient");
        let dx = self.input_gradient(p, &label);
        let d = (d, GradientIn::A);
        if self.at.transposed() {
            self.at.product(p, &label, d, &dx, self.epilogue())?;
        } else {
            self.at.transposed_product(p, &label, d, self.epilogue(), &dx)?;
        }
        Ok(dx)
    }
}

/// A product with transposed weights where the image has few channels: its column matrix, one product; then the sum over
/// the windows that hold a pixel. Some images at a time, so that the matrix stays within bounds.
fn by_windows(
    at: &Context<'_>,
    p: &mut Program,
    label: &str,
    (d, gradient_in, b): (&Tensor, GradientIn, Right<'_>),
    epilogue: Epilogue<'_>,
    out: &Tensor,
) -> Result<()> {
    let (ops, conv) = (at.ops, conv(at.layer));
    let (windows, pixels) = (conv.oh * conv.ow, conv.h * conv.w);
    let rows = out.rows / pixels;
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
        ops.col2im(p, label, &conv, &columns, epilogue, &part(out, pixels))?;
    }
    Ok(())
}
