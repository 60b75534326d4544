// Minibatch discrimination (Salimans et al. 2016, section 3.2): how near each image of a minibatch is to the others,
// beside its features, which are copied before.
//   y[i, A + b] = 1/n sum_j exp(-||M[i, b] - M[j, b]||_1),   j over the n rows of i's own input
// The paper sums; the mean lets minibatches of other sizes (100 labelled images, the test set) give numbers of the same
// size, and the next layer's weights absorb the factor. M [rows, B * DIMS] = x T, y [rows, A + B]; rows
// start..start + count are the input. Distances are made anew in every pass, n^2 of them are never stored.

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> m: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

#include "common/grid.wgsl"
#include "common/minibatch_rows.wgsl"

@compute @workgroup_size(${LANES})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
#if SG
    @builtin(subgroup_invocation_id) lane: u32,
#else
    @builtin(local_invocation_index) lane: u32,
#endif
) {
    let at = linear_group(group, groups);
    let kernel = at % p.kernels;
    let block = at / p.kernels;
    if (block * ${LANES * R}u >= p.count) {
        return;
    }
#for r in 0..R
    let row${r} = (block * ${R}u + ${r}u) * ${LANES}u + lane;
    let own${r} = values_at(row${r}, kernel);
#for c in 0..DIMS
    let own${r}_${c} = m[own${r} + ${c}u];
#endfor
    var sum${r} = 0.0;
#endfor
    for (var j = 0u; j < p.count; j += ${STEP}u) {
        let passing = j + ${PASSING};
        let read = values_at(passing, kernel);
#for c in 0..DIMS
        let read_${c} = select(FAR, m[read + ${c}u], passing < p.count);
#endfor
#for s in 0..STEP
        {
#for c in 0..DIMS
#if SG
            let other_${c} = subgroupBroadcast(read_${c}, ${s}u);
#else
            let other_${c} = read_${c};
#endif
#endfor
#for r in 0..R
            sum${r} += exp(-(
                0.0
#for c in 0..DIMS
                + abs(own${r}_${c} - other_${c})
#endfor
            ));
#endfor
        }
#endfor
    }
#for r in 0..R
    if (row${r} < p.count) {
        y[(p.start + row${r}) * (p.features + p.kernels) + p.features + kernel] = sum${r} / f32(p.count);
    }
#endfor
}
