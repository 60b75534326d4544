//! Text files: reading what people write, with a limit on its size, and writing JSON as people lay it out.

use crate::error::{Error, Result};
use crate::text::MAX_BYTES;
use serde_json::ser::Formatter;
use std::io::{Read, Write};
use std::path::Path;

/// Reads a UTF-8 text file of at most [`MAX_BYTES`].
///
/// # Errors
/// [`Error::Io`] where it cannot be read, [`Error::Usage`] where it is too large, not UTF-8, or no file: a pipe to which
/// nobody writes would be waited for without end.
pub fn read(path: &Path) -> Result<String> {
    let found = std::fs::metadata(path).map_err(Error::io("read", path))?;
    // What a shell hands over is open already, and has a writer.
    let handed_over = ["/dev/fd", "/dev/stdin", "/proc/self/fd"].iter().any(|given| path.starts_with(given));
    if !found.is_file() && !found.is_dir() && !handed_over {
        return Err(Error::Usage(format!("{} is a pipe or a device: give a file", path.display())));
    }
    let file = std::fs::File::open(path).map_err(Error::io("read", path))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::Usage(format!(
            "{} is larger than {MAX_BYTES} bytes: not a settings file",
            path.display()
        )));
    }
    String::from_utf8(bytes).map_err(|e| Error::Text {
        file: path.display().to_string(),
        line: 1 + e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|&&b| b == b'\n').count(),
        reason: "not UTF-8 text".into(),
    })
}

/// `1 epoch`, `2 epochs`.
pub fn count(n: u32, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// `what`, a value, as indented JSON, a line for each row of a table or matrix; NaN and infinities become null.
///
/// # Errors
/// [`Error::Output`] naming it.
pub fn json(what: impl std::fmt::Display, value: &impl serde::Serialize) -> Result<String> {
    json_to(2, what, value)
}

/// As [`json`], with a line for each value down to `open` levels of arrays and objects.
///
/// # Errors
/// As there.
pub fn json_to(open: usize, what: impl std::fmt::Display, value: &impl serde::Serialize) -> Result<String> {
    let mut bytes = Vec::new();
    let rows = Rows { open, depth: 0, filled: false };
    let written = value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, rows));
    let cannot = |e: String| Error::Output(format!("{what} cannot be written as JSON: {e}"));
    written.map_err(|e| cannot(e.to_string()))?;
    bytes.push(b'\n');
    String::from_utf8(bytes).map_err(|e| cannot(e.to_string()))
}

/// JSON as people lay it out: what is deep inside stands on one line.
struct Rows {
    /// Levels that begin a line for each value.
    open: usize,
    /// Arrays and objects around what is written.
    depth: usize,
    /// Whether the one that ends has anything in it.
    filled: bool,
}

impl Rows {
    fn begin<W: Write + ?Sized>(&mut self, w: &mut W, bracket: &[u8]) -> std::io::Result<()> {
        self.depth += 1;
        self.filled = false;
        w.write_all(bracket)
    }

    fn value<W: Write + ?Sized>(&mut self, w: &mut W, first: bool) -> std::io::Result<()> {
        if self.depth > self.open {
            return w.write_all(if first { b"" } else { b", " });
        }
        w.write_all(if first { b"\n" } else { b",\n" })?;
        (0..self.depth).try_for_each(|_| w.write_all(b"  "))
    }

    fn end<W: Write + ?Sized>(&mut self, w: &mut W, bracket: &[u8]) -> std::io::Result<()> {
        self.depth -= 1;
        if self.filled && self.depth < self.open {
            w.write_all(b"\n")?;
            (0..self.depth).try_for_each(|_| w.write_all(b"  "))?;
        }
        w.write_all(bracket)
    }
}

impl Formatter for Rows {
    fn begin_array<W: Write + ?Sized>(&mut self, w: &mut W) -> std::io::Result<()> {
        self.begin(w, b"[")
    }

    fn end_array<W: Write + ?Sized>(&mut self, w: &mut W) -> std::io::Result<()> {
        self.end(w, b"]")
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, w: &mut W, first: bool) -> std::io::Result<()> {
        self.value(w, first)
    }

    fn end_array_value<W: Write + ?Sized>(&mut self, _: &mut W) -> std::io::Result<()> {
        self.filled = true;
        Ok(())
    }

    fn begin_object<W: Write + ?Sized>(&mut self, w: &mut W) -> std::io::Result<()> {
        self.begin(w, b"{")
    }

    fn end_object<W: Write + ?Sized>(&mut self, w: &mut W) -> std::io::Result<()> {
        self.end(w, b"}")
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, w: &mut W, first: bool) -> std::io::Result<()> {
        self.value(w, first)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, w: &mut W) -> std::io::Result<()> {
        w.write_all(b": ")
    }

    fn end_object_value<W: Write + ?Sized>(&mut self, _: &mut W) -> std::io::Result<()> {
        self.filled = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_json() {
        let value = serde_json::json!({
            "a": [[1, 2], [3.5, null]], "b": {"c": {"d": "x, y"}, "e": []}, "f": {}, "g": [], "h": "i",
        });
        let text = json("it", &value).unwrap();
        let expected = r#"{
  "a": [
    [1, 2],
    [3.5, null]
  ],
  "b": {
    "c": {"d": "x, y"},
    "e": []
  },
  "f": {},
  "g": [],
  "h": "i"
}
"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        assert_eq!(json("it", &f32::NAN).unwrap(), "null\n");
    }

    #[test]
    fn too_large_or_not_text() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, vec![b' '; MAX_BYTES as usize + 1]).unwrap();
        assert_eq!(read(&path).unwrap_err().exit_code(), 2);
        std::fs::write(&path, b"ok\n\xff").unwrap();
        assert!(matches!(read(&path), Err(Error::Text { line: 2, .. })));
    }
}
