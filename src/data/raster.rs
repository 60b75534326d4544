//! Draws pen strokes into a small grey image: each pixel's ink follows from its distance to the nearest
//! piece of the stroke, so edges are smooth without a filter.

use super::skeleton::Point;

/// Side of the images, in pixels.
pub const SIDE: usize = 28;

/// Pixels of an image.
pub const PIXELS: usize = SIDE * SIDE;

/// Pixels that are computed at once; a row is a multiple of them.
const LANES: usize = 4;

/// A pen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pen {
    /// Half the line's width where a stroke begins, in pixels.
    pub start_radius: f64,
    /// Half the line's width where a stroke ends, in pixels.
    pub end_radius: f64,
    /// Width of the edge over which ink fades, in pixels.
    pub softness: f64,
}

/// Draws `line`, a polyline in pixel coordinates (the first pixel's centre is at 0.5, 0.5), into `ink`
/// (`SIDE x SIDE`, 0 to 1): the darker of what was there and the line.
pub fn draw(line: &[Point], pen: Pen, ink: &mut [f32; PIXELS]) {
    let pieces = line.len().saturating_sub(1).max(1) as f64;
    for (i, ends) in line.windows(2).enumerate() {
        let along = i as f64 / pieces;
        let radius = pen.start_radius + (pen.end_radius - pen.start_radius) * along;
        piece(ends[0], ends[1], radius as f32, pen.softness as f32, ink);
    }
}

fn piece(a: Point, b: Point, radius: f32, softness: f32, ink: &mut [f32; PIXELS]) {
    let reach = f64::from(radius + softness);
    let range = |k: usize| {
        let low = (a[k].min(b[k]) - reach).clamp(0.0, SIDE as f64);
        let high = (a[k].max(b[k]) + reach + 1.0).clamp(0.0, SIDE as f64);
        low as usize..high as usize
    };
    let (ax, ay) = (a[0] as f32, a[1] as f32);
    let (dx, dy) = (b[0] as f32 - ax, b[1] as f32 - ay);
    let inverse = 1.0 / (dx * dx + dy * dy).max(1e-6);
    let fade = 1.0 / softness;
    // Whole lanes: beyond the reach nothing is drawn anyway, and four pixels side by side become one vector.
    let columns = range(0);
    let columns = columns.start / LANES * LANES..columns.end.next_multiple_of(LANES);
    for y in range(1) {
        let py = y as f32 + 0.5 - ay;
        let row = &mut ink[y * SIDE..][..SIDE][columns.clone()];
        // The centre of the first of four pixels; counted as a float, exactly, so that tests need not watch for an overflow here.
        let mut centre = columns.start as f32 + 0.5;
        for pixels in row.as_chunks_mut::<LANES>().0 {
            for (lane, pixel) in pixels.iter_mut().enumerate() {
                let px = centre + lane as f32 - ax;
                let t = ((px * dx + py * dy) * inverse).clamp(0.0, 1.0);
                let (ex, ey) = (px - t * dx, py - t * dy);
                let distance = (ex * ex + ey * ey).sqrt();
                let s = (0.5 + (radius - distance) * fade).clamp(0.0, 1.0);
                let value = s * s * (3.0 - 2.0 * s);
                *pixel = if value > *pixel { value } else { *pixel };
            }
            centre += LANES as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_dark_in_the_middle_and_fades() {
        let mut ink = [0.0; PIXELS];
        let pen = Pen { start_radius: 1.0, end_radius: 1.0, softness: 1.0 };
        draw(&[[4.0, 10.5], [20.0, 10.5]], pen, &mut ink);
        assert_eq!(ink[10 * SIDE + 12], 1.0);
        assert_eq!(ink[11 * SIDE + 12], 0.5);
        assert_eq!(ink[12 * SIDE + 12], 0.0);
        assert_eq!(ink[10 * SIDE + 25], 0.0);
    }

    #[test]
    fn lines_outside_leave_no_ink() {
        let mut ink = [0.0; PIXELS];
        let pen = Pen { start_radius: 1.0, end_radius: 2.0, softness: 1.0 };
        draw(&[[-40.0, -9.0], [-3.0, 70.0], [300.0, 80.0]], pen, &mut ink);
        assert_eq!(ink, [0.0; PIXELS]);
    }
}
