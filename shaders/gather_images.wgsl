// x [start + row, pixels] = images[indices[row]] / 255, bytes unpacked, for the rows whose image is among the `count` from
// number `first` on, which this buffer holds. SEQUENCE: rows position.w onwards in order instead of `indices` (evaluation).
// V: 4 where an image is a multiple of 4 bytes.

struct Params { rows: u32, start: u32, pixels: u32, first: u32, count: u32 }

#include "common/state.wgsl"

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> images: array<u32>;
@group(0) @binding(2) var<storage, read_write> x: array<${T}>;
#if SEQUENCE
@group(0) @binding(3) var<uniform> state: State;
#else
@group(0) @binding(3) var<storage, read> indices: array<u32>;
#endif

#include "common/grid.wgsl"

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_group(group, groups) * ${WG}u + local;
    let width = p.pixels / ${V}u;
    if (i >= p.rows * width) {
        return;
    }
    let row = i / width;
#if SEQUENCE
    let image = state.position.w + row - p.first;
#else
    let image = indices[row] - p.first;
#endif
    // A smaller number than `first` wraps to a large one.
    if (image >= p.count) {
        return;
    }
    let at = image * width + i % width;
#if V == 4
    x[p.start * width + i] = vec4<f32>((vec4(images[at]) >> vec4(0u, 8u, 16u, 24u)) & vec4(255u)) / 255.0;
#else
    x[p.start * width + i] = f32((images[at / 4u] >> (8u * (at % 4u))) & 255u) / 255.0;
#endif
}
