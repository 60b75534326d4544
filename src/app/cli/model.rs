//! `ssgan model`.

use super::flags::declared;
use super::output;
use crate::app::augment::Augment;
use crate::app::model_file::{self, Changes};
use crate::app::report::table::Table;
use crate::app::text::grouped;
use crate::error::{Error, Result};
use crate::model::parse;
use crate::model::shape::{DataShape, Dims};
use crate::model::summary::{ModelSummary, NetSummary};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "NAME|PATH", help = model_file::models_help())]
    model: String,
    #[arg(long, value_name = "NAME|PATH", help = model_file::generators_help())]
    generator: Option<String>,
    /// Random maps that the discriminator sees images under, in place of the model's own: none, or some of flip, shift, affine
    #[arg(long, value_parser = declared::<Augment>("augment"), value_name = "MAPS")]
    augment: Option<Augment>,
    /// Shape of one image: channels x height x width
    #[arg(long, value_name = "CxHxW", default_value = "1x28x28")]
    image: String,
    /// Number of classes
    #[arg(long, value_name = "K", default_value_t = 10)]
    classes: u32,
    /// Print the summary as one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let data = DataShape { image: image(&args.image)?, classes: args.classes };
    let (spec, source) = model_file::load_with(
        &args.model,
        Changes { generator: args.generator.as_deref(), augment: args.augment.as_ref(), side: None },
    )?;
    let name = match &args.generator {
        Some(generator) => format!("{} with the generator of {generator}", args.model),
        None => args.model.clone(),
    };
    let summary = ModelSummary::new(&parse::check(&spec, &source, &name, data)?);
    if args.json { output::print_json(&summary) } else { output::print(&text(&summary)) }
}

fn image(text: &str) -> Result<Dims> {
    let most = |d: &Dims| d.channels <= 16 && d.height.max(d.width) <= 4096;
    Dims::parse(text).filter(most).ok_or_else(|| {
        Error::Usage(format!(
            "--image {text:?}: write channels x height x width, such as 3x32x32 (at most 16x4096x4096)"
        ))
    })
}

fn text(s: &ModelSummary) -> String {
    let d = net(&s.discriminator, "discriminator");
    let g = net(&s.generator, "generator");
    format!("{}: images {}, {} classes\n\n{d}\n{g}", s.model, s.image, s.classes)
}

fn net(net: &NetSummary, name: &str) -> Table {
    let mut table = Table::of(&[name], &["output", "parameters", "FLOPs/image"], &[]);
    table.row(["input".into(), net.input.clone()]);
    for l in &net.layers {
        let name = if l.feature { format!("{} (features)", l.layer) } else { l.layer.to_string() };
        table.row([name, l.output.clone(), grouped(l.parameters as u64), grouped(l.flops)]);
    }
    table.rule();
    table.row(["total".into(), String::new(), grouped(net.parameters as u64), grouped(net.flops)]);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digit_groups() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn image_shapes() {
        assert_eq!(image("3x32x31").unwrap(), Dims { height: 32, width: 31, channels: 3 });
        for bad in ["", "28x28", "0x1x1", "1x28x28x1", "1xax2", "1x9999999999x2", "1x5000x1", "17x2x2"] {
            assert_eq!(image(bad).unwrap_err().exit_code(), 2, "{bad:?}");
        }
    }
}
