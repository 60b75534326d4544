// y = act(gamma (x - mean) / sqrt(var + eps) + beta) for `count` rows from row `start`; batch or running
// statistics, whichever are bound. x, y [rows, cols]; mean, variance, gamma, beta [cols].
// V: values per invocation, 4 where cols is a multiple of it.

struct Params { start: u32, count: u32, cols: u32, eps: f32, slope: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<${T}>;
@group(0) @binding(2) var<storage, read> mean: array<${T}>;
@group(0) @binding(3) var<storage, read> variance: array<${T}>;
@group(0) @binding(4) var<storage, read_write> y: array<${T}>;
#if SCALE
@group(0) @binding(5) var<storage, read> gamma: array<${T}>;
#endif
#if SHIFT
@group(0) @binding(6) var<storage, read> beta: array<${T}>;
#endif

#include "common/grid.wgsl"
#include "common/activation_lanes.wgsl"

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_group(group, groups) * ${WG}u + local;
    let cols = p.cols / ${V}u;
    if (i >= p.count * cols) {
        return;
    }
    let at = p.start * cols + i;
    let col = i % cols;
    var v = (x[at] - mean[col]) / sqrt(variance[col] + p.eps);
#if SCALE
    v *= gamma[col];
#endif
#if SHIFT
    v += beta[col];
#endif
    y[at] = activate_lanes(v, p.slope);
}
