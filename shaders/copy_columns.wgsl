// The first `columns` columns of y [rows, y_width] = those of x [rows, x_width]; with ADD, they are added to y's.

struct Params { rows: u32, columns: u32, x_width: u32, y_width: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

#include "common/grid.wgsl"

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_group(group, groups) * ${WG}u + local;
    if (i >= p.rows * p.columns) {
        return;
    }
    let row = i / p.columns;
    let column = i % p.columns;
    let value = x[row * p.x_width + column];
#if ADD
    y[row * p.y_width + column] += value;
#else
    y[row * p.y_width + column] = value;
#endif
}
