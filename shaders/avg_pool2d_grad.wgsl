// dx = sum over the windows that hold a place of dy / (the window's places inside the image), times act'(x) of
// the activation that made x (ACT). dy [rows * oh * ow, c], x and dx [rows * h * w, c]; V as in avg_pool2d.wgsl.

struct Params { rows: u32, slope: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dy: array<${T}>;
@group(0) @binding(2) var<storage, read_write> dx: array<${T}>;
#if ACT
@group(0) @binding(3) var<storage, read> x: array<${T}>;
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
        let height = inputs_of(oy, ${TOP}u, ${H}u);
        for (var ox = xs.x; ox < xs.y; ox++) {
            let width = inputs_of(ox, ${LEFT}u, ${W}u);
            let places = (height.y - height.x) * (width.y - width.x);
            sum += dy[output_at(at.row, oy, ox, at.channel)] / f32(places);
        }
    }
#if ACT
    sum = activate_backward_lanes(sum, x[i], p.slope);
#endif
    dx[i] = sum;
}
