//! `ssgan label`.

use super::args::{AdapterArgs, SpeechArgs};
use super::flags::word;
use super::load::{self, LoadedModel, adapter_line};
use super::output;
use super::reproduce::part;
use crate::app::label::inputs::{Input, Inputs, Wanted};
use crate::app::label::looked_at::{compared_with, hashes};
use crate::app::label::merge::merge;
use crate::app::label::{Abstain, Arrange, Calibration, Labelling, Options, Prediction, Summary};
use crate::app::report::progress::Progress;
use crate::app::report::table::{Align, Table};
use crate::app::run::checkpoint::in_file;
use crate::app::source::WithoutNotes;
use crate::app::source::images::policy::Policy;
use crate::app::text::{self, count};
use crate::error::Result;
use crate::native::{self, BlockOn};
use crate::train::{Classified, Classifier};
use rayon::prelude::*;
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;

/// Batches that are read ahead of the device.
const AHEAD: usize = 2;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Run folder (its newest checkpoint) or checkpoint file
    #[arg(value_name = "RUN|CHECKPOINT", required_unless_present = "merge")]
    trained: Option<PathBuf>,
    /// Folders of images, images, tables of labels, packed sets, or `-` for a list of paths on standard input, one a line
    #[arg(value_name = "IMAGES", required_unless_present = "merge")]
    images: Vec<PathBuf>,
    /// Folder to write labels.csv, summary.json and the others into: must not exist, be empty, or be that of the same labelling,
    /// interrupted; with --merge, a folder without such files, which may hold the parts
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Use the moving average of the parameters
    #[arg(long)]
    averaged: bool,
    /// Put the images into a folder for each class too, unsure ones into `_unsure`
    #[arg(long, value_name = "HOW", value_parser = word::<Arrange>(["copy", "hardlink", "symlink", "move"]))]
    by_class: Option<Arrange>,
    /// Write the probability of every class
    #[arg(long)]
    probabilities: bool,
    /// Call a prediction unsure whose confidence is below this [default: 0, none is]
    #[arg(long, value_name = "P", value_parser = share, conflicts_with = "target_precision")]
    threshold: Option<f64>,
    /// Call so many predictions unsure that this share of the others is right, by the labels held out in training
    #[arg(long, value_name = "P", value_parser = share)]
    target_precision: Option<f64>,
    /// Write next.csv, the N images whose labels would help most, to fill in
    #[arg(long, value_name = "N")]
    next: Option<usize>,
    /// Write review.html, a page of the images by class, the least sure first
    #[arg(long)]
    review: bool,
    /// Label the I-th of N parts of the images, for several machines
    #[arg(long, value_name = "I/N", value_parser = part)]
    shard: Option<(usize, usize)>,
    /// Label nothing: put the parts in these folders, all those of --shard, together in --out
    #[arg(long, value_name = "PART", num_args = 1.., conflicts_with_all = MERGED)]
    merge: Vec<PathBuf>,
    #[command(flatten)]
    adapter: AdapterArgs,
    #[command(flatten)]
    speech: SpeechArgs,
}

/// What a merge has from its parts.
const MERGED: [&str; 13] = [
    "trained",
    "images",
    "averaged",
    "by_class",
    "probabilities",
    "threshold",
    "target_precision",
    "next",
    "review",
    "shard",
    "adapter",
    "backend",
    "precision",
];

fn share(text: &str) -> std::result::Result<f64, String> {
    match text.parse() {
        Ok(p) if (0.0..=1.0).contains(&p) => Ok(p),
        _ => Err("give a number from 0 to 1, such as 0.9".into()),
    }
}

pub fn run(args: &Args) -> Result<()> {
    match &args.trained {
        Some(trained) => label(args, &LoadedModel::load(trained)?),
        None => report(args, &merge(&args.merge, &args.out)?, false),
    }
}

