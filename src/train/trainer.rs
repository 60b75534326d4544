//! A run's model, data and recorded step on a device, driven by its owner: steps, evaluations, snapshots.

use super::device_data::{LabelledImages, Used, upload_labels};
use super::evaluator::{Evaluation, Evaluator, SplitEvaluator, Weights};
use super::event::Started;
use super::gan::{Gan, Pools, TrainingImages, state_at};
use super::host_images::HostImages;
use super::roles::Roles;
use super::sampler::Sampler;
use super::settings::Settings;
use super::stepping::{FLUSH, Position};
use super::stop::Stop;
use super::storage::{Images, Scratch, Storage};
use super::tiles::Tiles;
use crate::data::{Dataset, Split, Tested};
use crate::error::Result;
use crate::gpu::{Gpu, Pool, Program};
use crate::model::shape::ModelShape;
use crate::ops::{Ops, State};
use std::cell::Cell;

/// Images of the sample grid.
pub const SAMPLES: u32 = 100;

/// A model in training: its parameters and its data on the device, and the recorded step. [`super::run`] is a whole run of it.
#[derive(Debug)]
pub struct Trainer {
    pub(super) ops: Ops,
    pub(super) model: ModelShape,
    pub(super) settings: Settings,
    pub(super) gan: Gan,
    pub(super) dataset: String,
    pub(super) fingerprint: String,
    class_names: Vec<String>,
    tested: Tested,
    roles: Roles,
    /// The training images, where they are not on the device.
    pub(super) on_host: Option<HostImages>,
    /// The training images that are on the device, where they are not all.
    pub(super) used: Option<Used>,
    evaluator: Evaluator,
    /// `None` where there are no test images.
    test: Option<SplitEvaluator>,
    held_out: Option<SplitEvaluator>,
    sampler: Option<Sampler>,
    scratch: Pool,
    pub(super) tiles: Tiles,
    steps_per_epoch: u32,
    pub(super) progress: Position,
    /// Whether the parameters were initialised, or are those of a checkpoint.
    pub(super) initialised: Cell<bool>,
}

/// An evaluation of everything that there is to evaluate.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    /// The test images, if there are some, with D's parameters as they are.
    pub test: Option<Evaluation>,
    /// The same with their moving average.
    pub averaged: Option<Evaluation>,
    /// The labelled images that are held out, if some are, with the parameters as they are.
    pub held_out: Option<Evaluation>,
}

/// The evaluation of `chosen` images of a split, else of all; `None` of none.
fn evaluation_of(
    ops: &Ops,
    evaluator: &Evaluator,
    (split, pixels): (&Split, u32),
    chosen: Option<&[u32]>,
    scratch: &mut Pool,
) -> Result<Option<SplitEvaluator>> {
    if chosen.map_or(split.len(), <[u32]>::len) == 0 {
        return Ok(None);
    }
    let images = LabelledImages::upload(&ops.gpu, split, pixels, chosen)?;
    evaluator.split(ops, &images, scratch).map(Some)
}

impl Trainer {
    /// Checks the settings against the model and the data, uploads the images that are used, and records the step. The
    /// parameters are not initialised.
    ///
    /// # Errors
    /// [`crate::Error::Usage`] for settings that do not fit the data; [`crate::Error::Data`] for data that cannot be trained on;
    /// [`crate::Error::Adapter`], [`crate::Error::Gpu`] and [`crate::Error::DeviceLost`] from the device.
    pub async fn new(gpu: &Gpu, model: &ModelShape, settings: &Settings, data: &Dataset) -> Result<Trainer> {
        Trainer::with_tiles(gpu, model, settings, data, Scratch::Shared, &Tiles::tables()).await
    }

