//! The roofline of Williams et al. 2009: what each kernel reached against what its intensity allows.

use crate::app::profile::{Profile, Roofs, Row};
use crate::app::report::font;
use crate::app::report::plot::{COLORS, Drawn, INK, PALE, axes};
use crate::app::report::png::Picture;
use plotters::coord::Shift;
use plotters::prelude::*;

const SIZE: (u32, u32) = (1200, 800);
const POINT: RGBColor = COLORS[0];
const ROOF: RGBColor = COLORS[1];
/// Area of a kernel that takes the whole step, in pixels.
const WHOLE_STEP: f64 = 18_000.0;
/// Height of a label in pixels.
const LABEL: i32 = 17;

/// Draws every kernel as a point, its area its share of the step. Kernels without arithmetic have no place in it.
pub fn draw(profile: &Profile, roofs: &Roofs) -> Picture {
    let mut picture = Picture::filled(SIZE.0, SIZE.1, 3, 255);
    // Drawing into memory has no way to fail.
    let _ =
        draw_on(&BitMapBackend::with_buffer(&mut picture.pixels, SIZE).into_drawing_area(), profile, roofs);
    picture
}

/// The same as SVG.
pub fn draw_svg(profile: &Profile, roofs: &Roofs) -> String {
    let mut text = String::new();
    let _ = draw_on(&SVGBackend::with_string(&mut text, SIZE).into_drawing_area(), profile, roofs);
    text
}

fn draw_on<B: DrawingBackend>(area: &DrawingArea<B, Shift>, profile: &Profile, roofs: &Roofs) -> Drawn<B> {
    area.fill(&WHITE)?;
    let points: Vec<(&Row, f64, f64)> = profile
        .kernels
        .iter()
        .filter_map(|k| Some((k, k.intensity(), k.flop_rate()? / 1e9)))
        .filter(|(_, i, r)| *i > 0.0 && *r > 0.0)
        .collect();
    let ((x0, x1), (y0, y1)) = ranges(&points, roofs);
    let title = format!("{} on {}, {} ({})", profile.model, profile.dataset, profile.adapter, profile.method);
    let mut chart = ChartBuilder::on(area)
        .caption(title, font::text(24, INK))
        .margin(14)
        .margin_right(28)
        .x_label_area_size(52)
        .y_label_area_size(78)
        .build_cartesian_2d((x0..x1).log_scale(), (y0..y1).log_scale())?;
    axes(&mut chart.configure_mesh())
        .x_desc("arithmetic intensity, FLOP per byte")
        .y_desc("GFLOP/s")
        .x_label_formatter(&short)
        .y_label_formatter(&short)
        .draw()?;
    let bend = roofs.ridge().clamp(x0, x1);
    let roof = |intensity: f64| (intensity, roofs.at(intensity) / 1e9);
    chart.draw_series(LineSeries::new([x0, bend, x1].map(roof), ROOF.stroke_width(3)))?;
    let pixel = |at: (f64, f64)| chart.backend_coord(&at);
    let circle = |(row, intensity, rate): &(&Row, f64, f64)| {
        let pixels = WHOLE_STEP * profile.share(row).unwrap_or(0.0);
        (pixel((*intensity, *rate)), (pixels / std::f64::consts::PI).sqrt().max(3.0) as i32)
    };
    let circles: Vec<Circled> = points.iter().map(circle).collect();
    let line = [x0, bend, x1].map(|i| pixel(roof(i)));
    let mut labels = Labels { area, line, circles: circles.clone(), taken: vec![] };
    let words = format!("multiply-add: {:.1} GFLOP/s", roofs.flops_per_second / 1e9);
    let flat = pixel((x1, roofs.flops_per_second / 1e9));
    labels.write(&words, (flat.0 - wide(&words), flat.1 - 24), ROOF)?;
    // Below the line, which rises to the right.
    let ramp = pixel(roof((x0 * bend).sqrt()));
    let words = format!("copy: {:.1} GB/s", roofs.bytes_per_second / 1e9);
    labels.write(&words, (ramp.0 + 12, ramp.1 + 6), ROOF)?;
    for ((row, ..), &(at, radius)) in points.iter().zip(&circles) {
        area.draw(&Circle::new(at, radius, POINT.mix(0.35).filled()))?;
        area.draw(&Circle::new(at, radius, POINT.stroke_width(1)))?;
        let share = profile.share(row).unwrap_or(0.0);
        labels.write_beside(&format!("{} {:.1} %", row.kernel, 100.0 * share), (at, radius))?;
    }
    Ok(())
}

/// Whole decades with all points (row, intensity, GFLOP/s) and the ridge: from and to, of the intensity and of the rate.
fn ranges(points: &[(&Row, f64, f64)], roofs: &Roofs) -> ((f64, f64), (f64, f64)) {
    let decade_below = |v: f64| 10f64.powf(v.log10().floor());
    let decade_above = |v: f64| 10f64.powf(v.log10().ceil());
    let low = points.iter().map(|p| p.1).fold(roofs.ridge(), f64::min);
    let high = points.iter().map(|p| p.1).fold(roofs.ridge(), f64::max);
    let (x0, x1) = (decade_below(low), decade_above(high * 1.5));
    let bottom = points.iter().map(|p| p.2).fold(roofs.at(x0) / 1e9, f64::min);
    let top = points.iter().map(|p| p.2).fold(roofs.flops_per_second / 1e9, f64::max);
    ((x0, x1), (decade_below(bottom), decade_above(top * 1.2)))
}

