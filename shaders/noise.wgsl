// y = x + sigma n, n standard normal. x, y [n].

struct Params { n4: u32, stream: u32, sigma: f32 }

#include "common/state.wgsl"

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<uniform> state: State;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

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
    y[i] = x[i] + p.sigma * normal4(bits);
}