    /// As [`Trainer::new`], with tiles, and with what is kept where.
    ///
    /// # Errors
    /// As [`Trainer::new`].
    pub async fn with_tiles(
        gpu: &Gpu,
        model: &ModelShape,
        settings: &Settings,
        data: &Dataset,
        storage: impl Into<Storage>,
        tiles: &Tiles,
    ) -> Result<Trainer> {
        let roles = Roles::new(model, settings, data)?;
        let tiles = tiles.known_to(gpu, model, settings);
        let ops = Ops { tiling: tiles.tiling(gpu, model, settings), ..Ops::checked(gpu).await? };
        let storage = storage.into();
        let record = |images| {
            let storage = Storage { images, ..storage };
            Trainer::record(&ops, (model, settings), data, &roles, storage, &tiles)
        };
        // What failed before is not this trainer's, nor is it to be forgotten.
        gpu.check()?;
        let before = gpu.memory();
        let recorded = match storage.images {
            Images::Auto => match record(Images::Device) {
                Err(_) if gpu.memory().given.is_some() => {
                    gpu.forget_since(before.clone()).await;
                    record(Images::Host)
                }
                other => other,
            },
            images => record(images),
        };
        let made = match recorded {
            // Not in the first step's time.
            Ok(trainer) => gpu.compiled().await.map(|()| trainer),
            Err(e) => Err(e),
        };
        if made.is_err() {
            // A smaller one may fit.
            gpu.forget_since(before).await;
        }
        made
    }

    /// Uploads the images, and records what is done with them.
    fn record(
        ops: &Ops,
        (model, settings): (&ModelShape, &Settings),
        data: &Dataset,
        roles: &Roles,
        storage: Storage,
        tiles: &Tiles,
    ) -> Result<Trainer> {
        let (gpu, pixels) = (&ops.gpu, model.data.image.len());
        // What no step looks at is not uploaded.
        let used = roles.used(settings.method).filter(|_| storage.images != Images::Host);
        let places = |numbers: &[u32]| used.as_ref().map_or(numbers.to_vec(), |used| used.places(numbers));
        let chosen = used.as_ref().map(|u| &u.numbers[..]);
        let images = TrainingImages::new(gpu, (&data.train, pixels), chosen, storage.images)?;
        // Of no other image does the device see the label.
        let labels = upload_labels(gpu, "labels", &data.train, &roles.labelled)?;
        let (labelled, unlabelled) = (places(&roles.labelled), roles.unlabelled.as_deref().map(places));
        let pools = Pools {
            images: &images,
            labelled: &labelled,
            labels: &labels,
            unlabelled: unlabelled.as_deref(),
            unlabelled_count: roles.unlabelled_count,
        };
        let shares = storage.scratch == Scratch::Shared;
        let mut scratch = Pool::default();
        let gan = Gan::new(ops, model, settings, &pools, shares.then_some(&mut scratch))?;
        let evaluator = Evaluator::new(ops, &model.discriminator, &gan.d.net.params, &gan.average)?;
        let test = evaluation_of(ops, &evaluator, (&data.test, pixels), None, &mut scratch)?;
        let validation = Some(&roles.validation[..]);
        let held_out = evaluation_of(ops, &evaluator, (&data.train, pixels), validation, &mut scratch)?;
        let sampler = gan.g.as_ref().map(|g| Sampler::new(ops, &g.net, model, SAMPLES)).transpose()?;
        // Noticed in the end, when it is known how much was wanted.
        let hidden = gan.init.scratch_bytes() + test.as_ref().map_or(0, SplitEvaluator::scratch_bytes);
        gpu.fits(settings.batch_size, gan.grown, hidden)?;
        let steps_per_epoch = settings.steps_per_epoch(roles.labelled.len() as u32, roles.unlabelled_count);
        Ok(Trainer {
            ops: ops.clone(),
            model: model.clone(),
            settings: settings.clone(),
            gan,
            dataset: data.name.clone(),
            fingerprint: data.fingerprint.clone(),
            class_names: data.class_names.clone(),
            tested: data.tested,
            roles: roles.clone(),
            on_host: images.on_host(),
            used,
            evaluator,
            test,
            held_out,
            sampler,
            scratch,
            tiles: tiles.clone(),
            steps_per_epoch,
            progress: Position::default(),
            initialised: Cell::new(false),
        })
    }

    /// Steps of the whole run.
    pub fn steps(&self) -> u32 {
        self.steps_per_epoch.saturating_mul(self.settings.epochs)
    }

    /// Steps of an epoch.
    pub fn steps_per_epoch(&self) -> u32 {
        self.steps_per_epoch
    }

    /// Whether the run is evaluated and saved after so many steps.
    pub fn evaluates_after(&self, step: u32) -> bool {
        let whole = step.is_multiple_of(self.steps_per_epoch)
            && (step / self.steps_per_epoch).is_multiple_of(self.settings.evaluate_every);
        whole || step == self.steps()
    }

