// Mean and biased variance of each column from the chunks of column_reduce (MODE 1), combined pairwise as
// Chan, Golub & LeVeque 1983; with RUNNING the running averages follow (variance unbiased, as PyTorch).
//   mean, variance, running_mean, running_var [cols]; partial [chunks, cols]

struct Params { cols: u32, chunks: u32, chunk: u32, count: u32, momentum: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> partial: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> variance: array<f32>;
#if RUNNING
@group(0) @binding(4) var<storage, read_write> running_mean: array<f32>;
@group(0) @binding(5) var<storage, read_write> running_var: array<f32>;
#endif

#include "common/grid.wgsl"

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
    var mu = partial[col].x;
    var m2 = partial[col].y;
    var n = f32(min(p.chunk, p.count));
    for (var c = 1u; c < p.chunks; c++) {
        let nc = f32(min(p.chunk, p.count - c * p.chunk));
        let part = partial[c * p.cols + col];
        let delta = part.x - mu;
        let total = n + nc;
        mu += delta * (nc / total);
        m2 += part.y + delta * delta * (n * nc / total);
        n = total;
    }
    mean[col] = mu;
    variance[col] = m2 / n;
#if RUNNING
    running_mean[col] = (1.0 - p.momentum) * running_mean[col] + p.momentum * mu;
    running_var[col] = (1.0 - p.momentum) * running_var[col] + p.momentum * m2 / max(n - 1.0, 1.0);
#endif
}
