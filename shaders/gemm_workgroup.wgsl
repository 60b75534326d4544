// C [M, N] = epilogue(A [M, K] B [K, N]): the classic GPU tile. Blocks of A and B go through workgroup memory, so that
// each value is read from memory once per tile, and each invocation keeps its part of C in registers. Runs at
// WebGPU's default limits.
//
// Variant: TM x TN of C per workgroup, TALL x WIDE of it per invocation, KS steps of K at a time; the rest is
// common/gemm_blocks.wgsl's.

// Invocations side by side and above each other, vec4 columns of an invocation and of a tile.
#define TX TN / WIDE
#define TY TM / TALL
#define CV WIDE / 4
#define BV TN / 4
#define INVOCATIONS TX * TY
// Longer than the tile, so that 32 invocations, which write KS / 4 steps of K at a time, hit 32 different banks; not where A is read
// by columns, whose writes lie four apart.
#define AS TM + 32 / KS
#define STAGED "f32"
#define SCALED 0
#include "common/gemm_blocks.wgsl"

var<workgroup> tile_b: array<vec4<f32>, ${KS * BV}>;

@compute @workgroup_size(${INVOCATIONS})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let m0 = (p.first_row + group.y + group.z / p.z * groups.y) * ${TM}u;
    let n0 = group.x * ${TN}u;
    let z = p.first_z + group.z % p.z;
    let ends = ends_of(z);
    let tx = local % ${TX}u;
    let ty = local / ${TX}u;
#for i in 0..TALL
#for v in 0..CV
    var acc${i}_${v} = vec4<f32>();
#endfor
#endfor
    for (var k0 = ends.k_begin; k0 < ends.k; k0 += ${KS}u) {
        stage_a(local, m0, k0, ends, z);
        for (var e = local; e < ${KS * BV}u; e += ${INVOCATIONS}u) {
            tile_b[e] = load_b(k0 + e / ${BV}u, n0 + e % ${BV}u * 4u, ends.k, z);
        }
        workgroupBarrier();
#for kk in 0..KS
        {
#for v in 0..CV
            let b${v} = tile_b[${kk * BV + v * TX}u + tx];
#endfor
#for i in 0..TALL
            let a${i} = vec4(tile_a[${kk * AS + i}u + ty * ${TALL}u]);
#for v in 0..CV
            acc${i}_${v} = fma(a${i}, b${v}, acc${i}_${v});
#endfor
#endfor
        }
#endfor
        workgroupBarrier();
    }
#for i in 0..TALL
#for v in 0..CV
    store(m0 + ty * ${TALL}u + ${i}u, n0 + (tx + ${v * TX}u) * 4u, acc${i}_${v}, ends.m, z);
#endfor
#endfor
}
