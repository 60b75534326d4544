//! The data sets known by name, and what their publishers serve.

use super::idx::Kind;
use crate::error::{Error, Result};
use crate::text;

/// Name of the embedded data set, the default.
pub const DIGITS: &str = "digits";

/// Every data set's name.
pub const NAMES: [&str; 3] = [DIGITS, MNIST.name, FASHION_MNIST.name];

/// A data set that is four IDX files.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    /// Its name, also of its folder in the cache.
    pub name: &'static str,
    /// K.
    pub classes: u32,
    /// Addresses that `NAME.gz` is appended to, best first.
    pub mirrors: &'static [&'static str],
    /// Training images, training labels, test images, test labels.
    pub files: [Published; 4],
}

/// One file as published.
#[derive(Debug, Clone, Copy)]
pub struct Published {
    /// Name of the uncompressed file.
    pub name: &'static str,
    /// Images or labels.
    pub kind: Kind,
    /// Size in bytes of the `.gz` as served.
    pub gz_bytes: u64,
    /// SHA-256 of the `.gz` as served.
    pub gz_sha256: &'static str,
    /// SHA-256 of the uncompressed bytes.
    pub sha256: &'static str,
}

const TRAIN_IMAGES: &str = "train-images-idx3-ubyte";
const TRAIN_LABELS: &str = "train-labels-idx1-ubyte";
const TEST_IMAGES: &str = "t10k-images-idx3-ubyte";
const TEST_LABELS: &str = "t10k-labels-idx1-ubyte";

/// LeCun, Cortes & Burges: handwritten digits.
pub const MNIST: Source = Source {
    name: "mnist",
    classes: 10,
    mirrors: &[
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ],
    files: [
        Published {
            name: TRAIN_IMAGES,
            kind: Kind::Images,
            gz_bytes: 9_912_422,
            gz_sha256: "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            sha256: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        },
        Published {
            name: TRAIN_LABELS,
            kind: Kind::Labels,
            gz_bytes: 28_881,
            gz_sha256: "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            sha256: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        },
        Published {
            name: TEST_IMAGES,
            kind: Kind::Images,
            gz_bytes: 1_648_877,
            gz_sha256: "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            sha256: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        },
        Published {
            name: TEST_LABELS,
            kind: Kind::Labels,
            gz_bytes: 4_542,
            gz_sha256: "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            sha256: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
    ],
};

/// Xiao, Rasul & Vollgraf 2017: clothes, in MNIST's format. The publisher's bucket, by its TLS address,
/// then the publisher's repository.
pub const FASHION_MNIST: Source = Source {
    name: "fashion-mnist",
    classes: 10,
    mirrors: &[
        "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ],
    files: [
        Published {
            name: TRAIN_IMAGES,
            kind: Kind::Images,
            gz_bytes: 26_421_880,
            gz_sha256: "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            sha256: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        },
        Published {
            name: TRAIN_LABELS,
            kind: Kind::Labels,
            gz_bytes: 29_515,
            gz_sha256: "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            sha256: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        },
        Published {
            name: TEST_IMAGES,
            kind: Kind::Images,
            gz_bytes: 4_422_102,
            gz_sha256: "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            sha256: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        },
        Published {
            name: TEST_LABELS,
            kind: Kind::Labels,
            gz_bytes: 5_148,
            gz_sha256: "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            sha256: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        },
    ],
};

/// The data sets that are read from files; the digits are drawn.
pub const SOURCES: [Source; 2] = [MNIST, FASHION_MNIST];

/// The data set of that name; `None` stands for the embedded one.
///
/// # Errors
/// [`Error::Usage`] with the nearest name, if it is unknown.
pub fn find(name: &str) -> Result<Option<&'static Source>> {
    match name {
        DIGITS => Ok(None),
        "mnist" => Ok(Some(&MNIST)),
        "fashion-mnist" => Ok(Some(&FASHION_MNIST)),
        _ => Err(Error::Usage(text::unknown("data set", name, NAMES))),
    }
}

/// Whether there is a data set of this name.
///
/// # Errors
/// [`Error::Usage`] with the nearest name, if it is unknown.
pub fn check_name(name: &str) -> Result<()> {
    find(name).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found() {
        for name in NAMES {
            let found = find(name).unwrap();
            assert_eq!(found.map_or(DIGITS, |s| s.name), name);
        }
        assert!(matches!(find("imagenet"), Err(Error::Usage(_))));
    }

    #[test]
    fn hashes_are_hashes() {
        for file in MNIST.files.iter().chain(&FASHION_MNIST.files) {
            for hash in [file.gz_sha256, file.sha256] {
                assert!(hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{hash}");
            }
        }
    }
}
