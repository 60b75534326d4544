//! Which images to label first, where there is no model yet: [`data::representatives`] of a folder's images, as a table to fill
//! in or as a page to label them on.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::page::{document, escape};
use super::sheet::thumbnail_of;
use super::short;
use super::table::write_table;
use crate::app::atomic;
use crate::app::report::png::Picture;
use crate::app::source::images::set::ImageSet;
use crate::app::text::{count, shell_word};
use crate::data::{self, Representative};
use crate::error::{Error, Result};
use crate::text::hex;

const SCRIPT: &str = include_str!("../../../assets/label/first.js");

/// Images that have a label already, or were given none: each is a cluster more.
const MOST_KNOWN: usize = 1000;

/// Bytes of a picture's hash by which the page knows it again.
const HASH: usize = 8;

/// What to label first. Paths lead from the folder of the images, in which the file of labels counts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct First {
    /// The images to label, those that stand for most others first.
    pub images: Vec<Unlabelled>,
    /// Those that have a label already: with them, the file has all labels.
    pub labelled: Vec<Labelled>,
    /// Share of all images that look like one of those, or like one that somebody gave no label.
    pub like_labelled: f64,
    /// Paths of images that somebody gave no label: they are not asked for again, and the file says so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub no_label: Vec<String>,
    /// Images without a label that no table can name, as their paths are not Unicode.
    pub unnamed: usize,
}

/// An image to label.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unlabelled {
    /// From the folder of the images.
    pub path: String,
    /// Share of all images that look like it.
    pub share: f64,
    /// Of its pixels: what is written on the page is a label of this picture, not of whatever has its path.
    #[serde(skip)]
    hash: String,
    /// At most 64 pixels a side.
    #[serde(skip)]
    thumbnail: Picture,
}

/// An image that has a label.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Labelled {
    /// From the folder of the images.
    pub path: String,
    /// Its class.
    pub label: String,
}

impl First {
    /// Chooses `wanted` images without a label: fewer where fewer look different.
    ///
    /// # Errors
    /// [`Error::Data`] where no image without a label can be named, where so many have one that a model can say what to label
    /// next, and for a labelled one whose path is not Unicode: with a file of labels its label would be lost.
    pub fn choose(set: &ImageSet, wanted: usize, seed: u64) -> Result<First> {
        let (images, image, name) = (&set.train, set.policy.dims(), &set.name);
        let path = |&i: &u32| images.paths[i as usize].to_str();
        let all = 0..images.len() as u32;
        let (known, unlabelled): (Vec<u32>, Vec<u32>) =
            all.partition(|&i| images.labels[i as usize].is_some());
        let (none, unlabelled): (Vec<u32>, Vec<u32>) =
            unlabelled.into_iter().partition(|&i| set.no_label.contains(&images.paths[i as usize]));
        let (from, unnamed): (Vec<u32>, Vec<u32>) = unlabelled.into_iter().partition(|i| path(i).is_some());
        if let Some(&i) = known.iter().find(|i| path(i).is_none()) {
            let path = images.paths[i as usize].display();
            return Err(Error::Data(format!(
                "{name}: {path} has a label, and a name that is not Unicode, which no table can hold: rename it"
            )));
        }
        if from.is_empty() {
            return Err(nothing_to_label(set, none.len(), unnamed.len()));
        }
        if known.len() > MOST_KNOWN {
            let n = known.len();
            return Err(Error::Data(format!(
                "{name}: {n} images have a label: train on those; then `ssgan label --next {wanted}` says what to label next"
            )));
        }
        let written = |i: &u32| path(i).unwrap_or_default().replace(std::path::MAIN_SEPARATOR, "/");
        let size = image.len() as usize;
        let unlabelled = |r: Representative| {
            let thumbnail = thumbnail_of(&images.pixels[r.image as usize * size..][..size], image);
            let hash = hex(&images.hashes[r.image as usize][..HASH]);
            Unlabelled { path: written(&r.image), share: short(r.share), hash, thumbnail }
        };
        // Whoever gave an image no label has looked at it, too, and is not asked for one like it.
        let looked_at: Vec<u32> = known.iter().chain(&none).copied().take(MOST_KNOWN).collect();
        let (found, like_labelled) =
            data::representatives((&images.pixels, image), &from, &looked_at, wanted, seed);
        let class = |i: &u32| images.labels[*i as usize].map(|label| &set.class_names[usize::from(label)]);
        let labelled = |i: &u32| Some(Labelled { path: written(i), label: class(i)?.clone() });
        Ok(First {
            images: found.into_iter().map(unlabelled).collect(),
            labelled: known.iter().filter_map(labelled).collect(),
            like_labelled: short(like_labelled),
            no_label: none.iter().map(written).collect(),
            unnamed: unnamed.len(),
        })
    }

