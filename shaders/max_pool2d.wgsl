// y = the largest value of each window of x; TAP: and which place of the window it had, ky * kernel + kx, the
// first of equals. x [rows * h * w, c], y and tap [rows * oh * ow, c]. V: values per invocation, 4 where the
// channels are a multiple of it.

struct Params {
    rows: u32, h: u32, w: u32, c: u32, oh: u32, ow: u32,
    kernel: u32, stride: u32, pad_top: u32, pad_left: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<${T}>;
@group(0) @binding(2) var<storage, read_write> y: array<${T}>;
#if TAP
@group(0) @binding(3) var<storage, read_write> tap: array<Taps>;
#endif

#include "common/grid.wgsl"
#include "common/pool.wgsl"

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_group(group, groups) * ${WG}u + local;
    if (i >= p.rows * p.oh * p.ow * p.c) {
        return;
    }
    let out = place(i, p.oh, p.ow);
    let ys = inputs_of(out.y, p.pad_top, p.h);
    let xs = inputs_of(out.x, p.pad_left, p.w);
    var best = x[((out.row * p.h + ys.x) * p.w + xs.x) * p.c + out.channel];
    var found = Taps(0u);
    for (var iy = ys.x; iy < ys.y; iy++) {
        for (var ix = xs.x; ix < xs.y; ix++) {
            let value = x[((out.row * p.h + iy) * p.w + ix) * p.c + out.channel];
            // Counted from the first place inside the image: 0 is where the search starts.
            found = select(found, Taps((iy - ys.x) * p.kernel + ix - xs.x), value > best);
            best = max(best, value);
        }
    }
    y[i] = best;
#if TAP
    // From the window's corner, which may lie in the padding.
    let ky = ys.x + p.pad_top - out.y * p.stride;
    let kx = xs.x + p.pad_left - out.x * p.stride;
    tap[i] = found + Taps(ky * p.kernel + kx);
#endif
}
