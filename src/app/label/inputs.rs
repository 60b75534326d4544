//! The images that are to be labelled: those of folders, of lists, and packed ones.

use std::collections::HashMap;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::{DynamicImage, GrayImage, RgbImage};
use sha2::{Digest, Sha256};

use super::apart::keep_apart;
use super::list::{Named, hash_of, name_folders};
use super::said::{said, said_by_folder};
pub use super::ways::way;
use super::ways::{inside, named, real};
use super::{Arrange, Given};
use crate::app::source::images::policy::Policy;
use crate::app::source::images::set::{ImageSet, Images};
use crate::app::source::images::{PARTS, Part, decode, found, scan};
use crate::app::source::packed::{self, Opened};
use crate::app::text::count;
use crate::error::{Error, Result};
use crate::shape::Dims;
use crate::text::hex;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Folders, images, packed images, or `-` for a list on standard input.
    pub images: &'a [PathBuf],
    /// Where the labels are written.
    pub out: &'a Path,
    /// Whether the images are put into class folders, and how.
    pub by_class: Option<Arrange>,
    /// The i-th of n parts alone.
    pub shard: Option<(usize, usize)>,
    /// Whether [`Inputs::looked_at`] is asked for.
    pub looked_at: bool,
    /// Names of the model's classes, by which given labels are known.
    pub class_names: &'a [String],
}

/// An image to label.
#[derive(Debug, Clone)]
pub struct Input {
    /// As it is written.
    pub path: PathBuf,
    /// Where it lies, from whatever folder.
    pub source: PathBuf,
    /// What somebody said that it is.
    pub given: Given,
    /// What it is for.
    pub part: Part,
    packed: Option<Packed>,
}

/// An image of a packed set.
#[derive(Debug, Clone)]
struct Packed {
    set: Arc<ImageSet>,
    index: usize,
}

/// A file that is no image that can be read.
#[derive(Debug, Clone)]
pub struct Unread {
    /// As it is written.
    pub path: PathBuf,
    /// Why it is none.
    pub reason: String,
    /// What somebody said that it is.
    pub given: Given,
}

/// The images that were named.
#[derive(Debug, Default)]
pub struct Inputs {
    /// The folder that their paths are to lead from, whole and without links, so that its labels.csv can be trained on; with
    /// class folders none, as they are written as they come to lie there.
    from: Option<PathBuf>,
    /// In the order in which they are labelled.
    pub images: Vec<Input>,
    /// Those that somebody gave a label, or none, of all shards and parts, where they were asked for.
    pub looked_at: Vec<Input>,
    /// What is no image, and why.
    pub skipped: Vec<Unread>,
    /// Folders, where several sources were named.
    named: Vec<Named>,
    /// Hash of the images of all shards.
    hash: String,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

impl Input {
    /// Where the packed set lies that it is of, and the set's name.
    fn set(&self) -> Option<(&Path, &str)> {
        Some((self.source.parent()?, &self.packed.as_ref()?.set.name))
    }

    /// The image as the network sees it.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn read(&self, policy: Policy) -> std::result::Result<Vec<u8>, String> {
        match &self.packed {
            None => {
                decode::read_with(&self.source, |picture| policy.apply(picture)).map_err(|e| e.to_string())
            }
            Some(Packed { set, index }) => {
                let (dims, images) = (set.policy.dims(), set.part(self.part));
                let bytes = &images.pixels[index * dims.len() as usize..][..dims.len() as usize];
                Ok(if dims == policy.dims() { bytes.to_vec() } else { policy.apply(picture(dims, bytes)) })
            }
        }
    }
}

/// The picture of these bytes.
fn picture(dims: Dims, bytes: &[u8]) -> DynamicImage {
    let Dims { height, width, channels } = dims;
    let fits = "as many bytes as pixels";
    match channels {
        1 => GrayImage::from_raw(width, height, bytes.to_vec()).expect(fits).into(),
        _ => RgbImage::from_raw(width, height, bytes.to_vec()).expect(fits).into(),
    }
}

