//! `ssgan gpu-report`.

use super::args::{AdapterArgs, SpeechArgs};
use super::output;
use crate::app::gpu_report::{self, Form, Report};
use crate::app::report::table::Table;
use crate::app::run::interrupt;
use crate::error::{Error, Result};
use crate::gpu::Precision;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder for index.html, report.json and report.md: must not exist or be empty
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The short form, of a minute or a few
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    adapter: AdapterArgs,
    #[command(flatten)]
    speech: SpeechArgs,
}

pub fn run(args: &Args) -> Result<()> {
    let mut progress = args.speech.progress();
    let form = if args.quick { Form::Quick } else { Form::Full };
    // Mixed precision is checked where there is any, beside the other.
    if args.adapter.precision == Some(Precision::Mixed) {
        return Err(Error::Usage(
            "a report has both precisions, where the adapter does: leave --precision out".into(),
        ));
    }
    check(&args.folder)?;
    let stop = interrupt::install()?;
    let report = gpu_report::make(&args.adapter.choice(), form, &args.folder, &mut progress, stop)?;
    drop(progress);
    show(args, &report)?;
    if stop.is_asked() {
        let page = args.folder.join("index.html");
        return Err(Error::Interrupted(format!("what was found until then is in {}", page.display())));
    }
    report.verdict()
}

/// Refuses a folder that holds something.
fn check(folder: &Path) -> Result<()> {
    let mut there = match std::fs::read_dir(folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        there => there.map_err(Error::io("read", folder))?,
    };
    match there.next() {
        None => Ok(()),
        Some(_) => {
            let name = folder.display();
            Err(Error::Output(format!("{name} is not empty: name a folder that does not exist or is empty")))
        }
    }
}

fn show(args: &Args, report: &Report) -> Result<()> {
    if args.speech.json {
        return output::print_json(report);
    }
    let mut table = Table::of(&["section", "status", "result"], &[], &[]);
    for s in &report.sections {
        table.row([s.title.to_string(), s.content.status.name().into(), s.content.summary.clone()]);
    }
    output::print(&format!("{table}\n{}\n", args.folder.join("index.html").display()))
}
