//! `ssgan reproduce`.

use super::args::{AdapterArgs, DataArgs, SettingsArgs, SpeechArgs, TuneArgs, seconds};
use super::config::{self, Resolved};
use super::run::{Options, Run, begun, go_on};
use super::{interrupt, load, output};
use crate::data::{self, Dataset, Info};
use crate::error::{Error, Result};
use crate::experiment::plan::{GROUPS, Planned, Scope, Section, plan, shard};
use crate::experiment::results::{ANOTHER_RUN, Record, Results, RunResult, Samples, Stat};
use crate::experiment::{markdown, page};
use crate::gpu::Gpu;
use crate::model::parse;
use crate::model::spec::ModelSpec;
use crate::report::grid;
use crate::report::png::Picture;
use crate::report::progress::{Progress, duration};
use crate::report::table::{Align, Table};
use crate::run_dir::RunDir;
use crate::train::settings::Settings;
use clap::Parser;
use clap::builder::PossibleValuesParser;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Checkpoints that each run keeps: the newest, and one to fall back to.
const KEEP: usize = 2;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the report and its runs; made, or gone on with
    #[arg(long, value_name = "DIR", default_value = "report")]
    out: PathBuf,
    /// Label seeds 1 to N for each model [default: 5; --quick: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    label_seeds: Option<u64>,
    /// A short version in minutes, on the embedded digits unless --dataset says otherwise
    #[arg(long)]
    quick: bool,
    /// With the paper's settings: 180,000 steps for each label seed
    #[arg(long)]
    paper: bool,
    /// With the ablations: one thing changed at a time in the semi-supervised cnn, and other numbers of labels
    #[arg(long)]
    ablate: bool,
    /// Train only the I-th of N parts of the runs, to spread them over machines
    #[arg(long, value_name = "I/N", value_parser = part)]
    shard: Option<(usize, usize)>,
    /// Train only these models, such as ssl-cnn
    #[arg(long, value_name = "MODEL", num_args = 1.., value_parser = PossibleValuesParser::new(GROUPS.map(|g| g.key)))]
    only: Vec<String>,
    /// Train nothing: make the report of --out from runs in these folders
    #[arg(long, value_name = "DIR", num_args = 1.., conflicts_with_all = ["shard", "only", "max_seconds", "offline", "data_dir", "adapter", "backend"])]
    merge: Vec<PathBuf>,
    /// Save and stop after so many seconds, with exit status 0; the same command goes on
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    max_seconds: Option<f64>,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
    #[command(flatten)]
    tune: TuneArgs,
    #[command(flatten)]
    speech: SpeechArgs,
}

fn part(text: &str) -> std::result::Result<(usize, usize), String> {
    let numbers = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    match numbers {
        Some((i, n)) if i >= 1 && i <= n => Ok((i, n)),
        _ => Err("write I/N, such as 2/5, with I from 1 to N".into()),
    }
}

/// The flags of a planned run, as `ssgan train` reads them.
#[derive(Debug, Parser)]
struct Flags {
    #[command(flatten)]
    settings: SettingsArgs,
}

