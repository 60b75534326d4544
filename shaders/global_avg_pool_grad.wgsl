// dx [rows * pixels, cols] = dy [rows, cols] / pixels.

struct Params { rows: u32, pixels: u32, cols: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;

#include "common/grid.wgsl"

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_group(group, groups) * ${WG}u + local;
    if (i >= p.rows * p.pixels * p.cols) {
        return;
    }
    dx[i] = dy[i / (p.pixels * p.cols) * p.cols + i % p.cols] / f32(p.pixels);
}
