// The step's row of the metrics ring [slots, 10] from row_stats [rows] of head.wgsl:
//   0 supervised loss, 1 labelled accuracy, 2 L_D, 3 unlabelled loss, 4 generated loss, (5 L_G),
//   6 mean D(x), 7 mean D(G(z)), 8 entropy of unlabelled predictions, 9 consistency.
//   L_D = L_lab + w (L_unl + L_gen) / 2 + ramp (entropy weight x entropy + consistency weight x consistency).

struct Params {
    generated: u32, labelled: u32, unlabelled: u32, second: u32,
    weight: f32, entropy: f32, consistency: f32,
}

#include "common/state.wgsl"

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<uniform> state: State;
@group(0) @binding(2) var<storage, read> row_stats: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> metrics: array<f32>;

#include "common/reduce.wgsl"

fn mean_rows(local: u32, first: u32, count: u32) -> vec4<f32> {
    var sum = vec4<f32>();
    for (var i = local; i < count; i += ${WG}u) {
        sum += row_stats[first + i];
    }
    return workgroup_sum(local, sum) / f32(max(count, 1u));
}

@compute @workgroup_size(${WG})
fn main(@builtin(local_invocation_index) local: u32) {
    let real = p.generated + p.labelled;
    let generated = mean_rows(local, 0u, p.generated);
    let labelled = mean_rows(local, p.generated, p.labelled);
    let unlabelled = mean_rows(local, real, p.unlabelled);
    let second = mean_rows(local, real + p.unlabelled, p.second);
    if (local == 0u) {
        let at = state.slot * METRICS;
        metrics[at] = labelled.x;
        metrics[at + 1u] = labelled.y;
        metrics[at + 2u] = labelled.x + p.weight * 0.5 * (unlabelled.x + generated.x)
            + state.ramp * (p.entropy * unlabelled.w + p.consistency * second.x);
        metrics[at + 3u] = unlabelled.x;
        metrics[at + 4u] = generated.x;
        metrics[at + 6u] = unlabelled.z;
        metrics[at + 7u] = generated.z;
        metrics[at + 8u] = unlabelled.w;
        metrics[at + 9u] = second.x;
    }
}