    /// Evaluates D on the test images, after the steps that were submitted; `None` if there are none.
    ///
    /// # Errors
    /// [`crate::Error::Gpu`] or [`crate::Error::DeviceLost`] if the device failed.
    pub async fn evaluate(&self, weights: Weights) -> Result<Option<Evaluation>> {
        match &self.test {
            Some(split) => self.evaluate_split(split, weights, &Stop::new()).await,
            None => Ok(None),
        }
    }

    /// Evaluates D on everything; `None` if `stop` asks to leave before that is done.
    ///
    /// # Errors
    /// [`crate::Error::Gpu`] or [`crate::Error::DeviceLost`] if the device failed.
    pub async fn evaluate_all(&self, stop: &Stop) -> Result<Option<Evaluated>> {
        let wanted =
            [(&self.test, Weights::Raw), (&self.test, Weights::Averaged), (&self.held_out, Weights::Raw)];
        let mut results = [None, None, None];
        for (result, (split, weights)) in results.iter_mut().zip(wanted) {
            let Some(split) = split else { continue };
            *result = self.evaluate_split(split, weights, stop).await?;
            if result.is_none() {
                return Ok(None);
            }
        }
        let [test, averaged, held_out] = results;
        Ok(Some(Evaluated { test, averaged, held_out }))
    }

    async fn evaluate_split(
        &self,
        split: &SplitEvaluator,
        weights: Weights,
        stop: &Stop,
    ) -> Result<Option<Evaluation>> {
        let state = self.state(self.done().saturating_sub(1));
        self.evaluator.run(&self.ops, split, state, weights, stop).await
    }

    /// Images that G makes of the latent vectors of the settings' seed, always the same ones: `SAMPLES x dims` values in 0..1;
    /// `None` without G.
    ///
    /// # Errors
    /// [`crate::Error::Gpu`] or [`crate::Error::DeviceLost`] if the device failed.
    pub async fn samples(&self) -> Result<Option<Vec<f32>>> {
        match &self.sampler {
            Some(sampler) => Ok(Some(sampler.run(&self.ops, self.settings.seed, 0).await?)),
            None => Ok(None),
        }
    }

    /// The step constants of step `t`.
    pub(super) fn state(&self, t: u32) -> State {
        state_at(&self.settings, t, self.roles.labelled.len() as u32, self.roles.unlabelled_count)
    }

    /// What a run that ends after so many steps is told to begin with.
    pub fn started(&self, steps: u32) -> Started {
        let s = self.ops.gpu.summary();
        Started {
            variant: self.settings.variant(),
            steps,
            done: self.done(),
            steps_per_epoch: self.steps_per_epoch,
            epochs: self.settings.epochs,
            images_per_step: self.images_per_step(),
            adapter: s.name.clone(),
            driver: s.driver_text(),
            backend: s.backend.clone(),
        }
    }

    /// Numbers of the labelled training images.
    pub fn labelled(&self) -> &[u32] {
        &self.roles.labelled
    }

    /// Numbers of the labelled images held out for validation.
    pub fn validation(&self) -> &[u32] {
        &self.roles.validation
    }

    /// Images through D's losses in a step.
    pub fn images_per_step(&self) -> u32 {
        self.gan.d_step.rows.total()
    }

    /// What a step runs.
    pub fn program(&self) -> &Program {
        &self.gan.step
    }

    /// Memory that the step, its initialisation and the evaluations share, for tests.
    pub fn scratch(&self) -> &Pool {
        &self.scratch
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.ops.gpu
    }

    /// The model.
    pub fn model(&self) -> &ModelShape {
        &self.model
    }

    /// Name of the data set.
    pub fn dataset(&self) -> &str {
        &self.dataset
    }

    /// Names of the classes.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// What the test images are.
    pub fn tested(&self) -> Tested {
        self.tested
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Bytes that a step uploads, and that it reads back on average.
    pub fn traffic(&self) -> (u64, u64) {
        let images = self.on_host.as_ref().map_or(0, HostImages::bytes_per_step);
        (u64::from(State::WORDS) * 4 + images, self.gan.metrics.bytes() / u64::from(FLUSH))
    }
}
