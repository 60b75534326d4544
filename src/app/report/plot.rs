//! Line plots of a run: losses over steps, accuracy over epochs.

use super::font;
use super::png::Picture;
use plotters::chart::MeshStyle;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::*;
use std::fmt::Display;

const SIZE: (u32, u32) = (960, 560);
/// Text and axes.
pub const INK: RGBColor = RGBColor(51, 51, 51);
/// What is drawn behind the data.
pub const PALE: RGBColor = RGBColor(225, 225, 225);
/// Okabe & Ito's colours, which colour-blind people can tell apart.
pub const COLORS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
];
/// More points than this are averaged in groups: about one per pixel column.
const MAX_POINTS: usize = 400;

/// One line: a name for the legend, and (x, y) points with x rising. Points with a NaN or infinity are left
/// out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Line {
    /// For the legend.
    pub name: String,
    /// x, y.
    pub points: Vec<(f64, f64)>,
    /// The single runs that the line is the mean of, drawn thin.
    pub members: Vec<Vec<(f64, f64)>>,
}

/// Axes with lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// Above the axes.
    pub title: String,
    /// Below the x axis.
    pub x_label: String,
    /// Beside the y axis.
    pub y_label: String,
    /// Drawn in order.
    pub lines: Vec<Line>,
    /// Values that the y axis must include.
    pub include: Vec<f64>,
}

/// Draws panels below one another into one picture.
pub fn draw(panels: &[Panel]) -> Picture {
    draw_grid(panels, 1)
}

/// Draws panels row by row into one picture.
pub fn draw_grid(panels: &[Panel], columns: usize) -> Picture {
    let columns = columns.max(1);
    let rows = panels.len().div_ceil(columns).max(1);
    let (width, height) = (SIZE.0 * columns as u32, SIZE.1 * rows as u32);
    let mut picture = Picture::filled(width, height, 3, 255);
    {
        let area = BitMapBackend::with_buffer(&mut picture.pixels, (width, height)).into_drawing_area();
        for (area, panel) in area.split_evenly((rows, columns)).iter().zip(panels) {
            // Drawing into memory has no way to fail; a plot is no reason to stop a run in any case.
            let _ = draw_panel(area, panel);
        }
    }
    picture
}

/// One panel as SVG, `size` in pixels: small enough for its text to be legible on a phone.
pub fn draw_svg(panel: &Panel, size: (u32, u32)) -> String {
    let mut text = String::new();
    let _ = draw_panel(&SVGBackend::with_string(&mut text, size).into_drawing_area(), panel);
    text
}

/// What drawing on a backend gives.
pub type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// The look of all axes.
pub fn axes<'m, 'a, 'b, X: Ranged, Y: Ranged, B: DrawingBackend>(
    mesh: &'m mut MeshStyle<'a, 'b, X, Y, B>,
) -> &'m mut MeshStyle<'a, 'b, X, Y, B> {
    mesh.light_line_style(TRANSPARENT)
        .bold_line_style(PALE)
        .axis_style(INK)
        .label_style(font::text(17, INK))
        .axis_desc_style(font::text(19, INK))
}

/// A value with its error.
#[derive(Debug, Clone, PartialEq)]
pub struct Dot {
    /// Written above it.
    pub name: String,
    /// Its value.
    pub mean: f64,
    /// Half the length of its bar; where it is not known, the dot is hollow.
    pub error: Option<f64>,
}

/// Dots below one another as SVG, `width` pixels wide; a line goes down from the first.
pub fn draw_dots_svg(dots: &[Dot], x_label: &str, width: u32) -> String {
    let mut text = String::new();
    let size = (width, 80 + 46 * dots.len() as u32);
    let _ = draw_dots(&SVGBackend::with_string(&mut text, size).into_drawing_area(), dots, x_label);
    text
}

fn draw_dots<B: DrawingBackend>(area: &DrawingArea<B, Shift>, dots: &[Dot], x_label: &str) -> Drawn<B> {
    let Some(first) = dots.first() else { return Ok(()) };
    let bar = |d: &Dot| [d.mean - d.error.unwrap_or(0.0), d.mean + d.error.unwrap_or(0.0)];
    let ends = dots.iter().flat_map(bar);
    let (x0, x1) = span(ends, 0.08);
    let bottom = -(dots.len() as f64);
    let mut chart =
        ChartBuilder::on(area).margin(14).x_label_area_size(52).build_cartesian_2d(x0..x1, bottom..0.2)?;
    axes(&mut chart.configure_mesh())
        .disable_y_mesh()
        .disable_y_axis()
        .x_desc(x_label)
        .x_labels(5)
        .x_label_formatter(&|v| short(*v))
        .draw()?;
    let down = [(first.mean, 0.2), (first.mean, bottom)];
    chart.draw_series(LineSeries::new(down, COLORS[1].mix(0.6).stroke_width(1)))?;
    for (i, dot) in dots.iter().enumerate() {
        let y = -(i as f64) - 0.7;
        chart.draw_series(LineSeries::new(bar(dot).map(|x| (x, y)), COLORS[0].stroke_width(2)))?;
        let style = if dot.error.is_some() { COLORS[0].filled() } else { COLORS[0].stroke_width(2) };
        chart.draw_series([Circle::new((dot.mean, y), 5, style)])?;
        chart.draw_series([Text::new(dot.name.clone(), (x0, -(i as f64) - 0.05), font::text(16, INK))])?;
    }
    Ok(())
}

