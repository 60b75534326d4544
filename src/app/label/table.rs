//! CSV files: one that grows, and is cut where a run that goes on begins again, and small ones that are written at once.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};

use crate::app::atomic::{self, fault};
use crate::error::{Error, Result};

/// Its rows are quoted as spreadsheets do: a value with a comma, a quote or a line break in it stands in double quotes.
pub(super) struct Table {
    path: PathBuf,
    rows: csv::Writer<fault::Writer<File>>,
}

impl Table {
    /// Opens `path`, makes it where nothing is known of it (`known` is 0), and cuts it to its `known` bytes.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file; [`Error::Output`] if it is shorter than that.
    pub fn open(path: PathBuf, known: u64) -> Result<Table> {
        let open = || -> std::io::Result<Option<File>> {
            let mut file =
                File::options().create(known == 0).read(true).write(true).truncate(false).open(&path)?;
            if file.metadata()?.len() < known {
                return Ok(None);
            }
            fault::attempt(|| file.set_len(known))?;
            file.seek(SeekFrom::End(0))?;
            Ok(Some(file))
        };
        let file = fault::attempt(open).map_err(Error::io("write", &path))?;
        let file = file.ok_or_else(|| {
            let path = path.display();
            Error::Output(format!(
                "{path} has lost lines since it was written: begin again with another --out"
            ))
        })?;
        let rows = csv::Writer::from_writer(fault::Writer::new(file));
        Ok(Table { path, rows })
    }

    /// One more row, in the file at the latest after [`Table::sync`].
    ///
    /// # Errors
    /// [`Error::Io`] naming the file.
    pub fn row<T: AsRef<[u8]>>(&mut self, values: impl IntoIterator<Item = T>) -> Result<()> {
        self.rows.write_record(values).map_err(|e| self.broken(e))
    }

    /// All rows onto the disk; how many bytes the file has then.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file.
    pub fn sync(&mut self) -> Result<u64> {
        let synced = |rows: &mut csv::Writer<fault::Writer<File>>| -> std::io::Result<u64> {
            rows.flush()?;
            let file = rows.get_ref().get_ref();
            atomic::sync(file)?;
            file.metadata().map(|m| m.len())
        };
        synced(&mut self.rows).map_err(Error::io("write", &self.path))
    }

    fn broken(&self, e: csv::Error) -> Error {
        Error::io("write", &self.path)(e.into())
    }
}

/// The rows of a file from byte `from` to byte `to`, which are ends of rows; none has a line of names.
///
/// # Errors
/// [`Error::Io`] naming the file, as has each row.
pub(super) fn rows(
    path: &Path,
    from: u64,
    to: u64,
) -> Result<impl Iterator<Item = Result<csv::StringRecord>>> {
    let open = || -> std::io::Result<Take<BufReader<File>>> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(from))?;
        Ok(BufReader::new(file).take(to.saturating_sub(from)))
    };
    let part = open().map_err(Error::io("read", path))?;
    let reader = csv::ReaderBuilder::new().has_headers(false).from_reader(part);
    let path = path.to_path_buf();
    Ok(reader.into_records().map(move |row| row.map_err(|e| Error::io("read", &path)(e.into()))))
}

/// Writes a small table, for people to fill in, at once. With other letters than ASCII it begins with a mark of UTF-8, without
/// which Excel takes them for those of Windows.
///
/// # Errors
/// [`Error::Io`] naming the file.
pub(super) fn write_table<const N: usize>(
    path: &Path,
    rows: impl Iterator<Item = [String; N]>,
) -> Result<()> {
    let rows: Vec<[String; N]> = rows.collect();
    let plain = rows.iter().flatten().all(|value| value.is_ascii());
    atomic::write_with(path, |w| {
        w.write_all(if plain { b"" } else { "\u{feff}".as_bytes() })?;
        let mut table = csv::Writer::from_writer(w);
        for row in &rows {
            table.write_record(row)?;
        }
        table.flush()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        let mut table = Table::open(path.clone(), 0).unwrap();
        table.row(["a,b", "say \"c\""]).unwrap();
        let known = table.sync().unwrap();
        table.row(["two\nlines", ""]).unwrap();
        let all = table.sync().unwrap();
        drop(table);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "\"a,b\",\"say \"\"c\"\"\"\n\"two\nlines\",\n");
        let read = |from, to| rows(&path, from, to).unwrap().map(|r| r.unwrap()).collect::<Vec<_>>();
        assert_eq!(read(known, all), [csv::StringRecord::from(vec!["two\nlines", ""])]);
        assert_eq!(read(0, all).len(), 2);
        assert_eq!(read(known, known).len(), 0);
        std::fs::write(&path, &std::fs::read(&path).unwrap()[..all as usize - 4]).unwrap();
        let mut table = Table::open(path.clone(), known).unwrap();
        table.row(["d", "e"]).unwrap();
        table.sync().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "\"a,b\",\"say \"\"c\"\"\"\nd,e\n");
        let e = Table::open(path, 1000).err().unwrap();
        assert!(e.to_string().contains("t.csv has lost lines"), "{e}");
        let e = Table::open(dir.path().join("not-there.csv"), 10).err().unwrap();
        assert_eq!(e.exit_code(), 6);
    }
}
