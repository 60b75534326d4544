//! Decoded images with their labels, from whatever source: what every reader of images yields.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::decode::Unread;
use super::found::{Found, Skipped};
use super::policy::Policy;
use super::walk::CIRCLE;
use super::{PARTS, Part, some};
use crate::error::{Error, Result};

/// What decoding gave, before labels are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// What was done to every image.
    pub policy: Policy,
    /// `N x H x W x C`, of the images that could be read, in the order of [`Found::images`].
    pub pixels: Vec<u8>,
    /// Why others could not, by their places in [`Found::images`].
    pub failed: BTreeMap<usize, Unread>,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

/// Images of one part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Images {
    /// `N x H x W x C` bytes.
    pub pixels: Vec<u8>,
    /// N classes, indices into [`ImageSet::class_names`]; `None`: unlabelled.
    pub labels: Vec<Option<u16>>,
    /// N paths relative to the folder; of packed files their place in them, such as `data_batch_1.bin#7`.
    pub paths: Vec<PathBuf>,
    /// N times SHA-256 of an image's pixels.
    pub hashes: Vec<[u8; 32]>,
}

impl Images {
    /// N.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Images of `size` bytes each, with their hashes.
    pub fn new(size: usize, pixels: Vec<u8>, labels: Vec<Option<u16>>, paths: Vec<PathBuf>) -> Images {
        use rayon::prelude::*;
        let hashes = pixels.par_chunks_exact(size.max(1)).map(|image| Sha256::digest(image).into()).collect();
        Images { pixels, labels, paths, hashes }
    }

    /// Leaves out the images at the places that `gone` names.
    pub fn remove(&mut self, gone: &[bool]) {
        let size = self.pixels.len() / self.len().max(1);
        let mut to = 0;
        for from in (0..gone.len()).filter(|&i| !gone[i]) {
            self.pixels.copy_within(from * size..(from + 1) * size, to * size);
            self.labels[to] = self.labels[from];
            self.hashes[to] = self.hashes[from];
            self.paths.swap(to, from);
            to += 1;
        }
        self.pixels.truncate(to * size);
        self.labels.truncate(to);
        self.hashes.truncate(to);
        self.paths.truncate(to);
    }
}

/// Images, decoded and labelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSet {
    /// What it is called: the folder's name.
    pub name: String,
    /// What was done to every image, and their size.
    pub policy: Policy,
    /// K names.
    pub class_names: Vec<String>,
    /// To learn from.
    pub train: Images,
    /// To test on where no image of `test` has a label; may be empty.
    pub validation: Images,
    /// To test on; may be empty, or without labels.
    pub test: Images,
    /// Paths of images that somebody looked at and gave no label.
    pub no_label: HashSet<PathBuf>,
    /// Files that are passed over, with reasons.
    pub skipped: Vec<Skipped>,
    /// What is worth knowing, besides what [`Found::notes`] says.
    pub notes: Vec<String>,
}

/// What to do about files that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Broken {
    /// For training: an error where one has a label, or where more than one in twenty is broken.
    #[default]
    Refuse,
    /// For labelling: they are skipped and listed.
    Skip,
}

impl ImageSet {
    /// The images of a part.
    pub fn part(&self, part: Part) -> &Images {
        match part {
            Part::Train => &self.train,
            Part::Validation => &self.validation,
            Part::Test => &self.test,
        }
    }

    /// The same, to be changed.
    pub fn part_mut(&mut self, part: Part) -> &mut Images {
        match part {
            Part::Train => &mut self.train,
            Part::Validation => &mut self.validation,
            Part::Test => &mut self.test,
        }
    }

