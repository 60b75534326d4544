// Windows of a pooling layer: x [rows, H, W, C], y [rows, OH, OW, C], read V channels at a time. The geometry is
// part of the text: with divisors known to the compiler the gradient of 48 channels took 46 -> 30 ms on llvmpipe,
// which divides lane by lane. Places of a window outside the image do not count; at least one is inside.

// Places of a window by number, as many as T has values.
#if V == 4
alias Taps = vec4<u32>;
#else
alias Taps = u32;
#endif

struct Place { row: u32, y: u32, x: u32, channel: u32 }

// Element `i` of an activation with `width` x `height` pixels.
fn place(i: u32, height: u32, width: u32) -> Place {
    let pixel = i / ${C / V}u;
    return Place(pixel / (width * height), pixel / width % height, pixel % width, i % ${C / V}u);
}

// Element of x, and of y, at a pixel of image `row`.
fn input_at(row: u32, y: u32, x: u32, channel: u32) -> u32 {
    return ((row * ${H}u + y) * ${W}u + x) * ${C / V}u + channel;
}

fn output_at(row: u32, y: u32, x: u32, channel: u32) -> u32 {
    return ((row * ${OH}u + y) * ${OW}u + x) * ${C / V}u + channel;
}

// First place, and one beyond the last, that output `o` takes along an axis of `n` places.
fn inputs_of(o: u32, pad: u32, n: u32) -> vec2<u32> {
    let start = o * ${STRIDE}u;
    return vec2(max(start, pad) - pad, min(start + ${KERNEL}u - pad, n));
}

// First output, and one beyond the last of `n`, whose window holds input `i`.
fn outputs_of(i: u32, pad: u32, n: u32) -> vec2<u32> {
    let at = i + pad;
    return vec2(select(0u, (at - ${KERNEL}u) / ${STRIDE}u + 1u, at >= ${KERNEL}u), min(at / ${STRIDE}u + 1u, n));
}
