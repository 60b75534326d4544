//! `report.md`: the tables as text.

use super::results::Results;
use super::tables::{QUESTION, Sheet, answer, runs, sheets};

/// The tables, and every run with its command.
pub fn markdown(results: &Results) -> String {
    let mut text = format!("# {}\n\n{}\n", super::title(results), super::lead(results));
    sheets(results).iter().for_each(|sheet| text += &table(sheet));
    let answer = answer(results);
    if !answer.is_empty() {
        text += &format!("\n{QUESTION} {}\n", answer.join(" "));
    }
    text += &table(&runs(results));
    text
}

fn table(sheet: &Sheet) -> String {
    let row = |cells: &[String]| format!("| {} |\n", cells.join(" | ").replace('\n', " "));
    let heads: Vec<String> = sheet.heads.iter().map(|h| (*h).to_string()).collect();
    let mut text = format!("\n{}\n\n{}|{}\n", sheet.caption, row(&heads), "---|".repeat(heads.len()));
    sheet.rows.iter().for_each(|cells| text += &row(cells));
    text
}
