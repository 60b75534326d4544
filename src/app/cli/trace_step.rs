//! `ssgan trace-step`.

use super::args::{SettingsArgs, SpeechArgs};
use super::load;
use super::output::{self, Kind};
use crate::app::run::adapter::asked;
use crate::app::run::checkpoint::save_with;
use crate::error::{Error, Result};
use crate::model::parse;
use crate::native::{self, BlockOn};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Step to trace, counted from 1; the ones before it are run first
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
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
    let set = load::dataset(s, &mut args.speech.progress())?;
    let model = parse::check(&resolved.spec, &resolved.model_toml, &s.model, set.shape)?;
    let gpu = native::open(&asked(s.adapter_choice()))?;
    let trace = crate::train::trace_step(&gpu, &model, &s.train, &set, args.step - 1).block_on()?;
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
    if args.speech.json {
        let names: Vec<&str> = trace.tensors.iter().map(|t| t.name.as_str()).collect();
        return output::print_json(
            &serde_json::json!({ "file": output::path(&args.out), "step": args.step, "tensors": names }),
        );
    }
    output::print(&format!("{}: step {}, {} tensors\n", args.out.display(), args.step, trace.tensors.len()))
}
