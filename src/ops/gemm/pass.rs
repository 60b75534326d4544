//! The recording of one pass over a product: its shader, how that reads the operands, its workgroups.

use super::split::Split;
use super::{Conv, Gemm, GradientIn, Operand, Ops, Right, RightOperand, Tile};
use crate::error::Result;
use crate::gpu::{Call, MAX_GROUPS, Program};
use std::ops::Range;

/// Gradient scaling where they are rounded to 16-bit floats: those of 16 and more are cut off. At the logits D's are at most a
/// weight of its loss by the rows of a minibatch.
const GRADIENT_SCALE: f32 = 4096.0;

impl Ops {
    /// Records `g`, or the products of its chunks of K, with `tile`.
    ///
    /// # Errors
    /// As [`Ops`].
    pub(super) fn gemm_pass(
        &self,
        program: &mut Program,
        layer: &str,
        g: &Gemm<'_>,
        tile: Tile,
        split: Split,
    ) -> Result<()> {
        let name = match tile {
            Tile::Workgroup { .. } => "gemm_workgroup",
            Tile::Subgroup { .. } => "gemm_subgroup",
            Tile::Cooperative { .. } => "gemm_cooperative",
        };
        let b = match g.b {
            Right::Packed(packed) if packed.panel > 0 => 2,
            Right::Window(_) => 1,
            Right::Rows(_) | Right::Packed(_) => 0,
        };
        let call = |piece: &Piece| {
            Call::new(name, layer)
                .define("A", g.a.1 as u32)
                .define("B", b)
                .define("SPLIT", u32::from(split.chunks > 1))
                .define("VC", by4(g.n))
                .bind("a", g.a.0)
                .bind("b", g.b.tensor())
                .bind("out", g.out)
                .param("m", g.m)
                .param("n", g.n)
                .param("k", g.k)
                .param("k_chunk", split.k_chunk)
                .param("first_row", piece.rows.start)
                .param("first_z", piece.z.start)
                .param("z", piece.z.len() as u32)
                .turns(split.turns)
                .flops(g.flops())
        };
        let (all, n) = (places(g, tile, split), g.n.div_ceil(tile.size().1));
        for piece in all.pieces(g.flops().div_ceil(self.gpu.largest_dispatch())) {
            let call = geometry(blocking(g.epilogue.of(call(&piece)), g, tile), g, tile);
            let call = if piece == all { call } else { call.part(piece.count(), all.count()) };
            program.dispatch(&self.gpu, call, piece.grid(n))?;
        }
        Ok(())
    }
}

/// What a dispatch goes over: rows of tiles, and for each of them what lies along z, chunks of K and, of a scattered gradient, the
/// places of a pixel between two steps of the window.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    rows: Range<u32>,
    z: Range<u32>,
}

impl Piece {
    /// Tiles on a column of C.
    fn count(&self) -> u64 {
        self.rows.len() as u64 * self.z.len() as u64
    }

    /// The workgroups, with `n` tiles side by side. Rows beyond the portable limit of an axis go on in z.
    fn grid(&self, n: u32) -> [u32; 3] {
        let (rows, z) = (self.rows.len() as u32, self.z.len() as u32);
        [n, rows.min(MAX_GROUPS), z * rows.div_ceil(MAX_GROUPS)]
    }

    /// At least `wanted` pieces of about one size, as far as rows of tiles and then what lies along z can be parted. A GPU that
    /// works on one dispatch for too long is reset, and each tile is made as it is without that.
    fn pieces(&self, wanted: u64) -> Vec<Piece> {
        if wanted <= 1 {
            return vec![self.clone()];
        }
        let (rows, z) = (self.rows.len() as u64, self.z.len() as u64);
        // Rows that one of them folds would be those of the next.
        let height = (rows / wanted.min(rows)).min(u64::from(MAX_GROUPS));
        let depth = (z / wanted.div_ceil(rows.div_ceil(height)).min(z)) as u32;
        let height = height as u32;
        let cut = |all: &Range<u32>, most: u32| -> Vec<Range<u32>> {
            all.clone().step_by(most as usize).map(|from| from..(from + most).min(all.end)).collect()
        };
        let (rows, z) = (cut(&self.rows, height), cut(&self.z, depth));
        rows.iter().flat_map(|rows| z.iter().map(|z| Piece { rows: rows.clone(), z: z.clone() })).collect()
    }
}

/// All of a product, or of the chunks of K of one.
fn places(g: &Gemm<'_>, tile: Tile, split: Split) -> Piece {
    let c = g.conv;
    let (classes, rows) = if g.a.1 == Operand::Scatter {
        let (h, w) = (c.h.div_ceil(c.stride), c.w.div_ceil(c.stride));
        (c.stride * c.stride, g.m / (c.h * c.w) * h * w)
    } else {
        (1, g.m)
    };
    Piece { rows: 0..rows.div_ceil(tile.size().0), z: 0..classes * split.chunks }
}

/// Whether runs of `n` values are read four at a time (1) or one by one (0).
fn by4(n: u32) -> u32 {
    u32::from(n.is_multiple_of(4))
}

/// The same, or two at a time (2).
fn by4_or_2(n: u32) -> u32 {
    if n.is_multiple_of(4) { 1 } else { 2 * u32::from(n.is_multiple_of(2)) }
}

