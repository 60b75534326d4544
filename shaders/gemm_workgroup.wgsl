// C [M, N] = epilogue(A [M, K] B [K, N]): the classic GPU tile. 64 x 64 outputs per workgroup of 16 x 16,
// 4 x 4 per invocation, 16 steps of K at a time through workgroup memory. Runs at WebGPU's default limits.
//
// Variant: A, B address modes of common/operands.wgsl; BIAS, ACT: y = act(acc + bias); GRAD:
// y = acc * act'(saved); SPLIT: K in chunks, one per z.

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
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
#if BIAS
@group(0) @binding(4) var<storage, read> bias: array<f32>;
#endif
#if GRAD
@group(0) @binding(5) var<storage, read> saved: array<f32>;
#endif

// Rows padded to 65 so that the 16 invocations that write a column hit different banks.
var<workgroup> tile_a: array<f32, 1040>;
var<workgroup> tile_b: array<f32, 1040>;

#include "common/activation.wgsl"
#include "common/operands.wgsl"

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let m0 = (group.y + group.z / p.z * groups.y) * 64u;
    let n0 = group.x * 64u;
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
    let tx = local % 16u;
    let ty = local / 16u;
#for i in 0..4
    var acc${i} = vec4<f32>();
#endfor
    for (var k0 = k_begin; k0 < k_end; k0 += 16u) {
        for (var e = local; e < 1024u; e += 256u) {
            // Neighbouring invocations read neighbouring addresses of either operand.
#if A == 1
            let am = e % 64u;
            let ak = e / 64u;
#else
            let am = e / 16u;
            let ak = e % 16u;
#endif
            tile_a[ak * 65u + am] = load_a(m0 + am, k0 + ak, m_end, k_end, z);
            tile_b[(e / 64u) * 65u + e % 64u] = load_b(k0 + e / 64u, n0 + e % 64u, k_end, z);
        }
        workgroupBarrier();
#for kk in 0..16
        {
            let bv = vec4(tile_b[${kk * 65}u + tx], tile_b[${kk * 65 + 16}u + tx],
                tile_b[${kk * 65 + 32}u + tx], tile_b[${kk * 65 + 48}u + tx]);
#for i in 0..4
            acc${i} = fma(vec4(tile_a[${kk * 65 + i * 16}u + ty]), bv, acc${i});
#endfor
        }
#endfor
        workgroupBarrier();
    }
#for i in 0..4
    store(m0 + ty + ${i * 16}u, n0 + tx, acc${i}, m_end, z);
#endfor
}

fn load_a(m: u32, k: u32, m_end: u32, k_end: u32, z: u32) -> f32 {
    if (m >= m_end || k >= k_end) {
        return 0.0;
    }
#if A == 0
    return a[m * p.k + k];
#endif
#if A == 1
    return a[k * p.m + m];
#endif
#if A == 2
    let at = window_index(m, k);
    if (at < 0) {
        return 0.0;
    }
    return a[at];
#endif
#if A == 3
    let cls = class_of(z);
    let tap = k / p.oc;
    let ky = cls.ky0 + tap / cls.tx * p.stride;
    let kx = cls.kx0 + tap % cls.tx * p.stride;
    let y = i32(m / cls.width % cls.height) + (i32(cls.py + p.pad_top) - i32(ky)) / i32(p.stride);
    let x = i32(m % cls.width) + (i32(cls.px + p.pad_left) - i32(kx)) / i32(p.stride);
    if (y < 0 || y >= i32(p.oh) || x < 0 || x >= i32(p.ow)) {
        return 0.0;
    }
    return a[((m / (cls.width * cls.height) * p.oh + u32(y)) * p.ow + u32(x)) * p.oc + k % p.oc];
#endif
}

fn load_b(k: u32, n: u32, k_end: u32, z: u32) -> f32 {
    if (k >= k_end || n >= p.n) {
        return 0.0;
    }
#if B == 1
    let at = window_index(k, n);
    if (at < 0) {
        return 0.0;
    }
    return b[at];
#else
#if A == 3
    let cls = class_of(z);
    let tap = k / p.oc;
    let ky = cls.ky0 + tap / cls.tx * p.stride;
    let kx = cls.kx0 + tap % cls.tx * p.stride;
    return b[((ky * p.kernel + kx) * p.oc + k % p.oc) * p.n + n];
#else
    return b[k * p.n + n];
#endif
#endif
}

fn store(m: u32, n: u32, acc: vec4<f32>, m_end: u32, z: u32) {
    if (m >= m_end) {
        return;
    }
#if A == 3
    let cls = class_of(z);
    let pixel = (m / (cls.width * cls.height) * p.h + m / cls.width % cls.height * p.stride + cls.py) * p.w
        + m % cls.width * p.stride + cls.px;
    let row = pixel * p.n;
#else
#if SPLIT
    let row = (z * p.m + m) * p.n;
#else
    let row = m * p.n;
#endif
#endif
    var y = acc;
#if BIAS
    y += vec4(bias[min(n, p.n - 1u)], bias[min(n + 16u, p.n - 1u)],
        bias[min(n + 32u, p.n - 1u)], bias[min(n + 48u, p.n - 1u)]);
#endif
#if GRAD
    y *= activate_grad(vec4(saved[row + min(n, p.n - 1u)], saved[row + min(n + 16u, p.n - 1u)],
        saved[row + min(n + 32u, p.n - 1u)], saved[row + min(n + 48u, p.n - 1u)]), p.slope);
#else
    y = activate(y, p.slope);
#endif
#for j in 0..4
    if (n + ${j * 16}u < p.n) {
        out[row + n + ${j * 16}u] = y[${j}];
    }
#endfor
}
