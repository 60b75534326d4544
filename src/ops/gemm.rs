//! The GEMM engine behind every dense and convolution pass: C [M, N] = epilogue(A [M, K] B [K, N]).
//!
//! | pass | A | B | C |
//! |---|---|---|---|
//! | dense forward | x, rows | W packed `[in, out]` | y |
//! | dense data gradient | dy, rows | W packed `[out, in]` | dx |
//! | dense weight gradient | dy, columns | x, rows | dW `[out, in]` |
//! | conv forward | x through the window | W packed `[k k in, out]` | y |
//! | conv data gradient | dy, scattered | W packed `[k k out, in]` | dx |
//! | conv weight gradient | dy, columns | x through the window | dW `[out, k k in]` |
//!
//! Packed operands lie in panels of as many columns as a tile has, where the tile asks for that. The window is never
//! materialised (implicit GEMM). A tile is a shader plus its sizes; all tiles take all
//! operands, so that adding one means one shader, a name in [`Tile`], and a line in [`Tile::of`] and [`Tiling`].

use super::{Activation, Ops};
use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, MAX_GROUPS, Program, Tensor};

/// How the left operand A is read. The numbers are those of `shaders/common/operands.wgsl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    /// Row-major as stored.
    Rows = 0,
    /// Stored transposed.
    Columns = 1,
    /// Images seen through the convolution's window.
    Window = 2,
    /// Output gradients seen from the input pixels.
    Scatter = 3,
}

/// A right operand B `[k, n]` that is laid out for its product, such as packed weights.
#[derive(Debug, Clone)]
pub struct RightOperand {
    /// The values.
    pub tensor: Tensor,
    /// Columns of a panel; 0: B row by row.
    pub panel: u32,
    /// Rows of B.
    pub k: u32,
}

impl RightOperand {
    /// Rows of a panel: K, and zeros so that blocks of four rows that begin below K are there.
    pub fn panel_rows(&self) -> u32 {
        panel_rows(self.k)
    }
}

fn panel_rows(k: u32) -> u32 {
    (k + 3).next_multiple_of(4)
}

/// Rows and columns of the memory of B `[k, n]` in panels of so many columns; 0: row by row.
fn packed_size(panel: u32, k: u32, n: u32) -> (u32, u32) {
    if panel == 0 { (k, n) } else { (n.div_ceil(panel) * panel_rows(k), panel) }
}

/// B of a product as it is read.
#[derive(Debug, Clone, Copy)]
pub enum Right<'a> {
    /// Row-major `[k, n]`.
    Rows(&'a Tensor),
    /// Images seen through the convolution's window.
    Window(&'a Tensor),
    /// Laid out beforehand.
    Packed(&'a RightOperand),
}

impl Right<'_> {
    fn tensor(&self) -> &Tensor {
        match self {
            Right::Rows(t) | Right::Window(t) => t,
            Right::Packed(p) => &p.tensor,
        }
    }
    fn is_window(&self) -> bool {
        matches!(self, Right::Window(_))
    }
    fn panel(&self) -> u32 {
        if let Right::Packed(p) = self { p.panel } else { 0 }
    }
}

/// Geometry of a convolution, or of a pooling window: x `[rows, h, w, c]`, y `[rows, oh, ow, oc]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Conv {
    /// Input height.
    pub h: u32,
    /// Input width.
    pub w: u32,
    /// Input channels.
    pub c: u32,
    /// Output height.
    pub oh: u32,
    /// Output width.
    pub ow: u32,
    /// Output channels.
    pub oc: u32,
    /// Side of the kernel.
    pub kernel: u32,
    /// Step.
    pub stride: u32,
    /// Zeros above.
    pub pad_top: u32,
    /// Zeros to the left.
    pub pad_left: u32,
}

/// What happens to a product before it is stored.
#[derive(Debug, Clone, Copy, Default)]
pub enum Epilogue<'a> {
    /// Stored as it is.
    #[default]
    None,
    /// act(acc + bias); either may be absent.
    Forward {
        /// `[N]`
        bias: Option<&'a Tensor>,
        /// Applied last.
        activation: Activation,
    },
    /// acc * act'(saved), for data gradients that end in an activation's input.
    Backward {
        /// The activation's output `[M, N]`.
        saved: &'a Tensor,
        /// The activation.
        activation: Activation,
    },
}

