// y = the largest value of each window of x; TAP: and which place of the window it had, ky * kernel + kx, the
// first of equals. x [rows * h * w, c], y and tap [rows * oh * ow, c]. V: values per invocation, 4 where the
// channels are a multiple of it. INSIDE: all windows lie in the image and are small; the text has a line for each of their places.

struct Params { rows: u32 }

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
    if (i >= p.rows * ${OH}u * ${OW}u * ${C / V}u) {
        return;
    }
    let out = place(i, ${OH}u, ${OW}u);
#if INSIDE
    let corner = input_at(out.row, out.y * ${STRIDE}u, out.x * ${STRIDE}u, out.channel);
    var best = x[corner];
    var found = Taps(0u);
#for n in 1..KERNEL * KERNEL
    let value${n} = x[corner + ${(n / KERNEL * W + n % KERNEL) * (C / V)}u];
#endfor
#for n in 1..KERNEL * KERNEL
    found = select(found, Taps(${n}u), value${n} > best);
    best = max(best, value${n});
#endfor
#else
    let ys = inputs_of(out.y, ${TOP}u, ${H}u);
    let xs = inputs_of(out.x, ${LEFT}u, ${W}u);
    // The first place inside the image; the window's corner may lie in the padding.
    let first = (ys.x + ${TOP}u - out.y * ${STRIDE}u) * ${KERNEL}u + xs.x + ${LEFT}u - out.x * ${STRIDE}u;
    var best = x[input_at(out.row, ys.x, xs.x, out.channel)];
    var found = Taps(first);
    for (var iy = ys.x; iy < ys.y; iy++) {
        for (var ix = xs.x; ix < xs.y; ix++) {
            let value = x[input_at(out.row, iy, ix, out.channel)];
            found = select(found, Taps(first + (iy - ys.x) * ${KERNEL}u + ix - xs.x), value > best);
            best = max(best, value);
        }
    }
#endif
    y[i] = best;
#if TAP
    tap[i] = found;
#endif
}