/// `call` with the sizes of the tile, and with VA and VB: how many values of A and of B it reads at a time, by the length
/// of the runs that are contiguous there.
fn blocking<'a>(call: Call<'a>, g: &Gemm<'_>, tile: Tile) -> Call<'a> {
    let a_run = match g.a.1 {
        Operand::Rows => g.k,
        Operand::Columns => g.m,
        Operand::Window => g.conv.c,
        Operand::Scatter => g.conv.oc,
    };
    let b_run = if let Right::Window(_) = g.b { g.conv.c } else { g.n };
    match tile {
        Tile::Workgroup { rows, columns, tall, wide }
        | Tile::Cooperative { rows, columns, tall, wide, .. } => rounding(call, g.gradient_in, tile)
            .define("TM", rows)
            .define("TN", columns)
            .define("TALL", tall)
            .define("WIDE", wide)
            .define("KS", tile.k_steps())
            .define("VA", by4(a_run))
            .define("VB", by4(b_run)),
        Tile::Subgroup { lanes, row_groups, column_lanes, column_vecs, deep, long } => {
            let by8 = |n: u32| long && column_vecs == 2 && n.is_multiple_of(8);
            let va = match g.a.1 {
                Operand::Rows | Operand::Columns => by4_or_2(a_run),
                Operand::Window | Operand::Scatter => by4(a_run),
            };
            let vb = match g.b {
                Right::Window(_) => by4(b_run),
                Right::Rows(_) if by8(b_run) => 3,
                Right::Rows(_) => by4_or_2(b_run),
                Right::Packed(packed) if by8(packed.panel) => 3,
                Right::Packed(_) => 1,
            };
            let packed = matches!(g.b, Right::Packed(packed) if packed.panel > 0);
            call.define("L", u32::from(long))
                .param("panel", RightOperand::rows_for(g.k))
                .define("DEEP", tile.fours())
                .define("SLIDE", u32::from(deep && packed && g.conv.slides(g.a.1)))
                .define("SG", lanes)
                .define("RG", row_groups)
                .define("CL", column_lanes)
                .define("CV", column_vecs)
                .define("VA", va)
                .define("VB", vb)
        }
    }
}

/// `call` with the geometry of a convolution: for the tile of software adapters as parameters, for those of GPUs as part of
/// the text.
fn geometry<'a>(call: Call<'a>, g: &Gemm<'_>, tile: Tile) -> Call<'a> {
    let c = g.conv;
    if let Tile::Subgroup { .. } = tile {
        return call
            .param("h", c.h)
            .param("w", c.w)
            .param("c", c.c)
            .param("oh", c.oh)
            .param("ow", c.ow)
            .param("oc", c.oc)
            .param("kernel", c.kernel)
            .param("stride", c.stride)
            .param("pad_top", c.pad_top)
            .param("pad_left", c.pad_left);
    }
    // Products of rows share a text.
    let by_rows = matches!(g.a.1, Operand::Rows | Operand::Columns) && !matches!(g.b, Right::Window(_));
    let c = if by_rows { Conv::default() } else { c };
    c.in_text(call).define("OC", c.oc)
}

/// `call` with what a tile that rounds its operands needs to know; of the others, as it is.
fn rounding(call: Call<'_>, gradient_in: GradientIn, tile: Tile) -> Call<'_> {
    let Tile::Cooperative { side, lanes, .. } = tile else { return call };
    let scale = |on| if gradient_in == on { GRADIENT_SCALE } else { 1.0 };
    let (of_a, of_b) = (scale(GradientIn::A), scale(GradientIn::B));
    call.define("SIDE", side)
        .define("LANES", lanes)
        .param("scale_a", of_a)
        .param("scale_b", of_b)
        .param("unscale", 1.0 / (of_a * of_b))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every tile once, in pieces of about one size that no row of workgroups goes beyond.
    #[test]
    fn pieces_make_up_the_whole() {
        for (rows, z) in [(1, 1), (14, 1), (3, 10), (72_000, 4), (200_000, 1), (1, 40)] {
            let all = Piece { rows: 0..rows, z: 0..z };
            assert_eq!(all.pieces(1), std::slice::from_ref(&all));
            for wanted in [2, 3, 7, 62, 500] {
                let pieces = all.pieces(wanted);
                let tiles = all.count();
                assert_eq!(pieces.iter().map(Piece::count).sum::<u64>(), tiles);
                assert!(pieces.len() as u64 >= wanted.min(tiles), "{all:?}: {wanted}: {}", pieces.len());
                let most = pieces.iter().map(Piece::count).max().unwrap();
                assert!(
                    most <= tiles.div_ceil(wanted).next_multiple_of(u64::from(z)).max(1),
                    "{all:?}: {wanted}"
                );
                for (i, piece) in pieces.iter().enumerate() {
                    assert!(piece.rows.len() as u32 <= MAX_GROUPS && piece.count() > 0);
                    assert!(pieces[..i].iter().all(|other| {
                        let apart = |a: &Range<u32>, b: &Range<u32>| a.end <= b.start || b.end <= a.start;
                        apart(&piece.rows, &other.rows) || apart(&piece.z, &other.z)
                    }));
                }
            }
        }
    }
}