impl Inputs {
    /// Those of this shard.
    ///
    /// # Errors
    /// [`Error::Usage`] for packed images, parts of all images, or images of equal names, that cannot be put into class folders
    /// so; [`Error::Data`] where there is no image; as [`scan::scan`] and [`packed::read`].
    pub fn of(wanted: Wanted<'_>) -> Result<Inputs> {
        let from = wanted.by_class.is_none().then(|| real(wanted.out)).transpose()?;
        let mut all = Inputs { from, ..Inputs::default() };
        let several = wanted.images.len() > 1;
        for path in wanted.images {
            if path.as_os_str() == "-" {
                all.list(std::io::stdin().lock(), &wanted)?;
            } else if let Some(opened) = packed::read(path)? {
                if wanted.by_class.is_some() {
                    let path = path.display();
                    return Err(Error::Usage(format!(
                        "{path}: packed images are no files: leave out --by-class"
                    )));
                }
                all.packed(opened, wanted.class_names)?;
            } else {
                all.add(path, several, &wanted)?;
            }
        }
        all.check_there()?;
        if wanted.by_class.is_some() {
            name_folders(&all.named, &mut all.images, &mut all.skipped);
        }
        all.keep_one_of_each()?;
        all.hash = hash_of(&all.images);
        // All of them, that parts agree on their names.
        if wanted.by_class.is_some() {
            all.notes.extend(keep_apart(&mut all.images)?);
            // What is moved is written down with its whole path.
            let above = |image: &&Input| image.path.to_str().is_some() && image.source.to_str().is_none();
            if let Some(Input { source, .. }) = all.images.iter().find(above) {
                let source = source.display();
                return Err(Error::Usage(format!(
                    "{source}: a folder above it has no Unicode name: rename that, or leave out --by-class"
                )));
            }
        }
        if wanted.looked_at {
            let looked_at = |image: &&Input| image.given != Given::Nothing;
            all.looked_at = all.images.iter().filter(looked_at).cloned().collect();
        }
        if let Some((i, n)) = wanted.shard {
            // A part that begins after another one has moved its images would divide what is left, and pass images over.
            if wanted.by_class == Some(Arrange::Move) {
                return Err(Error::Usage(
                    "--by-class move takes images from other parts: use hardlink".into(),
                ));
            }
            let mut at = 0..;
            all.images.retain(|_| at.next().is_some_and(|at| at % n == i - 1));
            all.skipped.retain(|_| i == 1);
        }
        Ok(all)
    }

    /// Hash of what a labelling that goes on must have in common with the one that was begun.
    pub fn identity(
        &self,
        checkpoint: &str,
        policy: Policy,
        averaged: bool,
        shard: Option<(usize, usize)>,
    ) -> String {
        let mut hash = Sha256::new();
        hash.update(checkpoint);
        hash.update(format!("{policy} {averaged} {shard:?}"));
        // What is to be labelled next depends on the labels of all parts.
        for image in self.images.iter().chain(&self.looked_at) {
            hash.update(image.path.as_os_str().as_encoded_bytes());
            hash.update(format!("\0{:?}{:?}", image.given, image.part));
            // With class folders the path says nothing of the folder that was named.
            if self.from.is_none() {
                hash.update(image.source.as_os_str().as_encoded_bytes());
                hash.update("\0");
            }
        }
        hex(&hash.finalize())
    }

    /// Hash of what all parts of a labelling have in common, on whatever machine each was made.
    pub fn in_common(&self, checkpoint: &str, policy: Policy, averaged: bool) -> String {
        hex(&Sha256::digest(format!("{checkpoint} {policy} {averaged} {}", self.hash)))
    }

    /// Refuses a list that came out empty, or whose paths all lead nowhere: without an image a labelling is no success.
    fn check_there(&self) -> Result<()> {
        let there = |image: &Input| image.packed.is_some() || image.source.exists();
        Err(Error::Data(match self.images.first() {
            None if self.skipped.is_empty() => {
                "no image is named: give folders, images, or with `-` a list of paths, one a line".into()
            }
            Some(Input { source, .. }) if !self.images.iter().any(there) => format!(
                "no image that is named is there, such as {}: paths of a list lead from the current folder",
                source.display()
            ),
            _ => return Ok(()),
        }))
    }

    /// Whether a table of them can be trained on: all are files, or all are of one packed set.
    pub fn make_a_set(&self) -> bool {
        self.images.windows(2).all(|two| two[0].set() == two[1].set())
    }

    /// An image that was named in two ways is labelled once, by the first of its names, with what was said of it by any. One to
    /// test on by any of them is one.
    fn keep_one_of_each(&mut self) -> Result<()> {
        let mut at: HashMap<PathBuf, usize> = HashMap::new();
        let mut kept: Vec<Input> = Vec::with_capacity(self.images.len());
        let all = self.images.len();
        for image in std::mem::take(&mut self.images) {
            let real = match image.packed {
                None => dunce::canonicalize(&image.source).unwrap_or_else(|_| image.source.clone()),
                Some(_) => image.source.clone(),
            };
            let Some(&first) = at.get(&real) else {
                at.insert(real, kept.len());
                kept.push(image);
                continue;
            };
            let first = &mut kept[first];
            first.part = first.part.max(image.part);
            if first.given == Given::Nothing {
                first.given = image.given;
            } else if image.given != Given::Nothing && image.given != first.given {
                let path = image.source.display();
                return Err(Error::Data(format!(
                    "{path} is named twice, with two labels: name the newer source alone"
                )));
            }
        }
        if kept.len() < all {
            let twice = count((all - kept.len()) as u32, "image");
            self.notes.push(format!("{twice} named twice: labelled once"));
        }
        self.images = kept;
        Ok(())
    }

