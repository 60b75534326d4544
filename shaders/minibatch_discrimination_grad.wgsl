// dM of minibatch_discrimination.wgsl; e_ij = exp(-||M[i, b] - M[j, b]||_1), and both o[i] and o[j] hold it:
//   dM[i, b, c] = -1/n sum_j e_ij sign(M[i, b, c] - M[j, b, c]) (dy[i, A + b] + dy[j, A + b])
// M, dM [rows, B * DIMS], dy [rows, A + B]; rows start..start + count are the input.

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> m: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dm: array<f32>;

#include "common/grid.wgsl"
#include "common/minibatch_rows.wgsl"

fn dy_of(row: u32, kernel: u32) -> f32 {
    return dy[row_at(row) * (p.features + p.kernels) + p.features + kernel];
}

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
    let dy${r} = dy_of(row${r}, kernel);
#for c in 0..DIMS
    let own${r}_${c} = m[own${r} + ${c}u];
    var sum${r}_${c} = 0.0;
#endfor
#endfor
    for (var j = 0u; j < p.count; j += ${STEP}u) {
        let passing = j + ${PASSING};
        let read = values_at(passing, kernel);
        let read_dy = dy_of(passing, kernel);
#for c in 0..DIMS
        let read_${c} = select(FAR, m[read + ${c}u], passing < p.count);
#endfor
#for s in 0..STEP
        {
#if SG
            let other_dy = subgroupBroadcast(read_dy, ${s}u);
#else
            let other_dy = read_dy;
#endif
#for c in 0..DIMS
#if SG
            let other_${c} = subgroupBroadcast(read_${c}, ${s}u);
#else
            let other_${c} = read_${c};
#endif
#endfor
#for r in 0..R
            let pull${r} = (dy${r} + other_dy) * exp(-(
                0.0
#for c in 0..DIMS
                + abs(own${r}_${c} - other_${c})
#endfor
            ));
#for c in 0..DIMS
            sum${r}_${c} += pull${r} * sign(own${r}_${c} - other_${c});
#endfor
#endfor
        }
#endfor
    }
#for r in 0..R
    if (row${r} < p.count) {
#for c in 0..DIMS
        dm[own${r} + ${c}u] = -sum${r}_${c} / f32(p.count);
#endfor
    }
#endfor
}
