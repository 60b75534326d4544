//! `ssgan profile`.

use super::args::{SettingsArgs, SpeechArgs};
use super::flags::whole;
use super::load::{self, adapter_line};
use super::output::{self, Kind};
use crate::app::atomic;
use crate::app::profile::roofline;
use crate::app::profile::{self, Change, Comparison, Profile, Roofs, Row, Samples, Spread, TWO_PROCESSES};
use crate::app::report::table::{Table, wrapped};
use crate::app::run::adapter::asked;
use crate::app::run::tiles;
use crate::app::text::{count, or_unknown, percent};
use crate::error::{Error, Result};
use crate::gpu::{Timer, TimingMode};
use crate::native::{self, BlockOn};
use crate::train::{Scratch, Storage, Trainer};
use clap::ValueEnum;
use std::path::{Path, PathBuf};

/// The files of a folder.
const PROFILE: &str = "profile.json";
const TABLE: &str = "table.txt";
const TRACE: &str = "trace.json";
const ROOFLINE: &str = "roofline.png";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Steps to measure
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = whole(1, 10_000), allow_negative_numbers = true)]
    steps: u32,
    /// Steps before them
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = whole(0, 10_000), allow_negative_numbers = true)]
    warmup: u32,
    /// How to time [default: the finest that the adapter has]
    #[arg(long, value_enum)]
    timing: Option<TimingArg>,
    /// Every layer in the table, not only those from 1 % of the step
    #[arg(long)]
    all: bool,
    /// Every column, also on a terminal that is too narrow for them
    #[arg(long)]
    wide: bool,
    /// Leave out the machine's roofs
    #[arg(long)]
    no_roofs: bool,
    /// Measure the roofs again
    #[arg(long, conflicts_with = "no_roofs")]
    fresh_roofs: bool,
    /// Compare with the profile.json of an earlier --out
    #[arg(long, value_name = "PROFILE.json")]
    compare: Option<PathBuf>,
    /// Write a trace for Perfetto or chrome://tracing
    #[arg(long, value_name = "FILE.json")]
    trace: Option<PathBuf>,
    /// Draw every kernel below the roofs
    #[arg(long, value_name = "FILE.png|FILE.svg", conflicts_with = "no_roofs")]
    plot: Option<PathBuf>,
    /// Write all of it into a folder: profile.json, table.txt, trace.json, roofline.png
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    speech: SpeechArgs,
}

/// [`TimingMode`] for clap.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum TimingArg {
    /// Timestamps between dispatches
    Inside,
    /// Timestamps around a pass for each dispatch
    Passes,
    /// A submit for each dispatch, timed by the host
    Submits,
}

impl From<TimingArg> for TimingMode {
    fn from(t: TimingArg) -> TimingMode {
        match t {
            TimingArg::Inside => TimingMode::InsidePasses,
            TimingArg::Passes => TimingMode::PassBoundaries,
            TimingArg::Submits => TimingMode::Submits,
        }
    }
}

pub fn run(args: &Args) -> Result<()> {
    // What can be refused is refused before minutes of measuring.
    let before = args.compare.as_deref().map(Profile::load).transpose()?;
    let resolved = args.settings.resolve()?;
    let s = &resolved.settings;
    check_outputs(args, s.data.as_deref())?;
    let mut progress = args.speech.progress();
    let set = load::dataset(s, &mut progress)?;
    let model = resolved.shaped(set.shape)?;
    let gpu = native::open(&asked(s.adapter_choice()))?;
    progress.note(&format!("profiling {} on {}, {}", model.name, set.name, adapter_line(&gpu)));
    let chosen = tiles::choose(&gpu, &model, &s.train, s.tune, &progress, || Ok(()))?;
    let storage = Storage { scratch: Scratch::Shared, images: s.images() };
    let trainer = Trainer::with_tiles(&gpu, &model, &s.train, &set, storage, &chosen).block_on()?;
    let mode = args.timing.map_or_else(|| gpu.timing_modes()[0], Into::into);
    let mut timer = Timer::new(&gpu, mode, trainer.program().dispatches.len())?;
    let roofs = || Roofs::cached(&gpu, args.fresh_roofs);
    let roofs = if args.no_roofs { None } else { Some(progress.during("measuring the roofs", roofs)?) };
    // Between two timed steps is an untimed one.
    progress.begin("timing steps, after compiling", u64::from(args.warmup) + 2 * u64::from(args.steps));
    let samples = profile::sample(&trainer, &mut timer, (args.warmup, args.steps), || progress.piece())?;
    drop(progress);
    let profile = Profile { roofs, ..samples.profile(&trainer, &timer) };

    let comparison = before.as_ref().map(|b| profile::compare(b, &profile));
    // Neither a reader who went away nor a file that cannot be written costs the other.
    let written = write_files(args, &samples, &trainer, &profile);
    show(args, &profile, comparison).and(written)
}

