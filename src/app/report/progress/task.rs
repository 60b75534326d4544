//! Work that is counted, and how long the rest of it takes.

use std::time::Instant;

/// Work of a known number of pieces.
pub(super) struct Task {
    pub name: String,
    pub pieces: u64,
    pub done: u64,
    /// When its first piece was done: before that shaders are compiled.
    pub first: Option<Instant>,
    /// When a line was last written.
    pub line: Instant,
}

impl Task {
    /// Seconds left, by the pieces after the first; `None` before the second.
    pub fn left(&self) -> Option<f64> {
        let measured = self.done.checked_sub(1).filter(|n| *n > 0)?;
        let each = self.first?.elapsed().as_secs_f64() / measured as f64;
        Some(each * self.pieces.saturating_sub(self.done) as f64)
    }
}
