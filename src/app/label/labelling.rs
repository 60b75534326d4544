//! A labelling that goes from image to image.
//!
//! Rows are written in steps. A step ends with the tables on the disk, then one file that says how long they are and has all
//! that is gathered from the images so far; then the images of the step are put into their folders. A run that goes on cuts
//! the tables to those lengths, puts the images of the last step into their folders, as far as they are not there, and
//! labels what comes after it: the result is that of a run that was never interrupted. Images that are to be moved are moved at
//! the end, so that they are there for a run that goes on.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::bookmark::{self, Bookmark, Folder};
use super::next::{Known, Next};
use super::summary::{Summary, judge};
use super::table::{Table, write_table};
use super::verdict::{Judge, Status, Verdict};
use super::{Abstain, Arrange, Given, Options, Prediction, arrange, moves, page, short};
use crate::app::atomic;
use crate::app::source::images::Part;
use crate::error::{Error, Result};

/// Most images of a step.
const STEP: usize = 4096;

/// How long a step may take before it ends.
const STEP_TIME: Duration = Duration::from_secs(5);

/// The columns of `labels.csv` that are always there.
const COLUMNS: [&str; 8] = [
    "path",
    "label",
    "confidence",
    "status",
    "second_label",
    "second_confidence",
    "disagrees_with_given",
    "split",
];

/// A folder that is being filled with labels. Dropped, it can be gone on with.
pub struct Labelling {
    options: Options,
    judge: Judge,
    known: Known,
    /// Of the classes, and last that of the unsure images.
    folders: Vec<String>,
    folder: Folder,
    bookmark: Bookmark,
    labels: Table,
    skipped: Table,
    places: Table,
    /// Images since the step began.
    pending: usize,
    begun: Instant,
    /// Images of a step; tests take fewer.
    step: usize,
}

impl Labelling {
    /// Refuses a folder that no labelling can be written into, before anything is read for one; makes nothing there.
    /// [`Labelling::create`] looks again.
    ///
    /// # Errors
    /// [`Error::Output`] if it has other files, or a labelling that is finished; [`Error::Io`] if it cannot be written.
    pub fn check_out(out: &Path) -> Result<()> {
        Folder::check(out)
    }

    /// Finishes a labelling in this folder that was killed while it moved files, of which some are no longer where they were
    /// named; nothing is done where none was.
    ///
    /// # Errors
    /// [`Error::Output`] where one was, which is finished now, with what is to be told of it, or where the folder of images to
    /// move is not there; as [`Labelling::create`].
    pub fn end_moves(out: &Path) -> Result<()> {
        let Some((folder, bookmark, mut summary)) = Folder::moving(out)? else { return Ok(()) };
        let note = moves::end(&folder, &bookmark, &mut summary)?;
        folder.finish(&summary)?;
        let finished = bookmark::finished(out);
        Err(match note {
            None => finished,
            Some(note) => Error::Output(format!("{finished}; {note}")),
        })
    }

    /// Begins a labelling, or goes on with one that was killed: then [`Labelling::done`] says how many images are written.
    ///
    /// # Errors
    /// [`Error::Usage`] for options that make no sense; [`Error::Output`] if [`Options::out`] has other files, another
    /// labelling, one that is finished, or is in use by another process. One that was killed while it moved files is finished
    /// first. [`Error::Io`] names what cannot be written.
    pub fn create(options: Options) -> Result<Labelling> {
        check(&options)?;
        Labelling::end_moves(&options.out)?;
        let (folder, bookmark) = Folder::open(&options)?;
        let begun_without =
            || options.calibration.as_ref().err().cloned().unwrap_or("it was begun without".into());
        let calibration = bookmark.calibration.clone().ok_or_else(begun_without);
        let options = Options { calibration, ..options };
        let labels = Table::open(folder.file("labels.csv"), bookmark.labels)?;
        let skipped = Table::open(folder.file("skipped.csv"), bookmark.skipped)?;
        let places = Table::open(folder.places(), bookmark.places)?;
        let mut folders = arrange::folder_names(&options.class_names);
        folders.push(arrange::UNSURE.into());
        let judge = judge(&options).0;
        let (pending, begun, step) = (0, Instant::now(), STEP);
        let mut labelling = Labelling {
            options,
            judge,
            known: Known::default(),
            folders,
            folder,
            bookmark,
            labels,
            skipped,
            places,
            pending,
            begun,
            step,
        };
        labelling.put_pending()?;
        if labelling.bookmark.labels == 0 {
            let classes = labelling.options.class_names.iter().map(|c| format!("p_{c}"));
            let classes = classes.filter(|_| labelling.options.probabilities);
            labelling.labels.row(COLUMNS.iter().map(|c| c.to_string()).chain(classes))?;
            labelling.skipped.row(["path", "reason", "label"])?;
            labelling.bookmark.skipped_has_labels = true;
        }
        Ok(labelling)
    }

    /// How many images are written, skipped ones too: the first so many in the order of the run that was killed.
    pub fn done(&self) -> usize {
        self.bookmark.done
    }

