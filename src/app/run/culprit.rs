//! What broke first in a run that diverged.

use super::saved::checkpoints;
use super::settings::with_flags;
use super::{Run, checkpoint, history, known_tiles, weights};
use crate::app::report::progress::Progress;
use crate::data::Dataset;
use crate::error::Error;
use crate::gpu::Gpu;
use crate::model::shape::ModelShape;
use crate::train::{NotFinite, Scratch, Stop, Storage, Trainer};

impl Run {
    /// What went wrong first, from a replay of the steps since the last checkpoint; `None` where nothing is found, as
    /// when another failure comes in between.
    pub(super) async fn culprit(
        &self,
        (gpu, set, model): (&Gpu, &Dataset, &ModelShape),
        progress: &Progress,
        stop: &Stop,
    ) -> Option<NotFinite> {
        let folder = self.dir.path();
        let steps = history::load(folder).ok()?.steps;
        let generator = self.resolved.settings.train.has_generator();
        // Parameters that broke after the last step are found in that step.
        let diverged = steps.iter().find(|m| !m.is_finite(generator)).or(steps.last())?.step;
        let tiles = known_tiles(folder).ok()??;
        let storage = Storage { scratch: Scratch::Kept, images: self.resolved.settings.images() };
        let made = Trainer::with_tiles(gpu, model, &self.resolved.settings.train, set, storage, &tiles).await;
        let told =
            |e: Error| progress.note(&format!("no search for what broke: {}", with_flags(&e.to_string())));
        let mut trainer = made.map_err(told).ok()?;
        let saved = checkpoints(folder).unwrap_or_default();
        let mut done = None;
        for saved in saved.iter().filter_map(|path| checkpoint::load(path).ok()) {
            done = trainer.restore(&saved).await.ok().filter(|step| *step < diverged);
            if done.is_some() {
                break;
            }
        }
        if done.is_none() && weights::begin(&trainer, folder).await.ok()?.is_none() {
            trainer.initialise().await.ok()?;
        }
        let done = done.unwrap_or(0);
        // As long as an epoch of MNIST by the paper's recipe and some more; a search is no second training.
        if diverged - done > 1000 {
            return None;
        }
        progress.note(&format!(
            "training has diverged; repeating steps {} to {diverged} to see what broke",
            done + 1
        ));
        trainer.first_not_finite(done, diverged, stop).await.ok()?
    }
}
