// What the tiles that go through workgroup memory share: parameters, bindings, how blocks of A and B come from memory
// and how C is stored.
//
// Variant: A, B: address modes of common/operands.wgsl. VA, VB, VC: A, B and C are read and written four values at a
// time. BIAS, ACT: y = act(acc + bias). GRAD: y = acc * act'(saved). SPLIT: K in chunks over z. H, W, C, OH, OW, OC, KERNEL, STRIDE,
// TOP, LEFT: of a convolution, its geometry. It is part of the text, as no GPU has an integer divider: of each value that is read
// through a window, the place takes five divisions.
//
// From the kernel: TM, KS, sides of a block of A; INVOCATIONS; STAGED, the type of workgroup memory; AS, the stride of
// tile_a's rows; SCALED, whether operands are multiplied by a factor before they are rounded.

struct Params {
    m: u32, n: u32, k: u32,
    k_chunk: u32,    // steps of K, or rows of the kernel where A is a scatter
    // Of this dispatch: the first row of tiles; the first of chunks of K times classes of pixels, and how many. The grid folds rows
    // of tiles over z beyond them.
    first_row: u32, first_z: u32, z: u32,
    slope: f32,
#if SCALED
    scale_a: f32,    // of A as it is rounded
    scale_b: f32,
    unscale: f32,    // 1 / (scale_a scale_b)
#endif
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

#include "common/activation.wgsl"
#include "common/operands.wgsl"

var<workgroup> tile_a: array<${STAGED}, ${KS * AS}>;

// Where the rows of C and the inner index end that a workgroup takes, and where the latter begins.
struct Ends {
    m: u32,
    k_begin: u32,
    k: u32,
}

fn ends_of(z: u32) -> Ends {
#if A == 3
    let cls = class_of(z);
    let m = (p.m / (${H} * ${W})) * cls.height * cls.width;
    let k = cls.taps * ${OC};
    let k_chunk = p.k_chunk * cls.tx * ${OC};
#else
    let m = p.m;
    let k = p.k;
    let k_chunk = p.k_chunk;
#endif
#if SPLIT
    let k_begin = chunk_of(z) * k_chunk;
    return Ends(m, k_begin, min(k_begin + k_chunk, k));
#else
    return Ends(m, 0u, k);
#endif
}

fn chunk_of(z: u32) -> u32 {
#if A == 3
    return z / (${STRIDE} * ${STRIDE});
#else
    return z;
#endif
}

#if SCALED
// Rounded to f16, and within its range: what is beyond would be infinite.
fn rounded(x: vec4<f32>, scale: f32) -> vec4<f16> {
    return vec4<f16>(clamp(x * scale, vec4(-65504.0), vec4(65504.0)));
}
#endif

// The block of A at m0, k0: four values an invocation, along the operand's rows, neighbours next to each other.
fn stage_a(local: u32, m0: u32, k0: u32, ends: Ends, z: u32) {
    for (var e = local; e < ${KS * TM / 4}u; e += ${INVOCATIONS}u) {
#if A == 1
        let am = e % ${TM / 4}u * 4u;
        let ak = e / ${TM / 4}u;
#else
        let am = e / ${KS / 4}u;
        let ak = e % ${KS / 4}u * 4u;
#endif
        let x = load_a(m0 + am, k0 + ak, ends.m, ends.k, z);
#if SCALED
        let y = rounded(x, p.scale_a);
#else
        let y = x;
#endif
#for j in 0..4
        tile_a[(ak + ${j * (A != 1)}u) * ${AS}u + am + ${j * (A == 1)}u] = y[${j}];
#endfor
    }
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
    let tap = tap_of(k / ${OC}, cls);
    let y = i32(m / cls.width % cls.height) + (i32(cls.py + ${TOP}) - i32(tap.y)) / i32(${STRIDE});
    let x = i32(m % cls.width) + (i32(cls.px + ${LEFT}) - i32(tap.x)) / i32(${STRIDE});
    if (y < 0 || y >= i32(${OH}) || x < 0 || x >= i32(${OW})) {
        return -1;
    }
    return i32(((m / (cls.width * cls.height) * ${OH} + u32(y)) * ${OW} + u32(x)) * ${OC} + k % ${OC});
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
    let tap = tap_of(k / ${OC}, cls);
    return i32(((tap.y * ${KERNEL} + tap.x) * ${OC} + k % ${OC}) * p.n + n);
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
    let pixel = (m / (cls.width * cls.height) * ${H} + m / cls.width % cls.height * ${STRIDE} + cls.py) * ${W}
        + m % cls.width * ${STRIDE} + cls.px;
#else
    let pixel = m;
#endif
#if SPLIT
    let at = (chunk_of(z) * p.m + pixel) * p.n + n;
#else
    let at = pixel * p.n + n;
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
