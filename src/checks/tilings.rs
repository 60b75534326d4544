//! The tilings that products are checked with.

use crate::gpu::Gpu;
use crate::ops::{Tile, Tiling};

/// The tilings that do not round and that this adapter can run: workgroup tiles, and subgroup tiles where subgroups are as
/// small as [`Tiling::for_gpu`] asks for. Both defaults come first.
pub fn tilings(gpu: &Gpu) -> Vec<Tiling> {
    let mut all = vec![Tiling::Portable];
    if let Some(lanes @ 4..=16) = gpu.subgroup_size() {
        let fixed = |row_groups, part, column_vecs, deep, long| {
            let column_lanes = lanes / part;
            Tiling::Fixed(Tile::Subgroup { lanes, row_groups, column_lanes, column_vecs, deep, long })
        };
        all.push(Tiling::Software { lanes, long: false, deep: false });
        all.extend([
            fixed(3, 1, 1, false, false),
            fixed(4, 1, 2, false, false),
            fixed(1, 2, 1, false, false),
            fixed(1, 1, 1, true, false),
        ]);
        if gpu.has_64_bit_integers() {
            all.extend([
                Tiling::Software { lanes, long: true, deep: true },
                fixed(3, 1, 2, false, true),
                fixed(1, 1, 1, false, true),
                fixed(1, 4, 2, false, true),
                fixed(2, 1, 2, true, true),
                fixed(6, 2, 1, true, true),
            ]);
        }
    }
    // 64 x 64 is what wide products get anyway.
    let other = |t: &Tile| t.size() != (64, 64);
    all.extend(Tile::portable().into_iter().filter(other).map(Tiling::Fixed));
    all
}

/// The tilings on cooperative matrices of a device that was opened with them: the table's, and every tile.
pub fn cooperative(gpu: &Gpu) -> Vec<Tiling> {
    let Some(side) = gpu.cooperative_side() else { return vec![] };
    let lanes = gpu.likely_lanes()[0];
    let tiles = Tile::cooperative(side, lanes).into_iter().skip(1).map(Tiling::Fixed);
    std::iter::once(Tiling::Cooperative { side, lanes }).chain(tiles).collect()
}

/// Variants of products that this adapter does not offer, and why.
pub fn not_offered(gpu: &Gpu) -> Vec<(&'static str, String)> {
    let s = gpu.summary();
    let subgroups = format!("subgroups of {} to {} lanes", s.subgroup_min, s.subgroup_max);
    let mut all = vec![];
    if !matches!(gpu.subgroup_size(), Some(4..=16)) {
        all.push(("subgroup tiles", format!("they need subgroups of one size from 4 to 16; {subgroups}")));
    } else if !gpu.has_64_bit_integers() {
        all.push(("subgroup tiles of 64-bit integers", "no 64-bit integers in shaders".into()));
    }
    if s.cooperative_side.is_none() {
        all.push(("cooperative matrices, mixed precision", "no matrices of 16-bit floats".into()));
    }
    all
}

/// What a tiling is called in a table.
pub(super) fn name(tiling: &Tiling) -> String {
    match tiling {
        Tiling::Portable => "portable".into(),
        Tiling::Software { lanes, long, deep } => {
            let long = if *long { ", 64-bit" } else { "" };
            let deep = if *deep { ", deep" } else { "" };
            format!("software, {lanes} lanes{long}{deep}")
        }
        Tiling::Cooperative { side, .. } => format!("cooperative {side} x {side}"),
        Tiling::Fixed(tile) => tile.to_string(),
        Tiling::Measured { .. } => "measured".into(),
    }
}

/// The numbers, all in [-1, 1]; where the tiling rounds to 16-bit floats, multiples of 1/1024, of which nothing is left to
/// round.
pub fn exact(tiling: &Tiling, mut numbers: Vec<f32>) -> Vec<f32> {
    if matches!(tiling, Tiling::Cooperative { .. } | Tiling::Fixed(Tile::Cooperative { .. })) {
        numbers.iter_mut().for_each(|v| *v = (*v * 1024.0).round() / 1024.0);
    }
    numbers
}
