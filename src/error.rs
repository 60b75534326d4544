//! The one error type of the library. Every variant says what failed and, where there is one, what
//! to do next; only `main` prints it. [`Error::exit_code`] is the program's documented exit status.

use std::path::{Path, PathBuf};

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong, by what the user has to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting that makes no sense, alone or together with another (exit code 2).
    #[error("{0}")]
    Usage(String),
    /// A text file (model, configuration) with a mistake at a known line (exit code 3).
    #[error("{file}:{line}: {reason}")]
    Text {
        /// File as the user named it.
        file: String,
        /// Line, counted from 1.
        line: usize,
        /// What is wrong and what is expected.
        reason: String,
    },
    /// Data set files that are missing, broken or of the wrong shape (exit code 4).
    #[error("data: {0}")]
    Data(String),
    /// A download that failed on every mirror (exit code 4).
    #[error("download: {0}")]
    Download(String),
    /// No usable adapter, or an adapter that lacks something needed (exit code 5).
    #[error("adapter: {0}")]
    Adapter(String),
    /// The GPU or its driver failed while working (exit code 5).
    #[error("gpu: {0}")]
    Gpu(String),
    /// The device is gone: a driver that was reset, a GPU that was unplugged. A new one may work (exit code 5).
    #[error("gpu: device lost: {0}")]
    DeviceLost(String),
    /// A file or folder that cannot be read or written (exit code 6).
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The verb: `read`, `write`, `create`, ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// An output place that exists or is in use (exit code 6).
    #[error("{0}")]
    Output(String),
    /// A checkpoint that is broken or belongs to another model (exit code 7).
    #[error("checkpoint{}: {reason}", named(path))]
    Checkpoint {
        /// The file; empty where only its bytes are known.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A loss or parameter became NaN or infinite (exit code 8).
    #[error("{0}")]
    Diverged(String),
    /// Stopped by the user after saving (exit code 130; the program's own is 143 after SIGTERM, 129 after SIGHUP).
    #[error("interrupted; {0}")]
    Interrupted(String),
}

impl Error {
    /// The process exit status that stands for this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) => 2,
            Error::Text { .. } => 3,
            Error::Data(_) | Error::Download(_) => 4,
            Error::Adapter(_) | Error::Gpu(_) | Error::DeviceLost(_) => 5,
            Error::Io { .. } | Error::Output(_) => 6,
            Error::Checkpoint { .. } => 7,
            Error::Diverged(_) => 8,
            Error::Interrupted(_) => 130,
        }
    }

    /// Wraps an I/O error with the action and the path it happened on.
    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { action, path, source }
    }
}

/// A path behind a word; nothing for an empty one.
fn named(path: &Path) -> String {
    if path.as_os_str().is_empty() { String::new() } else { format!(" {}", path.display()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_named_where_its_path_is_known() {
        let said =
            |path: &str| Error::Checkpoint { path: path.into(), reason: "is damaged".into() }.to_string();
        assert_eq!(said("a.st"), "checkpoint a.st: is damaged");
        assert_eq!(said(""), "checkpoint: is damaged");
    }
}
