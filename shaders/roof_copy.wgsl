// y = x, PER vec4 an invocation: the memory traffic that WGSL can reach. x, y [n].

struct Params { n4: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

#include "common/grid.wgsl"

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    // Neighbouring invocations take neighbouring vec4 in every round.
    let first = linear_group(group, groups) * ${WG * PER}u + local;
#for k in 0..PER
    if (first + ${k * WG}u < p.n4) {
        y[first + ${k * WG}u] = x[first + ${k * WG}u];
    }
#endfor
}
