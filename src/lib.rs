//! `ssgan` trains a classifier from very few labels on any GPU: the semi-supervised GAN of Salimans et al.
//! 2016, every forward and backward pass a WGSL compute shader dispatched through wgpu.
//!
//! A model is trained on arrays in memory, step by step, and then classifies images:
//!
//! ```no_run
//! # #[cfg(feature = "native")]
//! # fn example(data: ssgan::data::Dataset, images: &[u8]) -> ssgan::Result<()> {
//! use ssgan::native::{self, BlockOn};
//! use ssgan::train::settings::{Method, Settings};
//! use ssgan::train::{Trainer, classify};
//!
//! let (text, spec) = ssgan::model::parse::built_in("cnn").expect("comes with the crate");
//! let model = ssgan::model::parse::check(&spec?, text, "cnn", data.shape)?;
//! let gpu = native::open(&Default::default())?;
//! let settings = Settings::defaults(Method::Ssl, true);
//! let mut trainer = Trainer::new(&gpu, &model, &settings, &data).block_on()?;
//! trainer.initialise().block_on()?;
//! for _ in 0..trainer.steps() {
//!     for step in trainer.step().block_on()? {
//!         println!("step {}: L_D = {:.3}", step.step, step.loss_discriminator);
//!     }
//! }
//! let checkpoint = trainer.snapshot(settings.epochs).block_on()?;
//! // Ten logits for each image, of which the largest is that of its class.
//! let logits = classify(&gpu, &model, &checkpoint, images, false).block_on()?;
//! # Ok(())
//! # }
//! ```
//!
//! `examples/` has this in whole, an observer of one's own with early stopping, a model built in code, and one kernel whose
//! output is read. [`train::run`] is a whole run with its evaluations and snapshots.
//!
//! The engine works on arrays in memory; it opens no file and no connection:
//!
//! ```text
//! train -> { nn -> model -> layers -> ops -> gpu, data }
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
//! cli -> { experiment, gpu_report, profile } -> run -> { report, and the engine }, source
//! run               a training run in its folder, gone on with, recorded
//! source            data sets from files and the network, and the user's own images
//! report            pictures, tables, progress
//! export            trained classifiers as ONNX models
//! label             folders of labels: tables, class folders, a page to review
//! experiment        plans of many runs, and the page that shows them
//! doctor            what an adapter has, and whether it computes
//! gpu_report        checks and times of an adapter in one page
//! profile           times the trainer's step, dispatch by dispatch
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
