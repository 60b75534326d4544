//! What leaves the program: results on standard output, files where they were asked for, the one error on standard error.

use crate::error::{Error, Result};
use serde::Serialize;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

const STDOUT: &str = "standard output";

/// Writes text to standard output, all of it.
///
/// # Errors
/// [`Error::Io`]; [`fail`] stays silent for a reader that went away (`ssgan ... | head`).
pub fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Error::io("write", STDOUT))
}

/// Characters across the terminal on standard output; `None` if it is none.
pub fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0))
}

/// Writes one indented JSON document to standard output. NaN and infinities become null.
///
/// # Errors
/// As [`print()`].
pub fn print_json(value: &impl Serialize) -> Result<()> {
    print(&crate::text::json("the result", value)?)
}

/// A path for JSON, which is Unicode: what is not comes as U+FFFD, where serde would refuse it.
pub fn path(path: &Path) -> String {
    path.display().to_string()
}

/// Prints `error: ...` with its causes to standard error and gives the exit status.
pub fn fail(e: &Error) -> ExitCode {
    if let Error::Io { path, source, .. } = e
        && source.kind() == ErrorKind::BrokenPipe
        && path.as_os_str() == STDOUT
    {
        return ExitCode::SUCCESS;
    }
    let mut text = format!("error: {e}");
    let mut cause = std::error::Error::source(e);
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        // Most of our messages already end in their cause.
        if !text.contains(&inner_text) {
            text += &format!("\n  because: {inner_text}");
        }
        cause = inner.source();
    }
    crate::report::progress::say(&text);
    ExitCode::from(match e {
        Error::Interrupted(_) => super::interrupt::exit_code(),
        e => e.exit_code(),
    })
}

/// Refuses a file whose folder is not there, before the work that it is for.
///
/// # Errors
/// [`Error::Usage`] naming both.
pub fn check_folder_of(file: &Path) -> Result<()> {
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty());
    match folder.filter(|f| !f.is_dir()) {
        Some(folder) => {
            Err(Error::Usage(format!("{}: there is no folder {}", file.display(), folder.display())))
        }
        None => Ok(()),
    }
}
