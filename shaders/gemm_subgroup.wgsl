// C [M, N] = epilogue(A [M, K] B [K, N]), one subgroup per workgroup, no barriers.
//
// Each lane holds other rows of A and other columns of B; a row's value reaches the other lanes by
// subgroupBroadcast. On llvmpipe a load costs about 6 instructions per lane and component, a broadcast
// from a constant lane two, and barriers are coroutine switches: few loads, many multiply-adds per load.
// The rows are the outer loop of the unrolled block, so that each accumulator takes its four k-steps in
// a row: the compiler spills in the order of the text.
//
// Variant: SG lanes; RG groups of SG rows (A row-wise) or of 4 SG rows (A column-wise), CV vec4 columns
// per lane. A, B: address modes of common/operands.wgsl. VA, VB, VC: vec4 access of A, B, C.
// BIAS, ACT: y = act(acc + bias). GRAD: y = acc * act'(saved). SPLIT: K in chunks, one per z.
// THIN: N <= 4, as for gradients into images: no columns to spread over lanes, each lane keeps its rows.

struct Params {
    m: u32, n: u32, k: u32,
    k_chunk: u32,
    z: u32,          // chunks of K or classes of pixels; the grid folds rows of tiles over z beyond them
    // convolution: x [rows, h, w, c], y [rows, oh, ow, oc]
    h: u32, w: u32, c: u32,
    oh: u32, ow: u32, oc: u32,
    kernel: u32, stride: u32, pad_top: u32, pad_left: u32,
    slope: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
#if VA
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
#else
@group(0) @binding(1) var<storage, read> a: array<f32>;
#endif
#if VB
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
#else
@group(0) @binding(2) var<storage, read> b: array<f32>;
#endif
#if VC
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;
#else
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
#endif
#if BIAS
@group(0) @binding(4) var<storage, read> bias: array<f32>;
#endif
#if GRAD
#if VC
@group(0) @binding(5) var<storage, read> saved: array<vec4<f32>>;
#else
@group(0) @binding(5) var<storage, read> saved: array<f32>;
#endif
#endif

#include "common/activation.wgsl"
#if A == 3
#include "common/operands.wgsl"
#endif
#if A == 1
#define ROWS RG * SG * 4
#else
#define ROWS RG * SG
#endif
#define COLS CV * SG * 4

@compute @workgroup_size(${SG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let m0 = (group.y + group.z / p.z * groups.y) * ${ROWS}u;
    let n0 = group.x * ${COLS}u;
    let z = group.z % p.z;
#if A == 3
    let cls = class_of(z);
    let m_end = (p.m / (p.h * p.w)) * cls.height * cls.width;
#else
    let m_end = p.m;
#endif
    if (m0 >= m_end) {
        return;
    }
#if THIN
#for g in 0..RG
    var acc${g} = vec4<f32>();
#endfor
    // All lanes read the same elements of B.
#define CV 1
    let col0 = 0u;
#for j in 0..4
    let bcol0_${j} = min(${j}u, p.n - 1u);
#endfor
#else
#for r in 0..ROWS
#for v in 0..CV
    var acc${r}_${v} = vec4<f32>();
#endfor
#endfor

    // Columns of this lane. Those beyond N read column N - 1 and are not stored.
#for v in 0..CV
    let col${v} = n0 + (${v}u * ${SG}u + lane) * 4u;
#if B == 0
#if VB
    let bcol${v} = min(col${v}, p.n - 4u) / 4u;
#else
#for j in 0..4
    let bcol${v}_${j} = min(col${v} + ${j}u, p.n - 1u);
#endfor
#endif
#endif
#if B == 1
#if VB
    let btc${v} = min(col${v}, p.n - 4u);
    let bc${v} = btc${v} % p.c;
    let bky${v} = i32(btc${v} / p.c / p.kernel) - i32(p.pad_top);
    let bkx${v} = i32(btc${v} / p.c % p.kernel) - i32(p.pad_left);
#else
#for j in 0..4
    let btc${v}_${j} = min(col${v} + ${j}u, p.n - 1u);
    let bc${v}_${j} = btc${v}_${j} % p.c;
    let bky${v}_${j} = i32(btc${v}_${j} / p.c / p.kernel) - i32(p.pad_top);
    let bkx${v}_${j} = i32(btc${v}_${j} / p.c % p.kernel) - i32(p.pad_left);
#endfor
#endif
#endif
#endfor
#endif

    // Rows of this lane, likewise.
#if A == 0
#for g in 0..RG
    let arow${g} = min(m0 + ${g}u * ${SG}u + lane, p.m - 1u) * p.k;
#endfor
#endif
#if A == 1
#for g in 0..RG
#if VA
    let acol${g} = min(m0 + (${g}u * ${SG}u + lane) * 4u, p.m - 4u) / 4u;
#else
#for j in 0..4
    let acol${g}_${j} = min(m0 + (${g}u * ${SG}u + lane) * 4u + ${j}u, p.m - 1u);
#endfor
#endif
#endfor
#endif
#if A == 2
#for g in 0..RG
    let pixel${g} = min(m0 + ${g}u * ${SG}u + lane, p.m - 1u);
    let row${g} = pixel${g} / (p.ow * p.oh) * p.h;
    let iy${g} = i32(pixel${g} / p.ow % p.oh * p.stride) - i32(p.pad_top);
    let ix${g} = i32(pixel${g} % p.ow * p.stride) - i32(p.pad_left);
#endfor
#endif
#if A == 3
#for g in 0..RG
    let pixel${g} = min(m0 + ${g}u * ${SG}u + lane, m_end - 1u);
    let row${g} = pixel${g} / (cls.width * cls.height) * p.oh;
    let i${g} = i32(pixel${g} / cls.width % cls.height);
    let j${g} = i32(pixel${g} % cls.width);
#endfor
#endif

#if SPLIT
    let k_begin = z * p.k_chunk;
    let k_end = min(k_begin + p.k_chunk, p.k);
#else
    let k_begin = 0u;
    let k_end = p.k;
#endif

#if B == 1
    // Output pixel of row k of B, counted along instead of divided out.
    var ox = k_begin % p.ow;
    var oy = k_begin / p.ow % p.oh;
    var row = k_begin / (p.ow * p.oh);
#endif
#if A == 2 && !VA
    var ky = 0u;
    var kx = 0u;
    var kc = 0u;
#endif

#if A == 2 && VA
    for (var ky = 0u; ky < p.kernel; ky++) {
    for (var kx = 0u; kx < p.kernel; kx++) {
#for g in 0..RG
        let y${g} = iy${g} + i32(ky);
        let x${g} = ix${g} + i32(kx);
        let in${g} = y${g} >= 0 && y${g} < i32(p.h) && x${g} >= 0 && x${g} < i32(p.w);
        let at${g} = select(0u, ((row${g} + u32(y${g})) * p.w + u32(x${g})) * p.c, in${g});
#endfor
        let tap = (ky * p.kernel + kx) * p.c;
        for (var kc = 0u; kc < p.c; kc += 4u) {
            let k = tap + kc;
#for g in 0..RG
            let a${g} = select(vec4<f32>(), a[(at${g} + kc) / 4u], in${g});
#endfor
#endif
#if A == 3
    var dy = i32(cls.py + p.pad_top - cls.ky0) / i32(p.stride);
    for (var ky = cls.ky0; ky < p.kernel; ky += p.stride) {
    var dx = i32(cls.px + p.pad_left - cls.kx0) / i32(p.stride);
    for (var kx = cls.kx0; kx < p.kernel; kx += p.stride) {
#for g in 0..RG
        let y${g} = i${g} + dy;
        let x${g} = j${g} + dx;
        let in${g} = y${g} >= 0 && y${g} < i32(p.oh) && x${g} >= 0 && x${g} < i32(p.ow);
        let at${g} = select(0u, ((row${g} + u32(y${g})) * p.ow + u32(x${g})) * p.oc, in${g});
#endfor
        let tap = (ky * p.kernel + kx) * p.oc;
        let k_last = tap + p.oc - 1u;
        for (var kc = 0u; kc < p.oc; kc += 4u) {
            let k = tap + kc;
#for g in 0..RG
#if VA
            let a${g} = select(vec4<f32>(), a[(at${g} + kc) / 4u], in${g});
#else
            var a${g} = vec4<f32>();
#for j in 0..4
            a${g}[${j}] = select(0.0, a[at${g} + min(kc + ${j}u, p.oc - 1u)], in${g} && kc + ${j}u < p.oc);
#endfor
#endif
#endfor
#endif
#if A < 2 || (A == 2 && !VA)
    let k_last = p.k - 1u;
    {{
        for (var k = k_begin; k < k_end; k += 4u) {
#if A == 0
#for g in 0..RG
#if VA
            let a${g} = a[(arow${g} + k) / 4u];
#else
            var a${g} = vec4<f32>();
#for j in 0..4
            a${g}[${j}] = select(0.0, a[arow${g} + min(k + ${j}u, k_last)], k + ${j}u < k_end);
#endfor
#endif
#endfor
#endif
#if A == 1
#for j in 0..4
#for g in 0..RG
#if VA
            let a${g}_${j} = select(vec4<f32>(), a[min(k + ${j}u, k_last) * (p.m / 4u) + acol${g}], k + ${j}u < k_end);
#else
            var a${g}_${j} = vec4<f32>();
#for i in 0..4
            a${g}_${j}[${i}] = select(0.0, a[min(k + ${j}u, k_last) * p.m + acol${g}_${i}], k + ${j}u < k_end);
#endfor
#endif
#endfor
#endfor
#endif
#if A == 2
#for g in 0..RG
            var a${g} = vec4<f32>();
#endfor
#for j in 0..4
#for g in 0..RG
            {
                let y = iy${g} + i32(ky);
                let x = ix${g} + i32(kx);
                let inside = y >= 0 && y < i32(p.h) && x >= 0 && x < i32(p.w) && k + ${j}u < k_end;
                let at = select(0u, ((row${g} + u32(y)) * p.w + u32(x)) * p.c + kc, inside);
                a${g}[${j}] = select(0.0, a[at], inside);
            }
#endfor
            kc += 1u;
            if (kc == p.c) {
                kc = 0u;
                kx += 1u;
                if (kx == p.kernel) {
                    kx = 0u;
                    ky += 1u;
                }
            }
#endfor
#endif
#endif
    // Four rows of B.
#for j in 0..4
#for v in 0..CV
#if B == 0
#if (A == 0 && VA) || (A == 2 && VA) || (A == 3 && VA)
            let kb${j}_${v} = k + ${j}u;
#else
            let kb${j}_${v} = min(k + ${j}u, k_last);
#endif
#if VB
            let b${j}_${v} = b[kb${j}_${v} * (p.n / 4u) + bcol${v}];
#else
            let b${j}_${v} = vec4(b[kb${j}_${v} * p.n + bcol${v}_0], b[kb${j}_${v} * p.n + bcol${v}_1],
                b[kb${j}_${v} * p.n + bcol${v}_2], b[kb${j}_${v} * p.n + bcol${v}_3]);
#endif
#endif
#if B == 1
            var b${j}_${v} = vec4<f32>();
#if VB
            {
                let y = i32(oy * p.stride) + bky${v};
                let x = i32(ox * p.stride) + bkx${v};
                let inside = y >= 0 && y < i32(p.h) && x >= 0 && x < i32(p.w) && k + ${j}u < k_end;
                let at = select(0u, ((row * p.h + u32(y)) * p.w + u32(x)) * p.c + bc${v}, inside);
                b${j}_${v} = select(vec4<f32>(), b[at / 4u], inside);
            }
#else
#for i in 0..4
            {
                let y = i32(oy * p.stride) + bky${v}_${i};
                let x = i32(ox * p.stride) + bkx${v}_${i};
                let inside = y >= 0 && y < i32(p.h) && x >= 0 && x < i32(p.w) && k + ${j}u < k_end;
                let at = select(0u, ((row * p.h + u32(y)) * p.w + u32(x)) * p.c + bc${v}_${i}, inside);
                b${j}_${v}[${i}] = select(0.0, b[at], inside);
            }
#endfor
#endif
#endif
#endfor
#if B == 1
            ox += 1u;
            if (ox == p.ow) {
                ox = 0u;
                oy += 1u;
                if (oy == p.oh) {
                    oy = 0u;
                    row += 1u;
                }
            }
#endif
#endfor
    // The multiply-adds.
#if THIN
#for g in 0..RG
#for j in 0..4
            acc${g} = fma(vec4(a${g}[${j}]), b${j}_0, acc${g});
#endfor
#endfor
#else
#for g in 0..RG
#for l in 0..SG
#if A == 1
#for i in 0..4
            {
#for j in 0..4
                let s${j} = subgroupBroadcast(a${g}_${j}[${i}], ${l}u);
#endfor
#for v in 0..CV
#define R (g * SG + l) * 4 + i
#for j in 0..4
                acc${R}_${v} = fma(vec4(s${j}), b${j}_${v}, acc${R}_${v});
#endfor
#endfor
            }
#endfor
#else
            {
                let s = subgroupBroadcast(a${g}, ${l}u);
#for v in 0..CV
#for j in 0..4
                acc${g * SG + l}_${v} = fma(vec4(s[${j}]), b${j}_${v}, acc${g * SG + l}_${v});
#endfor
#endfor
            }
#endif
#endfor
#endfor
#endif
        }
#if A == 3
        dx -= 1;
    }
    dy -= 1;
    }
#else
    }}
#endif

#for v in 0..CV
    if (col${v} < p.n) {
#if BIAS
        let bias${v} = vec4(bias[col${v}], bias[min(col${v} + 1u, p.n - 1u)],
            bias[min(col${v} + 2u, p.n - 1u)], bias[min(col${v} + 3u, p.n - 1u)]);
#endif
#if THIN
#define STORES RG
#else
#define STORES ROWS
#endif
#for r in 0..STORES
#if THIN
        let store${r} = m0 + ${r}u * ${SG}u + lane;
#else
        let store${r} = m0 + ${r}u;
#endif
        if (store${r} < m_end) {
#if A == 3
            let in_class = store${r};
            let pixel = (in_class / (cls.width * cls.height) * p.h
                + in_class / cls.width % cls.height * p.stride + cls.py) * p.w
                + in_class % cls.width * p.stride + cls.px;
            let at = pixel * p.n + col${v};
#endif
#if A != 3 && SPLIT
            let at = (z * p.m + store${r}) * p.n + col${v};
#endif
#if A != 3 && !SPLIT
            let at = store${r} * p.n + col${v};
#endif
#if THIN
            var y = acc${r};
#else
            var y = acc${r}_${v};
#endif
#if BIAS
            y += bias${v};
#endif
#if GRAD
#if VC
            y *= activate_grad(saved[at / 4u], p.slope);
#else
            y *= activate_grad(vec4(saved[at], saved[at + min(1u, p.n - 1u - col${v})],
                saved[at + min(2u, p.n - 1u - col${v})], saved[at + min(3u, p.n - 1u - col${v})]), p.slope);
#endif
#else
            y = activate(y, p.slope);
#endif
#if VC
            out[at / 4u] = y;
#else
#for j in 0..4
            if (col${v} + ${j}u < p.n) {
                out[at + ${j}u] = y[${j}];
            }
#endfor
#endif
        }
#endfor
    }
#endfor
}
