//! Blockings of a product: a shader and its sizes. All tiles take all operands and epilogues.

use crate::gpu::Gpu;

/// Fours of k-steps that a turn of a deep tile takes; where A slides, of so many taps ([`Conv::slides`](super::Conv::slides)).
pub(super) const DEEP: u32 = 3;

/// A blocking of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tile {
    /// `gemm_workgroup.wgsl`: blocks of A and B through workgroup memory.
    Workgroup {
        /// Rows of C.
        rows: u32,
        /// Columns of C.
        columns: u32,
        /// Rows per invocation.
        tall: u32,
        /// Columns per invocation.
        wide: u32,
    },
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
        /// Whether a turn of its loop takes several fours of k-steps in place of one.
        deep: bool,
        /// Whether it reads 64-bit integers: half as many components.
        long: bool,
    },
    /// `gemm_cooperative.wgsl`: blocks that a subgroup multiplies as one, A and B rounded to f16.
    Cooperative {
        /// Rows and columns of a block, 8 or 16.
        side: u32,
        /// Rows of C.
        rows: u32,
        /// Columns of C.
        columns: u32,
        /// Blocks of C above each other per subgroup.
        tall: u32,
        /// Blocks of C side by side per subgroup.
        wide: u32,
        /// Lanes of the subgroups that it is made for; it is correct with any.
        lanes: u32,
    },
}

impl Tile {
    /// The cooperative tiles: rows, columns, blocks above each other and side by side per subgroup, for blocks of 16 x 16.
    const COOPERATIVE: [(u32, u32, u32, u32); 4] =
        [(64, 64, 2, 2), (128, 64, 2, 2), (64, 32, 2, 1), (64, 16, 1, 1)];

    /// The workgroup tiles: rows, columns, rows and columns per invocation. At most 256 invocations and 16 KiB of
    /// workgroup memory each, WebGPU's default limits.
    const WORKGROUP: [(u32, u32, u32, u32); 6] =
        [(64, 64, 4, 4), (128, 128, 8, 8), (128, 64, 8, 4), (64, 32, 4, 4), (32, 32, 4, 4), (64, 16, 4, 4)];

    /// The subgroup tiles: row groups, the part of the lanes that is side by side, vec4 columns, whether it is deep.
    const SUBGROUP: [(u32, u32, u32, bool); 16] = [
        (1, 1, 1, false),
        (2, 1, 1, false),
        (3, 1, 1, false),
        (4, 1, 1, false),
        (6, 1, 1, false),
        (2, 1, 2, false),
        (3, 1, 2, false),
        (4, 1, 2, false),
        (6, 1, 2, false),
        (6, 2, 1, false),
        (8, 2, 1, false),
        (12, 2, 1, false),
        (2, 1, 1, true),
        (3, 1, 1, true),
        (2, 1, 2, true),
        (6, 2, 1, true),
    ];

    /// The workgroup tile of so many rows and columns.
    pub(super) const fn workgroup(rows: u32, columns: u32) -> Tile {
        let mut i = 0;
        while i < Tile::WORKGROUP.len() {
            let (r, c, tall, wide) = Tile::WORKGROUP[i];
            if r == rows && c == columns {
                return Tile::Workgroup { rows, columns, tall, wide };
            }
            i += 1;
        }
        panic!("not one of the workgroup tiles")
    }

    /// The workgroup tiles, which every adapter runs.
    pub fn portable() -> Vec<Tile> {
        Tile::WORKGROUP.iter().map(|&(rows, columns, ..)| Tile::workgroup(rows, columns)).collect()
    }

    /// The cooperative tiles of matrices of `side` rows and columns, for subgroups of `lanes`, the table's first.
    pub fn cooperative(side: u32, lanes: u32) -> Vec<Tile> {
        let tile = |&(rows, columns, tall, wide): &(u32, u32, u32, u32)| {
            let (rows, columns) = (rows * side / 16, columns * side / 16);
            Tile::Cooperative { side, rows, columns, tall, wide, lanes }
        };
        Tile::COOPERATIVE.iter().map(tile).filter(|t| t.invocations() <= 256).collect()
    }

