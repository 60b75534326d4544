//! `ssgan` trains a classifier from very few labels: the semi-supervised GAN of Salimans et al. 2016, every
//! forward and backward pass a WGSL compute shader dispatched through wgpu.
//!
//! A model is trained on arrays in memory, step by step, and then classifies images:
//!
//! ```no_run
//! # #[cfg(feature = "native")]
//! # fn example(pixels: Vec<u8>, labels: Vec<Option<u16>>, new: &[u8]) -> ssgan::Result<()> {
//! use ssgan::data::{Dataset, Split};
//! use ssgan::native::{self, BlockOn};
//! use ssgan::shape::{DataShape, Dims};
//! use ssgan::train::settings::{LabelCount, Method, Settings};
//! use ssgan::train::{Trainer, classify};
//!
//! // Gray images of 28 x 28 pixels, one after another, of ten classes; a class for each that has a label. None to test on.
//! let shape = DataShape { image: Dims { height: 28, width: 28, channels: 1 }, classes: 10 };
//! let data = Dataset::new("mine", shape, Split { images: pixels.into(), labels }, Split::default())?;
//! let (text, spec) = ssgan::model::parse::built_in("cnn").expect("comes with the crate");
//! let model = ssgan::model::parse::check(&spec?, text, "cnn", data.shape)?;
//! let gpu = native::open(&Default::default())?;
//! // All labels that there are; an epoch is as many minibatches of 512 as there are images for.
//! let settings = Settings { labels: LabelCount::All, ..Settings::defaults(Method::Ssl, true) };
//! let mut trainer = Trainer::new(&gpu, &model, &settings, &data).block_on()?;
//! trainer.initialise().block_on()?;
//! for _ in 0..trainer.steps() {
//!     for step in trainer.step().block_on()? {
//!         println!("step {}: L_D = {:.3}", step.step, step.loss_discriminator);
//!     }
//! }
//! // Their numbers come a few steps late: these are the last.
//! for step in trainer.finish_steps().block_on()? {
//!     println!("step {}: L_D = {:.3}", step.step, step.loss_discriminator);
//! }
//! let checkpoint = trainer.snapshot(settings.epochs).block_on()?;
//! // Ten logits for each image, of which the largest is that of its class.
//! let logits = classify(&gpu, &model, &checkpoint, new, false).block_on()?;
//! # Ok(())
//! # }
//! ```
//!
//! `examples/` has this in whole, an observer of one's own with early stopping, a model built in code, and one kernel whose
//! output is read. [`train::run`] is a whole run with its evaluations and snapshots.
//!
//! A device belongs to one thread: a [`gpu::Gpu`], what lives on it, such as a [`train::Trainer`] or a [`train::Classifier`],
//! and their futures are not [`Send`]. And who awaits them may be held up: `native`'s host polls the device until the work is
//! done, whatever executor runs the future. A program with other things to do opens the device on a thread of its own, and
//! sends that thread what does go across: images, settings, models, checkpoints, and a shared [`train::Stop`].
//! A program that has a device already gives it to [`native::on_device`], with the version of wgpu that is [`gpu::wgpu`].
//!
//! The engine works on arrays in memory; it opens no file and no connection:
//!
//! ```text
//! train -> nn -> model -> { layers -> ops -> gpu, data }
//! nn                walks over a network's layers, which record their passes
//! model             model files: lists of layers, and their shapes on given data
//! layers            a layer in each file: settings, shapes, recording
//! reference         the float64 CPU twin that the kernels are tested against
//! ```
//!
//! It asks the program around it for the time, for waiting and for threads, through [`gpu::Host`]. `native`, a feature, is
//! that of an operating system: [`native::open`] gives a device, and what the engine computes is waited for with
//! [`native::BlockOn`].
//!
//! `checks`, with that feature too, holds every kernel of an adapter against the twin.
//!
//! The program, in `app` (with the feature of that name, which is on by default):
//!
//! ```text
//! cli -> { experiment -> run, gpu_report -> { profile -> run, doctor }, likeness -> label, export -> source }
//! run -> { report -> source, model_file -> augment, and the engine }, label -> report
//! run               a training run in its folder, gone on with, recorded
//! source            data sets from files and the network, and the user's own images
//! report            pictures, tables, progress
//! model_file        models by name, or in files
//! augment           random maps that a discriminator sees its images under
//! export            trained classifiers as ONNX models
//! label             folders of labels: tables, class folders, a page to review
//! likeness          how like real images generated ones are, as a trained classifier sees them
//! experiment        plans of many runs, and the page that shows them
//! doctor            what an adapter has, and whether it computes
//! gpu_report        checks and times of an adapter in one page
//! profile           times the trainer's step, dispatch by dispatch
//! atomic, cache, lock, text    files: whole or not there, kept between runs, locked, read up to a limit
//! ```

#[cfg(feature = "app")]
pub mod app;
#[cfg(feature = "native")]
pub mod checks;
pub mod data;
pub mod error;
pub mod gpu;
pub mod layers;
pub mod model;
#[cfg(feature = "native")]
pub mod native;
pub mod nn;
pub mod numerics;
pub mod ops;
pub mod reference;
pub mod rng;
pub mod shape;
pub mod text;
pub mod train;

pub use error::{Error, Result};
