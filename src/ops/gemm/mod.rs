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
//! materialised (implicit GEMM). A tile is a shader plus its sizes (`tile.rs`), `tiling.rs` says which one a product
//! gets, `tune.rs` finds out by measuring, `pass.rs` records it.

mod pass;
mod split;
mod tile;
mod tiling;
pub mod tune;

pub use tile::Tile;
pub use tiling::{ProductKind, Tiling};
pub use tune::Product;

use self::split::Split;
use self::tile::DEEP;
use super::{Activation, Ops};
use crate::error::{Error, Result};
use crate::gpu::{Call, Program, Tensor};

/// How the left operand A is read. The numbers are those of `shaders/common/operands.wgsl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// Rows of a panel: K, and zeros so that the rows of a turn that begins below K are there.
    pub fn panel_rows(&self) -> u32 {
        RightOperand::rows_for(self.k)
    }

    /// The same, of a right operand of `k` rows.
    pub fn rows_for(k: u32) -> u32 {
        (k + 4 * DEEP - 1).next_multiple_of(4)
    }

    /// Whether it is laid out for B `[k, n]` and has memory for all of it.
    pub(super) fn holds(&self, k: u32, n: u32) -> bool {
        let (rows, cols) = packed_size(self.panel, k, n);
        self.k == k && self.tensor.len() >= rows as usize * cols as usize
    }
}

/// Rows and columns of the memory of B `[k, n]` in panels of so many columns; 0: row by row.
fn packed_size(panel: u32, k: u32, n: u32) -> (u32, u32) {
    let whole = |panel| n.div_ceil(panel).saturating_mul(RightOperand::rows_for(k));
    if panel == 0 { (k, n) } else { (whole(panel), panel) }
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

impl Conv {
    /// `call` of a kernel that has the geometry in its text, as divisors that its compiler knows; but for the output's channels.
    pub(super) fn in_text<'a>(&self, call: Call<'a>) -> Call<'a> {
        call.define("H", self.h)
            .define("W", self.w)
            .define("C", self.c)
            .define("OH", self.oh)
            .define("OW", self.ow)
            .define("KERNEL", self.kernel)
            .define("STRIDE", self.stride)
            .define("TOP", self.pad_top)
            .define("LEFT", self.pad_left)
    }

    /// Whether A, read as `a`, slides: rows of C follow each other as pixels of A do, so that what the taps of a row of the kernel
    /// see are the same pixels, each tap's moved by one. Where there are [`DEEP`] such taps, and whole blocks of four channels.
    fn slides(&self, a: Operand) -> bool {
        let (taps, channels, follow) = match a {
            Operand::Rows | Operand::Columns => return false,
            Operand::Window => {
                (self.kernel, self.c, self.stride == 1 && (self.h, self.w) == (self.oh, self.ow))
            }
            Operand::Scatter => (
                self.kernel / self.stride.max(1),
                self.oc,
                self.kernel.is_multiple_of(self.stride)
                    && (self.h, self.w) == (self.oh * self.stride, self.ow * self.stride),
            ),
        };
        follow && taps == DEEP && channels.is_multiple_of(4)
    }
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

impl<'a> Epilogue<'a> {
    /// The call of a kernel that ends with it.
    fn of(self, call: Call<'a>) -> Call<'a> {
        let (activation, bias, saved) = match self {
            Epilogue::None => (Activation::None, None, None),
            Epilogue::Forward { bias, activation } => (activation, bias, None),
            Epilogue::Backward { saved, activation } => (activation, None, Some(saved)),
        };
        call.define("ACT", activation.number())
            .optional("BIAS", "bias", bias)
            .optional("GRAD", "saved", saved)
            .param("slope", activation.slope())
    }
}

#[cfg(test)]
thread_local! {
    /// The products that this thread has recorded: layer and pass, and which operand was said to hold gradients.
    pub(crate) static RECORDED: std::cell::RefCell<Vec<(String, GradientIn)>> = const { std::cell::RefCell::new(vec![]) };
}

/// Which operand holds gradients. They are small: 16-bit floats have fewer than 11 bits below 6.1e-5 and nothing below 6e-8.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GradientIn {
    /// Neither.
    #[default]
    Neither,
    /// The left one.
    A,
    /// The right one.
    B,
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
    /// The result C.
    pub out: &'a Tensor,
    /// What is done to the product before it is written.
    pub epilogue: Epilogue<'a>,
    /// For tiles that round.
    pub gradient_in: GradientIn,
}

