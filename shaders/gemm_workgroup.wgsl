// C [M, N] = epilogue(A [M, K] B [K, N]): the classic GPU tile. Blocks of A and B go through workgroup memory, so that
// each value is read from memory once per tile, and each invocation keeps its part of C in registers. Runs at
// WebGPU's default limits.
//
// Variant: TM x TN of C per workgroup, TALL x WIDE of it per invocation, KS steps of K at a time. A, B: address modes
// of common/operands.wgsl. VA, VB, VC: A, B and C are read and written four values at a time. BIAS, ACT: y = act(acc +
// bias). GRAD: y = acc * act'(saved). SPLIT: K in chunks, one per z.

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

#define FOUR "vec4<f32>"
#if VA
#define TA FOUR
#else
#define TA "f32"
#endif
#if VB
#define TB FOUR
#else
#define TB "f32"
#endif
#if VC
#define TC FOUR
#else
#define TC "f32"
#endif
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<${TA}>;
@group(0) @binding(2) var<storage, read> b: array<${TB}>;
@group(0) @binding(3) var<storage, read_write> out: array<${TC}>;
#if BIAS
@group(0) @binding(4) var<storage, read> bias: array<f32>;
#endif
#if GRAD
@group(0) @binding(5) var<storage, read> saved: array<${TC}>;
#endif

// Invocations side by side and above each other, vec4 columns of an invocation and of a tile.
#define TX TN / WIDE
#define TY TM / TALL
#define CV WIDE / 4
#define BV TN / 4
// A by rows of K, one value longer than the tile so that the invocations that write a column hit different banks.
#define AS TM + 1
var<workgroup> tile_a: array<f32, ${KS * AS}>;
var<workgroup> tile_b: array<vec4<f32>, ${KS * BV}>;

#include "common/activation.wgsl"
#include "common/operands.wgsl"

@compute @workgroup_size(${TX * TY})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let m0 = (group.y + group.z / p.z * groups.y) * ${TM}u;
    let n0 = group.x * ${TN}u;
    let z = group.z % p.z;
#if A == 3
    let cls = class_of(z);
    let m_end = (p.m / (p.h * p.w)) * cls.height * cls.width;
    let k_begin = 0u;
    let k_end = cls.taps * p.oc;
#else
    let m_end = p.m;
#if SPLIT
    let k_begin = z * p.k_chunk;
    let k_end = min(k_begin + p.k_chunk, p.k);
#else
    let k_begin = 0u;
    let k_end = p.k;
#endif
#endif
    let tx = local % ${TX}u;
    let ty = local / ${TX}u;
#for i in 0..TALL
#for v in 0..CV
    var acc${i}_${v} = vec4<f32>();
