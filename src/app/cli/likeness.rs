//! `ssgan eval RUN --images CLASSIFIER`.

use super::eval::Args;
use super::load::{LoadedModel, adapter_line};
use super::output;
use crate::app::likeness::Likeness;
use crate::app::report::table::Table;
use crate::app::run::checkpoint::in_file;
use crate::app::text::count;
use crate::data::{Dataset, Split};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::native::{self, BlockOn};
use crate::shape::Dims;
use crate::train::{Examined, Examiner, Generator};
use serde::Serialize;
use std::path::Path;

/// What is wanted of the generated images.
pub(super) struct Generated<'a> {
    /// Run folder or checkpoint file of the examiner.
    pub classifier: &'a Path,
    /// How many; `None`: as many as there are test images.
    pub count: Option<u32>,
    pub seed: u64,
}

pub(super) fn run(args: &Args, wanted: Generated<'_>) -> Result<()> {
    let mut progress = args.speech.progress();
    let trained = LoadedModel::load(&args.trained)?;
    trained.has_generator()?;
    let classifier = LoadedModel::load(wanted.classifier)?;
    let (own, other) = (trained.model.data, classifier.model.data);
    if own != other {
        return Err(Error::Usage(format!(
            "{} classifies images {} of {} classes, {} generates {} of {}: give a classifier of the same images",
            classifier.path.display(),
            other.image,
            other.classes,
            trained.path.display(),
            own.image,
            own.classes,
        )));
    }
    let set = args.test_set(&trained, &mut progress)?;
    if set.test.len() < 2 {
        return Err(Error::Data(format!("{} has a single test image: at least 2 are compared", set.name)));
    }
    let images = wanted.count.unwrap_or(set.test.len() as u32);
    let gpu = native::open(&args.adapter.choice())?;
    let (drawn, by) = (count(images, "image"), &classifier.model.name);
    let what = format!("drawing {drawn} of {}, examined by {by}, {}", trained.model.name, adapter_line(&gpu));
    let likeness =
        progress.during(&what, || likeness(&gpu, &trained, &classifier, &set, (images, wanted.seed)))?;
    report(args, (&trained, &classifier), &set, wanted.seed, &likeness)
}

fn likeness(
    gpu: &Gpu,
    trained: &LoadedModel,
    classifier: &LoadedModel,
    set: &Dataset,
    (count, seed): (u32, u64),
) -> Result<Likeness> {
    let (of_run, of_classifier) = (in_file(&trained.path), in_file(&classifier.path));
    let generator = Generator::new(gpu, &trained.model, &trained.checkpoint).block_on();
    let mut generator = generator.map_err(of_run)?;
    let examiner = Examiner::new(gpu, &classifier.model, &classifier.checkpoint, false).block_on();
    let mut examiner = examiner.map_err(of_classifier)?;
    let mut generated = Examined::new(examiner.features());
    for (draw, first) in (0..).zip((0..count).step_by(generator.rows() as usize)) {
        let rows = generator.rows().min(count - first);
        let values = generator.draw(rows, seed, draw).block_on()?;
        // As bytes, as they would be in a file: an examiner could tell unrounded ones by that alone.
        let bytes: Vec<u8> = values.iter().map(|v| (v * 255.0).round() as u8).collect();
        examiner.examine(&bytes, &mut generated).block_on()?;
    }
    let mut test = Examined::new(examiner.features());
    examiner.examine(&set.test.images, &mut test).block_on()?;
    let mut training = Examined::new(examiner.features());
    let spread: Vec<&[u8]> = spread(&set.train, set.shape.image, count as usize).collect();
    for some in spread.chunks(examiner.rows() as usize) {
        examiner.examine(&some.concat(), &mut training).block_on()?;
    }
    let training = Some(&training).filter(|training| training.moments.images() > 1);
    Ok(Likeness::new(&generated, (&test, &set.test.labels), training, &set.class_names))
}

/// `count` images of the split or all of them, if fewer, from all over it: they may lie by class.
fn spread(split: &Split, image: Dims, count: usize) -> impl Iterator<Item = &[u8]> {
    let (size, all) = (image.len() as usize, split.len());
    let taken = count.min(all);
    (0..taken).map(move |i| &split.images[i * all / taken * size..][..size])
}

/// The JSON document.
#[derive(Serialize)]
struct Document<'a> {
    checkpoint: String,
    model: &'a str,
    examiner: String,
    examiner_model: &'a str,
    dataset: &'a str,
    data_sha256: &'a str,
    test_images: usize,
    seed: u64,
    #[serde(flatten)]
    likeness: &'a Likeness,
}

fn report(
    args: &Args,
    (trained, classifier): (&LoadedModel, &LoadedModel),
    set: &Dataset,
    seed: u64,
    likeness: &Likeness,
) -> Result<()> {
    if args.speech.json {
        return output::print_json(&Document {
            checkpoint: output::path(&trained.path),
            model: &trained.model.name,
            examiner: output::path(&classifier.path),
            examiner_model: &classifier.model.name,
            dataset: &set.name,
            data_sha256: &set.fingerprint,
            test_images: set.test.len(),
            seed,
            likeness,
        });
    }
    let images = count(likeness.images as u32, "image");
    output::print(&format!(
        "{}: {images} generated by {}, seed {seed}\nexamined by {}: {}, which has {:.4} of {} test images right\n\n{}",
        trained.path.display(),
        trained.model.name,
        classifier.path.display(),
        classifier.model.name,
        likeness.examiner_accuracy,
        set.test.len(),
        described(likeness),
    ))
}

fn described(l: &Likeness) -> String {
    let mut text = format!("Fréchet distance to the test images {:.2}", l.frechet_distance);
    if let (Some(distance), Some(images)) = (l.frechet_distance_of_training_images, l.training_images) {
        text += &format!(" ({distance:.2} of {})", count(images as u32, "training image"));
    }
    text += &format!(
        "\nconfidence {:.4} (of the test images {:.4})\neffective classes {:.2} of {}\n\n",
        l.confidence,
        l.confidence_of_test_images,
        l.effective_classes,
        l.classes.len(),
    );
    let mut table = Table::of(&["class"], &["of the test images", "of the generated", "confidence"], &[]);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_images_come_from_all_over() {
        let image = Dims { height: 1, width: 2, channels: 1 };
        let pixels: Vec<u8> = (0..7).flat_map(|i| [i, 10 + i]).collect();
        let split = Split::labelled(pixels, [0u16; 7]);
        assert_eq!(spread(&split, image, 3).collect::<Vec<_>>(), [[0, 10], [2, 12], [4, 14]]);
        assert_eq!(spread(&split, image, 9).count(), 7);
        assert_eq!(spread(&Split::default(), image, 9).count(), 0);
    }
}
