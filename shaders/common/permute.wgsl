// Element i of a pseudo-random permutation of 0..n without a table: rng::permute.
#include "common/philox.wgsl"

fn permute(seed: vec2<u32>, stream: u32, epoch: u32, i: u32, n: u32, half_bits: u32) -> u32 {
    let mask = (1u << half_bits) - 1u;
    var x = i;
    loop {
        var left = x >> half_bits;
        var right = x & mask;
        for (var round = 1u; round <= 4u; round++) {
            let f = philox4x32(vec4(right, stream, epoch, round), seed).x & mask;
            let next = left ^ f;
            left = right;
            right = next;
        }
        x = (left << half_bits) | right;
        if (x < n) {
            break;
        }
    }
    return x;
}
