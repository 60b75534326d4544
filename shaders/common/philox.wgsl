// Philox 4x32-10 (Salmon et al. 2011); the same integers as src/rng.rs.

// High and low word of a * b; WGSL has no 64-bit product.
fn mul_wide(a: u32, b: u32) -> vec2<u32> {
    let a0 = a & 0xffffu;
    let a1 = a >> 16u;
    let b0 = b & 0xffffu;
    let b1 = b >> 16u;
    let low = a0 * b0;
    let mid = a1 * b0 + (low >> 16u);
    let mid2 = a0 * b1 + (mid & 0xffffu);
    return vec2(a1 * b1 + (mid >> 16u) + (mid2 >> 16u), a * b);
}

fn philox4x32(counter: vec4<u32>, seed: vec2<u32>) -> vec4<u32> {
    var c = counter;
    var k = seed;
#for r in 0..10
    {
        let p0 = mul_wide(c.x, 0xd2511f53u);
        let p1 = mul_wide(c.z, 0xcd9e8d57u);
        c = vec4(p1.x ^ c.y ^ k.x, p1.y, p0.x ^ c.w ^ k.y, p0.y);
        k += vec2(0x9e3779b9u, 0xbb67ae85u);
    }
#endfor
    return c;
}
