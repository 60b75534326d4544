//! Text files: reading what people write, with a limit on its size, and writing JSON as people lay it out; text in HTML; the
//! hash of a file.

use crate::error::{Error, Result};
use crate::text::{MAX_BYTES, hex};
use serde_json::ser::Formatter;
use sha2::{Digest, Sha256};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

/// Largest profile, picture and checkpoint's head that is read, in bytes.
pub const MAX_RECORD: u64 = 256 << 20;

/// Reads a UTF-8 text file of at most [`MAX_BYTES`].
///
/// # Errors
/// As [`bytes`]; [`Error::Text`] where it is not UTF-8.
pub fn read(path: &Path) -> Result<String> {
    read_up_to(path, MAX_BYTES)
}

/// As [`read`], of what the program wrote itself: at most [`MAX_RECORD`] bytes.
///
/// # Errors
/// As [`read`].
pub fn read_record(path: &Path) -> Result<String> {
    read_up_to(path, MAX_RECORD)
}

/// As [`read`], of at most `most` bytes.
///
/// # Errors
/// As [`read`].
pub fn read_up_to(path: &Path, most: u64) -> Result<String> {
    utf8(path, bytes(path, most)?)
}

/// Reads a file of at most `most` bytes.
///
/// # Errors
/// [`Error::Io`] where it cannot be read, [`Error::Usage`] where it is larger, or no file: a pipe to which nobody writes
/// would be waited for without end.
pub fn bytes(path: &Path, most: u64) -> Result<Vec<u8>> {
    let found = std::fs::metadata(path).map_err(Error::io("read", path))?;
    // What a shell hands over is open already, and has a writer.
    let handed_over = ["/dev/fd", "/dev/stdin", "/proc/self/fd"].iter().any(|given| path.starts_with(given));
    if !found.is_file() && !found.is_dir() && !handed_over {
        return Err(Error::Usage(format!("{} is a pipe or a device: give a file", path.display())));
    }
    let too_large = || {
        let name = path.display();
        Error::Usage(format!("{name} is larger than {most} bytes, too large for what it should be"))
    };
    // What says that it is too large is not read first.
    if found.is_file() && found.len() > most {
        return Err(too_large());
    }
    let file = std::fs::File::open(path).map_err(Error::io("read", path))?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    if bytes.len() as u64 > most {
        return Err(too_large());
    }
    Ok(bytes)
}

fn utf8(path: &Path, bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|e| {
        let (bytes, valid) = (e.as_bytes(), e.utf8_error().valid_up_to());
        // The marks that Windows begins it with.
        let utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
        Error::Text {
            file: path.display().to_string(),
            line: 1 + bytes[..valid].iter().filter(|&&b| b == b'\n').count(),
            reason: if utf16 { "UTF-16 text, not UTF-8" } else { "not UTF-8 text" }.into(),
        }
    })
}

/// SHA-256 of a file, as `sha256sum` prints it; of the file no more than a buffer is in memory.
///
/// # Errors
/// [`Error::Io`] where it cannot be read.
pub fn sha256(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let read = |hash: &mut Sha256| -> std::io::Result<()> {
        let mut file = BufReader::with_capacity(1 << 16, std::fs::File::open(path)?);
        loop {
            let part = file.fill_buf()?;
            if part.is_empty() {
                return Ok(());
            }
            hash.update(part);
            let read = part.len();
            file.consume(read);
        }
    };
    read(&mut hash).map_err(Error::io("read", path))?;
    Ok(hex(&hash.finalize()))
}

/// Text in HTML, and in its attributes in double quotes.
pub fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A cell of a table: the value, or that it is not known.
pub fn or_unknown<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "n/a".into(), show)
}

/// A share in per cent, with a digit after the point.
pub fn percent(share: f64) -> String {
    format!("{:.1}", 100.0 * share)
}

/// `1 epoch`, `2 epochs`.
pub fn count(n: u32, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// A path as one word of a command: in quotes where a shell would take it apart.
pub fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    // PowerShell takes words apart at commas, and puts values in at the others.
    let special = if cfg!(windows) { "" } else { "@,%" };
    let plain = |c: char| {
        c.is_alphanumeric() || "_-./:+=".contains(c) || special.contains(c) || cfg!(windows) && c == '\\'
    };
    match !text.is_empty() && text.chars().all(plain) {
        true => text,
        // Before the quote a backslash would make it one of the path's.
        false if cfg!(windows) => format!("\"{}\"", text.trim_end_matches('\\')),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
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
/// As [`json`].
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

/// A count with commas: `1,234,567`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Seconds as `42s`, `3m05s`, `2h07m`.
pub fn duration(seconds: f64) -> String {
    let s = seconds.max(0.0).round() as u64;
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m{:02}s", s / 60, s % 60),
        _ => format!("{}h{:02}m", s / 3600, s / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(
            [0.2, 59.6, 185.0, 7620.0, f64::NAN].map(duration),
            ["0s", "1m00s", "3m05s", "2h07m", "0s"]
        );
    }

    #[test]
    fn counts_with_commas() {
        assert_eq!([0, 999, 1000, 1_048_576].map(grouped), ["0", "999", "1,000", "1,048,576"]);
    }

    #[test]
    fn paths_are_one_word_to_a_shell() {
        let quoted = |path: &str| shell_word(Path::new(path));
        assert_eq!(quoted("runs/2026-11-29T10:00Z-cnn_é+1.5"), "runs/2026-11-29T10:00Z-cnn_é+1.5");
        let quotes =
            if cfg!(windows) { ["\"my photos\"", "\"~\"", "\"\""] } else { ["'my photos'", "'~'", "''"] };
        assert_eq!(["my photos", "~", ""].map(quoted), quotes);
        if cfg!(unix) {
            assert_eq!(quoted("Ann's; $(rm)"), r"'Ann'\''s; $(rm)'");
        }
    }

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

    /// Sparse files of a TiB, which nobody could read into memory, in place of each file that the program reads back.
    #[test]
    fn huge_files_are_refused_unread() {
        let dir = tempfile::tempdir().unwrap();
        let huge = |name: &str| {
            let path = dir.path().join(name);
            std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
            path
        };
        assert_eq!(read(&huge("config.toml")).unwrap_err().exit_code(), 2);
        assert_eq!(read_record(&huge("record")).unwrap_err().exit_code(), 2);
        huge("metrics.jsonl");
        assert_eq!(crate::app::run::history::load(dir.path()).unwrap_err().exit_code(), 2);
        let profile = huge("profile.json");
        assert_eq!(crate::app::profile::Profile::load(&profile).unwrap_err().exit_code(), 2);
        assert!(crate::app::cache::read::<Vec<u32>>(&huge("cache.json")).is_none());
        assert!(crate::app::report::png::Picture::load(&huge("grid.png")).is_err());
        let checkpoint = crate::app::run::checkpoint::load(&huge("epoch-01.safetensors"));
        assert_eq!(checkpoint.unwrap_err().exit_code(), 7);
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
