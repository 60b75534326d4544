//! A trained classifier's look at many images, and a trained generator's images, against the float64 twin.

use super::{IMAGES, Recorder, SEED, Twin, gpu, model};
use ssgan::checks::steps::models::{CNN_SEPARATE, data_set_with};
use ssgan::checks::steps::ssl;
use ssgan::native::BlockOn;
use ssgan::reference::{Group, Mode, assert_nmse, forward};
use ssgan::train::settings::Settings;
use ssgan::train::{Classifier, Examined, Examiner, Generator, sample};

/// More images than go through the network at once, and a last few.
const EXAMINED: usize = 1050;

/// Of a normalised mean square error: the parameters of five steps are within 1e-5, or 2e-4 where a value comes near a kink.
const TOLERANCE: f64 = 1e-7;

#[test]
fn an_examiner_sees_what_the_twin_sees() {
    let model = model(CNN_SEPARATE, 8, 3);
    let settings = Settings { epsilon: 1e-3, epochs: 1, seed: SEED + 6, ..ssl() };
    let data = data_set_with(&model, IMAGES, EXAMINED);
    let run = Recorder::run(&model, &settings, &data, None);
    let checkpoint = run.checkpoints.last().unwrap();
    let mut twin = Twin::new(&model, &settings, &data);
    run.steps.iter().for_each(|_| drop(twin.step()));

    let (shape, d) = (&model.discriminator, &twin.state.d);
    let images: Vec<f64> = data.test.images.iter().map(|&b| f64::from(b) / 255.0).collect();
    let tape = forward(shape, d, &images, &[Group { rows: EXAMINED, update_running: false }], Mode::Eval);
    let last = shape.layers.len() - 1;
    let (features, f) = (&tape.activations[last], shape.layers[last].input.len() as usize);
    let n = EXAMINED as f64;
    let mean: Vec<f64> = (0..f).map(|i| features.iter().skip(i).step_by(f).sum::<f64>() / n).collect();
    let together = |i: usize, j: usize| {
        features.chunks(f).map(|row| (row[i] - mean[i]) * (row[j] - mean[j])).sum::<f64>() / (n - 1.0)
    };
    let covariance: Vec<f64> = (0..f * f).map(|at| together(at / f, at % f)).collect();

    let gpu = gpu();
    let mut examiner = Examiner::new(&gpu, &model, checkpoint, false).block_on().unwrap();
    assert_eq!(examiner.features(), f);
    let mut examine = |images: &[u8]| {
        let mut seen = Examined::new(f);
        examiner.examine(images, &mut seen).block_on().map(|()| seen)
    };
    let seen = examine(&data.test.images).unwrap();
    assert_eq!(seen.moments.images(), EXAMINED as u64);
    assert_nmse("logits", tape.output(), &seen.logits, TOLERANCE);
    assert_nmse("mean", &mean, seen.moments.mean(), TOLERANCE);
    assert_nmse("covariance", &covariance, &seen.moments.covariance(), TOLERANCE);
    // The logits are those of a classifier, and a second look gives the same.
    let mut classifier = Classifier::new(&gpu, &model, checkpoint, false, false).block_on().unwrap();
    assert_eq!(classifier.classify(&data.test.images).block_on().unwrap().logits, seen.logits);
    assert_eq!(examine(&data.test.images).unwrap(), seen);
    // Of no whole image.
    assert!(examine(&data.test.images[1..]).is_err());

    // A generator goes on drawing other images of the same seed; the first are those of a sample.
    let mut generator = Generator::new(&gpu, &model, checkpoint).block_on().unwrap();
    let mut draw = |count, draw| generator.draw(count, 3, draw).block_on().unwrap();
    let (first, second) = (draw(20, 0), draw(20, 1));
    assert_eq!(first.len(), 20 * model.data.image.len() as usize);
    assert_ne!(first, second);
    assert_eq!((draw(20, 0), draw(7, 1).as_slice()), (first.clone(), &second[..7 * second.len() / 20]));
    assert_eq!(sample(&gpu, &model, checkpoint, 20, 3).block_on().unwrap(), first);
}
