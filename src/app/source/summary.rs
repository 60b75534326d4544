//! What `data info` and `data preview` show, and where a data set's files are.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Dataset, Request, Split, catalog, fetch};
use crate::app::cache;
use crate::error::Result;

/// Facts about one split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Images.
    pub images: usize,
    /// Images with a label per class, K numbers.
    pub per_class: Vec<usize>,
    /// Mean intensity of all pixels, 0 to 1.
    pub mean: f64,
    /// Standard deviation of all pixels, 0 to 1.
    pub std: f64,
}

/// Facts about a data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// Its name.
    pub name: String,
    /// Height, width, channels of an image.
    pub image: [u32; 3],
    /// K.
    pub classes: u32,
    /// Their names.
    #[serde(default)]
    pub class_names: Vec<String>,
    /// The training set.
    pub train: Counts,
    /// The test set.
    pub test: Counts,
    /// See [`Dataset::fingerprint`].
    pub fingerprint: String,
}

/// Counts and moments of a data set.
pub fn info(ds: &Dataset) -> Info {
    let d = ds.shape.image;
    Info {
        name: ds.name.clone(),
        image: [d.height, d.width, d.channels],
        classes: ds.shape.classes,
        class_names: ds.class_names.clone(),
        train: counts(&ds.train, ds.shape.classes),
        test: counts(&ds.test, ds.shape.classes),
        fingerprint: ds.fingerprint.clone(),
    }
}

fn counts(split: &Split, classes: u32) -> Counts {
    let (mut sum, mut squares) = (0u64, 0u64);
    for &pixel in split.images.iter() {
        sum += u64::from(pixel);
        squares += u64::from(pixel) * u64::from(pixel);
    }
    let n = split.images.len().max(1) as f64;
    let mean = sum as f64 / n;
    let variance = (squares as f64 / n - mean * mean).max(0.0);
    Counts {
        images: split.len(),
        per_class: split.per_class(classes),
        mean: mean / 255.0,
        std: variance.sqrt() / 255.0,
    }
}

/// One file of a data set on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileStatus {
    /// Name as published.
    pub name: String,
    /// Where it was found, plain or gzip.
    pub path: Option<PathBuf>,
    /// Whether it is, byte for byte, what was published.
    pub published: bool,
}

/// Which files of a data set are there, in the request's folder or else in the cache; none for `digits`.
/// Downloads nothing.
///
/// # Errors
/// [`Error::Usage`](crate::Error::Usage) for an unknown name, [`Error::Io`](crate::Error::Io) for a file that cannot
/// be read.
pub fn status(request: &Request) -> Result<Vec<FileStatus>> {
    let Some(source) = catalog::find(&request.dataset)? else { return Ok(Vec::new()) };
    let dir = match &request.data_dir {
        Some(dir) => dir.clone(),
        None => cache::dir()?.join(source.name),
    };
    let one = |file: &catalog::Published| {
        let path = fetch::find(&dir, file);
        let published = match &path {
            Some(path) => fetch::verify(path, file)?.is_none(),
            None => false,
        };
        Ok(FileStatus { name: file.name.into(), path, published })
    };
    source.files.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::shape::{DataShape, Dims};

    fn two() -> Dataset {
        let shape = DataShape { image: Dims { height: 1, width: 2, channels: 1 }, classes: 3 };
        let split = Split::labelled(vec![0, 255, 255, 0], [2u8, 2]);
        Dataset::new("two", shape, split.clone(), split).unwrap()
    }

    #[test]
    fn counts_and_moments() {
        let info = info(&two());
        assert_eq!(info.train.per_class, [0, 0, 2]);
        assert!((info.test.mean - 0.5).abs() < 1e-12 && (info.test.std - 0.5).abs() < 1e-12, "{info:?}");
    }

    #[test]
    fn files_that_are_there() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("t10k-labels.idx1-ubyte"), b"x").unwrap();
        let request =
            Request { dataset: "mnist".into(), data_dir: Some(dir.path().into()), ..Request::default() };
        let status = status(&request).unwrap();
        assert_eq!(status.iter().filter(|f| f.path.is_some()).count(), 1);
        assert!(status.iter().all(|f| !f.published));
    }
}
