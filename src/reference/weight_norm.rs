//! Weight normalisation (Salimans & Kingma 2016): `w[o, :] = g[o] v[o, :] / ||v[o, :]||`.

/// w `[out, n]` from v `[out, n]` and g `[out]`. A row of v that is all zero gives NaN.
///
/// # Panics
/// Where v is no `g.len()` rows.
pub fn weight_norm(v: &[f64], g: &[f64]) -> Vec<f64> {
    let n = row_length(v, g);
    let mut w = Vec::with_capacity(v.len());
    for (row, g) in v.chunks_exact(n).zip(g) {
        let norm = norm(row);
        w.extend(row.iter().map(|x| g * x / norm));
    }
    w
}

/// (dv, dg) from dw: `dv = g / ||v|| (dw - v (dw . v) / ||v||^2)`, `dg = dw . v / ||v||`.
///
/// # Panics
/// Where v is no `g.len()` rows or dw is not as long as v.
pub fn weight_norm_grad(v: &[f64], g: &[f64], dw: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let n = row_length(v, g);
    assert_eq!(v.len(), dw.len(), "weight_norm_grad: dw is not as long as v");
    let (mut dv, mut dg) = (Vec::with_capacity(v.len()), Vec::with_capacity(g.len()));
    for ((v, dw), g) in v.chunks_exact(n).zip(dw.chunks_exact(n)).zip(g) {
        let norm = norm(v);
        let along: f64 = v.iter().zip(dw).map(|(a, b)| a * b).sum();
        dv.extend(v.iter().zip(dw).map(|(v, dw)| g / norm * (dw - v * along / (norm * norm))));
        dg.push(along / norm);
    }
    (dv, dg)
}

fn norm(row: &[f64]) -> f64 {
    row.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn row_length(v: &[f64], g: &[f64]) -> usize {
    assert!(
        !g.is_empty() && v.len().is_multiple_of(g.len()),
        "weight_norm: {} weights, {} scales",
        v.len(),
        g.len()
    );
    v.len() / g.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::gradient_check::{check_gradient, dot, numbers};

    #[test]
    fn rows_have_norm_g() {
        let w = weight_norm(&[3.0, 4.0, 0.0, 2.0], &[10.0, -1.0]);
        assert_eq!(w, [6.0, 8.0, 0.0, -1.0]);
    }

    #[test]
    fn gradients() {
        let (v, g, c) = (numbers(1, 4 * 6), numbers(2, 4), numbers(3, 4 * 6));
        let (dv, dg) = weight_norm_grad(&v, &g, &c);
        check_gradient("dv", &v, &dv, |v| dot(&weight_norm(v, &g), &c));
        check_gradient("dg", &g, &dg, |g| dot(&weight_norm(&v, g), &c));
    }
}
