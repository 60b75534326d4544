//! The user's own images as a data set: what was found is told, and where there is nothing to test on, some labels are held
//! out.

use super::Listener;
use super::images::found::Purpose;
use super::images::load::{self, Loading};
use super::images::policy::{Choice, Policy};
use super::images::set::{Broken, ImageSet, Images};
use super::images::summary::Summary;
use super::images::{Part, class_name, found, scan, some};
use super::packed::{self, Opened};
use crate::app::cache;
use crate::app::text::shell_word;
use crate::data::{Dataset, Split, Tested};
use crate::error::{Error, Result};
use crate::shape::DataShape;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Share of each class's labels that is held out where nothing is said.
pub const HOLD_OUT: f32 = 0.2;

/// What to load.
#[derive(Debug, Clone, PartialEq)]
pub struct Own {
    /// A folder of images, a file of labels, or a file of packed images.
    pub path: PathBuf,
    /// Size, channels and fit.
    pub choice: Choice,
    /// Share of each class's labels that is held out where no test images are.
    pub hold_out: f32,
    /// Which of them are.
    pub label_seed: u64,
}

/// What the data set of a folder or file is called.
pub fn name(path: &Path) -> String {
    let real = dunce::canonicalize(path);
    let path = real.as_deref().unwrap_or(path);
    let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
    name.map_or_else(|| "images".into(), |name| name.to_string_lossy().into_owned())
}

/// Reads the images, tells `progress` what was found, and makes a data set to train on of them.
///
/// # Errors
/// [`Error::Data`] for images and labels that cannot be trained on, saying what to do; [`Error::Text`] for a mistake in a file
/// of labels; [`Error::Usage`]; [`Error::Io`].
pub fn load(own: &Own, progress: &mut dyn Listener) -> Result<Dataset> {
    let set = read(own, true, Purpose::Training, progress)?;
    let notes = set.notes.clone();
    let set = dataset(set, own, progress)?;
    notes.iter().for_each(|note| progress.note(note));
    Ok(set)
}

/// Reads the images with their paths, with or without labels.
///
/// # Errors
/// As [`load()`].
pub fn look(own: &Own, progress: &mut dyn Listener) -> Result<ImageSet> {
    read(own, false, Purpose::Training, progress)
}

/// Reads the images to be looked at: with or without labels, and none held out. Equal pictures are told as training does.
///
/// # Errors
/// As [`load()`].
pub fn show(own: &Own, progress: &mut dyn Listener) -> Result<Dataset> {
    let mut set = look(own, progress)?;
    set.keep_parts_apart();
    set.notes.iter().for_each(|note| progress.note(note));
    let shape = DataShape { image: set.policy.dims(), classes: set.class_names.len() as u32 };
    let (train, test, class_names) = parts(set, progress);
    Dataset::with_classes(name(&own.path), shape, class_names, train, test)
}

/// Reads images to test a model on that knows these classes: those of `test/` with a label, else those of `val/`, and that they
/// are, else all with a label.
///
/// # Errors
/// As [`load()`]; [`Error::Data`] for a class that the model does not know, and if no image has a label.
pub fn load_test(
    path: &Path,
    policy: Policy,
    classes: &[String],
    progress: &mut dyn Listener,
) -> Result<(Dataset, bool)> {
    let own = Own { path: path.into(), choice: Choice::prescribed(policy), hold_out: 0.0, label_seed: 1 };
    let mut set = read(&own, false, Purpose::Testing, progress)?;
    let part = set.tested_part();
    let mut images = std::mem::take(set.part_mut(part.unwrap_or(Part::Train)));
    let known = of_model(&set.class_names, classes);
    for label in &mut images.labels {
        let Some(class) = label.map(usize::from) else { continue };
        *label = Some(known[class].ok_or_else(|| {
            let (path, name, known) = (path.display(), &set.class_names[class], classes.join(", "));
            Error::Data(format!("{path}: the model does not know the class {name}; its classes are {known}"))
        })?);
    }
    let shape = DataShape { image: policy.dims(), classes: classes.len() as u32 };
    let test = labelled(images);
    if test.is_empty() {
        return Err(Error::Data(format!("{}: no image to test on has a label", path.display())));
    }
    let data = Dataset::with_classes(name(path), shape, classes.to_vec(), Split::default(), test)?;
    Ok((data, part.is_some()))
}

/// Which of a model's classes each of these names is; `None` where it does not know it.
pub fn of_model(names: &[String], classes: &[String]) -> Vec<Option<u16>> {
    // Models of earlier versions have names as they were stored.
    let mut known: HashMap<String, u16> = HashMap::with_capacity(classes.len());
    for (own, class) in classes.iter().zip(0..) {
        known.entry(class_name(own)).or_insert(class);
    }
    names.iter().map(|name| known.get(&class_name(name)).copied()).collect()
}

/// Unpacks the images, or looks through the folder and decodes what is in it.
fn read(own: &Own, trains: bool, purpose: Purpose, progress: &mut dyn Listener) -> Result<ImageSet> {
    if let Some(mut opened) = packed::read(&own.path)? {
        if trains {
            check_packed(own, &opened)?;
            opened.set.check_labels_stay()?;
            opened.set.keep_parts_apart();
        }
        return as_chosen(opened.set, own);
    }
    let found = scan::scan(&found::Request { path: own.path.clone(), purpose, ..Default::default() })?;
    if trains {
        found.check_for_training()?;
    }
    progress.note(&Summary::of(&found).to_string());
    let folder = cache::dir().ok().map(|dir| dir.join("images"));
    let loading = Loading { choice: own.choice, broken: Broken::Refuse, cache: folder.as_deref() };
    let mut set =
        load::load(&found, &loading, &mut |done, of| progress.counted("reading the images", done, of))?;
    if trains {
        set.part_duplicates()?;
    } else if let Some(reason) = set.contradiction() {
        set.notes.push(format!("`train` refuses {reason}"));
    } else if purpose == Purpose::Training
        && let Err(e) = set.check_labels_stay()
    {
        set.notes.push(format!("`train` refuses this: {e}"));
    }
    Ok(set)
}

