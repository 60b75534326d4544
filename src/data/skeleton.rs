//! Stroke skeletons: how a digit is written, read from `assets/digits/skeletons.toml` (the file explains its
//! format), and smooth lines through their points.

use serde::Deserialize;

use crate::error::{Error, Result};

/// A point of the plane, x to the right, y down.
pub type Point = [f64; 2];

const FILE: &str = "assets/digits/skeletons.toml";
const TEXT: &str = include_str!("../../assets/digits/skeletons.toml");

/// Straight pieces per span of a curve; spans are at most some 8 pixels long.
const PIECES: usize = 5;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    style: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    digit: u8,
    name: String,
    weight: u32,
    strokes: Vec<Vec<Point>>,
}

/// One way to write a digit.
#[derive(Debug, Clone, PartialEq)]
pub struct Style {
    /// How often it occurs among its digit's styles.
    pub weight: u32,
    /// The distinct points, in a box 1 wide and 1 high.
    pub points: Vec<Point>,
    /// Smooth runs, as indices of points; a stroke with corners is several runs.
    pub runs: Vec<Vec<usize>>,
}

/// The styles of each digit.
#[derive(Debug, Clone, PartialEq)]
pub struct Skeletons {
    /// Styles of the digits 0 to 9; none is empty.
    pub styles: [Vec<Style>; 10],
}

impl Skeletons {
    /// The skeletons that the program carries.
    ///
    /// # Errors
    /// [`Error::Data`] if the embedded file has a mistake, which a test excludes.
    pub fn embedded() -> Result<Skeletons> {
        Skeletons::parse(TEXT).map_err(|reason| Error::Data(format!("{FILE}: {reason}")))
    }

    fn parse(text: &str) -> std::result::Result<Skeletons, String> {
        let file: File = toml::from_str(text).map_err(|e| e.to_string())?;
        let mut styles: [Vec<Style>; 10] = Default::default();
        for written in &file.style {
            let fail = |reason: &str| format!("{} `{}`: {reason}", written.digit, written.name);
            let style = style(written).map_err(|r| fail(&r))?;
            styles.get_mut(written.digit as usize).ok_or_else(|| fail("no such digit"))?.push(style);
        }
        match styles.iter().position(|s| s.iter().all(|s| s.weight == 0)) {
            Some(digit) => Err(format!("no style of the digit {digit} has a weight")),
            None => Ok(Skeletons { styles }),
        }
    }
}

fn style(written: &Written) -> std::result::Result<Style, String> {
    let mut points: Vec<Point> = Vec::new();
    let mut runs = Vec::new();
    for stroke in &written.strokes {
        let mut run: Vec<usize> = Vec::new();
        for p in stroke {
            if !p.iter().all(|x| (0.0..=1.0).contains(x)) {
                return Err(format!("point {p:?} is outside of the box"));
            }
            let id = points.iter().position(|q| q == p).unwrap_or_else(|| {
                points.push(*p);
                points.len() - 1
            });
            if run.last() == Some(&id) {
                runs.push(std::mem::take(&mut run));
            }
            run.push(id);
        }
        runs.push(run);
    }
    match runs.iter().all(|r| r.len() >= 2) && !runs.is_empty() {
        true => Ok(Style { weight: written.weight, points, runs }),
        false => Err("a stroke between corners needs two points".into()),
    }
}

/// Appends a smooth line through `run` (indices of `points`) as a polyline: a centripetal Catmull-Rom
/// spline (Barry & Goldman 1988; Yuksel et al. 2011), closed where the run is.
pub fn trace(points: &[Point], run: &[usize], out: &mut Vec<Point>) {
    let n = run.len();
    let closed = n > 3 && run[0] == run[n - 1];
    let at = |i: usize| points[run[i]];
    out.push(at(0));
    for i in 0..n - 1 {
        let (b, c) = (at(i), at(i + 1));
        let a = match (i, closed) {
            (0, true) => at(n - 2),
            (0, false) => mirror(c, b),
            _ => at(i - 1),
        };
        let d = match (i + 2 == n, closed) {
            (true, true) => at(1),
            (true, false) => mirror(b, c),
            _ => at(i + 2),
        };
        span([a, b, c, d], out);
    }
}

