//! A network over its [`NetShape`]: forward with everything kept, backward, running statistics.

use super::NetParams;
use super::optimizer::zeros;
pub use super::twin::{Group, Saved};
use super::twin::{LayerRun, rows, twin};
use crate::model::shape::NetShape;
use crate::rng::Counter;

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

/// A forward pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Tape {
    /// The groups of the batch.
    pub groups: Vec<Group>,
    /// How the pass was run.
    pub mode: Mode,
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

/// Runs `input` `[rows, values]` (NHWC) through the network. Changes nothing; see [`update_running`].
///
/// # Panics
/// Where the input or a parameter does not have the length that the shapes say.
pub fn forward(net: &NetShape, params: &NetParams, input: &[f64], groups: &[Group], mode: Mode) -> Tape {
    let expected = rows(groups) * net.input.len() as usize;
    assert_eq!(input.len(), expected, "{}: input is not [{}, {}]", net.name, rows(groups), net.input);
    let mut tape = Tape { groups: groups.to_vec(), mode, activations: vec![input.to_vec()], saved: vec![] };
    for (i, layer) in net.layers.iter().enumerate() {
        let at = LayerRun { layer, params: &params[i], groups, draws: mode.draws(i) };
        let (y, saved) = twin(&layer.op).forward(&at, tape.output());
        tape.activations.push(y);
        tape.saved.push(saved);
    }
    tape
}

/// Moves the running statistics of all layers that have some by those of a training pass, group after group.
pub fn update_running(net: &NetShape, params: &mut NetParams, tape: &Tape) {
    for (i, layer) in net.layers.iter().enumerate() {
        let before = params[i].clone();
        let at = LayerRun { layer, params: &before, groups: &tape.groups, draws: tape.mode.draws(i) };
        twin(&layer.op).update_running(&at, &tape.activations[i], &mut params[i]);
    }
}

/// Gradients from that of the output (`None`: zero) and that of the output of an inner layer, by its index, which is added
/// to what arrives there from above.
///
/// # Panics
/// Where a gradient does not fit.
pub fn backward(
    net: &NetShape,
    params: &NetParams,
    tape: &Tape,
    d_out: Option<&[f64]>,
    d_inner: Option<(usize, &[f64])>,
) -> Gradients {
    let mut d = d_out.map_or_else(|| vec![0.0; tape.output().len()], <[f64]>::to_vec);
    assert_eq!(d.len(), tape.output().len(), "{}: d_out does not fit the output", net.name);
    let mut grads = zeros(net);
    let mut d_outputs = vec![vec![]; net.layers.len()];
    for (i, layer) in net.layers.iter().enumerate().rev() {
        if let Some((_, d_inner)) = d_inner.filter(|(at, _)| *at == i) {
            assert_eq!(d.len(), d_inner.len(), "{}: d_inner does not fit layer {}", net.name, i + 1);
            d.iter_mut().zip(d_inner).for_each(|(d, f)| *d += f);
        }
        let draws = tape.mode.draws(i);
        let at = LayerRun { layer, params: &params[i], groups: &tape.groups, draws };
        let dx = twin(&layer.op).backward(&at, (&tape.activations[i], &d), &tape.saved[i], &mut grads[i]);
        d_outputs[i] = std::mem::replace(&mut d, dx);
    }
    Gradients { d_input: d, params: grads, d_outputs }
}
