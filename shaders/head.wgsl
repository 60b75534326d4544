// D's losses and their gradient, a row an invocation, everything from s = logsumexp(logits). D has a logit for each of the K classes,
// the class "generated" has the logit 0: with Z = sum_j exp(l_j) = exp(s), D(x) = Z / (Z + 1) = sigmoid(s).
//   labelled    s - l_y            d/dl_j = p_j - [j = y]
//   unlabelled  softplus(-s)       d/dl_j = -sigmoid(-s) p_j       (-log D); with one-sided label smoothing
//               a softplus(-s) + (1 - a) softplus(s), the cross entropy to the target a (section 3.4)
//   generated   softplus(s)        d/dl_j = sigmoid(s) p_j         (-log(1 - D))
// (Salimans et al. 2016, section 5.) And of the unlabelled rows, both times the state's ramp,
//   entropy     H = s - sum_j p_j l_j           d/dl_j = -p_j (l_j - s + H)     (Springenberg 2016, eq. 2)
//   consistency sum_j (p_j - q_j)^2, q the same image's prediction in the second view, under other noise
//                                               d/dl_j = 2 p_j (d_j - sum_k p_k d_k), d = p - q; of q alike
//                                               (Laine & Aila 2017, the pi-model)
// logits, dlogits [rows, k], the rows in the order generated, labelled, unlabelled, second view (none, or as many as
// unlabelled); labels [labelled]; row_stats [first + rows ..] = (loss, right, D, entropy), of the second view (squares, -, -, -).
// A row whose label is no class has neither loss nor gradient, and is not right.

struct Params {
    generated: u32, labelled: u32, unlabelled: u32, second: u32, k: u32,
    weight_generated: f32, weight_labelled: f32, weight_unlabelled: f32,
    real_target: f32,   // a
    weight_entropy: f32, weight_consistency: f32,
    first: u32,         // row of row_stats of the first row
}

#include "common/state.wgsl"

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> dlogits: array<f32>;
@group(0) @binding(4) var<storage, read_write> row_stats: array<vec4<f32>>;
@group(0) @binding(5) var<uniform> state: State;

#include "common/softmax.wgsl"

#include "common/grid.wgsl"

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row = linear_group(group, groups) * ${WG}u + local;
    let real = p.generated + p.labelled;
    if (row >= real + p.unlabelled + p.second) {
        return;
    }
    let first = row * p.k;
    let r = softmax(first);
    let s = r.s;
    let is_generated = row < p.generated;
    let is_labelled = !is_generated && row < real;
    let is_second = row >= real + p.unlabelled;
    let y = labels[select(0u, row - p.generated, is_labelled)];
    var factor = 0.0;   // dloss/ds without the label's own term
    var stats = vec4(0.0, 0.0, sigmoid(s), 0.0);
    var pull = 0.0;     // weights of the terms of unlabelled rows alone
    var spread = 0.0;
    if (is_generated) {
        stats.x = softplus(s);
        factor = sigmoid(s) * p.weight_generated;
    } else if (is_labelled) {
        let is_class = y < p.k;
        stats.x = select(0.0, s - logits[first + min(y, p.k - 1u)], is_class);
        stats.y = f32(r.best == y);
        factor = select(0.0, p.weight_labelled, is_class);
    } else {
        pull = select(0.0, state.ramp * p.weight_consistency, p.second > 0u);
        if (!is_second) {
            stats.x = p.real_target * softplus(-s) + (1.0 - p.real_target) * softplus(s);
            factor = ((1.0 - p.real_target) * sigmoid(s) - p.real_target * sigmoid(-s)) * p.weight_unlabelled;
            spread = state.ramp * p.weight_entropy;
        }
    }
    var partner = first;
    var q = r;
    if (!is_generated && !is_labelled && p.second > 0u) {
        partner = select(row + p.unlabelled, row - p.unlabelled, is_second) * p.k;
        q = softmax(partner);
    }
    // sum p_j l_j, sum p_k d_k and sum d_k^2 of a row without a partner: d = 0.
    var mean_logit = 0.0;
    var mean_difference = 0.0;
    var squares = 0.0;
    for (var j = 0u; j < p.k; j++) {
        let p_j = exp(logits[first + j] - r.top) / r.z;
        let d_j = p_j - exp(logits[partner + j] - q.top) / q.z;
        mean_logit += p_j * (logits[first + j] - s);
        mean_difference += p_j * d_j;
        squares += d_j * d_j;
    }
    for (var j = 0u; j < p.k; j++) {
        let p_j = exp(logits[first + j] - r.top) / r.z;
        let d_j = p_j - exp(logits[partner + j] - q.top) / q.z;
        var d = factor * p_j;
        d -= spread * p_j * (logits[first + j] - s - mean_logit);
        d += pull * 2.0 * p_j * (d_j - mean_difference);
        if (is_labelled && j == y) {
            d -= p.weight_labelled;
        }
        dlogits[first + j] = d;
    }
    stats.w = -mean_logit;
    if (is_second) {
        stats.x = squares;
    }
    row_stats[p.first + row] = stats;
}
