//! Philox 4x32-10, the counter-based generator of Salmon et al. 2011 ("Parallel random numbers: as easy
//! as 1, 2, 3"), and what is drawn from it. `shaders/common/philox.wgsl` computes the same integers.
//!
//! A number is a pure function of (seed, stream, step, index): nothing is stored, any element can be made
//! anywhere, and a resumed run draws what an uninterrupted one would have drawn.

/// A value's place: which stream, which step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    /// Stream number; see [`streams`].
    pub stream: u32,
    /// Training step or epoch.
    pub step: u32,
}

/// Stream numbers. One stream per purpose, so that no two draws share a counter; networks have at most
/// `MAX_LAYERS` of `model/infer.rs`.
pub mod streams {
    /// Initial weights of the discriminator: + layer index.
    pub const INIT_D: u32 = 0x0100;
    /// Initial weights of the generator: + layer index.
    pub const INIT_G: u32 = 0x0200;
    /// Noise and dropout in D during the D step: + layer index.
    pub const NOISE_D_STEP: u32 = 0x0300;
    /// Noise and dropout in D during the G step: + layer index.
    pub const NOISE_G_STEP: u32 = 0x0400;
    /// Noise and dropout in G during the D step: + layer index.
    pub const NOISE_G_IN_D_STEP: u32 = 0x0500;
    /// Noise and dropout in G during the G step: + layer index.
    pub const NOISE_G_IN_G_STEP: u32 = 0x0600;
    /// Noise in D during data-dependent initialisation: + layer index.
    pub const NOISE_INIT: u32 = 0x0700;
    /// Noise and dropout in G during data-dependent initialisation: + layer index.
    pub const NOISE_INIT_G: u32 = 0x0780;
    /// z of the D step.
    pub const Z_D_STEP: u32 = 0x0800;
    /// z of the G step.
    pub const Z_G_STEP: u32 = 0x0801;
    /// z of the sample grid.
    pub const Z_SAMPLES: u32 = 0x0802;
    /// z of G's data-dependent initialisation.
    pub const Z_INIT: u32 = 0x0803;
    /// Order of the labelled images (step = epoch of that stream).
    pub const ORDER_LABELLED: u32 = 0x0900;
    /// Order of the D step's unlabelled images.
    pub const ORDER_UNLABELLED_D: u32 = 0x0901;
    /// Order of the G step's unlabelled images.
    pub const ORDER_UNLABELLED_G: u32 = 0x0902;
    /// Order of the images that data-dependent initialisation looks at.
    pub const ORDER_INIT: u32 = 0x0903;
    /// Which images are labelled (keyed by the label seed).
    pub const LABEL_CHOICE: u32 = 0x0A00;
    /// Which labelled images are held out for validation (keyed by the label seed).
    pub const VALIDATION_CHOICE: u32 = 0x0A01;
    /// Which images are unlabelled, where not all are (keyed by the label seed).
    pub const UNLABELLED_CHOICE: u32 = 0x0A02;
    /// Which labels are held out as a test set (keyed by the label seed).
    pub const HOLD_OUT_CHOICE: u32 = 0x0A03;
    /// Where clusters begin (keyed by the label seed).
    pub const CLUSTERS: u32 = 0x0A04;
    /// Which images are put into clusters, where not all are (keyed by the label seed).
    pub const CLUSTERED_CHOICE: u32 = 0x0A05;
    /// Noise and dropout in D in the second update of a D step of three, and the third: + layer index.
    pub const NOISE_D_STEP_LATER: [u32; 2] = [0x0C00, 0x0D00];
    /// The synthetic digits: + purpose.
    pub const DIGITS: u32 = 0x0B00;
}

/// Ten rounds of Philox 4x32.
pub fn philox4x32(mut c: [u32; 4], mut k: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            k[0] = k[0].wrapping_add(0x9E37_79B9);
            k[1] = k[1].wrapping_add(0xBB67_AE85);
        }
        let p0 = u64::from(c[0]) * 0xD251_1F53;
        let p1 = u64::from(c[2]) * 0xCD9E_8D57;
        c = [(p1 >> 32) as u32 ^ c[1] ^ k[0], p1 as u32, (p0 >> 32) as u32 ^ c[3] ^ k[1], p0 as u32];
    }
    c
}

/// A seed as Philox's key.
pub fn key(seed: u64) -> [u32; 2] {
    [seed as u32, (seed >> 32) as u32]
}

/// The four 32-bit numbers that elements `4 block .. 4 block + 4` of a stream are made of.
pub fn block(seed: u64, at: Counter, block: u32) -> [u32; 4] {
    philox4x32([block, at.stream, at.step, 0], key(seed))
}

