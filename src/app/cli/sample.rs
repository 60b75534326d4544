//! `ssgan sample`.

use super::args::{AdapterArgs, SpeechArgs};
use super::flags::whole;
use super::load::{LoadedModel, adapter_line};
use super::output::{self, Kind};
use crate::app::report::grid;
use crate::app::run::checkpoint::in_file;
use crate::app::text::count;
use crate::error::Result;
use crate::native::{self, BlockOn};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Run folder (its newest checkpoint) or checkpoint file
    #[arg(value_name = "RUN|CHECKPOINT")]
    trained: PathBuf,
    /// Picture to write
    #[arg(long, value_name = "FILE", default_value = "grid.png")]
    out: PathBuf,
    /// Images in the picture, in a square
    #[arg(long, default_value_t = 100, value_parser = whole(1, 10_000), allow_negative_numbers = true)]
    count: u32,
    /// Seed of the latent vectors
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    adapter: AdapterArgs,
    #[command(flatten)]
    speech: SpeechArgs,
}

pub fn run(args: &Args) -> Result<()> {
    output::check_file(&args.out, Kind::Picture)?;
    let trained = LoadedModel::load(&args.trained)?;
    trained.has_generator()?;
    output::check_apart(&args.out, trained.images())?;
    output::check_grid(args.count as usize, trained.model.data.image)?;
    let gpu = native::open(&args.adapter.choice())?;
    let what = format!("drawing {}, {}", count(args.count, "image"), adapter_line(&gpu));
    let images = args
        .speech
        .progress()
        .during(&what, || {
            crate::train::sample(&gpu, &trained.model, &trained.checkpoint, args.count, args.seed).block_on()
        })
        .map_err(in_file(&trained.path))?;
    grid::grid(&images, trained.model.data.image).save(&args.out)?;
    if output::is_standard_output(&args.out) {
        return Ok(());
    }
    if args.speech.json {
        let result = serde_json::json!({
            "checkpoint": output::path(&trained.path), "picture": output::path(&args.out),
            "count": args.count, "seed": args.seed,
        });
        return output::print_json(&result);
    }
    output::print(&format!("{}\n", args.out.display()))
}