/// A blocking of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tile {
    /// `gemm_workgroup.wgsl`: 64 x 64 through workgroup memory.
    Workgroup,
    /// `gemm_subgroup.wgsl`: rows of A broadcast between lanes.
    Subgroup {
        /// Lanes.
        lanes: u32,
        /// Groups of rows.
        row_groups: u32,
        /// Lanes side by side; the others make other rows of the same columns.
        column_lanes: u32,
        /// vec4 columns per lane.
        column_vecs: u32,
        /// Whether it reads 64-bit integers: half as many components.
        long: bool,
    },
}

impl Tile {
    /// The tiles that the adapter can run, A by rows or by columns.
    pub fn of(gpu: &Gpu, columns: bool) -> Vec<Tile> {
        let mut all = vec![Tile::Workgroup];
        // Wider subgroups hold too many accumulators; see `Tiling::for_gpu`.
        let Some(lanes @ 4..=16) = gpu.subgroup_size() else { return all };
        // Row groups, the part of the lanes that is side by side, vec4 columns.
        let blocks: &[(u32, u32, u32)] = match columns {
            true => &[(1, 1, 1), (1, 1, 2)],
            false => &[(1, 1, 1), (3, 1, 1), (6, 1, 1), (3, 1, 2), (4, 1, 2), (6, 2, 1), (8, 2, 1)],
        };
        let widths: &[bool] = if gpu.has_64_bit_integers() { &[false, true] } else { &[false] };
        for &(row_groups, part, column_vecs) in blocks {
            let column_lanes = lanes / part;
            let tile = |&long| Tile::Subgroup { lanes, row_groups, column_lanes, column_vecs, long };
            all.extend(widths.iter().map(tile));
        }
        all
    }

    /// Rows and columns of C that one workgroup makes.
    pub fn size(self, a: Operand) -> (u32, u32) {
        match self {
            Tile::Workgroup => (64, 64),
            Tile::Subgroup { lanes, row_groups, column_lanes, column_vecs, .. } => {
                let per_lane = if a == Operand::Columns { 4 } else { 1 };
                (lanes * row_groups * per_lane, column_lanes * 4 * column_vecs)
            }
        }
    }
}

impl std::fmt::Display for Tile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Tile::Workgroup => f.write_str("workgroup-64x64"),
            Tile::Subgroup { lanes, row_groups, column_lanes, column_vecs, long } => {
                let long = if *long { "-long" } else { "" };
                write!(f, "subgroup{lanes}-{row_groups}x{column_lanes}x{column_vecs}{long}")
            }
        }
    }
}

/// Which tile a product gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tiling {
    /// By adapter and shape: the defaults measured in docs/performance.md.
    Software {
        /// Lanes of a subgroup.
        lanes: u32,
        /// Whether tiles read 64-bit integers.
        long: bool,
    },
    /// Always the workgroup tile.
    Workgroup,
    /// Always this one (tests, benchmarks).
    Fixed(Tile),
}

impl Tiling {
    /// Subgroup broadcast on software adapters with small fixed subgroups, else workgroup memory.
    pub fn for_gpu(gpu: &Gpu) -> Tiling {
        match gpu.subgroup_size() {
            Some(lanes @ 4..=16) if gpu.summary().is_software() => {
                Tiling::Software { lanes, long: gpu.has_64_bit_integers() }
            }
            _ => Tiling::Workgroup,
        }
    }

    /// The tile of a product with `n` columns whose left operand is read as `a`.
    pub fn tile(self, a: Operand, n: u32) -> Tile {
        match self {
            Tiling::Workgroup => Tile::Workgroup,
            Tiling::Fixed(t) => t,
            // Measured on llvmpipe 22.3: docs/performance.md.
            Tiling::Software { lanes, long } => {
                let (row_groups, column_lanes, column_vecs) = match a {
                    Operand::Columns => (1, lanes, if n > 4 * lanes { 2 } else { 1 }),
                    _ if n > 4 * lanes => (3, lanes, 2),
                    _ if n > 2 * lanes => (6, lanes, 1),
                    _ => (8, lanes / 2, 1),
                };
                Tile::Subgroup { lanes, row_groups, column_lanes, column_vecs, long }
            }
        }
    }

    /// Columns of the panels that the product's right operand is packed in; 0: row by row.
    pub fn panel(self, a: Operand, n: u32) -> u32 {
        match self.tile(a, n) {
            Tile::Workgroup => 0,
            tile => tile.size(a).1,
        }
    }

    /// Workgroups that keep the adapter busy; products with fewer tiles are split along K.
    fn busy(self) -> u32 {
        match self {
            Tiling::Software { .. } | Tiling::Fixed(Tile::Subgroup { .. }) => 16,
            _ => 128,
        }
    }
}

