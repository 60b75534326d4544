// The non-saturating loss of G (Goodfellow et al. 2014), everything from s = logsumexp(logits); D(x) = sigmoid(s) as in head.wgsl:
//   L_G = mean softplus(-s) = -mean log D(G(z))     d/dl_j = -sigmoid(-s) p_j / rows
// PASS 0: dlogits [rows, k] from logits [rows, k], and the loss of each row in losses [rows]; a row an invocation.
// PASS 1: their mean to the loss of G in metrics[slot]; one workgroup.

struct Params {
    rows: u32, k: u32,
#if PASS == 1
    slots: u32,
#endif
}

@group(0) @binding(0) var<uniform> p: Params;

#if PASS == 0
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> dlogits: array<f32>;
@group(0) @binding(3) var<storage, read_write> losses: array<f32>;

#include "common/grid.wgsl"
#include "common/softmax.wgsl"

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row = linear_group(group, groups) * ${WG}u + local;
    if (row >= p.rows) {
        return;
    }
    let first = row * p.k;
    let r = softmax(first);
    losses[row] = softplus(-r.s);
    let factor = -sigmoid(-r.s) / f32(p.rows);
    for (var j = 0u; j < p.k; j++) {
        dlogits[first + j] = factor * exp(logits[first + j] - r.top) / r.z;
    }
}
#else
#include "common/state.wgsl"
#include "common/metrics.wgsl"

@group(0) @binding(1) var<uniform> state: State;
@group(0) @binding(2) var<storage, read> losses: array<f32>;
@group(0) @binding(3) var<storage, read_write> metrics: array<f32>;

#include "common/reduce.wgsl"

@compute @workgroup_size(${WG})
fn main(@builtin(local_invocation_index) local: u32) {
    var sum = vec4<f32>();
    for (var row = local; row < p.rows; row += ${WG}u) {
        sum.x += losses[row];
    }
    let total = workgroup_sum(local, sum);
    if (local == 0u) {
        metrics[metrics_row() + LOSS_GENERATOR] = total.x / f32(p.rows);
    }
}
#endif
