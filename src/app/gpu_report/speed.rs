//! Times: of products, steps, submits, compilation, and of the choice of tiles.

use super::report::deviation;
use super::{Bench, Content, Form, Status};
use crate::app::profile::bench::{self, Timed};
use crate::app::profile::{Roofs, Spread};
use crate::app::run::config;
use crate::app::run::settings::with_flags;
use crate::app::text::{grouped, or_unknown, percent};
use crate::checks::steps::models::data_set_with;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Precision};
use crate::model::shape::{DataShape, Dims, ModelShape};
use crate::native::BlockOn;
use crate::ops::Tile;
use crate::train::settings::{Settings, Tune};
use crate::train::{Known, Scratch, Tiles, Trainer, Weights};
use serde_json::json;
use std::cell::RefCell;
use std::time::Instant;
use toml::{Table, Value};

/// Windows resets a device whose submit takes two seconds; a quarter of that leaves room for slower ones.
const SUBMIT_MS: f64 = 500.0;

/// Images to train on and to test with: noise, of the size of MNIST's.
const IMAGES: (usize, usize) = (2000, 500);

/// A model, its settings and data.
struct Case {
    name: &'static str,
    model: ModelShape,
    settings: Settings,
    data: Dataset,
}

/// Networks and recipes with the batch sizes that they have, in the quick form with small ones.
fn cases(form: Form) -> Result<Vec<Case>> {
    let image = Dims { height: 28, width: 28, channels: 1 };
    let shape = DataShape { image, classes: 10 };
    let named = |model: &str| Table::from_iter([("model".to_string(), Value::from(model))]);
    let all = [
        ("dnn", None, named("dnn")),
        ("cnn", None, named("cnn")),
        ("quick", Some("quick"), Table::new()),
        ("best", Some("best"), Table::new()),
    ];
    let count = form.pick(all.len(), 2);
    let mut cases = vec![];
    for (name, recipe, mut flags) in all.into_iter().take(count) {
        if form == Form::Quick {
            flags.insert("batch_size".into(), 32.into());
        }
        let resolved = config::resolve(recipe, None, &flags, None)?;
        let model = resolved.shaped(shape)?;
        let data = data_set_with(&model, IMAGES.0, IMAGES.1);
        cases.push(Case { name, model, settings: resolved.settings.train, data });
    }
    Ok(cases)
}

impl Case {
    fn trainer(&self, gpu: &Gpu) -> Result<Trainer> {
        Trainer::with_tiles(gpu, &self.model, &self.settings, &self.data, Scratch::Shared, &Tiles::tables())
            .block_on()
    }
}

fn ms(seconds: f64) -> String {
    format!("{:.2}", 1e3 * seconds)
}

fn mib(bytes: u64) -> String {
    grouped(bytes >> 20)
}

/// Seconds that some work takes.
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let begun = Instant::now();
    Ok((work()?, begun.elapsed().as_secs_f64()))
}

/// The longest submit of a training, the wall times of what is cut into them; memory; compilation.
pub fn watchdog(bench: &Bench<'_>) -> Result<Content> {
    let mut content = Content::of(Status::Ok, String::new());
    let (mut rows, mut longest, mut found) = (vec![], 0.0f64, vec![]);
    let cases = cases(bench.form)?;
    bench.begin("timing submits", cases.len());
    for case in &cases {
        if let Err(e) = bench.go_on(0.75) {
            content.ended(Err(e))?;
            break;
        }
        let gpu = bench.open(Precision::F32)?;
        let (trainer, compiled) = timed(|| {
            let trainer = case.trainer(&gpu)?;
            gpu.compiled().block_on()?;
            Ok(trainer)
        })?;
        let ((), begin) = timed(|| trainer.initialise().block_on())?;
        let mut step = 0.0f64;
        for t in 0..3 {
            step = step.max(trainer.untimed_step(t).block_on()?.as_secs_f64());
        }
        let (_, evaluation) = timed(|| trainer.evaluate(Weights::Raw).block_on())?;
        let (_, samples) = timed(|| trainer.samples().block_on())?;
        longest = longest.max(gpu.longest_submission().as_secs_f64());
        let reserved = gpu.reserved();
        let times = [begin, step, evaluation, samples].map(ms);
        let ends = [mib(reserved), format!("{compiled:.1}")];
        rows.push([case.name.to_string()].into_iter().chain(times).chain(ends).collect());
        found.push(json!({
            "model": case.name, "initialise_ms": 1e3 * begin, "step_ms": 1e3 * step, "evaluation_ms": 1e3 * evaluation,
            "samples_ms": 1e3 * samples, "reserved_bytes": reserved, "asked_bytes": gpu.memory().asked,
            "compile_seconds": compiled,
        }));
        bench.piece();
    }
    let above = 1e3 * longest > SUBMIT_MS;
    content.at_least(if above { Status::Look } else { Status::Ok });
    content.summary = format!("the longest submit took {:.0} ms", 1e3 * longest);
    let limit = format!(
        "Windows resets a GPU after two seconds without an answer; below {SUBMIT_MS:.0} ms is wanted. What would take longer than \
         250 ms is submitted in pieces, cut by their operations and bytes and by how fast the GPU was before."
    );
    content.notes.push(limit);
    let heads =
        ["model", "initialise ms", "step ms", "evaluation ms", "samples ms", "memory MiB", "compile s"];
    content.table("Wall times, the first with its upload", &heads, rows);
    content.data = json!({ "longest_submit_ms": 1e3 * longest, "wanted_ms": SUBMIT_MS, "models": found });
    Ok(content)
}