fn label(args: &Args, trained: &LoadedModel) -> Result<()> {
    let mut progress = args.speech.progress();
    // Before images are read in vain.
    Labelling::check_out(&args.out)?;
    // Before images are looked for that it has moved.
    Labelling::end_moves(&args.out)?;
    let policy = trained.policy()?;
    let inputs = Inputs::of(Wanted {
        images: &args.images,
        out: &args.out,
        by_class: args.by_class,
        shard: args.shard,
        looked_at: args.next.is_some(),
        class_names: &trained.class_names,
    })?;
    inputs.notes.iter().for_each(|note| progress.note(note));
    let gpu = native::open(&args.adapter.choice())?;
    let classifier =
        |features| Classifier::new(&gpu, &trained.model, &trained.checkpoint, args.averaged, features);
    let mut device = classifier(args.next.is_some()).block_on().map_err(in_file(&trained.path))?;
    // A part of the images is no set to train on.
    let trains = args.shard.is_none() && inputs.make_a_set();
    let calibration = calibration(args, trained, &mut device, &mut progress)?;
    let mut labelling = begin(args, trained, calibration, &inputs, trains)?;
    let begun = labelling.done();
    if begun > 0 {
        progress.note(&format!("going on after {}", count(begun as u32, "image")));
    }
    if args.next.is_some() {
        let (looked_at, device) = (&inputs.looked_at, &mut device);
        if add_looked_at(looked_at, policy, trained, device, &mut labelling, &mut progress)? == 0 {
            progress.note(
                "none of these images has a label: next.csv has those that the model is least sure of; name the labelled ones too",
            );
        }
    }
    let rest = &inputs.images[begun.min(inputs.images.len())..];
    let what = format!("labelling {}, {}", count(rest.len() as u32, "image"), adapter_line(&gpu));
    classify(rest, policy, &mut device, (&mut progress, &what), |image, seen| match seen {
        Err(reason) => labelling.skip(&image.path, &reason, &image.given),
        Ok(seen) => labelling.push(Prediction {
            path: image.path.clone(),
            source: image.source.clone(),
            given: image.given.clone(),
            part: image.part,
            logits: seen.logits.to_vec(),
            features: seen.features.to_vec(),
            pixels: seen.pixels,
        }),
    })?;
    for unread in inputs.skipped.iter().skip(begun.saturating_sub(inputs.images.len())) {
        labelling.skip(&unread.path, &unread.reason, &unread.given)?;
    }
    let summary = labelling.finish()?;
    drop(progress);
    report(args, &summary, trains)
}

/// The labelling, or the one of the same images, checkpoint and flags that was begun.
fn begin(
    args: &Args,
    trained: &LoadedModel,
    calibration: std::result::Result<Calibration, String>,
    inputs: &Inputs,
    trains: bool,
) -> Result<Labelling> {
    let (checkpoint, policy) = (text::sha256(&trained.path)?, trained.policy()?);
    Labelling::create(Options {
        out: args.out.clone(),
        probabilities: args.probabilities,
        by_class: args.by_class,
        abstain: args.abstain(),
        next: args.next,
        image: trained.model.data.image,
        class_names: trained.class_names.clone(),
        calibration,
        identity: inputs.identity(&checkpoint, policy, args.averaged, args.shard),
        in_common: inputs.in_common(&checkpoint, policy, args.averaged),
        checkpoint,
        part: args.shard,
        review: args.review,
        trains,
    })
}

impl Args {
    fn abstain(&self) -> Abstain {
        match (self.threshold, self.target_precision) {
            (Some(p), _) => Abstain::Threshold(p),
            (None, Some(p)) => Abstain::Precision(p),
            (None, None) => Abstain::Never,
        }
    }
}

/// Temperature and precision from the labels that the run's training has not seen, or why there are none.
fn calibration(
    args: &Args,
    trained: &LoadedModel,
    device: &mut Classifier,
    progress: &mut Progress,
) -> Result<std::result::Result<Calibration, String>> {
    progress.note("calibrating confidences by the labels that were held out");
    let what_to_do = match trained.images() {
        Some(_) => "what calibrates is in the run's own folder, or its images as they were",
        None => "put its data back, whose test images calibrate",
    };
    let none = match load::test_data(trained, &Default::default(), what_to_do, &mut WithoutNotes(progress)) {
        Ok(data) if !data.test.is_empty() => {
            let classified = device.classify(&data.test.images).block_on()?;
            let labels: Vec<u16> = data.test.labels.iter().flatten().copied().collect();
            return Calibration::fit(&classified.logits, trained.class_names.len(), &labels).map(Ok);
        }
        Ok(_) if trained.had_learnt_all()? => {
            "the weights that the run began with had learnt the labels of all test images (train without --from)".into()
        }
        Ok(_) => "no label was held out of the training (train with --hold-out, or with more labels)".into(),
        Err(e) if args.target_precision.is_none() => e.to_string(),
        Err(e) => return Err(e),
    };
    // At once: somebody may want to begin otherwise.
    progress.note(&format!("confidences are not calibrated: {none}"));
    Ok(Err(none))
}

/// An image, and what the device makes of it.
struct Seen<'a> {
    pixels: Vec<u8>,
    logits: &'a [f32],
    features: &'a [f32],
}

