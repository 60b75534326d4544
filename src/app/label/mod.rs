//! What `ssgan label` writes: a folder of tables, class folders and a page to look through, from what a classifier says of
//! one image after another. Beside the list of their paths, and for what to label next the hashes of those that were looked
//! at, memory does not grow with the number of images; packed sets are in it whole. A run that was killed goes on.
//!
//! ```text
//! labels.csv      a row for each image, in the order in which they came; `ssgan train` reads it again
//! skipped.csv     images without a row, why, and the labels that they have
//! CLASS/          the images of a class, where class folders are wanted; `_unsure/` those below the threshold
//! next.csv        the images whose labels would help most, to be filled in
//! review.html     a contact sheet, the least sure first
//! summary.json    numbers; written last: where it is, the labelling is finished
//! ```
//!
//! And what `ssgan pick` writes, before there is a classifier: what to label first ([`First`]).

mod apart;
mod arrange;
mod bookmark;
mod calibrate;
mod first;
pub mod inputs;
mod labelling;
mod list;
pub mod looked_at;
pub mod merge;
mod moves;
mod next;
mod packed;
mod page;
mod said;
mod sheet;
mod summary;
mod table;
mod verdict;
mod ways;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::app::source::images::Part;
use crate::shape::Dims;

pub use calibrate::{Calibration, Reached};
pub(super) use calibrate::{largest, softmax};
pub use first::First;
pub use labelling::Labelling;
pub use summary::{ClassCount, Precision, Summary};

/// What the classifier says of one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// As it is to be written: one that no other image of the labelling has, of Unicode text.
    pub path: PathBuf,
    /// Where to open it.
    pub source: PathBuf,
    /// What somebody said that it is.
    pub given: Given,
    /// What it is for.
    pub part: Part,
    /// K logits.
    pub logits: Vec<f32>,
    /// F values, what the layer that makes the logits is given; read where [`Options::next`] is set.
    pub features: Vec<f32>,
    /// `H x W x C`, as the network sees it; read where [`Options::next`] or [`Options::review`] is set.
    pub pixels: Vec<u8>,
}

/// What somebody said that an image is, which no model overrules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Given {
    /// Nothing.
    #[default]
    Nothing,
    /// A class of the model, below K.
    Class(u16),
    /// A class that the model does not know.
    Other(String),
    /// None of the classes.
    NoLabel,
}

impl Given {
    /// The class of the model.
    pub fn class(&self) -> Option<u16> {
        match self {
            Given::Class(class) => Some(*class),
            _ => None,
        }
    }
}

impl From<Option<u16>> for Given {
    fn from(class: Option<u16>) -> Given {
        class.map_or(Given::Nothing, Given::Class)
    }
}

/// How images come into the folders of their classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrange {
    /// A copy of the file.
    Copy,
    /// A second name of the same file, which takes no space; on one file system alone.
    Hardlink,
    /// A link to the file's absolute path.
    Symlink,
    /// The file itself, when all images are labelled.
    Move,
}

/// Which predictions are not sure enough to be labels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Abstain {
    /// None.
    Never,
    /// Those of a confidence below this, from 0 to 1.
    Threshold(f64),
    /// Those below the lowest confidence from which on a share of at least this of the held-out labels was predicted right,
    /// see [`Calibration::reach`].
    Precision(f64),
}

/// What is wanted of a labelling.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder: one that is not there, an empty one, or one of the same labelling that was killed.
    pub out: PathBuf,
    /// Whether `labels.csv` has a column `p_CLASS` for each class.
    pub probabilities: bool,
    /// Whether and how images are put into folders of their classes.
    pub by_class: Option<Arrange>,
    /// What is unsure.
    pub abstain: Abstain,
    /// How many images `next.csv` suggests to label.
    pub next: Option<usize>,
    /// Size of an image as the network sees it.
    pub image: Dims,
    /// K names.
    pub class_names: Vec<String>,
    /// From held-out labels, or why there is none.
    pub calibration: std::result::Result<Calibration, String>,
    /// SHA-256 of the checkpoint, in hexadecimal digits.
    pub checkpoint: String,
    /// Which part of the images it is, i of n from 1, where not all.
    pub part: Option<(usize, usize)>,
    /// Hash of the checkpoint, of the parameters that were taken, the policy and the list of all images: the same of all parts.
    pub in_common: String,
    /// Hash of the checkpoint, the policy and the images: a labelling goes on with the same alone.
    pub identity: String,
    /// Whether `review.html` is written.
    pub review: bool,
    /// Whether what is written can be trained on: that of all images, which are files and not places in packed sets.
    pub trains: bool,
}

/// A share or a probability as it is written, with six digits.
pub(crate) fn short(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
