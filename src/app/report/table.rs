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
    fn columns_line_up() {
        let mut t = Table::new(&[("name", Align::Left), ("n", Align::Right)]);
        t.row(["a".into(), "1".into()]);
        t.row(["longer".into(), "234".into()]);
        t.rule();
        t.row(["é".into()]);
        assert_eq!(t.to_string(), "name      n\n------  ---\na         1\nlonger  234\n------  ---\né\n");
    }
}
