//! Reader for IDX files: a big-endian magic number and sizes, then bytes. Plain or gzip, told apart by
//! the first bytes. Nothing is allocated on a header's word alone, so any input is safe to read.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::Split;
use super::idx_header::{axes, parse_header};
use crate::error::{Error, Result};

pub use super::idx_header::{Array, Kind, MAX_BYTES};

/// Deflate cannot expand by more than this factor (zlib's technical notes), so a header that asks for more
/// is known to lie before anything is read.
const MAX_DEFLATE_RATIO: u64 = 1032;

/// A file whose header and length agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idx {
    /// What it holds.
    pub kind: Kind,
    /// Images or labels in it.
    pub count: u32,
    /// Rows of an image; 1 for labels.
    pub rows: u32,
    /// Columns of an image; 1 for labels.
    pub columns: u32,
    /// The whole uncompressed file, header included.
    pub bytes: Vec<u8>,
}

impl Idx {
    /// Pixels (`count x rows x columns`) or labels.
    pub fn into_data(mut self) -> Vec<u8> {
        self.bytes.drain(..self.kind.header_len());
        self.bytes
    }
}

/// Reads one file.
///
/// # Errors
/// [`Error::Io`] if it cannot be opened, else as [`read`].
pub fn read_file(path: &Path, kind: Kind) -> Result<Idx> {
    let (name, file, len) = open(path)?;
    read(&name, file, len, kind)
}

/// Reads one file, whatever whole numbers are in it.
///
/// # Errors
/// As [`read_file`].
pub fn read_array(path: &Path) -> Result<Array> {
    let (name, file, len) = open(path)?;
    read_packed(&name, file, len, None)
}

fn open(path: &Path) -> Result<(String, std::fs::File, u64)> {
    let file = std::fs::File::open(path).map_err(Error::io("read", path))?;
    let len = file.metadata().map_err(Error::io("read", path))?.len();
    Ok((path.display().to_string(), file, len))
}

/// Reads an IDX file of `len` bytes, plain or gzip; `name` is for messages. Never holds more than
/// [`MAX_BYTES`], nor more than the input can really fill.
///
/// # Errors
/// [`Error::Data`] with the name: wrong magic, no images, too large, truncated, trailing bytes, broken gzip.
pub fn read(name: &str, input: impl Read, len: u64, kind: Kind) -> Result<Idx> {
    let Array { sizes, bytes, .. } = read_packed(name, input, len, Some(kind))?;
    let size = |axis: usize| sizes.get(axis).copied().unwrap_or(1);
    Ok(Idx { kind, count: size(0), rows: size(1), columns: size(2), bytes })
}

fn read_packed(name: &str, input: impl Read, len: u64, kind: Option<Kind>) -> Result<Array> {
    let mut input = BufReader::with_capacity(1 << 16, input);
    let fail = |e: std::io::Error| Error::Data(format!("{name}: cannot be read: {e}"));
    if input.fill_buf().map_err(fail)?.starts_with(&[0x1f, 0x8b]) {
        let available = len.saturating_mul(MAX_DEFLATE_RATIO);
        read_plain(name, flate2::bufread::MultiGzDecoder::new(input), available, kind)
    } else {
        read_plain(name, input, len, kind)
    }
}

/// `available`: an upper bound of what `input` can deliver. Without a kind any whole numbers do.
fn read_plain(name: &str, mut input: impl Read, available: u64, kind: Option<Kind>) -> Result<Array> {
    let fail = |reason: String| Error::Data(format!("{name}: {reason}"));
    let broken = |e: std::io::Error| fail(format!("cannot be read ({e}): get the file again"));
    let mut bytes = Vec::new();
    input.by_ref().take(4).read_to_end(&mut bytes).map_err(broken)?;
    let axes = axes(kind, &bytes).map_err(fail)?;
    input.by_ref().take(4 * axes as u64).read_to_end(&mut bytes).map_err(broken)?;
    let (mut array, what, total) = parse_header(&bytes, axes).map_err(fail)?;
    let truncated = |found: u64| {
        fail(format!(
            "truncated: {what} need {total} bytes, the file has {}{found}: get the file again",
            if found == available { "at most " } else { "" }
        ))
    };
    if total > available {
        return Err(truncated(available));
    }
    input.by_ref().take(total - bytes.len() as u64).read_to_end(&mut bytes).map_err(broken)?;
    if (bytes.len() as u64) < total {
        return Err(truncated(bytes.len() as u64));
    }
    // Reading on to the end also makes the gzip decoder check its checksum.
    if input.take(1).read_to_end(&mut Vec::new()).map_err(broken)? > 0 {
        return Err(fail(format!("trailing bytes after {what} ({total} bytes)")));
    }
    array.bytes = bytes;
    Ok(array)
}

