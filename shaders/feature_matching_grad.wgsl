// df [rows, F] = scale * diff [F] for the first `generated` rows, scale = 2 norm / generated; for the rows of real images
// from there on scale_real * diff, scale_real = -2 norm / real. Those are there only where batch norm joins the statistics,
// so that their features depend on G. Read as T; n counts those. ADD: to what df has.

struct Params { rows: u32, generated: u32, n: u32, scale: f32, scale_real: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> diff: array<${T}>;
@group(0) @binding(2) var<storage, read_write> df: array<${T}>;

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
    let d = select(p.scale_real, p.scale, row < p.generated) * diff[col];
#if ADD
    df[row * p.n + col] += d;
#else
    df[row * p.n + col] = d;
#endif
}
