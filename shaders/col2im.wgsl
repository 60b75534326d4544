// dx = sum over the windows that hold a pixel of their column matrix's values for it. The second half of a convolution's
// data gradient where the image has few channels; GRAD: times act'(x) of the activation that made x. And of a transposed
// convolution: act(sum + bias), BIAS: there is one.
// columns [rows * oh * ow, kernel * kernel * c], x and dx [rows * h * w, c], bias [c].

struct Params { rows: u32, slope: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> columns: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
#if GRAD
@group(0) @binding(3) var<storage, read> x: array<f32>;
#endif
#if BIAS
@group(0) @binding(3) var<storage, read> bias: array<f32>;
#endif

#include "common/grid.wgsl"
#include "common/pool.wgsl"
#include "common/activation_lanes.wgsl"

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_group(group, groups) * ${WG}u + local;
    if (i >= p.rows * ${H}u * ${W}u * ${C}u) {
        return;
    }
    let at = place(i, ${H}u, ${W}u);
    let ys = outputs_of(at.y, ${TOP}u, ${OH}u);
    let xs = outputs_of(at.x, ${LEFT}u, ${OW}u);
    var sum = 0.0;
    for (var oy = ys.x; oy < ys.y; oy++) {
        let ky = at.y + ${TOP}u - oy * ${STRIDE}u;
        for (var ox = xs.x; ox < xs.y; ox++) {
            let kx = at.x + ${LEFT}u - ox * ${STRIDE}u;
            let window = (at.row * ${OH}u + oy) * ${OW}u + ox;
            sum += columns[(window * ${KERNEL * KERNEL}u + ky * ${KERNEL}u + kx) * ${C}u + at.channel];
        }
    }
#if BIAS
    sum += bias[at.channel];
#endif
#if GRAD
    dx[i] = activate_backward_lanes(sum, x[i], p.slope);
#else
    dx[i] = activate_lanes(sum, p.slope);
#endif
}
