//! `ssgan train`.

use super::args::{SettingsArgs, SpeechArgs, refuse_idle, seconds};
use super::flags::whole;
use super::load::{self, LoadedModel};
use super::output;
use crate::app::lock;
use crate::app::report::interval::trust;
use crate::app::report::progress::Progress;
use crate::app::report::{advice, confusion};
use crate::app::run::adapter::asked;
use crate::app::run::config::Resolved;
use crate::app::run::device::Device;
use crate::app::run::folder::sample_name;
use crate::app::run::interrupt;
use crate::app::run::settings::{Channels, OwnImages, RunSettings};
use crate::app::run::{Options, Run, go_on};
use crate::app::text::{count, shell_word};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::model::parse;
use crate::model::shape::{DataShape, Dims, LayerShape, ModelShape};
use crate::native;
use crate::train::event::Summary;
use crate::train::settings::{LabelCount, Method};
use crate::train::{Stop, batch_that_fits};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What the defaults above are not for.
const OWN_IMAGES: &str = "Defaults for images of your own: --model cnn and --labels all; with ssl, minibatches of at most half of the \
    images, and epochs for as many steps as MNIST would be trained for (1,170, quick and best 2,340; at most 1,200 epochs), the \
    terms of a recipe rising over as many as there, evaluated ten times";

#[derive(Debug, clap::Args)]
#[command(after_help = OWN_IMAGES)]
pub struct Args {
    /// Run folder to make: must not exist, or be empty [default: runs/TIME-MODEL-DATASET]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with a run from its newest checkpoint, or from the checkpoint named; its settings hold, but --epochs N extends it:
    /// the learning rates follow the schedule of N epochs from there on
    #[arg(long, value_name = "RUN|CHECKPOINT", conflicts_with_all = ["out", "recipe", "config"])]
    resume: Option<PathBuf>,
    /// Begin a new run with the weights of a checkpoint, or of a run's newest, and with settings of its own; --model must name
    /// the model that they are of
    #[arg(long, value_name = "RUN|CHECKPOINT", conflicts_with = "resume")]
    from: Option<PathBuf>,
    /// End after so many steps of the whole run, for quick checks
    #[arg(long, value_name = "N", value_parser = whole(1, u32::MAX), allow_negative_numbers = true)]
    max_steps: Option<u32>,
    /// Save and stop after so many seconds of training, with exit status 0; `--resume` goes on
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    max_seconds: Option<f64>,
    /// Keep this many checkpoints, the newest, and the best by validation accuracy where there is one [default: all]
    #[arg(long, value_name = "N", value_parser = keep)]
    keep: Option<usize>,
    /// Write event files for TensorBoard into the run folder, which a run that goes on continues by itself
    #[arg(long)]
    tensorboard: bool,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    speech: SpeechArgs,
}

fn keep(text: &str) -> std::result::Result<usize, String> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err("write how many, at least 1".into()),
    }
}

pub fn run(args: &Args) -> Result<()> {
    let mut progress = args.speech.progress();
    let (mut run, gpu, set, stop) = begin(args, &mut progress)?;
    go_on(stop)?;
    let Args { max_steps, max_seconds, keep, tensorboard, .. } = *args;
    let options = Options { max_steps, max_seconds, keep, tensorboard };
    let result = run.train((&mut Device::new(gpu), &set), options, &mut progress, stop);
    drop(progress);
    match result.map_err(|e| with_folder(e, &run)) {
        Ok(summary) => report(args, &run, &summary),
        // Stopping was what was asked for.
        Err(Error::Interrupted(what)) if interrupt::time_is_up() => match args.speech.json {
            true => output::print_json(&serde_json::json!({
                "run": output::path(run.folder()), "stopped": what,
            })),
            false => output::print(&format!("time is up; {what}\n")),
        },
        Err(e) => Err(e),
    }
}

