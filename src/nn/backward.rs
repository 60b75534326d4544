//! The recording of a network's backward pass.

use super::net::{Net, Tape, as_matrix};
use crate::error::Result;
use crate::gpu::{Program, Tensor};
use crate::layers::{Backward, Below, Statistics};
use crate::ops::{Activation, Ops};

/// What a backward pass is for.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    /// The gradients by the trained parameters, which go to an arena laid out like these.
    Parameters(&'a Tensor),
    /// The gradient by the network's input.
    Input,
}

/// Gradients by activations that a backward pass leaves.
#[derive(Debug, Clone, Default)]
pub struct Gradients {
    /// By the outputs of dense, convolution and batch norm layers, from the last layer down; where an activation runs in the
    /// layer's kernel, after its derivative.
    pub outputs: Vec<(usize, Tensor)>,
    /// By the network's input.
    pub input: Option<Tensor>,
}

impl Net {
    /// Records the backward pass from `d`, the gradient by the output of layer `from`, for the first
    /// `d.rows` rows.
    ///
    /// # Errors
    /// As [`Ops`].
    ///
    /// # Panics
    /// If the tape is not of a training pass of this network as far as layer `from`.
    pub fn backward(
        &self,
        ops: &Ops,
        p: &mut Program,
        tape: &Tape,
        from: usize,
        d: &Tensor,
        wanted: Wanted<'_>,
    ) -> Result<Gradients> {
        let (grads, want_input) = match wanted {
            Wanted::Parameters(arena) => (Some(arena), false),
            Wanted::Input => (None, true),
        };
        assert!(tape.batch.trains() && from < tape.inputs.len());
        let layers = &self.shape.layers;
        let first_trained = layers.iter().position(|l| l.params().iter().any(|p| p.trained)).unwrap_or(0);
        let last = if want_input { 0 } else { first_trained };
        let rows = (d.len() / layers[from].output.len() as usize) as u32;
        let mut result = Gradients::default();
        let mut d = as_matrix(d, rows, layers[from].output);
        // The layers whose derivatives kernels above have multiplied in already.
        let mut applied: Vec<usize> = vec![];
        for i in (last..=from).rev() {
            let layer = &layers[i];
            d = as_matrix(&d, rows, layer.output);
            if applied.contains(&i) {
                continue;
            }
            if layer.op.takes_activation() {
                result.outputs.push((i, d.clone()));
            }
            let need_input = want_input || i > last;
            let below = (need_input && layer.op.takes_derivative())
                .then(|| self.activation_below(i, tape, rows))
                .flatten()
                .filter(|below| !below.layers.iter().any(|j| applied.contains(j)));
            let grads = grads.map(|arena| self.grads(arena, i));
            let pass = Backward {
                at: &self.context(ops, i),
                x: &tape.inputs[i],
                y: &tape.outputs[i],
                d: &d,
                batch: &tape.batch,
                saved: &tape.saved[i],
                grads: grads.as_ref(),
                below: below.as_ref(),
                need_input,
            };
            let dx = layer.op.backward(p, pass)?;
            applied.extend(below.into_iter().flat_map(|below| below.layers));
            d = dx;
        }
        result.input = want_input.then(|| as_matrix(&d, rows, self.shape.input));
        Ok(result)
    }

    /// The activation that layer `i`'s input gradient passes next, if only noise and reshapes lie between, or what
    /// [`Net::derivative_by`] knows. Of its output, that of the first `rows` images: those that carry a gradient.
    fn activation_below(&self, i: usize, tape: &Tape, rows: u32) -> Option<Below> {
        let layers = &self.shape.layers;
        let top = (0..i).rev().find(|&j| !layers[j].op.passes_gradient())?;
        let (of, activation) = self.derivative_by(top)?;
        let y = as_matrix(&tape.outputs[top], tape.rows, layers[i].input);
        Some(Below { layers: of, y: y.head(rows * layers[i].input.pixels()), activation })
    }

    /// The activation whose derivative the output of layer `j` tells, and the layers that it is of, in training: that layer; the relu
    /// below a max pooling, whose outputs are some of its inputs and have their derivatives; a dropout and relu, or such a pooling,
    /// right below it.
    fn derivative_by(&self, j: usize) -> Option<(Vec<usize>, Activation)> {
        let op = &self.shape.layers[j].op;
        if let Some(activation) = op.activation() {
            return Some((vec![j], activation));
        }
        let (mut of, activation) = self.derivative_by(j.checked_sub(1)?)?;
        if op.chooses() && activation == Activation::Relu {
            return Some((of, activation));
        }
        let both = op.derivative_with(activation)?;
        of.push(j);
        Some((of, both))
    }

    /// Whether gradients of one input's rows reach another input's: batch norm over the joined batch does that.
    pub fn joins_rows(&self) -> bool {
        self.shape.layers.iter().any(|l| l.op.statistics() == Some(Statistics::Joined))
    }
}
