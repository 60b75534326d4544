// y [rows, cols] = mean over the `pixels` of x [rows * pixels, cols]. Where they are more than an invocation may go over,
// sums over chunks of them come first, y [rows * chunks, cols], and then those are summed up in the same way.

struct Params { n: u32, pixels: u32, chunk: u32, cols: u32, divisor: f32 }

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
    if (i >= p.n) {
        return;
    }
    let chunks = (p.pixels + p.chunk - 1u) / p.chunk;
    let part = i / p.cols;
    let begin = part % chunks * p.chunk;
    let end = min(begin + p.chunk, p.pixels);
    let first = part / chunks * p.pixels * p.cols + i % p.cols;
    var sum = 0.0;
    for (var k = begin; k < end; k++) {
        sum += x[first + k * p.cols];
    }
    y[i] = sum / p.divisor;
}
