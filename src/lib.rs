//! `ssgan` trains a classifier from very few labels on any GPU: the semi-supervised GAN of Salimans et al.
//! 2016, every forward and backward pass a WGSL compute shader dispatched through wgpu.
//!
//! ```text
//! cli -> train -> { nn -> ops -> gpu, data }
//! cache             downloads, and what was measured of an adapter
//! report, run_dir   read the trainer's events
//! experiment        plans of many runs, and the page that shows them
//! profile           times the trainer's step, dispatch by dispatch
//! model             layers and shapes; knows no device
//! reference         the float64 CPU twin that the kernels are tested against
//! ```

pub mod atomic;
pub mod cache;
pub mod cli;
pub mod data;
pub mod error;
pub mod experiment;
pub mod gpu;
pub mod model;
pub mod nn;
pub mod ops;
pub mod profile;
pub mod reference;
pub mod report;
pub mod rng;
pub mod run_dir;
pub mod text;
pub mod train;

pub use error::{Error, Result};
