//! Tables for pages: HTML and Markdown.

use crate::app::text::escape_html as escape;

/// A table.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// Above it.
    pub caption: String,
    /// Column heads.
    pub heads: Vec<&'static str>,
    /// Cells.
    pub rows: Vec<Vec<String>>,
}

impl Sheet {
    /// For a page with `assets/report/style.css`.
    pub fn html(&self) -> String {
        let cells = |tag: &str, row: &mut dyn Iterator<Item = &str>| -> String {
            // A number stays with its deviation.
            row.map(|c| format!("<{tag}>{}</{tag}>", escape(c).replace(" ± ", "&nbsp;±&nbsp;"))).collect()
        };
        let head = cells("th", &mut self.heads.iter().copied());
        let rows: String = self
            .rows
            .iter()
            .map(|r| format!("<tr>{}</tr>\n", cells("td", &mut r.iter().map(String::as_str))))
            .collect();
        // On a phone a table is wider than the page and slides under its caption.
        format!(
            "<figure class=\"table\"><figcaption>{}</figcaption>\n<div class=\"wide\"><table>\n\
             <thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div></figure>\n",
            escape(&self.caption)
        )
    }

    /// As text, with an empty line before it.
    pub fn markdown(&self) -> String {
        let row = |cells: &[String]| format!("| {} |\n", cells.join(" | ").replace('\n', " "));
        let heads: Vec<String> = self.heads.iter().map(|h| (*h).to_string()).collect();
        let mut text = format!("\n{}\n\n{}|{}\n", self.caption, row(&heads), "---|".repeat(heads.len()));
        self.rows.iter().for_each(|cells| text += &row(cells));
        text
    }
}