/// The run, its device and its data. What can be refused without the data is, and of a new run before it has a folder. Until the
/// data are read, which may take a download, a signal ends the program at once: there is nothing to save.
fn begin(args: &Args, progress: &mut Progress) -> Result<(Run, Gpu, Dataset, &'static Stop)> {
    let open = |resolved: &Resolved| native::open(&asked(resolved.settings.adapter_choice()));
    if let Some(from) = &args.resume {
        let given = args.settings.given_anew()?;
        let run = Run::reopen(from, &given)?;
        refuse_idle(&given, &run.resolved.settings)?;
        let gpu = open(&run.resolved)?;
        let set = load::dataset(&run.resolved.settings, progress)?;
        return Ok((run, gpu, set, interrupt::install()?));
    }
    let mut resolved = args.settings.resolve()?;
    resolved.check_before_data()?;
    check_size(&resolved)?;
    args.out.as_deref().map_or(Ok(()), lock::check_unused)?;
    let from = args.from.as_deref().map(LoadedModel::load).transpose()?;
    // Of a data set by name the model is known before it is read.
    if resolved.settings.data.is_none() {
        from.iter().try_for_each(|from| check_weights(from, &resolved))?;
    }
    let gpu = open(&resolved)?;
    let set = load::dataset(&resolved.settings, progress)?;
    if resolved.settings.data.is_some() {
        resolved = fitted(args, &gpu, &set, progress)?;
        let RunSettings { model, train, .. } = &resolved.settings;
        progress.note(&format!(
            "{} images {}, model {model}, {} of {} images a minibatch",
            set.train.len(),
            set.shape.image.as_image(),
            count(train.epochs, "epoch"),
            train.batch_size
        ));
        let unlabelled = train.unlabelled.unwrap_or(u32::MAX).min(set.train.len() as u32);
        let steps_per_epoch = train.steps_per_epoch(0, unlabelled);
        advice::short_ramp(train, steps_per_epoch).iter().for_each(|note| progress.note(note));
        from.iter().try_for_each(|from| check_weights(from, &resolved))?;
    }
    if let Some(from) = from.as_ref().filter(|from| from.class_names != set.class_names) {
        let (theirs, ours) = (from.class_names.join(", "), set.class_names.join(", "));
        progress.note(&format!(
            "--from: its outputs stood for {theirs}, in this order; now they stand for {ours}"
        ));
    }
    let from = from.as_ref().map(|from| (from.path.as_path(), &from.checkpoint));
    let stop = interrupt::install()?;
    Ok((Run::create_from(resolved, args.out.as_deref(), from)?, gpu, set, stop))
}

/// Refuses a size of images that is too large for the model, before the images are read. Of them no more is known than that
/// they have a channel, and two classes.
fn check_size(resolved: &Resolved) -> Result<()> {
    let settings = &resolved.settings;
    let Some(side) = settings.image_size.filter(|_| settings.data.is_some()) else { return Ok(()) };
    let image = Dims { height: side, width: side, channels: 1 };
    match resolved.shaped(DataShape { image, classes: 2 }) {
        Ok(_) => Ok(()),
        Err(e) => Err(Error::Usage(format!("--image-size {side}: {e}"))),
    }
}

/// The settings with the defaults for these images, on this adapter.
fn fitted(args: &Args, gpu: &Gpu, set: &Dataset, progress: &mut Progress) -> Result<Resolved> {
    let Dims { height, width, .. } = set.shape.image;
    let known = OwnImages { count: set.train.len() as u32, side: height.min(width), most: None };
    let resolved = args.settings.resolve_for(Some(known))?;
    let labelled = set.train.labels_given() as u32;
    let train = &resolved.settings.train;
    let most = batch_that_fits(gpu, &resolved.shaped(set.shape)?, train, labelled);
    if most >= train.batch_size {
        return Ok(resolved);
    }
    let fitted = args.settings.resolve_for(Some(OwnImages { most: Some(most), ..known }))?;
    if fitted.settings.train.batch_size < train.batch_size {
        progress.note(&format!(
            "minibatches of {most} images in place of {}: {} binds at most {} MiB in one buffer",
            train.batch_size,
            gpu.summary().name,
            gpu.max_binding() >> 20
        ));
    }
    Ok(fitted)
}

