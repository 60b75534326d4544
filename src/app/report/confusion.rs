//! Confusion matrices: rows are true classes, columns predicted ones.

use super::png::Picture;
use super::table::{Align, Table};
use super::{font, interval};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const INK: RGBColor = RGBColor(51, 51, 51);
/// More classes than this are drawn without counts, which would not be legible.
const MAX_WITH_COUNTS: usize = 24;

/// Names longer than this are cut in pictures.
const LONGEST: usize = 18;

/// What stands for each class: its name, or its number where there are no names.
fn labels(names: &[String], classes: usize) -> Vec<String> {
    let name = |i: usize| names.get(i).cloned().unwrap_or_else(|| i.to_string());
    (0..classes).map(name).collect()
}

/// Whether the classes are called otherwise than by their numbers.
fn named(labels: &[String]) -> bool {
    labels.iter().enumerate().any(|(i, name)| *name != i.to_string())
}

/// The matrix as a picture: shade is the share of the true class, the number is the count. `names` are those of the classes;
/// without them they are numbered.
pub fn picture(counts: &[Vec<u32>], names: &[String]) -> Picture {
    let k = counts.len().max(1) as i32;
    let cell = (640 / k).clamp(6, 56);
    let names: Vec<String> = labels(names, counts.len()).iter().map(|name| cut(name)).collect();
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0) as i32;
    // Of a name of more than a few characters the width goes into the margins.
    let room = (longest - SHORT).max(0) * 9;
    let (left, top, edge) = (84 + room, 84 + room, 24);
    let (width, height) = ((left + k * cell + edge) as u32, (top + k * cell + edge) as u32);
    let mut picture = Picture::filled(width, height, 3, 255);
    {
        let area = BitMapBackend::with_buffer(&mut picture.pixels, (width, height)).into_drawing_area();
        // Drawing into memory has no way to fail; a picture is no reason to stop a run in any case.
        let _ = draw(&area, counts, &names, (left, top), cell);
    }
    picture
}

/// Names of so many characters fit above a column.
const SHORT: i32 = 3;

type Canvas<'a> = DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>;

fn draw(
    area: &Canvas<'_>,
    counts: &[Vec<u32>],
    names: &[String],
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
                // The darker cells begin below a half: the shade goes by the root.
                let ink = if share > 0.3 { WHITE } else { INK };
                let size = (cell as u32 * 5 / 14).clamp(7, 17);
                let at = (x + cell / 2 - 1, y + cell / 2 - 1);
                area.draw_text(&count.to_string(), &centered(size, ink), at)?;
            }
        }
    }
    // With very many classes, only every so many are named.
    let every = (16 / cell.max(1)).max(1) as usize;
    let upright = names.iter().all(|name| name.chars().count() <= SHORT as usize);
    let beside = font::text(label, INK).pos(Pos::new(HPos::Right, VPos::Center));
    let above =
        font::text(label, INK).pos(Pos::new(HPos::Left, VPos::Center)).transform(FontTransform::Rotate270);
    for (i, name) in (0..k).zip(names).step_by(every) {
        if upright {
            area.draw_text(name, &centered(label, INK), (left + middle(i), top - 16))?;
            area.draw_text(name, &centered(label, INK), (left - 18, top + middle(i)))?;
        } else {
            area.draw_text(name, &above, (left + middle(i), top - 8))?;
            area.draw_text(name, &beside, (left - 8, top + middle(i)))?;
        }
    }
    area.draw_text("predicted class", &centered(20, INK), (left + k * cell / 2, 34))?;
    let sideways = centered(20, INK).transform(FontTransform::Rotate270);
    area.draw_text("true class", &sideways, (26, top + k * cell / 2))?;
    Ok(())
}

/// A name as it fits beside the matrix.
fn cut(name: &str) -> String {
    let name = font::legible(name);
    match name.chars().count() > LONGEST {
        true => name.chars().take(LONGEST - 1).chain(['\u{2026}']).collect(),
        false => name,
    }
}

/// White to dark blue.
fn shade(share: f64) -> RGBColor {
    let t = share.clamp(0.0, 1.0).sqrt();
    let mix = |from: f64, to: f64| (from + (to - from) * t) as u8;
    RGBColor(mix(246.0, 8.0), mix(248.0, 64.0), mix(251.0, 129.0))
}

/// How many images were classified rightly, of how many.
pub fn right_of(counts: &[Vec<u32>]) -> (u64, u64) {
    let right =
        counts.iter().enumerate().map(|(class, row)| u64::from(row.get(class).copied().unwrap_or(0))).sum();
    (right, counts.iter().flatten().map(|&n| u64::from(n)).sum())
}

/// Per class: images, how many were classified rightly (recall), and how many of those so classified belong
/// there (precision), all as shares of 1.
pub fn per_class(counts: &[Vec<u32>], names: &[String]) -> Table {
    let names = labels(names, counts.len());
    let mut table = Table::new(&[
        ("class", if named(&names) { Align::Left } else { Align::Right }),
        ("images", Align::Right),
        ("recall", Align::Right),
        ("precision", Align::Right),
    ]);
    for (class, (name, row)) in names.into_iter().zip(counts).enumerate() {
        let right = row.get(class).copied().unwrap_or(0);
        let images: u64 = row.iter().map(|&c| u64::from(c)).sum();
        let predicted: u64 = counts.iter().filter_map(|r| r.get(class)).map(|&c| u64::from(c)).sum();
        table.row([name, images.to_string(), share(right, images), share(right, predicted)]);
    }
    table
}

