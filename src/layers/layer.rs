//! What a layer must say of itself.

use super::{Backward, Forward, LayerShape, ParamShape, Statistics, Weights};
use crate::error::Result;
use crate::gpu::{Program, Tensor};
use crate::ops::{Activation, Ops};
use crate::rng::Counter;
use crate::shape::{DataShape, Dims, Window};

/// A layer's settings, and all that follows from them. The defaults are those of an activation function, or, where there are
/// `weights`, of a product with them: a layer that is neither has `shape`, `forward` and `backward` of its own.
pub trait Layer {
    /// Output of one row, and the window that a convolution or pooling moves (of a transposed convolution that of the
    /// convolution from its output to its input).
    ///
    /// # Errors
    /// What does not fit, without the layer's name.
    fn shape(&self, input: Dims, _data: DataShape) -> std::result::Result<(Dims, Option<Window>), String> {
        Ok((input, None))
    }

    /// Whether the output is images, also where they have a single pixel; `None` where it is what the input is.
    fn gives_images(&self) -> Option<bool> {
        None
    }

    /// The activation function that the layer is, if it is one.
    fn activation(&self) -> Option<Activation> {
        None
    }

    /// The weights that it multiplies with, if it does.
    fn weights(&self) -> Option<Weights> {
        None
    }

    /// Columns of that product.
    fn product_columns(&self, output: Dims) -> u32 {
        output.channels
    }

    /// Parameters and stored statistics, in checkpoint order.
    fn params(&self, at: &LayerShape) -> Vec<ParamShape> {
        self.weights().map_or(vec![], |w| w.params(at))
    }

    /// Floating-point operations of one row's forward pass ([`LayerShape::flops`]).
    fn flops(&self, at: &LayerShape) -> u64 {
        self.weights().map_or(at.input.len().into(), |w| w.flops(at))
    }

    /// Over which rows the layer takes statistics that its output depends on, if it does.
    fn statistics(&self) -> Option<Statistics> {
        None
    }

    /// Whether an activation straight after it runs in its kernel.
    fn takes_activation(&self) -> bool {
        self.weights().is_some()
    }

    /// Whether its backward pass can multiply in the derivative of the activation below it ([`Backward::below`]).
    fn takes_derivative(&self) -> bool {
        self.weights().is_some()
    }

    /// Whether the gradient by its input is always the gradient by its output, up to the shape.
    fn passes_gradient(&self) -> bool {
        false
    }

    /// Whether each of its outputs is one of its inputs, to which alone that output's gradient goes.
    fn chooses(&self) -> bool {
        false
    }

    /// The one derivative, by this layer's output, of an activation and of this layer right above it, in training; `None`
    /// where there is none.
    fn derivative_with(&self, _below: Activation) -> Option<Activation> {
        None
    }

    /// What it draws at random in training, for a trace of it.
    fn draws(&self) -> Option<Draws> {
        None
    }

    /// What a figure shows the layer as: `weights`, `norm`, `noise`, `activation` or `shape`.
    fn kind(&self) -> &'static str {
        match (self.activation(), self.weights()) {
            (Some(_), _) => "activation",
            (_, Some(_)) => "weights",
            _ => "shape",
        }
    }

    /// What a figure writes behind the layer's name, with a space before it, or nothing.
    fn detail(&self) -> String {
        String::new()
    }

    /// Records the forward pass and returns the output `[rows * pixels, channels]`.
    ///
    /// # Errors
    /// [`Error::Adapter`](crate::Error::Adapter) if an activation is larger than the adapter can bind; else as
    /// [`Ops`].
    fn forward(&self, p: &mut Program, f: Forward<'_>) -> Result<Tensor> {
        if self.weights().is_some() {
            return f.affine(p);
        }
        let y = f.output(p)?;
        let act = self.activation().unwrap_or_default();
        f.at.ops.activation(p, &f.label(), act, f.x, &y)?;
        Ok(y)
    }

    /// Records the backward pass and returns the gradient by the input, which nobody reads where
    /// [`Backward::need_input`] is false.
    ///
    /// # Errors
    /// As [`Ops`].
    fn backward(&self, p: &mut Program, b: Backward<'_>) -> Result<Tensor> {
        if self.weights().is_some() {
            return b.affine(p);
        }
        let dx = b.like_d(p);
        let act = self.activation().unwrap_or_default();
        b.at.ops.activation_grad(p, &b.label(), act, b.y, b.d, &dx)?;
        Ok(dx)
    }
}

/// Random numbers of a layer in one training pass, for a trace.
pub enum Draws {
    /// Some for each image.
    PerImage {
        /// What they are called.
        name: &'static str,
        /// How many.
        count: usize,
        /// Those of one row, by the run's seed, the stream and the step.
        of: Box<dyn Fn(u64, Counter, u32) -> Vec<f32>>,
    },
    /// One for each value of the output.
    PerValue {
        /// What they are called.
        name: &'static str,
        /// Records the kernel that draws them from a stream into a tensor.
        record: Box<RecordDraws>,
    },
}

/// Records the drawing of numbers from a stream into a tensor.
pub type RecordDraws = dyn Fn(&Ops, &mut Program, u32, &Tensor) -> Result<()>;
