//! `ssgan label`.

use super::args::{AdapterArgs, SpeechArgs};
use super::load::{self, Trained, adapter_line};
use super::output;
use super::reproduce::part;
use crate::app::label::{Abstain, Arrange, Calibration, Labelling, Options, Prediction, Summary};
use crate::app::report::progress::Progress;
use crate::app::report::table::{Align, Table};
use crate::app::run::checkpoint::in_file;
use crate::app::source::images::decode;
use crate::app::source::images::policy::Policy;
use crate::app::source::images::scan;
use crate::app::text::{self, count};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::native::{self, BlockOn};
use crate::text::hex;
use crate::train::{Classified, Classifier};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

/// Batches that are read ahead of the device.
const AHEAD: usize = 2;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Run folder (its newest checkpoint) or checkpoint file
    #[arg(value_name = "RUN|CHECKPOINT")]
    trained: PathBuf,
    /// Folders of images, images, or `-` for a list of them on standard input, a path a line
    #[arg(value_name = "IMAGES", required = true)]
    images: Vec<PathBuf>,
    /// Folder to write labels.csv, summary.json and the others into: must not exist, be empty, or be that of the same labelling,
    /// interrupted
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Use the moving average of the parameters
    #[arg(long)]
    averaged: bool,
    /// Put the images into a folder for each class too, unsure ones into `_unsure`
    #[arg(long, value_name = "HOW", value_parser = arrange())]
    by_class: Option<Arrange>,
    /// Write the probability of every class
    #[arg(long)]
    probabilities: bool,
    /// Call a prediction unsure whose confidence is below this
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
    /// Label the i-th of n parts of the images, for several machines
    #[arg(long, value_name = "i/n", value_parser = part)]
    shard: Option<(usize, usize)>,
    #[command(flatten)]
    adapter: AdapterArgs,
    #[command(flatten)]
    speech: SpeechArgs,
}

fn share(text: &str) -> std::result::Result<f64, String> {
    match text.parse() {
        Ok(p) if (0.0..=1.0).contains(&p) => Ok(p),
        _ => Err("give a number from 0 to 1, such as 0.9".into()),
    }
}

fn arrange() -> impl clap::builder::TypedValueParser<Value = Arrange> {
    use clap::builder::{PossibleValuesParser, TypedValueParser};
    PossibleValuesParser::new(["copy", "hardlink", "symlink", "move"]).map(|how| match how.as_str() {
        "copy" => Arrange::Copy,
        "hardlink" => Arrange::Hardlink,
        "symlink" => Arrange::Symlink,
        _ => Arrange::Move,
    })
}

pub fn run(args: &Args) -> Result<()> {
    let mut progress = args.speech.progress();
    let trained = Trained::load(&args.trained)?;
    let policy = trained.policy()?;
    let inputs = Inputs::of(args, &trained.class_names)?;
    inputs.notes.iter().for_each(|note| progress.note(note));
    let gpu = native::open(&args.adapter.choice())?;
    let classifier =
        |features| Classifier::new(&gpu, &trained.model, &trained.checkpoint, args.averaged, features);
    let mut device = classifier(args.next.is_some()).block_on().map_err(in_file(&trained.path))?;
    let calibration = calibration(args, &trained, &mut device, &mut progress)?;
    let mut labelling = Labelling::create(Options {
        out: args.out.clone(),
        probabilities: args.probabilities,
        by_class: args.by_class,
        abstain: match (args.threshold, args.target_precision) {
            (Some(p), _) => Abstain::Threshold(p),
            (None, Some(p)) => Abstain::Precision(p),
            (None, None) => Abstain::Never,
        },
        next: args.next,
        image: trained.model.data.image,
        class_names: trained.class_names.clone(),
        calibration,
        identity: identity(args, &trained, policy, &inputs)?,
        review: args.review,
    })?;
    let begun = labelling.done();
    if begun > 0 {
        progress.note(&format!("going on after {}", count(begun as u32, "image")));
    }
    let rest = &inputs.images[begun.min(inputs.images.len())..];
    classify(rest, policy, (&gpu, &mut device), &mut labelling, &mut progress)?;
    for (path, reason) in inputs.skipped.iter().skip(begun.saturating_sub(inputs.images.len())) {
        labelling.skip(path, reason)?;
    }
    let summary = labelling.finish()?;
    drop(progress);
    report(args, &summary)
}

/// An image to label.
struct Input {
    /// As it is written.
    path: PathBuf,
    /// Where it lies.
    source: PathBuf,
    given: Option<u16>,
}