/// Steps of the networks, in turns.
pub fn steps(bench: &Bench<'_>) -> Result<Content> {
    let gpu = bench.open(Precision::F32)?;
    let roofs = Roofs::measure(&gpu)?;
    let mut content = Content::of(Status::Ok, String::new());
    let (mut rows, mut found) = (vec![], vec![]);
    let cases = cases(bench.form)?;
    let mut time = |gpu: &Gpu, precision: &str| {
        let result = time_steps(bench, gpu, &cases, |case, flops, time| {
            let rate = flops as f64 / time.p50;
            found.push(json!({ "model": case.name, "precision": precision, "flop": flops, "time": time }));
            let share = (precision == "f32").then(|| rate / roofs.flops_per_second);
            rows.push(row_of(case, precision, (flops, share), &time));
        });
        content.ended(result)
    };
    time(&gpu, "f32")?;
    if gpu.summary().cooperative_side.is_some() {
        time(&bench.open(Precision::Mixed)?, "mixed")?;
    }
    let each = |r: &Vec<String>| format!("{} {} {} ms", r[0], r[1], r[3]);
    content.summary = rows.iter().map(each).collect::<Vec<_>>().join(", ");
    let heads = ["model", "precision", "batch", "median ms", "p25", "p75", "GFLOP", "% multiply-add roof"];
    content.table("Whole steps, in turns, with the table's tiles", &heads, rows);
    content.data = json!({ "roofs": roofs, "models": found });
    Ok(content)
}

fn row_of(case: &Case, precision: &str, (flops, share): (u64, Option<f64>), time: &Spread) -> Vec<String> {
    let batch = case.settings.batch_size.to_string();
    let mut cells = vec![case.name.to_string(), precision.to_string(), batch];
    cells.extend([time.p50, time.p25, time.p75].map(ms));
    cells.extend([format!("{:.2}", flops as f64 / 1e9), or_unknown(share, percent)]);
    cells
}

fn time_steps(
    bench: &Bench<'_>,
    gpu: &Gpu,
    cases: &[Case],
    mut each: impl FnMut(&Case, u64, Spread),
) -> Result<()> {
    bench.go_on(0.85)?;
    let trainers = cases.iter().map(|c| c.trainer(gpu)).collect::<Result<Vec<Trainer>>>()?;
    let all: Vec<&Trainer> = trainers.iter().collect();
    let (warmup, runs) = (2, bench.form.pick(10, 3));
    bench.begin("timing steps", all.len() * (warmup + runs) as usize);
    let spreads = bench::steps(&all, warmup, runs, || bench.piece())?;
    for ((case, trainer), time) in cases.iter().zip(&trainers).zip(spreads) {
        each(case, trainer.program().flops(), time);
    }
    Ok(())
}

