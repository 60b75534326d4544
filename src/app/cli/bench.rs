//! `ssgan bench`.

use super::args::{AdapterArgs, SpeechArgs, TuneArgs, recipes};
use super::flags::whole;
use super::load::adapter_line;
use super::output::{self, Kind};
use crate::app::model_file;
use crate::app::profile::bench::{self, Timed};
use crate::app::profile::growth::{self, Axis, Point};
use crate::app::profile::{Roofs, Spread};
use crate::app::report::plot;
use crate::app::report::progress::Progress;
use crate::app::report::table::Table;
use crate::app::run::settings::with_flags;
use crate::app::run::{config, tiles};
use crate::app::source::{self, Request};
use crate::app::text::{or_unknown, percent};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::model::parse;
use crate::model::shape::{DataShape, ModelShape};
use crate::native::{self, BlockOn};
use crate::ops::{Product, Tile};
use crate::text;
use crate::train::settings::{Method, Settings};
use crate::train::{Scratch, Trainer};
use clap::{Subcommand, ValueEnum};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Verify and time the variants of one kernel
    Kernel(KernelArgs),
    /// Time whole training steps
    Step(StepArgs),
    /// Time steps of growing minibatches, networks and images, each in turns with a step of the usual size
    Growth(GrowthArgs),
}

/// Kernels with variants to choose from.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum KernelArg {
    /// C = A B
    Gemm,
}

#[derive(Debug, clap::Args)]
struct KernelArgs {
    /// Kernel
    #[arg(value_enum)]
    kernel: KernelArg,
    /// Rows of C, columns of C, inner size
    #[arg(long, value_name = "MxNxK", default_value = "512x1000x784")]
    shape: String,
    /// A stored by columns, as in weight gradients
    #[arg(long)]
    columns: bool,
    /// A tile by its name, or all
    #[arg(long, value_name = "NAME|all", default_value = "all")]
    variant: String,
    /// Runs of each variant, in turns
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = whole(1, 100_000), allow_negative_numbers = true)]
    runs: u32,
    #[command(flatten)]
    adapter: AdapterArgs,
    #[command(flatten)]
    speech: SpeechArgs,
}

#[derive(Debug, clap::Args)]
struct StepArgs {
    /// dnn, cnn, or the path of a model file; several are timed in turns [default: dnn cnn]
    #[arg(long, value_name = "NAME|PATH")]
    model: Vec<String>,
    /// The step of a recipe, with its model, in turns with those of the models
    #[arg(long, value_name = "NAME", value_parser = recipes())]
    recipe: Vec<String>,
    /// Rows of a minibatch [default: 512, of a recipe its own]
    #[arg(long, value_name = "N")]
    batch_size: Option<u32>,
    /// Steps of each model
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = whole(1, 100_000), allow_negative_numbers = true)]
    runs: u32,
    /// Steps before them
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = whole(0, 100_000), allow_negative_numbers = true)]
    warmup: u32,
    /// One model; a step for every line on standard input, its time as a line of JSON
    #[arg(long, conflicts_with_all = ["runs", "warmup"])]
    paced: bool,
    #[command(flatten)]
    tune: TuneArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
    #[command(flatten)]
    speech: SpeechArgs,
}

#[derive(Debug, clap::Args)]
struct GrowthArgs {
    /// dnn, cnn, or the path of a model file; several are measured one after another
    #[arg(long, value_name = "NAME|PATH", default_values = ["dnn", "cnn"])]
    model: Vec<String>,
    /// Steps of each size
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = whole(1, 100_000), allow_negative_numbers = true)]
    runs: u32,
    /// Draw time per image, time per operation and memory into a PNG file
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    tune: TuneArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
    #[command(flatten)]
    speech: SpeechArgs,
}

pub fn run(args: &Args) -> Result<()> {
    match &args.what {
        What::Kernel(a) => kernel(a),
        What::Step(a) => step(a),
        What::Growth(a) => growth(a),
    }
}

