//! What is written as it comes, and not whole.

use super::{fault, sync, write};
use crate::error::{Error, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

/// A file that grows, whole lines or records at a time.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    writer: BufWriter<fault::Writer<File>>,
}

impl LogFile {
    /// The file with these lines and nothing else, to be continued.
    ///
    /// # Errors
    /// [`Error::Io`] naming it, as do the others.
    pub fn with(path: PathBuf, lines: &[String]) -> Result<LogFile> {
        let text: String = lines.iter().flat_map(|l| [l.as_str(), "\n"]).collect();
        LogFile::with_bytes(path, text.as_bytes())
    }

    /// The file with these bytes and nothing else, to be continued.
    ///
    /// # Errors
    /// As [`LogFile::with`].
    pub fn with_bytes(path: PathBuf, bytes: &[u8]) -> Result<LogFile> {
        write(&path, bytes)?;
        let file = fault::attempt(|| File::options().append(true).open(&path));
        let file = file.map_err(Error::io("write", &path))?;
        Ok(LogFile { path, writer: BufWriter::new(fault::Writer::new(file)) })
    }

    /// One more line, written at the latest by [`LogFile::flush`].
    ///
    /// # Errors
    /// As [`LogFile::with`].
    pub fn line(&mut self, text: &str) -> Result<()> {
        writeln!(self.writer, "{text}").map_err(Error::io("write", &self.path))
    }

    /// More bytes, likewise.
    ///
    /// # Errors
    /// As [`LogFile::with`].
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.writer.write_all(bytes).map_err(Error::io("write", &self.path))
    }

    /// To the system.
    ///
    /// # Errors
    /// As [`LogFile::with`].
    pub fn flush(&mut self) -> Result<()> {
        self.writer.flush().map_err(Error::io("write", &self.path))
    }

    /// To the disk: what a checkpoint relies on outlives a power cut.
    ///
    /// # Errors
    /// As [`LogFile::with`].
    pub fn sync(&mut self) -> Result<()> {
        self.flush()?;
        sync(self.writer.get_ref().get_ref()).map_err(Error::io("write", &self.path))
    }
}
