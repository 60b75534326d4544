// The step's row of the metrics ring [slots, 8] from row_stats [rows] of head.wgsl:
//   0 supervised loss, 1 labelled accuracy, 2 L_D, 3 unlabelled loss, 4 generated loss, (5 L_G),
//   6 mean D(x), 7 mean D(G(z)).  L_D = L_lab + w (L_unl + L_gen) / 2.

struct Params { generated: u32, labelled: u32, unlabelled: u32, weight: f32 }

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
    let generated = mean_rows(local, 0u, p.generated);
    let labelled = mean_rows(local, p.generated, p.labelled);
    let unlabelled = mean_rows(local, p.generated + p.labelled, p.unlabelled);
    if (local == 0u) {
        let at = state.slot * 8u;
        metrics[at] = labelled.x;
        metrics[at + 1u] = labelled.y;
        metrics[at + 2u] = labelled.x + p.weight * 0.5 * (unlabelled.x + generated.x);
        metrics[at + 3u] = unlabelled.x;
        metrics[at + 4u] = generated.x;
        metrics[at + 6u] = unlabelled.z;
        metrics[at + 7u] = generated.z;
    }
}