fn kernel(args: &KernelArgs) -> Result<()> {
    let KernelArg::Gemm = args.kernel;
    let mut progress = args.speech.progress();
    let product = product(&args.shape, args.columns)?;
    let gpu = native::open(&args.adapter.choice())?;
    let mut tiles = Tile::of(&gpu);
    if args.variant != "all" {
        let names: Vec<String> = tiles.iter().map(ToString::to_string).collect();
        tiles.retain(|t| t.to_string() == args.variant);
        if tiles.is_empty() {
            let names = names.iter().map(String::as_str);
            return Err(Error::Usage(text::unknown("variant", &args.variant, names)));
        }
    }
    bench::fits(&gpu, &product)?;
    let roofs = progress.during("measuring the roofs", || Roofs::cached(&gpu, false))?;
    // Each tile is verified, then timed.
    progress.begin("verifying and timing the tiles", tiles.len() as u64 * u64::from(1 + args.runs));
    let timed = bench::gemm(&gpu, &product, &tiles, args.runs, || progress.piece())?;
    drop(progress);
    show_gemm(args, &gpu, &product, &roofs, &timed)
}

fn show_gemm(args: &KernelArgs, gpu: &Gpu, product: &Product, roofs: &Roofs, timed: &[Timed]) -> Result<()> {
    let ((m, n, k), (flop, bytes)) = (product.size, bench::cost(product));
    let intensity = flop as f64 / bytes as f64;
    if args.speech.json {
        return output::print_json(&json!({
            "adapter": gpu.summary().name,
            "driver": gpu.summary().driver_text(),
            "product": { "m": m, "n": n, "k": k, "columns": args.columns },
            "flop": flop,
            "bytes": bytes,
            "roofs": roofs,
            "variants": timed,
        }));
    }
    let numbers = ["median ms", "p25", "p75", "min", "GFLOP/s", "% roof", "error"];
    let mut table = Table::of(&["variant"], &numbers, &[""]);
    for t in timed {
        let rate = flop as f64 / t.time.p50;
        let mut cells = vec![t.variant.clone()];
        cells.extend(times(&t.time));
        cells.push(format!("{:.2}", rate / 1e9));
        cells.push(or_unknown(roofs.share(&t.variant, rate, intensity), percent));
        cells.push(format!("{:.0e}", t.nmse));
        cells.push(note(t));
        table.row(cells);
    }
    output::print(&format!(
        "C [{m}, {n}] = A B, inner size {k}, A by {}: {:.3} GFLOP, {intensity:.2} FLOP/B; {} runs each\n{}\n\n{table}",
        if args.columns { "columns" } else { "rows" },
        flop as f64 / 1e9,
        args.runs,
        gpu.summary().name,
    ))
}

fn note(t: &Timed) -> String {
    let split = if t.split_k { "K split" } else { "" };
    let of_table = if t.of_table { "the table's" } else { "" };
    [of_table, split].into_iter().filter(|s| !s.is_empty()).collect::<Vec<_>>().join(", ")
}

fn times(s: &Spread) -> [String; 4] {
    [s.p50, s.p25, s.p75, s.min].map(|t| format!("{:.3}", t * 1e3))
}

/// Largest size of a product.
const MAX: u32 = 1_000_000;

fn product(shape: &str, columns: bool) -> Result<Product> {
    let sizes: Vec<Option<u32>> = shape.split('x').map(|n| n.parse().ok()).collect();
    match sizes[..] {
        [Some(m @ 1..=MAX), Some(n @ 1..=MAX), Some(k @ 1..=MAX)] => Ok(bench::product((m, n, k), columns)),
        _ => Err(Error::Usage(format!(
            "--shape {shape:?}: write rows x columns x inner size, each 1 to {MAX}, such as 512x1000x784"
        ))),
    }
}