    /// How many images of each class, and of those without one, are to be given to [`Labelling::add_labelled`], where
    /// [`Options::next`] is set and images have F features.
    pub fn labelled_of_each(&self, features: usize) -> usize {
        Known::most(features, self.options.class_names.len())
    }

    /// The features of an image that somebody gave a class, below K, or no label. Before [`Labelling::push`], the same ones
    /// each time: what is to be labelled next is what is unlike them.
    pub fn add_labelled(&mut self, given: &Given, features: &[f32]) {
        match given {
            Given::Class(class) => self.known.add((*class).into(), features),
            Given::NoLabel => self.known.add_no_label(features),
            Given::Other(_) | Given::Nothing => {}
        }
    }

    /// SHA-256 of the pixels of all images that somebody looked at, likewise: none with such pixels is to be labelled next.
    pub fn add_hashes(&mut self, hashes: Vec<[u8; 32]>) {
        self.known.add_hashes(hashes);
    }

    /// Writes down one image. One whose path is not Unicode is skipped, as no table of Unicode text can name it.
    ///
    /// # Errors
    /// [`Error::Data`] for a prediction that does not fit to the options or is not finite; [`Error::Io`] naming what cannot be
    /// written; [`Error::Output`] if another file is where an image should go.
    pub fn push(&mut self, p: Prediction) -> Result<()> {
        self.check_prediction(&p)?;
        let Some(path) = arrange::text(&p.path) else {
            return self.skip(&p.path, "its name is not Unicode: rename it", &p.given);
        };
        let verdict = self.judge.verdict(&p.logits, &p.given);
        let path = match self.options.by_class {
            None => path,
            Some(_) => match whole(&p.source)? {
                Some(source) => self.place(&verdict, &p.path, &source)?,
                None => {
                    let reason = "a folder above it has no Unicode name: rename that";
                    return self.skip(&p.path, reason, &p.given);
                }
            },
        };
        let Bookmark { tally, sheet, pool, .. } = &mut self.bookmark;
        tally.add(&verdict);
        if let Some(sheet) = sheet {
            sheet.add(&path, &verdict, &p.pixels, self.options.image);
        }
        if let Some(pool) = pool.as_mut().filter(|_| p.part == Part::Train) {
            pool.add(&path, &verdict, &p.features, &p.pixels, &self.known);
        }
        let row = self.row(&path, &verdict, &p);
        self.labels.row(row)?;
        self.count()
    }

    /// Writes down an image that cannot be labelled, why, and the label that it has. A path that is not Unicode is shown as far
    /// as it is.
    ///
    /// # Errors
    /// As [`Labelling::push`].
    pub fn skip(&mut self, path: &Path, reason: &str, given: &Given) -> Result<()> {
        let label = match given {
            Given::Class(class) => {
                self.options.class_names.get(usize::from(*class)).map_or("", String::as_str)
            }
            Given::Other(class) => class.as_str(),
            Given::NoLabel | Given::Nothing => "",
        };
        self.bookmark.tally.skip(!label.is_empty());
        let path = arrange::lossy_text(path);
        match self.bookmark.skipped_has_labels {
            true => self.skipped.row([path.as_str(), reason, label])?,
            false => self.skipped.row([path.as_str(), reason])?,
        }
        self.count()
    }

    /// Writes what is made of all images, moves the files that are to be moved, and ends the labelling.
    ///
    /// # Errors
    /// [`Error::Io`] naming what cannot be written, [`Error::Output`] if another file is where an image should go. The
    /// labelling can be gone on with.
    pub fn finish(mut self) -> Result<Summary> {
        self.end_step()?;
        let pool = self.bookmark.pool.as_ref();
        let next = pool.map(|pool| Next { asked: pool.choose(), compared: !self.known.is_empty() });
        let mut summary =
            Summary::of(&self.options, &self.bookmark.tally, next.as_ref().map(|next| next.asked.len()));
        if let Some(next) = &next {
            let rows = next.asked.iter().map(|asked| {
                let entry = &asked.candidate.entry;
                let class = &self.options.class_names[entry.label];
                let (confidence, alike) = (short(entry.confidence).to_string(), asked.alike.to_string());
                [entry.path.clone(), String::new(), class.clone(), confidence, alike]
            });
            let names = ["path", "label", "predicted", "confidence", "alike"].map(String::from);
            write_table(&self.folder.file("next.csv"), std::iter::once(names).chain(rows))?;
        }
        if let Some(sheet) = &self.bookmark.sheet {
            let page = page::page(sheet, &next.unwrap_or_default(), &self.options, &summary)?;
            atomic::write(&self.folder.file("review.html"), page.as_bytes())?;
        }
        if self.options.by_class == Some(Arrange::Move) {
            self.bookmark.summary = Some(summary.clone());
            self.folder.save(&self.bookmark)?;
            // Windows replaces no file that is open.
            drop((self.labels, self.skipped));
            moves::end(&self.folder, &self.bookmark, &mut summary)?;
        }
        self.folder.finish(&summary)?;
        Ok(summary)
    }

