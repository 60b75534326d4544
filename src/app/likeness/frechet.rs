//! The Fréchet distance of two normal distributions, and the linear algebra that it takes.

use crate::train::FeatureMoments;
use rayon::prelude::*;

/// Of the largest variance: less cannot be told from none, as the sums that it comes from are of 32 bits.
const NOTHING: f64 = 1e-7;

/// |m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^½) of the normal distributions with the means and covariances of two sets of features
/// (Dowson & Landau 1982, "The Fréchet distance between multivariate normal distributions"): of Inception's features it is
/// what Heusel et al. 2017 call FID. It has the unit of a squared feature, so that distances compare by the same features,
/// and grows as images get fewer, so that they compare for the same number of images. Not negative.
///
/// # Panics
/// If the two have not as many features, or one has fewer than two images.
pub fn frechet_distance(a: &FeatureMoments, b: &FeatureMoments) -> f64 {
    assert!(a.features() == b.features() && a.images() > 1 && b.images() > 1);
    let n = a.features();
    let (c1, c2) = (a.covariance(), b.covariance());
    let means: f64 = a.mean().iter().zip(b.mean()).map(|(x, y)| (x - y).powi(2)).sum();
    let trace = |c: &[f64]| (0..n).map(|i| c[i * n + i]).sum::<f64>();
    (means + trace(&c1) + trace(&c2) - 2.0 * trace_of_root(&c1, &c2, n)).max(0.0)
}

/// tr((C1 C2)^½) of two symmetric matrices `[n, n]` without negative eigenvalues but for rounding. With C1 = L L^T the
/// eigenvalues of C1 C2 are those of L^T C2 L, which is symmetric.
fn trace_of_root(c1: &[f64], c2: &[f64], n: usize) -> f64 {
    let l = factor(c1, n);
    let rank = l.len();
    let c2_l: Vec<Vec<f64>> = l.par_iter().map(|column| times(c2, column)).collect();
    let product: Vec<f64> =
        (0..rank * rank).into_par_iter().map(|i| dot(&l[i / rank], &c2_l[i % rank])).collect();
    let (diagonal, beside) = tridiagonal(product, rank);
    eigenvalues(&diagonal, &beside).iter().map(|value| value.max(0.0).sqrt()).sum()
}

/// Columns of L with C = L L^T, the largest remaining variance first, as many as there are that are not nothing.
fn factor(c: &[f64], n: usize) -> Vec<Vec<f64>> {
    let mut left: Vec<f64> = (0..n).map(|i| c[i * n + i]).collect();
    let least = NOTHING * left.iter().fold(0.0, |m: f64, &v| m.max(v));
    let mut columns: Vec<Vec<f64>> = vec![];
    while columns.len() < n {
        let pivot = (0..n).fold(0, |p, i| if left[i] > left[p] { i } else { p });
        if left[pivot] <= least {
            break;
        }
        let mut column = c[pivot * n..][..n].to_vec();
        columns.iter().for_each(|other| add(&mut column, -other[pivot], other));
        let scale = 1.0 / left[pivot].sqrt();
        column.iter_mut().for_each(|v| *v *= scale);
        left.iter_mut().zip(&column).for_each(|(l, v)| *l -= v * v);
        // What rounding leaves of it.
        left[pivot] = 0.0;
        columns.push(column);
    }
    columns
}

/// Diagonal and the values beside it of a tridiagonal matrix with the eigenvalues of the symmetric A `[n, n]`, by
/// Householder's reflections: each makes zeros of a column below those (Golub & Van Loan, "Matrix computations", 8.3.1).
fn tridiagonal(mut a: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut beside = vec![];
    for k in 0..n.saturating_sub(1) {
        // H = 1 - 2 v v^T / v^T v takes x, the column below the diagonal, to (length, 0, ...).
        let mut v: Vec<f64> = a[k * n + k + 1..(k + 1) * n].to_vec();
        let length = -dot(&v, &v).sqrt().copysign(v[0]);
        beside.push(length);
        v[0] -= length;
        let square = dot(&v, &v);
        if square == 0.0 {
            continue;
        }
        // H A H = A - v w^T - w v^T with w = p - (v^T p / v^T v) v and p = 2 A v / v^T v.
        let rest = |i: usize| (k + 1 + i) * n + k + 1..(k + 2 + i) * n;
        let mut w = vec![0.0; v.len()];
        (0..v.len()).for_each(|i| add(&mut w, 2.0 * v[i] / square, &a[rest(i)]));
        let along = dot(&v, &w) / square;
        add(&mut w, -along, &v);
        for i in 0..v.len() {
            let row = &mut a[rest(i)];
            add(row, -v[i], &w);
            add(row, -w[i], &v);
        }
    }
    ((0..n).map(|i| a[i * n + i]).collect(), beside)
}

