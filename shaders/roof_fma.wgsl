// ACC independent chains of vec4 multiply-adds an invocation, 8 to a round: the arithmetic that WGSL can reach.
// Chain k of invocation i starts at (i % 64 + k) / 64 in all four values and goes v <- v a + b; y [n, 4] is the sum
// of the chains.

struct Params { n: u32, rounds: u32, a: f32, b: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

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
    let a = vec4(p.a);
    let b = vec4(p.b);
#for k in 0..ACC
    var v${k} = vec4(f32(i % 64u + ${k}u) / 64.0);
#endfor
    for (var round = 0u; round < p.rounds; round++) {
#for step in 0..8
#for k in 0..ACC
        v${k} = fma(v${k}, a, b);
#endfor
#endfor
    }
    var sum = vec4<f32>();
#for k in 0..ACC
    sum += v${k};
#endfor
    y[i] = sum;
}
