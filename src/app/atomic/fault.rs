//! Where tests let operations of the file system fail. In other builds no point fails.

use std::io::{Result, Write};

#[cfg(test)]
use std::{cell::RefCell, sync::Arc, sync::Mutex};

/// With what an operation fails: a kind of error, or one of the system's by its number.
#[cfg(test)]
#[derive(Debug, Clone, Copy)]
pub enum Reason {
    /// [`std::io::ErrorKind`].
    Kind(std::io::ErrorKind),
    /// `errno`, or on Windows that of `GetLastError`.
    Os(i32),
}

#[cfg(test)]
impl From<std::io::ErrorKind> for Reason {
    fn from(kind: std::io::ErrorKind) -> Reason {
        Reason::Kind(kind)
    }
}

#[cfg(test)]
impl From<i32> for Reason {
    fn from(code: i32) -> Reason {
        Reason::Os(code)
    }
}

#[cfg(test)]
impl From<Reason> for std::io::Error {
    fn from(reason: Reason) -> std::io::Error {
        match reason {
            Reason::Kind(kind) => kind.into(),
            Reason::Os(code) => std::io::Error::from_raw_os_error(code),
        }
    }
}

#[cfg(test)]
#[derive(Debug)]
struct Fault {
    /// Operations until then, of this thread and of those that share its faults.
    left: u32,
    reason: Reason,
    /// Whether all operations after it fail too.
    lasting: bool,
    happened: bool,
}

#[cfg(test)]
thread_local! {
    static FAULT: RefCell<Option<Arc<Mutex<Fault>>>> = const { RefCell::new(None) };
}

/// Lets the `n`-th operation from now on fail (from 0), and all after it if `lasting`.
#[cfg(test)]
pub fn after(left: u32, reason: impl Into<Reason>, lasting: bool) {
    let fault = Fault { left, reason: reason.into(), lasting, happened: false };
    FAULT.set(Some(Arc::new(Mutex::new(fault))));
}

/// No faults from now on; whether there was one.
#[cfg(test)]
pub fn end() -> bool {
    FAULT.take().is_some_and(|fault| fault.lock().unwrap().happened)
}

/// The faults of a thread, for another that does a part of its work.
#[derive(Debug)]
pub struct Shared {
    #[cfg(test)]
    fault: Option<Arc<Mutex<Fault>>>,
}

/// Those of this thread.
pub fn shared() -> Shared {
    Shared {
        #[cfg(test)]
        fault: FAULT.with_borrow(Clone::clone),
    }
}

impl Shared {
    /// This thread has them from now on.
    pub fn adopt(self) {
        #[cfg(test)]
        FAULT.set(self.fault);
    }
}

/// What fails where an operation may.
pub fn point() -> Result<()> {
    #[cfg(test)]
    if let Some(fault) = FAULT.with_borrow(Clone::clone) {
        let mut fault = fault.lock().unwrap();
        let fails = fault.left == 0 && (fault.lasting || !fault.happened);
        fault.happened |= fails;
        fault.left = fault.left.saturating_sub(1);
        if fails {
            return Err(fault.reason.into());
        }
    }
    Ok(())
}

/// `operation`, or its failure.
pub fn attempt<T>(operation: impl FnOnce() -> Result<T>) -> Result<T> {
    point()?;
    operation()
}

/// A file whose writes may fail. As on a full disk, the one that fails writes half and says so, and what comes next
/// is the error.
#[derive(Debug)]
pub struct Writer<W> {
    file: W,
    failed: Option<std::io::Error>,
}

impl<W> Writer<W> {
    /// Writes to `file`.
    pub fn new(file: W) -> Writer<W> {
        Writer { file, failed: None }
    }

    /// The file.
    pub fn get_ref(&self) -> &W {
        &self.file
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if let Some(e) = self.failed.take() {
            return Err(e);
        }
        match point() {
            Ok(()) => self.file.write(bytes),
            Err(e) if bytes.len() < 2 => Err(e),
            Err(e) => {
                self.failed = Some(e);
                self.file.write(&bytes[..bytes.len() / 2])
            }
        }
    }
    fn flush(&mut self) -> Result<()> {
        self.file.flush()
    }
}
