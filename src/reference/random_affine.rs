//! Images under random affine maps.

use super::LayerParams;
use super::twin::{LayerRun, Saved, Twin};
use crate::layers::RandomAffine;
use crate::model::shape::Dims;
use crate::rng::{self, Counter};

impl RandomAffine {
    fn maps(&self, at: &LayerRun<'_>) -> Vec<Affine> {
        match at.draws {
            Some((seed, counter)) => draw(at.rows(), self.shift, self.warp, seed, counter),
            None => vec![Affine::IDENTITY; at.rows()],
        }
    }
}

impl Twin for RandomAffine {
    fn forward(&self, at: &LayerRun<'_>, x: &[f64]) -> (Vec<f64>, Saved) {
        (warp(x, at.layer.input, &self.maps(at)), vec![])
    }

    fn backward(
        &self,
        at: &LayerRun<'_>,
        (_, dy): (&[f64], &[f64]),
        _: &[f64],
        _: &mut LayerParams,
    ) -> Vec<f64> {
        warp_grad(dy, at.layer.input, &self.maps(at))
    }
}

/// Where a pixel of the result is read: `s(o) = matrix (o - m) + m - shift`, o = (row, column), m the middle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    /// By rows.
    pub matrix: [[f64; 2]; 2],
    /// Rows and columns that the image moves down and right by.
    pub shift: [f64; 2],
}

impl Affine {
    /// Nothing moves.
    pub const IDENTITY: Affine = Affine { matrix: [[1.0, 0.0], [0.0, 1.0]], shift: [0.0; 2] };

    /// That of image `row` of a stream: entries of the matrix within `warp` of the identity's, shifts within `shift`.
    pub fn draw(seed: u64, at: Counter, row: u32, shift: f64, warp: f64) -> Affine {
        let [a, b, c, d, down, right] = rng::affine(seed, at, row, shift, warp);
        Affine { matrix: [[a, b], [c, d]], shift: [down, right] }
    }

    fn source(&self, dims: Dims, i: u32, j: u32) -> [f64; 2] {
        let middle = [dims.height, dims.width].map(|n| 0.5 * f64::from(n - 1));
        let (di, dj) = (f64::from(i) - middle[0], f64::from(j) - middle[1]);
        [0, 1].map(|k| self.matrix[k][0] * di + self.matrix[k][1] * dj + middle[k] - self.shift[k])
    }

    /// The pixels that (i, j) is read from, with their weights.
    fn taps(&self, dims: Dims, i: u32, j: u32) -> Vec<(usize, f64)> {
        let s = self.source(dims, i, j);
        let (low, part) = (s.map(f64::floor), s.map(|v| v - v.floor()));
        let corner = |down: usize, right: usize| {
            let (k, l) = (low[0] + down as f64, low[1] + right as f64);
            let inside = k >= 0.0 && l >= 0.0 && k < f64::from(dims.height) && l < f64::from(dims.width);
            let weight = [1.0 - part[0], part[0]][down] * [1.0 - part[1], part[1]][right];
            inside.then(|| (k as usize * dims.width as usize + l as usize, weight))
        };
        [(0, 0), (0, 1), (1, 0), (1, 1)].into_iter().filter_map(|(d, r)| corner(d, r)).collect()
    }
}

/// The map of each of `rows` images.
pub fn draw(rows: usize, shift: f32, warp: f32, seed: u64, at: Counter) -> Vec<Affine> {
    (0..rows as u32).map(|row| Affine::draw(seed, at, row, shift.into(), warp.into())).collect()
}

/// Calls `f(value of the result, value that it is read from, weight)`.
fn for_each_tap(dims: Dims, maps: &[Affine], mut f: impl FnMut(usize, usize, f64)) {
    let channels = dims.channels as usize;
    let mut out = 0;
    for (r, map) in maps.iter().enumerate() {
        let image = r * dims.len() as usize;
        for i in 0..dims.height {
            for j in 0..dims.width {
                for (pixel, weight) in map.taps(dims, i, j) {
                    (0..channels).for_each(|c| f(out + c, image + pixel * channels + c, weight));
                }
                out += channels;
            }
        }
    }
}