/// Bits to a float in [0, 1): the upper 24 bits times 2^-24, exact in f32.
pub fn unit(bits: u32) -> f64 {
    f64::from(bits >> 8) * (1.0 / 16_777_216.0)
}

/// Element `index` of a stream, uniform on [0, 1).
pub fn uniform(seed: u64, at: Counter, index: u32) -> f64 {
    unit(block(seed, at, index / 4)[index as usize % 4])
}

/// Element `index` of a stream, standard normal (Box & Muller 1958: elements 2i and 2i+1 share a pair of
/// uniforms, u1 in (0, 1] and u2 in [0, 1); cosine first).
pub fn normal(seed: u64, at: Counter, index: u32) -> f64 {
    let b = block(seed, at, index / 4);
    let pair = (index as usize % 4) / 2 * 2;
    let u1 = f64::from((b[pair] >> 8) + 1) * (1.0 / 16_777_216.0);
    let angle = std::f64::consts::TAU * unit(b[pair + 1]);
    let radius = libm::sqrt(-2.0 * libm::log(u1));
    radius * if index.is_multiple_of(2) { libm::cos(angle) } else { libm::sin(angle) }
}

/// Rows and columns that image `row` moves by, each uniform on `-most..=most`.
pub fn shift(seed: u64, at: Counter, row: u32, most: u32) -> [i32; 2] {
    let b = block(seed, at, row);
    [b[0], b[1]].map(|bits| (((bits >> 16) * (2 * most + 1)) >> 16) as i32 - most as i32)
}

/// Whether image `row` is mirrored, with probability 1/2.
pub fn flip(seed: u64, at: Counter, row: u32) -> bool {
    block(seed, at, row)[0] >> 31 == 1
}

/// The affine map of image `row`, its entries within `warp` of the identity's and its shifts within `shift`: the matrix by
/// rows, then rows and columns that the image moves down and right by.
pub fn affine(seed: u64, at: Counter, row: u32, shift: f64, warp: f64) -> [f64; 6] {
    let from = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0];
    let most = [warp, warp, warp, warp, shift, shift];
    let u = |e: usize| 2.0 * uniform(seed, at, 8 * row + e as u32) - 1.0;
    std::array::from_fn(|e| from[e] + most[e] * u(e))
}

/// Number of Feistel rounds of [`permute`].
pub const FEISTEL_ROUNDS: u32 = 4;

/// Element `i` of a pseudo-random permutation of `0..n`: a Feistel network over the smallest even number
/// of bits that holds n, its round function Philox, walked along its cycle until it falls below n
/// (Black & Rogaway 2002). No table: the GPU computes the same.
///
/// # Panics
/// If `i` is not below `n`.
pub fn permute(seed: u64, at: Counter, i: u32, n: u32) -> u32 {
    assert!(i < n);
    let half = half_bits(n);
    let mask = (1u32 << half) - 1;
    let mut x = i;
    loop {
        let (mut left, mut right) = (x >> half, x & mask);
        for round in 0..FEISTEL_ROUNDS {
            let f = philox4x32([right, at.stream, at.step, round + 1], key(seed))[0] & mask;
            (left, right) = (right, left ^ f);
        }
        x = (left << half) | right;
        if x < n {
            return x;
        }
    }
}

/// Half the bits of the Feistel network for a permutation of `0..n`; at least 1.
pub fn half_bits(n: u32) -> u32 {
    let bits = 32 - n.saturating_sub(1).leading_zeros();
    bits.div_ceil(2).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers published with Random123 (`kat_vectors`, philox4x32 10).
    #[test]
    fn known_answers() {
        let f = u32::MAX;
        assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
        assert_eq!(philox4x32([f; 4], [f; 2]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
        assert_eq!(
            philox4x32([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]),
            [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]
        );
    }

    #[test]
    fn permutations_are_permutations() {
        for n in [1, 2, 3, 5, 64, 65, 1000, 60_000] {
            let at = Counter { stream: 7, step: n };
            let mut seen = vec![false; n as usize];
            for i in 0..n {
                let p = permute(3, at, i, n) as usize;
                assert!(!seen[p], "n {n}: {p} twice");
                seen[p] = true;
            }
        }
    }

    #[test]
    fn normal_moments() {
        let n = 40_000;
        let at = Counter { stream: 1, step: 2 };
        let x: Vec<f64> = (0..n).map(|i| normal(5, at, i)).collect();
        let mean = x.iter().sum::<f64>() / f64::from(n);
        let var = x.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / f64::from(n);
        assert!(mean.abs() < 0.02 && (var - 1.0).abs() < 0.03, "mean {mean} variance {var}");
    }
}
