//! What a training run tells the outside: the only thing that reports, progress bars and run folders see.

use crate::error::Result;
use crate::model::shape::Dims;
pub use crate::ops::StepMetrics;
use crate::ops::null_is_nan;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Numbers of one epoch that was evaluated, at its end or where the run ended in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// Epoch, counted from 1.
    pub epoch: u32,
    /// Steps done so far.
    pub step: u32,
    /// Mean of the steps since the evaluation before.
    pub mean: StepMetrics,
    /// Share of the test images classified rightly with D's parameters as they are; NaN without test images, as the next two.
    #[serde(deserialize_with = "null_is_nan")]
    pub test_accuracy: f32,
    /// The same with the bias-corrected moving average of D's parameters.
    #[serde(deserialize_with = "null_is_nan")]
    pub test_accuracy_ema: f32,
    /// Cross entropy on the test images, raw parameters.
    #[serde(deserialize_with = "null_is_nan")]
    pub test_loss: f32,
    /// `supervised` with a validation split: share right on the held-out images.
    pub validation_accuracy: Option<f32>,
    /// Cross entropy on the held-out images.
    pub validation_loss: Option<f32>,
    /// How long it took: no two runs agree on that, so it is kept apart from what they do agree on.
    #[serde(skip)]
    pub time: EpochTime,
}

/// The time that the epochs since the evaluation before took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct EpochTime {
    /// Seconds of training (evaluation not counted) since the start.
    pub seconds: f64,
    /// Training milliseconds per step in them.
    pub ms_per_step: f64,
    /// Images that went through D's losses per second of them.
    pub images_per_second: f64,
}

/// How long a run has taken at an evaluation, or where it was interrupted.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct TimeAt {
    /// Epoch, counted from 1.
    pub epoch: u32,
    /// Steps done.
    pub step: u32,
    /// The time.
    pub time: EpochTime,
}

/// Steps and evaluated epochs of a run so far, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Steps 1, 2, 3, ...
    pub steps: Vec<StepMetrics>,
    /// Epochs that were evaluated.
    pub epochs: Vec<EpochMetrics>,
    /// How long it took.
    pub times: Vec<TimeAt>,
}

impl History {
    /// The part that a run still knows at `step`; `None` if steps before it are missing. `evaluated` tells after which
    /// steps the run evaluates: one more evaluation, where it was told to end early, is no part of the run that goes
    /// on.
    pub fn until(&self, step: u32, evaluated: impl Fn(u32) -> bool) -> Option<History> {
        let steps = self.steps.get(..step as usize)?.to_vec();
        let of_the_run = |e: &&EpochMetrics| e.step <= step && evaluated(e.step);
        let epochs = self.epochs.iter().filter(of_the_run).cloned().collect();
        // The time of that one evaluation is that of the steps before it, which stay.
        let times = self.times.iter().filter(|t| t.step <= step).copied().collect();
        Some(History { steps, epochs, times })
    }
}

/// Known before the first step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Started {
    /// [`Settings::variant`](crate::train::settings::Settings::variant).
    pub variant: &'static str,
    /// Steps in the whole run.
    pub steps: u32,
    /// Steps done before, where a run goes on.
    pub done: u32,
    /// Steps per epoch.
    pub steps_per_epoch: u32,
    /// Epochs in the whole run.
    pub epochs: u32,
    /// Images through D's losses in one step.
    pub images_per_step: u32,
    /// Adapter name.
    pub adapter: String,
    /// Driver name and version.
    pub driver: String,
    /// `Vulkan`, `Metal`, `Dx12`.
    pub backend: String,
}

/// The end of a run: what `summary.json` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// `ssl` or `supervised`.
    pub method: String,
    /// The model's name.
    pub model: String,
    /// The data set's name.
    pub dataset: String,
    /// Labelled images.
    pub labels: u32,
    /// Seed of weights, noise, z and order.
    pub seed: u64,
    /// Seed of the choice of labelled images.
    pub label_seed: u64,
    /// Whole epochs finished.
    pub epochs: u32,
    /// Steps finished.
    pub steps: u32,
    /// Rows of a minibatch.
    pub batch_size: u32,
    /// Test accuracy, raw parameters; NaN without test images.
    #[serde(deserialize_with = "null_is_nan")]
    pub test_accuracy: f32,
    /// Test accuracy, averaged parameters; NaN without test images.
    #[serde(deserialize_with = "null_is_nan")]
    pub test_accuracy_ema: f32,
    /// Whether the test images are training images whose labels were held out.
    #[serde(default)]
    pub held_out: bool,
    /// Seconds of training, evaluation and saving not counted.
    pub seconds: f64,
    /// Mean milliseconds per step.
    pub ms_per_step: f64,
    /// Mean milliseconds per checkpoint of the process that ended the run, in which nothing is trained: from reading the
    /// tensors back until the observer has taken them, which may write them later.
    #[serde(default)]
    pub ms_per_save: Option<f64>,
    /// Images through D's losses per second.
    pub images_per_second: f64,
    /// Adapter name.
    pub adapter: String,
    /// Driver name and version.
    pub driver: String,
    /// Backend name.
    pub backend: String,
    /// Bytes that the driver had set aside for tensors at the end.
    #[serde(default)]
    pub gpu_bytes: Option<u64>,
    /// Most bytes that the process has had, where an observer knows; with a software adapter those of its tensors too.
    #[serde(default)]
    pub host_peak_bytes: Option<u64>,
    /// Names of the classes; of runs of versions that knew none, none.
    #[serde(default)]
    pub class_names: Vec<String>,
    /// Row = true class, column = predicted class, counts on the test images, raw parameters; empty without test images.
    pub confusion: Vec<Vec<u32>>,
}

/// What happens during a run, in order.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Set up; training begins.
    Started(&'a Started),
    /// The device has done so many steps of the run; their numbers come a few at a time.
    Progress {
        /// Steps, those before the run went on included.
        step: u32,
    },
    /// Numbers of steps that have finished, in order.
    Steps(&'a [StepMetrics]),
    /// An epoch was finished and evaluated.
    Epoch(&'a EpochMetrics),
    /// Generated images, `count x dims` values in 0..1, row-major NHWC.
    Samples {
        /// Epoch, counted from 1.
        epoch: u32,
        /// Size of one image.
        dims: Dims,
        /// The values.
        images: &'a [f32],
    },
    /// A snapshot of everything needed to go on, evaluate or sample.
    Checkpoint {
        /// Epochs finished.
        epoch: u32,
        /// How long it took so far.
        time: TimeAt,
        /// The tensors; shared, so that who writes them later needs no copy.
        checkpoint: &'a Arc<crate::train::checkpoint::Checkpoint>,
    },
    /// The run is over.
    Finished(&'a Summary),
}

/// Receives events. An error stops the run.
pub trait Observer {
    /// Called from the training thread.
    ///
    /// # Errors
    /// Whatever the observer cannot do, such as writing a file.
    fn on(&mut self, event: Event<'_>) -> Result<()>;
}