fn show(args: &Args, profile: &Profile, comparison: Option<Comparison>) -> Result<()> {
    match (args.speech.json, comparison) {
        (true, Some(c)) => output::print_json(&c),
        (true, None) => output::print_json(profile),
        (false, c) => {
            let width = if args.wide { None } else { output::terminal_width() };
            let changed = c.as_ref().map(|c| changes(c, width)).unwrap_or_default();
            output::print(&(report(profile, args.all, width) + &changed))
        }
    }
}

/// What was asked for as files.
fn write_files(args: &Args, samples: &Samples, trainer: &Trainer, profile: &Profile) -> Result<()> {
    if let Some(dir) = &args.out {
        std::fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
    }
    let traces: Vec<PathBuf> = args.trace.iter().cloned().chain(args.within(TRACE)).collect();
    if !traces.is_empty() {
        let trace = profile::trace::trace(samples, &trainer.program().dispatches, &profile.adapter);
        traces.iter().try_for_each(|file| atomic::write(file, trace.to_string().as_bytes()))?;
    }
    if let Some(roofs) = &profile.roofs {
        for file in args.plots() {
            match is_svg(&file) {
                true => atomic::write(&file, roofline::draw_svg(profile, roofs).as_bytes())?,
                false => roofline::draw(profile, roofs).save(&file)?,
            }
        }
    }
    if let Some(file) = args.within(PROFILE) {
        let bytes = serde_json::to_vec_pretty(profile)
            .map_err(|e| Error::Output(format!("the profile cannot be written as JSON: {e}")))?;
        atomic::write(&file, &bytes)?;
    }
    if let Some(file) = args.within(TABLE) {
        atomic::write(&file, report(profile, true, None).as_bytes())?;
    }
    Ok(())
}

impl Args {
    /// A file of the folder, if there is to be one.
    fn within(&self, name: &str) -> Option<PathBuf> {
        self.out.as_ref().map(|dir| dir.join(name))
    }

    /// Where the roofs are drawn.
    fn plots(&self) -> impl Iterator<Item = PathBuf> {
        self.plot.iter().cloned().chain(self.within(ROOFLINE).filter(|_| !self.no_roofs))
    }
}

/// Refuses what cannot be written, what would be lost, and a picture among the user's images, which lie in `images`.
fn check_outputs(args: &Args, images: Option<&Path>) -> Result<()> {
    if let Some(file) = args.plot.as_ref().filter(|f| !is_svg(f) && f.extension().is_none_or(|e| e != "png"))
    {
        return Err(Error::Usage(format!("--plot {}: write to a .png or .svg file", file.display())));
    }
    args.trace.iter().chain(&args.plot).try_for_each(|file| output::check_not_the_result(file))?;
    args.trace.iter().try_for_each(|file| output::check_file(file, Kind::Timeline))?;
    if let Some(file) = &args.plot {
        output::check_file(file, if is_svg(file) { Kind::Drawing } else { Kind::Picture })?;
    }
    args.plots().try_for_each(|file| output::check_apart(&file, images))?;
    args.out.as_deref().map_or(Ok(()), |dir| check_folder(dir, args.no_roofs))
}

/// Likewise of the folder, which may have an earlier profile.
fn check_folder(dir: &Path, no_roofs: bool) -> Result<()> {
    atomic::check_folder(dir)?;
    // What is yet to be made holds nothing.
    if !dir.exists() {
        return Ok(());
    }
    output::check_file(&dir.join(TRACE), Kind::Timeline)?;
    if !no_roofs {
        output::check_file(&dir.join(ROOFLINE), Kind::Picture)?;
    }
    let (profile, table) = (dir.join(PROFILE), dir.join(TABLE));
    let ours = Profile::load(&profile).is_ok();
    let theirs = [profile, table].into_iter().find(|file| !ours && file.exists());
    theirs.map_or(Ok(()), |file| {
        let file = file.display();
        Err(Error::Output(format!("{file} is there and is something else: name another --out")))
    })
}

