//! `report.md`: the tables as text.

use super::results::Results;
use super::tables::{Sheet, runs, sheets};

/// The tables, and every run with its command.
pub fn markdown(results: &Results) -> String {
    let mut text = format!("# {}\n\n{}\n", super::title(results), super::lead(results));
    for sheet in sheets(results).iter().chain([&runs(results)]) {
        text += &table(sheet);
    }
    text
}

fn table(sheet: &Sheet) -> String {
    let row = |cells: &[String]| format!("| {} |\n", cells.join(" | ").replace('\n', " "));
    let heads: Vec<String> = sheet.heads.iter().map(|h| (*h).to_string()).collect();
    let mut text = format!("\n{}\n\n{}|{}\n", sheet.caption, row(&heads), "---|".repeat(heads.len()));
    sheet.rows.iter().for_each(|cells| text += &row(cells));
    text
}
