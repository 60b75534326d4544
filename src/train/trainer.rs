//! The training loop: submits recorded steps, collects metrics, evaluates, snapshots, tells observers.

use super::device_data::{DeviceData, Used};
use super::evaluator::{Evaluation, Evaluator, SplitEvaluator, Weights};
use super::event::{EpochMetrics, EpochTime, Event, History, Observer, Started, StepMetrics, Summary};
use super::gan::{Gan, Pools, SLOTS, state_at};
use super::sampler::Sampler;
use super::settings::{Method, Settings};
use super::stop::Stop;
use super::tiles::Tiles;
use crate::data::{self, Dataset};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Pool, Program, Readback, Timer, Timing};
use crate::model::shape::ModelShape;
use crate::ops::{METRICS, Ops, State};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Submits in flight: the GPU always has the next step, and Ctrl-C waits for two at most.
const IN_FLIGHT: usize = 2;

/// Steps between two readbacks of the metrics ring.
const FLUSH: u32 = 16;

/// Images of the sample grid.
pub const SAMPLES: u32 = 100;

/// Where what a step makes on its way lies; the results are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scratch {
    /// Where other tensors were that nothing needs any more.
    Shared,
    /// In memory of its own, so that it can be read after the step.
    Kept,
}

/// A run: the model, its data on the GPU, the recorded step.
#[derive(Debug)]
pub struct Trainer {
    pub(super) ops: Ops,
    pub(super) model: ModelShape,
    pub(super) settings: Settings,
    pub(super) gan: Gan,
    pub(super) dataset: String,
    pub(super) fingerprint: String,
    labelled: Vec<u32>,
    /// The training images that are on the device, where they are not all.
    pub(super) used: Option<Used>,
    unlabelled_count: u32,
    validation: Vec<u32>,
    evaluator: Evaluator,
    test: SplitEvaluator,
    held_out: Option<SplitEvaluator>,
    sampler: Sampler,
    scratch: Pool,
    steps_per_epoch: u32,
    /// Staging buffers of the metrics ring that are not in use.
    rings: Vec<Readback>,
    pub(super) tiles: Tiles,
}

/// Time and steps of a run so far.
struct Progress {
    step: u32,
    /// The last step that was evaluated.
    evaluated: u32,
    trained: Duration,
    /// Steps that took that long; of a run that goes on, those up to its last evaluation.
    timed_steps: u32,
    epoch_trained: Duration,
    epoch_steps: u32,
    sums: MetricSums,
    /// Time and number of this process's checkpoints.
    saved: (Duration, u32),
}

#[derive(Default)]
struct MetricSums {
    sum: [f64; METRICS as usize],
    count: u32,
}

impl MetricSums {
    fn add(&mut self, m: &StepMetrics) {
        self.sum.iter_mut().zip(m.values()).for_each(|(s, v)| *s += f64::from(v));
        self.count += 1;
    }
}

impl Trainer {
    /// Checks the settings against the data, uploads the data, records the step.
    ///
    /// # Errors
    /// [`Error::Usage`] for settings that do not fit the data; [`Error::Adapter`] and [`Error::Gpu`] from
    /// the device.
    pub fn new(gpu: &Gpu, model: &ModelShape, settings: &Settings, data: &Dataset) -> Result<Trainer> {
        Trainer::with_tiles(gpu, model, settings, data, Scratch::Shared, || Ok(Tiles::tables()))
    }