    /// Puts what was found and what was decoded together.
    ///
    /// # Errors
    /// [`Error::Data`] for broken files as `broken` says.
    pub fn assemble(found: &Found, decoded: Decoded, broken: Broken) -> Result<ImageSet> {
        let failed = |i: usize| decoded.failed.get(&i);
        let unread = found.images.iter().enumerate().filter_map(|(i, entry)| {
            let reason = failed(i)?.to_string();
            Some(Skipped { path: entry.path.clone(), reason, labelled: entry.class.is_some() })
        });
        let skipped: Vec<Skipped> = found.skipped.iter().cloned().chain(unread).collect();
        let mut notes = decoded.notes;
        if broken == Broken::Refuse {
            check_broken(found, &skipped)?;
            let left_out = some(skipped.iter().map(shown), 3);
            notes.extend((!skipped.is_empty()).then(|| format!("left out: {left_out}")));
        }
        let size = decoded.policy.dims().len() as usize;
        let mut pixels = decoded.pixels;
        let mut parts = [(); 3].map(|()| Images::default());
        // From the last part to the first, each split off the end.
        for part in PARTS.into_iter().rev() {
            let kept =
                found.images.iter().enumerate().filter(|(i, e)| e.part == part && failed(*i).is_none());
            let (labels, paths): (Vec<_>, Vec<_>) = kept.map(|(_, e)| (e.class, e.path.clone())).unzip();
            let before = pixels.len().saturating_sub(labels.len() * size);
            let own = if before == 0 { std::mem::take(&mut pixels) } else { pixels.split_off(before) };
            parts[part as usize] = Images::new(size, own, labels, paths);
        }
        let [train, validation, test] = parts;
        let root = dunce::canonicalize(&found.root).unwrap_or_else(|_| found.root.clone());
        let name = root.file_name().map_or("images".into(), |n| n.to_string_lossy().into_owned());
        let class_names = found.class_names.clone();
        let no_label =
            found.images.iter().filter(|image| image.no_label).map(|image| image.path.clone()).collect();
        let policy = decoded.policy;
        Ok(ImageSet { name, policy, class_names, train, validation, test, no_label, skipped, notes })
    }

    /// The part that is tested on: `test/`, else `val/`, where an image of it has a label. All others are learnt from.
    pub fn tested_part(&self) -> Option<Part> {
        let labelled = |part: &Part| self.part(*part).labels.iter().any(Option::is_some);
        [Part::Test, Part::Validation].into_iter().find(labelled)
    }

    /// Hashes and paths of what is tested on: the labelled images of [`ImageSet::tested_part`].
    fn tested(&self) -> impl Iterator<Item = (&[u8; 32], &PathBuf)> {
        self.tested_part().into_iter().flat_map(move |part| {
            let Images { hashes, paths, labels, .. } = self.part(part);
            let labelled = hashes.iter().zip(paths).zip(labels).filter(|(_, label)| label.is_some());
            labelled.map(|(image, _)| image)
        })
    }

    /// Looks for images that are there more than once. Equal images of different labels, in whatever parts, are an
    /// error: the label of one of them is wrong. Others are kept in one part, see [`ImageSet::keep_parts_apart`].
    ///
    /// # Errors
    /// [`Error::Data`] that lists the images; as [`ImageSet::check_labels_stay`].
    pub fn part_duplicates(&mut self) -> Result<()> {
        self.check_labels_agree()?;
        self.check_labels_stay()?;
        self.keep_parts_apart();
        Ok(())
    }

    /// Whether every class with a label to learn from keeps one when [`ImageSet::keep_parts_apart`] takes out the pictures that
    /// are tested on.
    ///
    /// # Errors
    /// [`Error::Data`] that names those classes, each with a picture.
    pub fn check_labels_stay(&self) -> Result<()> {
        let tested: HashMap<&[u8; 32], &PathBuf> = self.tested().collect();
        let (mut goes, mut stays) = (BTreeMap::new(), HashSet::new());
        let Images { hashes, paths, labels, .. } = &self.train;
        for ((hash, path), label) in hashes.iter().zip(paths).zip(labels) {
            let Some(class) = *label else { continue };
            match tested.get(hash) {
                Some(other) => {
                    goes.entry(class).or_insert((path, *other));
                }
                None => {
                    stays.insert(class);
                }
            }
        }
        let lost = goes.into_iter().filter(|(class, _)| !stays.contains(class));
        let lost = lost.map(|(class, (path, other))| {
            format!("{} ({} is the same picture as {})", self.called(class), path.display(), other.display())
        });
        let lost = some(lost, 2);
        match lost.is_empty() {
            true => Ok(()),
            false => Err(Error::Data(format!(
                "{}: pictures to test on are not learnt from, which leaves no label of {lost}: label others, or remove the copies \
                 that are tested on",
                self.name
            ))),
        }
    }

