// y [rows, cols] = mean over the `pixels` of x [rows * pixels, cols].

struct Params { rows: u32, pixels: u32, cols: u32 }

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
    if (i >= p.rows * p.cols) {
        return;
    }
    let first = (i / p.cols) * p.pixels * p.cols + i % p.cols;
    var sum = 0.0;
    for (var k = 0u; k < p.pixels; k++) {
        sum += x[first + k * p.cols];
    }
    y[i] = sum / f32(p.pixels);
}
