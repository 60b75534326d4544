//! Which images to label first, where there is no model yet: [`data::representatives`] of a folder's images, as a table to fill
//! in or as a page to label them on.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::inputs::relative_to;
use super::labelling::write_table;
use super::page::{document, escape};
use super::sheet::thumbnail_of;
use super::short;
use crate::app::atomic;
use crate::app::source::images::set::ImageSet;
use crate::app::text::count;
use crate::data::{self, Representative};
use crate::error::{Error, Result};

const SCRIPT: &str = include_str!("../../../assets/label/first.js");

/// Labels that may be there already: each is a cluster more.
const MOST_KNOWN: usize = 1000;

/// What to label first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct First {
    /// The images to label, those that stand for most others first.
    pub images: Vec<Unlabelled>,
    /// Those that have a label already: with them, the table has all labels.
    pub labelled: Vec<Labelled>,
}

/// An image to label.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unlabelled {
    /// From the folder that was looked through.
    pub path: String,
    /// Share of all images that look like it.
    pub share: f64,
    /// A PNG file of it, at most 64 pixels a side.
    #[serde(skip)]
    thumbnail: Vec<u8>,
}

/// An image that has a label.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Labelled {
    /// From the folder that was looked through.
    pub path: String,
    /// Its class.
    pub label: String,
}

impl First {
    /// Chooses `wanted` images without a label: fewer where fewer differ. Images whose paths are not Unicode, which no table
    /// can name, are passed over.
    ///
    /// # Errors
    /// [`Error::Data`] where every image has a label, or so many that a model can say what to label next.
    pub fn choose(set: &ImageSet, wanted: usize, seed: u64) -> Result<First> {
        let (images, image) = (&set.train, set.policy.dims());
        let path = |&i: &u32| images.paths[i as usize].to_str();
        let named = (0..images.len() as u32).filter(|i| path(i).is_some());
        let (known, from): (Vec<u32>, Vec<u32>) = named.partition(|&i| images.labels[i as usize].is_some());
        if from.is_empty() {
            return Err(Error::Data(format!("{}: every image to learn from has a label", set.name)));
        }
        if known.len() > MOST_KNOWN {
            return Err(Error::Data(format!(
                "{}: {} images have a label: train on those; then `ssgan label --next {wanted}` says what to label next",
                set.name,
                known.len()
            )));
        }
        let written = |i: &u32| path(i).unwrap_or_default().replace(std::path::MAIN_SEPARATOR, "/");
        let size = image.len() as usize;
        let unlabelled = |r: Representative| {
            let pixels = &images.pixels[r.image as usize * size..][..size];
            let thumbnail = thumbnail_of(pixels, image).encode()?;
            Ok(Unlabelled { path: written(&r.image), share: short(r.share), thumbnail })
        };
        let found = data::representatives((&images.pixels, image), &from, &known, wanted, seed);
        let class =
            |i: &u32| images.labels[*i as usize].map(|label| set.class_names[usize::from(label)].clone());
        let labelled = |i: &u32| Some(Labelled { path: written(i), label: class(i)? });
        Ok(First {
            images: found.into_iter().map(unlabelled).collect::<Result<_>>()?,
            labelled: known.iter().filter_map(labelled).collect(),
        })
    }

    /// Writes the table to `file`: a row for each image to label, whose `label` is to be filled in, then one for each
    /// label that is there. Paths lead from the table's folder to `root`, where the images are.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file.
    pub fn write_table(&self, root: &Path, file: &Path) -> Result<()> {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let way = |path: &str| relative_to(folder, &root.join(path));
        let names = ["path", "label", "share"].map(String::from);
        let mut rows = vec![names];
        for image in &self.images {
            rows.push([way(&image.path)?, String::new(), image.share.to_string()]);
        }
        for image in &self.labelled {
            rows.push([way(&image.path)?, image.label.clone(), String::new()]);
        }
        write_table(file, rows.into_iter())
    }

    /// Writes a page to `file` on which the images are labelled, and which saves the table.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file.
    pub fn write_page(&self, file: &Path) -> Result<()> {
        atomic::write(file, self.page().as_bytes())
    }

    fn page(&self) -> String {
        let item = |image: &Unlabelled| {
            let path = escape(&image.path);
            let picture = STANDARD.encode(&image.thumbnail);
            format!(
                "<li class=\"item\" data-path=\"{path}\" title=\"{path}\"><img alt=\"\" src=\"data:image/png;base64,{picture}\">\
                 <input list=\"classes\" aria-label=\"Label of {path}\" autocomplete=\"off\" spellcheck=\"false\">\
                 <span class=\"second\">stands for {:.1}\u{a0}%</span></li>\n",
                100.0 * image.share
            )
        };
        let known = |image: &Labelled| {
            format!(
                "<li data-path=\"{}\" data-label=\"{}\"></li>\n",
                escape(&image.path),
                escape(&image.label)
            )
        };
        let items: String = self.images.iter().map(item).collect();
        let labelled: String = self.labelled.iter().map(known).collect();
        let there = match self.labelled.len() {
            0 => String::new(),
            n => format!(" {} that are there already are saved with them.", count(n as u32, "label")),
        };
        let body = format!(
            "<p>{}, each of which stands for others that look like it, those for most first. Write what each one shows; an empty \
             label is none. Save writes <code>labels.csv</code>: put it into the folder of the images and train on that \
             folder.{there}</p>\n<p class=\"keys\">Keys: <kbd>Enter</kbd> goes to the next image, <kbd>Shift</kbd> <kbd>Enter</kbd> back. A class that was \
             written once has a button at the bottom.</p>\n\
             <noscript><p class=\"note\">Labelling needs JavaScript; looking does not.</p></noscript>\n\
             <datalist id=\"classes\"></datalist>\n<ul id=\"known\" hidden>\n{labelled}</ul>\n<main>\n<ul class=\"sheet\">\n{items}</ul>\n\
             </main>\n<div id=\"bar\" role=\"toolbar\" aria-label=\"Labels\">\n<span id=\"names\"></span>\n\
             <button type=\"button\" id=\"save\">Save <span id=\"marks\">0</span></button>\n<output id=\"said\"></output>\n</div>\n",
            count(self.images.len() as u32, "image")
        );
        document("What to label first", &body, SCRIPT)
    }
}

#[cfg(test)]
#[path = "first_tests.rs"]
mod tests;
