//! `ssgan eval RUN --images --by CLASSIFIER`.

use super::eval::Args;
use super::load::{LoadedModel, adapter_line};
use super::output;
use crate::app::likeness::Likeness;
use crate::app::report::grid::byte;
use crate::app::report::interval::trust;
use crate::app::report::table::Table;
use crate::app::run::checkpoint::in_file;
use crate::app::source::images::class_name;
use crate::app::text::count;
use crate::data::{Dataset, Tested};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::native::{self, BlockOn};
use crate::train::{Examined, Examiner, Generator};
use serde::Serialize;
use std::collections::HashSet;
use std::path::Path;

/// `by` is the run folder or checkpoint file of the classifier that examines the images.
pub(super) fn run(args: &Args, by: &Path) -> Result<()> {
    let mut progress = args.speech.progress();
    let trained = LoadedModel::load(&args.trained)?;
    trained.has_generator()?;
    let by = LoadedModel::load(by)?;
    check_same(&trained, &by)?;
    let (set, _) = args.test_set(&trained, &mut progress)?;
    if set.test.len() < 2 {
        return Err(Error::Data(format!("{} has a single test image: at least 2 are compared", set.name)));
    }
    if by.checkpoint.meta("data_sha256").is_ok_and(|sha256| sha256 != set.fingerprint) {
        let path = by.path.display();
        progress.note(&format!(
            "Note: {path} was trained on other data, or with other labels held out: it may have learnt from the test images."
        ));
    }
    let (images, seed) = (args.count.unwrap_or(set.test.len() as u32), args.seed.unwrap_or(1));
    let gpu = native::open(&args.adapter.choice())?;
    let (drawn, of, name) = (count(images, "image"), &trained.model.name, &by.model.name);
    let what = format!("drawing {drawn} of {of}, examined by {name}, {}", adapter_line(&gpu));
    let result =
        progress.during(&what, || examine(&gpu, (&trained, &by), args.averaged, &set, (images, seed)))?;
    report(args, (&trained, &by), &set, seed, &result)
}

/// Refuses a classifier of other images or classes than those that were trained on.
fn check_same(trained: &LoadedModel, by: &LoadedModel) -> Result<()> {
    let (own, other, path) = (trained.model.data, by.model.data, by.path.display());
    let advice = "give a classifier of the same images and classes";
    if own != other {
        return Err(Error::Usage(format!(
            "{path} classifies images {} of {} classes, those of the run are {} of {}: {advice}",
            other.image, other.classes, own.image, own.classes
        )));
    }
    let names =
        |model: &LoadedModel| model.class_names.iter().map(|name| class_name(name)).collect::<Vec<_>>();
    match names(trained) == names(by) {
        true => Ok(()),
        false => Err(Error::Usage(format!("{path} knows other classes than the run: {advice}"))),
    }
}

fn examine(
    gpu: &Gpu,
    (trained, by): (&LoadedModel, &LoadedModel),
    averaged: bool,
    set: &Dataset,
    (images, seed): (u32, u64),
) -> Result<Likeness> {
    let generator = Generator::new(gpu, &trained.model, &trained.checkpoint).block_on();
    let mut generator = generator.map_err(in_file(&trained.path))?;
    let examiner = Examiner::new(gpu, &by.model, &by.checkpoint, averaged).block_on();
    let mut examiner = examiner.map_err(in_file(&by.path))?;
    let nothing = Examined::new(examiner.features());
    let rows = generator.rows().min(examiner.rows());
    let mut generated = nothing.clone();
    for (draw, first) in (0..).zip((0..images).step_by(rows as usize)) {
        let values = generator.draw(rows.min(images - first), seed, draw).block_on()?;
        // As bytes, as they would be in a file: an examiner could tell unrounded ones by that alone.
        let bytes: Vec<u8> = values.iter().map(|&v| byte(v)).collect();
        examiner.examine(&bytes, &mut generated).block_on()?;
    }
    let mut test = nothing.clone();
    examiner.examine(&set.test.images, &mut test).block_on()?;
    let mut training = nothing;
    for some in spread(set, images as usize).chunks(rows as usize) {
        examiner.examine(&some.concat(), &mut training).block_on()?;
    }
    let training = Some(&training).filter(|training| training.moments.images() > 1);
    Ok(Likeness::new(&generated, (&test, &set.test.labels), training, &set.class_names))
}

/// So many training images that are no test images, from all over them, as they may lie by class; none where they are fewer:
/// distances compare for the same number of images.
fn spread(set: &Dataset, images: usize) -> Vec<&[u8]> {
    let size = set.shape.image.len() as usize;
    // Held-out images are among the training images too, without their labels.
    let tested: HashSet<&[u8]> = match set.tested {
        Tested::HeldOut => set.test.images.chunks(size).collect(),
        Tested::Apart => HashSet::new(),
    };
    let others: Vec<&[u8]> = set.train.images.chunks(size).filter(|image| !tested.contains(image)).collect();
    if others.len() < images {
        return vec![];
    }
    (0..images).map(|i| others[i * others.len() / images]).collect()
}

/// The JSON document.
#[derive(Serialize)]
struct Document<'a> {
    checkpoint: String,
    model: &'a str,
    examiner: String,
    examiner_model: &'a str,
    averaged: bool,
    dataset: &'a str,
    data_sha256: &'a str,
    test_images: usize,
    seed: u64,
    #[serde(flatten)]
    likeness: &'a Likeness,
}

