//! `ssgan doctor`: what works here, and what to install where something does not.

use super::args::AdapterArgs;
use super::{load, output};
use crate::app::cache;
use crate::app::doctor::{self, Check};
use crate::app::run::settings::with_flags;
use crate::app::source::{self, DIGITS, NAMES};
use crate::error::{Error, Result};
use crate::gpu;
use crate::native;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    adapter: AdapterArgs,
    /// Print the findings as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let mut checks = vec![Check::new("program", true, Ok(format!("ssgan {}", env!("CARGO_PKG_VERSION"))))];
    let adapter = check_adapter(args, &mut checks);
    let folders = [
        ("cache folder", cache::dir().and_then(|dir| writable(&dir))),
        ("this folder", writable(Path::new("."))),
    ];
    let [cache, here] = folders.map(|(what, found)| {
        let reason = found.as_ref().err().map(ToString::to_string);
        (Check::new(what, true, found), reason)
    });
    let unwritable = cache.1.into_iter().chain(here.1).next();
    checks.push(cache.0);
    for name in NAMES {
        checks.push(Check { what: name, ..check_data(name) });
    }
    checks.push(here.0);
    if args.json {
        output::print_json(&checks)?;
    } else {
        let mut text = String::new();
        for c in &checks {
            let mark = if c.ok {
                "ok"
            } else if c.needed {
                "FAIL"
            } else {
                "-"
            };
            text += &format!(
                "{mark:<5} {:<14} {}\n",
                c.what,
                c.detail.trim_end().replace('\n', "\n                     ")
            );
        }
        if adapter.is_err() {
            text += &format!("\nWhat to install:\n{}{}\n", gpu::install_hint(), doctor::install_command());
        }
        output::print(&text)?;
    }
    adapter?;
    unwritable.map_or(Ok(()), |reason| Err(Error::Output(reason)))
}

fn check_adapter(args: &Args, checks: &mut Vec<Check>) -> Result<()> {
    match native::open(&args.adapter.choice()) {
        Ok(gpu) => doctor::adapter(&gpu, checks),
        Err(e) => {
            let detail = with_flags(&e.to_string());
            checks.push(Check { what: "adapter", ok: false, needed: true, detail });
            Err(e)
        }
    }
}

/// Whether a data set is at hand without a download.
fn check_data(name: &'static str) -> Check {
    if name == DIGITS {
        return Check::new(name, true, Ok("drawn by the program".into()));
    }
    let found = load::request(name, None, true).and_then(|r| source::status(&r)).map(|files| {
        let there = files.iter().filter(|f| f.path.is_some()).count();
        let good = files.iter().filter(|f| f.published).count();
        (there, good, files.len())
    });
    match found {
        Ok((_, good, all)) if good == all => {
            Check::new(name, false, Ok(format!("{good} files in the cache")))
        }
        Ok((there, good, all)) => {
            let detail = format!(
                "{there} of {all} files in the cache, {good} intact: `ssgan data fetch --dataset {name}`"
            );
            Check { what: name, ok: false, needed: false, detail }
        }
        Err(e) => Check::new(name, false, Err(e)),
    }
}

/// Tries to make a file in the folder, or in what exists nearest above it, which may be no folder.
fn writable(dir: &Path) -> Result<String> {
    let exists = dir.ancestors().find(|d| d.exists()).unwrap_or(Path::new("."));
    tempfile::tempfile_in(exists).map_err(Error::io("write in", exists))?;
    Ok(format!("{}, writable", dir.display()))
}
