// Which images a minibatch takes: row i is element (position + i) of an endless walk through fresh
// permutations of 0..n, one per epoch of the stream. STREAM picks the walk: 0 labelled, 1 unlabelled of the
// D step, 2 unlabelled of the G step, 3 initialisation.
//   indices [rows] image numbers; POOL: pool [n] maps elements to images; LABELS: labels [rows] from pool_labels [n]

struct Params { rows: u32, n: u32, half_bits: u32, stream: u32 }

#include "common/state.wgsl"

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<uniform> state: State;
@group(0) @binding(2) var<storage, read_write> indices: array<u32>;
#if POOL
@group(0) @binding(3) var<storage, read> pool: array<u32>;
#endif
#if LABELS
@group(0) @binding(4) var<storage, read> pool_labels: array<u32>;
@group(0) @binding(5) var<storage, read_write> labels: array<u32>;
#endif

#include "common/permute.wgsl"

#include "common/grid.wgsl"

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_group(group, groups) * ${WG}u + local;
    if (i >= p.rows) {
        return;
    }
    let walk = state.position[${STREAM}] + i;
    let epoch = state.epoch[${STREAM}] + walk / p.n;
    let seed = vec2(state.seed_lo, state.seed_hi);
    let element = permute(seed, p.stream, epoch, walk % p.n, p.n, p.half_bits);
#if POOL
    indices[i] = pool[element];
#else
    indices[i] = element;
#endif
#if LABELS
    labels[i] = pool_labels[element];
#endif
}