    /// As [`Trainer::new`], with tiles that are asked for when the settings have been checked.
    ///
    /// # Errors
    /// As there; those of `tiles`.
    pub fn with_tiles(
        gpu: &Gpu,
        model: &ModelShape,
        settings: &Settings,
        data: &Dataset,
        scratch: Scratch,
        tiles: impl FnOnce() -> Result<Tiles>,
    ) -> Result<Trainer> {
        settings.validate()?;
        let unlabelled = match settings.unlabelled {
            Some(n) if settings.method == Method::Ssl => {
                Some(data::choose_unlabelled(data.train.len() as u32, n, settings.label_seed)?)
            }
            _ => None,
        };
        let ssl = settings.method == Method::Ssl;
        let nets = [Some(&model.discriminator), ssl.then_some(&model.generator)];
        let alone = nets.into_iter().flatten().find(|net| settings.batch_size == 1 && net.normalises_rows());
        if let Some(net) = alone {
            return Err(Error::Usage(format!(
                "batch_size = 1: the {}'s batch norm would see one value of each channel; use at least 2",
                net.name
            )));
        }
        let n = unlabelled.as_ref().map_or(data.train.len(), Vec::len);
        if settings.method == Method::Ssl && settings.batch_size as usize > n {
            return Err(Error::Usage(format!(
                "batch_size = {}: larger than the {n} unlabelled images of {}; use at most {n}",
                settings.batch_size, data.name
            )));
        }
        let chosen = data::choose(
            &data.train.labels,
            model.data.classes,
            settings.labels as usize,
            settings.label_seed,
        )?;
        let split = settings.method == Method::Supervised && settings.validation_split > 0.0;
        let (labelled, validation) = if split {
            data::split_validation(&chosen, f64::from(settings.validation_split), settings.label_seed)?
        } else {
            (chosen, vec![])
        };
        // Before tiles are tried on it.
        let ops = Ops::checked(gpu)?;
        let tiles = tiles()?.known_to(gpu, model, settings);
        let ops = Ops { tiling: tiles.tiling(gpu, model, settings), ..ops };
        let pixels = model.data.image.len();
        // What no step looks at is not uploaded.
        let used = match (settings.method, &unlabelled) {
            (Method::Ssl, None) => None,
            (Method::Ssl, Some(unlabelled)) => Some(Used::of([&labelled[..], unlabelled])),
            (Method::Supervised, _) => Some(Used::of([&labelled[..]])),
        };
        let places = |numbers: &[u32]| used.as_ref().map_or(numbers.to_vec(), |used| used.places(numbers));
        let train = DeviceData::upload(gpu, &data.train, pixels, used.as_ref().map(|u| &u.numbers[..]))?;
        let test = DeviceData::upload(gpu, &data.test, pixels, None)?;
        let (at_labelled, at_unlabelled) = (places(&labelled), unlabelled.as_deref().map(places));
        let pools = Pools { train: &train, labelled: &at_labelled, unlabelled: at_unlabelled.as_deref() };
        let shares = scratch == Scratch::Shared;
        let mut scratch = Pool::default();
        let gan = Gan::new(&ops, model, settings, &pools, shares.then_some(&mut scratch))?;
        let evaluator = Evaluator::new(&ops, &model.discriminator, &gan.d.net.params, &gan.average)?;
        let test = evaluator.split(&ops, &test, &mut scratch)?;
        let held_out = if validation.is_empty() {
            None
        } else {
            let held_out = DeviceData::upload(gpu, &data.train, pixels, Some(&validation))?;
            Some(evaluator.split(&ops, &held_out, &mut scratch)?)
        };
        let sampler = Sampler::new(&ops, &gan.g.net, model, SAMPLES)?;
        // Noticed in the end, when it is known how much was wanted.
        let hidden = gan.init.scratch_bytes() + test.scratch_bytes();
        gpu.fits(settings.batch_size, gan.grown, hidden)?;
        // Not in the first step's time.
        gpu.compiled()?;
        let steps_per_epoch = settings.steps_per_epoch(labelled.len() as u32, n as u32);
        Ok(Trainer {
            ops,
            model: model.clone(),
            settings: settings.clone(),
            gan,
            dataset: data.name.clone(),
            fingerprint: data.fingerprint.clone(),
            labelled,
            used,
            unlabelled_count: n as u32,
            validation,
            evaluator,
            test,
            held_out,
            sampler,
            scratch,
            steps_per_epoch,
            rings: vec![],
            tiles,
        })
    }

