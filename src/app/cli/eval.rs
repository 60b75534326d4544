//! `ssgan eval`.

use super::args::{AdapterArgs, DataArgs, SpeechArgs};
use super::flags::whole;
use super::likeness;
use super::load::{self, LoadedModel, adapter_line};
use super::output::{self, Kind};
use crate::app::report::confusion;
use crate::app::report::interval::{trust, wilson};
use crate::app::report::progress::Progress;
use crate::app::run::checkpoint::in_file;
use crate::app::source::own;
use crate::app::text::count;
use crate::data::{Dataset, Tested};
use crate::error::{Error, Result};
use crate::native::{self, BlockOn};
use crate::train::Evaluation;
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Run folder (its newest checkpoint) or checkpoint file
    #[arg(value_name = "RUN|CHECKPOINT")]
    pub(super) trained: PathBuf,
    /// Use the moving average of the parameters
    #[arg(long)]
    pub(super) averaged: bool,
    /// Write the confusion matrix as a PNG file
    #[arg(long, value_name = "FILE")]
    confusion: Option<PathBuf>,
    /// Images to test on: a folder with a folder for each class, or one with a labels.csv [default: the data of the run]
    #[arg(value_name = "FOLDER", conflicts_with_all = ["dataset", "data_dir"])]
    folder: Option<PathBuf>,
    /// Say how like the test images those of the generator are, instead of how well the test images are classified
    #[arg(long, requires = "by", conflicts_with = "confusion")]
    images: bool,
    /// With --images: compare them in the features of this classifier, a run on the same data with many labels (--averaged is
    /// of it then)
    #[arg(long, value_name = "RUN|CHECKPOINT", requires = "images")]
    by: Option<PathBuf>,
    /// With --images: how many to generate [default: as many as there are test images]
    #[arg(long, requires = "images", value_parser = whole(2, 100_000), allow_negative_numbers = true)]
    pub(super) count: Option<u32>,
    /// With --images: seed of the latent vectors [default: 1]
    #[arg(long, requires = "images")]
    pub(super) seed: Option<u64>,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    pub(super) adapter: AdapterArgs,
    #[command(flatten)]
    pub(super) speech: SpeechArgs,
}

pub fn run(args: &Args) -> Result<()> {
    if let Some(by) = &args.by {
        return likeness::run(args, by);
    }
    let mut progress = args.speech.progress();
    if let Some(file) = &args.confusion {
        output::check_not_the_result(file)?;
        output::check_file(file, Kind::Picture)?;
    }
    let trained = LoadedModel::load(&args.trained)?;
    if let Some(file) = &args.confusion {
        [trained.images().map(Path::to_path_buf), args.folder.clone()]
            .iter()
            .try_for_each(|at| output::check_apart(file, at.as_deref()))?;
    }
    let (set, left_out) = args.test_set(&trained, &mut progress)?;
    let gpu = native::open(&args.adapter.choice())?;
    let what = format!("testing {} on {} images, {}", trained.model.name, set.test.len(), adapter_line(&gpu));
    let result = progress
        .during(&what, || {
            crate::train::evaluate(&gpu, &trained.model, &trained.checkpoint, &set, args.averaged).block_on()
        })
        .map_err(in_file(&trained.path))?;
    let picture = || match &args.confusion {
        Some(path) => confusion::picture(&result.confusion, &set.class_names).save(path),
        None => Ok(()),
    };
    let (right, images) = confusion::right_of(&result.confusion);
    // What took the time first: a picture may fail.
    if args.speech.json {
        output::print_json(&Report {
            checkpoint: output::path(&trained.path),
            model: &trained.model.name,
            dataset: &set.name,
            data_sha256: &set.fingerprint,
            test_images: set.test.len(),
            left_out,
            averaged: args.averaged,
            accuracy_interval: wilson(right, images),
            result: &result,
        })?;
        return picture();
    }
    let what = if args.averaged { " (averaged parameters)" } else { "" };
    output::print(&format!(
        "{}: {} on {}{what}\n{}accuracy {:.4}, loss {:.4}\n{}\n\n{}\n{}",
        trained.path.display(),
        trained.model.name,
        set.name,
        told(left_out),
        result.accuracy,
        result.loss,
        trust(right, images, set.tested == Tested::HeldOut),
        confusion::per_class(&result.confusion, &set.class_names),
        confusion::table(&result.confusion, &set.class_names),
    ))?;
    picture()?;
    args.confusion.iter().try_for_each(|path| output::print(&format!("\n{}\n", path.display())))
}

