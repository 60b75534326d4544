//! `ssgan pick`.

use super::args::SpeechArgs;
use super::flags::whole;
use super::output::{self, Kind};
use crate::app::label::First;
use crate::app::source::images::load::Choice;
use crate::app::source::own::{self, Own};
use crate::app::text::count;
use crate::error::{Error, Result};
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Your images: a folder, with or without labels, or packed images (.npz, CIFAR, IDX)
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
    let table = args.out.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
    output::check_file(&args.out, if table { Kind::Table } else { Kind::Page })?;
    let mut progress = args.speech.progress();
    let own = Own { path: args.images.clone(), choice: Choice::default(), hold_out: 0.0, label_seed: 1 };
    let set = own::look(&own, &mut progress)?;
    let root = root(&args.images);
    if args.images.is_dir() && !(set.test.is_empty() && set.validation.is_empty()) {
        return Err(Error::Usage(format!(
            "{}: labels.csv would be of all its parts: give the folder of the images to learn from, such as {}",
            args.images.display(),
            args.images.join("train").display()
        )));
    }
    let what = format!("choosing {} of {}", args.count, count(set.train.len() as u32, "image"));
    let first = progress.during(&what, || First::choose(&set, args.count as usize, args.seed))?;
    match table {
        true => first.write_table(root, &args.out)?,
        false => first.write_page(&args.out)?,
    }
    drop(progress);
    report(args, &first, set.train.len(), table)
}

/// The folder that paths of images lead from.
fn root(images: &Path) -> &Path {
    match images.is_dir() {
        true => images,
        false => images.parent().unwrap_or(Path::new("")),
    }
}

fn report(args: &Args, first: &First, images: usize, table: bool) -> Result<()> {
    if args.speech.json {
        return output::print_json(&Document { file: output::path(&args.out), of: images, first });
    }
    let (file, folder) = (args.out.display(), args.images.display());
    let n = first.images.len();
    let stand: f64 = first.images.iter().map(|image| image.share).sum();
    let mut text = format!("{} of {images} to label first", count(n as u32, "image"));
    text += &match first.labelled.len() {
        0 => "\n".into(),
        // The others are like images that have a label.
        _ => format!(", which stand for {:.0} % of them\n", 100.0 * stand),
    };
    if n < args.count as usize {
        text += "no more than these look different\n";
    }
    if !first.labelled.is_empty() {
        text += &format!(
            "{} that are there already are in the table too\n",
            count(first.labelled.len() as u32, "label")
        );
    }
    text += &match table {
        true => format!("fill in the column label of {file}; it counts where it is {folder}/labels.csv\n"),
        false => format!("open {file} in a browser, label them, and save labels.csv into {folder}\n"),
    };
    output::print(&format!("{text}next:\n  ssgan train {folder}\n"))
}

/// The JSON document.
#[derive(Serialize)]
struct Document<'a> {
    file: String,
    of: usize,
    #[serde(flatten)]
    first: &'a First,
}