/// Of a few images as counts: a share of two images with four digits would pretend to more than it knows.
fn share(part: u32, whole: u64) -> String {
    match whole {
        0 => "-".into(),
        1..interval::FEWEST => format!("{part} of {whole}"),
        _ => format!("{:.4}", f64::from(part) / whole as f64),
    }
}

/// The matrix as a text table, whose columns are numbered; of more classes than fit, what is mistaken for what most often.
pub fn table(counts: &[Vec<u32>], names: &[String]) -> Table {
    let names = labels(names, counts.len());
    if counts.len() > MAX_WITH_COUNTS {
        return mistakes(counts, &names);
    }
    let numbers: Vec<String> = (0..counts.len()).map(|i| i.to_string()).collect();
    let side = if named(&names) { Align::Left } else { Align::Right };
    let mut heads = vec![("true \\ predicted", side)];
    heads.extend(numbers.iter().map(|n| (n.as_str(), Align::Right)));
    let mut table = Table::new(&heads);
    for ((number, name), row) in numbers.iter().zip(&names).zip(counts) {
        let class = if number == name { name.clone() } else { format!("{number} {name}") };
        table.row(std::iter::once(class).chain(row.iter().map(u32::to_string)));
    }
    table
}

/// The ten commonest mistakes.
fn mistakes(counts: &[Vec<u32>], names: &[String]) -> Table {
    let all =
        counts.iter().enumerate().flat_map(|(i, row)| row.iter().enumerate().map(move |(j, n)| (*n, i, j)));
    let mut wrong: Vec<(u32, usize, usize)> = all.filter(|(n, i, j)| i != j && *n > 0).collect();
    wrong.sort_by_key(|(n, ..)| std::cmp::Reverse(*n));
    let mut table =
        Table::new(&[("true class", Align::Left), ("taken for", Align::Left), ("images", Align::Right)]);
    for (n, i, j) in wrong.into_iter().take(10) {
        table.row([names[i].clone(), names[j].clone(), n.to_string()]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recall_and_precision() {
        let text = per_class(&[vec![30, 10], vec![0, 0]], &[]).to_string();
        let rows: Vec<Vec<&str>> = text.lines().map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(rows[2], ["0", "40", "0.7500", "1.0000"]);
        assert_eq!(rows[3], ["1", "0", "-", "0", "of", "10"]);
    }

    #[test]
    fn the_diagonal_is_dark_and_has_a_number() {
        let mut counts = vec![vec![0u32; 10]; 10];
        (0..10).for_each(|i| counts[i][i] = 980);
        counts[3][5] = 40;
        let p = picture(&counts, &[]);
        let at = |x: usize, y: usize| p.pixels[(y * p.width as usize + x) * 3];
        assert!(at(84 + 4, 84 + 4) < 60, "the first cell is not dark");
        assert!(at(84 + 60, 84 + 4) > 200, "the cell beside it is not pale");
        let ink = (84..84 + 54).any(|x| (84..84 + 54).any(|y| at(x, y) > 200));
        assert!(ink, "no count in the first cell");
        if let Some(dir) = std::env::var_os("SSGAN_TEST_PICTURES") {
            let dir = std::path::Path::new(&dir);
            p.save(&dir.join("confusion.png")).unwrap();
            let names = [
                "T-shirt/top",
                "trouser",
                "an extraordinarily long name",
                "Ü",
                "coat",
                "7",
                "8",
                "9",
                "a b",
                "bag",
            ];
            picture(&counts, &names.map(String::from)).save(&dir.join("confusion-names.png")).unwrap();
        }
    }

    #[test]
    fn any_number_of_classes_is_drawn() {
        for k in [0, 1, 2, 30, 200] {
            let names: Vec<String> = (0..k).map(|i| format!("class number {i}")).collect();
            let p = picture(&vec![vec![1; k]; k], &names);
            assert_eq!(p.pixels.len(), (p.width * p.height * 3) as usize);
            let p = picture(&vec![vec![1; k]; k], &[]);
            assert_eq!(p.pixels.len(), (p.width * p.height * 3) as usize);
        }
    }

    #[test]
    fn classes_by_name() {
        let names = ["ant", "bee"].map(String::from);
        let text = table(&[vec![3, 1], vec![0, 2]], &names).to_string();
        assert!(text.contains("0 ant") && text.contains("1 bee"), "{text}");
        assert!(per_class(&[vec![3, 1], vec![0, 2]], &names).to_string().contains("ant"));
        let mut many = vec![vec![0; 30]; 30];
        (many[4][7], many[8][8]) = (5, 9);
        let names: Vec<String> = (0..30).map(|i| format!("c{i}")).collect();
        let rows: Vec<String> = table(&many, &names).to_string().lines().map(String::from).collect();
        assert_eq!(rows[2].split_whitespace().collect::<Vec<_>>(), ["c4", "c7", "5"]);
        assert_eq!(rows.len(), 3);
    }
}