    fn check_prediction(&self, p: &Prediction) -> Result<()> {
        let fail = |reason: String| Err(Error::Data(format!("{}: {reason}", p.path.display())));
        let classes = self.options.class_names.len();
        if p.logits.len() != classes {
            return fail(format!("{} logits for {classes} classes", p.logits.len()));
        }
        if p.logits.iter().any(|z| !z.is_finite()) {
            return fail("the model's logits are not finite: take an earlier checkpoint".into());
        }
        if let Some(label) = p.given.class().filter(|&label| usize::from(label) >= classes) {
            return fail(format!("label {label}, but there are {classes} classes"));
        }
        let pixels = self.options.image.len() as usize;
        let wanted = self.options.review || self.options.next.is_some();
        if wanted && p.pixels.len() != pixels {
            return fail(format!("{} bytes of pixels where {pixels} are needed", p.pixels.len()));
        }
        Ok(())
    }

    /// The image's path in its class folder, where it will be.
    fn place(&mut self, verdict: &Verdict, path: &Path, source: &str) -> Result<String> {
        let unsure = self.options.class_names.len();
        let at = match verdict.status {
            Status::Given | Status::Predicted => verdict.label,
            Status::Unsure | Status::Other => unsure,
        };
        let target: PathBuf = arrange::place(&self.folders[at], path);
        let target = arrange::text(&target).unwrap_or_default();
        self.places.row([source, &target])?;
        Ok(target)
    }

    fn row(&self, path: &str, v: &Verdict, p: &Prediction) -> Vec<String> {
        let names = &self.options.class_names;
        let contradicts = v.status == Status::Given && v.contradicts();
        // To what the model does not know it gives no probability, and the class that it would say comes second.
        let (label, confidence, second, second_confidence) = match &p.given {
            Given::Other(class) => (class.as_str(), 0.0, v.label, v.confidence),
            Given::NoLabel => ("", 0.0, v.label, v.confidence),
            Given::Nothing | Given::Class(_) => {
                (names[v.label].as_str(), v.confidence, v.second, v.second_confidence)
            }
        };
        let mut row = vec![
            path.to_string(),
            label.into(),
            short(confidence).to_string(),
            v.status.name().into(),
            names[second].clone(),
            short(second_confidence).to_string(),
            contradicts.to_string(),
            if p.part == Part::Train { String::new() } else { p.part.name().into() },
        ];
        if self.options.probabilities {
            row.extend(v.probabilities.iter().map(|&p| short(p).to_string()));
        }
        row
    }

    fn count(&mut self) -> Result<()> {
        self.bookmark.done += 1;
        self.pending += 1;
        // A kind of link that the file system does not have is noticed at the first image.
        let first = self.bookmark.done == 1 && self.options.by_class.is_some();
        if first || self.pending >= self.step || self.begun.elapsed() > STEP_TIME {
            self.end_step()?;
        }
        Ok(())
    }

    fn end_step(&mut self) -> Result<()> {
        self.bookmark.labels = self.labels.sync()?;
        self.bookmark.skipped = self.skipped.sync()?;
        self.bookmark.places = self.places.sync()?;
        self.folder.save(&self.bookmark)?;
        self.put_pending()?;
        (self.pending, self.begun) = (0, Instant::now());
        Ok(())
    }

    /// Puts the images of the step into their folders, but for those that are to be moved.
    fn put_pending(&mut self) -> Result<()> {
        let Some(how) = self.options.by_class.filter(|&how| how != Arrange::Move) else { return Ok(()) };
        let Bookmark { arranged, places, .. } = self.bookmark;
        let out = self.folder.path();
        self.folder.each_place(arranged, places, |source, target| arrange::put(how, source, out, target))?;
        self.bookmark.arranged = places;
        Ok(())
    }
}

/// Where an image lies, as text: who goes on with the labelling may be in another folder. `None` if it is not Unicode.
fn whole(source: &Path) -> Result<Option<String>> {
    let whole = std::path::absolute(source).map_err(Error::io("read", source))?;
    Ok(arrange::text(&whole))
}

fn check(options: &Options) -> Result<()> {
    let usage = |reason: String| Err(Error::Usage(reason));
    let classes = options.class_names.len();
    if !(2..=usize::from(u16::MAX)).contains(&classes) {
        return usage(format!("{classes} classes: a classifier has two or more, and at most {}", u16::MAX));
    }
    if options.next == Some(0) {
        return usage("--next 0: ask for at least one image".into());
    }
    match options.abstain {
        Abstain::Threshold(t) if !(0.0..=1.0).contains(&t) => {
            usage(format!("--threshold {t}: a probability is from 0 to 1"))
        }
        Abstain::Precision(p) if !(p > 0.0 && p <= 1.0) => {
            usage(format!("--target-precision {p}: a share is above 0 and at most 1"))
        }
        Abstain::Precision(_) => match &options.calibration {
            Ok(_) => Ok(()),
            Err(reason) => {
                usage(format!("--target-precision needs held-out labels: {reason}; or give --threshold"))
            }
        },
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "labelling_tests.rs"]
mod tests;