/// The images that were named.
struct Inputs {
    /// The folder that their paths are to lead from, so that its labels.csv can be trained on; with class folders none, as
    /// they are written as they come to lie there.
    from: Option<PathBuf>,
    images: Vec<Input>,
    skipped: Vec<(PathBuf, String)>,
    notes: Vec<String>,
}

impl Inputs {
    /// Those of this shard. `class_names` are the model's, by which given labels are known.
    fn of(args: &Args, class_names: &[String]) -> Result<Inputs> {
        let from = args.by_class.is_none().then(|| args.out.clone());
        let mut all = Inputs { from, images: vec![], skipped: vec![], notes: vec![] };
        let several = args.images.len() > 1;
        for path in &args.images {
            match path.as_os_str() == "-" {
                true => all.list(class_names)?,
                false => all.add(path, several, class_names)?,
            }
        }
        if let Some((i, n)) = args.shard {
            // A part that begins after another one has moved its images would divide what is left, and pass images over.
            if args.by_class == Some(Arrange::Move) {
                return Err(Error::Usage(
                    "--by-class move takes images from other parts: use hardlink".into(),
                ));
            }
            let mine = |at: usize| at % n == i - 1;
            all.images = all
                .images
                .into_iter()
                .enumerate()
                .filter(|(at, _)| mine(*at))
                .map(|(_, image)| image)
                .collect();
            all.skipped.retain(|_| i == 1);
        }
        Ok(all)
    }

    /// Those of a folder, of a file of labels, or one image. Of several folders each is named before its images.
    fn add(&mut self, path: &Path, several: bool, class_names: &[String]) -> Result<()> {
        let found = scan::scan(&scan::Request { path: path.into(), ..Default::default() })?;
        let class = |name: &String| class_names.iter().position(|own| own == name).map(|i| i as u16);
        let known: Vec<Option<u16>> = found.class_names.iter().map(class).collect();
        let unknown: Vec<&str> = found
            .class_names
            .iter()
            .zip(&known)
            .filter(|(_, k)| k.is_none())
            .map(|(n, _)| n.as_str())
            .collect();
        if !unknown.is_empty() {
            self.notes.push(format!(
                "{}: the model does not know {}: these labels are passed over",
                path.display(),
                unknown.join(", ")
            ));
        }
        let prefix = if several && path.is_dir() { path } else { Path::new("") };
        for entry in found.images {
            let source = found.root.join(&entry.path);
            let given = entry.class.and_then(|class| known[usize::from(class)]);
            // Class folders keep what is below the folder that was named.
            let path = match &self.from {
                Some(out) => relative(out, &source)?,
                None => prefix.join(entry.path),
            };
            self.images.push(Input { path, source, given });
        }
        self.skipped.extend(found.skipped.into_iter().map(|s| (prefix.join(s.path), s.reason)));
        self.notes.extend(found.notes);
        Ok(())
    }

    /// Those of the list on standard input.
    fn list(&mut self, class_names: &[String]) -> Result<()> {
        for line in std::io::stdin().lock().lines() {
            let line = line.map_err(Error::io("read", "standard input"))?;
            let path = PathBuf::from(line.trim_end_matches('\r'));
            if path.as_os_str().is_empty() {
                continue;
            }
            if path.is_dir() {
                self.add(&path, true, class_names)?;
            } else {
                let written = match &self.from {
                    Some(out) => relative(out, &path)?,
                    None => PathBuf::from(path.file_name().unwrap_or(path.as_os_str())),
                };
                self.images.push(Input { path: written, source: path, given: None });
            }
        }
        Ok(())
    }
}

/// The way from a folder to a file.
fn relative(from: &Path, to: &Path) -> Result<PathBuf> {
    let whole = |path: &Path| match path.canonicalize() {
        Ok(real) => Ok(real),
        Err(_) => std::path::absolute(path).map_err(Error::io("read", path)),
    };
    let (from, to) = (whole(from)?, whole(to)?);
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    // Another drive.
    if shared == 0 {
        return Ok(to);
    }
    let up = from.components().skip(shared).map(|_| std::path::Component::ParentDir);
    Ok(up.chain(to.components().skip(shared)).collect())
}

