//! Many small images in one picture.

use super::png::Picture;
use crate::model::shape::Dims;

/// Grey between and around the images.
const GAP: u8 = 40;

/// Images `count x height x width x channels` with values in 0..1, row by row in a grid about as wide as
/// high, one pixel between them. Of 2 channels the first is shown, of more than 3 the first three. Small
/// images are enlarged by whole factors until their longer side has at least 56 pixels.
pub fn grid(images: &[f32], dims: Dims) -> Picture {
    let len = (dims.len() as usize).max(1);
    let count = (images.len() / len).max(1);
    let columns = (count as f64).sqrt().ceil() as usize;
    let rows = count.div_ceil(columns);
    let zoom = zoom(dims) as usize;
    let [height, width, channels] = [dims.height, dims.width, dims.channels].map(|n| n as usize);
    let (cell_w, cell_h) = (width * zoom + 1, height * zoom + 1);
    let (across, down) = (columns * cell_w + 1, rows * cell_h + 1);
    let shown = if channels >= 3 { 3 } else { 1 };
    let mut out = Picture::filled(across as u32, down as u32, shown as u32, GAP);
    for (i, image) in images.chunks_exact(len).enumerate() {
        let (left, top) = (1 + i % columns * cell_w, 1 + i / columns * cell_h);
        for y in 0..height * zoom {
            for x in 0..width * zoom {
                let from = (y / zoom * width + x / zoom) * channels;
                let to = ((top + y) * across + left + x) * shown;
                for c in 0..shown {
                    out.pixels[to + c] = byte(image[from + c]);
                }
            }
        }
    }
    out
}

/// The nearest byte to a value in 0..1.
pub fn byte(value: f32) -> u8 {
    // A cast saturates and turns NaN into 0.
    (value * 255.0 + 0.5) as u8
}

/// As [`grid`], of bytes.
pub fn grid_of_bytes<'a>(images: impl IntoIterator<Item = &'a u8>, dims: Dims) -> Picture {
    let values: Vec<f32> = images.into_iter().map(|&b| f32::from(b) / 255.0).collect();
    grid(&values, dims)
}

fn zoom(dims: Dims) -> u32 {
    56u32.div_ceil(dims.width.max(dims.height).max(1))
}

/// Pixels that the first row of a grid takes, the lines above and below it included.
pub fn first_row(dims: Dims) -> u32 {
    dims.height * zoom(dims) + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_land_in_their_cell() {
        let dims = Dims { height: 1, width: 56, channels: 1 };
        let mut images = vec![0.0; 3 * 56];
        images[0] = 1.0;
        images[56 * 2 + 55] = 2.0;
        images[1] = f32::NAN;
        let p = grid(&images, dims);
        assert_eq!((p.width, p.height, p.channels), (115, 5, 1));
        assert_eq!(p.pixels[115 + 1..115 + 3], [255, 0]);
        assert_eq!(p.pixels[3 * 115 + 56], 255);
        assert_eq!(p.pixels.iter().filter(|&&v| v == 255).count(), 2);
    }

    /// The longer side counts: a column of pixels does not become a picture a million pixels high.
    #[test]
    fn narrow_images() {
        for (height, width) in [(4096, 1), (1, 4096), (60, 2)] {
            let dims = Dims { height, width, channels: 1 };
            let p = grid(&vec![0.0; (height * width) as usize], dims);
            assert_eq!((p.width, p.height), (width + 2, height + 2));
            assert_eq!(first_row(dims), height + 2);
        }
        let p = grid(&[0.0; 14], Dims { height: 7, width: 2, channels: 1 });
        assert_eq!((p.width, p.height), (2 * 8 + 2, 7 * 8 + 2));
    }

    #[test]
    fn colours_and_enlargement() {
        let dims = Dims { height: 1, width: 1, channels: 3 };
        let p = grid(&[1.0, 0.0, 0.5], dims);
        assert_eq!((p.width, p.height, p.channels), (58, 58, 3));
        assert_eq!(p.pixels[(58 + 1) * 3..(58 + 1) * 3 + 3], [255, 0, 128]);
        // Every byte comes back.
        let bytes: Vec<u8> = (0..=255).collect();
        let p = grid_of_bytes(&bytes, Dims { height: 1, width: 256, channels: 1 });
        assert_eq!(p.pixels[258 + 1..258 + 257], bytes);
    }
}
