// Sum over a workgroup of ${WG} invocations, the same tree every time. `scratch` holds WG vec4.
var<workgroup> scratch: array<vec4<f32>, ${WG}>;

fn workgroup_sum(local: u32, value: vec4<f32>) -> vec4<f32> {
    scratch[local] = value;
    for (var half = ${WG / 2}u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (local < half) {
            scratch[local] += scratch[local + half];
        }
    }
    workgroupBarrier();
    let total = scratch[0];
    workgroupBarrier();
    return total;
}
