// Data-dependent initialisation (Salimans & Kingma 2016, section 3): with z = w x at the present g and b = 0 over up to 500
// images, g / std(z) and b = -mean(z) / std(z) give unit-variance, zero-mean outputs. From g = 1 it is theirs, and done
// again it changes nothing. An output that is the same for every image keeps its g.
//   mean, variance, g, bias [out]

struct Params { n: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> mean: array<f32>;
@group(0) @binding(2) var<storage, read> variance: array<f32>;
@group(0) @binding(3) var<storage, read_write> g: array<f32>;
#if BIAS
@group(0) @binding(4) var<storage, read_write> bias: array<f32>;
#endif

#include "common/grid.wgsl"

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let o = linear_group(group, groups) * ${WG}u + local;
    if (o >= p.n) {
        return;
    }
    // Rounding may leave a variance below 0. Its root is NaN, and not every compiler says that NaN is not larger.
    let deviation = sqrt(max(variance[o], 0.0));
    let scale = select(1.0, 1.0 / deviation, deviation >= 1e-8);
    g[o] *= scale;
#if BIAS
    bias[o] = -mean[o] * scale;
#endif
}
