//! `index.html`, which needs nothing else, and `report.md`, to paste.

use super::report::{Report, Section};
use crate::app::text::{duration, escape_html as escape};

const STYLE: &str = include_str!("../../../assets/report/style.css");
const OWN: &str = include_str!("../../../assets/report/gpu.css");

fn title(report: &Report) -> String {
    format!("ssgan on {}", report.adapter.name)
}

/// What was run, where, and what came of it.
fn lead(report: &Report) -> String {
    let a = &report.adapter;
    let form = if report.quick { "the short form" } else { "the full form" };
    let end = if report.complete { "" } else { " It is not complete." };
    format!(
        "ssgan {}, {form}, {} with {} threads; {} ({}, {}); {}.{end}",
        report.version,
        report.system,
        report.threads,
        a.backend,
        a.kind,
        a.driver_text(),
        duration(report.seconds)
    )
}

/// The page.
pub fn html(report: &Report) -> String {
    let mut body = format!("<h1>{}</h1>\n<p>{}</p>\n", escape(&title(report)), escape(&lead(report)));
    body += "<ul class=\"verdicts\">\n";
    for s in &report.sections {
        body += &format!(
            "<li>{} <a href=\"#{}\">{}</a><br><span class=\"pale\">{}</span></li>\n",
            chip(s),
            s.key,
            escape(s.title),
            escape(&s.content.summary)
        );
    }
    body += "</ul>\n";
    report.sections.iter().for_each(|s| body += &section(s));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n<style>\n{STYLE}{OWN}</style>\n\
         </head>\n<body>\n{body}<p class=\"pale\">Shaders {}</p>\n</body>\n</html>\n",
        escape(&title(report)),
        escape(&report.shaders)
    )
}

fn chip(s: &Section) -> String {
    let name = s.content.status.name();
    format!("<span class=\"chip {name}\">{name}</span>")
}

fn section(s: &Section) -> String {
    let mut text = format!(
        "<section id=\"{}\">\n<h2>{} {}</h2>\n<p>{} <span class=\"pale\">({})</span></p>\n",
        s.key,
        escape(s.title),
        chip(s),
        sentence(&escape(&s.content.summary)),
        duration(s.seconds)
    );
    s.content.notes.iter().for_each(|n| text += &format!("<p class=\"note\">{}</p>\n", escape(n)));
    s.content.sheets.iter().filter(|t| !t.rows.is_empty()).for_each(|t| text += &t.html());
    text + "</section>\n"
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

/// The short text: verdicts, and the tables of what is small.
pub fn markdown(report: &Report) -> String {
    let mut text = format!("# {}\n\n{}\n\n", title(report), lead(report));
    text += "| section | status | result |\n|---|---|---|\n";
    for s in &report.sections {
        let summary = s.content.summary.replace('|', "/").replace('\n', " ");
        text += &format!("| {} | {} | {summary} |\n", s.title, s.content.status.name());
    }
    for s in &report.sections {
        s.content.notes.iter().for_each(|n| text += &format!("\n{}: {n}\n", s.title));
    }
    let short = |s: &&Section| ["watchdog", "steps"].contains(&s.key);
    for s in report.sections.iter().filter(short) {
        s.content.sheets.iter().for_each(|sheet| text += &sheet.markdown());
    }
    text
}
