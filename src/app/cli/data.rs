//! `ssgan data fetch|info|preview`.

use super::args::{DataArgs, OwnArgs, SpeechArgs};
use super::flags::whole;
use super::load;
use super::output::{self, Kind};
use crate::app::report::grid;
use crate::app::report::table::{Align, Table};

use crate::app::source::{self, Counts, DIGITS, Request};
use crate::data::Dataset;
use crate::error::{Error, Result};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Download a data set into the cache folder and check it
    Fetch {
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        speech: SpeechArgs,
    },
    /// Count a data set's images and classes, or those of your own images
    Info {
        #[command(flatten)]
        own: OwnArgs,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        speech: SpeechArgs,
    },
    /// Draw the first images of a data set, or of your own as a network sees them, into a PNG file
    Preview {
        #[command(flatten)]
        own: OwnArgs,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        speech: SpeechArgs,
        /// Picture to write
        #[arg(long, value_name = "FILE", default_value = "preview.png")]
        out: PathBuf,
        /// Images in the picture, in a square
        #[arg(long, default_value_t = 100, value_parser = whole(1, 10_000), allow_negative_numbers = true)]
        count: u32,
        /// Show test images instead of training images
        #[arg(long)]
        test: bool,
    },
}

pub fn run(args: &Args) -> Result<()> {
    match &args.command {
        Command::Fetch { data, speech } => fetch(data, speech),
        Command::Info { own, data, speech } => info(&read(own, data, speech)?, speech),
        Command::Preview { own, data, speech, out, count, test } => {
            output::check_file(out, Kind::Picture)?;
            output::check_apart(out, own.data.as_deref())?;
            preview(&read(own, data, speech)?, speech, out, *count, *test)
        }
    }
}

fn request(args: &DataArgs) -> Result<Request> {
    load::request(args.dataset.as_deref().unwrap_or(DIGITS), args.data_dir.as_deref(), args.offline)
}

fn read(own: &OwnArgs, args: &DataArgs, speech: &SpeechArgs) -> Result<Dataset> {
    let mut progress = speech.progress();
    match own.images()? {
        Some(own) => source::own::show(&own, &mut progress),
        None => source::load(&request(args)?, &mut progress),
    }
}

fn fetch(args: &DataArgs, speech: &SpeechArgs) -> Result<()> {
    if let Some(dir) = &args.data_dir {
        return Err(Error::Usage(format!(
            "--data-dir {}: downloads go to the cache folder, which SSGAN_CACHE_DIR names; leave it out",
            dir.display()
        )));
    }
    let request = request(args)?;
    let folder = source::fetch(&request, &mut speech.progress())?;
    if speech.json {
        return output::print_json(
            &serde_json::json!({ "dataset": request.dataset, "folder": folder.as_deref().map(output::path) }),
        );
    }
    output::print(&match folder {
        Some(folder) => format!("{} is complete in {}\n", request.dataset, folder.display()),
        None => format!("{} is drawn by the program; there is nothing to download\n", request.dataset),
    })
}

fn info(set: &Dataset, speech: &SpeechArgs) -> Result<()> {
    let info = source::info(set);
    if speech.json {
        return output::print_json(&info);
    }
    let [height, width, channels] = info.image;
    let mut table = Table::new(&[("class", Align::Left), ("train", Align::Right), ("test", Align::Right)]);
    for (class, (train, test)) in
        info.class_names.iter().zip(info.train.per_class.iter().zip(&info.test.per_class))
    {
        table.row([class.clone(), train.to_string(), test.to_string()]);
    }
    let unlabelled = info.train.images - info.train.per_class.iter().sum::<usize>();
    if unlabelled > 0 {
        table.row(["unlabelled".into(), unlabelled.to_string(), "0".into()]);
    }
    table.rule();
    table.row(["images".into(), info.train.images.to_string(), info.test.images.to_string()]);
    let number = |split: &Counts, v: f64| if split.images > 0 { format!("{v:.4}") } else { "-".into() };
    let row = |name: &str, of: fn(&Counts) -> f64| {
        let [train, test] = [&info.train, &info.test].map(|split| number(split, of(split)));
        [name.to_string(), train, test]
    };
    table.row(row("mean intensity", |split| split.mean));
    table.row(row("deviation", |split| split.std));
    output::print(&format!(
        "{}: images {channels}x{height}x{width}, {}\nfingerprint {}\n\n{table}",
        info.name,
        if info.classes == 1 { "1 class".into() } else { format!("{} classes", info.classes) },
        info.fingerprint
    ))
}

fn preview(set: &Dataset, speech: &SpeechArgs, out: &std::path::Path, count: u32, test: bool) -> Result<()> {
    let split = if test { &set.test } else { &set.train };
    if test && split.is_empty() {
        return Err(Error::Data(format!("{} has no test images: leave out --test", set.name)));
    }
    let count = split.len().min(count as usize);
    let image = set.shape.image;
    output::check_grid(count, image)?;
    let pixels = &split.images[..count * image.len() as usize];
    grid::grid_of_bytes(pixels, image).save(out)?;
    if output::is_standard_output(out) {
        return Ok(());
    }
    if speech.json {
        return output::print_json(&serde_json::json!({ "dataset": set.name, "picture": output::path(out) }));
    }
    output::print(&format!("{}\n", out.display()))
}