/// One product.
#[derive(Debug)]
pub struct Gemm<'a> {
    /// Rows of C.
    pub m: u32,
    /// Columns of C.
    pub n: u32,
    /// Inner size.
    pub k: u32,
    /// Left operand and how it is read.
    pub a: (&'a Tensor, Operand),
    /// Right operand.
    pub b: Right<'a>,
    /// Geometry for the `Window` and `Scatter` operands.
    pub conv: Conv,
    /// C.
    pub out: &'a Tensor,
    /// What happens at the end.
    pub epilogue: Epilogue<'a>,
}

impl Gemm<'_> {
    /// Floating-point operations, two per multiply-add that contributes: a scattered data gradient has as
    /// many as the forward pass, whatever the stride.
    pub fn flops(&self) -> u64 {
        let c = &self.conv;
        let rows = match self.a.1 {
            Operand::Scatter => self.m / (c.h * c.w) * c.oh * c.ow,
            _ => self.m,
        };
        2 * u64::from(rows) * u64::from(self.n) * u64::from(self.k)
    }
}

impl Ops<'_> {
    /// Memory for the right operand `[k, n]` of products whose left operand is read as `a`, in the layout that
    /// their tile reads best.
    pub fn right_operand(&self, label: &str, a: Operand, k: u32, n: u32) -> RightOperand {
        let panel = self.tiling.panel(a, n);
        let (rows, cols) = packed_size(panel, k, n);
        RightOperand { tensor: self.gpu.tensor(label, rows, cols), panel, k }
    }

    /// Records `g` on behalf of `layer`, in two passes where K is split.
    ///
    /// # Errors
    /// [`Error::Gpu`] if an operand is smaller than the product needs, or the driver rejects the kernel.
    pub fn gemm(&self, program: &mut Program, layer: &str, g: Gemm<'_>) -> Result<()> {
        self.check_gemm(layer, &g)?;
        let tile = self.tiling.tile(g.a.1, g.n);
        let (tm, tn) = tile.size(g.a.1);
        let tiles = g.m.div_ceil(tm) * g.n.div_ceil(tn);
        let splittable =
            matches!(g.epilogue, Epilogue::None) && matches!(g.a.1, Operand::Rows | Operand::Columns);
        let splits = if splittable { (self.tiling.busy() / tiles).clamp(1, (g.k / 256).max(1)) } else { 1 };
        // Chunks are multiples of 16 so that only the last one has a ragged end.
        let k_chunk = g.k.div_ceil(splits).next_multiple_of(16);
        let splits = g.k.div_ceil(k_chunk);
        let groups_m = if g.a.1 == Operand::Scatter {
            let (h, w) = (g.conv.h.div_ceil(g.conv.stride), g.conv.w.div_ceil(g.conv.stride));
            (g.m / (g.conv.h * g.conv.w) * h * w).div_ceil(tm)
        } else {
            g.m.div_ceil(tm)
        };
        let z = if g.a.1 == Operand::Scatter { g.conv.stride * g.conv.stride } else { splits };
        // Rows of tiles beyond the portable limit of an axis go on in z.
        let folds = groups_m.div_ceil(MAX_GROUPS);
        let grid = [g.n.div_ceil(tn), groups_m.min(MAX_GROUPS), z * folds];
        let chunks = (k_chunk, z);
        if splits == 1 {
            return self.gemm_pass(program, layer, &g, tile, g.out, chunks, false, grid);
        }
        let parts = self.gpu.tensor("split-k parts", splits, g.m * g.n);
        self.gemm_pass(program, layer, &g, tile, &parts, chunks, true, grid)?;
        let call = Call::new("split_k_sum", layer)
            .bind("parts", &parts)
            .bind("out", g.out)
            .param("n", g.m * g.n)
            .param("splits", splits)
            .flops(parts.len() as u64);
        program.each(self.gpu, call, u64::from(g.m) * u64::from(g.n))
    }

    fn gemm_pass(
        &self,
        program: &mut Program,
        layer: &str,
        g: &Gemm<'_>,
        tile: Tile,
        out: &Tensor,
        (k_chunk, z): (u32, u32),
        split: bool,
        grid: [u32; 3],
    ) -> Result<()> {
        let activation = match g.epilogue {
            Epilogue::None => Activation::None,
            Epilogue::Forward { activation, .. } | Epilogue::Backward { activation, .. } => activation,
        };
        let c = g.conv;
        let name = match tile {
            Tile::Workgroup => "gemm_workgroup",
            Tile::Subgroup { .. } => "gemm_subgroup",
        };
        let b_window = g.b.is_window();
        let panel = g.b.panel();
        let mut call = Call::new(name, layer)
            .define("A", g.a.1 as u32)
            .define("B", if panel > 0 { 2 } else { u32::from(b_window) })
            .define("ACT", activation.number())
            .define("SPLIT", u32::from(split))
            .bind("a", g.a.0)
            .bind("b", g.b.tensor())
            .bind("out", out)
            .param("m", g.m)
            .param("n", g.n)
            .param("k", g.k)
            .param("k_chunk", k_chunk)
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
            .param("slope", activation.slope())
            .flops(g.flops());
        let (mut bias_on, mut grad_on) = (0, 0);
        match g.epilogue {
            Epilogue::Forward { bias: Some(bias), .. } => {
                bias_on = 1;
                call = call.bind("bias", bias);
            }
            Epilogue::Backward { saved, .. } => {
                grad_on = 1;
                call = call.bind("saved", saved);
            }
            _ => {}
        }
        call = call.define("BIAS", bias_on).define("GRAD", grad_on);
        if let Tile::Subgroup { lanes, row_groups, column_lanes, column_vecs, long } = tile {
            let by4 = |n: u32| u32::from(n.is_multiple_of(4) && n >= 4);
            let by4_or_2 = |n: u32| if by4(n) == 1 { 1 } else { 2 * u32::from(n.is_multiple_of(2)) };
            let va = match g.a.1 {
                Operand::Rows => by4_or_2(g.k),
                Operand::Columns => by4_or_2(g.m),
                Operand::Window => by4(c.c),
                Operand::Scatter => by4(c.oc),
            };
            let by8 = |n: u32| long && column_vecs == 2 && n.is_multiple_of(8);
            let vb = match g.b {
                Right::Window(_) => by4(c.c),
                Right::Rows(_) => {
                    if by8(g.n) {
                        3
                    } else {
                        by4_or_2(g.n)
                    }
                }
                Right::Packed(_) => {
                    if by8(panel) {
                        3
                    } else {
                        1
                    }
                }
            };
            call = call
                .define("L", u32::from(long))
                .param("panel", panel_rows(g.k))
                .define("SG", lanes)
                .define("RG", row_groups)
                .define("CL", column_lanes)
                .define("CV", column_vecs)
                .define("VA", va)
                .define("VB", vb)
                .define("VC", by4(g.n));
        }
        program.dispatch(self.gpu, call, grid)
    }

    fn check_gemm(&self, layer: &str, g: &Gemm<'_>) -> Result<()> {
        let (m, n, k) = (g.m as usize, g.n as usize, g.k as usize);
        let c = &g.conv;
        let images = |pixels: usize| pixels / (c.oh * c.ow).max(1) as usize * (c.h * c.w * c.c) as usize;
        let a = match g.a.1 {
            Operand::Rows | Operand::Columns => m * k,
            Operand::Window => images(m),
            Operand::Scatter => m / (c.h * c.w).max(1) as usize * (c.oh * c.ow * c.oc) as usize,
        };
        let b = match g.b {
            Right::Window(_) => images(k),
            Right::Packed(p) => {
                let (rows, cols) = packed_size(p.panel, g.k, g.n);
                rows as usize * cols as usize
            }
            Right::Rows(_) => n * k,
        };
        let saved = if let Epilogue::Backward { saved, .. } = g.epilogue { saved.len() } else { m * n };
        for (what, have, want) in [
            ("a", g.a.0.len(), a),
            ("b", g.b.tensor().len(), b),
            ("out", g.out.len(), m * n),
            ("saved", saved, m * n),
        ] {
            if have < want {
                return Err(Error::Gpu(format!(
                    "gemm for {layer}: {what} holds {have} values, {m} x {n} x {k} needs {want}"
                )));
            }
        }
        if let Right::Packed(p) = g.b
            && (p.panel, p.k) != (self.tiling.panel(g.a.1, g.n), g.k)
        {
            return Err(Error::Gpu(format!(
                "gemm for {layer}: b was packed for another product than {m} x {n} x {k}"
            )));
        }
        if m == 0 || n == 0 || k == 0 {
            return Err(Error::Gpu(format!("gemm for {layer}: empty product {m} x {n} x {k}")));
        }
        Ok(())
    }
}