    /// The subgroup tiles for subgroups of `lanes`, reading 64-bit integers or floats.
    pub(super) fn subgroup(lanes: u32, long: bool) -> Vec<Tile> {
        let tile = |&(row_groups, part, column_vecs, deep): &(u32, u32, u32, bool)| Tile::Subgroup {
            lanes,
            row_groups,
            column_lanes: lanes / part,
            column_vecs,
            deep,
            long,
        };
        Tile::SUBGROUP.iter().map(tile).collect()
    }

    /// The tiles that the adapter can run.
    pub fn of(gpu: &Gpu) -> Vec<Tile> {
        let mut all = Tile::portable();
        if let Some(side) = gpu.cooperative_side() {
            all.extend(gpu.likely_lanes().into_iter().flat_map(|lanes| Tile::cooperative(side, lanes)));
        }
        // A lane of a wider subgroup would hold more accumulators than a GPU has registers.
        let Some(lanes @ 4..=16) = gpu.subgroup_size() else { return all };
        all.extend(Tile::subgroup(lanes, false));
        if gpu.has_64_bit_integers() {
            all.extend(Tile::subgroup(lanes, true));
        }
        all
    }

    /// Rows and columns of C that one workgroup makes.
    pub fn size(self) -> (u32, u32) {
        match self {
            Tile::Workgroup { rows, columns, .. } | Tile::Cooperative { rows, columns, .. } => {
                (rows, columns)
            }
            Tile::Subgroup { lanes, row_groups, column_lanes, column_vecs, .. } => {
                (lanes * row_groups, column_lanes * 4 * column_vecs)
            }
        }
    }

    /// Invocations of a workgroup.
    fn invocations(self) -> u32 {
        match self {
            Tile::Workgroup { rows, columns, tall, wide } => rows / tall * (columns / wide),
            Tile::Subgroup { lanes, .. } => lanes,
            Tile::Cooperative { side, rows, columns, tall, wide, lanes } => {
                rows / (tall * side) * (columns / (wide * side)) * lanes
            }
        }
    }

    /// Fours of k-steps that a turn takes of a subgroup tile.
    pub fn fours(self) -> u32 {
        if matches!(self, Tile::Subgroup { deep: true, .. }) { DEEP } else { 1 }
    }

    /// Steps of K whose blocks of A and B are in workgroup memory at a time: all of it within 16 KiB.
    pub(super) fn k_steps(self) -> u32 {
        match self {
            Tile::Workgroup { rows, columns, .. } if rows + columns > 192 => 8,
            Tile::Cooperative { rows, columns, .. } if rows + columns <= 128 => 32,
            _ => 16,
        }
    }

    /// Turns of an invocation's loops over `k` steps of K in a row, at most.
    pub(super) fn turns(self, k: u64) -> u64 {
        let blocks = |rows: u32, columns: u32| {
            let staging = |n: u32| (self.k_steps() * n / 4).div_ceil(self.invocations()) + 1;
            k.div_ceil(self.k_steps().into()) * u64::from(1 + staging(rows) + staging(columns)) + 1
        };
        match self {
            // Deep ones take fewer. Counted, they would be cut elsewhere than others, see `count`.
            Tile::Subgroup { .. } => k.div_ceil(4) + 1,
            Tile::Workgroup { rows, columns, .. } => blocks(rows, columns),
            // Where subgroups are wider than thought, one makes several parts of C, at most all of them.
            Tile::Cooperative { side, rows, columns, tall, wide, lanes } => {
                let parts = self.invocations() / lanes;
                let stores = tall * wide * (side * side / 4 + 1);
                u64::from(parts) * (blocks(rows, columns) + u64::from(stores) + 1) + 1
            }
        }
    }

