//! What a report holds.

use super::Form;
use crate::app::report::sheet::Sheet;
use crate::app::run::settings::with_flags;
use crate::error::{Error, Result};
use crate::gpu::{AdapterSummary, shader_hash};
use serde::Serialize;
use std::time::Duration;

/// What `report.json` says it is.
pub const FORMAT: &str = "ssgan-gpu-report-1";

/// How a section went, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// All is right.
    Ok,
    /// Nothing is wrong, but something should be looked at.
    Look,
    /// There was no time for all of it.
    Unfinished,
    /// It could not be done.
    Failed,
    /// Something is computed wrongly.
    Wrong,
}

impl Status {
    /// `Ok` or `Wrong`.
    pub fn right(right: bool) -> Status {
        if right { Status::Ok } else { Status::Wrong }
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Look => "look",
            Status::Unfinished => "unfinished",
            Status::Failed => "failed",
            Status::Wrong => "wrong",
        }
    }
}

/// What a section found.
#[derive(Debug, Serialize)]
pub struct Content {
    /// How it went.
    pub status: Status,
    /// The result in a line.
    pub summary: String,
    /// What is to be said besides.
    pub notes: Vec<String>,
    /// Tables for the page.
    #[serde(skip)]
    pub sheets: Vec<Sheet>,
    /// The same and more as JSON.
    pub data: serde_json::Value,
}

impl Content {
    /// Without tables.
    pub fn of(status: Status, summary: String) -> Content {
        Content { status, summary, notes: vec![], sheets: vec![], data: serde_json::Value::Null }
    }

    /// A section that could not be done.
    pub fn failed(why: String) -> Content {
        Content::of(Status::Failed, why)
    }

    /// A section that ended with an error.
    pub fn unfinished(e: Error) -> Content {
        match e {
            Error::Interrupted(why) => Content::of(Status::Unfinished, why),
            e => Content::failed(with_flags(&e.to_string())),
        }
    }

    /// Adds a table for the page.
    pub fn table(&mut self, caption: &str, heads: &[&'static str], rows: Vec<Vec<String>>) {
        self.sheets.push(Sheet { caption: caption.into(), heads: heads.to_vec(), rows });
    }

    /// Makes the status worse, if it is worse than that.
    pub fn at_least(&mut self, status: Status) {
        self.status = self.status.max(status);
    }

    /// Keeps what was found when the time was up, or the report ended.
    ///
    /// # Errors
    /// Any other error than [`Error::Interrupted`].
    pub fn ended(&mut self, result: Result<()>) -> Result<()> {
        match result {
            Err(Error::Interrupted(why)) => {
                self.at_least(Status::Unfinished);
                self.notes.push(format!("Not all of it was done: {why}."));
                Ok(())
            }
            other => other,
        }
    }

    /// Status and summary.
    pub fn headline(&self) -> String {
        format!("{}; {}", self.status.name(), self.summary)
    }
}

/// One section.
#[derive(Debug, Serialize)]
pub struct Section {
    /// Its name in JSON and in links.
    pub key: &'static str,
    /// Its title.
    pub title: &'static str,
    /// What it took.
    pub seconds: f64,
    /// What it found.
    #[serde(flatten)]
    pub content: Content,
}

impl Section {
    /// A section that took so long.
    pub fn new(key: &'static str, title: &'static str, content: Content, took: Duration) -> Section {
        Section { key, title, seconds: took.as_secs_f64(), content }
    }
}

/// A report.
#[derive(Debug, Serialize)]
pub struct Report {
    /// [`FORMAT`].
    pub format: &'static str,
    /// Version of the program.
    pub version: &'static str,
    /// SHA-256 of the shaders.
    pub shaders: String,
    /// Operating system and processor architecture.
    pub system: String,
    /// Threads of the processor.
    pub threads: usize,
    /// Whether it is the short form.
    pub quick: bool,
    /// Whether every section was done.
    pub complete: bool,
    /// The worst of the sections.
    pub status: Status,
    /// What it took.
    pub seconds: f64,
    /// The adapter.
    pub adapter: AdapterSummary,
    /// The sections so far.
    pub sections: Vec<Section>,
}

impl Report {
    /// Without sections.
    pub(super) fn begin(form: Form, adapter: AdapterSummary) -> Report {
        Report {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION"),
            shaders: shader_hash(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            threads: std::thread::available_parallelism().map_or(0, usize::from),
            quick: form == Form::Quick,
            complete: false,
            status: Status::Ok,
            seconds: 0.0,
            adapter,
            sections: vec![],
        }
    }

    /// After `seconds`, with the sections that there are, of so many.
    pub(super) fn finish(&mut self, took: Duration, of: usize) {
        let all = || self.sections.iter().map(|s| s.content.status);
        self.status = all().max().unwrap_or(Status::Ok);
        self.complete = self.sections.len() == of && all().all(|s| s != Status::Unfinished);
        self.seconds = took.as_secs_f64();
    }

    /// What a command that made it ends with.
    ///
    /// # Errors
    /// [`Error::Gpu`] naming the sections in which something is wrong or failed.
    pub fn verdict(&self) -> Result<()> {
        let bad = |s: &&Section| s.content.status >= Status::Failed;
        let bad: Vec<&str> = self.sections.iter().filter(bad).map(|s| s.title).collect();
        match bad.is_empty() {
            true => Ok(()),
            false => {
                Err(Error::Gpu(format!("not all is right on {}: {}", self.adapter.name, bad.join("; "))))
            }
        }
    }
}

/// Two digits of a deviation; `0` of none.
pub fn deviation(d: f64) -> String {
    if d == 0.0 { "0".into() } else { format!("{d:.1e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_section_decides() {
        let adapter = crate::native::open(&Default::default()).unwrap().summary().clone();
        let mut report = Report::begin(Form::Quick, adapter);
        let mut add = |status, of| {
            let content = Content::of(status, "s".into());
            report.sections.push(Section::new("k", "the title", content, Duration::ZERO));
            report.finish(Duration::ZERO, of);
            (report.status, report.complete, report.verdict().map_err(|e| (e.exit_code(), e.to_string())))
        };
        assert_eq!(add(Status::Ok, 3), (Status::Ok, false, Ok(())));
        assert_eq!(add(Status::Look, 2), (Status::Look, true, Ok(())));
        assert_eq!(add(Status::Unfinished, 3), (Status::Unfinished, false, Ok(())));
        let (status, _, verdict) = add(Status::Wrong, 4);
        let (code, said) = verdict.unwrap_err();
        assert!(status == Status::Wrong && code == 5 && said.contains("the title"), "{said}");
    }

    #[test]
    fn numbers() {
        assert_eq!([0.0, 3.21e-8, f64::NAN].map(deviation), ["0", "3.2e-8", "NaN"]);
    }
}