/// `p` reflected at `centre`.
fn mirror(p: Point, centre: Point) -> Point {
    [2.0 * centre[0] - p[0], 2.0 * centre[1] - p[1]]
}

/// The spline from `p[1]` (not appended) to `p[2]` (appended).
fn span(p: [Point; 4], out: &mut Vec<Point>) {
    // A knot interval is the square root of a length; the bound keeps coinciding points finite.
    let knot = |a: Point, b: Point| libm::sqrt(distance(a, b)).max(1e-3);
    let (t0, t1, t2) = (knot(p[0], p[1]), knot(p[1], p[2]), knot(p[2], p[3]));
    let tangent = |k: usize| {
        let slope = |a: usize, b: usize, t: f64| (p[b][k] - p[a][k]) / t;
        let m1 = slope(0, 1, t0) - slope(0, 2, t0 + t1) + slope(1, 2, t1);
        let m2 = slope(1, 2, t1) - slope(1, 3, t1 + t2) + slope(2, 3, t2);
        (m1 * t1, m2 * t1)
    };
    let tangents = [tangent(0), tangent(1)];
    for piece in 1..=PIECES {
        let t = piece as f64 / PIECES as f64;
        let (tt, ttt) = (t * t, t * t * t);
        let [h1, h2, h3, h4] =
            [2.0 * ttt - 3.0 * tt + 1.0, ttt - 2.0 * tt + t, 3.0 * tt - 2.0 * ttt, ttt - tt];
        let along = |k: usize| h1 * p[1][k] + h2 * tangents[k].0 + h3 * p[2][k] + h4 * tangents[k].1;
        out.push([along(0), along(1)]);
    }
}

fn distance(a: Point, b: Point) -> f64 {
    let (x, y) = (b[0] - a[0], b[1] - a[1]);
    libm::sqrt(x * x + y * y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_file_is_right() {
        let skeletons = Skeletons::embedded().unwrap();
        for (digit, styles) in skeletons.styles.iter().enumerate() {
            assert!(styles.len() >= 4, "{digit} has {} styles", styles.len());
        }
    }

    #[test]
    fn corners_split_and_equal_points_are_one() {
        let text = "[[style]]\ndigit = 0\nname = 'x'\nweight = 1\n\
                    strokes = [[[0, 0], [1, 0], [1, 0], [1, 1]], [[0.5, 0.5], [0, 0]]]";
        let file: File = toml::from_str(text).unwrap();
        let style = style(&file.style[0]).unwrap();
        assert_eq!(style.runs, [vec![0, 1], vec![1, 2], vec![3, 0]]);
    }

    #[test]
    fn mistakes_are_named() {
        let text = |digit: &str, points: &str| {
            format!("[[style]]\ndigit = {digit}\nname = 'x'\nweight = 1\nstrokes = [{points}]")
        };
        for (digit, points, expected) in [
            ("11", "[[0, 0], [1, 1]]", "no such digit"),
            ("3", "[[0, 0]]", "two points"),
            ("3", "[[0, 0], [1, 2]]", "outside"),
            ("3", "[[0, 0], [1, 1]]", "the digit 0"),
        ] {
            let e = Skeletons::parse(&text(digit, points)).unwrap_err();
            assert!(e.contains(expected), "{e}");
        }
    }

    /// A curve passes through its points, and one through points of a line stays on the line.
    #[test]
    fn curves_interpolate() {
        let points = [[0.0, 0.0], [0.2, 0.1], [0.6, 0.3], [1.0, 0.5]];
        let mut line = Vec::new();
        trace(&points, &[0, 1, 2, 3], &mut line);
        assert_eq!(line.len(), 3 * PIECES + 1);
        for (i, p) in points.iter().enumerate() {
            assert!(distance(*p, line[i * PIECES]) < 1e-12);
        }
        assert!(line.iter().all(|p| (p[0] - 2.0 * p[1]).abs() < 1e-12));
    }
}