/// Joins images and labels, each with its name; also returns rows and columns of an image.
///
/// # Errors
/// [`Error::Data`] if the counts differ or a label is not below `classes`.
pub fn pair(images: (&str, Idx), labels: (&str, Idx), classes: u32) -> Result<(Split, (u32, u32))> {
    let ((images_name, images), (labels_name, labels)) = (images, labels);
    if images.count != labels.count {
        return Err(Error::Data(format!(
            "{images_name} has {} images, {labels_name} {} labels: these files do not belong together",
            images.count, labels.count
        )));
    }
    let size = (images.rows, images.columns);
    let labels = labels.into_data();
    if let Some(i) = labels.iter().position(|&l| u32::from(l) >= classes) {
        let label = labels[i];
        return Err(Error::Data(format!(
            "{labels_name}: label {i} is {label}, the classes are 0 to {}",
            classes.saturating_sub(1)
        )));
    }
    Ok((Split::labelled(images.into_data(), labels), size))
}

#[cfg(test)]
pub(in crate::app) mod tests {
    use super::*;
    use std::io::Write;

    pub fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    pub fn file(magic: u32, sizes: &[u32], data: &[u8]) -> Vec<u8> {
        let mut out = magic.to_be_bytes().to_vec();
        sizes.iter().for_each(|s| out.extend(s.to_be_bytes()));
        out.extend(data);
        out
    }

    pub fn images(n: u32, rows: u32, columns: u32) -> Vec<u8> {
        let data: Vec<u8> = (0..n * rows * columns).map(|i| i as u8).collect();
        file(0x803, &[n, rows, columns], &data)
    }

    pub fn labels(n: u32) -> Vec<u8> {
        file(0x801, &[n], &(0..n).map(|i| (i % 10) as u8).collect::<Vec<_>>())
    }

    /// Four files with those counts and sizes of images (training, test), each in another spelling.
    pub fn write_set(dir: &Path, counts: [u32; 2], sizes: [(u32, u32); 2]) {
        let put = |name: &str, bytes: &[u8]| std::fs::write(dir.join(name), bytes).unwrap();
        put("train-images-idx3-ubyte", &images(counts[0], sizes[0].0, sizes[0].1));
        put("train-labels-idx1-ubyte.gz", &gz(&labels(counts[0])));
        put("t10k-images.idx3-ubyte", &images(counts[1], sizes[1].0, sizes[1].1));
        put("t10k-labels.idx1-ubyte.gz", &gz(&labels(counts[1])));
    }

    fn get(bytes: &[u8], kind: Kind) -> Result<Idx> {
        read("F", bytes, bytes.len() as u64, kind)
    }

    fn assert_data_error(bytes: &[u8], kind: Kind, expected: &str) {
        match get(bytes, kind) {
            Err(Error::Data(m)) => assert!(m.contains(expected) && m.starts_with("F:"), "{m}"),
            other => panic!("{other:?}, expected an error with {expected:?}"),
        }
    }

    #[test]
    fn plain_and_gzip() {
        let plain = images(3, 2, 5);
        for bytes in [plain.clone(), gz(&plain)] {
            let idx = get(&bytes, Kind::Images).unwrap();
            assert_eq!((idx.count, idx.rows, idx.columns), (3, 2, 5));
            assert_eq!(idx.bytes, plain);
            assert_eq!(idx.into_data(), (0..30).collect::<Vec<u8>>());
        }
        assert_eq!(get(&labels(12), Kind::Labels).unwrap().into_data()[9..], [9, 0, 1]);
    }

