// Cross entropy and prediction of each test row: losses [images] (s - l_y), confusion [k, k] counts with
// row = label. logits [rows, k]; row i is image position.w + i. One whose label is no class has no loss, and counts nowhere.

struct Params { rows: u32, k: u32, images: u32 }

#include "common/state.wgsl"

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<uniform> state: State;
@group(0) @binding(2) var<storage, read> logits: array<f32>;
@group(0) @binding(3) var<storage, read> labels: array<u32>;
@group(0) @binding(4) var<storage, read_write> losses: array<f32>;
@group(0) @binding(5) var<storage, read_write> confusion: array<atomic<u32>>;

#include "common/softmax.wgsl"

#include "common/grid.wgsl"

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row = linear_group(group, groups) * ${WG}u + local;
    let image = state.position.w + row;
    if (row >= p.rows || image >= p.images) {
        return;
    }
    let first = row * p.k;
    let y = labels[image];
    let r = softmax(first);
    if (y >= p.k) {
        losses[image] = 0.0;
        return;
    }
    losses[image] = r.s - logits[first + y];
    atomicAdd(&confusion[y * p.k + r.best], 1u);
}
