// C [M, N] = epilogue(A [M, K] B [K, N]), one subgroup per workgroup, no barriers.
//
// Each lane holds other rows of A and other columns of B; a row's value reaches the other lanes by
// subgroupBroadcast, or, where they make other rows too, by subgroupShuffle. On llvmpipe a load is a loop over the
// lanes with two branches for every component, a broadcast from a constant lane two instructions, and barriers are
// coroutine switches: few loads, many multiply-adds per load. The rows are the outer loop of the unrolled block, so
// that each accumulator takes its k-steps in a row: the compiler spills in the order of the text. What a loop assigns the driver
// masks, once a turn: few turns, of up to some 3,000 multiplications and additions; of more a turn is slower again. So tiles are
// tall or deep (docs/performance.md).
//
// Variant: SG lanes; RG groups of SG rows; CL lanes side by side, CV vec4 columns each. Of four k-steps of a group a
// lane loads those of one row, or, with A column-wise, four rows of one k-step: four values either way. With CL below
// SG, for narrow C, the other lanes make other rows of the same columns. DEEP: how many fours of k-steps a turn takes. SLIDE:
// four channels of each of the DEEP taps in a row of the kernel. They see the same pixels, each tap's moved by one, so RG + 1
// groups of those are loaded for all. A, B: address modes of common/operands.wgsl.
// VA, VB: how A and B are read, 0: floats, 1: four at a time, 2: pairs; VB 3: eight at a time. L: fours, pairs and
// eights are 64-bit integers, half as many components to
// load. VC: vec4 access of C. BIAS, ACT: y = act(acc + bias). GRAD: y = acc * act'(saved). SPLIT: K in chunks
// over z. Whether a window's pixel is in the image is asked without `&&`, which is a branch, and places are counted without any:
// SwiftShader takes twice as long to compile a loop for each branch in it. Below zero is, unsigned, beyond every end.

struct Params {
    m: u32, n: u32, k: u32,
    k_chunk: u32,    // steps of K, or rows of the kernel where A is a scatter
    // Of this dispatch: the first row of tiles; the first of chunks of K times classes of pixels, and how many. The grid folds rows
    // of tiles over z beyond them.
    first_row: u32, first_z: u32, z: u32,
    panel: u32,      // rows of a panel of B
    // convolution: x [rows, h, w, c], y [rows, oh, ow, oc]
    h: u32, w: u32, c: u32,
    oh: u32, ow: u32, oc: u32,
    kernel: u32, stride: u32, pad_top: u32, pad_left: u32,
    slope: f32,
}

#if L
#define FOUR "vec2<u64>"
#define PAIR "u64"
#else
#define FOUR "vec4<f32>"
#define PAIR "vec2<f32>"
#endif
#if VA == 0
#define TA "f32"
#endif
#if VA == 1
#define TA FOUR
#endif
#if VA == 2
#define TA PAIR
#endif
#if VB == 0
#define TB "f32"
#endif
#if VB == 1
#define TB FOUR
#endif
#if VB == 2
#define TB PAIR
#endif
#if VB == 3
#define TB "vec4<u64>"
#endif
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<${TA}>;
@group(0) @binding(2) var<storage, read> b: array<${TB}>;
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
// The geometry: parameters, as products of several layers then share a text that takes long to compile.
#define H "p.h"
#define W "p.w"
#define C "p.c"
#define OH "p.oh"
#define OW "p.ow"
#define OC "p.oc"
#define KERNEL "p.kernel"
#define STRIDE "p.stride"
#define TOP "p.pad_top"
#define LEFT "p.pad_left"
#include "common/operands.wgsl"
#endif
#define ROWS RG * SG
#define COLS CV * CL * 4

#if L
fn floats(x: vec2<u64>) -> vec4<f32> {
    let low = bitcast<vec2<f32>>(vec2<u32>(x));
    let high = bitcast<vec2<f32>>(vec2<u32>(x >> vec2(32u)));
    return vec4(low.x, high.x, low.y, high.y);
}
#else
fn floats(x: vec4<f32>) -> vec4<f32> {
    return x;
}
#endif

