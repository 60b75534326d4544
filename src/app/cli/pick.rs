//! `ssgan pick`.

use super::args::SpeechArgs;
use super::flags::whole;
use super::output::{self, Kind};
use crate::app::label::First;
use crate::app::label::inputs::way;
use crate::app::report::progress::Progress;
use crate::app::source::images::Part;
use crate::app::source::images::found::{LABEL_FILES, TABLE};
use crate::app::source::images::policy::Choice;
use crate::app::source::images::set::ImageSet;
use crate::app::source::own::{self, Own};
use crate::app::source::packed::{self, Opened, Table};
use crate::app::text::{count, shell_word};
use crate::error::{Error, Result};
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of your images, with or without labels; or packed images (.npz, CIFAR, IDX)
    #[arg(value_name = "IMAGES")]
    images: PathBuf,
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
    let table = is_table(&args.out);
    output::check_file(&args.out, if table { Kind::Table } else { Kind::Page })?;
    let mut progress = args.speech.progress();
    let from = match packed::read(&args.images)? {
        Some(opened) => Stock::packed(args, opened)?,
        None => Stock::folder(&args.images, &mut progress)?,
    };
    let set = &from.set;
    set.notes.iter().for_each(|note| progress.note(note));
    let what = format!("choosing among {}", count(set.train.len() as u32, "image"));
    let first = progress.during(&what, || First::choose(set, args.count as usize, args.seed))?;
    match table {
        true => first.write_table(&args.out)?,
        false => first.write_page(&args.images, (&from.table, &from.whole), &args.out)?,
    }
    drop(progress);
    report(args, &first, &from, table)
}

/// What is picked from.
struct Stock {
    set: ImageSet,
    /// Where the labels belong.
    table: PathBuf,
    /// Names of files whose place they take.
    replaced: &'static [&'static str],
    /// What is trained on then.
    whole: PathBuf,
}

impl Stock {
    fn folder(folder: &Path, progress: &mut Progress) -> Result<Stock> {
        if folder.is_file() {
            let path = folder.display();
            return Err(Error::Usage(format!("{path} is a file: give the folder of the images")));
        }
        let own = Own { path: folder.into(), choice: Choice::default(), hold_out: 0.0, label_seed: 1 };
        let set = own::look(&own, progress)?;
        check_own(folder, &set)?;
        check_parts(folder, &set)?;
        let (table, whole) = (folder.join(TABLE), whole_set(folder).into());
        Ok(Stock { set, table, replaced: &LABEL_FILES, whole })
    }

    /// The labels of packed images belong to the table that names them, else into their folder or beside their one file, and name
    /// their places from there.
    fn packed(Args { images: path, out, .. }: &Args, opened: Opened) -> Result<Stock> {
        let Opened { at, mut set, table } = opened;
        if let Some(Table { path, parts }) = &table
            && parts.iter().any(|part| *part != Part::Train)
        {
            return Err(Error::Usage(format!(
                "{} has images to test on too, which another one would lose: let `ssgan label --next` say what to label next",
                path.display()
            )));
        }
        if set.train.labels.iter().all(Option::is_some) {
            return Err(Error::Data(format!("{}: every image to learn from has a label", path.display())));
        }
        let [home, own] = packed::tables(&at, &set.name);
        let usual = match table {
            Some(table) => table.path,
            // What has its name is of other images.
            None if home.exists() => own,
            None => home,
        };
        let beside_it = is_table(out) && same(&folder_of(out), &folder_of(&usual));
        let table = if beside_it { out.clone() } else { usual };
        let real = |path: &Path| dunce::canonicalize(path).map_err(Error::io("read", path));
        let here = way(&real(&folder_of(&table))?, &real(&at)?);
        let here = |place: &PathBuf| here.join(place);
        set.train.paths.iter_mut().for_each(|place| *place = here(place));
        set.no_label = set.no_label.iter().map(here).collect();
        Ok(Stock { set, whole: table.clone(), table, replaced: &[] })
    }
}

fn is_table(file: &Path) -> bool {
    file.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"))
}

/// A file's folder, which may be the one that the program runs in.
fn folder_of(file: &Path) -> PathBuf {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).into()
}

/// Refuses a folder whose labels.csv lists images that lie elsewhere: another one in its place would lose those that it does not
/// list.
fn check_own(folder: &Path, set: &ImageSet) -> Result<()> {
    let is_elsewhere = |path: &PathBuf| path.is_absolute() || path.starts_with("..");
    match set.train.paths.iter().any(is_elsewhere) {
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

fn report(args: &Args, first: &First, from: &Stock, table: bool) -> Result<()> {
    if output::is_standard_output(&args.out) {
        return Ok(());
    }
    let images = from.set.train.len();
    if args.speech.json {
        return output::print_json(&Document { file: output::path(&args.out), of: images, first });
    }
    let n = first.images.len();
    let stand: f64 = first.images.iter().map(|image| image.share).sum();
    let mut text = format!("{} of {images} to label first", count(n as u32, "image"));
    text += &match first.labelled.len() {
        0 => "\n".into(),
        labels => format!(
            ", which {:.0} % look like; {:.0} % look like one that {}has one of the {} already, which come along\n",
            100.0 * stand,
            100.0 * first.like_labelled,
            if first.no_label.is_empty() { "" } else { "was given no label or " },
            count(labels as u32, "label")
        ),
    };
    if n < args.count as usize && n + first.labelled.len() + first.no_label.len() + first.unnamed < images {
        text += "no more look different; colour and brightness are not compared\n";
    }
    if first.unnamed > 0 {
        text += &format!("{} passed over, whose name is not Unicode\n", count(first.unnamed as u32, "image"));
    }
    let (file, there) = (args.out.display(), &from.table);
    text += &match table {
        true if same(&args.out, there) => format!("fill in the column label of {file}\n"),
        true => format!("fill in the column label of {file}, and make it {}\n", there.display()),
        false => format!("open {file} in a browser, label them, and save {}\n", there.display()),
    };
    let others = from.replaced.iter().map(|name| there.with_file_name(name)).chain([there.clone()]);
    if let Some(other) = others.into_iter().find(|f| f.is_file() && !same(f, &args.out)) {
        text += &format!("it takes the place of {}: move that away\n", other.display());
    }
    output::print(&format!("{text}next:\n  ssgan train {}\n", shell_word(&from.whole)))
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
