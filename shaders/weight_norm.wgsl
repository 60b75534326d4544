// Weight normalisation w = g v / ||v|| (Salimans & Kingma 2016, equation 2), an output a workgroup:
//   scale [out] = g / ||v||, inverse [out] = 1 / ||v||. v [out, k], read as T of V values, k counts those; g [out].

struct Params { out: u32, k: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> v: array<${T}>;
@group(0) @binding(2) var<storage, read> g: array<f32>;
@group(0) @binding(3) var<storage, read_write> scale: array<f32>;
@group(0) @binding(4) var<storage, read_write> inverse: array<f32>;

#include "common/grid.wgsl"
#include "common/reduce.wgsl"

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let o = linear_group(group, groups);
    if (o >= p.out) {
        return;
    }
    var sum = vec4<f32>();
    for (var i = local; i < p.k; i += ${WG}u) {
        let x = v[o * p.k + i];
#if V == 4
        sum += x * x;
#else
        sum.x += x * x;
#endif
    }
    let total = dot(workgroup_sum(local, sum), vec4(1.0));
    if (local == 0u) {
        let inv = 1.0 / sqrt(max(total, 1e-30));
        inverse[o] = inv;
        scale[o] = g[o] * inv;
    }
}