pub fn run(args: &Args) -> Result<()> {
    let mut progress = args.speech.progress();
    let named = args.data.dataset.clone();
    let scope = Scope {
        dataset: named.unwrap_or_else(|| if args.quick { "digits" } else { "mnist" }.into()),
        label_seeds: args.label_seeds.unwrap_or(if args.quick { 2 } else { 5 }),
        quick: args.quick,
        paper: args.paper,
        ablate: args.ablate,
    };
    let all = plan(&scope);
    if !args.merge.is_empty() {
        return merge(args, &all, &progress);
    }
    let stop = interrupt::install()?;
    let wanted = |p: &Planned| args.only.is_empty() || args.only.iter().any(|key| key == p.group.key);
    let mine: Vec<Planned> = all.iter().filter(|p| wanted(p)).cloned().collect();
    if mine.is_empty() {
        let only = args.only.join(", ");
        return Err(Error::Usage(format!("{only}: not in this plan; add --ablate or --paper")));
    }
    // More shards than runs leave some with nothing to do, which is no mistake of a job array.
    let mine = match args.shard {
        Some(which) => shard(mine, which),
        None => mine,
    };
    // What cannot be resolved, and runs of another plan in the folder, are known before hours are spent.
    let resolved = mine.iter().map(|p| args.resolve(p)).collect::<Result<Vec<Resolved>>>()?;
    args.check_runs(&all, &[&args.out])?;
    std::fs::create_dir_all(&args.out).map_err(Error::io("create", &args.out))?;
    let request = load::request(&scope.dataset, args.data.data_dir.as_deref(), args.data.offline);
    let set = data::load(&request, &mut progress)?;
    let info = args.claim(&set)?;
    go_on(stop)?;
    let gpu = Gpu::open(&args.adapter.choice())?;
    args.max_seconds.into_iter().for_each(interrupt::stop_after);
    let mut diverged: Vec<String> = Vec::new();
    for (i, (planned, resolved)) in mine.iter().zip(resolved).enumerate() {
        if args.finished(planned, &[&args.out])?.is_some() {
            continue;
        }
        let folder = folder(&args.out, planned);
        let results = args.results(&all, &[&args.out], &info)?;
        let left: Vec<&Planned> = mine[i..].iter().filter(|p| results.missing.contains(&p.id)).collect();
        let left = time_left(&results, &left);
        progress.set_context(&format!("run {} of {}: {}", i + 1, mine.len(), planned.id));
        progress.note(&format!("run {} of {}: {}{left}", i + 1, mine.len(), planned.id));
        let mut run = match begun(&folder) {
            true => Run::reopen(&folder, &args.of_begun())?,
            false => {
                abandon(&folder)?;
                Run::create(resolved, Some(&folder))?
            }
        };
        let options = Options { keep: Some(KEEP), ..Options::default() };
        match run.train((&gpu, &set), options, &mut progress, stop) {
            Ok(_) => drop(args.publish(&all, &info)?),
            Err(Error::Interrupted(what)) => {
                args.publish(&all, &info)?;
                let what = format!("{}: {what}; the same command goes on", planned.id);
                if !interrupt::time_is_up() {
                    return Err(Error::Interrupted(what));
                }
                return match args.speech.json {
                    true => output::print_json(&serde_json::json!({ "report": args.out, "stopped": what })),
                    false => output::print(&format!("time is up; {what}\n")),
                };
            }
            // Others may fare better.
            Err(Error::Diverged(what)) => {
                progress.note(&format!("{}: {what}", planned.id));
                diverged.push(planned.id.clone());
            }
            Err(e) => return Err(e),
        }
    }
    drop(progress);
    let results = args.publish(&all, &info)?;
    report(args, &results)?;
    match diverged.is_empty() {
        true => Ok(()),
        false => Err(Error::Diverged(format!(
            "{}: training has diverged; the others are done",
            diverged.join(", ")
        ))),
    }
}

/// Where a planned run is.
fn folder(root: &Path, planned: &Planned) -> PathBuf {
    root.join("runs").join(&planned.id)
}

/// Whether a run's folder says how it ended: what is kept of it elsewhere is made from that.
fn summarised(root: &Path, planned: &Planned) -> bool {
    folder(root, planned).join("summary.json").is_file()
}

/// Where what is kept of a run is.
fn record(root: &Path, id: &str) -> PathBuf {
    root.join("summaries").join(format!("{id}.json"))
}

/// Clears the folder of a run that ended before its settings were written; refuses one that another process holds.
fn abandon(folder: &Path) -> Result<()> {
    if folder.join("config.toml").exists() {
        drop(RunDir::reopen(folder)?);
        std::fs::remove_dir_all(folder).map_err(Error::io("remove", folder))?;
    }
    Ok(())
}

impl Args {
    /// Where the data are and what computes: said here, not in the plan.
    fn settings_args(&self) -> SettingsArgs {
        let data = DataArgs { dataset: None, ..self.data.clone() };
        SettingsArgs { data, adapter: self.adapter.clone(), tune: self.tune, ..SettingsArgs::default() }
    }

    /// The same for a run that was begun: its precision holds.
    fn of_begun(&self) -> SettingsArgs {
        let adapter = AdapterArgs { precision: None, ..self.adapter.clone() };
        SettingsArgs { adapter, ..self.settings_args() }
    }

