//! The embedded data set: synthetic handwritten digits, drawn from stroke skeletons.
//!
//! An image is a pure function of (seed, split, index): a style of its digit is chosen, its points are
//! jittered, the curves through them are bent by a smooth random displacement field and an affine map, and a
//! pen of random width, softness and ink draws them. Only IEEE arithmetic, square roots and `libm` are used
//! and all randomness is Philox, so the bytes are the same on every platform, in whatever order images are drawn.

use super::Split;
use super::raster::{self, PIXELS, Pen, SIDE};
use super::skeleton::{Point, Skeletons, Style, trace};
use crate::error::Result;
use crate::rng::{Counter, block, permute, streams, unit};
use crate::shape::{DataShape, Dims};

/// 28x28 grey, ten classes.
pub const SHAPE: DataShape =
    DataShape { image: Dims { height: SIDE as u32, width: SIDE as u32, channels: 1 }, classes: 10 };

/// Images to train on.
pub const TRAIN: u32 = 60_000;

/// Images to test on.
pub const TEST: u32 = 10_000;

// Streams, all from `DIGITS` on: training and test images, then the orders of their labels.
const DRAWING: [u32; 2] = [streams::DIGITS, streams::DIGITS + 1];
const ORDER: [u32; 2] = [streams::DIGITS + 2, streams::DIGITS + 3];

// How much hands differ. Test accuracy measured with these values, means over choices of 100 labels and
// nothing else: a 784-256-10 network 0.74, a small convolutional one 0.81; the first with all labels: 0.99.
// MNIST, the same way: 0.76, 0.80, 0.98. So there is about as much to gain from unlabelled images.

/// Side of the box that a digit fills, in pixels: mean, and standard deviations of the relative size and of
/// the relative width.
const SIZE: (f64, f64, f64) = (20.0, 0.06, 0.12);
/// Standard deviation of each skeleton point, relative to the box.
const JITTER: f64 = 0.035;
/// Standard deviation of the nodes of the displacement field, relative to the box.
const BEND: f64 = 0.07;
/// Standard deviations of rotation (radians) and shear.
const TURN: (f64, f64) = (0.11, 0.18);
/// Standard deviation of the position, in pixels.
const SHIFT: f64 = 0.6;
/// Half the width of the line in pixels: least and most; and its relative change along a stroke.
const RADIUS: (f64, f64, f64) = (0.8, 1.9, 0.25);

const SEED: u64 = 0;

/// A part of the data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// To train on.
    Train,
    /// To test on.
    Test,
}

impl Part {
    /// Its images.
    pub fn count(self) -> u32 {
        [TRAIN, TEST][self as usize]
    }

    /// The digits of its images: equally many of each, in random order.
    pub fn labels(self) -> Vec<u8> {
        labels(SEED, self, self.count(), self.count())
    }
}

/// The digits of the first `count` images of a part that has `total`.
fn labels(seed: u64, part: Part, count: u32, total: u32) -> Vec<u8> {
    let order = Counter { stream: ORDER[part as usize], step: 0 };
    (0..count).map(|i| (permute(seed, order, i, total) % 10) as u8).collect()
}

/// What draws the images.
#[derive(Debug)]
pub struct Digits {
    skeletons: Skeletons,
}

impl Digits {
    /// With the embedded skeletons.
    ///
    /// # Errors
    /// [`crate::error::Error::Data`] if they have a mistake, which a test excludes.
    pub fn embedded() -> Result<Digits> {
        Ok(Digits { skeletons: Skeletons::embedded()? })
    }

    /// Draws images of a part, one after another from number `first` on, into their bytes; `labels` are the digits of the
    /// whole part. Images do not depend on one another: threads may share the work.
    ///
    /// # Panics
    /// If an image has no label, or one that is no digit.
    pub fn draw(&self, part: Part, labels: &[u8], first: usize, images: &mut [u8]) {
        self.draw_with(SEED, part, labels, first, images);
    }

    fn draw_with(&self, seed: u64, part: Part, labels: &[u8], first: usize, images: &mut [u8]) {
        for (image, index) in images.chunks_exact_mut(PIXELS).zip(first..) {
            let mut draws = Draws::new(seed, DRAWING[part as usize], index as u32);
            image_of(&self.skeletons.styles[usize::from(labels[index])], &mut draws, image);
        }
    }
}

/// A whole part, drawn on this thread.
///
/// # Errors
/// As [`Digits::embedded`].
pub fn generate(part: Part) -> Result<Split> {
    let labels = part.labels();
    let mut images = vec![0; labels.len() * PIXELS];
    Digits::embedded()?.draw(part, &labels, 0, &mut images);
    Ok(Split::labelled(images, labels))
}

