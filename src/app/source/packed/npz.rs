//! `.npz`: a zip archive of NumPy arrays. Those of MedMNIST are `train_images`, `train_labels`, and the same for `val` and
//! `test`; those of Keras `x_train`, `y_train`, `x_test`, `y_test`. Arrays of bytes and of numbers can be written, too.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use super::{MAX_BYTES, Packed, Unpacked, name_of};
use crate::error::{Error, Result};
use crate::shape::Dims;

/// Arrays of images and labels of each part, under both names.
const ARRAYS: [[&str; 4]; 3] = [
    ["train_images", "train_labels", "x_train", "y_train"],
    ["val_images", "val_labels", "x_val", "y_val"],
    ["test_images", "test_labels", "x_test", "y_test"],
];

/// Longest head of an array, in bytes.
const MAX_HEAD: usize = 1 << 16;

/// NumPy's first bytes of an array.
const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// The values of an array that is written begin at a multiple of this, as NumPy has it.
const ALIGNED: usize = 64;

/// A NumPy array of whole numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Array {
    /// `|u1`, `<i8` and the like: order of the bytes, kind, bytes.
    pub kind: String,
    /// Sizes of its axes.
    pub shape: Vec<u64>,
    /// Its bytes, the last axis fastest.
    pub bytes: Vec<u8>,
}

/// Reads a data set.
///
/// # Errors
/// [`Error::Data`] for what is no such archive, has no training images, or arrays of other kinds and shapes;
/// [`Error::Io`].
pub fn read(path: &Path) -> Result<Unpacked> {
    let fail = |reason: String| Error::Data(format!("{}: {reason}", path.display()));
    let mut archive = open(path)?.map_err(|e| fail(format!("{e}: get the file again")))?;
    let mut dims: Option<Dims> = None;
    let mut parts = [None, None, None];
    for (to, [images, labels, keras_images, keras_labels]) in parts.iter_mut().zip(ARRAYS) {
        let named = |a: &str| format!("{a}.npy");
        let pairs = [(images, labels), (keras_images, keras_labels)];
        let Some((images, labels)) =
            pairs.into_iter().find(|(i, _)| archive.index_for_name(&named(i)).is_some())
        else {
            continue;
        };
        let array = entry(&mut archive, &named(images)).map_err(|e| fail(format!("{images}: {e}")))?;
        let (own, pixels) = pixels(array).map_err(|e| fail(format!("{images}: {e}")))?;
        if let Some(other) = dims.replace(own).filter(|other| *other != own) {
            return Err(fail(format!("{images}: images of {own:?}, others of {other:?}")));
        }
        let given = archive.index_for_name(&named(labels)).is_some();
        let labels = given
            .then(|| entry(&mut archive, &named(labels)).and_then(numbers))
            .transpose()
            .map_err(|e| fail(format!("{labels}: {e}")))?;
        *to = Some(Packed { source: images.into(), pixels, labels });
    }
    let dims = dims.filter(|_| parts[0].is_some()).ok_or_else(|| {
        let there: Vec<&str> = archive.file_names().take(8).collect();
        fail(format!("no array train_images or x_train; there are {}", there.join(", ")))
    })?;
    let name = name_of(&path.with_extension(""));
    Ok(Unpacked { at: path.into(), name, dims, class_names: None, parts })
}

type Archive = ZipArchive<BufReader<File>>;

fn open(path: &Path) -> Result<std::result::Result<Archive, String>> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    Ok(ZipArchive::new(BufReader::new(file)).map_err(|e| format!("no archive of NumPy arrays ({e})")))
}

fn entry(archive: &mut Archive, name: &str) -> std::result::Result<Array, String> {
    let file = archive.by_name(name).map_err(|e| e.to_string())?;
    npy(file)
}

