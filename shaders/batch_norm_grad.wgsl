// Batch norm's gradients for one group of rows that shared its statistics (Ioffe & Szegedy 2015):
//   dx = gamma / sqrt(var + eps) (dy - mean(dy) - xhat mean(dy xhat))
//      = gamma / sqrt(var + eps) (dy - mean(dy) - d cov(dy, x) / (var + eps)),   d = x - mean(x)
// The latter is what is computed: of a few rows the three terms nearly cancel (of two, all but eps / (var + eps) of dy), and
// deviations keep the digits that are left. The rounded mean of the statistics has a rest, the mean of c = x - mean.
// PASS 0: moments [3, cols] = mean(dy), cov(dy, x) / (var + eps), mean(c), from the chunks of column_reduce (MODE 2);
//         dgamma, dbeta [cols] are set by the first group and added to by the others (`add`).
// PASS 1: dx for `count` rows from row `start`.

struct Params { start: u32, count: u32, cols: u32, chunks: u32, add: u32, eps: f32 }

#include "common/grid.wgsl"

@group(0) @binding(0) var<uniform> p: Params;
#if PASS == 0
@group(0) @binding(1) var<storage, read> partial: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> variance: array<f32>;
@group(0) @binding(3) var<storage, read_write> moments: array<f32>;
#if SCALE
@group(0) @binding(4) var<storage, read_write> dgamma: array<f32>;
#endif
#if SHIFT
@group(0) @binding(5) var<storage, read_write> dbeta: array<f32>;
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
    var s = vec4<f32>();   // sum dy, sum dy c, sum c
    for (var c = 0u; c < p.chunks; c++) {
        s += partial[c * p.cols + col];
    }
    let n = f32(p.count);
    let covariance = s.y - s.x * (s.z / n);   // times n
    let var_eps = variance[col] + p.eps;
    moments[col] = s.x / n;
    moments[p.cols + col] = covariance / (n * var_eps);
    moments[2u * p.cols + col] = s.z / n;
#if SCALE
    dgamma[col] = select(0.0, dgamma[col], p.add == 1u) + covariance / sqrt(var_eps);
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
@group(0) @binding(5) var<storage, read> moments: array<${T}>;
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
    var scale = 1.0 / sqrt(variance[col] + p.eps);
#if SCALE
    scale *= gamma[col];
#endif
    let d = (x[at] - mean[col]) - moments[2u * cols + col];
    dx[at] = scale * ((dy[at] - moments[col]) - d * moments[cols + col]);
}
#endif