/// Random numbers of one image, one after another.
struct Draws {
    seed: u64,
    at: Counter,
    block: u32,
    words: [u32; 4],
    used: usize,
}

impl Draws {
    fn new(seed: u64, stream: u32, image: u32) -> Draws {
        Draws { seed, at: Counter { stream, step: image }, block: 0, words: [0; 4], used: 4 }
    }
    fn bits(&mut self) -> u32 {
        if self.used == 4 {
            self.words = block(self.seed, self.at, self.block);
            self.block += 1;
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }
    /// Uniform on [low, high).
    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * unit(self.bits())
    }
    /// Mean 0, standard deviation 1, nearly normal, never beyond 3.5: the sum of four uniform numbers, each
    /// of variance 1/12. Bounded on purpose: no digit may leave the image.
    fn normal(&mut self) -> f64 {
        let (a, b) = (self.bits(), self.bits());
        let sum = (a >> 16) + (a & 0xffff) + (b >> 16) + (b & 0xffff);
        (f64::from(sum) * (1.0 / 65536.0) - 2.0) * 1.732_050_807_568_877_2
    }
}

/// Draws one image of a digit that has these styles.
fn image_of(styles: &[Style], draws: &mut Draws, image: &mut [u8]) {
    let style = choose_style(styles, draws);
    let points: Vec<Point> = style.points.iter().map(|p| p.map(|x| x + JITTER * draws.normal())).collect();
    let field = Field::new(draws);
    let placement = Placement::new(draws);
    let pen = pen(draws);
    let ink_level = draws.between(0.7, 1.0) as f32;
    let mut ink = [0f32; PIXELS];
    let mut line = Vec::with_capacity(64);
    for run in &style.runs {
        line.clear();
        trace(&points, run, &mut line);
        line.iter_mut().for_each(|p| *p = placement.apply(field.apply(*p)));
        raster::draw(&line, pen, &mut ink);
    }
    finish(&ink, ink_level, draws, image);
}

fn choose_style<'a>(styles: &'a [Style], draws: &mut Draws) -> &'a Style {
    let total: u32 = styles.iter().map(|s| s.weight).sum();
    let mut left = ((u64::from(draws.bits()) * u64::from(total)) >> 32) as u32;
    for style in styles {
        if left < style.weight {
            return style;
        }
        left -= style.weight;
    }
    &styles[styles.len() - 1]
}

fn pen(draws: &mut Draws) -> Pen {
    let radius = draws.between(RADIUS.0, RADIUS.1);
    let change = draws.between(-RADIUS.2, RADIUS.2);
    Pen {
        start_radius: radius * (1.0 + change),
        end_radius: radius * (1.0 - change),
        softness: draws.between(0.9, 1.7),
    }
}

/// A smooth displacement of the plane: uniform cubic B-splines over a grid of random nodes.
struct Field {
    nodes: [[Point; Field::NODES]; Field::NODES],
}

impl Field {
    /// Spans of the grid over the unit box.
    const SPANS: usize = 2;
    const NODES: usize = Field::SPANS + 3;

    fn new(draws: &mut Draws) -> Field {
        let mut nodes = [[[0.0; 2]; Field::NODES]; Field::NODES];
        nodes.iter_mut().flatten().for_each(|n| *n = [BEND * draws.normal(), BEND * draws.normal()]);
        Field { nodes }
    }

    fn apply(&self, p: Point) -> Point {
        let ((column, wx), (row, wy)) = (Field::weights(p[0]), Field::weights(p[1]));
        let mut out = p;
        for (nodes, y) in self.nodes[row..].iter().zip(wy) {
            for (node, x) in nodes[column..].iter().zip(wx) {
                out[0] += y * x * node[0];
                out[1] += y * x * node[1];
            }
        }
        out
    }

    /// First node and the weights of four from there on; beyond the box, the edge's.
    fn weights(x: f64) -> (usize, [f64; 4]) {
        let at = (x * Field::SPANS as f64).clamp(0.0, Field::SPANS as f64);
        let first = (at as usize).min(Field::SPANS - 1);
        let t = at - first as f64;
        let (u, tt, ttt) = (1.0 - t, t * t, t * t * t);
        // Here and below without `array::map`, which is a call in test builds.
        let [a, b, c, d] =
            [u * u * u, 3.0 * ttt - 6.0 * tt + 4.0, -3.0 * ttt + 3.0 * tt + 3.0 * t + 1.0, ttt];
        (first, [a / 6.0, b / 6.0, c / 6.0, d / 6.0])
    }
}

/// Affine map from the unit box to pixels.
struct Placement {
    matrix: [[f64; 2]; 2],
    centre: Point,
}

