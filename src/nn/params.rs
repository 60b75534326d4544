//! Where a network's parameters lie: one arena of trained values, so that Adam is one dispatch, and one of
//! values that the optimiser leaves alone (fixed scales, running statistics).

use crate::error::Result;
use crate::gpu::{ALIGN, Gpu, Tensor};
use crate::model::shape::NetShape;

/// Place of one parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// `weight`, `weight_v`, `bias`, ...
    pub name: &'static str,
    /// Checkpoint shape.
    pub shape: Vec<u32>,
    /// Which arena.
    pub trained: bool,
    /// First value in its arena.
    pub start: usize,
    /// Values.
    pub len: usize,
}

/// Places of all parameters of a network, by layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Slots of each layer, in the order of `LayerShape::params`.
    pub layers: Vec<Vec<Slot>>,
    /// Values in the trained arena, gaps included.
    pub trained: usize,
    /// Values in the other arena.
    pub stored: usize,
}

impl Layout {
    /// Lays out `net`, every parameter at a binding-aligned start.
    pub fn new(net: &NetShape) -> Layout {
        let mut ends = [0usize; 2];
        let layers = net
            .layers
            .iter()
            .map(|layer| {
                layer
                    .params()
                    .into_iter()
                    .map(|p| {
                        let end = &mut ends[usize::from(!p.trained)];
                        let start = *end;
                        *end = (start + p.len()).next_multiple_of(ALIGN);
                        Slot { name: p.name, len: p.len(), shape: p.shape, trained: p.trained, start }
                    })
                    .collect()
            })
            .collect();
        Layout { layers, trained: ends[0].max(ALIGN), stored: ends[1].max(ALIGN) }
    }

    /// A layer's parameter of that name.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn slot(&self, layer: usize, name: &str) -> Option<&Slot> {
        self.layers[layer].iter().find(|s| s.name == name)
    }

    /// `slot` inside an arena laid out by this layout, as a matrix `[shape[0], rest]` or a row `[1, n]`.
    ///
    /// # Panics
    /// If the arena ends before it.
    pub fn view(arena: &Tensor, slot: &Slot) -> Tensor {
        let rows = if slot.shape.len() > 1 { slot.shape[0] } else { 1 };
        arena.part(slot.start, rows, (slot.len / rows as usize) as u32)
    }
}

/// A network's parameter memory.
#[derive(Debug, Clone)]
pub struct Params {
    /// The place of each parameter in the two arenas.
    pub layout: Layout,
    /// `[1, layout.trained]`
    pub trained: Tensor,
    /// `[1, layout.stored]`
    pub stored: Tensor,
}

impl Params {
    /// Zeroed memory for `net`.
    ///
    /// # Errors
    /// As [`Gpu::binds`].
    pub fn new(gpu: &Gpu, net: &NetShape) -> Result<Params> {
        let layout = Layout::new(net);
        let what = format!("parameters of the {}", net.name);
        gpu.binds(&what, 4 * layout.trained as u64, "use a smaller model or another adapter")?;
        Ok(Params {
            trained: gpu.vector(&format!("{} parameters", net.name), layout.trained as u32),
            stored: gpu.vector(&format!("{} statistics", net.name), layout.stored as u32),
            layout,
        })
    }

    /// A layer's parameter of that name.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn get(&self, layer: usize, name: &str) -> Option<Tensor> {
        let slot = self.layout.slot(layer, name)?;
        Some(Layout::view(if slot.trained { &self.trained } else { &self.stored }, slot))
    }
}
