// C [M, N] = epilogue(A [M, K] B [K, N]) on cooperative matrices (tensor cores, matrix cores): a subgroup multiplies
// SIDE x SIDE blocks as one. Blocks of A and B are rounded to f16 on their way through workgroup memory; accumulation is in
// f32.
//
// Gradients, which f16's range would lose, are multiplied by `scale_a` or `scale_b` before they are rounded, products
// by `unscale` before anything else happens to them.
//
// How many lanes a subgroup has is no part of the mathematics. The parts of C that subgroups make are dealt out by
// subgroup; where there are fewer subgroups than parts, all of it is done again for those that are left.
//
// Variant: TM x TN of C per workgroup, TALL x WIDE blocks of it per subgroup, KS steps of K at a time, LANES of the
// subgroups that the workgroup is made for; the rest is common/gemm_blocks.wgsl's.

enable f16;
enable wgpu_cooperative_matrix;

// Parts of C side by side, and in all.
#define PX TN / (WIDE * SIDE)
#define PARTS TM / (TALL * SIDE) * PX
#define INVOCATIONS PARTS * LANES
// Rows begin at multiples of 16 bytes, as loads of matrices ask for, and in different banks.
#define AS TM + 8
#define BS TN + 8
#define STAGED "f16"
#define SCALED 1
#define MATRIX "coop_mat8x8"
#if SIDE == 16
#define MATRIX "coop_mat16x16"
#endif
#include "common/gemm_blocks.wgsl"

var<workgroup> tile_b: array<f16, ${KS * BS}>;
// A block of C for each part, and one that all subgroups without a part write and nobody reads.
var<workgroup> blocks: array<f32, ${(PARTS + 1) * SIDE * SIDE}>;
var<workgroup> turns: u32;

@compute @workgroup_size(${INVOCATIONS})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(num_subgroups) subgroups: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_size) lanes: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let m0 = (p.first_row + group.y + group.z / p.z * groups.y) * ${TM}u;
    let n0 = group.x * ${TN}u;
    let z = p.first_z + group.z % p.z;
    let ends = ends_of(z);
    // The same number from all. Written by one alone, some of Metal's compilers read it before the barrier: there a shared
    // variable is an argument that aliases nothing (gfx-rs/wgpu 4500).
    turns = (${PARTS}u + subgroups - 1u) / subgroups;
    let last_turn = workgroupUniformLoad(&turns);
    for (var turn = 0u; turn < last_turn; turn++) {
        let part = min(turn * subgroups + subgroup, ${PARTS}u);
        // Rows and columns of the tile where the part begins.
        let row = part % ${PARTS}u / ${PX}u * ${TALL * SIDE}u;
        let column = part % ${PX}u * ${WIDE * SIDE}u;
#for i in 0..TALL
#for j in 0..WIDE
        var acc${i}_${j} = ${MATRIX}<f32, C>();
#endfor
#endfor
        for (var k0 = ends.k_begin; k0 < ends.k; k0 += ${KS}u) {
            stage_a(local, m0, k0, ends, z);
            for (var e = local; e < ${KS * TN / 4}u; e += ${INVOCATIONS}u) {
                let bk = e / ${TN / 4}u;
                let bn = e % ${TN / 4}u * 4u;
                let x = rounded(load_b(k0 + bk, n0 + bn, ends.k, z), p.scale_b);
#for j in 0..4
                tile_b[bk * ${BS}u + bn + ${j}u] = x[${j}];
#endfor
            }
            workgroupBarrier();
#for kk in 0..KS / SIDE
            {
#for j in 0..WIDE
                let b${j} = coopLoadT<${MATRIX}<f16, B>>(&tile_b[${kk * SIDE * BS + j * SIDE}u + column], ${BS}u);
#endfor
#for i in 0..TALL
                let a${i} = coopLoad<${MATRIX}<f16, A>>(&tile_a[${kk * SIDE * AS + i * SIDE}u + row], ${AS}u);
#for j in 0..WIDE
                acc${i}_${j} = coopMultiplyAdd(a${i}, b${j}, acc${i}_${j});
#endfor
#endfor
            }
#endfor
            workgroupBarrier();
        }
#for i in 0..TALL
#for j in 0..WIDE
        coopStoreT(acc${i}_${j}, &blocks[part * ${SIDE * SIDE}u], ${SIDE}u);
        workgroupBarrier();
        for (var e = lane * 4u; e < ${SIDE * SIDE}u && part < ${PARTS}u; e += lanes * 4u) {
            let at = part * ${SIDE * SIDE}u + e;
            let sum = vec4(blocks[at], blocks[at + 1u], blocks[at + 2u], blocks[at + 3u]) * p.unscale;
            store(m0 + row + ${i * SIDE}u + e / ${SIDE}u, n0 + column + ${j * SIDE}u + e % ${SIDE}u, sum, ends.m, z);
        }
        workgroupBarrier();
#endfor
#endfor
    }
}
