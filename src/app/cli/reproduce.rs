//! `ssgan reproduce`.

use super::args::{AdapterArgs, DataArgs, SettingsArgs, SpeechArgs, TuneArgs, seconds};
use super::{load, output};
use crate::app::experiment::folder::{ReportDir, finished, results};
use crate::app::experiment::plan::{ARMS, Planned, Scope, plan, shard};
use crate::app::experiment::results::{ANOTHER_RUN, Record, Results, RunResult, Stat};
use crate::app::report::png::Picture;
use crate::app::report::progress::Progress;
use crate::app::report::table::Table;
use crate::app::run::config::{self, Resolved};
use crate::app::run::device::Device;
use crate::app::run::folder::RunDir;
use crate::app::run::interrupt;
use crate::app::run::settings::RunSettings;
use crate::app::run::{Options, Run, begun};
use crate::app::source::{self, Info};
use crate::app::text::duration;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::model::parse;
use crate::model::spec::ModelSpec;
use crate::native;
use clap::Parser;
use clap::builder::PossibleValuesParser;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Checkpoints that each run keeps: the newest, and one to fall back to.
const KEEP: usize = 2;

/// What a merge trains nothing with.
const MERGED: [&str; 8] =
    ["shard", "only", "max_seconds", "data_dir", "offline", "adapter", "backend", "tune"];

const MOST_LABEL_SEEDS: u64 = 1000;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the report and its runs; made, or gone on with
    #[arg(long, value_name = "DIR", default_value = "report")]
    out: PathBuf,
    /// Label seeds 1 to N for each model [default: 5; --quick: 2; --merge: and of more those that the folders have]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MOST_LABEL_SEEDS))]
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
    #[arg(long, value_name = "MODEL", num_args = 1.., value_parser = PossibleValuesParser::new(ARMS.map(|arm| arm.key)))]
    only: Vec<String>,
    /// Train nothing: make the report of --out from runs in these folders
    #[arg(long, value_name = "DIR", num_args = 1.., conflicts_with_all = MERGED)]
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