/// Refuses a checkpoint to begin from whose model has other parameters than the run's.
fn check_weights(theirs: &LoadedModel, resolved: &Resolved) -> Result<()> {
    let name = &resolved.settings.model;
    let own = parse::check(&resolved.spec, &resolved.model_toml, name, theirs.model.data)?;
    let params = |model: &ModelShape| {
        let nets = [&model.discriminator, &model.generator];
        let of =
            |layer: &LayerShape| layer.params().into_iter().map(|p| (p.name, p.shape)).collect::<Vec<_>>();
        nets.map(|net| net.layers.iter().map(of).collect::<Vec<_>>())
    };
    let (ours, given) = (params(&own), params(&theirs.model));
    // A generator counts where there is one on both sides: else the run begins with a new one, or has none.
    let generators = resolved.settings.train.has_generator() && theirs.checkpoint.has_generator();
    let same_discriminator = ours[0] == given[0];
    if same_discriminator && (!generators || ours[1] == given[1]) {
        return Ok(());
    }
    let reason = match same_discriminator {
        true => format!(
            "has another generator than this run: give the one that its run had with --generator, which is {name} where it was the model's own"
        ),
        false => format!(
            "has the weights of the model {:?}, whose parameters {:?} does not have: name that model with --model",
            theirs.model.name, own.name
        ),
    };
    Err(Error::Checkpoint { path: theirs.path.clone(), reason })
}

/// Tells where the saved state is.
fn with_folder(e: Error, run: &Run) -> Error {
    match e {
        Error::Interrupted(what) if run.stays() => {
            let folder = shell_word(run.folder());
            Error::Interrupted(format!("{what}; go on with: ssgan train --resume {folder}"))
        }
        other => other,
    }
}

fn report(args: &Args, run: &Run, s: &Summary) -> Result<()> {
    let folder = run.folder();
    if args.speech.json {
        return output::print_json(&Report { run: output::path(folder), summary: s });
    }
    // By its parts, so that Windows' paths have separators of one kind.
    let file = |name: &str| folder.join(name).components().collect::<PathBuf>();
    // An epoch that the run ended in was drawn as well.
    let samples = [s.epochs + 1, s.epochs].map(|e| file(&sample_name(e)));
    let samples = samples.into_iter().find(|p| p.is_file());
    let pictures = [file("plots/losses.png"), file("plots/accuracy.png"), file("confusion.png")]
        .into_iter()
        .filter(|p| p.is_file());
    let pictures: Vec<String> =
        samples.into_iter().chain(pictures).map(|p| format!("  {}\n", p.display())).collect();
    let length = match s.epochs {
        0 => count(s.steps, "step"),
        n => format!("{}, {}", count(n, "epoch"), count(s.steps, "step")),
    };
    let tested = match confusion::right_of(&s.confusion).1 > 0 {
        true => format!("{}\n", confusion::per_class(&s.confusion, &s.class_names)),
        false => String::new(),
    };
    output::print(&format!(
        "{} {} on {}: {}, {}, {:.1} s ({:.1} ms/step, {:.0} images/s)\n\
         {}{}\n\n{}{}\npictures:\n{}{}",
        s.method,
        s.model,
        s.dataset,
        count(s.labels, "label"),
        length,
        s.seconds,
        s.ms_per_step,
        s.images_per_second,
        estimate(s),
        memory(s),
        tested,
        folder.display(),
        pictures.concat(),
        next(folder, &run.resolved.settings, s)
    ))
}

/// The test accuracy, and how far it is to be trusted.
fn estimate(s: &Summary) -> String {
    let (right, images) = confusion::right_of(&s.confusion);
    if images == 0 {
        return "the test accuracy is not known: no label was held out, and there are no test images".into();
    }
    let trust = trust(right, images, s.held_out);
    format!(
        "test accuracy {:.4}, with averaged parameters {:.4}\nof the first: {trust}",
        s.test_accuracy, s.test_accuracy_ema
    )
}