/// Eigenvalues of a symmetric tridiagonal matrix, ascending: each by bisection, as those below x are as many as the negative
/// pivots of the matrix less x (Golub & Van Loan, 8.4.1).
fn eigenvalues(diagonal: &[f64], beside: &[f64]) -> Vec<f64> {
    let n = diagonal.len();
    let at = |i: usize| if i < beside.len() { beside[i].abs() } else { 0.0 };
    let reach = |i: usize| at(i) + if i > 0 { at(i - 1) } else { 0.0 };
    let low = (0..n).map(|i| diagonal[i] - reach(i)).fold(0.0, f64::min);
    let high = (0..n).map(|i| diagonal[i] + reach(i)).fold(0.0, f64::max);
    let below = |x: f64| {
        let mut pivot = 1.0;
        (0..n)
            .filter(|&i| {
                let coupled = if i > 0 { beside[i - 1].powi(2) } else { 0.0 };
                // A pivot of 0 would be divided by.
                pivot = diagonal[i] - x - coupled / pivot;
                pivot = if pivot == 0.0 { -f64::MIN_POSITIVE } else { pivot };
                pivot < 0.0
            })
            .count()
    };
    let nth = |k: usize| {
        let (mut low, mut high) = (low, high);
        // 60 halvings are below the last digit of the largest.
        for _ in 0..60 {
            let middle = low + (high - low) / 2.0;
            *(if below(middle) > k { &mut high } else { &mut low }) = middle;
        }
        low + (high - low) / 2.0
    };
    (0..n).into_par_iter().map(nth).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// to += scale * from
fn add(to: &mut [f64], scale: f64, from: &[f64]) {
    to.iter_mut().zip(from).for_each(|(t, f)| *t += scale * f);
}

/// C x of a symmetric C `[n, n]`.
fn times(c: &[f64], x: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; x.len()];
    c.chunks_exact(x.len()).zip(x).for_each(|(row, &value)| add(&mut y, value, row));
    y
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    /// Numbers between -1 and 1 that have no pattern.
    fn noise(count: usize) -> Vec<f64> {
        (1..=count).map(|i| (i as f64 * 12.9898).sin() * 43758.5453 % 1.0).collect()
    }

    /// X^T X of `rows` rows: symmetric, of that rank.
    fn gram(rows: usize, n: usize) -> Vec<f64> {
        let x = noise(rows * n);
        let at = |i: usize, j: usize| (0..rows).map(|r| x[r * n + i] * x[r * n + j]).sum();
        (0..n * n).map(|i| at(i / n, i % n)).collect()
    }

    fn all_eigenvalues(a: &[f64], n: usize) -> Vec<f64> {
        let (diagonal, beside) = tridiagonal(a.to_vec(), n);
        eigenvalues(&diagonal, &beside)
    }

    #[test]
    fn known_eigenvalues() {
        // Second differences: 2 - 2 cos(k pi / (n + 1)).
        let n = 40;
        let found = eigenvalues(&vec![2.0; n], &vec![-1.0; n - 1]);
        for (k, value) in (1..).zip(found) {
            let expected = 2.0 - 2.0 * (f64::from(k) * PI / (n as f64 + 1.0)).cos();
            assert!((value - expected).abs() < 1e-14, "{k}: {value} {expected}");
        }
        assert!(all_eigenvalues(&[], 0).is_empty());
        assert!((all_eigenvalues(&[7.0], 1)[0] - 7.0).abs() < 1e-15);
        // [[2, 1], [1, 2]], and one without a reflection to be made.
        for (a, expected) in [([2.0, 1.0, 1.0, 2.0], [1.0, 3.0]), ([5.0, 0.0, 0.0, 4.0], [4.0, 5.0])] {
            let found = all_eigenvalues(&a, 2);
            assert!(found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-14), "{a:?}: {found:?}");
        }
    }

    /// A symmetric matrix and its eigenvalues have the same trace, and so have their squares and cubes.
    #[test]
    fn eigenvalues_have_the_traces() {
        for (rows, n) in [(9, 9), (5, 17), (80, 33)] {
            let a = gram(rows, n);
            let square: Vec<f64> = (0..n).flat_map(|i| times(&a, &a[i * n..][..n])).collect();
            let found = all_eigenvalues(&a, n);
            let diagonal: f64 = (0..n).map(|i| a[i * n + i]).sum();
            for (power, expected) in [(1, diagonal), (2, dot(&a, &a)), (3, dot(&square, &a))] {
                let sum: f64 = found.iter().map(|v| v.powi(power)).sum();
                assert!(
                    (sum / expected - 1.0).abs() < 1e-12,
                    "{rows} x {n}, power {power}: {sum} {expected}"
                );
            }
            let zeros = found.iter().filter(|v| v.abs() < 1e-12 * expected_largest(&found)).count();
            assert_eq!(zeros, n.saturating_sub(rows), "{rows} x {n}");
        }
    }

    fn expected_largest(values: &[f64]) -> f64 {
        values.iter().fold(0.0, |m, &v| v.max(m))
    }

    #[test]
    fn a_factor_has_the_rank() {
        for (rows, n) in [(4, 12), (12, 4), (30, 30)] {
            let c = gram(rows, n);
            let columns = factor(&c, n);
            assert!(columns.len() <= rows.min(n), "{} columns of {rows} x {n}", columns.len());
            for i in 0..n * n {
                let again: f64 = columns.iter().map(|l| l[i / n] * l[i % n]).sum();
                assert!((again - c[i]).abs() < 1e-5, "{i}: {again} {}", c[i]);
            }
        }
        assert!(factor(&[0.0; 9], 3).is_empty());
    }

    /// Of two matrices of two rows the root's trace is known: sqrt(tr(C1 C2) + 2 sqrt(det C1 det C2)).
    #[test]
    fn the_root_of_a_product() {
        let (c1, c2) = ([3.0, 1.0, 1.0, 2.0], [1.0, -0.5, -0.5, 4.0]);
        let trace: f64 = dot(&c1, &c2);
        let determinant = |c: &[f64; 4]| c[0] * c[3] - c[1] * c[2];
        let expected = (trace + 2.0 * (determinant(&c1) * determinant(&c2)).sqrt()).sqrt();
        assert!((trace_of_root(&c1, &c2, 2) - expected).abs() < 1e-12);
        // The same matrix twice: its own trace, whatever its rank.
        for (rows, n) in [(5, 9), (40, 20)] {
            let c = gram(rows, n);
            let trace: f64 = (0..n).map(|i| c[i * n + i]).sum();
            let found = trace_of_root(&c, &c, n);
            assert!((found / trace - 1.0).abs() < 1e-6, "{found} {trace}");
        }
    }

    type Block = [f64; 3];

    /// Pairs of blocks of two along the diagonal, mixed by a reflection, so that every value counts: the trace is known, with
    /// blocks of any rank.
    #[test]
    fn the_root_of_a_product_of_many() {
        let blocks: [(Block, Block); 3] = [
            ([3.0, 1.0, 2.0], [1.0, -0.5, 4.0]),
            ([1.0, 1.0, 1.0], [2.0, 0.3, 0.7]),
            ([0.0, 0.0, 0.0], [5.0, 1.0, 1.0]),
        ];
        let n = 2 * blocks.len();
        let v = noise(n);
        let reflect = |row: &[f64]| {
            let mut row = row.to_vec();
            let scale = -2.0 * dot(&row, &v) / dot(&v, &v);
            add(&mut row, scale, &v);
            row
        };
        let mixed = |of: fn(&(Block, Block)) -> Block| {
            let mut c = vec![0.0; n * n];
            for (at, block) in (0..n).step_by(2).zip(&blocks) {
                let [x, between, y] = of(block);
                (c[at * n + at], c[(at + 1) * n + at + 1]) = (x, y);
                (c[at * n + at + 1], c[(at + 1) * n + at]) = (between, between);
            }
            let rows: Vec<Vec<f64>> = c.chunks(n).map(reflect).collect();
            let column = |j: usize| rows.iter().map(|row| row[j]).collect::<Vec<f64>>();
            (0..n).flat_map(|j| reflect(&column(j))).collect::<Vec<f64>>()
        };
        let (c1, c2) = (mixed(|b| b.0), mixed(|b| b.1));
        let determinant = |c: &Block| c[0] * c[2] - c[1] * c[1];
        let root = |(a, b): &(Block, Block)| {
            let trace = a[0] * b[0] + 2.0 * a[1] * b[1] + a[2] * b[2];
            (trace + 2.0 * (determinant(a) * determinant(b)).sqrt()).sqrt()
        };
        let expected: f64 = blocks.iter().map(root).sum();
        for found in [trace_of_root(&c1, &c2, n), trace_of_root(&c2, &c1, n)] {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }

    /// Moments of the rows of `values`.
    fn moments(values: &[f32], f: usize) -> FeatureMoments {
        let mut moments = FeatureMoments::new(f);
        values.chunks(f).for_each(|row| moments.add(1, row, &vec![0.0; f * f]));
        moments
    }

    #[test]
    fn the_distance_is_known_where_features_are_apart() {
        // Two features, of which one is twice as wide and the other moved by 3: nothing correlated.
        let corners = [[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]];
        let a = moments(&corners.concat(), 2);
        let b = moments(&corners.map(|[x, y]| [2.0 * x, y + 3.0]).concat(), 2);
        // Deviations of a sample of four: sqrt(4/3) and twice that.
        let expected = 9.0 + (4.0f64 / 3.0) * (2.0f64 - 1.0).powi(2);
        assert!((frechet_distance(&a, &b) - expected).abs() < 1e-9, "{}", frechet_distance(&a, &b));
        assert!((frechet_distance(&a, &b) - frechet_distance(&b, &a)).abs() < 1e-9);
        assert!(frechet_distance(&a, &a).abs() < 1e-9);
    }
}