// Four values of A from `at` on, of which the first `left` are there: the others come as 0. Read four at a time,
// all are there.
fn load_a(at: u32, left: u32) -> vec4<f32> {
#if VA == 0
    return vec4(a[at], select(0.0, a[at + min(1u, left - 1u)], left > 1u),
        select(0.0, a[at + min(2u, left - 1u)], left > 2u), select(0.0, a[at + min(3u, left - 1u)], left > 3u));
#endif
#if VA == 1
    return floats(a[at / 4u]);
#endif
#if VA == 2
    let more = left > 2u;
#if L
    let x = floats(vec2(a[at / 2u], a[at / 2u + u32(more)]));
#else
    let x = vec4(a[at / 2u], a[at / 2u + u32(more)]);
#endif
    return vec4(x.xy, select(vec2<f32>(), x.zw, more));
#endif
}

@compute @workgroup_size(${SG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let m0 = (p.first_row + group.y + group.z / p.z * groups.y) * ${ROWS}u;
    let n0 = group.x * ${COLS}u;
    let z = p.first_z + group.z % p.z;
#if A == 3
    let cls = class_of(z);
    let chunk = z / (p.stride * p.stride);
    let m_end = (p.m / (p.h * p.w)) * cls.height * cls.width;
#else
    let chunk = z;
    let m_end = p.m;
#endif
    if (m0 >= m_end) {
        return;
    }
    // First lane of those that share this lane's rows.
    let part = lane / ${CL}u * ${CL}u;
#for r in 0..RG * CL
#for v in 0..CV
    var acc${r}_${v} = vec4<f32>();
#endfor
#endfor

    // Columns of this lane. Those beyond N read others and are not stored.
#for v in 0..CV
    let col${v} = n0 + ((lane - part) * ${CV}u + ${v}u) * 4u;
#if B == 0
#if VB == 0
#for j in 0..4
    let bcol${v}_${j} = min(col${v} + ${j}u, p.n - 1u);
#endfor
#endif
#if VB == 1
    let bcol${v} = min(col${v}, p.n - 4u) / 4u;
#endif
#if VB == 2
    let bcol${v} = min(col${v}, p.n - 2u) / 2u;
    let bnext${v} = min(col${v} + 2u, p.n - 2u) / 2u;
#endif
#if VB == 3
    let bcol${v} = min(col${v}, p.n - 8u) / 8u;
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
#if B == 2
    // First value of this lane in row 0 of the panel.
    let panel0 = group.x * p.panel * ${COLS}u + (lane - part) * ${4 * CV}u;
#endif

    // Rows of this lane, likewise.
#if A == 0
#for g in 0..RG
    let arow${g} = min(m0 + ${g}u * ${SG}u + lane, p.m - 1u) * p.k;
#endfor
#endif
#if A == 1
    let step = lane / ${SG / 4}u;
#for g in 0..RG
    let acol${g} = m0 + ${g * SG}u + lane % ${SG / 4}u * 4u;
#if VA == 0
#for j in 0..4
    let acol${g}_${j} = min(acol${g} + ${j}u, p.m - 1u);
#endfor
#endif
#if VA == 1
    let acol${g}_0 = min(acol${g}, p.m - 4u) / 4u;
#endif
#if VA == 2
    let acol${g}_0 = min(acol${g}, p.m - 2u) / 2u;
    let acol${g}_1 = min(acol${g} + 2u, p.m - 2u) / 2u;
#endif
#endfor
#endif
#if SLIDE
    // Of the row of C whose tap u sees what the lane holds, the place in the image. With CL below SG what is seen goes to the lane
    // whose own row that is.
#if A == 2
#define CHANNELS "p.c"
#else
#define CHANNELS "p.oc"
#endif
#for u in 0..DEEP
#for g in 0..RG + 1
    let pixel${u}_${g} = u32(clamp(i32(m0 + lane) + ${g * SG - u * (CL == SG)}, 0, i32(m_end) - 1));
    let i${u}_${g} = i32(pixel${u}_${g} / p.ow % p.oh);
    let j${u}_${g} = i32(pixel${u}_${g} % p.ow);
#endfor
#endfor
#endif
#if A == 2 && !SLIDE
#for g in 0..RG
    let pixel${g} = min(m0 + ${g}u * ${SG}u + lane, p.m - 1u);
    let row${g} = pixel${g} / (p.ow * p.oh) * p.h;
    let iy${g} = i32(pixel${g} / p.ow % p.oh * p.stride) - i32(p.pad_top);
    let ix${g} = i32(pixel${g} % p.ow * p.stride) - i32(p.pad_left);
#endfor
#endif
#if A == 3 && !SLIDE
#for g in 0..RG
    let pixel${g} = min(m0 + ${g}u * ${SG}u + lane, m_end - 1u);
    let row${g} = pixel${g} / (cls.width * cls.height) * p.oh;
    let i${g} = i32(pixel${g} / cls.width % cls.height);
    let j${g} = i32(pixel${g} % cls.width);
#endfor
#endif

#if A == 3
    // Rows of the kernel that the class has, by number.
#if SPLIT
    let row_begin = chunk * p.k_chunk;
    let row_end = row_begin + p.k_chunk;
#else
    let row_begin = 0u;
    let row_end = p.kernel;
#endif
#else
#if SPLIT
    let k_begin = chunk * p.k_chunk;
    let k_end = min(k_begin + p.k_chunk, p.k);
#else
    let k_begin = 0u;
    let k_end = p.k;
#endif
#endif

#if B == 1
    // Output pixel of row k of B, counted along instead of divided out.
    var ox = k_begin % p.ow;
    var oy = k_begin / p.ow % p.oh;
    var row = k_begin / (p.ow * p.oh);
#endif
#if A == 2 && !VA
    // Chunks begin with a row of the kernel.
    var ky = k_begin / (p.kernel * p.c);
    var kx = 0u;
    var kc = 0u;
#endif

#if SLIDE
#if A == 2
    let taps = p.kernel;
    let left = -i32(p.pad_left);
    let row_end = k_end / (p.kernel * p.c);
    for (var ky = k_begin / (p.kernel * p.c); ky < row_end; ky++) {
        let down = i32(ky) - i32(p.pad_top);
#else
    let taps = cls.tx;
    let left = i32(cls.px + p.pad_left - cls.kx0) / i32(p.stride) - i32(taps) + 1;
    let ky_end = min(cls.ky0 + row_end * p.stride, p.kernel);
    for (var ky = cls.ky0 + row_begin * p.stride; ky < ky_end; ky += p.stride) {
        let down = (i32(cls.py + p.pad_top) - i32(ky)) / i32(p.stride);
#endif
        let first = i32(m0 + lane) + down * i32(p.ow) + left;
#for g in 0..RG + 1
        let at${g} = u32(clamp(first + ${g * SG}, 0, i32(m_end) - 1)) * ${CHANNELS};
#for u in 0..DEEP
        let in${u}_${g} = (u32(i${u}_${g} + down) < p.oh) & (u32(j${u}_${g} + left + ${u}) < p.ow);
#endfor
#endfor
    {
        for (var kc = 0u; kc < ${CHANNELS}; kc += 4u) {
#for g in 0..RG + 1
            let seen${g} = load_a(at${g} + kc, 4u);
#if CL == SG
#for u in 0..DEEP
            let a${u}_${g} = select(vec4<f32>(), seen${g}, in${u}_${g});
#endfor
#endif
#endfor
#if CL < SG
#for g in 0..RG
            let a0_${g} = select(vec4<f32>(), seen${g}, in0_${g});
#for u in 1..DEEP
            let a${u}_${g} = select(vec4<f32>(), select(subgroupShuffle(seen${g}, (lane + ${u}u) % ${SG}u),
                subgroupShuffle(seen${g + 1}, (lane + ${u}u) % ${SG}u), lane >= ${SG - u}u), in${u}_${g});
#endfor
#endfor
#endif
#for u in 0..DEEP
#if A == 2
            let k${u} = (ky * p.kernel + ${u}u) * p.c + kc;
#else
            let k${u} = (ky * p.kernel + cls.kx0 + (taps - ${u + 1}u) * p.stride) * p.oc + kc;
#endif
#endfor
#endif
#if A == 2 && VA && !SLIDE
    let row_end = k_end / (p.kernel * p.c);
    for (var ky = k_begin / (p.kernel * p.c); ky < row_end; ky++) {
    for (var kx = 0u; kx < p.kernel; kx++) {
#for g in 0..RG
        let y${g} = iy${g} + i32(ky);
        let x${g} = ix${g} + i32(kx);
        let in${g} = (u32(y${g}) < p.h) & (u32(x${g}) < p.w);
        let at${g} = select(0u, ((row${g} + u32(y${g})) * p.w + u32(x${g})) * p.c, in${g});
#endfor
        let tap = (ky * p.kernel + kx) * p.c;
        for (var kc = 0u; kc < p.c; kc += ${4 * DEEP}u) {
            let k = tap + kc;
            let k_last = tap + p.c - 1u;
#for u in 0..DEEP
#if u
            let there${u} = kc + ${4 * u}u < p.c;
#for g in 0..RG
            let a${u}_${g} = select(vec4<f32>(), load_a(at${g} + select(0u, kc + ${4 * u}u, there${u}), 4u), in${g} & there${u});
#endfor
#else
#for g in 0..RG
            let a0_${g} = select(vec4<f32>(), load_a(at${g} + kc, 4u), in${g});
#endfor
#endif
#endfor
#endif
#if A == 3 && !SLIDE
    var dy = i32(cls.py + p.pad_top - cls.ky0) / i32(p.stride) - i32(row_begin);
    let ky_end = min(cls.ky0 + row_end * p.stride, p.kernel);
    for (var ky = cls.ky0 + row_begin * p.stride; ky < ky_end; ky += p.stride) {
    var dx = i32(cls.px + p.pad_left - cls.kx0) / i32(p.stride);
    for (var kx = cls.kx0; kx < p.kernel; kx += p.stride) {
#for g in 0..RG
        let y${g} = i${g} + dy;
        let x${g} = j${g} + dx;
        let in${g} = (u32(y${g}) < p.oh) & (u32(x${g}) < p.ow);
        let at${g} = select(0u, ((row${g} + u32(y${g})) * p.ow + u32(x${g})) * p.oc, in${g});
#endfor
        let tap = (ky * p.kernel + kx) * p.oc;
        let k_last = tap + p.oc - 1u;
        for (var kc = 0u; kc < p.oc; kc += ${4 * DEEP}u) {
            let k = tap + kc;
#for u in 0..DEEP
#if u
            let there${u} = kc + ${4 * u}u < p.oc;
            let kc${u} = select(0u, kc + ${4 * u}u, there${u});
#for g in 0..RG
            let a${u}_${g} = select(vec4<f32>(), load_a(at${g} + kc${u}, p.oc - kc${u}), in${g} & there${u});
#endfor
#else
#for g in 0..RG
            let a0_${g} = select(vec4<f32>(), load_a(at${g} + kc, p.oc - kc), in${g});
#endfor
#endif
#endfor
#endif
#if A < 2 || (A == 2 && !VA)
    let k_last = p.k - 1u;
    {{
        for (var k = k_begin; k < k_end; k += ${4 * DEEP}u) {
#if A == 0
#for u in 0..DEEP
#if u
            let there${u} = k + ${4 * u}u < k_end;
            let ka${u} = select(k, k + ${4 * u}u, there${u});
#for g in 0..RG
            let a${u}_${g} = select(vec4<f32>(), load_a(arow${g} + ka${u}, k_end - ka${u}), there${u});
#endfor
#else
#for g in 0..RG
            let a0_${g} = load_a(arow${g} + k, k_end - k);
#endfor
#endif
#endfor
#endif
#if A == 1
#for u in 0..DEEP
            let a_row${u} = min(k + ${4 * u}u + step, k_last);
#for g in 0..RG
#if VA == 0
            let x${u}_${g} = vec4(a[a_row${u} * p.m + acol${g}_0], a[a_row${u} * p.m + acol${g}_1],
                a[a_row${u} * p.m + acol${g}_2], a[a_row${u} * p.m + acol${g}_3]);
#endif
#if VA == 1
            let x${u}_${g} = floats(a[a_row${u} * (p.m / 4u) + acol${g}_0]);
#endif
#if VA == 2 && L
            let x${u}_${g} = floats(vec2(a[a_row${u} * (p.m / 2u) + acol${g}_0], a[a_row${u} * (p.m / 2u) + acol${g}_1]));
#endif
#if VA == 2 && !L
            let x${u}_${g} = vec4(a[a_row${u} * (p.m / 2u) + acol${g}_0], a[a_row${u} * (p.m / 2u) + acol${g}_1]);
#endif
            let a${u}_${g} = select(vec4<f32>(), x${u}_${g}, k + ${4 * u}u + step < k_end);
#endfor
#endfor
#endif
#if A == 2
#for u in 0..DEEP
#for g in 0..RG
            var a${u}_${g} = vec4<f32>();
#endfor
#for j in 0..4
#for g in 0..RG
            {
                let y = iy${g} + i32(ky);
                let x = ix${g} + i32(kx);
                let inside = (u32(y) < p.h) & (u32(x) < p.w) & (k + ${4 * u + j}u < k_end);
                let at = select(0u, ((row${g} + u32(y)) * p.w + u32(x)) * p.c + kc, inside);
                a${u}_${g}[${j}] = select(0.0, a[at], inside);
            }
#endfor
            kc += 1u;
            kx += u32(kc == p.c);
            kc = select(kc, 0u, kc == p.c);
            ky += u32(kx == p.kernel);
            kx = select(kx, 0u, kx == p.kernel);
#endfor
#endfor
#endif
#endif
#if !SLIDE
#for u in 0..DEEP
            let k${u} = k + ${4 * u}u;
#endfor
#endif
    // As many rows of B. Rows beyond K, or beyond a tap, meet zeros of A.
#for j in 0..4 * DEEP
#define U j / 4
#if B == 2
            let at_b${j} = panel0 + (k${U} + ${j % 4}u) * ${COLS}u;
#endif
#if B == 0
#if DEEP == 1 && (A == 0 && VA == 1 || A == 2 && VA || A == 3 && VA)
            let kb${j} = k${U} + ${j % 4}u;
#else
            let kb${j} = min(k${U} + ${j % 4}u, k_last);
#endif
#endif
#if VB == 3
#if B == 2
            let eight${j} = b[at_b${j} / 8u];
#else
            let eight${j} = b[kb${j} * (p.n / 8u) + bcol0];
#endif
            let b${j}_0 = floats(eight${j}.xy);
            let b${j}_1 = floats(eight${j}.zw);
#else
#for v in 0..CV
#if B == 2
            let b${j}_${v} = floats(b[at_b${j} / 4u + ${v}u]);
#endif
#if B == 0 && VB == 0
            let b${j}_${v} = vec4(b[kb${j} * p.n + bcol${v}_0], b[kb${j} * p.n + bcol${v}_1],
                b[kb${j} * p.n + bcol${v}_2], b[kb${j} * p.n + bcol${v}_3]);
#endif
#if B == 0 && VB == 1
            let b${j}_${v} = floats(b[kb${j} * (p.n / 4u) + bcol${v}]);
#endif
#if B == 0 && VB == 2 && L
            let b${j}_${v} = floats(vec2(b[kb${j} * (p.n / 2u) + bcol${v}], b[kb${j} * (p.n / 2u) + bnext${v}]));
#endif
#if B == 0 && VB == 2 && !L
            let b${j}_${v} = vec4(b[kb${j} * (p.n / 2u) + bcol${v}], b[kb${j} * (p.n / 2u) + bnext${v}]);
#endif
#if B == 1
            var b${j}_${v} = vec4<f32>();
#if VB
            {
                let y = i32(oy * p.stride) + bky${v};
                let x = i32(ox * p.stride) + bkx${v};
                let inside = (u32(y) < p.h) & (u32(x) < p.w) & (k + ${j}u < k_end);
                let at = select(0u, ((row * p.h + u32(y)) * p.w + u32(x)) * p.c + bc${v}, inside);
                b${j}_${v} = select(vec4<f32>(), floats(b[at / 4u]), inside);
            }
#else
#for i in 0..4
            {
                let y = i32(oy * p.stride) + bky${v}_${i};
                let x = i32(ox * p.stride) + bkx${v}_${i};
                let inside = (u32(y) < p.h) & (u32(x) < p.w) & (k + ${j}u < k_end);
                let at = select(0u, ((row * p.h + u32(y)) * p.w + u32(x)) * p.c + bc${v}_${i}, inside);
                b${j}_${v}[${i}] = select(0.0, b[at], inside);
            }
#endfor
#endif
#endif
#endfor
#endif
#if B == 1
            ox += 1u;
            oy += u32(ox == p.ow);
            ox = select(ox, 0u, ox == p.ow);
            row += u32(oy == p.oh);
            oy = select(oy, 0u, oy == p.oh);
#endif
#endfor
    // The multiply-adds.
#for g in 0..RG
#for l in 0..CL
            {
#for u in 0..DEEP
#if A == 1 && CL == SG
#for j in 0..4
                let s${4 * u + j} = subgroupBroadcast(a${u}_${g}[${l % 4}], ${j * (SG / 4) + l / 4}u);
#endfor
#endif
#if A == 1 && CL < SG
                let mine${u} = part + ${l}u;
#for j in 0..4
                let s${4 * u + j} = subgroupShuffle(a${u}_${g}, mine${u} / 4u + ${j * (SG / 4)}u)[mine${u} % 4u];
#endfor
#endif
#if A != 1
#if CL == SG
#define FROM g + (l + SLIDE * u) / SG
                let r${u} = subgroupBroadcast(a${u}_${FROM}, ${(l + SLIDE * u) % SG}u);
#else
                let r${u} = subgroupShuffle(a${u}_${g}, part + ${l}u);
#endif
#for j in 0..4
                let s${4 * u + j} = r${u}[${j}];
#endfor
#endif
#endfor
#for v in 0..CV
#for j in 0..4 * DEEP
                acc${g * CL + l}_${v} = fma(vec4(s${j}), b${j}_${v}, acc${g * CL + l}_${v});
#endfor
#endfor
            }
#endfor
#endfor
        }
#if A == 3 && !SLIDE
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
#for r in 0..RG * CL
#define G r / CL
        let store${r} = m0 + ${G * SG}u + part + ${r % CL}u;
        if (store${r} < m_end) {
#if A == 3
            let in_class = store${r};
            let pixel = (in_class / (cls.width * cls.height) * p.h
                + in_class / cls.width % cls.height * p.stride + cls.py) * p.w
                + in_class % cls.width * p.stride + cls.px;
#else
            let pixel = store${r};
#endif
#if SPLIT
            let at = (chunk * p.m + pixel) * p.n + col${v};
#else
            let at = pixel * p.n + col${v};
#endif
            var y = acc${r}_${v};
#if BIAS
            y += bias${v};
#endif
#if GRAD
#if VC
            y = activate_backward(y, saved[at / 4u], p.slope);
#else
            y = activate_backward(y, vec4(saved[at], saved[at + min(1u, p.n - 1u - col${v})],
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
