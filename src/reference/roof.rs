//! What the multiply-add kernel of the roofs leaves.

/// Row i of `[n, 4]`: the sum over k of `chains` chains that start at `(i % 64 + k) / 64` and take `8 rounds` steps
/// v <- v a + b; all four values are equal.
pub fn roof_fma(n: usize, chains: u32, rounds: u32, a: f64, b: f64) -> Vec<f64> {
    let chain = |start: f64| (0..8 * rounds).fold(start, |v, _| v * a + b);
    let row = |i: usize| (0..chains).map(|k| chain((i % 64) as f64 / 64.0 + f64::from(k) / 64.0)).sum();
    (0..n).flat_map(|i| [row(i); 4]).collect()
}

#[cfg(test)]
mod tests {
    use super::roof_fma;

    #[test]
    fn chains_approach_their_fixed_point() {
        // v <- v / 2 + 1 goes to 2; two chains are summed.
        let y = roof_fma(3, 2, 8, 0.5, 1.0);
        assert!(y.iter().all(|v| (v - 4.0).abs() < 1e-12), "{y:?}");
        // One round of eight additions.
        assert_eq!(roof_fma(65, 1, 1, 1.0, 0.25)[4..8], [2.0 + 1.0 / 64.0; 4]);
        assert_eq!(roof_fma(65, 1, 1, 1.0, 0.25)[256..], [2.0; 4]);
    }
}
