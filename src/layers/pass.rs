//! What a layer's recording of a forward or backward pass is given.

use super::{LayerShape, Packed};
use crate::error::Result;
use crate::gpu::{Program, Tensor};
use crate::ops::{Activation, Epilogue, Ops};

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

/// The batch of a pass.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Images.
    pub rows: u32,
    /// How the pass is run, with the inputs that were stacked.
    pub mode: Mode,
}

impl Batch {
    /// Whether the pass is one of training.
    pub fn trains(&self) -> bool {
        self.mode != Mode::Eval
    }

    /// Rows of each stacked input that has any: (first, count); in evaluation there is one input.
    pub fn inputs(&self) -> Vec<(u32, u32)> {
        let Mode::Train { groups, .. } = &self.mode else { return vec![(0, self.rows)] };
        let mut start = 0;
        let mut place = |g: &Group| {
            start += g.rows;
            (start - g.rows, g.rows)
        };
        groups.iter().map(&mut place).filter(|(_, count)| *count > 0).collect()
    }

    /// Stream that layer `i` draws from in training; `None` in evaluation.
    pub fn stream(&self, i: usize) -> Option<u32> {
        match self.mode {
            Mode::Train { noise_base, .. } => Some(noise_base + i as u32),
            Mode::Eval => None,
        }
    }
}

/// Tensors of a layer by their parameters' names.
#[derive(Debug, Clone, Default)]
pub struct Tensors(pub Vec<(&'static str, Tensor)>);

impl Tensors {
    /// The one of that name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, t)| t)
    }
}

/// A layer in its network on the device.
#[derive(Debug)]
pub struct Context<'a> {
    /// The operations.
    pub ops: &'a Ops,
    /// The network's name.
    pub net: &'static str,
    /// Number of the layer, from 0.
    pub index: usize,
    /// Its shapes.
    pub layer: &'a LayerShape,
    /// Its parameters and stored statistics.
    pub params: Tensors,
    /// Its weights as products read them, if it has any.
    pub packed: Option<&'a Packed>,
}

impl Context<'_> {
    /// Label of its dispatches that do `what`.
    pub fn label(&self, what: &str) -> String {
        format!("{}.{} {} {what}", self.net, self.index, self.layer.op.name())
    }
}

/// A layer's forward pass.
#[derive(Debug)]
pub struct Forward<'a> {
    /// The layer.
    pub at: &'a Context<'a>,
    /// Its input `[rows * pixels, channels]`.
    pub x: &'a Tensor,
    /// The activation to run in its kernel ([`super::Layer::takes_activation`]); none for other layers.
    pub activation: Activation,
    /// The batch.
    pub batch: &'a Batch,
    /// Takes what its backward pass needs beside input and output.
    pub saved: &'a mut Vec<Tensor>,
}

impl Forward<'_> {
    /// Label of the dispatches.
    pub fn label(&self) -> String {
        self.at.label("forward")
    }

    /// Stream that the layer draws from; `None` in evaluation.
    pub fn stream(&self) -> Option<u32> {
        self.batch.stream(self.at.index)
    }

    /// Refuses an activation of so many values a row where the adapter cannot bind it.
    pub(super) fn fits(&self, values: u32) -> Result<()> {
        let bytes = u64::from(self.batch.rows) * u64::from(values) * 4;
        let what = format!("activations of {}", self.at.label("").trim_end());
        self.at.ops.gpu.binds(&what, bytes, "use a smaller batch size")
    }

    /// Memory for the output.
    ///
    /// # Errors
    /// [`Error::Adapter`](crate::Error::Adapter) if it is larger than the adapter can bind.
    pub fn output(&self, p: &mut Program) -> Result<Tensor> {
        let output = self.at.layer.output;
        self.fits(output.len())?;
        let rows = self.batch.rows * output.pixels();
        Ok(p.scratch(&self.at.ops.gpu, &self.label(), rows, output.channels))
    }

    /// The input itself, in the shape of the output.
    pub fn reshaped(&self) -> Tensor {
        let output = self.at.layer.output;
        self.x.reshape(self.batch.rows * output.pixels(), output.channels)
    }
}

/// The activation that an input gradient passes next, or a ReLU with the dropout above it: the kernel above multiplies
/// the derivative in.
#[derive(Debug)]
pub struct Below {
    /// Numbers of the layers whose derivative it is: the activation's, and that of a dropout above it.
    pub layers: Vec<usize>,
    /// The output that tells it, of the activation, or of a pooling or the dropout above it, shaped as the input of the layer above;
    /// without noise.
    pub y: Tensor,
    /// Its derivative is multiplied in.
    pub activation: Activation,
}

/// A layer's backward pass.
#[derive(Debug)]
pub struct Backward<'a> {
    /// The layer.
    pub at: &'a Context<'a>,
    /// Its input, of all rows of the batch.
    pub x: &'a Tensor,
    /// Its output, of all rows.
    pub y: &'a Tensor,
    /// Gradient by the output, of the first rows of the batch.
    pub d: &'a Tensor,
    /// The batch.
    pub batch: &'a Batch,
    /// What the forward pass saved.
    pub saved: &'a [Tensor],
    /// Where the gradients of the trained parameters go; without it only the data gradient is made.
    pub grads: Option<&'a Tensors>,
    /// The activation below, where its derivative is to be multiplied in.
    pub below: Option<&'a Below>,
    /// Whether the gradient by the input is wanted.
    pub need_input: bool,
}

impl Backward<'_> {
    /// Label of the dispatches.
    pub fn label(&self) -> String {
        self.at.label("backward")
    }

    /// Stream that the layer drew from; `None` in evaluation.
    pub fn stream(&self) -> Option<u32> {
        self.batch.stream(self.at.index)
    }

    /// Images that have a gradient.
    pub fn rows(&self) -> u32 {
        self.d.rows / self.at.layer.output.pixels()
    }

    /// Memory for the gradient by the input, where that has the shape of the one by the output.
    pub fn like_d(&self, p: &mut Program) -> Tensor {
        p.scratch(&self.at.ops.gpu, &self.label(), self.d.rows, self.d.cols)
    }

    /// Memory for the gradient by the input, made by dispatches with this label.
    pub fn input_gradient(&self, p: &mut Program, label: &str) -> Tensor {
        let input = self.at.layer.input;
        p.scratch(&self.at.ops.gpu, label, self.rows() * input.pixels(), input.channels)
    }

    /// The epilogue of a product that multiplies the derivative below in.
    pub(super) fn epilogue(&self) -> Epilogue<'_> {
        match self.below {
            Some(b) => Epilogue::Backward { saved: &b.y, activation: b.activation },
            None => Epilogue::None,
        }
    }
}