    fn resolve(&self, planned: &Planned) -> Result<Resolved> {
        let words = std::iter::once("train").chain(planned.flags.iter().map(String::as_str));
        let mut flags = Flags::try_parse_from(words).map_err(|e| Error::Usage(e.to_string()))?.settings;
        let here = self.settings_args();
        flags.data = DataArgs { dataset: flags.data.dataset, ..here.data };
        flags.adapter = here.adapter;
        flags.tune = here.tune;
        config::resolve(&flags)
    }

    /// The report's folder belongs to one data set, whose facts and images it holds.
    fn claim(&self, set: &Dataset) -> Result<Info> {
        let info = data::info(set);
        let path = self.out.join("data.json");
        fits(&self.out, &info)?;
        data_picture(set).save(&self.out.join("data.png"))?;
        write_json(&path, &info)?;
        Ok(info)
    }

    /// Refuses folders and summaries that hold a run of another plan under the name of one of this.
    fn check_runs(&self, all: &[Planned], roots: &[&Path]) -> Result<()> {
        for planned in all {
            let wanted = self.resolve(planned)?;
            for folder in roots.iter().map(|r| folder(r, planned)).filter(|f| begun(f)) {
                let read = |name: &str| crate::text::read(&folder.join(name));
                let args = self.of_begun();
                let theirs = config::of_run(&read("config.toml")?, read("model.toml")?, &folder, &args)?;
                same_run(&folder, &theirs.settings, &theirs.spec, &wanted)?;
            }
            // Where the whole run is, its summary is made anew.
            let left = |r: &&Path| !summarised(r, planned);
            let records = roots.iter().copied().filter(left).map(|r| record(r, &planned.id));
            for path in records.filter(|p| p.is_file()) {
                let Record { settings, model_toml, .. } = Record::read(planned, &path)?;
                let spec = parse::parse(&model_toml, &format!("{}, model_toml", path.display()))?;
                same_run(&path, &settings, &spec, &wanted)?;
                let strip = path.with_extension("png");
                if strip.is_file() {
                    Picture::load(&strip)?;
                }
            }
        }
        Ok(())
    }

    /// Writes the report of what is finished.
    fn publish(&self, all: &[Planned], info: &Info) -> Result<Results> {
        settle(
            || self.results(all, &[&self.out], info),
            |results| write(results, &self.out),
            |a, b| a.missing == b.missing,
        )
    }

    /// What is finished in the roots.
    fn results(&self, all: &[Planned], roots: &[&Path], info: &Info) -> Result<Results> {
        let mut runs = Vec::new();
        let mut missing = Vec::new();
        for planned in all {
            match self.finished(planned, roots)? {
                Some(run) => runs.push(run),
                None => missing.push(planned.id.clone()),
            }
        }
        Ok(Results { data: info.clone(), quick: self.quick, planned: all.len(), runs, missing })
    }

    /// The run of `planned` in the first of the roots that has it, or else what one of them keeps of it, and what others
    /// have more of the same run; `None` if it is finished in none.
    fn finished(&self, planned: &Planned, roots: &[&Path]) -> Result<Option<RunResult>> {
        let mut found = Vec::new();
        for root in roots {
            found.extend(RunResult::load(planned, &folder(root, planned))?);
        }
        for root in roots {
            let path = record(root, &planned.id);
            // A summary of the run that is there whole may be of an earlier version; what it has more is a gain.
            match path.is_file().then(|| RunResult::recorded(planned, &path)) {
                Some(Err(_)) if summarised(root, planned) => {}
                Some(record) => found.push(record?),
                None => {}
            }
        }
        let mut found = found.into_iter();
        let mut run = found.next();
        if let Some(run) = &mut run {
            found.for_each(|other| run.join(other));
        }
        Ok(run)
    }
}

/// Refuses a run of other settings or another model than `wanted`; where its data were and what computed it may differ.
fn same_run(name: &Path, settings: &Settings, spec: &ModelSpec, wanted: &Resolved) -> Result<()> {
    let what = if settings.anywhere() != wanted.settings.anywhere() {
        "other settings than this plan's"
    } else if *spec != wanted.spec {
        "another model than this program's"
    } else {
        return Ok(());
    };
    Err(Error::Output(format!("{} was trained with {what}: {ANOTHER_RUN}", name.display())))
}

