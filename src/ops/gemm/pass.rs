//! The recording of one pass over a product: its shader, how that reads the operands, its workgroups.

use super::split::Split;
use super::{Gemm, GradientIn, Operand, Ops, Right, RightOperand, Tile};
use crate::error::Result;
use crate::gpu::{Call, MAX_GROUPS, Program};

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
        let (grid, z) = workgroups(g, tile, split);
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
        let c = g.conv;
        let call = Call::new(name, layer)
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
            .param("z", z)
            .param("h", c.h)
            .param("w", c.w)
            .param("c", c.c)
            .param("oh", c.oh)
            .param("ow", c.ow)
            .param("oc", c.oc)
            .param("kernel", c.kernel)
            .param("stride", c.stride)
            .param("pad_top", c.pad_top)
            .param("pad_left", c.pad_left)
            .turns(split.turns)
            .flops(g.flops());
        program.dispatch(&self.gpu, blocking(g.epilogue.of(call), g, tile), grid)
    }
}

/// The grid, and how many of its workgroups along z go over the same rows: one for each chunk of K and, of a scattered
/// gradient, for each place of a pixel between two steps of the window.
fn workgroups(g: &Gemm<'_>, tile: Tile, split: Split) -> ([u32; 3], u32) {
    let c = g.conv;
    let (tm, tn) = tile.size();
    let (classes, rows) = if g.a.1 == Operand::Scatter {
        let (h, w) = (c.h.div_ceil(c.stride), c.w.div_ceil(c.stride));
        (c.stride * c.stride, g.m / (c.h * c.w) * h * w)
    } else {
        (1, g.m)
    };
    let groups_m = rows.div_ceil(tm);
    let z = classes * split.chunks;
    // Rows of tiles beyond the portable limit of an axis go on in z.
    let folds = groups_m.div_ceil(MAX_GROUPS);
    ([g.n.div_ceil(tn), groups_m.min(MAX_GROUPS), z * folds], z)
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
