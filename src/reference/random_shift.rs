//! Images moved by whole pixels.

use super::LayerParams;
use super::twin::{LayerRun, Saved, Twin};
use crate::layers::RandomShift;
use crate::model::shape::Dims;
use crate::rng::{self, Counter};

impl RandomShift {
    fn offsets(&self, at: &LayerRun<'_>) -> Vec<[i32; 2]> {
        match at.draws {
            Some((seed, counter)) => offsets(at.rows(), self.pixels, seed, counter),
            None => vec![[0, 0]; at.rows()],
        }
    }
}

impl Twin for RandomShift {
    fn forward(&self, at: &LayerRun<'_>, x: &[f64]) -> (Vec<f64>, Saved) {
        (shift(x, at.layer.input, &self.offsets(at)), vec![])
    }

    fn backward(
        &self,
        at: &LayerRun<'_>,
        (_, dy): (&[f64], &[f64]),
        _: &[f64],
        _: &mut LayerParams,
    ) -> Vec<f64> {
        shift_grad(dy, at.layer.input, &self.offsets(at))
    }
}

/// (rows, columns) that image `row` of a stream moves down and right by, each within `-most..=most`.
pub fn offsets(rows: usize, most: u32, seed: u64, at: Counter) -> Vec<[i32; 2]> {
    (0..rows as u32).map(|row| rng::shift(seed, at, row, most)).collect()
}

/// `y[r, i, j, c] = x[r, i - a, j - b, c]` with (a, b) of image r, 0 from outside. x is `[rows, h, w, c]`.
pub fn shift(x: &[f64], dims: Dims, offsets: &[[i32; 2]]) -> Vec<f64> {
    let (h, w, c) = (dims.height as i32, dims.width as i32, dims.channels as usize);
    let mut y = vec![0.0; x.len()];
    for (r, [a, b]) in offsets.iter().enumerate() {
        for i in 0..h {
            for j in 0..w {
                let (k, l) = (i - a, j - b);
                if (0..h).contains(&k) && (0..w).contains(&l) {
                    let at = |i: i32, j: i32| ((r as i32 * h + i) * w + j) as usize * c;
                    y[at(i, j)..at(i, j) + c].copy_from_slice(&x[at(k, l)..at(k, l) + c]);
                }
            }
        }
    }
    y
}

/// dx of [`shift`]: dy moved back.
pub fn shift_grad(dy: &[f64], dims: Dims, offsets: &[[i32; 2]]) -> Vec<f64> {
    let back: Vec<[i32; 2]> = offsets.iter().map(|[a, b]| [-a, -b]).collect();
    shift(dy, dims, &back)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::gradient_check::{check_gradient, numbers};

    const DIMS: Dims = Dims { height: 3, width: 4, channels: 2 };

    #[test]
    fn known_move() {
        let dims = Dims { height: 2, width: 3, channels: 1 };
        let y = shift(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], dims, &[[1, -1]]);
        assert_eq!(y, [0.0, 0.0, 0.0, 2.0, 3.0, 0.0]);
        assert_eq!(shift(&y, dims, &[[5, 0]]), [0.0; 6]);
    }

    #[test]
    fn gradient() {
        let offsets = [[0, 0], [1, -2], [-2, 3]];
        let x = numbers(1, 3 * DIMS.len() as usize);
        let weights = numbers(2, x.len());
        let grad = shift_grad(&weights, DIMS, &offsets);
        check_gradient("shift", &x, &grad, |x| {
            shift(x, DIMS, &offsets).iter().zip(&weights).map(|(y, w)| y * w).sum()
        });
    }

    #[test]
    fn every_offset_is_drawn_alike() {
        let drawn = offsets(9000, 1, 3, Counter { stream: 5, step: 7 });
        let mut counts = [0; 9];
        drawn.iter().for_each(|[a, b]| counts[((a + 1) * 3 + b + 1) as usize] += 1);
        assert!(counts.iter().all(|n| (900..1100).contains(n)), "{counts:?}");
        assert!(offsets(50, 0, 3, Counter { stream: 5, step: 7 }).iter().all(|o| *o == [0, 0]));
    }
}
