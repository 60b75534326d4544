//! `ssgan adapters`.

use super::output;
use crate::app::report::table::{Align, Table};
use crate::error::{Error, Result};
use crate::gpu::{self, AdapterSummary};
use crate::native;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print the list as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let adapters = native::list_adapters();
    if args.json {
        output::print_json(&adapters)?;
    } else if !adapters.is_empty() {
        output::print(&table(&adapters).to_string())?;
    }
    match adapters.is_empty() {
        true => Err(Error::Adapter(format!("none found; {}", gpu::install_hint()))),
        false => Ok(()),
    }
}

fn table(adapters: &[AdapterSummary]) -> Table {
    let mut table = Table::new(&[
        ("index", Align::Right),
        ("name", Align::Left),
        ("kind", Align::Left),
        ("backend", Align::Left),
        ("driver", Align::Left),
        ("usable", Align::Left),
    ]);
    for a in adapters {
        let usable = match &a.problem {
            None if a.usable => "yes".to_string(),
            None => "no".to_string(),
            Some(problem) => format!("no: {problem}"),
        };
        table.row([
            a.index.to_string(),
            a.name.clone(),
            a.kind.clone(),
            a.backend.clone(),
            a.driver_text(),
            usable,
        ]);
    }
    table
}