fn is_svg(file: &Path) -> bool {
    file.extension().is_some_and(|e| e == "svg")
}

fn ms(seconds: f64) -> String {
    format!("{:.3}", seconds * 1e3)
}

/// Rows of this share of the step and above are shown without `--all`.
const WORTH_SHOWING: f64 = 0.01;

/// What a narrow terminal does without: the spread of the calls, the amounts behind the rates, the variants.
const WIDE: [&str; 9] = ["mean us", "p50", "p95", "min", "max", "groups", "MFLOP", "MB", "variant"];

/// What a terminal of 80 characters does without, besides.
const MIDDLING: [&str; 4] = ["calls", "GB/s", "FLOP/B", "p25 to p75"];

/// The whole text, no wider than `width` characters.
fn report(p: &Profile, all: bool, width: Option<usize>) -> String {
    let mut t = table(p, all);
    let left_out = width.is_some_and(|w| fit(&mut t, w));
    let note = if left_out { "columns left out for the width of the terminal: --wide\n" } else { "" };
    let text = |text: String| width.map_or(text.clone(), |w| wrapped(&text, w));
    format!("{}\n{t}{note}\n{}", text(headline(p)), text(step_lines(p)))
}

/// Leaves out columns, then the middle of long names, until the table is no wider than `width` characters; whether it was.
fn fit(t: &mut Table, width: usize) -> bool {
    if t.width() <= width {
        return false;
    }
    for heads in [&WIDE[..], &MIDDLING[..]] {
        if t.width() > width {
            t.without(heads);
        }
    }
    t.shorten(width);
    true
}

fn table(p: &Profile, all: bool) -> Table {
    let numbers = [
        "calls", "ms/step", "% step", "mean us", "p50", "p95", "min", "max", "groups", "MFLOP", "MB",
        "GFLOP/s", "GB/s", "FLOP/B", "% roof",
    ];
    let mut t = Table::of(&["kernel / layer"], &numbers, &["variant"]);
    for kernel in &p.kernels {
        t.row(cells(p, kernel, &kernel.kernel));
        let worth = |l: &&Row| all || p.share(l).is_none_or(|s| s >= WORTH_SHOWING);
        let layers = p.layers.iter().filter(|l| l.kernel == kernel.kernel);
        let (shown, hidden): (Vec<&Row>, Vec<&Row>) = layers.partition(worth);
        for layer in &shown {
            t.row(cells(p, layer, &format!("  {}", layer.layer.as_deref().unwrap_or_default())));
        }
        if !hidden.is_empty() && !shown.is_empty() {
            t.row([format!("  and {} below 1 %", count(hidden.len() as u32, "layer"))]);
        }
    }
    t.rule();
    let line = |name: &str, seconds: Option<f64>| {
        let share = seconds.map(|s| s / p.whole.wall.mean);
        [name.to_string(), String::new(), or_unknown(seconds, ms), or_unknown(share, percent)]
    };
    t.row(line("all kernels", p.whole.gpu.map(|g| g.mean)));
    t.row(line("between kernels: recording, submission", p.between()));
    t.row(line("step, wall (mean)", Some(p.whole.wall.mean)));
    t
}

fn headline(p: &Profile) -> String {
    format!(
        "{} on {}, {}, batch size {}: {} after {} of warm-up\n{} ({}), {}\n",
        p.model,
        p.dataset,
        p.method,
        p.batch_size,
        count(p.steps, "step"),
        p.warmup,
        p.adapter,
        p.driver,
        p.mode.describe()
    )
}

fn cells(p: &Profile, row: &Row, name: &str) -> Vec<String> {
    let us = |f: fn(&Spread) -> f64| or_unknown(row.per_call, |s| format!("{:.1}", f(&s) * 1e6));
    let roof = p.roofs.as_ref().and_then(|r| row.share_of_roof(r));
    let variant = match row.variants.as_slice() {
        [one] => one.clone(),
        many => format!("{} variants", many.len()),
    };
    vec![
        name.to_string(),
        row.calls.to_string(),
        or_unknown(row.per_step, |s| ms(s.mean)),
        or_unknown(p.share(row), percent),
        us(|s| s.mean),
        us(|s| s.p50),
        us(|s| s.p95),
        us(|s| s.min),
        us(|s| s.max),
        row.workgroups.to_string(),
        format!("{:.2}", row.flops as f64 / 1e6),
        format!("{:.2}", row.bytes as f64 / 1e6),
        or_unknown(row.flop_rate(), |r| format!("{:.2}", r / 1e9)),
        or_unknown(row.byte_rate(), |r| format!("{:.2}", r / 1e9)),
        format!("{:.2}", row.intensity()),
        or_unknown(roof, percent),
        variant,
    ]
}

