//! The `ssgan` program: parse, run, report. Everything else is in the library.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match ssgan::cli::Cli::try_parse() {
        Ok(cli) => match ssgan::cli::run(cli) {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => ssgan::cli::output::fail(&e),
        },
        Err(e) => {
            // Help and version go to standard output with status 0, mistakes to standard error with 2.
            let _ = e.print();
            ExitCode::from(e.exit_code() as u8)
        }
    }
}