/// The arrays of these names; `None` for one that is not there. The inner result has what is wrong with the file.
///
/// # Errors
/// [`Error::Io`] where it cannot be opened.
pub fn arrays<const N: usize>(
    path: &Path,
    names: [&str; N],
) -> Result<std::result::Result<[Option<Array>; N], String>> {
    let mut archive = match open(path)? {
        Ok(archive) => archive,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut found = [const { None }; N];
    for (to, name) in found.iter_mut().zip(names) {
        let file = format!("{name}.npy");
        if archive.index_for_name(&file).is_some() {
            match entry(&mut archive, &file) {
                Ok(array) => *to = Some(array),
                Err(reason) => return Ok(Err(format!("{name}: {reason}"))),
            }
        }
    }
    Ok(Ok(found))
}

/// The kind of an array of bytes.
pub const BYTES: &str = "|u1";

/// An array to write.
#[derive(Debug, Clone, Copy)]
pub struct Written<'a> {
    /// Its name.
    pub name: &'a str,
    /// As [`Array::kind`].
    pub kind: &'a str,
    /// As [`Array::shape`].
    pub shape: &'a [u64],
    /// As [`Array::bytes`].
    pub bytes: &'a [u8],
}

/// The bytes of an `.npz` of these arrays, compressed, the fast way; equal arrays give equal bytes.
///
/// # Errors
/// [`Error::Output`] for two arrays of one name.
pub fn to_bytes(arrays: &[Written<'_>]) -> Result<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().large_file(true).compression_level(Some(1));
    for array in arrays {
        let name = array.name;
        let failed = |e: &dyn std::fmt::Display| Error::Output(format!("array {name}: {e}"));
        archive.start_file(format!("{name}.npy"), options).map_err(|e| failed(&e))?;
        archive
            .write_all(&head(array))
            .and_then(|()| archive.write_all(array.bytes))
            .map_err(|e| failed(&e))?;
    }
    let bytes = archive.finish().map_err(|e| Error::Output(format!("an archive of arrays: {e}")))?;
    Ok(bytes.into_inner())
}

/// The first bytes of an array in its file, up to the values.
fn head(array: &Written<'_>) -> Vec<u8> {
    // A tuple of one is written with a comma.
    let sizes: String = array.shape.iter().map(|n| format!("{n}, ")).collect();
    let text =
        format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", array.kind, sizes.trim_end());
    let unpadded = MAGIC.len() + 4 + text.len() + 1;
    let length = (text.len() + 1 + unpadded.next_multiple_of(ALIGNED) - unpadded) as u16;
    let padded = format!("{text:<width$}\n", width = usize::from(length) - 1);
    [&MAGIC[..], &[1, 0], &length.to_le_bytes(), padded.as_bytes()].concat()
}

/// Reads a `.npy` of whole numbers. Memory grows with what is there, not with what its head says.
///
/// # Errors
/// What is wrong.
pub fn npy(mut input: impl Read) -> std::result::Result<Array, String> {
    let cut = |e: std::io::Error| format!("cannot be read: {e}");
    let mut start = [0; 8];
    input.read_exact(&mut start).map_err(cut)?;
    let (magic, version) = start.split_at(6);
    if magic != MAGIC {
        return Err("not a NumPy array".into());
    }
    let mut length = [0; 4];
    let wide = if version[0] == 1 { 2 } else { 4 };
    input.read_exact(&mut length[..wide]).map_err(cut)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_HEAD {
        return Err(format!("a head of {length} bytes"));
    }
    let mut head = vec![0; length];
    input.read_exact(&mut head).map_err(cut)?;
    let (kind, shape) = parse_head(&String::from_utf8_lossy(&head))?;
    let each = kind.get(2..).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    let whole = ["u", "i"].contains(&kind.get(1..2).unwrap_or_default()) && [1, 2, 4, 8].contains(&each);
    if !whole {
        return Err(format!("numbers of the type {kind}: whole numbers are read, of images uint8"));
    }
    let total = shape.iter().try_fold(each, |n, &s| n.checked_mul(s)).filter(|&n| n <= MAX_BYTES);
    let total = total.ok_or_else(|| format!("{shape:?} are more than {MAX_BYTES} bytes"))?;
    let mut bytes = Vec::new();
    input.by_ref().take(total).read_to_end(&mut bytes).map_err(cut)?;
    // The archive's checksum is compared at the end of a file.
    if input.read(&mut [0]).map_err(cut)? > 0 {
        return Err(format!("more than the {total} bytes that its head tells of"));
    }
    if (bytes.len() as u64) < total {
        return Err(format!("truncated: {total} bytes are needed, {} there", bytes.len()));
    }
    Ok(Array { kind, shape, bytes })
}

/// Type and shape from a head such as `{'descr': '|u1', 'fortran_order': False, 'shape': (60000, 28, 28), }`.
fn parse_head(head: &str) -> std::result::Result<(String, Vec<u64>), String> {
    let after = |key: &str| {
        let (_, rest) = head.split_once(&format!("'{key}'"))?;
        Some(rest.trim_start().strip_prefix(':')?.trim_start())
    };
    let broken = || format!("a head that makes no sense: {:?}", head.chars().take(80).collect::<String>());
    let kind = after("descr").and_then(|r| r.strip_prefix('\'')?.split_once('\'')).ok_or_else(broken)?.0;
    if after("fortran_order").ok_or_else(broken)?.starts_with("True") {
        return Err("in Fortran's order: save numpy.ascontiguousarray of it".into());
    }
    let list = after("shape").and_then(|r| r.strip_prefix('(')?.split_once(')')).ok_or_else(broken)?.0;
    let sizes =
        list.split(',').map(str::trim).filter(|s| !s.is_empty()).map(|s| s.trim_end_matches('L').parse());
    let shape = sizes.collect::<std::result::Result<_, _>>().map_err(|_| broken())?;
    Ok((kind.into(), shape))
}

/// The size of an image and all pixels, of an array of shape N x H x W or N x H x W x C.
///
/// # Errors
/// What is wrong.
pub fn pixels(array: Array) -> std::result::Result<(Dims, Vec<u8>), String> {
    if !array.kind.ends_with("u1") {
        return Err(format!("images of the type {}: save them as uint8, 0 to 255", array.kind));
    }
    let side = |s: u64| u32::try_from(s).unwrap_or(u32::MAX);
    let dims = match array.shape[..] {
        [_, h, w] | [_, h, w, 1] => Dims { height: side(h), width: side(w), channels: 1 },
        [_, h, w, 3] => Dims { height: side(h), width: side(w), channels: 3 },
        _ => {
            return Err(format!(
                "of shape {:?}: N x H x W, or with 1 or 3 channels last, are read",
                array.shape
            ));
        }
    };
    Ok((dims, array.bytes))
}

/// The numbers, such as labels, of an array of shape N or N x 1.
///
/// # Errors
/// What is wrong.
pub fn numbers(array: Array) -> std::result::Result<Vec<i64>, String> {
    if !matches!(array.shape[..], [_] | [_, 1]) {
        return Err(format!("of shape {:?}: one label for each image is read", array.shape));
    }
    let signed = array.kind.get(1..2) == Some("i");
    let big = array.kind.starts_with('>');
    let each = array.kind.get(2..).and_then(|n| n.parse().ok()).unwrap_or(1);
    Ok(array.bytes.chunks_exact(each).map(|bytes| integer(bytes, big, signed)).collect())
}

/// A whole number of 1 to 8 bytes; what is larger than the largest `i64` is that.
pub(super) fn integer(bytes: &[u8], big: bool, signed: bool) -> i64 {
    let digit = |i: usize| bytes[if big { i } else { bytes.len() - 1 - i }];
    let negative = signed && digit(0) >= 0x80;
    let value =
        (0..bytes.len()).fold(if negative { u64::MAX } else { 0 }, |v, i| v << 8 | u64::from(digit(i)));
    if signed { value as i64 } else { i64::try_from(value).unwrap_or(i64::MAX) }
}
