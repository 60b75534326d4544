//! The bias of layers with weights.

/// Adds b `[channels]` to every row of y `[.., channels]`.
pub fn add_bias(y: &mut [f64], bias: &[f64]) {
    assert!(y.len().is_multiple_of(bias.len()), "add_bias: {} values are no rows of {}", y.len(), bias.len());
    for row in y.chunks_exact_mut(bias.len()) {
        for (v, b) in row.iter_mut().zip(bias) {
            *v += b;
        }
    }
}

/// Column sums: dy `[.., channels]`, db `[channels]`.
pub fn bias_grad(dy: &[f64], channels: usize) -> Vec<f64> {
    assert!(dy.len().is_multiple_of(channels), "bias_grad: {} values are no rows of {channels}", dy.len());
    let mut db = vec![0.0; channels];
    for row in dy.chunks_exact(channels) {
        for (d, v) in db.iter_mut().zip(row) {
            *d += v;
        }
    }
    db
}
