//! Plain text tables with aligned columns.

use std::fmt;

/// Side to which a column's cells are pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table under construction; [`fmt::Display`] draws it.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Align>,
    /// `None` is a line across.
    rows: Vec<Option<Vec<String>>>,
}

impl Table {
    /// A table with these column heads.
    pub fn new(heads: &[(&str, Align)]) -> Table {
        let head = heads.iter().map(|(name, _)| (*name).to_string()).collect();
        Table { columns: heads.iter().map(|(_, align)| *align).collect(), rows: vec![Some(head), None] }
    }

    /// A table with columns of words, then of numbers, then of words again.
    pub fn of(words: &[&str], numbers: &[&str], more: &[&str]) -> Table {
        let sides = [(words, Align::Left), (numbers, Align::Right), (more, Align::Left)];
        let heads = sides.into_iter().flat_map(|(heads, align)| heads.iter().map(move |h| (*h, align)));
        Table::new(&heads.collect::<Vec<_>>())
    }

    /// Adds a row; missing cells are empty, extra ones are dropped.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut cells: Vec<String> = cells.into_iter().collect();
        cells.resize(self.columns.len(), String::new());
        self.rows.push(Some(cells));
    }

    /// Drops the columns with these heads.
    pub fn without(&mut self, heads: &[&str]) {
        let Some(Some(names)) = self.rows.first() else { return };
        let keep: Vec<bool> = names.iter().map(|n| !heads.contains(&n.as_str())).collect();
        fn kept<T>(cells: &mut Vec<T>, keep: &[bool]) {
            let mut at = keep.iter();
            cells.retain(|_| at.next() != Some(&false));
        }
        kept(&mut self.columns, &keep);
        self.rows.iter_mut().flatten().for_each(|row| kept(row, &keep));
    }

    /// Takes characters from the middle of the longest cells of the left-aligned columns, the widest column first, until the
    /// table is no wider than `width`, or those columns are `FEWEST` characters wide.
    pub fn shorten(&mut self, width: usize) {
        while self.width() > width {
            let widths = self.widths();
            let words = (0..widths.len()).filter(|&c| self.columns[c] == Align::Left && widths[c] > FEWEST);
            let Some(widest) = words.max_by_key(|&c| widths[c]) else { return };
            let most = (widths[widest] - 1).max(FEWEST);
            for cell in self.rows.iter_mut().flatten().filter_map(|row| row.get_mut(widest)) {
                *cell = middle_out(cell, most);
            }
        }
    }

    /// Characters across.
    pub fn width(&self) -> usize {
        let widths = self.widths();
        widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1)
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths = vec![0; self.columns.len()];
        for row in self.rows.iter().flatten() {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        widths
    }

    /// Adds a line across.
    pub fn rule(&mut self) {
        self.rows.push(None);
    }
}

/// A column of words stays so wide.
const FEWEST: usize = 16;

/// `text` in at most `most` characters: `discrim..ense forward`. What was shortened before is shortened at the same place.
fn middle_out(text: &str, most: usize) -> String {
    let all: Vec<char> = text.chars().collect();
    if all.len() <= most {
        return text.into();
    }
    let kept = most.saturating_sub(2);
    let end = kept / 2;
    let (begin, end) = (&all[..kept - end], &all[all.len() - end..]);
    format!("{}..{}", begin.iter().collect::<String>(), end.iter().collect::<String>())
}

/// Breaks the lines of `text` between words so that none is longer than `width` characters, unless a word is; what a line goes
/// on with is indented.
pub fn wrapped(text: &str, width: usize) -> String {
    const INDENT: &str = "      ";
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let mut length = 0;
        for word in line.split_inclusive(' ') {
            let long = word.trim_end().chars().count();
            if length > INDENT.len() && length + long > width {
                out.truncate(out.trim_end_matches(' ').len());
                out += "\n";
                out += INDENT;
                length = INDENT.len();
            }
            out += word;
            length += word.chars().count();
        }
    }
    out
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for row in &self.rows {
            let Some(cells) = row else {
                let across: Vec<String> = widths.iter().map(|w| "-".repeat(*w)).collect();
                writeln!(f, "{}", across.join("  "))?;
                continue;
            };
            let line: Vec<String> = cells
                .iter()
                .zip(&self.columns)
                .zip(&widths)
                .map(|((cell, align), &w)| match align {
                    Align::Left => format!("{cell:<w$}"),
                    Align::Right => format!("{cell:>w$}"),
                })
                .collect();
            writeln!(f, "{}", line.join("  ").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_a_terminal() {
        let mut t = Table::new(&[("name", Align::Left), ("n", Align::Right)]);
        t.row(["discriminator.2 dense forward".into(), "1.234".into()]);
        t.row(["short".into(), "2".into()]);
        t.shorten(30);
        assert_eq!(t.width(), 30);
        assert!(t.to_string().contains("short"), "{t}");
        let row = t.to_string().lines().nth(2).unwrap().to_string();
        assert!(row.starts_with("discrim") && row.contains("..") && row.ends_with("forward  1.234"), "{row}");
        // Numbers are never cut, and words not to nothing.
        t.shorten(3);
        assert!(t.to_string().contains("1.234") && t.width() == 16 + 2 + 5, "{t}");
    }

    #[test]
    fn lines_fit_a_terminal() {
        let text = "step: wall 1 ms, kernels 2 ms, recording 3 ms\nshort\n";
        let fit = wrapped(text, 24);
        assert!(fit.lines().all(|l| l.chars().count() <= 24), "{fit}");
        let words = |text: &str| text.split_whitespace().map(String::from).collect::<Vec<_>>();
        assert_eq!(words(&fit), words(text));
        assert_eq!(wrapped(text, 80), text);
    }

    #[test]
    fn columns_line_up() {
        let mut t = Table::of(&["name"], &["n"], &["as"]);
        t.row(["a".into(), "1".into(), "x".into()]);
        t.row(["longer".into(), "234".into(), "y".into()]);
        t.rule();
        t.row(["é".into()]);
        let lines =
            ["name      n  as", "------  ---  --", "a         1  x", "longer  234  y", "------  ---  --", "é", ""];
        assert_eq!(t.to_string(), lines.join("\n"));
    }
}
