//! `ssgan trace-step`.

use super::args::{SettingsArgs, SpeechArgs};
use super::flags::whole;
use super::load::{self, adapter_line};
use super::output::{self, Kind};
use crate::app::run::adapter::asked;
use crate::app::run::checkpoint::save_with;
use crate::app::text::count;
use crate::error::{Error, Result};
use crate::model::shape::{ModelShape, NetShape};
use crate::native::{self, BlockOn};
use crate::train::settings::{Method, Settings};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(mut_arg("tune", |tune| tune.hide(true)))]
pub struct Args {
    /// Step to trace, counted from 1; the ones before it are run first
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole(1, u32::MAX), allow_negative_numbers = true)]
    step: u32,
    /// File to write (safetensors)
    #[arg(long, value_name = "FILE", default_value = "step.safetensors")]
    out: PathBuf,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    speech: SpeechArgs,
}

pub fn run(args: &Args) -> Result<()> {
    if args.settings.tune.tune.is_some() {
        return Err(Error::Usage("--tune: a traced step takes the table's tiles; leave it out".into()));
    }
    output::check_file(&args.out, Kind::Trace)?;
    let resolved = args.settings.resolve()?;
    let s = &resolved.settings;
    let mut progress = args.speech.progress();
    let set = load::dataset(s, &mut progress)?;
    let model = resolved.shaped(set.shape)?;
    let gpu = native::open(&asked(s.adapter_choice()))?;
    let file = args.out.display();
    progress.note(&format!("{file} will have about {} MB", size(&model, &s.train).div_ceil(1_000_000)));
    let what = format!("training {}, {}", count(args.step, "step"), adapter_line(&gpu));
    let trace = progress
        .during(&what, || crate::train::trace_step(&gpu, &model, &s.train, &set, args.step - 1).block_on())?;
    let texts = BTreeMap::from([
        ("model_toml".to_string(), resolved.model_toml.clone()),
        ("config_toml".to_string(), resolved.config_toml()?),
    ]);
    save_with(&trace, &texts, &args.out)?;
    if let Some(broken) = trace.tensors.iter().find(|t| !t.is_finite()) {
        let file = args.out.display();
        return Err(Error::Diverged(format!(
            "step {}: {} is not finite: training has diverged; {file} shows where it begins",
            args.step, broken.name
        )));
    }
    if output::is_standard_output(&args.out) {
        return Ok(());
    }
    if args.speech.json {
        let names: Vec<&str> = trace.tensors.iter().map(|t| t.name.as_str()).collect();
        return output::print_json(
            &serde_json::json!({ "file": output::path(&args.out), "step": args.step, "tensors": names }),
        );
    }
    output::print(&format!("{}: step {}, {} tensors\n", args.out.display(), args.step, trace.tensors.len()))
}

/// About how many bytes the file has: parameters, Adam's moments and averages before and after, gradients, and for each image
/// of each pass the outputs of the layers and what belongs to them (draws, gradients).
fn size(model: &ModelShape, s: &Settings) -> u64 {
    let of = |net: &NetShape| -> (u64, u64) {
        let outputs = net.layers.iter().map(|l| u64::from(l.output.len())).sum::<u64>();
        (net.parameters() as u64, outputs + u64::from(net.input.len()))
    };
    let ((d, d_row), (g, g_row)) = (of(&model.discriminator), of(&model.generator));
    let g = if s.has_generator() { g } else { 0 };
    let rows = u64::from(s.batch_size);
    let parameters = 2 * (4 * d + 3 * g);
    let values = match s.method {
        Method::Supervised => parameters + d + 2 * rows * d_row,
        // D sees labelled, unlabelled (twice with the consistency term) and generated images, then in G's step generated ones
        // beside unlabelled ones.
        Method::Ssl => {
            let second = if s.consistency_weight > 0.0 { 1 } else { 0 };
            let (seen, made) = if s.has_generator() { (5 + second, 3) } else { (2 + second, 0) };
            parameters + d + g + rows * (seen * d_row * 3 / 2 + made * g_row)
        }
    };
    4 * values
}
