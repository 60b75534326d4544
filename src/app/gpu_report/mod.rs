//! `ssgan gpu-report`: what an adapter computes, how fast, and what it does when things break, in one folder to send.
//!
//! A section that fails is a line in the report, and the others go on. The files are written after every section, so that a
//! report that was ended early can be read.

mod kernels;
mod page;
mod report;
mod speed;
mod training;

pub use report::{Content, FORMAT, Report, Section, Status};

use crate::app::report::progress::Progress;
use crate::app::run::settings::with_flags;
use crate::app::{atomic, doctor, text};
use crate::error::{Error, Result};
use crate::gpu::{AdapterChoice, Gpu, Precision};
use crate::native;
use crate::train::Stop;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// How a report is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Everything, in at most ten minutes.
    Full,
    /// What shows whether it runs at all, in a minute or a few.
    Quick,
}

impl Form {
    /// Of two values the one for this form.
    fn pick<T>(self, full: T, quick: T) -> T {
        if self == Form::Full { full } else { quick }
    }

    /// Nothing is begun after so many seconds.
    fn limit(self) -> f64 {
        self.pick(570.0, 150.0)
    }
}

/// What the sections have at hand.
struct Bench<'a> {
    choice: AdapterChoice,
    form: Form,
    stop: &'a Stop,
    begun: Instant,
    progress: RefCell<&'a mut Progress>,
}

impl Bench<'_> {
    /// A device of its own: nothing that went wrong before is left on it.
    fn open(&self, precision: Precision) -> Result<Gpu> {
        native::open(&AdapterChoice { precision, ..self.choice.clone() })
    }

    /// Whether there is time for more, up to this share of the whole report's.
    ///
    /// # Errors
    /// [`Error::Interrupted`] if not.
    fn go_on(&self, share: f64) -> Result<()> {
        if self.stop.is_asked() {
            return Err(Error::Interrupted("the report was ended early".into()));
        }
        match self.begun.elapsed().as_secs_f64() > share * self.form.limit() {
            true => Err(Error::Interrupted("its time was up".into())),
            false => Ok(()),
        }
    }

    fn begin(&self, what: &str, pieces: usize) {
        self.progress.borrow_mut().begin(what, pieces as u64);
    }

    fn piece(&self) {
        self.progress.borrow_mut().piece();
    }
}

type Work = fn(&Bench<'_>) -> Result<Content>;

/// The sections: key, title, work.
const SECTIONS: [(&str, &str, Work); 9] = [
    ("adapter", "Adapter and driver", adapter),
    ("kernels", "Kernels", kernels::kernels),
    ("step", "One training step", training::step),
    ("determinism", "The same bytes twice", training::determinism),
    ("resume", "After a lost device", training::resume),
    ("watchdog", "Longest submits, memory, compilation", speed::watchdog),
    ("steps", "Time of a step", speed::steps),
    ("products", "Matrix products", speed::products),
    ("tiles", "Choice of tiles", speed::tiles),
];

/// Makes a report in `folder`, which is made, if it is not there.
///
/// # Errors
/// [`Error::Adapter`] without an adapter; [`Error::Io`] for files that cannot be written. What the sections find is no error.
pub fn make(
    choice: &AdapterChoice,
    form: Form,
    folder: &Path,
    progress: &mut Progress,
    stop: &Stop,
) -> Result<Report> {
    let summary = native::open(choice)?.summary().clone();
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let mut report = Report::begin(form, summary);
    let begun = Instant::now();
    let bench = Bench { choice: choice.clone(), form, stop, begun, progress: RefCell::new(progress) };
    for (key, title, work) in SECTIONS {
        let section = match bench.go_on(1.0) {
            Ok(()) => perform(&bench, (key, title, work)),
            Err(e) => Section::new(key, title, Content::unfinished(e), Duration::ZERO),
        };
        let line = format!("{title}: {}", section.content.headline());
        bench.progress.borrow().note(&line);
        report.sections.push(section);
        report.finish(begun.elapsed(), SECTIONS.len());
        write(&report, folder)?;
    }
    Ok(report)
}

/// One section; an error or a panic of its work is what it reports.
fn perform(bench: &Bench<'_>, (key, title, work): (&'static str, &'static str, Work)) -> Section {
    let begun = Instant::now();
    let content = match catch_unwind(AssertUnwindSafe(|| work(bench))) {
        Ok(Ok(content)) => content,
        Ok(Err(e)) => Content::unfinished(e),
        Err(panic) => Content::failed(format!("panicked: {}", message(&*panic))),
    };
    Section::new(key, title, content, begun.elapsed())
}

/// What a panic said.
fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().map(|s| s.to_string());
    said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a word".into())
}