    /// Writes the table to `file`: a row for each image to label, whose `label` is to be filled in, then one for each
    /// label that is there.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file.
    pub fn write_table(&self, file: &Path) -> Result<()> {
        let mut rows = vec![["path", "label", "share", "status"].map(String::from)];
        let row = |path: &String, label: &str, share: &str, status: &str| {
            [path, label, share, status].map(String::from)
        };
        rows.extend(self.images.iter().map(|i| row(&i.path, "", &i.share.to_string(), "")));
        rows.extend(self.labelled.iter().map(|i| row(&i.path, &i.label, "", "")));
        rows.extend(self.no_label.iter().map(|path| row(path, "", "", "given")));
        if self.no_label.is_empty() {
            return write_table(file, rows.into_iter().map(|[path, label, share, _]| [path, label, share]));
        }
        write_table(file, rows.into_iter())
    }

    /// Writes a page to `file` on which the images are labelled, and which saves the table that is to lie at `table`; `whole` is
    /// trained on then. What is written on it is kept in the browser under the folder of the images, `root`, each label with the
    /// hash of its picture, so that it is there on the next page that has this picture of the same folder.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file; [`Error::Output`] for a thumbnail that is no picture.
    pub fn write_page(&self, root: &Path, (table, whole): (&Path, &Path), file: &Path) -> Result<()> {
        let root = dunce::canonicalize(root).unwrap_or_else(|_| root.to_path_buf());
        atomic::write(file, self.page(&root.to_string_lossy(), table, whole)?.as_bytes())
    }

    fn page(&self, kept_by: &str, table: &Path, whole: &Path) -> Result<String> {
        let name = escape(&table.file_name().unwrap_or_default().to_string_lossy());
        let (table, whole) = (escape(&table.display().to_string()), escape(&shell_word(whole)));
        let items = self.images.iter().map(item).collect::<Result<String>>()?;
        let known = |image: &Labelled| {
            format!(
                "<li data-path=\"{}\" data-label=\"{}\"></li>\n",
                escape(&image.path),
                escape(&image.label)
            )
        };
        let labelled: String = self.labelled.iter().map(known).collect();
        let none = |path: &String| format!("<li data-path=\"{}\"></li>\n", escape(path));
        let none: String = self.no_label.iter().map(none).collect();
        let there = match self.labelled.len() {
            0 => String::new(),
            n => format!(" Of labels that are there, {n}, it has them too."),
        };
        let body = format!(
            "<p>{} to label, those first that most others look like. Write what each one shows; an empty label is none. Save \
             writes <code>{name}</code>: make it <code>{table}</code>, in place of a file of labels that is there, and train with \
             <code>ssgan train {whole}</code>.{there}</p>\n\
             <p class=\"keys\">Keys: <kbd>Enter</kbd> goes to the next image, <kbd>Shift</kbd> <kbd>Enter</kbd> back. A class that was \
             written once has a button at the bottom.</p>\n<p class=\"note\" id=\"earlier\" hidden>Labels that were \
             written on an earlier page of this folder, of images that are not on this one or look different now: \
             <span id=\"others\"></span>. They are not saved. If the folder still has the same images: <button type=\"button\" id=\"keep\">Keep them</button></p>\n\
             <noscript><p class=\"note\">Labelling needs JavaScript; looking does not.</p></noscript>\n\
             <datalist id=\"classes\"></datalist>\n<ul id=\"known\" data-table=\"{name}\" hidden>\n{labelled}</ul>\n<ul id=\"none\" hidden>\n{none}</ul>\n\
             <main>\n<ul class=\"sheet\">\n{items}</ul>\n\
             </main>\n<div id=\"bar\" role=\"toolbar\" aria-label=\"Labels\">\n\
             <button type=\"button\" id=\"save\">Save <span id=\"marks\">0</span></button>\n<span id=\"names\"></span>\n\
             <p id=\"warning\" role=\"alert\"></p>\n<output id=\"said\"></output>\n</div>\n",
            count(self.images.len() as u32, "image")
        );
        Ok(document("What to label first", &body, SCRIPT, kept_by))
    }
}

/// Why there is no image that could be labelled.
fn nothing_to_label(set: &ImageSet, none: usize, unnamed: usize) -> Error {
    let reason = match (unnamed, none) {
        (0, 0) => {
            let classes = set.class_names.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
            format!(
                "every image to learn from has a label. Folders count as classes ({classes}): if they are none, give one of \
                 them itself"
            )
        }
        (0, _) => "every image to learn from has a label, or was given none".into(),
        _ => "no image has a name in Unicode, and no table can hold others: rename them".into(),
    };
    Error::Data(format!("{}: {reason}", set.name))
}

fn item(image: &Unlabelled) -> Result<String> {
    let (path, hash) = (escape(&image.path), &image.hash);
    let Picture { width, height, .. } = image.thumbnail;
    let picture = STANDARD.encode(image.thumbnail.encode()?);
    Ok(format!(
        "<li class=\"item\" data-path=\"{path}\" data-hash=\"{hash}\" title=\"{path}\">\
         <img alt=\"\" width=\"{width}\" height=\"{height}\" src=\"data:image/png;base64,{picture}\">\
         <input list=\"classes\" aria-label=\"Label of {path}\" autocomplete=\"off\" autocapitalize=\"none\" \
         autocorrect=\"off\" spellcheck=\"false\" enterkeyhint=\"next\" dir=\"auto\">\
         <span class=\"second\">like {:.1}\u{a0}%</span></li>\n",
        100.0 * image.share
    ))
}

#[cfg(test)]
#[path = "first_tests.rs"]
mod tests;
