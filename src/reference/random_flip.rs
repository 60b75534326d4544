//! Images mirrored at random.

use super::LayerParams;
use super::twin::{LayerRun, Saved, Twin};
use crate::layers::RandomFlip;
use crate::model::shape::Dims;
use crate::rng::{self, Counter};

impl RandomFlip {
    fn mirrored(at: &LayerRun<'_>) -> Vec<bool> {
        match at.draws {
            Some((seed, counter)) => draw(at.rows(), seed, counter),
            None => vec![false; at.rows()],
        }
    }
}

impl Twin for RandomFlip {
    fn forward(&self, at: &LayerRun<'_>, x: &[f64]) -> (Vec<f64>, Saved) {
        (flip(x, at.layer.input, &Self::mirrored(at)), vec![])
    }

    /// A mirror image mirrored is the image.
    fn backward(
        &self,
        at: &LayerRun<'_>,
        (_, dy): (&[f64], &[f64]),
        _: &[f64],
        _: &mut LayerParams,
    ) -> Vec<f64> {
        flip(dy, at.layer.input, &Self::mirrored(at))
    }
}

/// Which of `rows` images of a stream are mirrored.
pub fn draw(rows: usize, seed: u64, at: Counter) -> Vec<bool> {
    (0..rows as u32).map(|row| rng::flip(seed, at, row)).collect()
}

/// `y[r, i, j, c] = x[r, i, w - 1 - j, c]` of the images r that are mirrored, x of the others. x is `[rows, h, w, c]`.
pub fn flip(x: &[f64], dims: Dims, mirrored: &[bool]) -> Vec<f64> {
    let (width, channels) = (dims.width as usize, dims.channels as usize);
    let mut y = x.to_vec();
    let images = y.chunks_exact_mut(dims.len() as usize).zip(mirrored).filter(|(_, mirrored)| **mirrored);
    for line in images.flat_map(|(image, _)| image.chunks_exact_mut(width * channels)) {
        for j in 0..width / 2 {
            for c in 0..channels {
                line.swap(j * channels + c, (width - 1 - j) * channels + c);
            }
        }
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::gradient_check::{check_gradient, numbers};

    #[test]
    fn known_images() {
        let dims = Dims { height: 2, width: 3, channels: 1 };
        let x: Vec<f64> = (1..=12).map(f64::from).collect();
        let y = flip(&x, dims, &[true, false]);
        assert_eq!(y, [3.0, 2.0, 1.0, 6.0, 5.0, 4.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0]);
        let colour = Dims { height: 1, width: 2, channels: 3 };
        assert_eq!(flip(&x[..6], colour, &[true]), [4.0, 5.0, 6.0, 1.0, 2.0, 3.0]);
    }

    #[test]
    fn gradient() {
        let dims = Dims { height: 3, width: 4, channels: 2 };
        let mirrored = [true, false, true];
        let x = numbers(1, 3 * dims.len() as usize);
        let weights = numbers(2, x.len());
        let grad = flip(&weights, dims, &mirrored);
        check_gradient("flip", &x, &grad, |x| {
            flip(x, dims, &mirrored).iter().zip(&weights).map(|(y, w)| y * w).sum()
        });
    }

    #[test]
    fn half_of_the_images_are_mirrored() {
        let count = draw(4000, 3, Counter { stream: 5, step: 7 }).iter().filter(|m| **m).count();
        assert!((1880..2120).contains(&count), "{count} of 4000");
    }
}
