// The step's row of the metrics ring [slots, METRICS], all but the loss of G and the balance of
// predictions (balance.wgsl), which where it has a weight is there before, from row_stats [rows] of head.wgsl.
//   L_D = L_lab + w (L_unl + L_gen) / 2 + ramp (entropy weight x entropy + consistency weight x consistency
//         + balance weight x balance).

struct Params {
    generated: u32, labelled: u32, unlabelled: u32, second: u32,
    weight: f32, entropy: f32, consistency: f32, balance: f32,
    slots: u32,
}

#include "common/state.wgsl"
#include "common/metrics.wgsl"

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
        let at = metrics_row();
        let balance = select(0.0, p.balance * metrics[at + LOSS_BALANCE], p.balance > 0.0);
        metrics[at + LOSS_SUPERVISED] = labelled.x;
        metrics[at + ACCURACY_LABELLED] = labelled.y;
        metrics[at + LOSS_DISCRIMINATOR] = labelled.x + p.weight * 0.5 * (unlabelled.x + generated.x)
            + state.ramp * (p.entropy * unlabelled.w + p.consistency * second.x + balance);
        metrics[at + LOSS_UNLABELLED] = unlabelled.x;
        metrics[at + LOSS_GENERATED] = generated.x;
        metrics[at + D_UNLABELLED] = unlabelled.z;
        metrics[at + D_GENERATED] = generated.z;
        metrics[at + ENTROPY_UNLABELLED] = unlabelled.w;
        metrics[at + LOSS_CONSISTENCY] = second.x;
    }
}