/// Writes what is read until nothing is new after it was written. Of several processes that write the same file each with
/// what it read, the last one then wrote all there is.
fn settle<T>(
    read: impl Fn() -> Result<T>,
    write: impl Fn(&T) -> Result<()>,
    same: impl Fn(&T, &T) -> bool,
) -> Result<T> {
    let mut now = read()?;
    loop {
        write(&now)?;
        let after = read()?;
        if same(&now, &after) {
            return Ok(after);
        }
        now = after;
    }
}

/// The report of runs that were made elsewhere.
fn merge(args: &Args, all: &[Planned], progress: &Progress) -> Result<()> {
    let roots: Vec<&Path> = args.merge.iter().map(PathBuf::as_path).collect();
    let info = read_info(roots[0])?;
    for root in &roots[1..] {
        if read_info(root)?.fingerprint != info.fingerprint {
            let (a, b) = (roots[0].display(), root.display());
            return Err(Error::Usage(format!("{a} and {b} are of different data: they cannot be merged")));
        }
    }
    args.check_runs(all, &roots)?;
    let mut results = args.results(all, &roots, &info)?;
    if results.runs.is_empty() {
        return Err(Error::Usage(format!(
            "no finished run of this plan ({}, ...) in the folders to merge; give the flags that they were made with",
            all[0].id
        )));
    }
    keeps(&args.out, &info, all, &mut results)?;
    std::fs::create_dir_all(&args.out).map_err(Error::io("create", &args.out))?;
    let picture =
        std::fs::read(roots[0].join("data.png")).map_err(Error::io("read", roots[0].join("data.png")))?;
    crate::atomic::write(&args.out.join("data.png"), &picture)?;
    write_json(&args.out.join("data.json"), &info)?;
    write(&results, &args.out)?;
    if !results.missing.is_empty() {
        progress.note(&format!("not finished in any folder: {}", results.missing.join(", ")));
    }
    report(args, &results)
}

/// Refuses to write over a report of other data, or over the summaries of other runs, which may be all that is left of them;
/// what those of the same runs have more is kept.
fn keeps(out: &Path, info: &Info, all: &[Planned], results: &mut Results) -> Result<()> {
    fits(out, info)?;
    for run in &mut results.runs {
        let path = record(out, &run.id);
        let planned = all.iter().find(|p| p.id == run.id);
        let Some(planned) = planned.filter(|_| path.is_file()) else { continue };
        match RunResult::recorded(planned, &path) {
            Ok(kept) if kept.record.is_of(&run.record) => run.join(kept),
            _ => {
                let path = path.display();
                return Err(Error::Output(format!(
                    "{path} is of another run: name another --out, or move it away"
                )));
            }
        }
    }
    Ok(())
}

/// Refuses a report's folder that is of other data, or does not say of which its summaries are.
fn fits(out: &Path, info: &Info) -> Result<()> {
    let of_some = ["data.json", "summaries"].iter().any(|name| out.join(name).exists());
    if !of_some || read_info(out)?.fingerprint == info.fingerprint {
        return Ok(());
    }
    let (out, name) = (out.display(), &info.name);
    Err(Error::Output(format!("{out} is of other data than {name}: name another --out")))
}

fn read_info(root: &Path) -> Result<Info> {
    let path = root.join("data.json");
    if !root.is_dir() {
        return Err(Error::Output(format!("no folder {}", root.display())));
    }
    if !path.is_file() {
        return Err(Error::Output(format!(
            "{}: no data.json: not a folder that `ssgan reproduce` made; data.json and data.png belong beside its \
             summaries",
            root.display()
        )));
    }
    serde_json::from_str(&crate::text::read(&path)?).map_err(|e| {
        Error::Output(format!("{}: {e}: not a folder that `ssgan reproduce` made", path.display()))
    })
}

/// Ten images of each class.
fn data_picture(set: &Dataset) -> Picture {
    let pixels = set.shape.image.len() as usize;
    let of = |class: u32| {
        let matching = set.train.labels.iter().enumerate().filter(move |(_, l)| u32::from(**l) == class);
        matching.take(10).map(|(i, _)| &set.train.images[i * pixels..][..pixels])
    };
    let images: Vec<f32> =
        (0..set.shape.classes).flat_map(of).flatten().map(|&b| f32::from(b) / 255.0).collect();
    grid::grid(&images, set.shape.image)
}

