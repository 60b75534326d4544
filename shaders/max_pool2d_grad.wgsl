// dx = sum of the dy of the windows whose largest value was here, times act'(x) of the activation that made x
// (ACT). dy and tap [rows * oh * ow, c], x and dx [rows * h * w, c]; V as in max_pool2d.wgsl, which wrote `tap`.

struct Params { rows: u32, slope: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dy: array<${T}>;
@group(0) @binding(2) var<storage, read> tap: array<Taps>;
@group(0) @binding(3) var<storage, read_write> dx: array<${T}>;
#if ACT
@group(0) @binding(4) var<storage, read> x: array<${T}>;
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
    if (i >= p.rows * ${H}u * ${W}u * ${C / V}u) {
        return;
    }
    let at = place(i, ${H}u, ${W}u);
    let ys = outputs_of(at.y, ${TOP}u, ${OH}u);
    let xs = outputs_of(at.x, ${LEFT}u, ${OW}u);
    var sum = ${T}(0.0);
    for (var oy = ys.x; oy < ys.y; oy++) {
        for (var ox = xs.x; ox < xs.y; ox++) {
            let o = output_at(at.row, oy, ox, at.channel);
            let ky = at.y + ${TOP}u - oy * ${STRIDE}u;
            let kx = at.x + ${LEFT}u - ox * ${STRIDE}u;
            sum += select(${T}(0.0), dy[o], tap[o] == Taps(ky * ${KERNEL}u + kx));
        }
    }
#if ACT
    sum = activate_backward_lanes(sum, x[i], p.slope);
#endif
    dx[i] = sum;
}