/// The first of `name`, `name-2`, ... that is not there.
fn free(name: &str) -> String {
    let mut names = std::iter::once(name.to_string()).chain((2..).map(|i| format!("{name}-{i}")));
    names.find(|name| !Path::new(name).exists()).unwrap_or_default()
}

/// What to type next.
fn next(run: &Path, settings: &RunSettings, s: &Summary) -> String {
    let folder = shell_word(run);
    let mut text = String::new();
    if settings.train.has_generator() {
        text += "  generated images serve the classifier: they match its features, and look like speckle in the first epochs\n";
    }
    text += &match &settings.data {
        Some(images) => {
            format!("next:\n  ssgan label {folder} {} --out {}\n", shell_word(images), free("labelled"))
        }
        None => format!("next:\n  ssgan eval {folder}\n"),
    };
    if s.epochs < settings.train.epochs {
        text += &format!("  ssgan train --resume {folder}\n");
    }
    if settings.train.has_generator() {
        // Among images of one's own it would be one of them.
        let among: PathBuf = run.join("grid.png").components().collect();
        let grid = if settings.data.is_some() { among } else { "grid.png".into() };
        text += &format!("  ssgan sample {folder} --out {}\n", shell_word(&grid));
    }
    if s.method == Method::Ssl.name() {
        text += &format!("  ssgan train{}    for comparison, by the labels alone\n", supervised(settings, s));
    }
    text
}

/// The flags that train the same network on the same labels alone, and test it on the same images.
fn supervised(settings: &RunSettings, s: &Summary) -> String {
    let train = &settings.train;
    let all_labels = if settings.data.is_some() { LabelCount::ALL } else { "100" };
    let text = |value: Option<String>| value.unwrap_or_default();
    let flags = [
        ("--labels", train.labels.to_string(), all_labels),
        ("--label-choice", train.label_choice.name().into(), "random"),
        ("--label-seed", train.label_seed.to_string(), "1"),
        ("--data-dir", text(settings.data_dir.as_ref().map(|dir| shell_word(dir))), ""),
        ("--image-size", text(settings.image_size.map(|n| n.to_string())), ""),
        ("--fit", text(settings.fit.map(|fit| fit.to_string())), ""),
        ("--channels", text(settings.channels.and_then(Channels::number).map(|n| n.to_string())), ""),
        ("--hold-out", text(settings.hold_out.map(|share| share.to_string())), ""),
        ("--augment", text(settings.augment.clone().map(String::from)), ""),
    ];
    let flags = flags.iter().filter(|(_, value, default)| value != default);
    let flags: String = flags.map(|(flag, value, _)| format!(" {flag} {value}")).collect();
    let (first, last) = match &settings.data {
        Some(path) => (format!(" {}", shell_word(path)), String::new()),
        None => (String::new(), format!(" --dataset {}", settings.dataset)),
    };
    // Of one's own images there is a test set already, and a class of one label can spare none.
    let keeps_all = settings.data.is_some() || s.labels as usize <= s.class_names.len();
    let split = if keeps_all { " --validation-split 0" } else { "" };
    format!(
        "{first} --method supervised --model {}{last}{flags}{split}",
        shell_word(Path::new(&settings.model))
    )
}

/// `250 MiB on the adapter, 400 MiB of memory at most`, as far as it is known.
fn memory(s: &Summary) -> String {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let gpu = s.gpu_bytes.map(|b| format!("{} MiB on the adapter", mib(b)));
    let host = s.host_peak_bytes.map(|b| format!("{} MiB of memory at most", mib(b)));
    let known: Vec<String> = gpu.into_iter().chain(host).collect();
    if known.is_empty() { String::new() } else { format!("\n{}", known.join(", ")) }
}

/// The summary and where the run is.
#[derive(Serialize)]
struct Report<'a> {
    run: String,
    #[serde(flatten)]
    summary: &'a Summary,
}
