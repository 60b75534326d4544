//! What an image looks like without its brightness: how much of it changes where, and in which direction.

use crate::shape::Dims;

/// Directions of a gradient, an eighth of a turn from one to the next.
pub(super) const DIRECTIONS: usize = 8;

/// Cells to a side. Of 5, 7 and 9, clusters of MNIST by 7 and 9 were the purest, by 9 with two thirds more values.
const CELLS: u32 = 7;

/// Describes images of one size by histograms of their gradients (Dalal & Triggs 2005, "Histograms of oriented gradients for
/// human detection"): cells that overlap by half, eight directions, of several channels at each pixel the one that changes most.
/// A gradient is shared between the two directions beside it, of which it is a sum, so that no angle is computed and every
/// machine gets the same bits. Of the whole image the shares of the histogram, then their square roots, whose
/// Euclidean distance is as Hellinger's.
#[derive(Debug)]
pub(super) struct Gradients {
    image: Dims,
    rows: Cells,
    columns: Cells,
}

/// How the pixels of an axis belong to its cells.
#[derive(Debug)]
struct Cells {
    count: usize,
    /// For each pixel one or two cells, with weights; a cell of none has no weight.
    of: Vec<[(usize, f32); 2]>,
}

impl Cells {
    fn new(side: u32) -> Cells {
        let count = (side / 2).clamp(1, CELLS);
        let of = |pixel: u32| {
            // Within the image in cells, whose centres are at whole numbers.
            let at = (pixel as f32 + 0.5) * count as f32 / side as f32 - 0.5;
            let (low, share) = (at.floor(), at - at.floor());
            [(low, 1.0 - share), (low + 1.0, share)].map(|(cell, weight)| {
                let inside = cell >= 0.0 && cell < count as f32;
                if inside { (cell as usize, weight) } else { (0, 0.0) }
            })
        };
        Cells { count: count as usize, of: (0..side).map(of).collect() }
    }
}

impl Gradients {
    /// For images of this size.
    pub fn new(image: Dims) -> Gradients {
        Gradients { image, rows: Cells::new(image.height), columns: Cells::new(image.width) }
    }

    /// Values that describe an image.
    pub fn width(&self) -> usize {
        self.rows.count * self.columns.count * DIRECTIONS
    }

    /// Adds the description of an image, `H x W x C` bytes, to `all`. That of an even surface is all 0.
    pub fn describe(&self, image: &[u8], all: &mut Vec<f32>) {
        let start = all.len();
        all.resize(start + self.width(), 0.0);
        let histogram = &mut all[start..];
        for (y, rows) in self.rows.of.iter().enumerate() {
            for (x, columns) in self.columns.of.iter().enumerate() {
                let parts = directions(self.gradient(image, y, x));
                for &(row, of_row) in rows {
                    for &(column, of_column) in columns {
                        let cell = (row * self.columns.count + column) * DIRECTIONS;
                        for (direction, part) in parts {
                            histogram[cell + direction] += of_row * of_column * part;
                        }
                    }
                }
            }
        }
        let sum: f32 = histogram.iter().sum();
        if sum > 0.0 {
            histogram.iter_mut().for_each(|v| *v = (*v / sum).sqrt());
        }
    }

    /// Rightwards and downwards, in the channel where it is largest; at the edge to the pixel itself.
    fn gradient(&self, image: &[u8], y: usize, x: usize) -> [i32; 2] {
        let Dims { height, width, channels } = self.image;
        let (width, channels) = (width as usize, channels as usize);
        let at = |y: usize, x: usize| (y * width + x) * channels;
        let (left, right) = (at(y, x.saturating_sub(1)), at(y, (x + 1).min(width - 1)));
        let (above, below) = (at(y.saturating_sub(1), x), at((y + 1).min(height as usize - 1), x));
        let apart = |to: usize, from: usize| i32::from(image[to]) - i32::from(image[from]);
        let of = |c: usize| [apart(right + c, left + c), apart(below + c, above + c)];
        let size = |[dx, dy]: [i32; 2]| dx * dx + dy * dy;
        (1..channels).map(of).fold(of(0), |most, g| if size(g) > size(most) { g } else { most })
    }
}

