// y = mean of each window of x, over its places inside the image. x [rows * h * w, c], y [rows * oh * ow, c].
// V: values per invocation, 4 where the channels are a multiple of it.

struct Params { rows: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<${T}>;
@group(0) @binding(2) var<storage, read_write> y: array<${T}>;

#include "common/grid.wgsl"
#include "common/pool.wgsl"

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_group(group, groups) * ${WG}u + local;
    if (i >= p.rows * ${OH}u * ${OW}u * ${C / V}u) {
        return;
    }
    let out = place(i, ${OH}u, ${OW}u);
    let ys = inputs_of(out.y, ${TOP}u, ${H}u);
    let xs = inputs_of(out.x, ${LEFT}u, ${W}u);
    var sum = ${T}(0.0);
    for (var iy = ys.x; iy < ys.y; iy++) {
        for (var ix = xs.x; ix < xs.y; ix++) {
            sum += x[input_at(out.row, iy, ix, out.channel)];
        }
    }
    y[i] = sum / f32((ys.y - ys.x) * (xs.y - xs.x));
}
