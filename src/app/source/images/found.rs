//! What is asked of a folder of images, and what it holds.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use super::label_file::Reading;
pub use super::walk::Stamp;
use super::{Part, some, sorted_classes, walk};
use crate::error::{Error, Result};

/// The label file that this program writes.
pub const TABLE: &str = "labels.csv";

/// Files beside a [`TABLE`] whose labels count over its own: what `ssgan label` asked for, filled in, and what was marked on
/// its page.
pub const LATER: [&str; 2] = ["next.csv", CORRECTIONS];

/// In which an empty label takes a label away.
pub const CORRECTIONS: &str = "corrections.csv";

/// Names of label files that are found by themselves.
pub const LABEL_FILES: [&str; 3] = [TABLE, "metadata.csv", "labels.json"];

/// Most classes of a data set.
pub const MAX_CLASSES: usize = 1000;

/// What images are looked through for, which decides what their folders must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purpose {
    /// To train a classifier on them, or to see what it would be trained on.
    #[default]
    Training,
    /// To test one: `test/` and `val/` need no `train/` beside them.
    Testing,
    /// To label them: folders that cannot be classes have no label, nor are parts refused beside classes.
    Labelling,
}

/// What to look through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// A folder; a label file, for the images that it lists; or one picture.
    pub path: PathBuf,
    /// A label file for the folder, instead of one that is found in it.
    pub labels: Option<PathBuf>,
    /// How label files are read.
    pub reading: Reading,
    /// What for.
    pub purpose: Purpose,
}

/// One image file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Relative to [`Found::root`], or absolute where a label file says so. Need not be Unicode.
    pub path: PathBuf,
    /// Index into [`Found::class_names`]; `None`: unlabelled.
    pub class: Option<u16>,
    /// Whether somebody looked at it and gave it no label.
    pub no_label: bool,
    /// What it is for.
    pub part: Part,
    /// Its size.
    pub bytes: u64,
    /// When it was written, where the system knows.
    pub stamp: Option<Stamp>,
}

/// A file that is passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Relative to [`Found::root`].
    pub path: PathBuf,
    /// Why, in plain words.
    pub reason: String,
    /// Whether a label is lost with it.
    pub labelled: bool,
}

/// Where the labels come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Labels {
    /// Class folders.
    Folders,
    /// Label files, of which there are several where each part has its own.
    Files(Vec<PathBuf>),
}

/// What a folder holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The folder that paths are relative to.
    pub root: PathBuf,
    /// Where the labels come from.
    pub labels: Labels,
    /// K names, in the order of [`sorted_classes`].
    pub class_names: Vec<String>,
    /// The images: all of [`Part::Train`], then of the other parts, each in the order of file names.
    pub images: Vec<Entry>,
    /// Files and folders that look like images and cannot be read.
    pub skipped: Vec<Skipped>,
    /// Files that are no images.
    pub other_files: usize,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

/// An image and the name of its class, before classes have their order.
#[derive(Debug, Clone)]
pub(super) struct Labelled {
    pub file: walk::File,
    pub class: Option<String>,
    pub no_label: bool,
    pub part: Part,
}

impl Labelled {
    /// Of a class, or of none that is known.
    pub fn new(file: walk::File, class: Option<String>, part: Part) -> Labelled {
        Labelled { file, class, no_label: false, part }
    }
}

/// Gives the classes their order and the images theirs. `empty`: classes without images.
pub(super) fn found(
    root: PathBuf,
    labels: Labels,
    empty: Vec<String>,
    mut images: Vec<Labelled>,
    skipped: Vec<Skipped>,
) -> Found {
    let named = images.iter().filter_map(|i| i.class.clone()).collect::<BTreeSet<_>>();
    let class_names = sorted_classes(named.into_iter().chain(empty));
    let index: HashMap<&str, u16> = class_names
        .iter()
        .enumerate()
        .map(|(i, n)| (n.as_str(), i.min(usize::from(u16::MAX)) as u16))
        .collect();
    images.sort_by_cached_key(|i| (i.part, walk::order(&i.file.path)));
    let entry = |i: Labelled| Entry {
        class: i.class.and_then(|c| index.get(c.as_str()).copied()),
        no_label: i.no_label,
        part: i.part,
        bytes: i.file.bytes,
        stamp: i.file.stamp,
        path: i.file.path,
    };
    let images = images.into_iter().map(entry).collect();
    let notes = alike(&class_names);
    Found { root, labels, class_names, images, skipped, other_files: 0, notes }
}

