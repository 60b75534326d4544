//! What the twin of a layer is: its forward and backward pass over its settings.

use super::LayerParams;
use super::bias::{add_bias, bias_grad};
use super::weight_norm::{weight_norm, weight_norm_grad};
use crate::layers::{LayerOp, LayerShape};
use crate::rng::Counter;

/// Consecutive rows of a stacked batch that belong together (labelled, unlabelled, generated).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Number of rows.
    pub rows: usize,
    /// Whether their batch-norm statistics go into the running ones.
    pub update_running: bool,
}

/// Rows of all groups.
pub fn rows(groups: &[Group]) -> usize {
    groups.iter().map(|g| g.rows).sum()
}

/// A layer in one pass.
#[derive(Debug, Clone, Copy)]
pub struct LayerRun<'a> {
    /// Its shapes.
    pub layer: &'a LayerShape,
    /// Its parameters.
    pub params: &'a LayerParams,
    /// The batch.
    pub groups: &'a [Group],
    /// The run's seed, and stream and step of the layer's random numbers; `None` in evaluation.
    pub draws: Option<(u64, Counter)>,
}

/// What a layer's forward pass leaves for its backward pass beside input and output, such as the weights that it used.
pub type Saved = Vec<f64>;

/// A layer in float64. Activations are `[rows, values]`.
pub trait Twin {
    /// Output, and what [`Twin::backward`] is given as `saved`.
    fn forward(&self, at: &LayerRun<'_>, x: &[f64]) -> (Vec<f64>, Saved);

    /// Gradient dx from the input x and the output's gradient dy; fills the gradients of the layer's parameters, which are 0
    /// before.
    fn backward(
        &self,
        at: &LayerRun<'_>,
        x_dy: (&[f64], &[f64]),
        saved: &[f64],
        grads: &mut LayerParams,
    ) -> Vec<f64>;

    /// Moves running statistics in `params` by a pass on x.
    fn update_running(&self, _at: &LayerRun<'_>, _x: &[f64], _params: &mut LayerParams) {}
}

macro_rules! twin_of {
    ($($name:ident: $Layer:ident,)*) => {
        /// The twin of a layer.
        pub fn twin(op: &LayerOp) -> &dyn Twin {
            match op {
                $(LayerOp::$Layer(layer) => layer,)*
            }
        }
    };
}
crate::layers::for_each_layer!(twin_of);

/// A layer that is a function of every value alone.
pub trait Pointwise {
    /// The function.
    fn value(&self, x: f64) -> f64;

    /// Its derivative.
    fn slope(&self, x: f64) -> f64;
}

impl<T: Pointwise> Twin for T {
    fn forward(&self, _: &LayerRun<'_>, x: &[f64]) -> (Vec<f64>, Saved) {
        (x.iter().map(|&v| self.value(v)).collect(), vec![])
    }

    fn backward(
        &self,
        _: &LayerRun<'_>,
        (x, dy): (&[f64], &[f64]),
        _: &[f64],
        _: &mut LayerParams,
    ) -> Vec<f64> {
        x.iter().zip(dy).map(|(&x, d)| self.slope(x) * d).collect()
    }
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

/// The weights that a layer multiplies with `[out, kh, kw, in]`.
///
/// # Panics
/// On layers without weights.
pub fn effective_weight(layer: &LayerShape, params: &LayerParams) -> Vec<f64> {
    match (param(layer, params, "weight_v"), param(layer, params, "weight_g"), param(layer, params, "weight"))
    {
        (Some(v), Some(g), _) => weight_norm(v, g),
        (_, _, Some(w)) => w.to_vec(),
        _ => panic!("{} has no weights", layer.op.name()),
    }
}

impl LayerRun<'_> {
    /// Rows of the batch.
    pub fn rows(&self) -> usize {
        rows(self.groups)
    }

    /// The parameter of that name.
    pub fn param(&self, name: &str) -> Option<&[f64]> {
        param(self.layer, self.params, name)
    }

    pub(super) fn effective_weight(&self) -> Vec<f64> {
        effective_weight(self.layer, self.params)
    }

    /// The product y with the bias, if there is one.
    pub(super) fn with_bias(&self, mut y: Vec<f64>) -> Vec<f64> {
        if let Some(bias) = self.param("bias") {
            add_bias(&mut y, bias);
        }
        y
    }

    /// Sets the gradient of the parameter of that name, if there is one.
    pub(super) fn set(&self, grads: &mut LayerParams, name: &str, value: Vec<f64>) {
        if let Some(slot) = param_mut(self.layer, grads, name) {
            *slot = value;
        }
    }

    /// Sets the gradients of weights and bias from that of the weights used and that of the output.
    pub(super) fn set_weight_grads(&self, grads: &mut LayerParams, dw: &[f64], dy: &[f64]) {
        match (self.param("weight_v"), self.param("weight_g")) {
            (Some(v), Some(g)) => {
                let (dv, dg) = weight_norm_grad(v, g, dw);
                self.set(grads, "weight_v", dv);
                self.set(grads, "weight_g", dg);
            }
            _ => self.set(grads, "weight", dw.to_vec()),
        }
        self.set(grads, "bias", bias_grad(dy, self.layer.output.channels as usize));
    }
}
