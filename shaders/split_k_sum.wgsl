// out [rows, cols] = epilogue(sum over s of parts [splits, rows, cols], in order): the second pass of a GEMM split along K.
// BIAS, ACT: act(sum + bias [cols]). GRAD: sum act'(saved [rows, cols]).

struct Params { n: u32, cols: u32, splits: u32, slope: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> parts: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
#if BIAS
@group(0) @binding(3) var<storage, read> bias: array<f32>;
#endif
#if GRAD
@group(0) @binding(4) var<storage, read> saved: array<f32>;
#endif

#include "common/grid.wgsl"
#include "common/activation.wgsl"

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
    var sum = 0.0;
    for (var s = 0u; s < p.splits; s++) {
        sum += parts[s * p.n + i];
    }
#if BIAS
    sum += bias[i % p.cols];
#endif
#if GRAD
    out[i] = activate_backward(vec4(sum), vec4(saved[i]), p.slope).x;
#else
    out[i] = activate(vec4(sum), p.slope).x;
#endif
}
