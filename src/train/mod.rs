//! Training: settings, the recorded step, the run, checkpoints, and what is done with them.
//!
//! `settings -> Trainer (gan: the step's tensors; step_builder: its kernels in order; evaluator; sampler)`, which `run` drives
//! step by step (`stepping`): `events -> observers`. The images are on the device (`device_data`) or in main memory
//! (`host_images`).

pub mod checkpoint;
mod device_data;
mod diagnosis;
mod evaluator;
pub mod event;
mod examiner;
mod export;
mod gan;
mod generator;
mod host_images;
mod inference;
mod roles;
mod run;
mod sampler;
mod setting;
pub mod settings;
mod snapshot;
mod step_builder;
mod stepping;
mod stop;
mod storage;
mod tiles;
mod trace;
mod trainer;

pub use diagnosis::NotFinite;
pub use evaluator::{Evaluation, Weights};
pub use examiner::{Examined, Examiner, FeatureMoments};
#[cfg(feature = "native")]
pub(crate) use export::permute_weights;
pub use generator::{Generator, sample};
pub use inference::{Classified, Classifier, classify, evaluate};
pub use roles::Roles;
pub use run::run;
pub use settings::Tune;
pub use step_builder::batch_that_fits;
pub use stop::{Stop, Urgency};
pub use storage::{Images, Scratch, Storage};
pub use tiles::{Known, Measured, TileMemory, Tiles};
pub use trace::trace_step;
pub use trainer::{Evaluated, SAMPLES, Trainer};