fn step(args: &StepArgs) -> Result<()> {
    let mut progress = args.speech.progress();
    let set = source::load(&Request::default(), &mut progress)?;
    let gpu = native::open(&args.adapter.choice())?;
    let (mut names, mut trainers) = (vec![], vec![]);
    for (name, model, settings) in steps_of(args, set.shape)? {
        names.push(name);
        let chosen = tiles::choose(&gpu, &model, &settings, args.tune.tune, &progress, || Ok(()))?;
        trainers
            .push(Trainer::with_tiles(&gpu, &model, &settings, &set, Scratch::Shared, &chosen).block_on()?);
    }
    if args.paced {
        return match trainers.as_slice() {
            [one] => paced(one),
            _ => Err(Error::Usage("--paced times one step: give --model or --recipe once".into())),
        };
    }
    let roofs = progress.during("measuring the roofs", || Roofs::cached(&gpu, false))?;
    let steps = u64::from(args.warmup) + u64::from(args.runs);
    progress.note(&format!("{}; the first steps wait for the compiler", adapter_line(&gpu)));
    progress.begin("timing steps", trainers.len() as u64 * steps);
    let all: Vec<&Trainer> = trainers.iter().collect();
    let spreads = bench::steps(&all, args.warmup, args.runs, || progress.piece())?;
    drop(progress);
    if args.speech.json {
        let row = |((name, t), s): ((&String, &Trainer), &Spread)| {
            let rows = t.settings().batch_size;
            json!({ "model": name, "batch_size": rows, "flop": t.program().flops(), "time": s })
        };
        let rows: Vec<_> = names.iter().zip(&trainers).zip(&spreads).map(row).collect();
        return output::print_json(&json!({
            "adapter": gpu.summary().name,
            "driver": gpu.summary().driver_text(),
            "roofs": roofs,
            "models": rows,
        }));
    }
    let table = steps_table(&names, &trainers, &spreads, &roofs);
    output::print(&format!(
        "whole steps, {} runs each, in turns\n{}\n\n{table}",
        args.runs,
        gpu.summary().name
    ))
}

/// Name, model and settings of every step that is asked for.
fn steps_of(args: &StepArgs, shape: DataShape) -> Result<Vec<(String, ModelShape, Settings)>> {
    let both = ["dnn", "cnn"].map(String::from);
    let models: &[String] = if args.model.is_empty() && args.recipe.is_empty() { &both } else { &args.model };
    let of_model = |name: &String| {
        let (spec, source) = model_file::load(name)?;
        let model = parse::check(&spec, &source, name, shape)?;
        Ok((model.name.clone(), model, Settings::defaults(Method::Ssl, false)))
    };
    let of_recipe = |name: &String| {
        let resolved = config::resolve(Some(name), None, &toml::Table::new(), None)?;
        Ok((name.clone(), resolved.shaped(shape)?, resolved.settings.train))
    };
    let steps = models.iter().map(of_model).chain(args.recipe.iter().map(of_recipe));
    let sized = |step: Result<(String, ModelShape, Settings)>| {
        let (name, model, settings) = step?;
        let batch_size = args.batch_size.unwrap_or(settings.batch_size);
        Ok((name, model, Settings { batch_size, ..settings }))
    };
    steps.map(sized).collect()
}

fn steps_table(names: &[String], trainers: &[Trainer], spreads: &[Spread], roofs: &Roofs) -> Table {
    let numbers = ["batch", "median ms", "p25", "p75", "min", "GFLOP", "GFLOP/s", "% multiply-add roof"];
    let mut table = Table::of(&["step"], &numbers, &[]);
    for ((name, t), s) in names.iter().zip(trainers).zip(spreads) {
        let flops = t.program().flops() as f64;
        let mut cells = vec![name.clone(), t.settings().batch_size.to_string()];
        cells.extend(times(s));
        cells.push(format!("{:.2}", flops / 1e9));
        cells.push(format!("{:.2}", flops / s.p50 / 1e9));
        let kernels = t.program().dispatches.iter().map(|dispatch| dispatch.kernel.name);
        cells.push(or_unknown(roofs.share_of_step(kernels, flops / s.p50), percent));
        table.row(cells);
    }
    table
}