/// `I/N`, I from 1 to N.
pub(super) fn part(text: &str) -> std::result::Result<(usize, usize), String> {
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
    let scope = args.scope();
    let all = plan(&scope);
    if !args.merge.is_empty() {
        return merge(args, &args.asked_for(all), &progress);
    }
    let out = ReportDir::new(&args.out);
    let Work { mine, resolved, set, info } = args.prepare((&scope, &all), &out, &mut progress)?;
    let stop = interrupt::install()?;
    let mut device = Device::new(native::open(&args.adapter.choice())?);
    args.max_seconds.into_iter().for_each(interrupt::stop_after);
    let mut diverged: Vec<String> = Vec::new();
    let mut pace = (0.0, 0.0);
    for (i, (planned, resolved)) in mine.iter().zip(resolved).enumerate() {
        if finished(planned, &[&out])?.is_some() {
            continue;
        }
        let left = time_left(&results(&all, &[&out], args.quick, &info)?, &mine[i..], pace);
        let which = format!("run {} of {}: {}", i + 1, mine.len(), planned.id);
        progress.set_context(&which);
        progress.note(&format!("{which}{left}"));
        let mut run = args.begin_or_reopen(&out.run(planned), resolved)?;
        let options = Options { keep: Some(KEEP), ..Options::default() };
        let begun = Instant::now();
        match run.train((&mut device, &set), options, &mut progress, stop) {
            Ok(summary) => {
                pace.0 += begun.elapsed().as_secs_f64();
                pace.1 += summary.seconds;
                out.publish(&all, args.quick, &info)?;
            }
            Err(Error::Interrupted(what)) => {
                out.publish(&all, args.quick, &info)?;
                return stopped(args, format!("{}: {what}; the same command goes on", planned.id));
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
    report(args, &out.publish(&all, args.quick, &info)?)?;
    if diverged.is_empty() {
        return Ok(());
    }
    let diverged = diverged.join(", ");
    Err(Error::Diverged(format!("{diverged}: training has diverged; the others are done")))
}

/// The runs that a command trains, with their settings, and what on.
struct Work {
    mine: Vec<Planned>,
    resolved: Vec<Resolved>,
    set: Dataset,
    info: Info,
}

/// The end of a command whose time is up; an error where somebody has interrupted it.
fn stopped(args: &Args, what: String) -> Result<()> {
    if !interrupt::time_is_up() {
        return Err(Error::Interrupted(what));
    }
    match args.speech.json {
        true => output::print_json(&serde_json::json!({
            "report": output::path(&args.out), "stopped": what,
        })),
        false => output::print(&format!("time is up; {what}\n")),
    }
}

/// Clears the folder of a run that ended before its settings were written; refuses one that another process holds, or that
/// has more than that.
fn abandon(folder: &Path) -> Result<()> {
    if folder.join("config.toml").exists() { RunDir::reopen(folder)?.discard() } else { Ok(()) }
}

impl Args {
    fn scope(&self) -> Scope {
        let named = self.data.dataset.clone();
        Scope {
            dataset: named.unwrap_or_else(|| if self.quick { "digits" } else { "mnist" }.into()),
            label_seeds: self.label_seeds.unwrap_or_else(|| self.usual_label_seeds()),
            quick: self.quick,
            paper: self.paper,
            ablate: self.ablate,
        }
    }

    /// Where their number is not given; runs that were found are not left out for that.
    fn usual_label_seeds(&self) -> u64 {
        let found = self.merge.iter().map(|path| ReportDir::new(path).last_label_seed());
        found.max().unwrap_or(0).min(MOST_LABEL_SEEDS).max(self.fewest_label_seeds())
    }

    fn fewest_label_seeds(&self) -> u64 {
        if self.quick { 2 } else { 5 }
    }

    /// The runs of the plan without those of label seeds that nobody asked for and no folder has: they are not missing.
    fn asked_for(&self, plan: Vec<Planned>) -> Vec<Planned> {
        let asked = self.label_seeds.unwrap_or_else(|| self.fewest_label_seeds());
        let there = |p: &Planned| self.merge.iter().any(|path| ReportDir::new(path).has(p));
        plan.into_iter().filter(|p| p.seed <= asked || there(p)).collect()
    }

    /// The runs of the plan that this command trains.
    fn part_of(&self, plan: &[Planned]) -> Result<Vec<Planned>> {
        let wanted = |p: &&Planned| self.only.is_empty() || self.only.iter().any(|key| key == p.arm.key);
        let mine: Vec<Planned> = plan.iter().filter(wanted).cloned().collect();
        if mine.is_empty() {
            let only = self.only.join(", ");
            return Err(Error::Usage(format!("{only}: not in this plan; add --ablate or --paper")));
        }
        // More shards than runs leave some with nothing to do, which is no mistake of a job array.
        Ok(match self.shard {
            Some(which) => shard(mine, which),
            None => mine,
        })
    }

    /// Claims the folder, once nothing is left that would end the command after hours: settings that do not resolve, runs of
    /// another plan in the folder, missing data.
    fn prepare(
        &self,
        (scope, all): (&Scope, &[Planned]),
        out: &ReportDir,
        progress: &mut Progress,
    ) -> Result<Work> {
        let mine = self.part_of(all)?;
        let resolved = mine.iter().map(|p| self.resolve(p)).collect::<Result<Vec<Resolved>>>()?;
        self.check_runs(all, &[out])?;
        let request = load::request(&scope.dataset, self.data.data_dir.as_deref(), self.data.offline)?;
        if begun(&self.out)? {
            let out = self.out.display();
            return Err(Error::Output(format!("{out} is a training run; choose another folder with --out")));
        }
        std::fs::create_dir_all(&self.out).map_err(Error::io("create", &self.out))?;
        let set = source::load(&request, progress)?;
        let info = out.claim(&set)?;
        Ok(Work { mine, resolved, set, info })
    }

    fn begin_or_reopen(&self, folder: &Path, resolved: Resolved) -> Result<Run> {
        if begun(folder)? {
            return Run::reopen(folder, &self.of_begun().given()?);
        }
        abandon(folder)?;
        Run::create(resolved, Some(folder))
    }

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
        flags.resolve()
    }

    /// Refuses folders and summaries that hold a run of another plan under the name of one of this.
    fn check_runs(&self, all: &[Planned], roots: &[&ReportDir]) -> Result<()> {
        for planned in all {
            let wanted = self.resolve(planned)?;
            for folder in roots.iter().map(|r| r.run(planned)) {
                if !begun(&folder)? {
                    continue;
                }
                let read = |name: &str| crate::app::text::read(&folder.join(name));
                let flags = self.of_begun().given()?;
                let theirs = config::of_run(&read("config.toml")?, read("model.toml")?, &folder, &flags)?;
                same_run(&folder, &theirs.settings, &theirs.spec, &wanted)?;
            }
            // Where the whole run is, its summary is made anew.
            let records = roots.iter().filter(|r| !r.has_whole(planned)).map(|r| r.record(&planned.id));
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
}

/// Refuses a run of other settings or another model than `wanted`; where its data were and what computed it may differ.
fn same_run(name: &Path, settings: &RunSettings, spec: &ModelSpec, wanted: &Resolved) -> Result<()> {
    let what = if settings.anywhere() != wanted.settings.anywhere() {
        "other settings than this plan's"
    } else if *spec != wanted.spec {
        "another model than this program's"
    } else {
        return Ok(());
    };
    Err(Error::Output(format!("{} was trained with {what}: {ANOTHER_RUN}", name.display())))
}

/// The report of runs that were made elsewhere.
fn merge(args: &Args, all: &[Planned], progress: &Progress) -> Result<()> {
    let roots: Vec<ReportDir> = args.merge.iter().map(|path| ReportDir::new(path)).collect();
    let roots: Vec<&ReportDir> = roots.iter().collect();
    let info = roots[0].info()?;
    for root in &roots[1..] {
        if root.info()?.fingerprint != info.fingerprint {
            let (a, b) = (roots[0].path().display(), root.path().display());
            return Err(Error::Usage(format!("{a} and {b} are of different data: they cannot be merged")));
        }
    }
    args.check_runs(all, &roots)?;
    let results = results(all, &roots, args.quick, &info)?;
    if results.runs.is_empty() {
        return Err(Error::Usage(format!(
            "no finished run of this plan ({}, ...) in the folders to merge; give the flags that they were made with",
            all[0].id
        )));
    }
    let results = ReportDir::new(&args.out).merge(roots[0], all, results)?;
    if !results.missing.is_empty() {
        progress.note(&format!("not finished in any folder: {}", results.missing.join(", ")));
    }
    report(args, &results)
}

/// `; about 12m left` for those of `runs` that are missing, from the finished runs of each arm. Their seconds are those of steps alone;
/// `pace` has the seconds that runs took altogether, and those of their steps.
fn time_left(results: &Results, runs: &[Planned], pace: (f64, f64)) -> String {
    let mut seconds = 0.0;
    for planned in runs.iter().filter(|p| results.missing.contains(&p.id)) {
        match Stat::over(&results.of(&planned.arm), |r| r.record.summary.seconds) {
            Some(s) => seconds += s.mean,
            // No run of this arm has been timed.
            None => return String::new(),
        }
    }
    // Of a run that was gone on with, some steps were made before.
    let seconds = seconds * if pace.1 > 0.0 { (pace.0 / pace.1).max(1.0) } else { 1.0 };
    if seconds > 0.0 { format!("; about {} left", duration(seconds)) } else { String::new() }
}

/// What `--json` prints; a struct, as a value of JSON would make 64-bit floats of these.
#[derive(serde::Serialize)]
struct Document<'a> {
    page: String,
    planned: usize,
    finished: usize,
    /// By model, of each label seed.
    test_accuracy: BTreeMap<&'a str, Vec<f32>>,
}

fn report(args: &Args, results: &Results) -> Result<()> {
    let page = ReportDir::new(&args.out).page();
    if args.speech.json {
        let page = output::path(&page);
        let accuracies: BTreeMap<&str, Vec<f32>> = ARMS
            .iter()
            .map(|arm| (arm.key, results.of(arm).iter().map(|r| r.record.summary.test_accuracy).collect()))
            .collect();
        let finished = results.runs.len();
        return output::print_json(&Document {
            page,
            planned: results.planned,
            finished,
            test_accuracy: accuracies,
        });
    }
    let mut table = Table::of(&["model"], &["reference", "ours", "averaged", "runs"], &[]);
    for arm in &ARMS {
        let runs = results.of(arm);
        if runs.is_empty() {
            continue;
        }
        let stat = |of: fn(&RunResult) -> f64| Stat::over(&runs, of).map_or(String::new(), |s| s.to_string());
        table.row([
            arm.key.to_string(),
            results.reference(arm).map_or(String::new(), |r| format!("{r:.4}")),
            stat(RunResult::accuracy),
            stat(RunResult::averaged),
            runs.len().to_string(),
        ]);
    }
    let note = match results.runs.len() {
        n if n == results.planned => String::new(),
        n => format!("{n} of {} runs are finished\n", results.planned),
    };
    output::print(&format!("{table}{note}\n{}\n", page.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every flag would do nothing in a merge, and so is not taken there, but those that say which plan it is of.
    #[test]
    fn a_merge_refuses_the_flags_of_a_training() {
        let all = <Args as clap::Args>::augment_args(clap::Command::new("reproduce"));
        let taken = [
            "out",
            "label_seeds",
            "quick",
            "paper",
            "ablate",
            "merge",
            "dataset",
            "precision",
            "json",
            "quiet",
        ];
        let flags = all.get_arguments().map(|flag| flag.get_id().as_str());
        let refused: Vec<&str> = flags.filter(|flag| !taken.contains(flag)).collect();
        assert_eq!(refused, MERGED);
    }
}