fn report(
    args: &Args,
    (trained, by): (&LoadedModel, &LoadedModel),
    set: &Dataset,
    seed: u64,
    likeness: &Likeness,
) -> Result<()> {
    if args.speech.json {
        return output::print_json(&Document {
            checkpoint: output::path(&trained.path),
            model: &trained.model.name,
            examiner: output::path(&by.path),
            examiner_model: &by.model.name,
            averaged: args.averaged,
            dataset: &set.name,
            data_sha256: &set.fingerprint,
            test_images: set.test.len(),
            seed,
            likeness,
        });
    }
    let right = (likeness.examiner_accuracy * set.test.len() as f64).round() as u64;
    output::print(&format!(
        "{}: {} generated by {}, seed {seed}\nexamined by {}: {}{}, accuracy {:.4}, {}\n\n{}",
        trained.path.display(),
        count(likeness.images as u32, "image"),
        trained.model.name,
        by.path.display(),
        by.model.name,
        if args.averaged { " (averaged parameters)" } else { "" },
        likeness.examiner_accuracy,
        trust(right, set.test.len() as u64, set.tested == Tested::HeldOut),
        described(likeness, set.test.len()),
    ))
}

fn described(l: &Likeness, tested: usize) -> String {
    let mut text = format!(
        "Fréchet distance to the {tested} test images, by {} features: {}\n",
        l.features,
        four_digits(l.frechet_distance)
    );
    if let Some(distance) = l.frechet_distance_of_training_images {
        let images = count(l.images as u32, "training image");
        text += &format!("that of {images}: {}\n", four_digits(distance));
    }
    let fewest = l.images.min(tested as u64);
    // To first order chance adds features / (2 images) of the variance.
    let features = l.features as u64;
    if fewest < 5 * features {
        let much = if fewest <= features { "most" } else { "a part" };
        text += &format!("{fewest} images are few for so many features: {much} of the distance is chance\n");
    }
    text += &format!(
        "mean confidence {:.4}, of the test images {:.4}\neffective classes {:.2} of {} (e to the entropy of their shares)\n\n",
        l.confidence,
        l.confidence_of_test_images,
        l.effective_classes,
        l.classes.len(),
    );
    let mut table =
        Table::of(&["taken for"], &["share of the test images", "of the generated", "mean confidence"], &[]);
    for class in &l.classes {
        table.row([
            class.class.clone(),
            format!("{:.4}", class.test),
            format!("{:.4}", class.generated),
            class.confidence.map_or("-".into(), |c| format!("{c:.4}")),
        ]);
    }
    text + &table.to_string()
}

/// A number that is not negative, with four significant digits or all those before the point.
fn four_digits(value: f64) -> String {
    let before = if value > 0.0 { value.log10().floor() as i32 + 1 } else { 1 };
    format!("{value:.*}", (4 - before).clamp(0, 12) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::model_file;
    use crate::data::Split;
    use crate::model::parse;
    use crate::shape::{DataShape, Dims};
    use crate::train::checkpoint::Checkpoint;

    #[test]
    fn training_images_come_from_all_over() {
        let shape = DataShape { image: Dims { height: 1, width: 2, channels: 1 }, classes: 2 };
        let pixels = |images: std::ops::Range<u8>| images.flat_map(|i| [i, 10 + i]).collect::<Vec<u8>>();
        let train = Split::labelled(pixels(0..7), [0u16, 0, 0, 0, 0, 1, 1]);
        let set = Dataset::new("few", shape, train.clone(), Split::default()).unwrap();
        assert_eq!(spread(&set, 3), [[0, 10], [2, 12], [4, 14]]);
        assert_eq!((spread(&set, 7).len(), spread(&set, 8).len()), (7, 0));
        // Of five labels of a class one is held out; the image stays.
        let held = set.hold_out(0.2, 1).unwrap();
        assert_eq!((held.train.len(), held.test.len()), (7, 1));
        assert_eq!((spread(&held, 6).len(), spread(&held, 7).len()), (6, 0));
        assert!(!spread(&held, 6).contains(&&held.test.images[..]));
    }

    #[test]
    fn a_classifier_of_other_classes_is_refused() {
        let source = model_file::load("dnn").unwrap().1;
        let model = |classes: &[&str]| {
            let data = DataShape {
                image: Dims { height: 28, width: 28, channels: 1 },
                classes: classes.len() as u32,
            };
            let spec = parse::parse(&source, "dnn").unwrap();
            LoadedModel {
                settings: Default::default(),
                path: classes.concat().into(),
                checkpoint: Checkpoint::default(),
                model: parse::check(&spec, &source, "dnn", data).unwrap(),
                dataset: "pets".into(),
                class_names: classes.iter().map(|c| c.to_string()).collect(),
            }
        };
        let trained = model(&["ant", "bee"]);
        check_same(&trained, &model(&["ant", "bee"])).unwrap();
        for (other, words) in [(&["bee", "ant"][..], "other classes"), (&["a", "b", "c"], "3 classes")] {
            let e = check_same(&trained, &model(other)).unwrap_err();
            assert!(e.exit_code() == 2 && e.to_string().contains(words), "{e}");
        }
    }

    #[test]
    fn digits_that_count() {
        for (value, text) in
            [(0.0, "0.000"), (0.0123456, "0.01235"), (1.5, "1.500"), (552.751, "552.8"), (12345.6, "12346")]
        {
            assert_eq!(four_digits(value), text);
        }
    }
}
