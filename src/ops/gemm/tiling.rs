//! Which tile a product gets: tables of measured defaults, one tile for all, or what was measured on this machine.

use super::{Conv, Operand, Tile};
use crate::gpu::Gpu;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

/// The products that share a tile: how A is read, columns of C, and the inner size; where A is read by columns, as in
/// weight gradients, the rows of C. How many rows a minibatch has is no part of it: weights are packed once, for
/// minibatches of several sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductKind {
    a: Operand,
    n: u32,
    inner: u32,
    /// Whether A slides, see [`Conv::slides`].
    slides: bool,
}

impl ProductKind {
    /// The kind of C [m, n] = A [m, k] B [k, n], A read as `a`.
    pub fn new(a: Operand, conv: &Conv, (m, n, k): (u32, u32, u32)) -> ProductKind {
        ProductKind { a, n, inner: if a == Operand::Columns { m } else { k }, slides: conv.slides(a) }
    }

    /// That of a product with packed weights `[k, n]`, any number of rows.
    pub fn with_weights(a: Operand, conv: &Conv, k: u32, n: u32) -> ProductKind {
        ProductKind::new(a, conv, (0, n, k))
    }

    /// K and N of the packed weights of [`ProductKind::with_weights`].
    pub(super) fn weights(&self) -> (u32, u32) {
        assert!(self.a != Operand::Columns, "weights are of rows, windows and scattered gradients");
        (self.inner, self.n)
    }
}

impl fmt::Display for ProductKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (a, inner) = match self.a {
            Operand::Rows => ("rows", "k"),
            Operand::Columns => ("columns", "m"),
            Operand::Window => ("window", "k"),
            Operand::Scatter => ("scatter", "k"),
        };
        let slides = if self.slides { " slides" } else { "" };
        write!(f, "{a}{slides} n={} {inner}={}", self.n, self.inner)
    }
}

/// Which tile a product gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tiling {
    /// By shape, as measured on a software adapter: docs/performance.md.
    Software {
        /// Lanes of a subgroup.
        lanes: u32,
        /// Whether tiles read 64-bit integers.
        long: bool,
        /// Whether deep tiles pay where nothing slides, too: on CPUs with 32 vector registers. The results are the same.
        deep: bool,
    },
    /// By shape, through workgroup memory: any adapter.
    Portable,
    /// By shape, on cooperative matrices.
    Cooperative {
        /// Rows and columns of such a matrix.
        side: u32,
        /// Lanes of a subgroup.
        lanes: u32,
    },
    /// Always this one (tests, benchmarks).
    Fixed(Tile),
    /// What [`tune`](crate::ops::tune) chose.
    Measured {
        /// The winners.
        tiles: Rc<BTreeMap<ProductKind, Tile>>,
        /// For products that were not measured.
        otherwise: Rc<Tiling>,
    },
}

impl Tiling {
    /// Cooperative matrices where they were asked for; subgroup broadcast on software adapters with small fixed subgroups;
    /// else workgroup memory.
    pub fn for_gpu(gpu: &Gpu) -> Tiling {
        if let Some(side) = gpu.cooperative_side() {
            return Tiling::Cooperative { side, lanes: gpu.likely_lanes()[0] };
        }
        match gpu.subgroup_size() {
            Some(lanes @ 4..=16) if gpu.is_software() => {
                Tiling::Software { lanes, long: gpu.has_64_bit_integers(), deep: has_avx512() }
            }
            _ => Tiling::Portable,
        }
    }