fn step_lines(p: &Profile) -> String {
    let w = &p.whole;
    let gpu = or_unknown(w.gpu, |g| format!("{} ms", ms(g.p50)));
    let mut text = format!(
        "step: wall {} ms (median; {} to {}), kernels {gpu}, recording {} ms, submission {} ms\n      {} dispatches in \
         {}, {} bytes up, {} bytes down, {:.2} GFLOP at {:.2} GFLOP/s{}",
        ms(w.wall.p50),
        ms(w.wall.min),
        ms(w.wall.max),
        ms(w.record.p50),
        ms(w.submit.p50),
        w.dispatches,
        count(w.submits, "submit"),
        w.bytes_uploaded,
        w.bytes_read_back,
        w.flops as f64 / 1e9,
        p.flop_rate() / 1e9,
        if w.wall_untimed.is_some() { " untimed" } else { "" },
    );
    let kernels = || p.kernels.iter().map(|row| row.kernel.as_str());
    if let Some(share) = p.roofs.as_ref().and_then(|r| r.share_of_step(kernels(), p.flop_rate())) {
        text += &format!(", {} % of the multiply-add roof", percent(share));
    }
    text.push('\n');
    if let (Some(cost), Some(untimed)) = (p.overhead(), w.wall_untimed) {
        let cost = match cost > 0.0 {
            true => format!("timing costs {} %", percent(cost)),
            false => "timing costs too little to tell".into(),
        };
        text += &format!("      untimed steps in between: {} ms (median); {cost}\n", ms(untimed.p50));
    }
    if let Some(r) = &p.roofs {
        text += &format!(
            "roofs, measured in WGSL: copy {:.2} GB/s, multiply-add {:.2} GFLOP/s, ridge at {:.2} FLOP/B\n",
            r.bytes_per_second / 1e9,
            r.flops_per_second / 1e9,
            r.ridge()
        );
    }
    text
}

/// Changes below this share of the step are only counted: from one process to the next, small kernels differ by
/// more than they do within one.
const WORTH_TELLING: f64 = 0.005;

fn changes(c: &Comparison, width: Option<usize>) -> String {
    let numbers = ["before ms", "p25 to p75", "now ms", "p25 to p75", "ratio"];
    let mut t = Table::of(&["kernel", "layer"], &numbers, &["change"]);
    // What is cut out of a long name is its number.
    let layer = |name: &str| match width {
        Some(_) => name.replacen("discriminator", "D", 1).replacen("generator", "G", 1),
        None => name.to_string(),
    };
    let middle = |s: Spread| format!("{} to {}", ms(s.p25), ms(s.p75));
    let step = c.whole.after.map_or(0.0, |s| s.p50);
    let (same, moved): (Vec<_>, Vec<_>) = c.rows.iter().partition(|r| r.change == Change::Same);
    let (small, large): (Vec<_>, Vec<_>) = moved.into_iter().partition(|r| r.moved() < WORTH_TELLING * step);
    for row in std::iter::once(&c.whole).chain(large) {
        t.row([
            row.kernel.clone(),
            layer(row.layer.as_deref().unwrap_or_default()),
            or_unknown(row.before, |s| ms(s.p50)),
            or_unknown(row.before, middle),
            or_unknown(row.after, |s| ms(s.p50)),
            or_unknown(row.after, middle),
            or_unknown(row.ratio, |r| format!("{r:.3}")),
            format!("{:?}", row.change).to_lowercase(),
        ]);
    }
    width.map(|w| fit(&mut t, w));
    let notes = c.differences.iter().map(|d| format!("Note: not the same {d}\n"));
    let few = c.few_steps.iter().map(String::as_str).chain([TWO_PROCESSES]).map(|s| format!("Note: {s}\n"));
    let notes: String = notes.chain(few).collect();
    let notes = width.map_or(notes.clone(), |w| wrapped(&notes, w));
    format!(
        "\n{notes}{t}not listed: {} rows within their spread, and {} that changed by less than {} % of the step\n",
        same.len(),
        small.len(),
        percent(WORTH_TELLING)
    )
}
