// The second part of moment matching (Mroueh et al. 2017, "McGan", but in the Frobenius norm), after the first:
//   L_G += norm || C_generated - C_real ||^2, norm = 1/F or 1
// PASS 0: apart [F, F] = C_generated - C_real becomes the factor of the gradient, 4 norm apart; squares [F] are the sums of
//   its columns' squares before; a column an invocation.
// PASS 1: their sum to what metrics[slot] has as the loss of G; one workgroup.

struct Params {
    n: u32, norm: f32,
#if PASS == 1
    slots: u32,
#endif
}

@group(0) @binding(0) var<uniform> p: Params;

#if PASS == 0
@group(0) @binding(1) var<storage, read_write> apart: array<f32>;
@group(0) @binding(2) var<storage, read_write> squares: array<f32>;

#include "common/grid.wgsl"

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let col = linear_group(group, groups) * ${WG}u + local;
    if (col >= p.n) {
        return;
    }
    var sum = 0.0;
    for (var row = 0u; row < p.n; row++) {
        let at = row * p.n + col;
        let d = apart[at];
        apart[at] = 4.0 * p.norm * d;
        sum += d * d;
    }
    squares[col] = sum;
}
#else
#include "common/state.wgsl"
#include "common/metrics.wgsl"

@group(0) @binding(1) var<uniform> state: State;
@group(0) @binding(2) var<storage, read> squares: array<f32>;
@group(0) @binding(3) var<storage, read_write> metrics: array<f32>;

#include "common/reduce.wgsl"

@compute @workgroup_size(${WG})
fn main(@builtin(local_invocation_index) local: u32) {
    var sum = vec4<f32>();
    for (var i = local; i < p.n; i += ${WG}u) {
        sum.x += squares[i];
    }
    let total = workgroup_sum(local, sum);
    if (local == 0u) {
        let at = metrics_row() + LOSS_GENERATOR;
        metrics[at] += p.norm * total.x;
    }
}
#endif
