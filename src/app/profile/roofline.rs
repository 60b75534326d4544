//! The roofline of Williams et al. 2009: what each kernel reached against what its intensity allows.

use crate::app::profile::{Profile, Roofs, Row};
use crate::app::report::font;
use crate::app::report::png::Picture;
use plotters::coord::Shift;
use plotters::prelude::*;

const SIZE: (u32, u32) = (1200, 800);
const INK: RGBColor = RGBColor(51, 51, 51);
const PALE: RGBColor = RGBColor(225, 225, 225);
const POINT: RGBColor = RGBColor(0, 114, 178);
const ROOF: RGBColor = RGBColor(213, 94, 0);
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

fn draw_on<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    profile: &Profile,
    roofs: &Roofs,
) -> Result<(), Box<dyn std::error::Error>>
where
    B::ErrorType: 'static,
{
    area.fill(&WHITE)?;
    let points: Vec<(&Row, f64, f64)> = profile
        .kernels
        .iter()
        .filter_map(|k| Some((k, k.intensity(), k.flop_rate()? / 1e9)))
        .filter(|(_, i, r)| *i > 0.0 && *r > 0.0)
        .collect();
    let decade_below = |v: f64| 10f64.powf(v.log10().floor());
    let decade_above = |v: f64| 10f64.powf(v.log10().ceil());
    let low = points.iter().map(|p| p.1).fold(roofs.ridge(), f64::min);
    let high = points.iter().map(|p| p.1).fold(roofs.ridge(), f64::max);
    let (x0, x1) = (decade_below(low), decade_above(high * 1.5));
    let bottom = points.iter().map(|p| p.2).fold(roofs.at(x0) / 1e9, f64::min);
    let (y0, y1) = (decade_below(bottom), decade_above(roofs.flops_per_second / 1e9 * 1.2));
    let title = format!("{} on {}, {} ({})", profile.model, profile.dataset, profile.adapter, profile.method);
    let mut chart = ChartBuilder::on(area)
        .caption(title, font::text(24, INK))
        .margin(14)
        .margin_right(28)
        .x_label_area_size(52)
        .y_label_area_size(78)
        .build_cartesian_2d((x0..x1).log_scale(), (y0..y1).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(PALE)
        .axis_style(INK)
        .label_style(font::text(17, INK))
        .axis_desc_style(font::text(19, INK))
        .x_desc("arithmetic intensity, FLOP per byte")
        .y_desc("GFLOP/s")
        .x_label_formatter(&short)
        .y_label_formatter(&short)
        .draw()?;
    let roof = [x0, roofs.ridge().clamp(x0, x1), x1].map(|i| (i, roofs.at(i) / 1e9));
    chart.draw_series(LineSeries::new(roof, ROOF.stroke_width(3)))?;
    let mut taken: Vec<(i32, i32, i32)> = vec![];
    let pixel = |at: (f64, f64)| chart.backend_coord(&at);
    let flat = pixel((x1, roofs.flops_per_second / 1e9));
    let bend = roofs.ridge().clamp(x0, x1);
    let middle = (x0 * bend).sqrt();
    let ramp = pixel((middle, roofs.at(middle) / 1e9));
    let line = [x0, bend, x1].map(|i| pixel((i, roofs.at(i) / 1e9)));
    let text = |words: &str, at: (i32, i32), color: RGBColor| {
        area.draw(&Text::new(words.to_string(), at, font::text(17, color)))
    };
    let above = format!("multiply-add: {:.1} GFLOP/s", roofs.flops_per_second / 1e9);
    text(&above, (flat.0 - 9 * above.len() as i32, flat.1 - 24), ROOF)?;
    taken.push((flat.0 - 9 * above.len() as i32, flat.0, flat.1 - 24));
    let along = format!("copy: {:.1} GB/s", roofs.bytes_per_second / 1e9);
    // Below the line, which rises to the right.
    let beside = (ramp.0 + 12, ramp.1 + 6);
    text(&along, beside, ROOF)?;
    taken.push((beside.0, beside.0 + 9 * along.len() as i32, beside.1));
    let circle = |(row, intensity, rate): &(&Row, f64, f64)| {
        let share = profile.share(row).unwrap_or(0.0);
        let radius = (WHOLE_STEP * share / std::f64::consts::PI).sqrt().max(3.0) as i32;
        (pixel((*intensity, *rate)), radius, share)
    };
    let circles: Vec<_> = points.iter().map(circle).collect();
    for ((row, ..), &(at, radius, share)) in points.iter().zip(&circles) {
        area.draw(&Circle::new(at, radius, POINT.mix(0.35).filled()))?;
        area.draw(&Circle::new(at, radius, POINT.stroke_width(1)))?;
        let words = format!("{} {:.1} %", row.kernel, 100.0 * share);
        let wide = 9 * words.len() as i32;
        // Right of the point, else left of it; a label that would lie on another moves a line down, or up.
        let sides = [at.0 + radius + 6, at.0 - radius - 6 - wide];
        let free = |&(left, y): &(i32, i32)| {
            let clash = |&(a, b, c): &(i32, i32, i32)| (c - y).abs() < LABEL && left < b && a < left + wide;
            let inside =
                left > 95 && left + wide < SIZE.0 as i32 - 20 && (50..SIZE.1 as i32 - 90).contains(&y);
            let covers = |&((x, cy), r, _): &((i32, i32), i32, f64)| {
                left < x + r && x - r < left + wide && y < cy + r && cy - r < y + LABEL
            };
            inside
                && !crosses(&line, (left, y), wide)
                && !taken.iter().any(clash)
                && !circles.iter().any(covers)
        };
        let lines = (0..40).flat_map(|k| [k * LABEL, -k * LABEL]).map(|d| at.1 - 9 + d);
        let mut places = lines.flat_map(|y| sides.map(|left| (left, y)));
        let (left, y) = places.find(free).unwrap_or((sides[0], at.1 - 9));
        if (y - (at.1 - 9)).abs() >= LABEL {
            area.draw(&PathElement::new([at, (left - 2, y + 9)], PALE.stroke_width(1)))?;
        }
        text(&words, (left, y), INK)?;
        taken.push((left, left + wide, y));
    }
    Ok(())
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

    #[test]
    fn labels_keep_off_the_roof() {
        let line = [(100, 400), (300, 200), (500, 200)];
        assert!(crosses(&line, (150, 340), 90), "on the ramp");
        assert!(crosses(&line, (350, 195), 90), "on the flat part");
        assert!(!crosses(&line, (250, 300), 90), "below");
        assert!(!crosses(&line, (120, 250), 60), "above");
    }
}