/// Temperature and precision from the labels that the run's training has not seen; `None`, told, where there are none.
fn calibration(
    args: &Args,
    trained: &Trained,
    device: &mut Classifier,
    progress: &mut Progress,
) -> Result<Option<Calibration>> {
    let data = match load::test_data(trained, &Default::default(), progress) {
        Ok(data) if !data.test.is_empty() => data,
        Ok(_) => {
            progress.note("no label was held out of the training: confidences are not calibrated");
            return Ok(None);
        }
        Err(e) if args.target_precision.is_none() => {
            progress.note(&format!("confidences are not calibrated: {e}"));
            return Ok(None);
        }
        Err(e) => return Err(e),
    };
    let classified = device.classify(&data.test.images).block_on()?;
    let labels: Vec<u16> = data.test.labels.iter().flatten().copied().collect();
    Calibration::fit(&classified.logits, trained.class_names.len(), &labels).map(Some)
}

/// What a labelling that goes on must have in common with the one that was begun.
fn identity(args: &Args, trained: &Trained, policy: Policy, inputs: &Inputs) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(text::sha256(&trained.path)?);
    hash.update(format!("{policy} {} {:?}", args.averaged, args.shard));
    for image in &inputs.images {
        hash.update(image.path.as_os_str().as_encoded_bytes());
        hash.update(format!("\0{:?}", image.given));
    }
    Ok(hex(&hash.finalize()))
}

/// An image as the network sees it, or why it cannot be read.
type Read = std::result::Result<Vec<u8>, String>;

/// Reads the images on all cores while the device classifies the ones before.
fn classify(
    inputs: &[Input],
    policy: Policy,
    (gpu, device): (&Gpu, &mut Classifier),
    labelling: &mut Labelling,
    progress: &mut Progress,
) -> Result<()> {
    let rows = device.rows() as usize;
    let batches = inputs.len().div_ceil(rows);
    let what = format!("labelling {}, {}", count(inputs.len() as u32, "image"), adapter_line(gpu));
    progress.begin(&what, batches as u64);
    let (sender, receiver) = sync_channel::<Vec<Read>>(AHEAD);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let read = |image: &Input| {
                decode::read_with(&image.source, |picture| policy.apply(picture)).map_err(|e| e.to_string())
            };
            for batch in inputs.chunks(rows) {
                // Nobody listens any more where something failed.
                if sender.send(batch.par_iter().map(read).collect()).is_err() {
                    return;
                }
            }
        });
        for batch in inputs.chunks(rows) {
            let Ok(read) = receiver.recv() else { break };
            push(batch, read, device, labelling)?;
            progress.piece();
        }
        drop(receiver);
        Ok(())
    })
}

/// Classifies a batch and writes it down.
fn push(batch: &[Input], read: Vec<Read>, device: &mut Classifier, labelling: &mut Labelling) -> Result<()> {
    let good: Vec<u8> = read.iter().flatten().flatten().copied().collect();
    let Classified { logits, features } = device.classify(&good).block_on()?;
    let images = read.iter().flatten().count().max(1);
    let (k, f) = (logits.len() / images, features.len() / images);
    let mut row = 0;
    for (image, read) in batch.iter().zip(read) {
        match read {
            Err(reason) => labelling.skip(&image.path, &reason)?,
            Ok(pixels) => {
                labelling.push(Prediction {
                    path: image.path.clone(),
                    source: image.source.clone(),
                    given: image.given,
                    logits: logits[row * k..(row + 1) * k].to_vec(),
                    features: features[row * f..(row + 1) * f].to_vec(),
                    pixels,
                })?;
                row += 1;
            }
        }
    }
    Ok(())
}

fn report(args: &Args, summary: &Summary) -> Result<()> {
    if args.speech.json {
        return output::print_json(summary);
    }
    let mut text = format!("{}\n{}\n", described(summary), args.out.join("labels.csv").display());
    if args.review {
        text += &format!("look through them: {}\n", args.out.join("review.html").display());
    }
    if args.next.is_some() {
        text += &format!("to label next: {}\n", args.out.join("next.csv").display());
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
    if let Some(threshold) = s.threshold {
        text += &format!("unsure is a confidence below {threshold:.4}\n");
    }
    if s.contradicted > 0 {
        text += &format!("the model contradicts {} of the labels that were given\n", s.contradicted);
    }
    s.notes.iter().for_each(|note| text += &format!("{note}\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_from_the_output_folder() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("photos/a/1.png");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, b"x").unwrap();
        for (out, way) in
            [("labelled", "../photos/a/1.png"), ("photos", "a/1.png"), ("x/y", "../../photos/a/1.png")]
        {
            let out = dir.path().canonicalize().unwrap().join(out);
            assert_eq!(relative(&out, &file).unwrap(), Path::new(way));
        }
    }
}