    /// The tile of a product.
    pub fn tile(&self, kind: ProductKind) -> Tile {
        match self {
            // No wider than C, else most of it would be empty.
            Tiling::Portable if kind.n <= 16 => const { Tile::workgroup(64, 16) },
            Tiling::Portable if kind.n <= 32 => const { Tile::workgroup(64, 32) },
            Tiling::Portable => const { Tile::workgroup(64, 64) },
            Tiling::Fixed(t) => *t,
            // The narrowest that covers C, of equals the smallest.
            &Tiling::Cooperative { side, lanes } => {
                let all = Tile::cooperative(side, lanes);
                let size = |t: &&Tile| (t.size().1, t.size().0);
                *all.iter().filter(|t| size(t).0 >= kind.n).min_by_key(size).unwrap_or(&all[0])
            }
            // Measured on llvmpipe of Mesa 22.3 and 26.1, on CPUs with AVX2 and with AVX-512: docs/performance.md.
            &Tiling::Software { lanes, long, deep } => {
                let wide = kind.n > 4 * lanes;
                let (row_groups, column_lanes, column_vecs, deep) = match (kind.a, kind.inner) {
                    _ if kind.slides && wide && deep => (2, lanes, 2, true),
                    _ if kind.slides && kind.n > 2 * lanes => (3, lanes, 1, true),
                    _ if kind.slides => (6, lanes / 2, 1, true),
                    // C, dW, has few rows: no taller than that.
                    (Operand::Columns, m) if m <= 2 * lanes => (2, lanes, if wide { 2 } else { 1 }, deep),
                    (Operand::Columns, m) if m <= 4 * lanes => (4, lanes, 1, false),
                    (Operand::Columns, _) if wide && deep => (2, lanes, 2, true),
                    // Of fewer steps the last turn would be too much.
                    (Operand::Rows, k) if wide && deep && k >= 64 => (2, lanes, 2, true),
                    _ if wide => (3, lanes, 2, false),
                    _ if kind.n > 2 * lanes || kind.a == Operand::Columns => (6, lanes, 1, false),
                    (Operand::Scatter, _) => (12, lanes / 2, 1, false),
                    _ => (8, lanes / 2, 1, false),
                };
                Tile::Subgroup { lanes, row_groups, column_lanes, column_vecs, deep, long }
            }
            Tiling::Measured { tiles, otherwise } => {
                tiles.get(&kind).copied().unwrap_or_else(|| otherwise.tile(kind))
            }
        }
    }

    /// Columns of the panels that the product's right operand is packed in; 0: row by row.
    pub fn panel(&self, kind: ProductKind) -> u32 {
        self.tile(kind).panel()
    }
}

/// Whether a software adapter's code has 32 vector registers, not 16: it is compiled for the CPU that this runs on.
fn has_avx512() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512vl");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else a run could not name the tile that it began with, and a table's tile that won would be tried at every start.
    #[test]
    fn tables_choose_among_the_tiles_that_can_be_tried() {
        let sizes = [1, 3, 4, 5, 8, 9, 16, 17, 32, 33, 64, 65, 128, 1000];
        let operands = [Operand::Rows, Operand::Columns, Operand::Window, Operand::Scatter];
        let adapters =
            [(4, false, false), (8, false, true), (8, true, true), (8, true, false), (16, true, true)];
        for (lanes, long, deep) in adapters {
            let software = (Tiling::Software { lanes, long, deep }, Tile::subgroup(lanes, long));
            let cooperative = (Tiling::Cooperative { side: 8, lanes }, Tile::cooperative(8, lanes));
            for (tiling, known) in [software, (Tiling::Portable, Tile::portable()), cooperative] {
                for a in operands {
                    for (n, inner) in sizes.iter().flat_map(|n| sizes.map(|i| (*n, i))) {
                        for slides in [false, true] {
                            let tile = tiling.tile(ProductKind { a, n, inner, slides });
                            assert!(known.contains(&tile), "{tiling:?}: {a:?} n={n} inner={inner}: {tile}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn cooperative_tiles_are_as_wide_as_the_product() {
        let tiling = Tiling::Cooperative { side: 16, lanes: 32 };
        let size = |n| tiling.tile(ProductKind::new(Operand::Rows, &Conv::default(), (512, n, 100))).size();
        for (n, want) in
            [(1, 16), (10, 16), (16, 16), (17, 32), (32, 32), (33, 64), (64, 64), (65, 64), (1000, 64)]
        {
            assert_eq!(size(n), (64, want), "{n} columns");
        }
    }
}