/// Reads the images on all cores while the device classifies the ones before, and hands on each in turn, or why it cannot be
/// read.
fn classify(
    inputs: &[Input],
    policy: Policy,
    device: &mut Classifier,
    (progress, what): (&mut Progress, &str),
    mut each: impl FnMut(&Input, std::result::Result<Seen<'_>, String>) -> Result<()>,
) -> Result<()> {
    if inputs.is_empty() {
        return Ok(());
    }
    let rows = device.rows() as usize;
    progress.begin(what, inputs.len().div_ceil(rows) as u64);
    let (sender, receiver) = sync_channel::<Vec<_>>(AHEAD);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let read = |image: &Input| image.read(policy);
            for batch in inputs.chunks(rows) {
                // Nobody listens any more where something failed.
                if sender.send(batch.par_iter().map(read).collect()).is_err() {
                    return;
                }
            }
        });
        for batch in inputs.chunks(rows) {
            let Ok(read) = receiver.recv() else { break };
            let good: Vec<u8> = read.iter().flatten().flatten().copied().collect();
            let Classified { logits, features } = device.classify(&good).block_on()?;
            let n = read.iter().flatten().count().max(1);
            let (k, f) = (logits.len() / n, features.len() / n);
            let mut place = 0..n;
            for (image, read) in batch.iter().zip(read) {
                let seen = read.map(|pixels| {
                    let i = place.next().unwrap_or_default();
                    Seen {
                        pixels,
                        logits: &logits[i * k..(i + 1) * k],
                        features: &features[i * f..(i + 1) * f],
                    }
                });
                each(image, seen)?;
            }
            progress.piece();
        }
        drop(receiver);
        Ok(())
    })
}

/// Gives the labelling what somebody looked at already: the pictures themselves, and what some of them are like, those of a class
/// or of none. How many of a class could be read.
fn add_looked_at(
    looked_at: &[Input],
    policy: Policy,
    trained: &LoadedModel,
    device: &mut Classifier,
    labelling: &mut Labelling,
    progress: &mut Progress,
) -> Result<usize> {
    let net = &trained.model.discriminator;
    let most = labelling.labelled_of_each(net.last_affine_input().len() as usize);
    let chosen = compared_with(looked_at, most);
    let what = format!("looking at {} with labels or marks", count(chosen.len() as u32, "image"));
    let mut readable = 0;
    classify(&chosen, policy, device, (&mut *progress, &what), |image, seen| {
        // What cannot be read is told where it is labelled.
        if let Ok(seen) = seen {
            labelling.add_labelled(&image.given, seen.features);
            readable += usize::from(image.given.class().is_some());
        }
        Ok(())
    })?;
    if !looked_at.is_empty() {
        let images = count(looked_at.len() as u32, "image");
        let what = format!("hashing {images}, of which no copy is asked for");
        labelling.add_hashes(progress.during(&what, || hashes(looked_at, policy)));
    }
    Ok(readable)
}

/// `trains`: whether what was written can be trained on as it is.
fn report(args: &Args, summary: &Summary, trains: bool) -> Result<()> {
    if args.speech.json {
        return output::print_json(summary);
    }
    let mut text = format!("{}\n{}\n", described(summary), args.out.join("labels.csv").display());
    if args.review {
        text += &format!("look through them: {}\n", args.out.join("review.html").display());
    }
    if args.next.is_some() {
        let (next, out) = (args.out.join("next.csv"), text::shell_word(&args.out));
        let next = next.display();
        text += &match trains {
            true => format!("to label next: fill in {next}, then `ssgan train {out}`\n"),
            false => format!("to label next: {next}\n"),
        };
    }
    output::print(&text)
}

/// What was labelled how.
fn described(s: &Summary) -> String {
    let mut table = Table::new(&[
        ("class", Align::Left),
        ("given", Align::Right),
        ("predicted", Align::Right),
        ("unsure", Align::Right),
    ]);
    for class in &s.classes {
        table.row([
            class.class.clone(),
            class.given.to_string(),
            class.predicted.to_string(),
            class.unsure.to_string(),
        ]);
    }
    table.rule();
    table.row(["all".into(), s.given.to_string(), s.predicted.to_string(), s.unsure.to_string()]);
    let mut text = format!("{table}\n");
    if s.skipped > 0 {
        text += &format!("{} skipped, see skipped.csv\n", count(s.skipped as u32, "image"));
    }
    s.labels_left_out().iter().for_each(|told| text += &format!("{told}\n"));
    // A threshold of 0 leaves nothing unsure.
    if let Some(threshold) = s.threshold.filter(|&t| t > 0.0) {
        text += &format!("unsure is a confidence below {threshold:.4}\n");
    }
    if s.contradicted > 0 {
        text += &format!("the model contradicts {} of the labels that were given\n", s.contradicted);
    }
    if s.other > 0 {
        let images = count(s.other as u32, "image");
        text += &format!("{images} with a label that the model does not know, or none\n");
    }
    s.notes.iter().for_each(|note| text += &format!("{note}\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every flag of a labelling would do nothing in a merge, so none is taken there.
    #[test]
    fn a_merge_refuses_the_flags_of_a_labelling() {
        let all = <Args as clap::Args>::augment_args(clap::Command::new("label"));
        let flags = all.get_arguments().map(|flag| flag.get_id().as_str());
        let refused: Vec<&str> =
            flags.filter(|flag| !["out", "merge", "json", "quiet"].contains(flag)).collect();
        assert_eq!(refused, MERGED);
    }
}
