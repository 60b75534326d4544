//! Confusion matrices: rows are true classes, columns predicted ones.

use super::font;
use super::png::Picture;
use super::table::{Align, Table};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const INK: RGBColor = RGBColor(51, 51, 51);
/// More classes than this are drawn without counts, which would not be legible.
const MAX_WITH_COUNTS: usize = 24;

/// The matrix as a picture: shade is the share of the true class, the number is the count.
pub fn picture(counts: &[Vec<u32>]) -> Picture {
    let k = counts.len().max(1) as i32;
    let cell = (640 / k).clamp(6, 56);
    let (left, top, edge) = (84, 84, 24);
    let (width, height) = ((left + k * cell + edge) as u32, (top + k * cell + edge) as u32);
    let mut picture = Picture::filled(width, height, 3, 255);
    {
        let area = BitMapBackend::with_buffer(&mut picture.pixels, (width, height)).into_drawing_area();
        // Drawing into memory has no way to fail; a picture is no reason to stop a run in any case.
        let _ = draw(&area, counts, (left, top), cell);
    }
    picture
}

type Canvas<'a> = DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>;

fn draw(
    area: &Canvas<'_>,
    counts: &[Vec<u32>],
    (left, top): (i32, i32),
    cell: i32,
) -> Result<(), Box<dyn std::error::Error>> {
    let k = counts.len() as i32;
    let label = (cell as u32 * 2 / 5).clamp(8, 19);
    let centered = |size, color| font::text(size, color).pos(Pos::new(HPos::Center, VPos::Center));
    let middle = |i: i32| i * cell + cell / 2;
    let with_counts = counts.len() <= MAX_WITH_COUNTS;
    for (row, line) in (0..).zip(counts) {
        let total: u64 = line.iter().map(|&c| u64::from(c)).sum();
        for (column, &count) in (0..k).zip(line) {
            let share = f64::from(count) / total.max(1) as f64;
            let (x, y) = (left + column * cell, top + row * cell);
            area.draw(&Rectangle::new([(x, y), (x + cell - 2, y + cell - 2)], shade(share).filled()))?;
            if with_counts && count > 0 {
                let ink = if share > 0.5 { WHITE } else { INK };
                let size = (cell as u32 * 5 / 14).clamp(7, 17);
                let at = (x + cell / 2 - 1, y + cell / 2 - 1);
                area.draw_text(&count.to_string(), &centered(size, ink), at)?;
            }
        }
    }
    // With very many classes, only every so many are named.
    let every = (16 / cell.max(1)).max(1) as usize;
    for i in (0..k).step_by(every) {
        area.draw_text(&i.to_string(), &centered(label, INK), (left + middle(i), top - 16))?;
        area.draw_text(&i.to_string(), &centered(label, INK), (left - 18, top + middle(i)))?;
    }
    area.draw_text("predicted class", &centered(20, INK), (left + k * cell / 2, top - 50))?;
    let sideways = centered(20, INK).transform(FontTransform::Rotate270);
    area.draw_text("true class", &sideways, (left - 58, top + k * cell / 2))?;
    Ok(())
}

/// White to dark blue.
fn shade(share: f64) -> RGBColor {
    let t = share.clamp(0.0, 1.0).sqrt();
    let mix = |from: f64, to: f64| (from + (to - from) * t) as u8;
    RGBColor(mix(246.0, 8.0), mix(248.0, 64.0), mix(251.0, 129.0))
}

/// Per class: images, how many were classified rightly (recall), and how many of those so classified belong
/// there (precision), all as shares of 1.
pub fn per_class(counts: &[Vec<u32>]) -> Table {
    let mut table = Table::new(&[
        ("class", Align::Right),
        ("images", Align::Right),
        ("recall", Align::Right),
        ("precision", Align::Right),
    ]);
    for (class, row) in counts.iter().enumerate() {
        let right = row.get(class).copied().unwrap_or(0);
        let images: u64 = row.iter().map(|&c| u64::from(c)).sum();
        let predicted: u64 = counts.iter().filter_map(|r| r.get(class)).map(|&c| u64::from(c)).sum();
        table.row([class.to_string(), images.to_string(), share(right, images), share(right, predicted)]);
    }
    table
}

fn share(part: u32, whole: u64) -> String {
    if whole == 0 { "-".into() } else { format!("{:.4}", f64::from(part) / whole as f64) }
}

/// The matrix as a text table.
pub fn table(counts: &[Vec<u32>]) -> Table {
    let names: Vec<String> = (0..counts.len()).map(|i| i.to_string()).collect();
    let mut heads = vec![("true \\ predicted", Align::Right)];
    heads.extend(names.iter().map(|n| (n.as_str(), Align::Right)));
    let mut table = Table::new(&heads);
    for (name, row) in names.iter().zip(counts) {
        table.row(std::iter::once(name.clone()).chain(row.iter().map(u32::to_string)));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recall_and_precision() {
        let text = per_class(&[vec![3, 1], vec![0, 0]]).to_string();
        let rows: Vec<Vec<&str>> = text.lines().map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(rows[2], ["0", "4", "0.7500", "1.0000"]);
        assert_eq!(rows[3], ["1", "0", "-", "0.0000"]);
    }

    #[test]
    fn the_diagonal_is_dark_and_has_a_number() {
        let mut counts = vec![vec![0u32; 10]; 10];
        (0..10).for_each(|i| counts[i][i] = 980);
        counts[3][5] = 40;
        let p = picture(&counts);
        let at = |x: usize, y: usize| p.pixels[(y * p.width as usize + x) * 3];
        assert!(at(84 + 4, 84 + 4) < 60, "the first cell is not dark");
        assert!(at(84 + 60, 84 + 4) > 200, "the cell beside it is not pale");
        let ink = (84..84 + 54).any(|x| (84..84 + 54).any(|y| at(x, y) > 200));
        assert!(ink, "no count in the first cell");
        if let Some(dir) = std::env::var_os("SSGAN_TEST_PICTURES") {
            p.save(&std::path::Path::new(&dir).join("confusion.png")).unwrap();
        }
    }

    #[test]
    fn any_number_of_classes_is_drawn() {
        for k in [0, 1, 2, 30, 200] {
            let p = picture(&vec![vec![1; k]; k]);
            assert_eq!(p.pixels.len(), (p.width * p.height * 3) as usize);
        }
    }
}
