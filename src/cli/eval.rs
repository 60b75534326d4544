//! `ssgan eval`.

use super::args::{AdapterArgs, DataArgs, SpeechArgs};
use super::load::{self, Trained};
use super::output;
use crate::data;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::report::confusion;
use crate::train::checkpoint::in_file;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Run folder (its newest checkpoint) or checkpoint file
    #[arg(value_name = "RUN|CHECKPOINT")]
    trained: PathBuf,
    /// Use the moving average of the parameters
    #[arg(long)]
    averaged: bool,
    /// Write the confusion matrix as a PNG file
    #[arg(long, value_name = "FILE")]
    confusion: Option<PathBuf>,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
    #[command(flatten)]
    speech: SpeechArgs,
}

pub fn run(args: &Args) -> Result<()> {
    let mut progress = args.speech.progress();
    if let Some(file) = &args.confusion {
        output::check_folder_of(file)?;
    }
    let trained = Trained::load(&args.trained)?;
    let name = args.data.dataset.as_deref().unwrap_or(&trained.dataset);
    let request = load::request(name, args.data.data_dir.as_deref(), args.data.offline)?;
    let set = data::load(&request, &mut progress)?;
    trained.fits(&set)?;
    if trained.checkpoint.meta("data_sha256").is_ok_and(|sha256| sha256 != set.fingerprint) {
        let (it, set) = (&trained.dataset, &set.name);
        progress.note(&format!(
            "trained on other data ({it}) than it is tested on now ({set}); --data-dir names those"
        ));
    }
    let gpu = Gpu::open(&args.adapter.choice())?;
    let result = crate::train::evaluate(&gpu, &trained.model, &trained.checkpoint, &set, args.averaged)
        .map_err(in_file(&trained.path))?;
    if let Some(path) = &args.confusion {
        confusion::picture(&result.confusion).save(path)?;
    }
    if args.speech.json {
        return output::print_json(&serde_json::json!({
            "checkpoint": output::path(&trained.path),
            "model": trained.model.name,
            "dataset": set.name,
            "averaged": args.averaged,
            "accuracy": result.accuracy,
            "loss": result.loss,
            "confusion": result.confusion,
        }));
    }
    let what = if args.averaged { " (averaged parameters)" } else { "" };
    output::print(&format!(
        "{}: {} on {}{what}\naccuracy {:.4}, loss {:.4}, {} test images\n\n{}\n{}",
        trained.path.display(),
        trained.model.name,
        set.name,
        result.accuracy,
        result.loss,
        set.test.len(),
        confusion::per_class(&result.confusion),
        confusion::table(&result.confusion),
    ))
}