    /// Largest difference from the exact product, relative to its power, that is not a mistake: sums in 32 bits, and for
    /// the cooperative tiles operands of 11.
    pub fn nmse(self) -> f64 {
        match self {
            Tile::Workgroup { .. } | Tile::Subgroup { .. } => 1e-9,
            Tile::Cooperative { .. } => 1e-6,
        }
    }

    /// Columns of the panels that the right operand is packed in; 0: row by row.
    pub(super) fn panel(self) -> u32 {
        match self {
            Tile::Workgroup { .. } | Tile::Cooperative { .. } => 0,
            Tile::Subgroup { .. } => self.size().1,
        }
    }

    /// Tiles that C has; of subgroup tiles, as if all had the size of a common one. Else K would be cut by the tile, and what a
    /// software adapter computes would differ in its last bits by the CPU, which decides the tile but is no part of the adapter's name.
    pub(super) fn count(self, m: u32, n: u32) -> u32 {
        match self {
            Tile::Subgroup { lanes, .. } => m.div_ceil(3 * lanes) * n.div_ceil(8 * lanes),
            _ => m.div_ceil(self.size().0) * n.div_ceil(self.size().1),
        }
    }

    /// Workgroups that keep the adapter busy; products with fewer tiles are split along K.
    pub(super) fn busy(self) -> u32 {
        match self {
            // Software adapters.
            Tile::Subgroup { .. } => 16,
            // A guess, about one for each multiprocessor of a large GPU: not measured.
            Tile::Workgroup { .. } | Tile::Cooperative { .. } => 128,
        }
    }
}

impl std::fmt::Display for Tile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Tile::Workgroup { rows, columns, tall, wide } => {
                write!(f, "workgroup-{rows}x{columns}-{tall}x{wide}")
            }
            Tile::Subgroup { lanes, row_groups, column_lanes, column_vecs, deep, long } => {
                let deep = if *deep { "-deep" } else { "" };
                let long = if *long { "-long" } else { "" };
                write!(f, "subgroup{lanes}-{row_groups}x{column_lanes}x{column_vecs}{deep}{long}")
            }
            Tile::Cooperative { side, rows, columns, tall, wide, lanes } => {
                write!(f, "cooperative{side}-{rows}x{columns}-{tall}x{wide}-{lanes}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WebGPU's default limits, which every tile must keep; `tests/shaders.rs` sees the text of each.
    #[test]
    fn workgroup_tiles_are_whole_and_within_limits() {
        for tile in Tile::portable() {
            let Tile::Workgroup { rows, columns, tall, wide } = tile else { panic!("{tile}") };
            assert!(rows % tall == 0 && columns % wide == 0 && wide % 4 == 0, "{tile}");
            assert!((32..=256).contains(&tile.invocations()), "{tile}: {} invocations", tile.invocations());
            let bytes = tile.k_steps() * (rows + 32 / tile.k_steps() + columns) * 4;
            assert!(bytes <= 16 << 10, "{tile}: {bytes} bytes of workgroup memory");
        }
    }

    #[test]
    fn cooperative_tiles_are_whole_and_within_limits() {
        for (side, lanes) in [(8, 8), (8, 32), (16, 16), (16, 32), (16, 64)] {
            let all = Tile::cooperative(side, lanes);
            assert!(all.len() >= 3, "{side} {lanes}: {all:?}");
            for tile in all {
                let Tile::Cooperative { rows, columns, tall, wide, .. } = tile else { panic!("{tile}") };
                assert!(rows % (tall * side) == 0 && columns % (wide * side) == 0, "{tile}");
                assert!(
                    (8..=256).contains(&tile.invocations()),
                    "{tile}: {} invocations",
                    tile.invocations()
                );
                let parts = tile.invocations() / lanes;
                let bytes = tile.k_steps() * (rows + columns + 16) * 2 + (parts + 1) * side * side * 4 + 4;
                assert!(bytes <= 16 << 10, "{tile}: {bytes} bytes of workgroup memory");
                assert!(tile.k_steps() % side == 0, "{tile}");
            }
        }
    }
}
