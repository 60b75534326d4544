//! Dense layers: `y = x W^T + b` with x `[rows, in]`, W `[out, in]`, b `[out]`, y `[rows, out]`.

use super::LayerParams;
use super::twin::{LayerRun, Saved, Twin};
use crate::layers::Dense;

impl Twin for Dense {
    /// Saves the weights used, weight normalisation applied.
    fn forward(&self, at: &LayerRun<'_>, x: &[f64]) -> (Vec<f64>, Saved) {
        let (inputs, outputs) = (at.layer.input.len() as usize, at.layer.output.len() as usize);
        let w = at.effective_weight();
        let y = dense_forward(x, &w, at.rows(), inputs, outputs);
        (at.with_bias(y), w)
    }

    fn backward(
        &self,
        at: &LayerRun<'_>,
        (x, dy): (&[f64], &[f64]),
        w: &[f64],
        grads: &mut LayerParams,
    ) -> Vec<f64> {
        let (inputs, outputs) = (at.layer.input.len() as usize, at.layer.output.len() as usize);
        at.set_weight_grads(grads, &dense_weight_grad(dy, x, at.rows(), inputs, outputs), dy);
        dense_data_grad(dy, w, at.rows(), inputs, outputs)
    }
}

/// Matrix product `[m, k] x [k, n] -> [m, n]`, loops ordered i-k-j so that the innermost runs along rows.
///
/// # Panics
/// Where the lengths do not fit `m`, `k` and `n`.
pub fn matmul(a: &[f64], b: &[f64], m: usize, k: usize, n: usize) -> Vec<f64> {
    assert_eq!(a.len(), m * k, "matmul: left operand is not [{m}, {k}]");
    assert_eq!(b.len(), k * n, "matmul: right operand is not [{k}, {n}]");
    let mut c = vec![0.0; m * n];
    for i in 0..m {
        for l in 0..k {
            let scale = a[i * k + l];
            for j in 0..n {
                c[i * n + j] += scale * b[l * n + j];
            }
        }
    }
    c
}

/// Transposes `[m, n]` to `[n, m]`.
///
/// # Panics
/// Where `a` is not `m * n` long.
pub fn transpose<T: Copy + Default>(a: &[T], m: usize, n: usize) -> Vec<T> {
    assert_eq!(a.len(), m * n, "transpose: operand is not [{m}, {n}]");
    let mut t = vec![T::default(); m * n];
    for i in 0..m {
        for j in 0..n {
            t[j * m + i] = a[i * n + j];
        }
    }
    t
}

/// `y = x W^T`: x `[rows, inputs]`, w `[outputs, inputs]`, y `[rows, outputs]`.
pub fn dense_forward(x: &[f64], w: &[f64], rows: usize, inputs: usize, outputs: usize) -> Vec<f64> {
    matmul(x, &transpose(w, outputs, inputs), rows, inputs, outputs)
}

/// `dx = dy W`: dy `[rows, outputs]`, w `[outputs, inputs]`, dx `[rows, inputs]`.
pub fn dense_data_grad(dy: &[f64], w: &[f64], rows: usize, inputs: usize, outputs: usize) -> Vec<f64> {
    matmul(dy, w, rows, outputs, inputs)
}

/// `dW = dy^T x`: dy `[rows, outputs]`, x `[rows, inputs]`, dW `[outputs, inputs]`.
pub fn dense_weight_grad(dy: &[f64], x: &[f64], rows: usize, inputs: usize, outputs: usize) -> Vec<f64> {
    matmul(&transpose(dy, rows, outputs), x, outputs, rows, inputs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::bias::{add_bias, bias_grad};
    use crate::reference::gradient_check::{check_gradient, dot, numbers};

    #[test]
    fn known_product() {
        // x = [[1, 2, 3], [4, 5, 6]], W = [[1, 0, -1], [2, 1, 0]]
        let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let w = [1.0, 0.0, -1.0, 2.0, 1.0, 0.0];
        let mut y = dense_forward(&x, &w, 2, 3, 2);
        assert_eq!(y, [-2.0, 4.0, -2.0, 13.0]);
        add_bias(&mut y, &[10.0, 20.0]);
        assert_eq!(y, [8.0, 24.0, 8.0, 33.0]);
    }

    #[test]
    fn gradients() {
        let (rows, inputs, outputs) = (5, 7, 3);
        let (x, w) = (numbers(1, rows * inputs), numbers(2, outputs * inputs));
        let (b, c) = (numbers(3, outputs), numbers(4, rows * outputs));
        let loss = |x: &[f64], w: &[f64], b: &[f64]| {
            let mut y = dense_forward(x, w, rows, inputs, outputs);
            add_bias(&mut y, b);
            dot(&y, &c)
        };
        check_gradient("dx", &x, &dense_data_grad(&c, &w, rows, inputs, outputs), |x| loss(x, &w, &b));
        check_gradient("dw", &w, &dense_weight_grad(&c, &x, rows, inputs, outputs), |w| loss(&x, w, &b));
        check_gradient("db", &b, &bias_grad(&c, outputs), |b| loss(&x, &w, b));
    }
}
