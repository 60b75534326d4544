// The balance of predictions: that over a minibatch the classes are as frequent as one another (Krause et al. 2010;
// Springenberg 2016), p_ij the prediction for row i and q_j its mean over the n rows,
//   B = log K - H(q) = sum_j q_j log (K q_j)       dB/dl_ij = p_ij (log (K q_j) - sum_k p_ik log (K q_k)) / n
// (with K inside, what is near 0 is no difference of large numbers).
// PASS 0: predictions [n, k] of the rows of logits [rows, k] from `first` on; a row an invocation.
// PASS 1: logs [k], log (K q) of their mean q [k]; B to metrics[slot]; one workgroup.
// PASS 2: adds weight * ramp * dB/dl to dlogits [rows, k], weight that of the term / n; a row an invocation.

struct Params {
    k: u32,
#if PASS == 1
    slots: u32,
#else
    first: u32, n: u32,
#endif
#if PASS == 2
    weight: f32,
#endif
}

@group(0) @binding(0) var<uniform> p: Params;

#if PASS == 0
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> predictions: array<f32>;

#include "common/grid.wgsl"
#include "common/softmax.wgsl"

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row = linear_group(group, groups) * ${WG}u + local;
    if (row >= p.n) {
        return;
    }
    let first = (p.first + row) * p.k;
    let r = softmax(first);
    for (var j = 0u; j < p.k; j++) {
        predictions[row * p.k + j] = exp(logits[first + j] - r.top) / r.z;
    }
}
#endif

#if PASS == 1
#include "common/state.wgsl"
#include "common/metrics.wgsl"

@group(0) @binding(1) var<uniform> state: State;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> logs: array<f32>;
@group(0) @binding(4) var<storage, read_write> metrics: array<f32>;

#include "common/reduce.wgsl"

@compute @workgroup_size(${WG})
fn main(@builtin(local_invocation_index) local: u32) {
    var sum = vec4<f32>();
    for (var j = local; j < p.k; j += ${WG}u) {
        // Where no row has any share, the logarithm of the smallest normal number: it is multiplied with 0.
        let log_share = log(max(f32(p.k) * mean[j], 1.17549435e-38));
        logs[j] = log_share;
        sum.x += mean[j] * log_share;
    }
    let total = workgroup_sum(local, sum);
    if (local == 0u) {
        metrics[metrics_row() + LOSS_BALANCE] = total.x;
    }
}
#endif

#if PASS == 2
#include "common/state.wgsl"

@group(0) @binding(1) var<uniform> state: State;
@group(0) @binding(2) var<storage, read> predictions: array<f32>;
@group(0) @binding(3) var<storage, read> logs: array<f32>;
@group(0) @binding(4) var<storage, read_write> dlogits: array<f32>;

#include "common/grid.wgsl"

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row = linear_group(group, groups) * ${WG}u + local;
    if (row >= p.n) {
        return;
    }
    var expected = 0.0;
    for (var j = 0u; j < p.k; j++) {
        expected += predictions[row * p.k + j] * logs[j];
    }
    let pull = state.ramp * p.weight;
    for (var j = 0u; j < p.k; j++) {
        dlogits[(p.first + row) * p.k + j] += pull * predictions[row * p.k + j] * (logs[j] - expected);
    }
}
#endif
