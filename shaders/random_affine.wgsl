// Each image under an affine map of its own, drawn anew each step, read between the pixels; zeros come in from outside:
//   y[r, o, c] = sum_k T(s(o) - k) x[r, k, c],  s(o) = A (o - m) + m - t,  T(u) = max(0, 1 - |u_1|) max(0, 1 - |u_2|)
// with o, k = (row, column) of a pixel and m the middle of the image. A = I + warp U, t = shift u, all six numbers of U
// and u uniform on [-1, 1), one set an image.
// GRAD: dx[r, k, c] = sum_o T(s(o) - k) dy[r, o, c], where x is dy and y is dx; of the pixels o those are looked at whose
// s(o) can be within one pixel of k. x, y [rows * height * width, channels]; an invocation does a line of pixels, or
// `length` of them, so that one draw serves many values.

struct Params {
    lines: u32, parts: u32, length: u32, height: u32, width: u32, channels: u32, stream: u32,
    shift: f32, warp: f32,
}

#include "common/state.wgsl"

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<uniform> state: State;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

#include "common/grid.wgsl"
#include "common/philox.wgsl"

// Eight numbers of [-1, 1) from two blocks, as far as they are used.
fn draw(row: u32, part: u32) -> vec4<f32> {
    let bits = philox4x32(vec4(2u * row + part, p.stream, state.step, 0u), vec2(state.seed_lo, state.seed_hi));
    return 2.0 * vec4<f32>(bits >> vec4(8u)) * (1.0 / 16777216.0) - 1.0;
}

fn tent(u: vec2<f32>) -> f32 {
    let near = max(vec2(0.0), 1.0 - abs(u));
    return near.x * near.y;
}

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
    let entries = p.warp * draw(row, 0u);
    let a = mat2x2<f32>(vec2(1.0 + entries.x, entries.z), vec2(entries.y, 1.0 + entries.w));   // by columns
    let size = vec2(i32(p.height), i32(p.width));
    let middle = 0.5 * vec2<f32>(size - 1);
    let offset = middle - p.shift * draw(row, 1u).xy;   // s(o) = a (o - middle) + offset
    let image = row * p.height * p.width;
#if GRAD
    let determinant = a[0].x * a[1].y - a[1].x * a[0].y;
    let inverse = mat2x2<f32>(vec2(a[1].y, -a[0].y), vec2(-a[1].x, a[0].x)) * (1.0 / determinant);
    let reach = abs(inverse[0]) + abs(inverse[1]);
#endif
    for (var j = begin; j < end; j++) {
        let here = vec2(f32(line % p.height), f32(j));
        let to = (line * p.width + j) * p.channels;
#if GRAD
        let around = inverse * (here - offset) + middle;
        let first = clamp(vec2<i32>(ceil(around - reach)), vec2(0), size);
        let last = clamp(vec2<i32>(floor(around + reach)), vec2(-1), size - 1);
#else
        let source = a * (here - middle) + offset;
        let first = clamp(vec2<i32>(floor(source)), vec2(0), size);
        let last = clamp(vec2<i32>(floor(source)) + 1, vec2(-1), size - 1);
#endif
        for (var c = 0u; c < p.channels; c++) {
            var sum = 0.0;
            for (var k = first.x; k <= last.x; k++) {
                for (var l = first.y; l <= last.y; l++) {
                    let other = vec2(f32(k), f32(l));
#if GRAD
                    let weight = tent(a * (other - middle) + offset - here);
#else
                    let weight = tent(source - other);
#endif
                    sum += weight * x[(image + u32(k) * p.width + u32(l)) * p.channels + c];
                }
            }
            y[to + c] = sum;
        }
    }
}