impl Placement {
    fn new(draws: &mut Draws) -> Placement {
        let size = SIZE.0 * (1.0 + SIZE.1 * draws.normal());
        let width = size * (1.0 + SIZE.2 * draws.normal());
        let turn = TURN.0 * draws.normal();
        let shear = TURN.1 * draws.normal();
        let (sin, cos) = (libm::sin(turn), libm::cos(turn));
        // Scale, then lean (x against y), then rotate.
        let matrix = [[cos * width, (-cos * shear - sin) * size], [sin * width, (cos - sin * shear) * size]];
        let middle = SIDE as f64 / 2.0;
        let centre = [middle + SHIFT * draws.normal(), middle + SHIFT * draws.normal()];
        Placement { matrix, centre }
    }

    fn apply(&self, p: Point) -> Point {
        let (x, y) = (p[0] - 0.5, p[1] - 0.5);
        let along = |k: usize| self.centre[k] + self.matrix[k][0] * x + self.matrix[k][1] * y;
        [along(0), along(1)]
    }
}

/// Ink to bytes, with some grain where there is ink: paper stays black, as a scanner's threshold leaves it.
fn finish(ink: &[f32; PIXELS], level: f32, draws: &mut Draws, image: &mut [u8]) {
    for (inks, pixels) in ink.chunks_exact(4).zip(image.chunks_exact_mut(4)) {
        let bits = draws.bits();
        for (k, (ink, pixel)) in inks.iter().zip(pixels).enumerate() {
            let grain = ((bits >> (8 * k)) & 0xff) as f32 * (0.2 / 255.0);
            *pixel = (ink * level * (1.0 - grain) * 255.0 + 0.5) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::Digest;

    fn some(seed: u64, which: usize, count: u32) -> Split {
        of(seed, [Part::Train, Part::Test][which], count, 60_000)
    }

    fn of(seed: u64, part: Part, count: u32, total: u32) -> Split {
        let labels = labels(seed, part, count, total);
        let mut images = vec![0; labels.len() * PIXELS];
        Digits::embedded().unwrap().draw_with(seed, part, &labels, 0, &mut images);
        Split::labelled(images, labels)
    }

    /// Any change to the skeletons, the constants or the order of draws shows here; it makes another data
    /// set, so results measured on the old one no longer hold.
    #[test]
    fn the_bytes_are_pinned() {
        for (part, pinned) in [
            (Part::Train, "41437453b9abc666b0c5e90d7323b8f9d3fd5d51ad1615824668291774d9649f"),
            (Part::Test, "1705ecc72bcc101ed04daacde6aa807c5270f567d6b23581f7250d0511a9a765"),
        ] {
            let s = of(SEED, part, 200, part.count());
            let bytes = [s.images.to_vec(), labels(SEED, part, 200, part.count())].concat();
            let hash = crate::text::hex(&sha2::Sha256::digest(bytes));
            assert_eq!(hash, pinned, "first 200 images, {part:?}");
        }
    }

    #[test]
    fn seeds_and_splits_differ_and_repeat() {
        let one = some(1, 0, 20);
        assert_eq!(one, some(1, 0, 20));
        assert_ne!(one.images, some(2, 0, 20).images);
        assert_ne!(one.images, some(1, 1, 20).images);
        // An image does not depend on how many are drawn beside it.
        assert_eq!(one.images[..], some(1, 0, 33).images[..20 * PIXELS]);
    }

    #[test]
    fn classes_are_balanced_and_shuffled() {
        let s = of(3, Part::Test, 1000, 1000);
        for digit in 0..10 {
            assert_eq!(s.labels.iter().filter(|l| **l == Some(digit)).count(), 100);
        }
        assert!(s.labels.windows(2).any(|w| w[1] < w[0]));
    }

    /// Each image has ink, not too much, and nearly all of it inside.
    #[test]
    fn images_show_a_digit() {
        let s = some(5, 0, 2000);
        for (i, image) in s.images.chunks(PIXELS).enumerate() {
            let ink: u64 = image.iter().map(|p| u64::from(*p)).sum();
            let mean = ink as f64 / PIXELS as f64;
            assert!((4.0..110.0).contains(&mean), "image {i} ({:?}): mean {mean}", s.labels[i]);
        }
        let border: u64 =
            s.images.chunks(PIXELS).map(|m| m[..SIDE].iter().map(|p| u64::from(*p)).sum::<u64>()).sum();
        let all: u64 = s.images.iter().map(|p| u64::from(*p)).sum();
        assert!(border * 200 < all, "{border} of {all} in the first row");
    }

    #[test]
    fn draws_have_the_right_moments() {
        let mut draws = Draws::new(1, 2, 3);
        let x: Vec<f64> = (0..40_000).map(|_| draws.normal()).collect();
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let variance = x.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / x.len() as f64;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "mean {mean} variance {variance}");
    }
}