/// A kernel's circle: centre and radius in pixels.
type Circled = ((i32, i32), i32);

/// Width of a label in pixels.
fn wide(words: &str) -> i32 {
    9 * words.len() as i32
}

/// Labels that lie neither on each other nor on circles or the roof, where there is a place for that.
struct Labels<'a, B: DrawingBackend> {
    area: &'a DrawingArea<B, Shift>,
    /// Points of the roof.
    line: [(i32, i32); 3],
    circles: Vec<Circled>,
    /// Left end, right end and top of each label.
    taken: Vec<(i32, i32, i32)>,
}

impl<B: DrawingBackend> Labels<'_, B> {
    fn write(&mut self, words: &str, at: (i32, i32), color: RGBColor) -> Drawn<B> {
        self.taken.push((at.0, at.0 + wide(words), at.1));
        self.area.draw(&Text::new(words.to_string(), at, font::text(17, color)))
    }

    /// Right of the circle, else left of it; a label that would lie on something moves a line down, or up.
    fn write_beside(&mut self, words: &str, (at, radius): Circled) -> Drawn<B> {
        let (wide, beside) = (wide(words), at.1 - 9);
        let sides = [at.0 + radius + 6, at.0 - radius - 6 - wide];
        let lines = (0..40).flat_map(|k| [k * LABEL, -k * LABEL]).map(|d| beside + d);
        let mut places = lines.flat_map(|y| sides.map(|left| (left, y)));
        let (left, y) = places.find(|place| self.is_free(*place, wide)).unwrap_or((sides[0], beside));
        if (y - beside).abs() >= LABEL {
            self.area.draw(&PathElement::new([at, (left - 2, y + 9)], PALE.stroke_width(1)))?;
        }
        self.write(words, (left, y), INK)
    }

    fn is_free(&self, (left, y): (i32, i32), wide: i32) -> bool {
        let clash = |&(a, b, c): &(i32, i32, i32)| (c - y).abs() < LABEL && left < b && a < left + wide;
        let covers =
            |&((x, cy), r): &Circled| left < x + r && x - r < left + wide && y < cy + r && cy - r < y + LABEL;
        let inside = left > 95 && left + wide < SIZE.0 as i32 - 20 && (50..SIZE.1 as i32 - 90).contains(&y);
        inside
            && !crosses(&self.line, (left, y), wide)
            && !self.taken.iter().any(clash)
            && !self.circles.iter().any(covers)
    }
}

/// Whether a line of text at `at`, `wide` pixels wide, would lie on the roof, a line through these points.
fn crosses(line: &[(i32, i32)], at: (i32, i32), wide: i32) -> bool {
    let near = 4;
    let on = |(x, y): (i32, i32)| {
        x > at.0 - near && x < at.0 + wide + near && y > at.1 - near && y < at.1 + LABEL + near
    };
    line.windows(2).any(|ends| {
        let [(ax, ay), (bx, by)] = [ends[0], ends[1]];
        let steps = (bx - ax).abs().max((by - ay).abs()).max(1);
        (0..=steps).any(|i| on((ax + (bx - ax) * i / steps, ay + (by - ay) * i / steps)))
    })
}

/// A power of ten without noise.
fn short(v: &f64) -> String {
    if *v >= 1.0 { format!("{v:.0}") } else { format!("{v}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A point above the roof is on the picture, too.
    #[test]
    fn axes_have_all_points() {
        let time = crate::app::profile::Spread::of(&[1.0]);
        let row = Row {
            kernel: "gemm_cooperative".into(),
            layer: None,
            variants: vec![],
            calls: 1,
            workgroups: 1,
            flops: 1,
            bytes: 1,
            per_step: time,
            per_call: time,
        };
        let roofs = Roofs { bytes_per_second: 1e11, flops_per_second: 6e13 };
        let ((x0, x1), (y0, y1)) = ranges(&[(&row, 300.0, 150_000.0)], &roofs);
        assert!(x0 <= 300.0 && 600.0 <= x1 && y0 <= 150_000.0 && 150_000.0 < y1, "{x0} {x1} {y0} {y1}");
        assert_eq!(ranges(&[(&row, 300.0, 15_000.0)], &roofs).1.1, 100_000.0);
    }

    #[test]
    fn labels_keep_off_the_roof() {
        let line = [(100, 400), (300, 200), (500, 200)];
        assert!(crosses(&line, (150, 340), 90), "on the ramp");
        assert!(crosses(&line, (350, 195), 90), "on the flat part");
        assert!(!crosses(&line, (250, 300), 90), "below");
        assert!(!crosses(&line, (120, 250), 60), "above");
    }
}
