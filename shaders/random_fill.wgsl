// y [n] = draws of a stream: NORMAL 0 uniform on [0, 1), 1 standard normal, 2 the raw 32-bit integers.

struct Params { n4: u32, stream: u32 }

#include "common/state.wgsl"

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<uniform> state: State;
#if NORMAL == 2
@group(0) @binding(2) var<storage, read_write> y: array<vec4<u32>>;
#else
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;
#endif

#include "common/grid.wgsl"
#include "common/random.wgsl"

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_group(group, groups) * ${WG}u + local;
    if (i >= p.n4) {
        return;
    }
    let bits = philox4x32(vec4(i, p.stream, state.step, 0u), vec2(state.seed_lo, state.seed_hi));
#if NORMAL == 0
    y[i] = unit4(bits);
#endif
#if NORMAL == 1
    y[i] = normal4(bits);
#endif
#if NORMAL == 2
    y[i] = bits;
#endif
}