    /// Takes pictures that are tested on out of what is learnt from. Of others in several parts the copy in the first is kept: a
    /// training image keeps its label. What was taken out is in [`ImageSet::skipped`]. Within a part equal images stay.
    pub fn keep_parts_apart(&mut self) {
        let tested_part = self.tested_part();
        let mut kept: HashMap<[u8; 32], PathBuf> = HashMap::new();
        for (hash, path) in self.tested() {
            kept.entry(*hash).or_insert_with(|| path.clone());
        }
        let mut taken = 0;
        for part in PARTS {
            let mut images = std::mem::take(self.part_mut(part));
            let is_tested = tested_part == Some(part);
            let all = images.hashes.iter().zip(&images.labels);
            let gone = all.map(|(hash, label)| kept.contains_key(hash) && !(is_tested && label.is_some()));
            let gone: Vec<bool> = gone.collect();
            for i in (0..gone.len()).filter(|&i| gone[i]) {
                let reason = format!("the same picture as {}", kept[&images.hashes[i]].display());
                let labelled = images.labels[i].is_some();
                self.skipped.push(Skipped { path: images.paths[i].clone(), reason, labelled });
                taken += 1;
            }
            if gone.contains(&true) {
                images.remove(&gone);
            }
            for (hash, path) in images.hashes.iter().zip(&images.paths) {
                kept.entry(*hash).or_insert_with(|| path.clone());
            }
            *self.part_mut(part) = images;
        }
        if taken > 0 {
            self.notes.push(format!(
                "{taken} images are in two parts, and left out of one: what is tested on is not learnt from, and of others the first \
                 of train, val, test has them"
            ));
        }
    }

    /// Pairs of equal images with different labels, as a reader may look them up.
    pub fn contradictions(&self) -> Vec<String> {
        let mut first: HashMap<[u8; 32], (u16, &PathBuf)> = HashMap::new();
        let mut found = Vec::new();
        for images in PARTS.map(|p| self.part(p)) {
            for ((hash, label), path) in images.hashes.iter().zip(&images.labels).zip(&images.paths) {
                let Some(class) = *label else { continue };
                let (other, at) = *first.entry(*hash).or_insert((class, path));
                if other != class {
                    let (one, two) = (at.display(), path.display());
                    found.push(format!("{one} ({}) and {two} ({})", self.called(other), self.called(class)));
                }
            }
        }
        found
    }

    fn called(&self, class: u16) -> &str {
        self.class_names.get(usize::from(class)).map_or("?", String::as_str)
    }

    fn check_labels_agree(&self) -> Result<()> {
        let name = &self.name;
        self.contradiction().map_or(Ok(()), |reason| Err(Error::Data(format!("{name}: {reason}"))))
    }

    /// What is wrong with equal pictures of different labels, and what to do, where there are any.
    pub fn contradiction(&self) -> Option<String> {
        let found = self.contradictions();
        let pairs = (!found.is_empty()).then(|| some(found, 5))?;
        Some(format!("equal pictures with different labels: {pairs}: correct or remove one of each"))
    }
}

fn shown(skipped: &Skipped) -> String {
    format!("{}: {}", skipped.path.display(), skipped.reason)
}

/// Refuses broken files that matter.
fn check_broken(found: &Found, skipped: &[Skipped]) -> Result<()> {
    let root = found.root.display();
    let labelled: Vec<String> = skipped.iter().filter(|s| s.labelled).map(shown).collect();
    if !labelled.is_empty() {
        let (n, list) = (labelled.len(), some(labelled, 5));
        return Err(Error::Data(format!(
            "{root}: {n} with a label cannot be read: {list}: mend or remove them (and their rows, if a file has the labels)"
        )));
    }
    let is_broken = |skipped: &&Skipped| skipped.reason != CIRCLE;
    let broken: Vec<&Skipped> = skipped.iter().filter(is_broken).collect();
    let all = found.images.len() + found.skipped.iter().filter(is_broken).count();
    if broken.len() * 20 > all {
        let (n, list) = (broken.len(), some(broken.into_iter().map(shown), 5));
        return Err(Error::Data(format!(
            "{root}: {n} of {all} images cannot be read, more than one in twenty: {list}: mend or remove them"
        )));
    }
    Ok(())
}

#[cfg(test)]
#[path = "set_tests.rs"]
mod tests;
