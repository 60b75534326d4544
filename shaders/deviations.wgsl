// Deviations of rows of two kinds from the means of their kind, and the same weighted, so that their product is a weighted sum
// of the kinds' scatter matrices:
//   y [rows, F] = f - mean of the row's kind     weighted [rows, F] = weight of the row's kind * y
//   y^T weighted [F, F] = C_first - C_others     with weight = 1 / first, weight_of_others = -1 / others
// The first kind's rows come first. Read as T; n counts those.

struct Params { rows: u32, first: u32, n: u32, weight: f32, weight_of_others: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> f: array<${T}>;
@group(0) @binding(2) var<storage, read> mean: array<${T}>;
@group(0) @binding(3) var<storage, read> mean_of_others: array<${T}>;
@group(0) @binding(4) var<storage, read_write> y: array<${T}>;
@group(0) @binding(5) var<storage, read_write> weighted: array<${T}>;

#include "common/grid.wgsl"

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let col = group.x * ${WG}u + local;
    let row = row_of_group(group, groups);
    if (col >= p.n || row >= p.rows) {
        return;
    }
    let is_first = row < p.first;
    let at = row * p.n + col;
    let d = f[at] - select(mean_of_others[col], mean[col], is_first);
    y[at] = d;
    weighted[at] = select(p.weight_of_others, p.weight, is_first) * d;
}
