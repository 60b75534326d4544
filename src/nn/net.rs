//! A network on the GPU: packed weights, and the recording of its forward passes.

use super::params::{Layout, Params};
use crate::error::Result;
use crate::gpu::{Gpu, Program, Tensor};
use crate::layers::{Batch, Context, Forward, Mode, Packed, Tensors};
use crate::model::shape::{Dims, NetShape};
use crate::ops::Ops;

/// What a forward pass leaves for the backward pass. Activations are `[rows * pixels, channels]`.
#[derive(Debug, Clone)]
pub struct Tape {
    /// Images.
    pub rows: u32,
    /// Input of each layer.
    pub inputs: Vec<Tensor>,
    /// Output of each layer; of a layer whose activation was fused into it, the activation's output.
    pub outputs: Vec<Tensor>,
    /// Tensors that each layer kept for its backward pass, beside its input and output.
    pub(super) saved: Vec<Vec<Tensor>>,
    pub(super) batch: Batch,
}

/// A network: shapes, parameters, packed weights.
#[derive(Debug)]
pub struct Net {
    /// Shapes.
    pub shape: NetShape,
    /// Parameters.
    pub params: Params,
    packed: Vec<Option<Packed>>,
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
        let packed = shape.layers.iter().map(|l| Packed::new(ops, l)).collect();
        Net { shape: shape.clone(), params, packed }
    }

    /// Layer `i` as it records itself.
    pub(super) fn context<'a>(&'a self, ops: &'a Ops, i: usize) -> Context<'a> {
        let named = self.params.layout.layers[i].iter();
        let params = named.filter_map(|slot| Some((slot.name, self.params.get(i, slot.name)?)));
        Context {
            ops,
            net: self.shape.name,
            index: i,
            layer: &self.shape.layers[i],
            params: Tensors(params.collect()),
            packed: self.packed[i].as_ref(),
        }
    }

    /// Records the packing of all weights: due whenever the parameters have changed.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn pack(&self, ops: &Ops, p: &mut Program) -> Result<()> {
        (0..self.shape.layers.len()).try_for_each(|i| self.context(ops, i).pack(p))
    }

    /// Records layers `0..upto` on x `[rows * pixels, channels]`.
    ///
    /// # Errors
    /// [`Error::Adapter`](crate::Error::Adapter) if an activation is larger than the adapter can bind; else as [`Ops`].
    ///
    /// # Panics
    /// If x is no whole number of inputs, or there are fewer layers; as [`Ops`], such as for groups of more rows than x has.
    pub fn forward(&self, ops: &Ops, p: &mut Program, x: &Tensor, mode: &Mode, upto: usize) -> Result<Tape> {
        self.run(ops, p, x, mode, upto, false)
    }

    /// Records data-dependent initialisation (Salimans & Kingma 2016, section 3) on a first minibatch.
    /// `mode` must be a training mode. Leaves packed weights up to date.
    ///
    /// # Errors
    /// As [`Net::forward`].
    ///
    /// # Panics
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
        let batch = Batch { rows, mode: mode.clone() };
        let saved = vec![vec![]; self.shape.layers.len()];
        let mut tape = Tape { rows, inputs: vec![], outputs: vec![], saved, batch };
        let mut at = as_matrix(x, rows, self.shape.input);
        let mut i = 0;
        while i < upto {
            let layer = &self.shape.layers[i];
            at = as_matrix(&at, rows, layer.input);
            // An activation straight after a product or a normalisation runs in its epilogue, unless
            // somebody wants the value in between.
            let next = self.shape.layers.get(i + 1).filter(|_| i + 1 < upto && !layer.feature);
            let fused = next.and_then(|n| n.op.activation()).filter(|_| layer.op.takes_activation());
            let context = self.context(ops, i);
            if data_init {
                context.data_init(p, &at)?;
            }
            let (activation, saved) = (fused.unwrap_or_default(), &mut tape.saved[i]);
            let f = Forward { at: &context, x: &at, activation, batch: &tape.batch, saved };
            let out = layer.op.forward(p, f)?;
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

    /// Gradients of a layer's trained parameters inside an arena laid out like these.
    pub(super) fn grads(&self, arena: &Tensor, i: usize) -> Tensors {
        let trained = self.params.layout.layers[i].iter().filter(|slot| slot.trained);
        Tensors(trained.map(|slot| (slot.name, Layout::view(arena, slot))).collect())
    }
}

/// `rows` images of `dims` as the matrix `[rows * pixels, channels]`.
pub(super) fn as_matrix(x: &Tensor, rows: u32, dims: Dims) -> Tensor {
    x.reshape(rows * dims.pixels(), dims.channels)
}
