// dx = sum of the dy of the windows whose largest value was here, times act'(x) of the activation that made x
// (ACT). dy and tap [rows * oh * ow, c], x and dx [rows * h * w, c]; V as in max_pool2d.wgsl, which wrote `tap`.

struct Params {
    rows: u32, h: u32, w: u32, c: u32, oh: u32, ow: u32,
    kernel: u32, stride: u32, pad_top: u32, pad_left: u32, slope: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dy: array<${T}>;
@group(0) @binding(2) var<storage, read> tap: array<Taps>;
@group(0) @binding(3) var<storage, read_write> dx: array<${T}>;
#if ACT
@group(0) @binding(4) var<storage, read> x: array<${T}>;
#endif

#include "common/grid.wgsl"
#include "common/pool.wgsl"
#include "common/activation.wgsl"

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_group(group, groups) * ${WG}u + local;
    if (i >= p.rows * p.h * p.w * p.c) {
        return;
    }
    let at = place(i, p.h, p.w);
    let ys = outputs_of(at.y, p.pad_top, p.oh);
    let xs = outputs_of(at.x, p.pad_left, p.ow);
    var sum = ${T}(0.0);
    for (var oy = ys.x; oy < ys.y; oy++) {
        for (var ox = xs.x; ox < xs.y; ox++) {
            let o = ((at.row * p.oh + oy) * p.ow + ox) * p.c + at.channel;
            let ky = at.y + p.pad_top - oy * p.stride;
            let kx = at.x + p.pad_left - ox * p.stride;
            sum += select(${T}(0.0), dy[o], tap[o] == Taps(ky * p.kernel + kx));
        }
    }
#if ACT && V == 4
    sum *= activate_grad(x[i], p.slope);
#endif
#if ACT && V == 1
    sum *= activate_grad(vec4(x[i]), p.slope).x;
#endif
    dx[i] = sum;
}