    /// Those of a folder, of a file of labels, or one image.
    fn add(&mut self, path: &Path, several: bool, wanted: &Wanted<'_>) -> Result<()> {
        let Wanted { out, class_names, .. } = *wanted;
        let purpose = found::Purpose::Labelling;
        let found = scan::scan(&found::Request { path: path.into(), purpose, ..Default::default() })?;
        let sure = found.labels != found::Labels::Folders;
        let (known, note) = said(path, sure, &found.class_names, class_names);
        self.notes.extend(note);
        let (from, root) = (self.from.clone(), real(&found.root)?);
        let begun = (self.images.len(), self.skipped.len());
        let out = dunce::canonicalize(out).ok();
        // Where it lies, and how it is written; nothing for what was written before, into the folder of the images.
        let place = |below: &Path| -> Result<Option<(PathBuf, PathBuf)>> {
            let source = inside(&root, below)?;
            // Class folders keep what is below the folder that was named.
            let written = from.as_ref().map_or_else(|| below.to_path_buf(), |from| way(from, &source));
            let is_output = out.as_ref().is_some_and(|out| source.starts_with(out));
            Ok((!is_output).then_some((source, written)))
        };
        for entry in found.images {
            let Some((source, path)) = place(&entry.path)? else { continue };
            let given = match entry.class {
                Some(class) => known[usize::from(class)].clone(),
                None if entry.no_label => Given::NoLabel,
                None => Given::Nothing,
            };
            self.images.push(Input { path, source, given, part: entry.part, packed: None });
        }
        for found::Skipped { path, reason, labelled } in found.skipped {
            let given = match labelled {
                true => said_by_folder(&path, &found.class_names, &known),
                false => Given::Nothing,
            };
            self.skipped.extend(place(&path)?.map(|(_, path)| Unread { path, reason, given }));
        }
        self.notes.extend(found.notes);
        if several && path.is_dir() {
            let (images, skipped) = (begun.0..self.images.len(), begun.1..self.skipped.len());
            self.named.push(Named { folder: root, images, skipped });
        }
        Ok(())
    }

    /// Those of all parts of a packed set, named by their places in it: `photos.npz/train_images#7`.
    fn packed(&mut self, opened: Opened, class_names: &[String]) -> Result<()> {
        let Opened { at, set, table } = opened;
        let (known, note) = said(&at, table.is_some(), &set.class_names, class_names);
        self.notes.extend(note.into_iter().chain(set.notes.iter().cloned()));
        let named = named(&at)?;
        let written = self.from.as_deref().map_or(at.clone(), |out| way(out, &named));
        let (set, real) = (Arc::new(set), dunce::canonicalize(&at).map_err(Error::io("read", &at))?);
        for part in PARTS {
            let Images { paths, labels, .. } = set.part(part);
            for (index, (place, label)) in paths.iter().zip(labels).enumerate() {
                let given = match label {
                    Some(class) => known[usize::from(*class)].clone(),
                    None if set.no_label.contains(place) => Given::NoLabel,
                    None => Given::Nothing,
                };
                self.images.push(Input {
                    path: written.join(place),
                    source: real.join(place),
                    given,
                    part,
                    packed: Some(Packed { set: set.clone(), index }),
                });
            }
        }
        Ok(())
    }

    /// Those of the list on standard input.
    fn list(&mut self, lines: impl BufRead, wanted: &Wanted<'_>) -> Result<()> {
        for (i, line) in lines.split(b'\n').enumerate() {
            let line = line.map_err(Error::io("read", "standard input"))?;
            // Windows begins its lists with a mark of UTF-8, and ends their lines with two characters.
            let line = line.strip_prefix(b"\xef\xbb\xbf").filter(|_| i == 0).unwrap_or(&line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            let path = listed(line, i + 1)?;
            if path.is_dir() {
                self.add(&path, true, wanted)?;
            } else {
                let source = named(&path)?;
                let path = match &self.from {
                    Some(out) => way(out, &source),
                    None => PathBuf::from(path.file_name().unwrap_or(path.as_os_str())),
                };
                let (given, part) = (Given::Nothing, Part::Train);
                self.images.push(Input { path, source, given, part, packed: None });
            }
        }
        Ok(())
    }
}

/// A path as a list has it, which on Unix need not be Unicode.
#[cfg(unix)]
fn listed(line: &[u8], _: usize) -> Result<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Ok(PathBuf::from(std::ffi::OsStr::from_bytes(line)))
}

#[cfg(not(unix))]
fn listed(line: &[u8], number: usize) -> Result<PathBuf> {
    let reason = "not UTF-8: in a console, `chcp 65001` makes lists so".into();
    let text = std::str::from_utf8(line);
    text.map(PathBuf::from).map_err(|_| Error::Text { file: "standard input".into(), line: number, reason })
}

#[cfg(test)]
#[path = "inputs_tests.rs"]
mod tests;
