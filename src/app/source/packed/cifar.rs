//! The binary files of CIFAR-10 and CIFAR-100 (Krizhevsky 2009): records of one label, or of a coarse and a fine one, and
//! 32 x 32 pixels of red, then of green, then of blue.

use std::path::{Path, PathBuf};

use super::{MAX_BYTES, Packed, Unpacked};
use crate::app::text;
use crate::error::{Error, Result};
use crate::shape::Dims;

const DIMS: Dims = Dims { height: 32, width: 32, channels: 3 };

/// One of the two data sets.
struct Kind {
    name: &'static str,
    /// The folder that its archive makes.
    folder: &'static str,
    /// Labels of a record, of which the last counts.
    labels: usize,
    train: &'static [&'static str],
    test: &'static str,
    names: &'static str,
}

const KINDS: [Kind; 2] = [
    Kind {
        name: "cifar-10",
        folder: "cifar-10-batches-bin",
        labels: 1,
        train: &[
            "data_batch_1.bin",
            "data_batch_2.bin",
            "data_batch_3.bin",
            "data_batch_4.bin",
            "data_batch_5.bin",
        ],
        test: "test_batch.bin",
        names: "batches.meta.txt",
    },
    Kind {
        name: "cifar-100",
        folder: "cifar-100-binary",
        labels: 2,
        train: &["train.bin"],
        test: "test.bin",
        names: "fine_label_names.txt",
    },
];

/// The folder of such files: `path`, or the one in it that the archive makes.
pub fn find(path: &Path) -> Option<PathBuf> {
    let inside = KINDS.iter().map(|k| path.join(k.folder));
    std::iter::once(path.to_path_buf()).chain(inside).find(|f| kind(f).is_some())
}

fn kind(folder: &Path) -> Option<&'static Kind> {
    KINDS.iter().find(|k| folder.join(k.names).is_file() && folder.join(k.train[0]).is_file())
}

/// Reads the data set in a folder that [`find`] gave; of CIFAR-10 as many of the five files of training images as are
/// there.
///
/// # Errors
/// [`Error::Data`] for files that are no whole number of records, and as [`Unpacked::into_set`]; [`Error::Io`].
pub fn read(folder: &Path) -> Result<Unpacked> {
    let kind = kind(folder).ok_or_else(|| {
        Error::Data(format!("{}: no binary files of CIFAR-10 or CIFAR-100", folder.display()))
    })?;
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for file in kind.train.iter().map(|name| folder.join(name)).filter(|f| f.is_file()) {
        records(&file, kind.labels, &mut pixels, &mut labels)?;
    }
    let train = Some(Packed { source: "train".into(), pixels, labels: Some(labels) });
    let test = folder.join(kind.test);
    let test = if test.is_file() {
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        records(&test, kind.labels, &mut pixels, &mut labels)?;
        Some(Packed { source: "test".into(), pixels, labels: Some(labels) })
    } else {
        None
    };
    let names = text::read(&folder.join(kind.names))?;
    let names = names.lines().map(str::trim).filter(|l| !l.is_empty()).map(String::from).collect();
    Ok(Unpacked {
        at: folder.into(),
        name: kind.name.into(),
        dims: DIMS,
        class_names: Some(names),
        parts: [train, None, test],
    })
}

/// Appends the records of a file: colours side by side, as everywhere else, and the last of the labels.
fn records(path: &Path, heads: usize, pixels: &mut Vec<u8>, labels: &mut Vec<i64>) -> Result<()> {
    let bytes = text::bytes(path, MAX_BYTES)?;
    let plane = (DIMS.height * DIMS.width) as usize;
    let record = heads + 3 * plane;
    if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
        return Err(Error::Data(format!(
            "{}: {} bytes are no whole number of records of {record}: get the file again",
            path.display(),
            bytes.len()
        )));
    }
    pixels.reserve(bytes.len());
    for record in bytes.chunks_exact(record) {
        let (head, planes) = record.split_at(heads);
        labels.push(i64::from(head[heads - 1]));
        pixels.extend((0..plane).flat_map(|i| [planes[i], planes[plane + i], planes[2 * plane + i]]));
    }
    Ok(())
}