#endfor
#endfor
    for (var k0 = k_begin; k0 < k_end; k0 += ${KS}u) {
        // Four values an invocation, along the operand's rows, neighbours next to each other.
        for (var e = local; e < ${KS * TM / 4}u; e += ${TX * TY}u) {
#if A == 1
            let am = e % ${TM / 4}u * 4u;
            let ak = e / ${TM / 4}u;
            let x = load_a(m0 + am, k0 + ak, m_end, k_end, z);
#for j in 0..4
            tile_a[ak * ${AS}u + am + ${j}u] = x[${j}];
#endfor
#else
            let am = e / ${KS / 4}u;
            let ak = e % ${KS / 4}u * 4u;
            let x = load_a(m0 + am, k0 + ak, m_end, k_end, z);
#for j in 0..4
            tile_a[(ak + ${j}u) * ${AS}u + am] = x[${j}];
#endfor
#endif
        }
        for (var e = local; e < ${KS * BV}u; e += ${TX * TY}u) {
            tile_b[e] = load_b(k0 + e / ${BV}u, n0 + e % ${BV}u * 4u, k_end, z);
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
    store(m0 + ty * ${TALL}u + ${i}u, n0 + (tx + ${v * TX}u) * 4u, acc${i}_${v}, m_end, z);
#endfor
#endfor
}

// Where A[m, k] stands in memory; -1: nowhere, it is 0.
fn at_a(m: u32, k: u32, m_end: u32, k_end: u32, z: u32) -> i32 {
    if (m >= m_end || k >= k_end) {
        return -1;
    }
#if A == 0
    return i32(m * p.k + k);
#endif
#if A == 1
    return i32(k * p.m + m);
#endif
#if A == 2
    return window_index(m, k);
#endif
#if A == 3
    let cls = class_of(z);
    let tap = k / p.oc;
    let ky = cls.ky0 + tap / cls.tx * p.stride;
    let kx = cls.kx0 + tap % cls.tx * p.stride;
    let y = i32(m / cls.width % cls.height) + (i32(cls.py + p.pad_top) - i32(ky)) / i32(p.stride);
    let x = i32(m % cls.width) + (i32(cls.px + p.pad_left) - i32(kx)) / i32(p.stride);
    if (y < 0 || y >= i32(p.oh) || x < 0 || x >= i32(p.ow)) {
        return -1;
    }
    return i32(((m / (cls.width * cls.height) * p.oh + u32(y)) * p.ow + u32(x)) * p.oc + k % p.oc);
#endif
}

// Where B[k, n] stands in memory; -1: nowhere, it is 0.
fn at_b(k: u32, n: u32, k_end: u32, z: u32) -> i32 {
    if (k >= k_end || n >= p.n) {
        return -1;
    }
#if B == 1
    return window_index(k, n);
#else
#if A == 3
    let cls = class_of(z);
    let tap = k / p.oc;
    let ky = cls.ky0 + tap / cls.tx * p.stride;
    let kx = cls.kx0 + tap % cls.tx * p.stride;
    return i32(((ky * p.kernel + kx) * p.oc + k % p.oc) * p.n + n);
#else
    return i32(k * p.n + n);
#endif
#endif
}

// Four values of A, along K, or along M where A is read by columns.
fn load_a(m: u32, k: u32, m_end: u32, k_end: u32, z: u32) -> vec4<f32> {
#if VA
    let at = at_a(m, k, m_end, k_end, z);
    if (at < 0) {
        return vec4<f32>();
    }
    return a[at / 4];
#else
    var x = vec4<f32>();
#for j in 0..4
    {
#if A == 1
        let at = at_a(m + ${j}u, k, m_end, k_end, z);
#else
        let at = at_a(m, k + ${j}u, m_end, k_end, z);
#endif
        if (at >= 0) {
            x[${j}] = a[at];
        }
    }
#endfor
    return x;
#endif
}

// Four values of B along N.
fn load_b(k: u32, n: u32, k_end: u32, z: u32) -> vec4<f32> {
#if VB
    let at = at_b(k, n, k_end, z);
    if (at < 0) {
        return vec4<f32>();
    }
    return b[at / 4];
#else
    var x = vec4<f32>();
#for j in 0..4
    {
        let at = at_b(k, n + ${j}u, k_end, z);
        if (at >= 0) {
            x[${j}] = b[at];
        }
    }
#endfor
    return x;
#endif
}

fn store(m: u32, n: u32, acc: vec4<f32>, m_end: u32, z: u32) {
    if (m >= m_end || n >= p.n) {
        return;
    }
#if A == 3
    let cls = class_of(z);
    let pixel = (m / (cls.width * cls.height) * p.h + m / cls.width % cls.height * p.stride + cls.py) * p.w
        + m % cls.width * p.stride + cls.px;
    let at = pixel * p.n + n;
#else
#if SPLIT
    let at = (z * p.m + m) * p.n + n;
#else
    let at = m * p.n + n;
#endif
#endif
    var y = acc;
#if BIAS
    y += vec4(bias[n], bias[min(n + 1u, p.n - 1u)], bias[min(n + 2u, p.n - 1u)], bias[min(n + 3u, p.n - 1u)]);
#endif
#if GRAD
#if VC
    y = activate_backward(y, saved[at / 4u], p.slope);
#else
    let more = p.n - 1u - n;
    y = activate_backward(y, vec4(saved[at], saved[at + min(1u, more)], saved[at + min(2u, more)],
        saved[at + min(3u, more)]), p.slope);
#endif
#else
    y = activate(y, p.slope);
#endif
#if VC
    out[at / 4u] = y;
#else
#for j in 0..4
    if (n + ${j}u < p.n) {
        out[at + ${j}u] = y[${j}];
    }
#endfor
#endif
}
