// Each image mirrored with probability 1/2, left to right, the same way in all channels:
//   y[r, i, j, c] = x[r, i, f ? width - 1 - j : j, c],  f one draw an image.
// A mirror image mirrored is the image: the backward pass is the same, on dy. x, y [rows * height * width, channels]; an
// invocation does a line of pixels, or `length` of them, so that one draw serves many values.

struct Params { lines: u32, parts: u32, length: u32, height: u32, width: u32, channels: u32, stream: u32 }

#include "common/state.wgsl"

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<uniform> state: State;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

#include "common/grid.wgsl"
#include "common/philox.wgsl"

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let part = linear_group(group, groups) * ${WG}u + local;
    if (part >= p.lines * p.parts) {
        return;
    }
    let line = part / p.parts;
    let begin = part % p.parts * p.length;
    let end = min(begin + p.length, p.width);
    let row = line / p.height;
    let bits = philox4x32(vec4(row, p.stream, state.step, 0u), vec2(state.seed_lo, state.seed_hi));
    let mirrored = (bits.x >> 31u) == 1u;
    for (var j = begin; j < end; j++) {
        let source = (line * p.width + select(j, p.width - 1u - j, mirrored)) * p.channels;
        let to = (line * p.width + j) * p.channels;
        for (var c = 0u; c < p.channels; c++) {
            y[to + c] = x[source + c];
        }
    }
}
