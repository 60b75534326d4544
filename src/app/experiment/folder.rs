//! The folder of a report: its runs, what is kept of those that are finished, and the pages made from that.
//!
//! ```text
//! data.json        facts of the data set             data.png         ten images of each class
//! runs/ID/         run folders                       summaries/ID.json, ID.png   what is kept of them
//! index.html       the page                          report.md, results.json
//! ```

use super::plan::{ARMS, Planned, Section};
use super::results::{Results, RunResult, Samples};
use super::{markdown, page};
use crate::app::atomic;
use crate::app::report::grid;
use crate::app::report::png::Picture;
use crate::app::source::{self, Info};
use crate::app::text;
use crate::data::Dataset;
use crate::error::{Error, Result};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A report's folder, whether it is there or not.
#[derive(Debug, Clone)]
pub struct ReportDir {
    path: PathBuf,
}

impl ReportDir {
    /// The one at `path`.
    pub fn new(path: &Path) -> ReportDir {
        ReportDir { path: path.into() }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of its page.
    pub fn page(&self) -> PathBuf {
        self.path.join("index.html")
    }

    /// The folder of a planned run.
    pub fn run(&self, planned: &Planned) -> PathBuf {
        self.path.join("runs").join(&planned.id)
    }

    /// Whether it has or keeps something of a planned run.
    pub fn has(&self, planned: &Planned) -> bool {
        self.run(planned).is_dir() || self.record(&planned.id).is_file()
    }

    /// Whether a run's folder says how it ended: what is kept of it is made from that.
    pub fn has_whole(&self, planned: &Planned) -> bool {
        self.run(planned).join("summary.json").is_file()
    }

    /// The file that keeps a run's summary, also when the run's own folder is gone.
    pub fn record(&self, id: &str) -> PathBuf {
        self.path.join("summaries").join(format!("{id}.json"))
    }

    /// The highest label seed of the runs that it has or keeps something of, by their names; 0 where there are none.
    pub fn last_label_seed(&self) -> u64 {
        let names =
            ["runs", "summaries"].iter().filter_map(|folder| std::fs::read_dir(self.path.join(folder)).ok());
        let seed = |name: &str| name.trim_end_matches(".json").rsplit_once("-seed")?.1.parse().ok();
        names.flatten().flatten().filter_map(|entry| seed(entry.file_name().to_str()?)).max().unwrap_or(0)
    }

    /// The file that keeps a run's generated images.
    fn strip(&self, id: &str) -> PathBuf {
        self.record(id).with_extension("png")
    }

    /// Makes the folder for the runs and the report of one data set, whose facts and images it holds.
    ///
    /// # Errors
    /// As [`ReportDir::fits`]; [`Error::Io`] if it cannot be written.
    pub fn claim(&self, set: &Dataset) -> Result<Info> {
        let info = source::info(set);
        self.fits(&info)?;
        atomic::sweep(&self.path, atomic::LEFT);
        atomic::sweep(&self.path.join("summaries"), atomic::LEFT);
        // First what says whose folder it is: one that is killed behind it can go on.
        write_json(&self.path.join("data.json"), &info)?;
        data_picture(set).save(&self.path.join("data.png"))?;
        Ok(info)
    }

    /// Facts of the data set that its runs learned from.
    ///
    /// # Errors
    /// [`Error::Output`] if it is no report's folder, [`Error::Io`] if it cannot be read.
    pub fn info(&self) -> Result<Info> {
        let (root, path) = (self.path.display(), self.path.join("data.json"));
        if !self.path.is_dir() {
            return Err(Error::Output(format!("no folder {root}")));
        }
        if !path.is_file() {
            return Err(Error::Output(format!(
                "{root}: no data.json: not a folder that `ssgan reproduce` made; data.json and data.png belong beside its \
                 summaries"
            )));
        }
        serde_json::from_str(&text::read_record(&path)?).map_err(|e| {
            Error::Output(format!("{}: {e}: not a folder that `ssgan reproduce` made", path.display()))
        })
    }

    /// Refuses a folder that is of other data, or does not say of which its summaries are, and one that has files of a report's
    /// names and is none.
    ///
    /// # Errors
    /// [`Error::Output`] naming it.
    pub fn fits(&self, info: &Info) -> Result<()> {
        let (out, name) = (self.path.display(), &info.name);
        let there = |file: &&str| self.path.join(file).exists();
        if !["data.json", "summaries"].iter().any(there) {
            let theirs = ["index.html", "report.md", "results.json", "data.png"].into_iter().find(there);
            return theirs.map_or(Ok(()), |file| {
                Err(Error::Output(format!(
                    "{out} has {file}, but no data.json: not a folder that `ssgan reproduce` made; name another --out"
                )))
            });
        }
        if self.info()?.fingerprint == info.fingerprint {
            return Ok(());
        }
        Err(Error::Output(format!("{out} is a report on other data than {name}: name another --out")))
    }

    /// Writes the report of what is finished in it, and what that is.
    ///
    /// # Errors
    /// As [`results`]; [`Error::Io`] if the report cannot be written.
    pub fn publish(&self, all: &[Planned], quick: bool, info: &Info) -> Result<Results> {
        settle(
            || results(all, &[self], quick, info),
            |results| self.write(results),
            |a, b| a.missing == b.missing,
        )
    }

    /// Makes it the report of runs that were found elsewhere, the data's picture being in `from`.
    ///
    /// # Errors
    /// As [`ReportDir::fits`]; [`Error::Output`] rather than writing over the summaries of other runs, which may be all that is
    /// left of them; what those of the same runs have more is kept. [`Error::Io`] if it cannot be written.
    pub fn merge(&self, from: &ReportDir, all: &[Planned], mut results: Results) -> Result<Results> {
        self.fits(&results.data)?;
        for run in &mut results.runs {
            let path = self.record(&run.id);
            let planned = all.iter().find(|p| p.id == run.id);
            let Some(planned) = planned.filter(|_| path.is_file()) else { continue };
            match RunResult::recorded(planned, &path) {
                Ok(kept) if kept.record.is_of(&run.record) => run.join(kept),
                Err(e) => return Err(e),
                Ok(_) => {
                    let path = path.display();
                    return Err(Error::Output(format!(
                        "{path} is of another run: name another --out, or move it away"
                    )));
                }
            }
        }
        std::fs::create_dir_all(&self.path).map_err(Error::io("create", &self.path))?;
        let picture = from.path.join("data.png");
        let picture = text::bytes(&picture, text::MAX_RECORD)?;
        write_json(&self.path.join("data.json"), &results.data)?;
        atomic::write(&self.path.join("data.png"), &picture)?;
        self.write(&results)?;
        Ok(results)
    }

    /// The run of `planned` that is in it, or else what it keeps of one.
    fn finished(&self, planned: &Planned) -> Result<Option<RunResult>> {
        let path = self.record(&planned.id);
        let kept = path.is_file().then(|| RunResult::recorded(planned, &path));
        if !self.has_whole(planned) {
            return kept.transpose();
        }
        // What is kept of a run that is there whole may be of an earlier version, or of a run before it.
        let kept = kept.and_then(Result::ok);
        let mut run = RunResult::load(planned, &self.run(planned), kept.as_ref().map(|k| &k.record))?;
        if let (Some(run), Some(kept)) = (&mut run, kept) {
            run.join(kept);
        }
        Ok(run)
    }

    fn write(&self, results: &Results) -> Result<()> {
        let out = &self.path;
        atomic::write(&self.page(), page(results, &out.join("data.png"))?.as_bytes())?;
        atomic::write(&out.join("report.md"), markdown(results).as_bytes())?;
        // Each run as in its summary.
        let path = out.join("results.json");
        atomic::write(&path, text::json_to(4, path.display(), results)?.as_bytes())?;
        let folder = out.join("summaries");
        std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        let keep = |r: &RunResult| write_json(&self.record(&r.id), &r.record);
        results.runs.iter().try_for_each(keep)?;
        // The page shows generated images of the first run of these that has any.
        for arm in ARMS.iter().filter(|arm| arm.section == Section::SemiSupervised) {
            let shown = results.pictured(arm)?;
            if let Some((run, strip)) = shown.and_then(|(run, rows)| Some((run, Samples::strip(&rows)?))) {
                strip.save(&self.strip(&run.id))?;
                continue;
            }
            // Beside these runs it would be another's.
            for run in results.of(arm) {
                atomic::remove(&self.strip(&run.id))?;
            }
        }
        Ok(())
    }
}

/// What is finished in the folders.
///
/// # Errors
/// [`Error::Io`] and [`Error::Output`] for a run, or what is kept of one, that cannot be read.
pub fn results(all: &[Planned], roots: &[&ReportDir], quick: bool, info: &Info) -> Result<Results> {
    let mut runs = Vec::new();
    let mut missing = Vec::new();
    for planned in all {
        match finished(planned, roots)? {
            Some(run) => runs.push(run),
            None => missing.push(planned.id.clone()),
        }
    }
    Ok(Results { data: info.clone(), quick, planned: all.len(), runs, missing })
}

/// The run of `planned` that is in one of the folders, or kept in one; where several have it, with the most that they have
/// of it. `None` if it is finished in none.
///
/// # Errors
/// As [`results`]; [`Error::Output`] if two folders have different runs of it: which counts is not ours to say.
pub fn finished(planned: &Planned, roots: &[&ReportDir]) -> Result<Option<RunResult>> {
    let mut found: Option<(&ReportDir, RunResult)> = None;
    for root in roots {
        let Some(run) = root.finished(planned)? else { continue };
        match &mut found {
            Some((first, other)) if !other.record.is_of(&run.record) => {
                let (a, b) = (first.path.display(), root.path.display());
                return Err(Error::Output(format!(
                    "{a} and {b} have different runs of {}: move one of them away, and its file in summaries",
                    planned.id
                )));
            }
            Some((_, other)) => other.join(run),
            None => found = Some((root, run)),
        }
    }
    Ok(found.map(|(_, run)| run))
}

/// Ten images of each class.
fn data_picture(set: &Dataset) -> Picture {
    let pixels = set.shape.image.len() as usize;
    let of = |class: u32| {
        let matching = set
            .train
            .labels
            .iter()
            .enumerate()
            .filter(move |(_, l)| l.is_some_and(|l| u32::from(l) == class));
        matching.take(10).map(|(i, _)| &set.train.images[i * pixels..][..pixels])
    };
    grid::grid_of_bytes((0..set.shape.classes).flat_map(of).flatten(), set.shape.image)
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    atomic::write(path, text::json(path.display(), value)?.as_bytes())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::atomic::fault;
    use crate::data::Split;
    use crate::shape::{DataShape, Dims};
    use std::io::ErrorKind;
    use std::sync::Mutex;

    fn data() -> Dataset {
        let shape = DataShape { image: Dims { height: 1, width: 2, channels: 1 }, classes: 2 };
        let split = |first: u8| Split::labelled(vec![first, 2, 3, 4], [0u16, 1]);
        Dataset::new("tiny", shape, split(1), split(5)).unwrap()
    }

    #[test]
    fn what_is_not_ours_is_not_written_over() {
        for name in ["index.html", "report.md", "results.json", "data.png"] {
            let dir = tempfile::tempdir().unwrap();
            // Parts of a report may lie in it.
            std::fs::create_dir(dir.path().join("part-1-of-2")).unwrap();
            let file = dir.path().join(name);
            std::fs::write(&file, "mine").unwrap();
            let e = ReportDir::new(dir.path()).claim(&data()).unwrap_err();
            assert!(e.exit_code() == 6 && e.to_string().contains(name), "{e}");
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "{name}");
            assert_eq!(std::fs::read(&file).unwrap(), b"mine", "{name}");
            std::fs::remove_file(file).unwrap();
            ReportDir::new(dir.path()).claim(&data()).unwrap();
        }
    }

    /// Whatever fails first, with all that comes after it, the same command goes on.
    #[test]
    fn a_folder_that_was_half_claimed_is_gone_on_with() {
        for n in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let report = ReportDir::new(dir.path());
            fault::after(n, ErrorKind::StorageFull, true);
            let claimed = report.claim(&data());
            let failed = fault::end();
            assert_eq!(claimed.is_err(), failed, "{n}");
            report.claim(&data()).unwrap_or_else(|e| panic!("{n}: {e}"));
            if !failed {
                break;
            }
        }
    }

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
