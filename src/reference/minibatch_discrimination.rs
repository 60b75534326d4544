//! Minibatch discrimination (Salimans et al. 2016, section 3.2), the closeness a mean instead of a sum; see
//! `shaders/minibatch_discrimination.wgsl`.

use super::LayerParams;
use super::dense::{dense_data_grad, dense_forward, dense_weight_grad};
use super::twin::{Group, LayerRun, Saved, Twin};
use crate::layers::MinibatchDiscrimination;

fn sizes(of: &MinibatchDiscrimination, at: &LayerRun<'_>) -> Sizes {
    Sizes { features: at.layer.input.len() as usize, kernels: of.kernels as usize, dims: of.dims as usize }
}

/// Rows that are compared with one another: in evaluation all of them.
fn compared(at: &LayerRun<'_>) -> Vec<Group> {
    match at.draws {
        Some(_) => at.groups.to_vec(),
        None => vec![Group { rows: at.rows(), update_running: false }],
    }
}

impl Twin for MinibatchDiscrimination {
    /// Saves the product.
    fn forward(&self, at: &LayerRun<'_>, x: &[f64]) -> (Vec<f64>, Saved) {
        let s = sizes(self, at);
        let product = dense_forward(x, &at.effective_weight(), at.rows(), s.features, s.kernels * s.dims);
        (forward(x, &product, s, &compared(at)), product)
    }

    fn backward(
        &self,
        at: &LayerRun<'_>,
        (x, dy): (&[f64], &[f64]),
        product: &[f64],
        grads: &mut LayerParams,
    ) -> Vec<f64> {
        let s = sizes(self, at);
        let dm = backward(product, dy, s, &compared(at));
        let (n, m) = (s.features, s.kernels * s.dims);
        at.set(grads, "weight", dense_weight_grad(&dm, x, at.rows(), n, m));
        let mut dx = dense_data_grad(&dm, &at.effective_weight(), at.rows(), n, m);
        for (dx, dy) in dx.chunks_exact_mut(n).zip(dy.chunks_exact(n + s.kernels)) {
            dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += dy);
        }
        dx
    }
}

/// A, B and C: features of a row, numbers added to them, values that a distance runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// A
    pub features: usize,
    /// B
    pub kernels: usize,
    /// C
    pub dims: usize,
}

/// y `[rows, A + B]` from x `[rows, A]` and m `[rows, B * C]`, closeness within each group.
pub fn forward(x: &[f64], m: &[f64], s: Sizes, groups: &[Group]) -> Vec<f64> {
    let mut y = Vec::new();
    for_groups(groups, |rows| {
        for i in rows.clone() {
            y.extend_from_slice(&x[i * s.features..][..s.features]);
            for b in 0..s.kernels {
                let sum: f64 = rows.clone().map(|j| closeness(m, s, i, j, b)).sum();
                y.push(sum / rows.len() as f64);
            }
        }
    });
    y
}

/// dm from dy.
pub fn backward(m: &[f64], dy: &[f64], s: Sizes, groups: &[Group]) -> Vec<f64> {
    let mut dm = vec![0.0; m.len()];
    let width = s.features + s.kernels;
    for_groups(groups, |rows| {
        let n = rows.len() as f64;
        for i in rows.clone() {
            for j in rows.clone() {
                for b in 0..s.kernels {
                    // o_i holds e_ij; its gradient reaches M_i and M_j.
                    let e = closeness(m, s, i, j, b) * dy[i * width + s.features + b] / n;
                    for c in 0..s.dims {
                        let (at_i, at_j) = (place(s, i, b) + c, place(s, j, b) + c);
                        let difference = m[at_i] - m[at_j];
                        let sign = if difference == 0.0 { 0.0 } else { difference.signum() };
                        dm[at_i] -= e * sign;
                        dm[at_j] += e * sign;
                    }
                }
            }
        }
    });
    dm
}

fn place(s: Sizes, row: usize, b: usize) -> usize {
    (row * s.kernels + b) * s.dims
}

fn closeness(m: &[f64], s: Sizes, i: usize, j: usize, b: usize) -> f64 {
    let row = |i| &m[place(s, i, b)..][..s.dims];
    (-row(i).iter().zip(row(j)).map(|(a, b)| (a - b).abs()).sum::<f64>()).exp()
}

fn for_groups(groups: &[Group], mut f: impl FnMut(std::ops::Range<usize>)) {
    let mut start = 0;
    for g in groups {
        f(start..start + g.rows);
        start += g.rows;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::gradient_check::{check_gradient, numbers};

    const SIZES: Sizes = Sizes { features: 3, kernels: 2, dims: 4 };
    const GROUPS: [Group; 2] =
        [Group { rows: 4, update_running: false }, Group { rows: 3, update_running: false }];

    #[test]
    fn known_values() {
        let s = Sizes { features: 1, kernels: 1, dims: 1 };
        let groups = [Group { rows: 2, update_running: false }, Group { rows: 1, update_running: false }];
        let y = forward(&[5.0, 6.0, 7.0], &[0.0, 2f64.ln(), 9.0], s, &groups);
        assert_eq!(y, [5.0, 0.75, 6.0, 0.75, 7.0, 1.0]);
    }

    #[test]
    fn gradient() {
        let (m, x, w) = (numbers(1, 7 * 8), numbers(2, 7 * 3), numbers(3, 7 * 5));
        let grad = backward(&m, &w, SIZES, &GROUPS);
        check_gradient("minibatch discrimination", &m, &grad, |m| {
            forward(&x, m, SIZES, &GROUPS).iter().zip(&w).map(|(y, w)| y * w).sum()
        });
    }
}
