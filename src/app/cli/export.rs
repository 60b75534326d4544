//! `ssgan export`.

use super::load::LoadedModel;
use super::output::{self, Kind};
use crate::app::atomic;
use crate::app::export::onnx::{self, IMAGES, LOGITS, OPSET, Origin, PROBABILITIES};
use crate::app::run::checkpoint::in_file;
use crate::app::text;
use crate::error::Result;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Run folder (its newest checkpoint) or checkpoint file
    #[arg(value_name = "RUN|CHECKPOINT")]
    trained: PathBuf,
    /// ONNX model to write
    #[arg(long, value_name = "FILE")]
    onnx: PathBuf,
    /// Use the moving average of the parameters
    #[arg(long)]
    averaged: bool,
    /// Print the result as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<()> {
    output::check_file(&args.onnx, Kind::Onnx)?;
    let trained = LoadedModel::load(&args.trained)?;
    let (path, model) = (&trained.path, &trained.model);
    let origin = Origin {
        averaged: args.averaged,
        class_names: trained.class_names.clone(),
        checkpoint_sha256: text::sha256(path)?,
        // None for images that no picture file becomes, of two channels or four.
        policy: trained.policy().ok(),
    };
    let bytes = onnx::encode(&trained.checkpoint, model, &origin).map_err(in_file(path))?;
    atomic::write(&args.onnx, &bytes)?;
    if output::is_standard_output(&args.onnx) {
        return Ok(());
    }
    let image = model.data.image;
    if args.json {
        return output::print_json(&serde_json::json!({
            "checkpoint": output::path(path), "checkpoint_sha256": origin.checkpoint_sha256,
            "file": output::path(&args.onnx), "bytes": bytes.len(), "opset": OPSET,
            "model": model.name, "dataset": trained.dataset, "averaged": args.averaged,
            "input": { "name": IMAGES, "type": "uint8", "shape": ["N", image.height, image.width, image.channels] },
            "outputs": [LOGITS, PROBABILITIES], "class_names": origin.class_names,
        }));
    }
    let what = if args.averaged { " (averaged parameters)" } else { "" };
    output::print(&format!(
        "{}: {} of {}{what}, {} KiB, opset {OPSET}\ninput {IMAGES}: uint8 [N, {}, {}, {}]; outputs {LOGITS} and \
         {PROBABILITIES}: float [N, {}]\n",
        args.onnx.display(),
        model.name,
        trained.dataset,
        bytes.len().div_ceil(1024),
        image.height,
        image.width,
        image.channels,
        model.data.classes
    ))
}
