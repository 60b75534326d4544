// Minibatch discrimination (Salimans et al. 2016, section 3.2): how near each image of a minibatch is to the others,
// beside its features.
//   y[i, :A] = x[i],   y[i, A + b] = 1/n sum_j exp(-||M[i, b] - M[j, b]||_1),   j over the n rows of i's own input
// The paper sums; the mean lets minibatches of other sizes (100 labelled images, the test set) give numbers of the same
// size, and the next layer's weights absorb the factor. x [rows, A], M [rows, B * DIMS] = x T, y [rows, A + B]; rows
// start..start + count are the input. Distances are made anew in every pass, n^2 of them are never stored.

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> m: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

#include "common/grid.wgsl"
#include "common/minibatch_distance.wgsl"

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = linear_group(group, groups) * ${WG}u + local;
    let width = p.features + p.kernels;
    if (at >= p.count * width) {
        return;
    }
    let row = p.start + at / width;
    let column = at % width;
    if (column < p.features) {
        y[row * width + column] = x[row * p.features + column];
        return;
    }
    let stride = p.kernels * ${DIMS}u;
    let own = row * stride + (column - p.features) * ${DIMS}u;
    var sum = 0.0;
    for (var j = 0u; j < p.count; j++) {
        let other = (p.start + j) * stride + (column - p.features) * ${DIMS}u;
        sum += exp(-distance_of(own, other));
    }
    y[row * width + column] = sum / f32(p.count);
}
