// dM of minibatch_discrimination.wgsl; e_ij = exp(-||M[i, b] - M[j, b]||_1), and both o[i] and o[j] hold it:
//   dM[i, b, c] = -1/n sum_j e_ij sign(M[i, b, c] - M[j, b, c]) (dy[i, A + b] + dy[j, A + b])
// M, dM [rows, B * DIMS], dy [rows, A + B]; rows start..start + count are the input.

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> m: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dm: array<f32>;

#include "common/grid.wgsl"
#include "common/minibatch_distance.wgsl"

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = linear_group(group, groups) * ${WG}u + local;
    if (at >= p.count * p.kernels) {
        return;
    }
    let row = p.start + at / p.kernels;
    let kernel = at % p.kernels;
    let width = p.features + p.kernels;
    let stride = p.kernels * ${DIMS}u;
    let own = row * stride + kernel * ${DIMS}u;
    let d = dy[row * width + p.features + kernel];
    var sum: array<f32, ${DIMS}>;
    for (var j = p.start; j < p.start + p.count; j++) {
        let other = j * stride + kernel * ${DIMS}u;
        let pull = exp(-distance_of(own, other)) * (d + dy[j * width + p.features + kernel]);
        for (var c = 0u; c < ${DIMS}u; c++) {
            sum[c] += pull * sign(m[own + c] - m[other + c]);
        }
    }
    for (var c = 0u; c < ${DIMS}u; c++) {
        dm[own + c] = -sum[c] / f32(p.count);
    }
}