/// `; about 12m left`, from the finished runs of each group.
fn time_left(results: &Results, left: &[&Planned]) -> String {
    let mut seconds = 0.0;
    let mut unknown = false;
    for planned in left {
        match Stat::over(&results.of(&planned.group), |r| r.record.summary.seconds) {
            Some(s) => seconds += s.mean,
            None => unknown = true,
        }
    }
    match (seconds > 0.0, unknown) {
        (true, false) => format!("; about {} left", duration(seconds)),
        (true, true) => format!("; more than {} left", duration(seconds)),
        (false, _) => String::new(),
    }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    crate::atomic::write(path, crate::text::json(path.display(), value)?.as_bytes())
}

fn write(results: &Results, out: &Path) -> Result<()> {
    crate::atomic::write(&out.join("index.html"), page(results, &out.join("data.png"))?.as_bytes())?;
    crate::atomic::write(&out.join("report.md"), markdown(results).as_bytes())?;
    // Each run as in its summary.
    let path = out.join("results.json");
    crate::atomic::write(&path, crate::text::json_to(4, path.display(), results)?.as_bytes())?;
    let folder = out.join("summaries");
    std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    let keep = |r: &RunResult| write_json(&record(out, &r.id), &r.record);
    results.runs.iter().try_for_each(keep)?;
    // The page shows generated images of the first run of these that has any.
    for group in GROUPS.iter().filter(|g| g.section == Section::SemiSupervised) {
        let shown = results.pictured(group)?;
        if let Some((run, strip)) = shown.and_then(|(run, rows)| Some((run, Samples::strip(&rows)?))) {
            strip.save(&record(out, &run.id).with_extension("png"))?;
            continue;
        }
        // Beside these runs it would be another's.
        for run in results.of(group) {
            let stale = record(out, &run.id).with_extension("png");
            if stale.is_file() {
                std::fs::remove_file(&stale).map_err(Error::io("remove", &stale))?;
            }
        }
    }
    Ok(())
}

fn report(args: &Args, results: &Results) -> Result<()> {
    if args.speech.json {
        let page = args.out.join("index.html");
        let accuracies: BTreeMap<&str, Vec<f32>> = GROUPS
            .iter()
            .map(|g| (g.key, results.of(g).iter().map(|r| r.record.summary.test_accuracy).collect()))
            .collect();
        return output::print_json(&serde_json::json!({
            "page": page, "planned": results.planned, "finished": results.runs.len(), "test_accuracy": accuracies,
        }));
    }
    let mut table = Table::new(&[
        ("model", Align::Left),
        ("report", Align::Right),
        ("ours", Align::Right),
        ("averaged", Align::Right),
        ("runs", Align::Right),
    ]);
    for group in &GROUPS {
        let runs = results.of(group);
        if runs.is_empty() {
            continue;
        }
        let stat = |of: fn(&RunResult) -> f64| Stat::over(&runs, of).map_or(String::new(), |s| s.to_string());
        table.row([
            group.key.to_string(),
            results.reference(group).map_or(String::new(), |r| format!("{r:.4}")),
            stat(RunResult::accuracy),
            stat(RunResult::averaged),
            runs.len().to_string(),
        ]);
    }
    let note = match results.runs.len() {
        n if n == results.planned => String::new(),
        n => format!("{n} of {} runs are finished\n", results.planned),
    };
    output::print(&format!("{table}{note}\n{}\n", args.out.join("index.html").display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Runs end while another process has read what is finished and not yet written it.
    #[test]
    fn the_last_writer_has_seen_all() {
        for _ in 0..20 {
            let (finished, page) = (Mutex::new(0), Mutex::new(0));
            std::thread::scope(|scope| {
                for i in 0..8 {
                    let (finished, page) = (&finished, &page);
                    scope.spawn(move || {
                        *finished.lock().unwrap() += 1;
                        let write = |n: &u32| {
                            std::thread::sleep(std::time::Duration::from_micros(u64::from(
                                (n * 37 + i * 53) % 200,
                            )));
                            *page.lock().unwrap() = *n;
                            Ok(())
                        };
                        settle(|| Ok(*finished.lock().unwrap()), write, |a, b| a == b).unwrap();
                    });
                }
            });
            assert_eq!(*page.lock().unwrap(), 8);
        }
    }
}