    #[test]
    fn every_broken_file_is_refused() {
        let good = images(3, 2, 5);
        for n in 0..good.len() {
            assert_data_error(&good[..n], Kind::Images, "truncated");
            assert_data_error(&gz(&good[..n]), Kind::Images, "truncated");
        }
        let zipped = gz(&good);
        for n in 2..zipped.len() {
            assert_data_error(&zipped[..n], Kind::Images, "");
        }
        assert_data_error(&labels(3), Kind::Images, "swapped");
        assert_data_error(b"<html>not here</html>", Kind::Images, "magic");
        assert_data_error(&file(0xc01, &[3], &[0; 12]), Kind::Labels, "32-bit integers along 1 axis");
        assert_data_error(&file(0x804, &[1, 2, 2, 3], &[0; 12]), Kind::Images, "unsigned bytes along 4 axes");
        assert_data_error(&[good.clone(), vec![0]].concat(), Kind::Images, "trailing");
        assert_data_error(&gz(&[good.clone(), vec![0]].concat()), Kind::Images, "trailing");
        assert_data_error(&[gz(&good), b"junk".to_vec()].concat(), Kind::Images, "cannot be read");
        for sizes in [[0, 2, 5], [3, 0, 5], [3, 2, 0]] {
            assert_data_error(&file(0x803, &sizes, &[]), Kind::Images, "nothing in it");
        }
    }

    #[test]
    fn a_flipped_bit_in_gzip_is_noticed() {
        let mut bytes = gz(&images(30, 28, 28));
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        assert!(matches!(get(&bytes, Kind::Images), Err(Error::Data(_))));
    }

    /// Headers that promise gigabytes: refused before anything of that size is allocated.
    #[test]
    fn headers_that_lie() {
        let max = u32::MAX;
        assert_data_error(&file(0x803, &[max, max, max], &[1]), Kind::Images, "more than");
        assert_data_error(&file(0x803, &[1 << 20, 28, 28], &[1]), Kind::Images, "truncated");
        assert_data_error(&gz(&file(0x803, &[1 << 20, 28, 28], &[1])), Kind::Images, "at most");
        assert_data_error(&file(0x801, &[max], &[1]), Kind::Labels, "more than");
    }

    /// 64 MiB of zeros behind a header of one image: reading stops one byte after what was promised.
    #[test]
    fn a_gzip_bomb_is_not_unpacked() {
        struct Counting<'a>(&'a [u8], &'a std::cell::Cell<usize>);
        impl Read for Counting<'_> {
            fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
                let n = self.0.read(buf)?;
                self.1.set(self.1.get() + n);
                Ok(n)
            }
        }
        let bomb = gz(&[file(0x803, &[1, 1, 1], &[7]), vec![0; 64 << 20]].concat());
        let consumed = std::cell::Cell::new(0);
        let e = read("F", Counting(&bomb, &consumed), bomb.len() as u64, Kind::Images).unwrap_err();
        assert!(matches!(&e, Error::Data(m) if m.contains("trailing")), "{e}");
        assert!(consumed.get() <= 1 << 17 && bomb.len() > 1 << 17, "{} of {}", consumed.get(), bomb.len());
    }

    #[test]
    fn pairs_must_agree() {
        let idx = |bytes: Vec<u8>, kind| get(&bytes, kind).unwrap();
        let join =
            |n, labels| pair(("A", idx(images(n, 2, 2), Kind::Images)), ("B", idx(labels, Kind::Labels)), 10);
        assert_eq!(join(4, labels(4)).unwrap().1, (2, 2));
        let e = join(4, labels(5)).unwrap_err();
        assert!(matches!(&e, Error::Data(m) if m.contains("A has 4") && m.contains("B 5")), "{e}");
        let e = join(2, file(0x801, &[2], &[3, 10])).unwrap_err();
        assert!(matches!(&e, Error::Data(m) if m.contains("label 1 is 10")), "{e}");
    }

    /// Every mutation of one header byte either reads or is an error; none panics or allocates much.
    #[test]
    fn mutated_headers_never_panic() {
        let good = images(2, 3, 3);
        for at in 0..16 {
            for value in 0..=255 {
                let mut bytes = good.clone();
                bytes[at] = value;
                if let Ok(idx) = get(&bytes, Kind::Images) {
                    assert_eq!(idx.bytes.len(), good.len());
                }
                let _ = get(&gz(&bytes), Kind::Images);
            }
        }
    }
}
