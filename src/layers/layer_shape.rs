//! A layer with its shapes known, and its parameters.

use super::{Init, LayerOp};
use crate::shape::{Dims, Window};

/// One layer with its shapes known.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerShape {
    /// The layer as written.
    pub op: LayerOp,
    /// Whether its output is f(x).
    pub feature: bool,
    /// Input of one row.
    pub input: Dims,
    /// Output of one row.
    pub output: Dims,
    /// For convolutions and pooling: the window; of a transposed convolution that of the convolution from its output to
    /// its input.
    pub window: Option<Window>,
}

impl LayerShape {
    /// Parameters and stored statistics, in checkpoint order.
    pub fn params(&self) -> Vec<ParamShape> {
        self.op.params(self)
    }
    /// Whether it is a product with weights, dense or a convolution: minibatch discrimination has weights, and yet only adds to
    /// what it is given.
    pub fn is_affine(&self) -> bool {
        self.op.weights().is_some() && self.op.takes_activation()
    }
    /// Columns of the layer's matrix product: its output channels, but for layers that make more of the product.
    pub fn product_columns(&self) -> u32 {
        self.op.product_columns(self.output)
    }
    /// Multiply-adds and other arithmetic of one row's forward pass, counted as floating-point operations:
    /// 2 per multiply-add of a layer with weights, 1 per value read elsewhere.
    pub fn flops(&self) -> u64 {
        self.op.flops(self)
    }
    /// Of a layer with a window the image that it moves over and what has a pixel for each of its positions: input and output,
    /// of a transposed convolution output and input.
    pub fn image_and_windows(&self) -> (Dims, Dims) {
        match self.op.weights() {
            Some(w) if w.transposed => (self.output, self.input),
            _ => (self.input, self.output),
        }
    }
}

/// One trained or stored tensor of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct ParamShape {
    /// `weight`, `weight_v`, `weight_g`, `bias`, ... as PyTorch names them.
    pub name: &'static str,
    /// Shape as stored in checkpoints; in memory weights are `[out, kh, kw, in]`, files `[out, in, kh, kw]`.
    pub shape: Vec<u32>,
    /// Whether the optimiser updates it.
    pub trained: bool,
    /// Its values before training.
    pub initial: Initial,
}

/// Values of a parameter before training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Initial {
    /// All the same.
    Constant(f32),
    /// Drawn, for a product with so many inputs and outputs.
    Drawn {
        /// From which distribution.
        init: Init,
        /// Values that one output is a sum over.
        fan_in: u32,
        /// Values that one input goes into.
        fan_out: u32,
    },
}

impl ParamShape {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().map(|&d| d as usize).product()
    }
    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