/// Products of the dnn's layers with every portable tile and the default, verified, then timed in turns.
pub fn products(bench: &Bench<'_>) -> Result<Content> {
    let gpu = bench.open(Precision::F32)?;
    let roofs = Roofs::measure(&gpu)?;
    let sizes = [((512, 1000, 784), false), ((1000, 784, 512), true), ((512, 250, 250), false)];
    let sizes = &sizes[bench.form.pick(0, 2)..];
    let mut content = Content::of(Status::Ok, String::new());
    let (mut rows, mut found, mut best) = (vec![], vec![], 0.0f64);
    for &(size, columns) in sizes {
        if let Err(e) = bench.go_on(0.9) {
            content.ended(Err(e))?;
            break;
        }
        let timed = time_product(bench, &gpu, (size, columns), &mut content)?;
        let product = bench::product(size, columns);
        let (flop, bytes) = bench::cost(&product);
        let intensity = flop as f64 / bytes as f64;
        let (m, n, k) = size;
        let name = format!("{m} x {n} x {k}{}", if columns { ", A by columns" } else { "" });
        for t in &timed {
            let rate = flop as f64 / t.time.p50;
            best = best.max(rate);
            let of_table = if t.of_table { "the table's" } else { "" };
            let share = or_unknown(roofs.share(&t.variant, rate, intensity), percent);
            let numbers =
                [ms(t.time.p50), format!("{:.1}", rate / 1e9), share, deviation(t.nmse), of_table.into()];
            rows.push([name.clone(), t.variant.clone()].into_iter().chain(numbers).collect());
        }
        found.push(
            json!({ "product": size, "columns": columns, "flop": flop, "bytes": bytes, "tiles": timed }),
        );
    }
    let (flops, copy) = (roofs.flops_per_second / 1e9, roofs.bytes_per_second / 1e9);
    content.summary = format!(
        "up to {:.1} GFLOP/s; roofs: multiply-add {flops:.1} GFLOP/s, copy {copy:.1} GB/s",
        best / 1e9
    );
    let heads = ["product", "tile", "median ms", "GFLOP/s", "% roof", "error", ""];
    content.table("Products, each tile in turns, the fastest first", &heads, rows);
    content.data = json!({ "roofs": roofs, "products": found });
    Ok(content)
}

/// The times of the tiles that are right; those that are not are told.
fn time_product(
    bench: &Bench<'_>,
    gpu: &Gpu,
    (size, columns): ((u32, u32, u32), bool),
    content: &mut Content,
) -> Result<Vec<Timed>> {
    let product = bench::product(size, columns);
    let mut tiles = Tile::portable();
    let chosen = crate::ops::Tiling::for_gpu(gpu).tile(product.kind());
    if !tiles.contains(&chosen) {
        tiles.insert(0, chosen);
    }
    tiles.truncate(bench.form.pick(tiles.len(), 3));
    let runs = bench.form.pick(10, 3);
    bench.begin(&format!("timing products of {size:?}"), tiles.len() * (2 + runs as usize));
    let mut right = vec![];
    for tile in tiles {
        match bench::gemm(gpu, &product, &[tile], 0, || bench.piece()) {
            Ok(_) => right.push(tile),
            Err(e @ Error::DeviceLost(_)) => return Err(e),
            Err(e) => {
                content.at_least(Status::Wrong);
                content.notes.push(format!("{tile} on {size:?}: {}.", with_flags(&e.to_string())));
            }
        }
    }
    bench::gemm(gpu, &product, &right, runs, || bench.piece())
}

/// What `--tune fast` chooses for the cnn, from nothing.
pub fn tiles(bench: &Bench<'_>) -> Result<Content> {
    let gpu = bench.open(Precision::F32)?;
    let case = cases(bench.form)?.remove(1);
    let settings =
        Settings { batch_size: bench.form.pick(case.settings.batch_size, 8), ..case.settings.clone() };
    let known = RefCell::new(Known::default());
    bench.progress.borrow().note("trying the tiles of the cnn's products, as --tune fast does");
    let begun = Instant::now();
    let most = bench.form.pick(u32::MAX, 2);
    let measured = Tiles::measure(&gpu, &case.model, &settings, (Tune::Fast, &known), |done| {
        if done >= most {
            return Err(Error::Interrupted(format!("the quick form tries {most} products")));
        }
        bench.go_on(1.0)
    })
    .block_on();
    let seconds = begun.elapsed().as_secs_f64();
    let mut content = Content::of(Status::Ok, String::new());
    let changed = measured.as_ref().ok().map(|(_, m)| m.changed);
    if bench.form == Form::Full || !matches!(measured, Err(Error::Interrupted(_))) {
        content.ended(measured.map(drop))?;
    }
    let known = known.into_inner();
    let count = known.tiles.len();
    content.summary = match changed {
        Some(n) => format!("{count} products in {seconds:.1} s; for {n} another tile than the table's"),
        None => format!("{count} products in {seconds:.1} s"),
    };
    if !known.lost.is_empty() {
        content.at_least(Status::Failed);
        content.notes.push(format!("The device was lost with {:?}.", known.lost));
    }
    let rows = known.tiles.iter().map(|(product, tile)| vec![product.clone(), tile.clone()]).collect();
    content.table("The cnn's products", &["product", "tile"], rows);
    content.data =
        json!({ "seconds": seconds, "changed": changed, "tiles": known.tiles, "lost": known.lost });
    Ok(content)
}