/// That images were left out, where some were, as a line.
fn told(left_out: usize) -> String {
    match left_out {
        0 => String::new(),
        n => format!("{} left out, whose labels the run has learnt\n", count(n as u32, "image")),
    }
}

impl Args {
    /// The data to test on: of the shape that the model was trained on, with test images. And how many images with labels were
    /// left out, as the run had learnt their labels.
    pub(super) fn test_set(
        &self,
        trained: &LoadedModel,
        progress: &mut Progress,
    ) -> Result<(Dataset, usize)> {
        let elsewhere = match trained.images() {
            Some(_) => "name images to test on after the run",
            None => "name data to test on with --data-dir",
        };
        let (set, left_out) = match &self.folder {
            Some(folder) => self.without_learnt(folder, trained, progress)?,
            // With its training images.
            None if self.images => (load::data_of(trained, &self.data, elsewhere, progress)?, 0),
            None => (load::test_data(trained, &self.data, elsewhere, progress)?, 0),
        };
        trained.fits(&set)?;
        if set.test.is_empty() {
            let name = &set.name;
            let why = match trained.had_learnt_all()? {
                true => format!(
                    "the weights that the run began with had learnt the labels of all test images of {name}"
                ),
                false => format!("no label of {name} was held out, and it has no test images"),
            };
            return Err(Error::Data(format!("{why}: {elsewhere}")));
        }
        if let Some(own) = other_data(trained, &set) {
            progress.note(&format!("Note: trained on {own}, testing on {}.", set.name));
        }
        Ok((set, left_out))
    }

    /// The images of a folder, where they are to be classified but for those whose labels the run has learnt, which would test its
    /// memory; and how many those are.
    fn without_learnt(
        &self,
        folder: &Path,
        trained: &LoadedModel,
        progress: &mut Progress,
    ) -> Result<(Dataset, usize)> {
        let (mut set, apart) = own::load_test(folder, trained.policy()?, &trained.class_names, progress)?;
        let all = set.test.len();
        if !self.images
            && let Some(learnt) = trained.learnt()?
        {
            set.keep_tested(|pixels| !learnt.contains(pixels));
        }
        if set.test.is_empty() {
            return Err(Error::Data(format!(
                "{}: the run has learnt the labels of all {}: name images that it has not seen",
                folder.display(),
                count(all as u32, "image"),
            )));
        }
        let left_out = all - set.test.len();
        if left_out == 0 && !apart && set.name == trained.dataset {
            let name = &set.name;
            progress.note(&format!(
                "Note: trained on {name}: if these are the same pictures in other files, it has learnt from them."
            ));
        }
        Ok((set, left_out))
    }
}

/// What the run was trained on, where that is not `set`, which has no training images to compare where it comes from a folder.
fn other_data(trained: &LoadedModel, set: &Dataset) -> Option<String> {
    let other = trained.checkpoint.meta("data_sha256").is_ok_and(|sha256| sha256 != set.fingerprint);
    let other = other && !(set.train.is_empty() && trained.dataset == set.name);
    other.then(|| match trained.dataset == set.name {
        true => format!("other files of {}", set.name),
        false => trained.dataset.clone(),
    })
}

/// The JSON document. A structure, as `serde_json::Value` would widen 32-bit floats to twice their digits.
#[derive(Serialize)]
struct Report<'a> {
    checkpoint: String,
    model: &'a str,
    dataset: &'a str,
    data_sha256: &'a str,
    test_images: usize,
    /// Images of the folder that were not tested on, as the run had learnt their labels.
    left_out: usize,
    averaged: bool,
    /// Wilson's, 95 %.
    accuracy_interval: (f64, f64),
    #[serde(flatten)]
    result: &'a Evaluation,
}
