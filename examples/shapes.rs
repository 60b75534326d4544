//! A folder of pictures to try `ssgan train` and `ssgan label` on: six light shapes on dark grounds of any colour, turned a
//! little, of several sizes and in several places. Ten of each class are labelled, the rest lie in `_unlabeled`, and a hundred
//! of each are in `test`.
//!
//! ```sh
//! cargo run --release --example shapes -- shapes
//! ssgan train shapes
//! ```
//!
//! A second argument is the number of pictures without a label, 6,000 if it is not given.

use ssgan::app::report::png::Picture;
use ssgan::rng::{Counter, block, unit};
use std::path::{Path, PathBuf};

const SHAPES: [&str; 6] = ["circle", "cross", "ring", "square", "star", "triangle"];
const SIDE: u32 = 32;
const LABELLED: u32 = 10;
const TESTED: u32 = 100;

/// Whether a point is inside a shape of radius 1 around the origin.
fn inside(shape: usize, x: f64, y: f64) -> bool {
    let (radius, angle) = (x.hypot(y), y.atan2(x));
    // Distance from the centre to the edge of a regular polygon, in the direction of the point.
    let polygon = |corners: f64| {
        let wedge = std::f64::consts::TAU / corners;
        (wedge / 2.0).cos() / (angle.rem_euclid(wedge) - wedge / 2.0).cos()
    };
    match SHAPES[shape] {
        "circle" => radius < 0.85,
        "cross" => (x.abs() < 0.28 || y.abs() < 0.28) && x.abs() < 0.9 && y.abs() < 0.9,
        "ring" => (0.5..0.9).contains(&radius),
        "square" => radius < polygon(4.0),
        "star" => radius < 0.62 + 0.36 * (5.0 * angle).cos(),
        _ => radius < polygon(3.0),
    }
}

/// Picture `number` of a seed: everything about it but the shape is random.
fn draw(shape: usize, seed: u64, number: u32) -> Picture {
    let draws: Vec<f64> =
        (0..4).flat_map(|i| block(seed, Counter { stream: 0xF100, step: number }, i)).map(unit).collect();
    // A light shape on a dark ground: which of the two is the shape is nothing that sixty labels teach.
    let colour = |at: usize, from: f64, to: f64| [0, 1, 2].map(|i| from + (to - from) * draws[at + i]);
    let (ground, ink) = (colour(0, 0.0, 0.3), colour(3, 0.6, 1.0));
    let size = f64::from(SIDE) * (0.3 + 0.12 * draws[6]);
    let middle = |at: usize| f64::from(SIDE) * (0.44 + 0.12 * draws[at]);
    let (column, row, turn) = (middle(7), middle(8), 0.6 * (draws[9] - 0.5));
    let slope = [0.2 * (draws[10] - 0.5), 0.2 * (draws[11] - 0.5)];
    let mut picture = Picture::filled(SIDE, SIDE, 3, 0);
    for (i, pixel) in picture.pixels.chunks_exact_mut(3).enumerate() {
        let (x, y) = ((i as u32 % SIDE) as f64, (i as u32 / SIDE) as f64);
        // Nine points of a pixel, so that edges are smooth.
        let points = (0..9).map(|s| (x + (s % 3) as f64 / 3.0 - column, y + (s / 3) as f64 / 3.0 - row));
        let turned = points.map(|(x, y)| {
            ((x * turn.cos() - y * turn.sin()) / size, (x * turn.sin() + y * turn.cos()) / size)
        });
        let share = turned.filter(|(x, y)| inside(shape, *x, *y)).count() as f64 / 9.0;
        let light = slope[0] * (x / f64::from(SIDE) - 0.5) + slope[1] * (y / f64::from(SIDE) - 0.5);
        for (value, (ground, ink)) in pixel.iter_mut().zip(ground.iter().zip(&ink)) {
            *value = (255.0 * (ground + (ink - ground) * share + light)).clamp(0.0, 255.0) as u8;
        }
    }
    picture
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| "shapes".into()));
    let unlabelled: u32 = match arguments.next() {
        Some(number) => number.to_string_lossy().parse()?,
        None => 6000,
    };
    let put = |seed: u64, number: u32, into: &Path| -> Result<(), Box<dyn std::error::Error>> {
        std::fs::create_dir_all(into)?;
        let shape = (number % SHAPES.len() as u32) as usize;
        Ok(draw(shape, seed, number).save(&into.join(format!("{number:05}.png")))?)
    };
    let classes = SHAPES.len() as u32;
    for number in 0..classes * LABELLED {
        put(1, number, &folder.join("train").join(SHAPES[(number % classes) as usize]))?;
    }
    for number in classes * LABELLED..classes * LABELLED + unlabelled {
        put(1, number, &folder.join("train/_unlabeled"))?;
    }
    for number in 0..classes * TESTED {
        put(2, number, &folder.join("test").join(SHAPES[(number % classes) as usize]))?;
    }
    println!("{}", folder.display());
    Ok(())
}
