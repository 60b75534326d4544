// Weights as the GEMMs read them, from the stored v [out, taps, in] (times scale [out] with weight norm):
//   forward [taps * in, out], and with BACKWARD backward [taps * out, in] for the data gradient.

struct Params { n: u32, out: u32, taps: u32, c: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> v: array<f32>;
@group(0) @binding(2) var<storage, read_write> forward: array<f32>;
#if BACKWARD
@group(0) @binding(3) var<storage, read_write> backward: array<f32>;
#endif
#if SCALE
@group(0) @binding(4) var<storage, read> scale: array<f32>;
#endif

#include "common/grid.wgsl"

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_group(group, groups) * ${WG}u + local;
    if (i >= p.n) {
        return;
    }
    let k = p.taps * p.c;
    let o = i / k;
    let at = i % k;
    var w = v[i];
#if SCALE
    w *= scale[o];
#endif
    forward[at * p.out + o] = w;
#if BACKWARD
    backward[(at / p.c * p.out + o) * p.c + at % p.c] = w;
#endif
}
