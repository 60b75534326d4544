//! How a product is split along K, its chunks summed up in a second pass: into as many as keep the adapter busy, and
//! wherever a loop over all of K would be longer than [`MAX_TURNS`].

use super::{Epilogue, Gemm, Operand, Tile};
use crate::gpu::MAX_TURNS;

/// Chunks of K. Window and scatter are cut between rows of the kernel, the other operands anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Split {
    /// How many.
    pub chunks: u32,
    /// `k_chunk` of the shaders: steps of K in each but the last; of a scatter, rows of the kernel.
    pub k_chunk: u32,
    /// Turns of an invocation.
    pub turns: u64,
}

impl Split {
    pub fn of(g: &Gemm<'_>, tile: Tile) -> Split {
        let c = &g.conv;
        let by_rows = matches!(g.a.1, Operand::Window | Operand::Scatter);
        // Whole steps of the tile, so that only the last chunk has a ragged end; a deep tile's turns are longer, and each has one.
        let (all, whole) = match g.a.1 {
            Operand::Rows | Operand::Columns => (g.k, tile.k_steps().max(16)),
            Operand::Window => (c.kernel, 1),
            Operand::Scatter => (c.kernel.div_ceil(c.stride), 1),
        };
        // What ends in something is left whole: forward passes and data gradients have many rows, so many tiles, weight gradients few.
        let tiles = tile.count(g.m, g.n);
        let for_busy = if matches!(g.epilogue, Epilogue::None) && !by_rows {
            (tile.busy() / tiles).clamp(1, (g.k / 256).max(1))
        } else {
            1
        };
        let length = |chunks: u32| all.div_ceil(chunks).next_multiple_of(whole).min(all);
        let fits = |chunks: &u32| turns(g, tile, length(*chunks)) <= u64::from(MAX_TURNS);
        // What does not fit in the shortest chunks either, the dispatch refuses.
        let length = length((for_busy..all).find(fits).unwrap_or(all.max(for_busy)));
        let k_chunk = if g.a.1 == Operand::Window { length * c.kernel * c.c } else { length };
        Split { chunks: all.div_ceil(length), k_chunk, turns: turns(g, tile, length) }
    }
}

/// Turns of an invocation for a chunk of `length` steps of K, or rows of the kernel.
fn turns(g: &Gemm<'_>, tile: Tile, length: u32) -> u64 {
    let c = &g.conv;
    let length = u64::from(length);
    let (taps, channels) = match g.a.1 {
        Operand::Rows | Operand::Columns => return tile.turns(length),
        Operand::Window => (u64::from(c.kernel), u64::from(c.c)),
        Operand::Scatter => (u64::from(c.kernel.div_ceil(c.stride)), u64::from(c.oc)),
    };
    let nested =
        matches!(tile, Tile::Subgroup { .. }) && (g.a.1 == Operand::Scatter || channels.is_multiple_of(4));
    if nested {
        length * (taps * (channels.div_ceil(4) + 2) + 2) + 1
    } else {
        tile.turns(length * taps * channels)
    }
}
