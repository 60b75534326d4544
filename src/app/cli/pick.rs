//! `ssgan pick`.

use super::args::SpeechArgs;
use super::flags::whole;
use super::output::{self, Kind};
use crate::app::label::First;
use crate::app::source::images::Part;
use crate::app::source::images::load::Choice;
use crate::app::source::images::scan::LABEL_FILES;
use crate::app::source::images::set::ImageSet;
use crate::app::source::own::{self, Own};
use crate::app::source::packed;
use crate::app::text::{count, shell_word};
use crate::error::{Error, Result};
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of your images, with or without labels
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// What to write: a page to label the images on (.html), which saves labels.csv, or that table to fill in (.csv)
    #[arg(long, value_name = "FILE", default_value = "pick.html")]
    out: PathBuf,
    /// How many images to label
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = whole(1, 1000), allow_negative_numbers = true)]
    count: u32,
    /// Seed of where the clusters begin: another one chooses others
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    speech: SpeechArgs,
}

pub fn run(args: &Args) -> Result<()> {
    let table = args.out.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
    output::check_file(&args.out, if table { Kind::Table } else { Kind::Page })?;
    let mut progress = args.speech.progress();
    check_folder(&args.folder)?;
    let own = Own { path: args.folder.clone(), choice: Choice::default(), hold_out: 0.0, label_seed: 1 };
    let set = own::look(&own, &mut progress)?;
    check_own(&args.folder, &set)?;
    check_parts(&args.folder, &set)?;
    set.notes.iter().for_each(|note| progress.note(note));
    let what = format!("choosing among {}", count(set.train.len() as u32, "image"));
    let first = progress.during(&what, || First::choose(&set, args.count as usize, args.seed))?;
    match table {
        true => first.write_table(&args.out)?,
        false => first.write_page(&args.folder, &args.out)?,
    }
    drop(progress);
    report(args, &first, set.train.len(), table)
}

/// Refuses what no file of labels can be put into.
fn check_folder(folder: &Path) -> Result<()> {
    let path = folder.display();
    if folder.exists() && packed::read(folder)?.is_some() {
        return Err(Error::Usage(format!(
            "{path}: packed images have no names for a file of labels: write them out as files"
        )));
    }
    match folder.is_file() {
        true => Err(Error::Usage(format!("{path} is a file: give the folder of the images"))),
        false => Ok(()),
    }
}

/// Refuses a folder whose labels.csv lists images that lie elsewhere: another one in its place would lose those that it does not
/// list.
fn check_own(folder: &Path, set: &ImageSet) -> Result<()> {
    let elsewhere = |path: &PathBuf| path.is_absolute() || path.starts_with("..");
    match set.train.paths.iter().any(elsewhere) {
        true => Err(Error::Usage(format!(
            "{}: its images lie elsewhere: give their folder, or let `ssgan label --next` say what to label next",
            folder.display()
        ))),
        false => Ok(()),
    }
}

/// Refuses a folder with parts: a file of labels for all of it would make training images of the others.
fn check_parts(folder: &Path, set: &ImageSet) -> Result<()> {
    if set.test.is_empty() && set.validation.is_empty() {
        return Ok(());
    }
    let (path, train) = (folder.display(), folder.join("train"));
    let advice = match train.is_dir() {
        true => format!("give {} instead", train.display()),
        false => "give a folder with those to learn from alone".into(),
    };
    Err(Error::Usage(format!(
        "{path} has images to test on too, which labels.csv would mix with the others: {advice}"
    )))
}

fn report(args: &Args, first: &First, images: usize, table: bool) -> Result<()> {
    if args.speech.json {
        return output::print_json(&Document { file: output::path(&args.out), of: images, first });
    }
    let n = first.images.len();
    let stand: f64 = first.images.iter().map(|image| image.share).sum();
    let mut text = format!("{} of {images} to label first", count(n as u32, "image"));
    text += &match first.labelled.len() {
        0 => "\n".into(),
        labels => format!(
            ", which {:.0} % look like; the others look like one of those that have {} already, which come along\n",
            100.0 * stand,
            count(labels as u32, "label")
        ),
    };
    if n < args.count as usize && n + first.labelled.len() + first.unnamed < images {
        text += "no more look different; colour and brightness are not compared\n";
    }
    if first.unnamed > 0 {
        text += &format!("{} passed over, whose name is not Unicode\n", count(first.unnamed as u32, "image"));
    }
    let (file, there) = (args.out.display(), args.folder.join("labels.csv"));
    text += &match table {
        true if same(&args.out, &there) => format!("fill in the column label of {file}\n"),
        true => format!("fill in the column label of {file}, and make it {}\n", there.display()),
        false => format!("open {file} in a browser, label them, and save {}\n", there.display()),
    };
    let other = LABEL_FILES
        .map(|name| args.folder.join(name))
        .into_iter()
        .find(|f| f.is_file() && !same(f, &args.out));
    if let Some(other) = other {
        text += &format!("it takes the place of {}: move that away\n", other.display());
    }
    output::print(&format!("{text}next:\n  ssgan train {}\n", shell_word(whole_set(&args.folder))))
}

/// Whether both are the same file, which is there.
fn same(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| dunce::canonicalize(path).ok();
    real(a).is_some_and(|a| Some(a) == real(b))
}

/// The folder to train on: of `photos/train`, whose images are a part, `photos`.
fn whole_set(folder: &Path) -> &Path {
    let is_part =
        folder.file_name().and_then(|name| name.to_str()).is_some_and(|name| Part::named(name).is_some());
    match folder.parent() {
        Some(parent) if is_part && parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) if is_part => parent,
        _ => folder,
    }
}

/// The JSON document.
#[derive(Serialize)]
struct Document<'a> {
    file: String,
    of: usize,
    #[serde(flatten)]
    first: &'a First,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_trained_on_together() {
        for (folder, whole) in
            [("photos", "photos"), ("photos/train", "photos"), ("train", "."), ("a/Train/", "a")]
        {
            assert_eq!(whole_set(Path::new(folder)), Path::new(whole), "{folder}");
        }
    }
}