/// A gradient as a sum of two directions beside each other, along an axis and along a diagonal: their numbers, from
/// rightwards over downwards, and how far it goes along each.
fn directions([dx, dy]: [i32; 2]) -> [(usize, f32); 2] {
    let (across, down) = (dx.abs(), dy.abs());
    let axis = match across >= down {
        true if dx >= 0 => 0,
        true => 4,
        false if dy >= 0 => 2,
        false => 6,
    };
    let diagonal = match (dx >= 0, dy >= 0) {
        (true, true) => 1,
        (false, true) => 3,
        (false, false) => 5,
        (true, false) => 7,
    };
    let along = across.min(down) as f32 * std::f32::consts::SQRT_2;
    [(axis, across.abs_diff(down) as f32), (diagonal, along)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(image: &[u8], height: u32, width: u32, channels: u32) -> Vec<f32> {
        let mut all = vec![];
        Gradients::new(Dims { height, width, channels }).describe(image, &mut all);
        all
    }

    /// Both directions together are the gradient.
    #[test]
    fn gradients_are_sums_of_two_directions() {
        let half = std::f64::consts::FRAC_1_SQRT_2;
        let unit = [
            [1.0, 0.0],
            [half, half],
            [0.0, 1.0],
            [-half, half],
            [-1.0, 0.0],
            [-half, -half],
            [0.0, -1.0],
            [half, -half],
        ];
        for (dx, dy) in (-3..=3).flat_map(|dx| (-3..=3).map(move |dy| (dx, dy))) {
            let parts = directions([dx, dy]);
            let sum =
                |axis: usize| parts.iter().map(|&(d, along)| unit[d][axis] * f64::from(along)).sum::<f64>();
            assert!(
                (sum(0) - f64::from(dx)).abs() < 1e-6 && (sum(1) - f64::from(dy)).abs() < 1e-6,
                "{dx} {dy}"
            );
            let apart = parts[0].0.abs_diff(parts[1].0);
            assert!(parts.iter().all(|p| p.1 >= 0.0) && (parts[1].1 == 0.0 || apart == 1 || apart == 7));
        }
    }

    /// 4 x 4 pixels, two cells a side: from left to right it gets brighter, and that is all.
    #[test]
    fn a_slope_is_of_one_direction() {
        let image: Vec<u8> = (0..16).map(|i| 10 * (i % 4)).collect();
        let all = described(&image, 4, 4, 1);
        assert_eq!(all.len(), 2 * 2 * DIRECTIONS);
        for (i, &v) in all.iter().enumerate() {
            assert!(if i % DIRECTIONS == 0 { (v - 0.5).abs() < 1e-6 } else { v == 0.0 }, "{i}: {v}");
        }
        // Brighter, or of twice the contrast, is the same; darker to the right is not.
        let brighter: Vec<u8> = image.iter().map(|v| 100 + 2 * v).collect();
        assert_eq!(described(&brighter, 4, 4, 1), all);
        let mirrored: Vec<u8> = image.iter().map(|v| 30 - v).collect();
        assert!(described(&mirrored, 4, 4, 1)[4] > 0.49);
    }

    #[test]
    fn the_channel_that_changes_most_counts() {
        let gray: Vec<u8> = (0..16).map(|i| 10 * (i % 4)).collect();
        let colour: Vec<u8> = gray.iter().enumerate().flat_map(|(i, &v)| [7, v, (i / 4) as u8]).collect();
        assert_eq!(described(&colour, 4, 4, 3), described(&gray, 4, 4, 1));
    }

    #[test]
    fn even_and_tiny_images_have_descriptions() {
        assert_eq!(described(&[9; 64], 8, 8, 1), [0.0; 4 * 4 * DIRECTIONS]);
        assert_eq!(described(&[9], 1, 1, 1), [0.0; DIRECTIONS]);
        let line = described(&[0, 200], 1, 2, 1);
        assert!(line.len() == DIRECTIONS && (line[0] - 1.0).abs() < 1e-6);
        assert_eq!(described(&vec![0; 40 * 60], 40, 60, 1).len(), 7 * 7 * DIRECTIONS);
    }
}
