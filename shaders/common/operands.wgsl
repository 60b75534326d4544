// Elements of the GEMM operands A [M, K] and B [K, N] by address mode; see src/ops/gemm.
//
// A: 0 rows    A[m, k] = a[m * K + k]
//    1 columns A[m, k] = a[k * M + m]
//    2 window  a is x [rows, h, w, c]; m = (row, oy, ox), k = (ky, kx, c): zero-padded window of x
//    3 scatter a is dy [rows, oh, ow, oc]; m = (row, i, j) within the class (py, px) of input pixels that share their taps;
//              k = (tap, oc). A gather all the same: each pixel collects the outputs that it went into, and is written once
// B: 0 rows    B[k, n] = b[k * N + n]
//    1 window  b is x; k = (row, oy, ox), n = (ky, kx, c)
//    2 panels  of as many columns as a tile has, each [rows, columns] and padded with zeros
//
// From the kernel: the geometry, x [rows, H, W, C], y [rows, OH, OW, OC], KERNEL, STRIDE, TOP, LEFT. As numbers they are divisors
// that the compiler knows.

#if A == 3
struct Class {
    py: u32,      // input row modulo the stride
    px: u32,
    height: u32,  // input rows of the class
    width: u32,
    ky0: u32,     // first tap
    kx0: u32,
    tx: u32,      // taps along x
    taps: u32,    // taps in all
}

// Of z, which counts chunks of K and within them classes.
fn class_of(z: u32) -> Class {
    var c: Class;
    c.py = z / ${STRIDE} % ${STRIDE};
    c.px = z % ${STRIDE};
    c.height = (${H} + ${STRIDE} - 1u - c.py) / ${STRIDE};
    c.width = (${W} + ${STRIDE} - 1u - c.px) / ${STRIDE};
    c.ky0 = (c.py + ${TOP}) % ${STRIDE};
    c.kx0 = (c.px + ${LEFT}) % ${STRIDE};
    // ky0 < stride; a stride above the kernel side leaves classes without taps.
    let ty = (max(${KERNEL}, c.ky0) - c.ky0 + ${STRIDE} - 1u) / ${STRIDE};
    c.tx = (max(${KERNEL}, c.kx0) - c.kx0 + ${STRIDE} - 1u) / ${STRIDE};
    c.taps = ty * c.tx;
    return c;
}

// Column and row of the kernel where the class's tap of this number is.
fn tap_of(tap: u32, cls: Class) -> vec2<u32> {
    return vec2(cls.kx0 + tap % cls.tx * ${STRIDE}, cls.ky0 + tap / cls.tx * ${STRIDE});
}
#endif

#if A == 2 || B == 1
// Element of x [rows, H, W, C] that output pixel (row, oy, ox) sees at window position `tap_c`.
fn window_index(pixel: u32, tap_c: u32) -> i32 {
    let ox = pixel % ${OW};
    let oy = (pixel / ${OW}) % ${OH};
    let row = pixel / (${OW} * ${OH});
    let c = tap_c % ${C};
    let tap = tap_c / ${C};
    let iy = i32(oy * ${STRIDE} + tap / ${KERNEL}) - i32(${TOP});
    let ix = i32(ox * ${STRIDE} + tap % ${KERNEL}) - i32(${LEFT});
    let inside = (u32(iy) < ${H}) & (u32(ix) < ${W});
    return select(-1, i32(((row * ${H} + u32(iy)) * ${W} + u32(ix)) * ${C} + c), inside);
}
#endif
