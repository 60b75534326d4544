// Floats from Philox's integers, as src/rng.rs defines them. Logarithm, sine and cosine are our own
// polynomials: WGSL allows the built-in sine an error of 2^-11.
#include "common/philox.wgsl"

fn unit4(bits: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(bits >> vec4(8u)) * (1.0 / 16777216.0);
}

// log u for u in (0, 1]: u = 2^e m with m in [sqrt 1/2, sqrt 2), log m = 2 atanh((m - 1) / (m + 1)).
fn log_unit(u: vec2<f32>) -> vec2<f32> {
    let bits = bitcast<vec2<u32>>(u);
    var e = vec2<i32>(bits >> vec2(23u)) - 127;
    var m = bitcast<vec2<f32>>((bits & vec2(0x7fffffu)) | vec2(0x3f800000u));
    let big = m > vec2(1.41421356);
    m = select(m, 0.5 * m, big);
    e = select(e, e + 1, big);
    let s = (m - 1.0) / (m + 1.0);
    let t = s * s;
    let series = 2.0 * s * (1.0 + t * (1.0 / 3.0 + t * (0.2 + t * (1.0 / 7.0 + t * (1.0 / 9.0)))));
    return vec2<f32>(e) * 0.69314718056 + series;
}

// (cos, sin) of 2 pi u for u in [0, 1): Taylor on the nearest quarter turn, error below 3e-9 + rounding.
fn turn(u: f32) -> vec2<f32> {
    let q = round(4.0 * u);
    let x = 6.28318530718 * (u - 0.25 * q);
    let x2 = x * x;
    let c = 1.0 - x2 * (0.5 - x2 * (1.0 / 24.0 - x2 * (1.0 / 720.0 - x2 * (1.0 / 40320.0 - x2 / 3628800.0))));
    let s = x * (1.0 - x2 * (1.0 / 6.0 - x2 * (1.0 / 120.0 - x2 * (1.0 / 5040.0 - x2 / 362880.0))));
    let quarter = u32(q) & 3u;
    let cs = select(vec2(c, s), vec2(-s, c), (quarter & 1u) == 1u);
    return select(cs, -cs, quarter >= 2u);
}

// Box & Muller 1958: elements 2i and 2i + 1 share a radius; cosine first.
fn normal4(bits: vec4<u32>) -> vec4<f32> {
    let u = vec2<f32>((bits.xz >> vec2(8u)) + 1u) * (1.0 / 16777216.0);
    let radius = sqrt(-2.0 * log_unit(u));
    let v = unit4(bits);
    return vec4(radius.x * turn(v.y), radius.y * turn(v.w));
}
