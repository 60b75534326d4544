//! Trains on arrays in memory and classifies new images: `cargo run --release --example arrays`.
//!
//! Two thousand drawn digits, of which a hundred have a label; any images of one size will do.

use ssgan::data::digits::{self, Part};
use ssgan::data::{Dataset, Split};
use ssgan::gpu::AdapterChoice;
use ssgan::model::parse;
use ssgan::native::{self, BlockOn};
use ssgan::train::settings::{Method, Settings};
use ssgan::train::{Trainer, classify};

/// The first `count` images of a split, and their labels.
fn first(split: Split, count: usize, pixels: usize) -> Split {
    Split { images: split.images[..count * pixels].to_vec().into(), labels: split.labels[..count].to_vec() }
}

fn main() -> ssgan::Result<()> {
    // Bytes, `N x H x W x C`, and a class for each image; the labels of all but a hundred are never looked at.
    let pixels = digits::SHAPE.image.len() as usize;
    let train = first(digits::generate(Part::Train)?, 2000, pixels);
    let test = first(digits::generate(Part::Test)?, 500, pixels);
    let new = test.images[..10 * pixels].to_vec();
    let data = Dataset::new("some digits", digits::SHAPE, train, test)?;

    let (text, spec) = parse::built_in("dnn").expect("comes with the program");
    let model = parse::check(&spec?, text, "dnn", data.shape)?;
    let settings = Settings { batch_size: 100, ..Settings::defaults(Method::Ssl, false) };

    let gpu = native::open(&AdapterChoice::default())?;
    let mut trainer = Trainer::new(&gpu, &model, &settings, &data).block_on()?;
    trainer.initialise().block_on()?;
    for _ in 0..60 {
        for step in trainer.step().block_on()? {
            println!("step {}: loss of the labelled images {:.3}", step.step, step.loss_supervised);
        }
    }
    trainer.finish_steps().block_on()?;
    // Whole epochs so far.
    let checkpoint = trainer.snapshot(60 / trainer.steps_per_epoch()).block_on()?;

    let logits = classify(&gpu, &model, &checkpoint, &new, false).block_on()?;
    for (row, label) in logits.chunks(10).zip(data.test.labels.iter().flatten()) {
        let class = (0..10).max_by(|&a, &b| row[a].total_cmp(&row[b])).expect("ten classes");
        println!("a {label}, taken for a {class}");
    }
    Ok(())
}
