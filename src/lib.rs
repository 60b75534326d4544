//! `ssgan` trains a classifier from very few labels on any GPU: the semi-supervised GAN of Salimans et al.
//! 2016, every forward and backward pass a WGSL compute shader dispatched through wgpu.
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
//! The program, in `app` (with the feature of that name, which is on by default):
//!
//! ```text
//! cli -> { experiment, profile } -> run -> { report, and the engine }, source
//! run               a training run in its folder, gone on with, recorded
//! source            data sets from files and the network
//! report            pictures, tables, progress
//! experiment        plans of many runs, and the page that shows them
//! profile           times the trainer's step, dispatch by dispatch
//! ```

#[cfg(feature = "app")]
pub mod app;
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
