// dx = sum of the dy of the windows whose largest value was here, times act'(x) of the activation that made x
// (ACT). dy and tap [rows * oh * ow, c], x and dx [rows * h * w, c]; V as in max_pool2d.wgsl, which wrote `tap`.
//
// BLOCK: an invocation makes a block of STRIDE x STRIDE pixels, which lie in the same WINDOWS x WINDOWS windows: each dy and tap is
// read once for all of them. The text is unrolled, so that is for small windows. Else it makes one pixel.

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

fn store(i: u32, sum: ${T}) {
#if ACT
    dx[i] = activate_backward_lanes(sum, x[i], p.slope);
#else
    dx[i] = sum;
#endif
}

#if BLOCK
#define WINDOWS (KERNEL + STRIDE - 1) / STRIDE
// Blocks that hold the image and the padding above and to the left of it. Block (y, x) begins where window (y, x) does.
#define BLOCKS_Y (H + TOP + STRIDE - 1) / STRIDE
#define BLOCKS_X (W + LEFT + STRIDE - 1) / STRIDE
#endif

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_group(group, groups) * ${WG}u + local;
#if BLOCK
    if (i >= p.rows * ${BLOCKS_Y * BLOCKS_X * (C / V)}u) {
        return;
    }
    let at = place(i, ${BLOCKS_Y}u, ${BLOCKS_X}u);
    // Window (a, b) up and to the left of the block's own; below zero is, unsigned, beyond every end.
#for a in 0..WINDOWS
#for b in 0..WINDOWS
    let in${a}_${b} = (at.y - ${a}u < ${OH}u) & (at.x - ${b}u < ${OW}u);
    let o${a}_${b} = select(0u, output_at(at.row, at.y - ${a}u, at.x - ${b}u, at.channel), in${a}_${b});
    let dy${a}_${b} = select(${T}(0.0), dy[o${a}_${b}], in${a}_${b});
    let tap${a}_${b} = tap[o${a}_${b}];
#endfor
#endfor
#for r in 0..STRIDE
#for s in 0..STRIDE
    {
        let iy = at.y * ${STRIDE}u + ${r}u - ${TOP}u;
        let ix = at.x * ${STRIDE}u + ${s}u - ${LEFT}u;
        if ((iy < ${H}u) & (ix < ${W}u)) {
            // In the order of the windows in the image, the farthest first.
            var sum = ${T}(0.0);
#for j in 0..WINDOWS
#for k in 0..WINDOWS
#define A WINDOWS - 1 - j
#define B WINDOWS - 1 - k
#if r + A * STRIDE < KERNEL && s + B * STRIDE < KERNEL
            sum += select(${T}(0.0), dy${A}_${B}, tap${A}_${B} == Taps(${(r + A * STRIDE) * KERNEL + s + B * STRIDE}u));
#endif
#endfor
#endfor
            store(input_at(at.row, iy, ix, at.channel), sum);
        }
    }
#endfor
#endfor
#else
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
    store(i, sum);
#endif
}