/// Notes of classes that people take for one.
fn alike(class_names: &[String]) -> Vec<String> {
    let mut first: HashMap<(&str, String), &String> = HashMap::new();
    let mut notes = Vec::new();
    for name in class_names {
        let cased = name.to_lowercase();
        let spaced = cased.chars().filter(|c| !c.is_whitespace()).collect();
        // Tables lose them.
        let digits = name.bytes().all(|b| b.is_ascii_digit());
        let number = if digits { name.trim_start_matches('0') } else { name }.to_string();
        let keys = [("leading zeros", number), ("case", cased), ("case or spaces", spaced)];
        let other = keys.iter().find_map(|key| Some((*first.get(key)?, key.0)));
        notes.extend(
            other.map(|(other, how)| format!("classes {other:?} and {name:?} differ in {how} alone")),
        );
        for key in keys {
            first.entry(key).or_insert(name);
        }
    }
    notes
}

impl Found {
    /// Whether a classifier can be trained on it.
    ///
    /// # Errors
    /// As [`check_classes`].
    pub fn check_for_training(&self) -> Result<()> {
        let root = self.root.display();
        let train = self.images.iter().filter(|i| i.part == Part::Train).map(|i| i.class);
        let (n, pick) = (self.images.len(), "`ssgan pick` says which to begin with");
        let none = || match &self.labels {
            Labels::Folders => format!(
                "{n} images, and no label for any of them: {pick}, or put a few of each class into a folder with its name"
            ),
            Labels::Files(_) => {
                format!("{n} images, and no label for any of them in the file of labels: fill it in")
            }
        };
        check_classes(
            &root.to_string(),
            &self.class_names,
            train,
            none,
            "add one or more, or remove the class",
        )
    }
}

/// Whether a classifier can be trained with these labels of training images, indices into the names of the classes.
///
/// # Errors
/// [`Error::Data`], which says what to do: no labels at all, for which `none` has the words, one class only, a class that no
/// training image has, for which `others` says what to do, more than [`MAX_CLASSES`].
pub fn check_classes(
    name: &str,
    class_names: &[String],
    train: impl Iterator<Item = Option<u16>>,
    none: impl FnOnce() -> String,
    others: &str,
) -> Result<()> {
    let fail = |reason: String| Err(Error::Data(format!("{name}: {reason}")));
    let mut labels = vec![0usize; class_names.len()];
    for class in train.flatten() {
        if let Some(n) = labels.get_mut(usize::from(class)) {
            *n += 1;
        }
    }
    if labels.iter().all(|&n| n == 0) {
        return fail(none());
    }
    if let [one] = class_names {
        return fail(format!(
            "{one:?} is the only class: at least two are needed; put a few images of each class into a folder with its name \
             (the others into _unlabeled), or name them in labels.csv, a table with the columns path and label"
        ));
    }
    if class_names.len() > MAX_CLASSES {
        let n = class_names.len();
        return fail(format!("{n} classes: at most {MAX_CLASSES} can be told apart"));
    }
    let without = class_names.iter().zip(&labels).filter(|(_, n)| **n == 0).map(|(name, _)| name.clone());
    let without: Vec<String> = without.collect();
    if !without.is_empty() {
        let names = some(without, 5);
        return fail(format!("no labelled training image of: {names}; {others}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_that_are_taken_for_one() {
        let told = |names: &[&str]| alike(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(told(&["ant ", "ant"]), ["classes \"ant \" and \"ant\" differ in case or spaces alone"]);
        assert_eq!(told(&["007", "7"]), ["classes \"007\" and \"7\" differ in leading zeros alone"]);
        assert_eq!(told(&["caf\u{e9}", "caf\u{e8}", "caf", "cafe", "ant", "7", "70"]), [""; 0]);
    }
}
