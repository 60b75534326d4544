// out [n] = x [n], times the moving average's bias correction with CORRECT.

struct Params { n4: u32 }

#include "common/state.wgsl"

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;
#if CORRECT
@group(0) @binding(3) var<uniform> state: State;
#endif

#include "common/grid.wgsl"

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
#if CORRECT
    out[i] = x[i] * state.ema_scale;
#else
    out[i] = x[i];
#endif
}