impl Gemm<'_> {
    fn kind(&self) -> ProductKind {
        ProductKind::new(self.a.1, &self.conv, (self.m, self.n, self.k))
    }

    /// Whether the sizes are those of its convolution, where it has one: shaders take places in memory from both.
    fn agrees(&self) -> bool {
        let c = &self.conv;
        let [m, n, k] = [self.m, self.n, self.k].map(u64::from);
        let area = |a: u32, b: u32| u64::from(a) * u64::from(b);
        let (pixels, windows, taps) = (area(c.h, c.w), area(c.oh, c.ow), area(c.kernel, c.kernel));
        let of = |channels: u32| taps.checked_mul(channels.into());
        let is_there = c.stride > 0 && taps > 0 && pixels > 0 && windows > 0;
        (match self.a.1 {
            Operand::Rows | Operand::Columns => true,
            Operand::Window => is_there && m.is_multiple_of(windows) && of(c.c) == Some(k),
            Operand::Scatter => is_there && m.is_multiple_of(pixels) && of(c.oc) == Some(k),
        }) && (match self.b {
            Right::Window(_) => is_there && k.is_multiple_of(windows) && of(c.c) == Some(n),
            Right::Rows(_) | Right::Packed(_) => true,
        })
    }

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

impl Ops {
    /// Memory for the right operand `[k, n]` of products of this kind, in the layout that their tile reads best.
    pub fn right_operand(&self, label: &str, kind: ProductKind) -> RightOperand {
        let (panel, (k, n)) = (self.tiling.panel(kind), kind.weights());
        let (rows, cols) = packed_size(panel, k, n);
        RightOperand { tensor: self.gpu.tensor(label, rows, cols), panel, k }
    }

    /// Records `g` on behalf of `layer`, in two passes where K is split.
    ///
    /// # Errors
    /// [`Error::Gpu`] if an operand is smaller than the product needs, or the driver rejects the kernel; [`Error::Adapter`] if
    /// the parts of a split product cannot be bound; [`Error::Usage`] if a row of a window is longer than an invocation may
    /// loop.
    pub fn gemm(&self, program: &mut Program, layer: &str, g: Gemm<'_>) -> Result<()> {
        #[cfg(test)]
        RECORDED.with_borrow_mut(|all| all.push((layer.into(), g.gradient_in)));
        self.check_gemm(layer, &g)?;
        let tile = self.tiling.tile(g.kind());
        let split = Split::of(&g, tile);
        if split.chunks == 1 {
            return self.gemm_pass(program, layer, &g, tile, split);
        }
        let bytes = 4 * u64::from(split.chunks) * u64::from(g.m) * u64::from(g.n);
        self.gpu.binds(
            &format!("the products of {layer} in {} parts", split.chunks),
            bytes,
            "use a smaller batch size",
        )?;
        let parts = program.scratch(&self.gpu, "split-k parts", split.chunks, g.m * g.n);
        self.gemm_pass(program, layer, &Gemm { out: &parts, epilogue: Epilogue::None, ..g }, tile, split)?;
        let call = Call::new("split_k_sum", layer)
            .bind("parts", &parts)
            .bind("out", g.out)
            .param("n", g.m * g.n)
            .param("cols", g.n)
            .param("splits", split.chunks)
            .turns(u64::from(split.chunks) + 1)
            .flops(parts.len() as u64);
        program.each(&self.gpu, g.epilogue.of(call), u64::from(g.m) * u64::from(g.n))
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
        let (saved, bias) = match g.epilogue {
            Epilogue::Backward { saved, .. } => (saved.len(), n),
            Epilogue::Forward { bias: Some(bias), .. } => (m * n, bias.len()),
            _ => (m * n, n),
        };
        for (what, have, want) in [
            ("a", g.a.0.len(), a),
            ("b", g.b.tensor().len(), b),
            ("out", g.out.len(), m * n),
            ("saved", saved, m * n),
            ("bias", bias, n),
        ] {
            if have < want {
                return Err(Error::Gpu(format!(
                    "gemm for {layer}: {what} holds {have} values, {m} x {n} x {k} needs {want}"
                )));
            }
        }
        if let Right::Packed(p) = g.b
            && (p.panel, p.k) != (self.tiling.panel(g.kind()), g.k)
        {
            return Err(Error::Gpu(format!(
                "gemm for {layer}: b was packed for another product than {m} x {n} x {k}"
            )));
        }
        if m == 0 || n == 0 || k == 0 {
            return Err(Error::Gpu(format!("gemm for {layer}: empty product {m} x {n} x {k}")));
        }
        match g.agrees() {
            true => Ok(()),
            false => Err(Error::Gpu(format!("gemm for {layer}: {m} x {n} x {k} is no product of {c:?}"))),
        }
    }
}
