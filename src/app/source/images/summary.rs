//! What was found, as numbers and as a table.

use std::fmt;

use serde::Serialize;

use super::found::{Found, Labels};
use super::{PARTS, Part};

/// Classes that the table shows.
const ROWS: usize = 30;

/// Images of one class, by part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassCount {
    /// Its name.
    pub class: String,
    /// To learn from.
    pub train: usize,
    /// In `val/`.
    pub validation: usize,
    /// In `test/`.
    pub test: usize,
}

impl ClassCount {
    fn of(&self, part: Part) -> usize {
        match part {
            Part::Train => self.train,
            Part::Validation => self.validation,
            Part::Test => self.test,
        }
    }
}

/// What a folder holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// As it was named.
    pub folder: String,
    /// The files of labels; none where folders are the classes.
    pub label_files: Vec<String>,
    /// K of them.
    pub classes: Vec<ClassCount>,
    /// Images without a label, under the name `unlabelled`.
    pub unlabelled: ClassCount,
    /// All images.
    pub images: usize,
    /// What cannot be read, a path and a reason each.
    pub skipped: Vec<(String, String)>,
    /// Files of other kinds.
    pub other_files: usize,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

impl Summary {
    /// What is to be told of `found`.
    pub fn of(found: &Found) -> Summary {
        let row = |name: &str| ClassCount { class: name.into(), train: 0, validation: 0, test: 0 };
        let mut classes: Vec<ClassCount> = found.class_names.iter().map(|name| row(name)).collect();
        let mut unlabelled = row("unlabelled");
        for image in &found.images {
            let row = image.class.and_then(|c| classes.get_mut(usize::from(c))).unwrap_or(&mut unlabelled);
            *match image.part {
                Part::Train => &mut row.train,
                Part::Validation => &mut row.validation,
                Part::Test => &mut row.test,
            } += 1;
        }
        let label_files = match &found.labels {
            Labels::Folders => Vec::new(),
            Labels::Files(files) => files.iter().map(|f| f.display().to_string()).collect(),
        };
        let skipped = found.skipped.iter().map(|s| (s.path.display().to_string(), s.reason.clone()));
        Summary {
            folder: found.root.display().to_string(),
            label_files,
            classes,
            unlabelled,
            images: found.images.len(),
            skipped: skipped.collect(),
            other_files: found.other_files,
            notes: found.notes.clone(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let all = || self.classes.iter().chain([&self.unlabelled]);
        let parts: Vec<Part> = PARTS.into_iter().filter(|&p| all().any(|c| c.of(p) > 0)).collect();
        let shown = || self.classes.iter().take(ROWS).chain([&self.unlabelled]);
        let wide = shown().map(|c| c.class.chars().count()).max().unwrap_or(0).max(5);
        write!(f, "{:wide$}", "class")?;
        parts.iter().try_for_each(|p| write!(f, "  {:>7}", p.name()))?;
        for row in shown() {
            write!(f, "\n{:wide$}", row.class)?;
            parts.iter().try_for_each(|&p| write!(f, "  {:>7}", row.of(p)))?;
        }
        if self.classes.len() > ROWS {
            write!(f, "\n(and {} more classes)", self.classes.len() - ROWS)?;
        }
        if !self.skipped.is_empty() {
            write!(f, "\nskipped: {}", self.skipped.len())?;
        }
        if self.other_files > 0 {
            write!(f, "\nfiles that are not images: {}", self.other_files)?;
        }
        self.notes.iter().try_for_each(|note| write!(f, "\n{note}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_what_was_found() {
        let count = |class: &str, train, test| ClassCount { class: class.into(), train, validation: 0, test };
        let summary = Summary {
            folder: "photos".into(),
            label_files: Vec::new(),
            classes: vec![count("cat", 20, 5), count("hippopotamus", 3, 0)],
            unlabelled: count("unlabelled", 1000, 0),
            images: 1028,
            skipped: vec![("a.jpg".into(), "an empty file".into())],
            other_files: 0,
            notes: vec!["a note".into()],
        };
        let table = "\
class           train     test
cat                20        5
hippopotamus        3        0
unlabelled       1000        0
skipped: 1
a note";
        assert_eq!(summary.to_string(), table);
    }
}
