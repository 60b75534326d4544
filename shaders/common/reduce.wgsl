// Sum over a workgroup of ${WG} invocations, a power of two, at least two, the same tree every time. `scratch` holds WG vec4.
// The last two are added by all invocations. Added by one, whose sum the others then read, some of Metal's compilers read it before the barrier:
// there a shared variable is an argument that aliases nothing (gfx-rs/wgpu 4500).
var<workgroup> scratch: array<vec4<f32>, ${WG}>;

fn workgroup_sum(local: u32, value: vec4<f32>) -> vec4<f32> {
    scratch[local] = value;
    for (var half = ${WG / 2}u; half > 1u; half /= 2u) {
        workgroupBarrier();
        if (local < half) {
            scratch[local] += scratch[local + half];
        }
    }
    workgroupBarrier();
    let total = scratch[0] + scratch[1];
    workgroupBarrier();
    return total;
}