/// Whether a classifier can be trained on packed images.
fn check_packed(own: &Own, opened: &Opened) -> Result<()> {
    let Opened { set, table, .. } = opened;
    let n = set.train.len();
    let none = || match table {
        Some(table) => {
            format!("{n} images, and no label for any of them in {}: fill it in", table.path.display())
        }
        None => {
            let path = shell_word(&own.path);
            format!("{n} images, and no label for any of them: `ssgan pick {path}` says which to begin with")
        }
    };
    let labels = set.train.labels.iter().copied();
    let others = "label some; if images to test on have these labels under other names than yours, name them in the table too";
    found::check_classes(&own.path.display().to_string(), &set.class_names, labels, none, others)
}

/// Packed images are taken as they are: another size, or other channels, are refused.
fn as_chosen(set: ImageSet, own: &Own) -> Result<ImageSet> {
    let Choice { size, channels, .. } = own.choice;
    let is = set.policy;
    if size.is_none_or(|size| size == (is.height, is.width))
        && channels.is_none_or(|channels| channels == is.channels)
    {
        return Ok(set);
    }
    Err(Error::Usage(format!(
        "{}: packed images are taken as they are, which is {}: write them out as files to give them another size",
        own.path.display(),
        is.dims()
    )))
}

/// The images to learn from, those to test on, which are those of [`ImageSet::tested_part`] with a label, and the names of the
/// classes.
fn parts(set: ImageSet, progress: &mut dyn Listener) -> (Split, Split, Vec<String>) {
    let (tested, size) = (set.tested_part(), set.policy.dims().len() as usize);
    let mut train = Split { images: set.train.pixels.into(), labels: set.train.labels };
    let mut test = Split::default();
    if tested == Some(Part::Validation) && !set.test.is_empty() {
        progress.note("no image of test has a label: those of val are tested on");
    }
    for (part, images) in [(Part::Validation, set.validation), (Part::Test, set.test)] {
        let (is_tested, name) = (tested == Some(part), part.name());
        let loses_labels = !is_tested && images.labels.iter().any(Option::is_some);
        let pixels = if is_tested {
            let others = unlabelled(&images, size);
            test = labelled(images);
            others
        } else {
            images.pixels
        };
        let n = pixels.len() / size;
        if n == 0 {
            continue;
        }
        progress.note(&match loses_labels {
            true => format!("the {n} images of {name} are learnt from without their labels"),
            false => format!("{n} images of {name} without a label are learnt from"),
        });
        train.labels.extend(std::iter::repeat_n(None, n));
        Arc::make_mut(&mut train.images).extend(pixels);
    }
    (train, test, set.class_names)
}

/// A data set to train on: where there is nothing to test on, some of the labels are held out.
fn dataset(set: ImageSet, own: &Own, progress: &mut dyn Listener) -> Result<Dataset> {
    let shape = DataShape { image: set.policy.dims(), classes: set.class_names.len() as u32 };
    let (train, test, class_names) = parts(set, progress);
    let data = Dataset::with_classes(name(&own.path), shape, class_names, train, test)?;
    if !data.test.is_empty() {
        return Ok(data);
    }
    let given = data.train.labels_given();
    let data = data.hold_out(own.hold_out.into(), own.label_seed)?;
    progress.note(&match data.tested {
        Tested::HeldOut => {
            let held_out = data.test.len();
            let others = match given - held_out - data.train.labels_given() {
                0 => "the others are learnt from".to_string(),
                n => format!("the others are learnt from, but for {n} of the same pictures"),
            };
            format!("{held_out} of the {given} labels are held out to estimate the accuracy; {others}")
        }
        Tested::Apart => {
            "no class has enough labels to hold one out: the test accuracy will not be known".into()
        }
    });
    untested(&data).iter().for_each(|note| progress.note(note));
    Ok(data)
}

/// What the estimate says nothing of, where some labels are held out.
fn untested(data: &Dataset) -> Option<String> {
    let mut held_out = vec![false; data.class_names.len()];
    data.test.labels.iter().flatten().for_each(|label| held_out[usize::from(*label)] = true);
    let without = data.class_names.iter().zip(&held_out).filter(|(_, held_out)| !**held_out);
    let names = some(without.map(|(name, _)| name.clone()), 5);
    let some = data.tested == Tested::HeldOut && !names.is_empty();
    some.then(|| format!("too few labels to hold one out, so that the estimate says nothing of: {names}"))
}

/// The images that have a label.
fn labelled(mut images: Images) -> Split {
    let gone: Vec<bool> = images.labels.iter().map(Option::is_none).collect();
    images.remove(&gone);
    Split { images: images.pixels.into(), labels: images.labels }
}

/// The pixels of the images that have none, of `size` bytes each.
fn unlabelled(images: &Images, size: usize) -> Vec<u8> {
    let all = images.pixels.chunks_exact(size).zip(&images.labels);
    let without: Vec<&[u8]> = all.filter(|(_, label)| label.is_none()).map(|(pixels, _)| pixels).collect();
    without.concat()
}