/// The three files of a report, each whole or as it was.
fn write(report: &Report, folder: &Path) -> Result<()> {
    atomic::write(&folder.join("report.json"), text::json("the report", report)?.as_bytes())?;
    atomic::write(&folder.join("report.md"), page::markdown(report).as_bytes())?;
    atomic::write(&folder.join("index.html"), page::html(report).as_bytes())
}

/// What `ssgan doctor` finds of it, and its limits.
fn adapter(bench: &Bench<'_>) -> Result<Content> {
    let gpu = bench.open(Precision::F32)?;
    let mut checks = vec![];
    let result = doctor::adapter(&gpu, &mut checks);
    let mut content = Content::of(Status::right(result.is_ok()), String::new());
    let a = gpu.summary();
    content.summary = match result {
        Ok(()) => format!("{} on {}; the self-test passed", a.backend, a.name),
        Err(e) => with_flags(&e.to_string()),
    };
    let line = |c: &doctor::Check| vec![c.what.to_string(), c.detail.replace('\n', "; ")];
    let mut rows: Vec<Vec<String>> = checks.iter().map(line).collect();
    rows.extend(gpu.limits().map(|(name, value)| vec![name.to_string(), text::grouped(value)]));
    let timing: Vec<String> = gpu.timing_modes().iter().map(|m| format!("{m:?}")).collect();
    rows.push(vec!["timing".into(), timing.join(", ")]);
    content.table("", &["what", "found"], rows);
    content.data =
        serde_json::json!({ "findings": checks, "limits": gpu.limits(), "adapter": gpu.summary() });
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::report::progress::Style;
    use crate::train::Urgency;

    /// A report that has just begun.
    pub(super) fn bench<'a>(stop: &'a Stop, progress: &'a mut Progress) -> Bench<'a> {
        let (choice, form, begun) = (AdapterChoice::default(), Form::Quick, Instant::now());
        Bench { choice, form, stop, begun, progress: RefCell::new(progress) }
    }

    #[test]
    fn what_goes_wrong_in_a_section_is_its_content() {
        let (stop, mut progress) = (Stop::new(), Progress::new(Style::Quiet));
        let bench = bench(&stop, &mut progress);
        let work: [(Work, Status, &str); 4] = [
            (|_| panic!("an index"), Status::Failed, "an index"),
            (|_| Err(Error::Gpu("it hangs".into())), Status::Failed, "it hangs"),
            (|_| Err(Error::Interrupted("its time was up".into())), Status::Unfinished, "time was up"),
            (|_| Ok(Content::of(Status::Wrong, "off by one".into())), Status::Wrong, "off by one"),
        ];
        for (work, status, said) in work {
            let section = perform(&bench, ("key", "title", work));
            assert_eq!(section.content.status, status);
            assert!(section.content.summary.contains(said), "{}", section.content.summary);
        }
    }

    /// A report that is ended at once has all sections, can be read, and is not called complete.
    #[test]
    fn a_report_that_is_ended_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let (stop, mut progress) = (Stop::new(), Progress::new(Style::Quiet));
        stop.ask(Urgency::AfterStep);
        let report = make(&AdapterChoice::default(), Form::Quick, dir.path(), &mut progress, &stop).unwrap();
        assert!(report.sections.iter().all(|s| s.content.status == Status::Unfinished));
        assert!(!report.complete && report.sections.len() == SECTIONS.len());
        let page = std::fs::read_to_string(dir.path().join("index.html")).unwrap();
        assert!(page.contains("ended early") && page.ends_with("</html>\n"));
        let text = std::fs::read_to_string(dir.path().join("report.json")).unwrap();
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((read["format"].as_str(), read["complete"].as_bool()), (Some(FORMAT), Some(false)));
    }
}
