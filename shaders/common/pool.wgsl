// Windows of a pooling layer: x [rows, h, w, c], y [rows, oh, ow, c], `c` counting in values of type T.
// Needs `p` with the geometry. Places of a window outside the image do not count; at least one is inside.

// Places of a window by number, as many as T has values.
#if V == 4
alias Taps = vec4<u32>;
#else
alias Taps = u32;
#endif

struct Place { row: u32, y: u32, x: u32, channel: u32 }

// Element `i` of an activation with `width` x `height` pixels.
fn place(i: u32, height: u32, width: u32) -> Place {
    let pixel = i / p.c;
    return Place(pixel / (width * height), pixel / width % height, pixel % width, i % p.c);
}

// First place, and one beyond the last, that output `o` takes along an axis of `n` places.
fn inputs_of(o: u32, pad: u32, n: u32) -> vec2<u32> {
    let start = o * p.stride;
    return vec2(max(start, pad) - pad, min(start + p.kernel - pad, n));
}

// First output, and one beyond the last of `n`, whose window holds input `i`.
fn outputs_of(i: u32, pad: u32, n: u32) -> vec2<u32> {
    let at = i + pad;
    return vec2(select(0u, (at - p.kernel) / p.stride + 1u, at >= p.kernel), min(at / p.stride + 1u, n));
}
