//! People's own images: a folder is looked through ([`scan`]), its labels come from folders or from a file
//! ([`label_file`]), whose rows name images (`places`) and over which later labels count (`later`), every picture is read
//! ([`decode`]) and brought to one size ([`policy`]) on all cores ([`load`]), and what came of it is kept for the next start
//! ([`decoded_cache`]).

mod arrange;
pub mod decode;
pub mod decoded_cache;
pub mod found;
pub mod label_file;
pub(in crate::app::source) mod later;
pub mod load;
pub(in crate::app::source) mod places;
pub mod policy;
pub mod scan;
pub mod set;
pub mod summary;
mod walk;

pub(in crate::app) use later::filled_in;
pub use walk::would_be_read;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// What an image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// To learn from.
    #[default]
    Train,
    /// To test on where there is no labelled image of `Test`.
    Validation,
    /// To test on in the end.
    Test,
}

/// All parts, in their order.
pub const PARTS: [Part; 3] = [Part::Train, Part::Validation, Part::Test];

impl Part {
    /// What the column `split` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Validation => "val",
            Part::Test => "test",
        }
    }

    /// The part that a folder or a value of the column `split` names, in any case.
    pub fn named(word: &str) -> Option<Part> {
        match word.to_lowercase().as_str() {
            "train" | "training" => Some(Part::Train),
            "val" | "valid" | "validation" => Some(Part::Validation),
            "test" | "testing" => Some(Part::Test),
            _ => None,
        }
    }
}

/// A text whose letters are whole: macOS gives the names of files and folders taken apart (`a` and two dots for `ä`).
fn composed(text: &str) -> String {
    text.nfc().collect()
}

/// A class's name as it is kept: composed, as people type it, and without spaces around it, which nobody sees.
pub fn class_name(written: &str) -> String {
    composed(written.trim())
}

/// The order of classes: by number where every name is one, else by the bytes of their names.
pub fn sorted_classes(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort();
    names.dedup();
    let numbers: Option<Vec<u64>> = names.iter().map(|n| n.parse().ok()).collect();
    if numbers.is_some() {
        // Equal numbers of other spellings, such as 1 and 01, stay in the order of their bytes.
        names.sort_by_key(|n| n.parse::<u64>().ok());
    }
    names
}

/// What data sets call the folder of their images without a label, and this program that of those it is unsure of.
const NO_LABEL: [&str; 5] = ["_unlabeled", "_unlabelled", "unlabeled", "unlabelled", "_unsure"];

/// Whether the name of a folder, or a label in a table, says that there is none.
fn means_no_label(name: &str) -> bool {
    NO_LABEL.contains(&name.to_lowercase().as_str())
}

/// At most `most` of the items, and how many more there are: a message about thousands of files stays readable.
pub(crate) fn some(items: impl IntoIterator<Item = String>, most: usize) -> String {
    let all: Vec<String> = items.into_iter().collect();
    let shown = all[..all.len().min(most)].join("; ");
    match all.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_in_order() {
        let order = |names: &[&str]| sorted_classes(names.iter().map(|n| n.to_string()));
        assert_eq!(order(&["10", "9", "0", "9"]), ["0", "9", "10"]);
        assert_eq!(order(&["10", "9", "x"]), ["10", "9", "x"]);
        assert_eq!(order(&["01", "1", "0"]), ["0", "01", "1"]);
    }

    #[test]
    fn one_name_is_one_class() {
        assert_eq!(class_name("Ka\u{308}fer"), "K\u{e4}fer");
        assert_eq!(class_name("K\u{e4}fer"), "K\u{e4}fer");
        assert_eq!(class_name(" red ant "), "red ant");
    }

    #[test]
    fn long_lists_are_cut() {
        let list = |n: u32| some((0..n).map(|i| i.to_string()), 3);
        assert_eq!(list(3), "0; 1; 2");
        assert_eq!(list(5), "0; 1; 2; and 2 more");
    }
}
