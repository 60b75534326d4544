// Each image moved by whole pixels, the same way in all channels, zeros coming in from outside:
//   y[r, i, j, c] = x[r, i - a, j - b, c],  (a, b) uniform on -most..most, one pair an image.
// INVERSE moves back: the backward pass, on dy. x, y [rows * height * width, channels]; an invocation does a
// line of pixels, or `length` of them, so that one draw serves many values.

struct Params { lines: u32, parts: u32, length: u32, height: u32, width: u32, channels: u32, stream: u32, most: u32 }

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
    let drawn = vec2<i32>(((bits.xy >> vec2(16u)) * (2u * p.most + 1u)) >> vec2(16u)) - i32(p.most);
#if INVERSE
    let shift = -drawn;
#else
    let shift = drawn;
#endif
    let i = i32(line % p.height) - shift.x;
    let inside = i >= 0 && i < i32(p.height);
    let pixels = i32(p.width);
    let line_at = (row * p.height + u32(max(i, 0))) * p.width;
    for (var j = i32(begin); j < i32(end); j++) {
        let k = j - shift.y;
        let there = inside && k >= 0 && k < pixels;
        let source = (line_at + u32(select(0, k, there))) * p.channels;
        let to = (line * p.width + u32(j)) * p.channels;
        for (var c = 0u; c < p.channels; c++) {
            y[to + c] = select(0.0, x[select(0u, source + c, there)], there);
        }
    }
}
