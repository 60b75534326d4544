// Gradients of w = g v / ||v|| (Salimans & Kingma 2016, equation 3), an output a workgroup:
//   dg = dw . v / ||v||      dv = g / ||v|| (dw - v (dw . v) / ||v||^2)
// dw, v, dv [out, k], read as T of V values, k counts those; scale, inverse [out] from weight_norm.wgsl; dg [out]
// with SCALE.

struct Params { out: u32, k: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dw: array<${T}>;
@group(0) @binding(2) var<storage, read> v: array<${T}>;
@group(0) @binding(3) var<storage, read> scale: array<f32>;
@group(0) @binding(4) var<storage, read> inverse: array<f32>;
@group(0) @binding(5) var<storage, read_write> dv: array<${T}>;
#if SCALE
@group(0) @binding(6) var<storage, read_write> dg: array<f32>;
#endif

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
    let first = o * p.k;
    var sum = vec4<f32>();
    for (var i = local; i < p.k; i += ${WG}u) {
#if V == 4
        sum += dw[first + i] * v[first + i];
#else
        sum.x += dw[first + i] * v[first + i];
#endif
    }
    let along = dot(workgroup_sum(local, sum), vec4(1.0)) * inverse[o];
    for (var i = local; i < p.k; i += ${WG}u) {
        dv[first + i] = scale[o] * (dw[first + i] - v[first + i] * (along * inverse[o]));
    }
#if SCALE
    if (local == 0u) {
        dg[o] = along;
    }
#endif
}