    /// Numbers of the labelled training images.
    pub fn labelled(&self) -> &[u32] {
        &self.labelled
    }

    /// Numbers of the labelled images held out for validation.
    pub fn validation(&self) -> &[u32] {
        &self.validation
    }

    /// Steps of an epoch.
    pub fn steps_per_epoch(&self) -> u32 {
        self.steps_per_epoch
    }

    /// Whether the run is evaluated and saved after so many steps.
    pub fn evaluates_after(&self, step: u32) -> bool {
        let whole = step.is_multiple_of(self.steps_per_epoch)
            && (step / self.steps_per_epoch).is_multiple_of(self.settings.evaluate_every);
        whole || step == self.steps_per_epoch.saturating_mul(self.settings.epochs)
    }

    /// The step constants of step `t`.
    pub(super) fn state(&self, t: u32) -> State {
        state_at(&self.settings, t, self.labelled.len() as u32, self.unlabelled_count)
    }

    /// Initialises the parameters from the data; before the first step.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the device failed.
    pub fn initialise(&self) -> Result<()> {
        self.ops.gpu.write(&self.ops.state, &[self.state(0)]);
        let index = self.ops.gpu.submit(&self.gan.init, &[])?;
        self.ops.gpu.wait(Some(index))
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

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Bytes that a step uploads, and that it reads back on average.
    pub fn traffic(&self) -> (u64, u64) {
        (u64::from(State::WORDS) * 4, self.gan.metrics.bytes() / u64::from(FLUSH))
    }

    /// Step `t` (from 0), each dispatch timed; waits for it. The same results as a step of [`Trainer::run`].
    ///
    /// # Errors
    /// As [`Timer::run`].
    pub fn timed_step(&self, t: u32, timer: &mut Timer) -> Result<Timing> {
        self.ops.gpu.write(&self.ops.state, &[self.state(t)]);
        timer.run(&self.gan.step)
    }

    /// Wall time of step `t`, from recording to the end of the work, nothing else measured.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the device failed.
    pub fn untimed_step(&self, t: u32) -> Result<Duration> {
        let gpu = &self.ops.gpu;
        gpu.write(&self.ops.state, &[self.state(t)]);
        let begun = Instant::now();
        let index = gpu.submit(&self.gan.step, &[])?;
        gpu.wait(Some(index))?;
        Ok(begun.elapsed())
    }

    /// Trains to the end, or until `stop` asks to end or `max_steps` are done; from the first step, or, after
    /// [`Trainer::restore`], from where `done` ends.
    ///
    /// # Errors
    /// [`Error::Interrupted`] after a last snapshot if stopped; [`Error::Diverged`] if a loss is not finite;
    /// errors of the device and of the observer.
    pub fn run(
        &mut self,
        observer: &mut dyn Observer,
        stop: &Stop,
        max_steps: Option<u32>,
        done: Option<&History>,
    ) -> Result<Summary> {
        let all = self.steps_per_epoch.saturating_mul(self.settings.epochs);
        let steps = max_steps.map_or(all, |m| m.min(all));
        let mut progress = Progress {
            step: 0,
            evaluated: 0,
            trained: Duration::ZERO,
            timed_steps: 0,
            epoch_trained: Duration::ZERO,
            epoch_steps: 0,
            sums: MetricSums::default(),
            saved: (Duration::ZERO, 0),
        };
        let mut last = None;
        match done {
            None => self.initialise()?,
            Some(done) => {
                progress.step = done.steps.len() as u32;
                if let Some(e) = done.epochs.last() {
                    progress.evaluated = e.step;
                    progress.trained = Duration::try_from_secs_f64(e.time.seconds).unwrap_or_default();
                    progress.timed_steps = if progress.trained.is_zero() { 0 } else { e.step };
                    last = Some((e.clone(), None));
                }
                done.steps[progress.evaluated as usize..].iter().for_each(|m| progress.sums.add(m));
            }
        }
        observer.on(Event::Started(&self.started(progress.step, steps)))?;
        loop {
            // A run that was stopped at an epoch's last step has this still to do.
            let due = self.evaluates_after(progress.step) || progress.step >= steps;
            if progress.step > progress.evaluated && due {
                let epoch = progress.step.div_ceil(self.steps_per_epoch);
                let Some((metrics, test)) = self.evaluate_epoch(observer, epoch, &mut progress, stop)? else {
                    // What was evaluated already is evaluated again when the run goes on.
                    return Err(self.interrupted(observer, epoch - 1, &mut progress, steps)?);
                };
                last = Some((metrics, Some(test)));
            }
            if progress.step >= steps {
                break;
            }
            let epoch = progress.step / self.steps_per_epoch + 1;
            let end = (epoch * self.steps_per_epoch).min(steps);
            let begun = Instant::now();
            let first = progress.step;
            progress.step = self.epoch(observer, stop, first, end, &mut progress.sums)?;
            let took = begun.elapsed();
            progress.trained = progress.trained.saturating_add(took);
            progress.epoch_trained += took;
            progress.timed_steps += progress.step - first;
            progress.epoch_steps += progress.step - first;
            if stop.is_asked() && progress.step < steps {
                return Err(self.interrupted(observer, epoch - 1, &mut progress, steps)?);
            }
        }
        let (metrics, test) = last.ok_or_else(|| Error::Usage("no steps to train".into()))?;
        let test = test.map_or_else(|| self.evaluate(progress.step, Weights::Raw), Ok)?;
        let summary = self.summary(&progress, &metrics, test);
        observer.on(Event::Finished(&summary))?;
        Ok(summary)
    }

    /// Saves in the middle of `epoch + 1`; the error of a run that was stopped.
    fn interrupted(
        &self,
        observer: &mut dyn Observer,
        epoch: u32,
        progress: &mut Progress,
        steps: u32,
    ) -> Result<Error> {
        self.snapshot(observer, epoch, progress)?;
        let step = progress.step;
        Ok(Error::Interrupted(format!("stopped after step {step} of {steps}; the parameters are saved")))
    }

    /// Steps `first..end`, or until stopped; returns the next step.
    fn epoch(
        &mut self,
        observer: &mut dyn Observer,
        stop: &Stop,
        first: u32,
        end: u32,
        sums: &mut MetricSums,
    ) -> Result<u32> {
        let gpu = &self.ops.gpu;
        let ring = (SLOTS * METRICS) as usize;
        let mut flight = VecDeque::new();
        let mut pending: VecDeque<(u32, u32, Readback)> = VecDeque::new();
        let mut flushed = first;
        let mut t = first;
        while t < end && !stop.is_asked() {
            if flight.len() >= IN_FLIGHT {
                let (done, index): (u32, _) = flight.pop_front().expect("not empty");
                gpu.wait(Some(index))?;
                while pending.front().is_some_and(|(_, to, _)| *to <= done + 1) {
                    let (from, to, mut staging) = pending.pop_front().expect("not empty");
                    self.deliver(observer, from, to, &staging.take(ring)?, sums)?;
                    self.rings.push(staging);
                }
            }
            gpu.write(&self.ops.state, &[self.state(t)]);
            let flush = t + 1 - flushed == FLUSH || t + 1 == end;
            let index = if flush {
                let mut staging = self.rings.pop().unwrap_or_else(|| Readback::new(gpu, ring));
                let index = gpu.submit(&self.gan.step, &[(&self.gan.metrics, &staging)])?;
                staging.request();
                pending.push_back((flushed, t + 1, staging));
                flushed = t + 1;
                index
            } else {
                gpu.submit(&self.gan.step, &[])?
            };
            flight.push_back((t, index));
            t += 1;
        }
        gpu.wait(None)?;
        for (from, to, mut staging) in pending {
            self.deliver(observer, from, to, &staging.take(ring)?, sums)?;
            self.rings.push(staging);
        }
        if flushed < t {
            let values: Vec<f32> = gpu.read(&self.gan.metrics)?;
            self.deliver(observer, flushed, t, &values, sums)?;
        }
        Ok(t)
    }

    fn deliver(
        &self,
        observer: &mut dyn Observer,
        from: u32,
        to: u32,
        ring: &[f32],
        sums: &mut MetricSums,
    ) -> Result<()> {
        let ssl = self.settings.method == Method::Ssl;
        let mut steps = Vec::with_capacity((to - from) as usize);
        for t in from..to {
            let at = (t % SLOTS * METRICS) as usize;
            let row = &ring[at..at + METRICS as usize];
            let step = step_metrics(t + 1, |i| row[i], &self.settings);
            sums.add(&step);
            steps.push(step);
        }
        let failed = steps.iter().find(|m| !m.is_finite(ssl)).map(|m| {
            let (d, g) = (m.loss_discriminator, m.loss_generator);
            diverged(m.step, &format!("a loss or a parameter is not finite (L_D = {d}, L_G = {g})"))
        });
        observer.on(Event::Steps(&steps))?;
        failed.map_or(Ok(()), Err)
    }

    /// Evaluates D on the test images.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the device failed.
    pub fn evaluate(&self, step: u32, weights: Weights) -> Result<Evaluation> {
        let whole = self.evaluate_split(&self.test, step, weights, &Stop::new())?;
        Ok(whole.expect("nothing stops it"))
    }

    fn evaluate_split(
        &self,
        split: &SplitEvaluator,
        step: u32,
        weights: Weights,
        stop: &Stop,
    ) -> Result<Option<Evaluation>> {
        self.evaluator.run(&self.ops, split, self.state(step.saturating_sub(1)), weights, stop)
    }

    /// Evaluates, draws and saves after an epoch; `None` and none of it if `stop` asks to leave the evaluation.
    fn evaluate_epoch(
        &self,
        observer: &mut dyn Observer,
        epoch: u32,
        progress: &mut Progress,
        stop: &Stop,
    ) -> Result<Option<(EpochMetrics, Evaluation)>> {
        let step = progress.step;
        let evaluate = |split, weights| self.evaluate_split(split, step, weights, stop);
        let Some(raw) = evaluate(&self.test, Weights::Raw)? else { return Ok(None) };
        let Some(averaged) = evaluate(&self.test, Weights::Averaged)? else { return Ok(None) };
        let held_out = self.held_out.as_ref().map(|split| evaluate(split, Weights::Raw)).transpose()?;
        if held_out == Some(None) {
            return Ok(None);
        }
        let held_out = held_out.flatten();
        let seconds = progress.epoch_trained.as_secs_f64();
        let rate = per_step(seconds, progress.epoch_steps);
        let sums = std::mem::take(&mut progress.sums);
        let mean = |i: usize| (sums.sum[i] / f64::from(sums.count.max(1))) as f32;
        let metrics = EpochMetrics {
            epoch,
            step,
            mean: step_metrics(step, mean, &self.settings),
            test_accuracy: raw.accuracy,
            test_accuracy_ema: averaged.accuracy,
            test_loss: raw.loss,
            validation_accuracy: held_out.as_ref().map(|h| h.accuracy),
            validation_loss: held_out.as_ref().map(|h| h.loss),
            time: EpochTime {
                seconds: progress.trained.as_secs_f64(),
                ms_per_step: rate.0,
                images_per_second: rate.1 * f64::from(self.images_per_step()),
            },
        };
        progress.evaluated = step;
        progress.epoch_trained = Duration::ZERO;
        progress.epoch_steps = 0;
        observer.on(Event::Epoch(&metrics))?;
        if self.settings.method == Method::Ssl {
            let images = self.sampler.run(&self.ops, self.settings.seed)?;
            observer.on(Event::Samples { epoch, dims: self.model.data.image, images: &images })?;
        }
        self.snapshot(observer, step / self.steps_per_epoch, progress)?;
        Ok(Some((metrics, raw)))
    }

    fn snapshot(&self, observer: &mut dyn Observer, epoch: u32, progress: &mut Progress) -> Result<()> {
        let (begun, step) = (Instant::now(), progress.step);
        let checkpoint = self.checkpoint(epoch, step)?;
        // The last update may have broken what no loss has seen yet; the checkpoint before it stays the newest.
        if let Some(t) = checkpoint.tensors.iter().find(|t| !t.is_finite()) {
            return Err(diverged(step, &format!("{} is not finite", t.name)));
        }
        observer.on(Event::Checkpoint { epoch, checkpoint: &checkpoint })?;
        progress.saved.0 += begun.elapsed();
        progress.saved.1 += 1;
        Ok(())
    }

    fn images_per_step(&self) -> u32 {
        self.gan.d_step.rows.total()
    }

    fn started(&self, done: u32, steps: u32) -> Started {
        let s = self.ops.gpu.summary();
        Started {
            steps,
            done,
            steps_per_epoch: self.steps_per_epoch,
            epochs: self.settings.epochs,
            images_per_step: self.images_per_step(),
            adapter: s.name.clone(),
            driver: s.driver_text(),
            backend: s.backend.clone(),
        }
    }

    fn summary(&self, progress: &Progress, last: &EpochMetrics, test: Evaluation) -> Summary {
        let started = self.started(0, progress.step);
        let seconds = progress.trained.as_secs_f64();
        let rate = per_step(seconds, progress.timed_steps);
        Summary {
            method: self.settings.method.name().into(),
            model: self.model.name.clone(),
            dataset: self.dataset.clone(),
            labels: self.settings.labels,
            seed: self.settings.seed,
            label_seed: self.settings.label_seed,
            epochs: progress.step / self.steps_per_epoch,
            steps: progress.step,
            batch_size: self.settings.batch_size,
            test_accuracy: last.test_accuracy,
            test_accuracy_ema: last.test_accuracy_ema,
            seconds,
            ms_per_step: rate.0,
            ms_per_save: (progress.saved.1 > 0)
                .then(|| per_step(progress.saved.0.as_secs_f64(), progress.saved.1).0),
            images_per_second: rate.1 * f64::from(self.images_per_step()),
            adapter: started.adapter,
            driver: started.driver,
            backend: started.backend,
            gpu_bytes: Some(self.ops.gpu.reserved()),
            host_peak_bytes: None,
            confusion: test.confusion,
        }
    }
}

fn diverged(step: u32, what: &str) -> Error {
    Error::Diverged(format!(
        "step {step}: {what}: training has diverged; use a smaller --learning-rate or another --seed"
    ))
}

/// Milliseconds per step and steps per second; zeros where nothing was timed.
fn per_step(seconds: f64, steps: u32) -> (f64, f64) {
    if steps == 0 || seconds <= 0.0 {
        return (0.0, 0.0);
    }
    (1e3 * seconds / f64::from(steps), f64::from(steps) / seconds)
}

fn step_metrics(step: u32, value: impl Fn(usize) -> f32, settings: &Settings) -> StepMetrics {
    let ssl = settings.method == Method::Ssl;
    let gan = |i| if ssl { value(i) } else { f32::NAN };
    let twice = ssl && settings.consistency_weight > 0.0;
    StepMetrics {
        step,
        loss_supervised: value(0),
        accuracy_labelled: value(1),
        loss_discriminator: value(2),
        loss_unlabelled: gan(3),
        loss_generated: gan(4),
        loss_generator: gan(5),
        d_unlabelled: gan(6),
        d_generated: gan(7),
        entropy_unlabelled: gan(8),
        loss_consistency: if twice { value(9) } else { f32::NAN },
    }
}