fn draw_panel<B: DrawingBackend>(area: &DrawingArea<B, Shift>, panel: &Panel) -> Drawn<B> {
    let lines: Vec<Line> = panel.lines.iter().map(reduced).filter(|l| !l.points.is_empty()).collect();
    let all = || lines.iter().flat_map(|l| l.members.iter().chain([&l.points])).flatten();
    let x = span(all().map(|p| p.0), 0.0);
    let y = span(all().map(|p| p.1).chain(panel.include.iter().copied()), 0.05);
    // Steps and epochs are whole: no tick between two of them.
    let whole_ticks = (x.1 - x.0 + 1.0).clamp(2.0, 10.0) as usize;
    let mut builder = ChartBuilder::on(area);
    // A page has the title beside the picture.
    if !panel.title.is_empty() {
        builder.caption(&panel.title, font::text(24, INK));
    }
    let mut chart = builder
        .margin(14)
        .margin_right(28)
        .x_label_area_size(52)
        .y_label_area_size(78)
        .build_cartesian_2d(x.0..x.1, y.0..y.1)?;
    axes(&mut chart.configure_mesh())
        .x_desc(&panel.x_label)
        .y_desc(&panel.y_label)
        .x_labels(whole_ticks)
        .y_labels(8)
        .x_label_formatter(&|v| short(*v))
        .y_label_formatter(&|v| short(*v))
        .draw()?;
    lines
        .iter()
        .zip(COLORS.iter().cycle())
        .try_for_each(|(line, color)| draw_line(&mut chart, line, *color))?;
    if lines.is_empty() {
        return Ok(());
    }
    chart
        .configure_series_labels()
        .label_font(font::text(17, INK))
        .background_style(WHITE.mix(0.85))
        .border_style(PALE)
        .legend_area_size(30)
        .margin(12)
        .position(corner(&lines, x, y))
        .draw()
}

/// A line over its members, with a row of the legend; where it has few points, each is marked.
fn draw_line<'a, B: DrawingBackend + 'a>(
    chart: &mut ChartContext<'a, B, Cartesian2d<RangedCoordf64, RangedCoordf64>>,
    line: &Line,
    color: RGBColor,
) -> Drawn<B> {
    for member in &line.members {
        chart.draw_series(LineSeries::new(member.iter().copied(), color.mix(0.3).stroke_width(1)))?;
    }
    let marks = if line.points.len() <= 40 { 4 } else { 0 };
    let series = LineSeries::new(line.points.iter().copied(), color.stroke_width(2)).point_size(marks);
    let drawn = chart.draw_series(series)?.label(&line.name);
    drawn.legend(move |(x, y)| Rectangle::new([(x, y - 2), (x + 22, y + 1)], color.filled()));
    Ok(())
}

/// The right corner, upper or lower, with fewer points near it.
fn corner(lines: &[Line], x: (f64, f64), y: (f64, f64)) -> SeriesLabelPosition {
    let (right, middle) = (x.0 + 0.7 * (x.1 - x.0), 0.5 * (y.0 + y.1));
    let near = lines.iter().flat_map(|l| &l.points).filter(|p| p.0 >= right);
    let (upper, lower) = near.fold((0, 0), |(u, l), p| if p.1 > middle { (u + 1, l) } else { (u, l + 1) });
    if upper > lower { SeriesLabelPosition::LowerRight } else { SeriesLabelPosition::UpperRight }
}

/// Finite points only, averaged in groups where there are very many.
fn reduced(line: &Line) -> Line {
    let mean = |part: &[(f64, f64)]| {
        let n = part.len() as f64;
        (part.iter().map(|p| p.0).sum::<f64>() / n, part.iter().map(|p| p.1).sum::<f64>() / n)
    };
    let fewer = |points: &Vec<(f64, f64)>| -> Vec<(f64, f64)> {
        let finite: Vec<(f64, f64)> =
            points.iter().copied().filter(|p| p.0.is_finite() && p.1.is_finite()).collect();
        finite.chunks(finite.len().div_ceil(MAX_POINTS).max(1)).map(mean).collect()
    };
    Line {
        name: line.name.clone(),
        points: fewer(&line.points),
        members: line.members.iter().map(fewer).collect(),
    }
}

/// Smallest and largest value, widened by `margin` of their distance; never empty.
fn span(values: impl Iterator<Item = f64>, margin: f64) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if !(low.is_finite() && high.is_finite()) {
        return (0.0, 1.0);
    }
    if high - low <= 1e-9 * high.abs().max(1e-9) {
        let half = 0.5 * high.abs().max(1.0);
        return (low - half, high + half);
    }
    let room = margin * (high - low);
    (low - room, high + room)
}

/// A tick's number without needless digits.
fn short(v: f64) -> String {
    let with = |digits: usize| -> Box<dyn Display> {
        let s = format!("{v:.digits$}");
        let s = if s.contains('.') { s.trim_end_matches('0').trim_end_matches('.').to_string() } else { s };
        Box::new(if s == "-0" { "0".to_string() } else { s })
    };
    match v.abs() {
        a if a < 1e-12 => "0".into(),
        a if !(1e-4..1e6).contains(&a) => format!("{v:.1e}"),
        a if a < 0.01 => with(5).to_string(),
        a if a < 10.0 => with(3).to_string(),
        _ => with(1).to_string(),
    }
}

#[cfg(test)]
#[path = "plot_tests.rs"]
mod tests;