/// Each image read through its map, linearly between the pixels, 0 from outside. x is `[rows, h, w, c]`.
pub fn warp(x: &[f64], dims: Dims, maps: &[Affine]) -> Vec<f64> {
    let mut y = vec![0.0; x.len()];
    for_each_tap(dims, maps, |out, inp, weight| y[out] += weight * x[inp]);
    y
}

/// dx of [`warp`].
pub fn warp_grad(dy: &[f64], dims: Dims, maps: &[Affine]) -> Vec<f64> {
    let mut dx = vec![0.0; dy.len()];
    for_each_tap(dims, maps, |out, inp, weight| dx[inp] += weight * dy[out]);
    dx
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::gradient_check::{check_gradient, numbers};
    use crate::reference::random_shift::shift;

    const DIMS: Dims = Dims { height: 5, width: 4, channels: 2 };

    #[test]
    fn whole_shifts_are_shifts() {
        let x = numbers(1, 2 * DIMS.len() as usize);
        let by = |shift: [f64; 2]| Affine { shift, ..Affine::IDENTITY };
        assert_eq!(warp(&x, DIMS, &[Affine::IDENTITY; 2]), x);
        let moved = warp(&x, DIMS, &[by([1.0, -2.0]), by([-3.0, 0.0])]);
        assert_eq!(moved, shift(&x, DIMS, &[[1, -2], [-3, 0]]));
    }

    #[test]
    fn known_maps() {
        let dims = Dims { height: 3, width: 3, channels: 1 };
        let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
        let half = Affine { shift: [0.5, 0.0], ..Affine::IDENTITY };
        assert_eq!(warp(&x, dims, &[half]), [0.5, 1.0, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5]);
        // A quarter turn: the result's row 0 is what was the last column.
        let turn = Affine { matrix: [[0.0, 1.0], [-1.0, 0.0]], shift: [0.0; 2] };
        assert_eq!(warp(&x, dims, &[turn]), [3.0, 6.0, 9.0, 2.0, 5.0, 8.0, 1.0, 4.0, 7.0]);
        // Twice the size: the corners come from half-way between the middle and theirs.
        let larger = Affine { matrix: [[0.5, 0.0], [0.0, 0.5]], shift: [0.0; 2] };
        assert_eq!(warp(&x, dims, &[larger])[..3], [3.0, 3.5, 4.0]);
    }

    #[test]
    fn gradient() {
        let maps = draw(3, 1.5, 0.4, 5, Counter { stream: 2, step: 3 });
        let x = numbers(1, 3 * DIMS.len() as usize);
        let weights = numbers(2, x.len());
        let grad = warp_grad(&weights, DIMS, &maps);
        check_gradient("warp", &x, &grad, |x| {
            warp(x, DIMS, &maps).iter().zip(&weights).map(|(y, w)| y * w).sum()
        });
    }

    #[test]
    fn draws_are_within_their_bounds() {
        let maps = draw(4000, 2.0, 0.25, 3, Counter { stream: 5, step: 7 });
        let spread = |of: fn(&Affine) -> f64, most: f64| {
            let values: Vec<f64> = maps.iter().map(of).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            assert!(values.iter().all(|v| v.abs() <= most), "within {most}");
            assert!(mean.abs() < 0.05 * most && values.iter().any(|v| v.abs() > 0.99 * most), "mean {mean}");
        };
        spread(|m| m.matrix[0][0] - 1.0, 0.25);
        spread(|m| m.matrix[0][1], 0.25);
        spread(|m| m.matrix[1][0], 0.25);
        spread(|m| m.matrix[1][1] - 1.0, 0.25);
        spread(|m| m.shift[0], 2.0);
        spread(|m| m.shift[1], 2.0);
        assert_eq!(draw(2, 0.0, 0.0, 3, Counter { stream: 5, step: 7 }), [Affine::IDENTITY; 2]);
    }
}
