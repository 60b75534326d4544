// Batch norm's gradients for one group of rows that shared its statistics (Ioffe & Szegedy 2015):
//   dx = gamma / sqrt(var + eps) (dy - sum(dy) / n - xhat sum(dy xhat) / n)
// PASS 0: sums [2, cols] from the chunks of column_reduce (MODE 2); dgamma, dbeta [cols] are set by the
//         first group and added to by the others (`add`).
// PASS 1: dx for `count` rows from row `start`; n = rows that the statistics were taken over.

struct Params { start: u32, count: u32, cols: u32, chunks: u32, add: u32, eps: f32, n: f32 }

#include "common/grid.wgsl"

@group(0) @binding(0) var<uniform> p: Params;
#if PASS == 0
@group(0) @binding(1) var<storage, read> partial: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;
#if SCALE
@group(0) @binding(3) var<storage, read_write> dgamma: array<f32>;
#endif
#if SHIFT
@group(0) @binding(4) var<storage, read_write> dbeta: array<f32>;
#endif

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let col = linear_group(group, groups) * ${WG}u + local;
    if (col >= p.cols) {
        return;
    }
    var s = vec2<f32>();
    for (var c = 0u; c < p.chunks; c++) {
        s += partial[c * p.cols + col];
    }
    sums[col] = s.x;
    sums[p.cols + col] = s.y;
#if SCALE
    dgamma[col] = select(0.0, dgamma[col], p.add == 1u) + s.y;
#endif
#if SHIFT
    dbeta[col] = select(0.0, dbeta[col], p.add == 1u) + s.x;
#endif
}
#else
@group(0) @binding(1) var<storage, read> x: array<${T}>;
@group(0) @binding(2) var<storage, read> dy: array<${T}>;
@group(0) @binding(3) var<storage, read> mean: array<${T}>;
@group(0) @binding(4) var<storage, read> variance: array<${T}>;
@group(0) @binding(5) var<storage, read> sums: array<${T}>;
@group(0) @binding(6) var<storage, read_write> dx: array<${T}>;
#if SCALE
@group(0) @binding(7) var<storage, read> gamma: array<${T}>;
#endif

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
    var inv = 1.0 / sqrt(variance[col] + p.eps);
    let xhat = (x[at] - mean[col]) * inv;
#if SCALE
    inv *= gamma[col];
#endif
    dx[at] = inv * (dy[at] - (sums[col] + xhat * sums[cols + col]) / p.n);
}
#endif