fn growth(args: &GrowthArgs) -> Result<()> {
    let mut progress = args.speech.progress();
    // What can be refused is refused before minutes of measuring.
    if let Some(file) = &args.plot {
        output::check_not_the_result(file)?;
        output::check_file(file, Kind::Picture)?;
    }
    let gpu = native::open(&args.adapter.choice())?;
    let models = measure(args, &gpu, &mut progress)?;
    // Neither a reader who went away nor a picture that cannot be written costs the other.
    let drawn = args.plot.iter().try_for_each(|file| plot::draw_grid(&growth::panels(&models), 3).save(file));
    show_growth(args, &gpu, &models).and(drawn)
}

fn show_growth(args: &GrowthArgs, gpu: &Gpu, models: &[(String, Vec<Point>)]) -> Result<()> {
    if args.speech.json {
        let of = |(model, points): &(String, Vec<Point>)| json!({ "model": model, "points": points });
        return output::print_json(&json!({
            "adapter": gpu.summary().name,
            "driver": gpu.summary().driver_text(),
            "models": models.iter().map(of).collect::<Vec<_>>(),
        }));
    }
    let numbers =
        ["median ms", "p25", "p75", "us/image", "image, relative", "GFLOP/s", "operation, relative", "MiB"];
    let mut table = Table::of(&["model", "grown", "to"], &numbers, &[]);
    let mut refused = String::new();
    for (model, points) in models {
        for p in points {
            let mut cells = vec![model.clone(), p.axis.name().into(), p.value.to_string()];
            match &p.cost {
                Some(c) => {
                    cells.extend([c.time.p50, c.time.p25, c.time.p75].map(|t| format!("{:.1}", 1e3 * t)));
                    cells.push(format!("{:.0}", 1e6 * c.time.p50 / f64::from(c.images)));
                    cells.push(format!("{:.2}", c.image()));
                    cells.push(format!("{:.1}", c.flop as f64 / c.time.p50 / 1e9));
                    cells.push(format!("{:.2}", c.operation()));
                    cells.push(format!("{:.0}", c.bytes as f64 / f64::from(1 << 20)));
                }
                None => {
                    cells.push("refused".into());
                    let why = with_flags(p.refused.as_deref().unwrap_or_default());
                    refused += &format!("\n{model}, {} {}: {why}", p.axis.name(), p.value);
                }
            }
            table.row(cells);
        }
    }
    output::print(&format!(
        "steps of growing size, {} runs each, in turns with one of the usual size; relative: its times are 1\n{}\n\n{table}{refused}\n",
        args.runs,
        gpu.summary().name
    ))
}

/// Every model at every size.
fn measure(args: &GrowthArgs, gpu: &Gpu, progress: &mut Progress) -> Result<Vec<(String, Vec<Point>)>> {
    let sizes: usize = Axis::ALL.iter().map(|axis| axis.values().len()).sum();
    progress.note(&adapter_line(gpu));
    progress.begin("timing sizes", (args.model.len() * sizes) as u64);
    let mut models = vec![];
    for model in &args.model {
        let mut points = vec![];
        for axis in Axis::ALL {
            let tell = |p: &Point| {
                progress.note(&format!("{model}, {} {}", p.axis.name(), p.value));
                progress.piece();
            };
            points.extend(growth::measure(gpu, model, args.tune.tune, axis, args.runs, tell)?);
        }
        models.push((model.clone(), points));
    }
    Ok(models)
}

/// A step for every line on standard input, so that another program can take turns with it.
fn paced(trainer: &Trainer) -> Result<()> {
    trainer.initialise().block_on()?;
    let summary = trainer.gpu().summary();
    output::print(&format!(
        "{}\n",
        json!({
            "name": concat!("ssgan ", env!("CARGO_PKG_VERSION")),
            "adapter": summary.name,
            "driver": summary.driver_text(),
            "flop": trainer.program().flops(),
        })
    ))?;
    for (t, line) in std::io::stdin().lines().enumerate() {
        line.map_err(Error::io("read", "standard input"))?;
        let ms = 1e3 * trainer.untimed_step(t as u32).block_on()?.as_secs_f64();
        // Who reads no more takes no turns.
        if !output::print_to_reader(&format!("{}\n", json!({ "ms": ms })))? {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "bench_tests.rs"]
mod tests;
