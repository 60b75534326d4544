//! `report.md`: the tables as text.

use super::results::Results;
use super::tables::{QUESTION, answer, runs, sheets};

/// The tables, and every run with its command.
pub fn markdown(results: &Results) -> String {
    let mut text = format!("# {}\n\n{}\n", super::title(results), super::lead(results));
    sheets(results).iter().for_each(|sheet| text += &sheet.markdown());
    let answer = answer(results);
    if !answer.is_empty() {
        text += &format!("\n{QUESTION} {}\n", answer.join(" "));
    }
    text += &runs(results).markdown();
    text
}
