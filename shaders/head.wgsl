// D's losses and their gradient, a row an invocation, everything from s = logsumexp(logits):
//   labelled    s - l_y            d/dl_j = p_j - [j = y]
//   unlabelled  softplus(-s)       d/dl_j = -sigmoid(-s) p_j       (-log D); with one-sided label smoothing
//               a softplus(-s) + (1 - a) softplus(s), the cross entropy to the target a (section 3.4)
//   generated   softplus(s)        d/dl_j = sigmoid(s) p_j         (-log(1 - D))
// (Salimans et al. 2016, section 5.) logits, dlogits [rows, k], the rows in the order generated, labelled,
// unlabelled; labels [labelled]; row_stats [rows] = (loss, right, D, -).

struct Params {
    generated: u32, labelled: u32, unlabelled: u32, k: u32,
    weight_generated: f32, weight_labelled: f32, weight_unlabelled: f32,
    real_target: f32,   // a
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> dlogits: array<f32>;
@group(0) @binding(4) var<storage, read_write> row_stats: array<vec4<f32>>;

#include "common/softmax.wgsl"

@compute @workgroup_size(${WG})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let row = group.x * ${WG}u + local;
    if (row >= p.generated + p.labelled + p.unlabelled) {
        return;
    }
    let first = row * p.k;
    let r = softmax(first);
    let s = r.s;
    let is_generated = row < p.generated;
    let is_labelled = !is_generated && row < p.generated + p.labelled;
    let y = labels[select(0u, row - p.generated, is_labelled)];
    var factor = 0.0;   // dloss/ds without the label's own term
    var loss = 0.0;
    var right = 0.0;
    if (is_generated) {
        loss = softplus(s);
        factor = sigmoid(s) * p.weight_generated;
    } else if (is_labelled) {
        loss = s - logits[first + y];
        right = f32(r.best == y);
        factor = p.weight_labelled;
    } else {
        loss = p.real_target * softplus(-s) + (1.0 - p.real_target) * softplus(s);
        factor = ((1.0 - p.real_target) * sigmoid(s) - p.real_target * sigmoid(-s)) * p.weight_unlabelled;
    }
    for (var j = 0u; j < p.k; j++) {
        var d = factor * (exp(logits[first + j] - r.top) / r.z);
        if (is_labelled && j == y) {
            d -= p.weight_labelled;
        }
        dlogits[first + j] = d;
    }
    row_stats[row] = vec4(loss, right, sigmoid(s), 0.0);
}
