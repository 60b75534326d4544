// L_G = norm * || mean f(G(z)) - mean f(x) ||^2 (Salimans et al. 2016, section 3.1), norm = 1/F or 1.
//   generated, real [F] feature means; diff [F] = generated - real; the loss goes to metrics[slot][LOSS_GENERATOR]

struct Params { n: u32, norm: f32, slots: u32 }

#include "common/state.wgsl"
#include "common/metrics.wgsl"

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<uniform> state: State;
@group(0) @binding(2) var<storage, read> generated: array<f32>;
@group(0) @binding(3) var<storage, read> real: array<f32>;
@group(0) @binding(4) var<storage, read_write> diff: array<f32>;
@group(0) @binding(5) var<storage, read_write> metrics: array<f32>;

#include "common/reduce.wgsl"

@compute @workgroup_size(${WG})
fn main(@builtin(local_invocation_index) local: u32) {
    var sum = vec4<f32>();
    for (var i = local; i < p.n; i += ${WG}u) {
        let d = generated[i] - real[i];
        diff[i] = d;
        sum.x += d * d;
    }
    let total = workgroup_sum(local, sum);
    if (local == 0u) {
        metrics[metrics_row() + LOSS_GENERATOR] = p.norm * total.x;
    }
}
