// Elements of the GEMM operands A [M, K] and B [K, N] by address mode; see src/ops/gemm.
//
// A: 0 rows    A[m, k] = a[m * K + k]
//    1 columns A[m, k] = a[k * M + m]
//    2 window  a is x [rows, h, w, c]; m = (row, oy, ox), k = (ky, kx, c): zero-padded window of x
//    3 scatter a is dy [rows, oh, ow, oc]; m = (row, i, j) within the class (py, px) of input pixels that
//              share their taps; k = (tap, oc): the outputs that pixel went into
// B: 0 rows    B[k, n] = b[k * N + n]
//    1 window  b is x; k = (row, oy, ox), n = (ky, kx, c)
//    2 panels  of as many columns as a tile has, each [rows, columns] and padded with zeros

struct Class {
    py: u32,      // parity of the input row
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
    c.py = z / p.stride % p.stride;
    c.px = z % p.stride;
    c.height = (p.h + p.stride - 1u - c.py) / p.stride;
    c.width = (p.w + p.stride - 1u - c.px) / p.stride;
    c.ky0 = (c.py + p.pad_top) % p.stride;
    c.kx0 = (c.px + p.pad_left) % p.stride;
    // ky0 < stride; a stride above the kernel side leaves classes without taps.
    let ty = (max(p.kernel, c.ky0) - c.ky0 + p.stride - 1u) / p.stride;
    c.tx = (max(p.kernel, c.kx0) - c.kx0 + p.stride - 1u) / p.stride;
    c.taps = ty * c.tx;
    return c;
}

// Column and row of the kernel where the class's tap of this number is.
fn tap_of(tap: u32, cls: Class) -> vec2<u32> {
    return vec2(cls.kx0 + tap % cls.tx * p.stride, cls.ky0 + tap / cls.tx * p.stride);
}

// Element of x [rows, h, w, c] that output pixel (row, oy, ox) sees at window position `tap_c`.
fn window_index(pixel: u32, tap_c: u32) -> i32 {
    let ox = pixel % p.ow;
    let oy = (pixel / p.ow) % p.oh;
    let row = pixel / (p.ow * p.oh);
    let c = tap_c % p.c;
    let tap = tap_c / p.c;
    let iy = i32(oy * p.stride + tap / p.kernel) - i32(p.pad_top);
    let ix = i32(ox * p.stride + tap % p.kernel) - i32(p.pad_left);
    let inside = (u32(iy) < p.h) & (u32(ix) < p.w);
    return select(-1, i32(((row * p.h + u32(iy)) * p.w + u32(ix)) * p.c + c), inside);
}
