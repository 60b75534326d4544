//! Steps of a trainer: handed to the device one after another, their numbers read back a few at a time.

use super::event::StepMetrics;
use super::gan::{SLOTS, UNWRITTEN};
use super::settings::Method;
use super::trainer::Trainer;
use crate::error::{Error, Result};
use crate::gpu::{Program, Readback, Submission, Timer, Timing};
use crate::ops::METRICS;
use std::collections::VecDeque;
use std::time::Duration;

/// Submits in flight: the GPU always has the next step, and Ctrl-C waits for two at most.
const IN_FLIGHT: usize = 2;

/// Steps between two readbacks of the metrics ring.
pub(super) const FLUSH: u32 = 16;

/// How far the steps are.
#[derive(Debug, Default)]
pub(super) struct Position {
    /// Steps that were submitted, and so the number of the next one, from 0.
    pub submitted: u32,
    /// Steps whose numbers were read back, or are about to be.
    read: u32,
    flight: VecDeque<(u32, Submission)>,
    /// Readbacks under way of the numbers of the steps `from..to`.
    readbacks: VecDeque<(u32, u32, Readback)>,
    /// Numbers that were read back and not given yet.
    finished: Vec<StepMetrics>,
    /// Staging buffers of the metrics ring that are not in use.
    spare: Vec<Readback>,
    /// When the steps began that were not waited for.
    begun: Option<(Duration, u32)>,
    /// Time of the steps that were, and their number.
    time: (Duration, u32),
}

impl Position {
    /// After `step` steps.
    pub fn at(step: u32) -> Position {
        Position { submitted: step, read: step, ..Position::default() }
    }
}

impl Trainer {
    /// Initialises the parameters from the data; before the first step.
    ///
    /// # Errors
    /// [`crate::Error::Gpu`] or [`crate::Error::DeviceLost`] if the device failed.
    pub async fn initialise(&self) -> Result<()> {
        let gpu = &self.ops.gpu;
        self.hand_over(0, true);
        gpu.wait(gpu.submit(&self.gan.init, &[]).await?).await?;
        self.initialised.set(true);
        Ok(())
    }

    /// Submits the next step. Returns the numbers of steps that are finished by now, in order, a few at a time.
    ///
    /// # Errors
    /// [`Error::Usage`] without parameters: [`Trainer::initialise`], [`Trainer::begin_from`] or [`Trainer::restore`] comes first;
    /// [`Error::Gpu`] or [`Error::DeviceLost`] if the device failed; [`Error::DeviceLost`] too if it has not done a step that it
    /// said it had.
    pub async fn step(&mut self) -> Result<Vec<StepMetrics>> {
        self.check_initialised()?;
        let gpu = self.ops.gpu.clone();
        let t = self.progress.submitted;
        self.progress.begun.get_or_insert_with(|| (gpu.now(), t));
        if self.progress.flight.len() >= IN_FLIGHT {
            let (done, submission) = self.progress.flight.pop_front().expect("not empty");
            gpu.wait(submission).await?;
            self.read_back(done + 1).await?;
        }
        if self.progress.read == t {
            // All rows are read or on their way. What a step that was not done leaves is this, and no earlier one's numbers.
            gpu.copy(&self.gan.unwritten, &self.gan.metrics);
        }
        self.hand_over(t, false);
        let flush = t + 1 - self.progress.read == FLUSH || self.evaluates_after(t + 1);
        let submission = if flush {
            let staging = self.staging();
            let submission = gpu.submit(&self.gan.step, &[(&self.gan.metrics, &staging)]).await?;
            self.request(staging, t + 1);
            submission
        } else {
            gpu.submit(&self.gan.step, &[]).await?
        };
        self.progress.flight.push_back((t, submission));
        self.progress.submitted = t + 1;
        Ok(self.take_finished())
    }

    /// Refuses to go on with parameters that are all 0 still.
    pub(super) fn check_initialised(&self) -> Result<()> {
        match self.initialised.get() {
            true => Ok(()),
            false => Err(Error::Usage("the trainer has no parameters yet: initialise() it first".into())),
        }
    }

    /// A staging buffer of the metrics ring.
    fn staging(&mut self) -> Readback {
        let (gpu, ring) = (&self.ops.gpu, self.gan.metrics.len());
        self.progress.spare.pop().unwrap_or_else(|| Readback::new(gpu, ring))
    }

    /// Asks for the numbers of the steps up to `to`, whose copy to `staging` was submitted.
    fn request(&mut self, mut staging: Readback, to: u32) {
        staging.request();
        self.progress.readbacks.push_back((self.progress.read, to, staging));
        self.progress.read = to;
    }

    /// Hands to the device what step `t` is to know, or the initialisation.
    fn hand_over(&self, t: u32, initialisation: bool) {
        let (gpu, state) = (&self.ops.gpu, self.state(t));
        gpu.write(&self.ops.state, &[state]);
        if let Some(images) = &self.on_host {
            images.write(gpu, &state, initialisation);
        }
    }

    /// Whether the training images are in main memory, see [`super::Images`].
    pub fn images_on_host(&self) -> bool {
        self.on_host.is_some()
    }

    /// Numbers of finished steps that neither [`Trainer::step`] nor [`Trainer::finish_steps`] could give, having failed.
    pub fn take_finished(&mut self) -> Vec<StepMetrics> {
        std::mem::take(&mut self.progress.finished)
    }

    /// Waits for the steps that were submitted, and returns the numbers that [`Trainer::step`] has not.
    ///
    /// # Errors
    /// As [`Trainer::step`].
    pub async fn finish_steps(&mut self) -> Result<Vec<StepMetrics>> {
        let gpu = self.ops.gpu.clone();
        while let Some((_, submission)) = self.progress.flight.pop_front() {
            gpu.wait(submission).await?;
        }
        let end = self.progress.submitted;
        self.read_back(end).await?;
        if self.progress.read < end {
            // Not by `Gpu::read`, whose buffer may hold anything, if the copy is not done.
            let staging = self.staging();
            let submission = gpu.submit(&Program::new(), &[(&self.gan.metrics, &staging)]).await?;
            self.request(staging, end);
            gpu.wait(submission).await?;
            self.read_back(end).await?;
        }
        if let Some((begun, first)) = self.progress.begun.take() {
            self.progress.time.0 += gpu.now() - begun;
            self.progress.time.1 += end - first;
        }
        Ok(self.take_finished())
    }

    /// Takes the numbers whose readback was finished when `done` steps were.
    async fn read_back(&mut self, done: u32) -> Result<()> {
        let ring = self.gan.metrics.len();
        let is_done = |(_, to, _): &&mut (u32, u32, Readback)| *to <= done;
        while let Some((.., staging)) = self.progress.readbacks.front_mut().filter(is_done) {
            // It stays in the queue until its numbers are here, or are lost: this future may be dropped while it waits.
            let values: Result<Vec<f32>> = staging.take(ring).await;
            let (from, to, staging) = self.progress.readbacks.pop_front().expect("not empty");
            let numbers = self.metrics(from..to, &values?)?;
            self.progress.finished.extend(numbers);
            self.progress.spare.push(staging);
        }
        Ok(())
    }

    /// The numbers of these steps in the ring; [`crate::Error::DeviceLost`] if one of them was not done. Nor is there a row of
    /// theirs where the ring was not copied: what the buffer has then is an earlier ring, with the rows of other steps.
    fn metrics(&self, steps: std::ops::Range<u32>, ring: &[f32]) -> Result<Vec<StepMetrics>> {
        let of = |t: u32| {
            let row = &ring[(t % SLOTS * METRICS) as usize..][..METRICS as usize];
            let mut names = StepMetrics::NAMES.iter().zip(row).filter(|(name, _)| self.has_metric(name));
            // Of a step that went in pieces, G's loss may be missing alone. A new staging buffer has zeros, and no step nothing else:
            // where no label was predicted, there is a loss.
            let written = names.all(|(_, value)| value.to_bits() != UNWRITTEN);
            match written && row.iter().any(|&value| value != 0.0) {
                true => Ok(self.metrics_of(t + 1, |i| row[i])),
                false => Err(self.ops.gpu.undone(&format!("step {}", t + 1))),
            }
        };
        steps.map(of).collect()
    }

    /// Steps that were submitted in this process and before it.
    pub fn done(&self) -> u32 {
        self.progress.submitted
    }

    /// Steps that the device has done for certain.
    pub fn computed(&self) -> u32 {
        self.progress.flight.front().map_or(self.progress.submitted, |(t, _)| *t)
    }

    /// The time that steps took up to the last [`Trainer::finish_steps`], and how many these were; of this process.
    pub fn time(&self) -> (Duration, u32) {
        self.progress.time
    }

    /// Step `t` (from 0), each dispatch timed; waits for it. The same results as [`Trainer::step`], which does not count it.
    ///
    /// # Errors
    /// As [`Timer::run`].
    pub async fn timed_step(&self, t: u32, timer: &mut Timer) -> Result<Timing> {
        self.hand_over(t, false);
        timer.run(&self.gan.step).await
    }

    /// Wall time of step `t`, from recording to the end of the work, nothing else measured; [`Trainer::step`] does not count it.
    ///
    /// # Errors
    /// [`crate::Error::Gpu`] or [`crate::Error::DeviceLost`] if the device failed.
    pub async fn untimed_step(&self, t: u32) -> Result<Duration> {
        let gpu = &self.ops.gpu;
        self.hand_over(t, false);
        let begun = gpu.now();
        gpu.wait(gpu.submit(&self.gan.step, &[]).await?).await?;
        Ok(gpu.now() - begun)
    }

    /// The numbers of step `step` (from 1) from those of its row in the ring; of those that the method does not have, NaN.
    pub(super) fn metrics_of(&self, step: u32, value: impl Fn(usize) -> f32) -> StepMetrics {
        let names = StepMetrics::NAMES.iter().enumerate();
        let values = names.map(|(i, name)| if self.has_metric(name) { value(i) } else { f32::NAN });
        StepMetrics::new(step, values)
    }

    /// Whether the method has a number of [`StepMetrics::NAMES`].
    pub(super) fn has_metric(&self, name: &str) -> bool {
        let ssl = self.settings.method == Method::Ssl;
        match name {
            "loss_supervised" | "accuracy_labelled" | "loss_discriminator" => true,
            "entropy_unlabelled" => ssl,
            "loss_consistency" => ssl && self.settings.consistency_weight > 0.0,
            "loss_balance" => ssl && self.settings.balance_weight > 0.0,
            _ => self.settings.has_generator(),
        }
    }
}

#[cfg(feature = "native")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::steps::models::{DNN, data_set, model};
    use crate::checks::steps::{IMAGES, ssl};
    use crate::error::Error;
    use crate::gpu::fault;
    use crate::native::{self, BlockOn};
    use crate::train::settings::Settings;

    /// What earlier steps left in the ring, or an earlier ring in a staging buffer, is not taken for the numbers of steps that
    /// the device says it has done.
    #[test]
    fn a_step_that_was_not_done_is_an_error() {
        const STEPS: u32 = 70;
        let gpu = native::open(&Default::default()).unwrap();
        let model = model(DNN, 4, 1);
        let data = data_set(&model, IMAGES);
        // Read every 16 steps and in the end; the ring has 64 rows.
        let settings = Settings { epochs: 20, evaluate_every: 20, ..ssl() };
        let train = |after, count| -> Result<Vec<StepMetrics>> {
            fault::ignore(0, 0);
            let mut trainer = Trainer::new(&gpu, &model, &settings, &data).block_on()?;
            trainer.initialise().block_on()?;
            fault::ignore(after, count);
            let mut numbers = vec![];
            for _ in 0..STEPS {
                numbers.extend(trainer.step().block_on()?);
            }
            numbers.extend(trainer.finish_steps().block_on()?);
            Ok(numbers)
        };
        let numbers = train(0, 0).unwrap();
        assert!(numbers.iter().map(|m| m.step).eq(1..=STEPS));
        // A step of the ring's second round, one with its copy of the ring, the copy in the end, and all after some step; and the
        // first step that has no row then.
        for (after, count, first) in [(66, 1, 67), (63, 1, 49), (STEPS, 1, 65), (20, u32::MAX, 17)] {
            let e = train(after, count).unwrap_err();
            let named = format!("step {first}: the device did not do");
            assert!(matches!(&e, Error::DeviceLost(m) if m.starts_with(&named)), "{after}, {count}: {e}");
        }
        fault::ignore(0, 0);
    }

    /// Features without a difference are a loss of exactly 0, and no lost device.
    #[test]
    fn a_loss_of_zero_is_a_step() {
        const DEAD: &str = r#"
            name = "dead"
            [discriminator]
            layers = [
                { op = "flatten" },
                { op = "dense", units = 4, init = { normal = 1e-30 } },
                { op = "relu", feature = true },
                { op = "dense", units = "classes" },
            ]
            [generator]
            latent = 3
            layers = [{ op = "dense", units = "pixels" }, { op = "sigmoid" }]
        "#;
        let gpu = native::open(&Default::default()).unwrap();
        let model = model(DEAD, 4, 1);
        let settings = Settings { learning_rate: 1e-30, ..ssl() };
        let data = data_set(&model, IMAGES);
        let mut trainer = Trainer::new(&gpu, &model, &settings, &data).block_on().unwrap();
        trainer.initialise().block_on().unwrap();
        trainer.step().block_on().unwrap();
        let numbers = trainer.finish_steps().block_on().unwrap();
        assert_eq!(numbers.iter().map(|m| m.loss_generator).collect::<Vec<_>>(), [0.0]);
        assert!(numbers[0].loss_discriminator > 0.0);
    }

    /// Parameters that are all 0 are neither trained nor saved.
    #[test]
    fn not_initialised() {
        let gpu = native::open(&Default::default()).unwrap();
        let model = model(DNN, 4, 1);
        let mut trainer = Trainer::new(&gpu, &model, &ssl(), &data_set(&model, IMAGES)).block_on().unwrap();
        let refused = |e: Error| assert!(matches!(&e, Error::Usage(m) if m.contains("initialise()")), "{e}");
        refused(trainer.step().block_on().unwrap_err());
        refused(trainer.snapshot(0).block_on().unwrap_err());
    }

    /// What was initialised is as it was when that is done again: an evaluation may have come between.
    #[test]
    fn initialised_twice() {
        let gpu = native::open(&Default::default()).unwrap();
        let model = model(DNN, 4, 1);
        let trainer = Trainer::new(&gpu, &model, &ssl(), &data_set(&model, IMAGES)).block_on().unwrap();
        let [once, twice] = [(); 2].map(|()| {
            trainer.initialise().block_on().unwrap();
            trainer.snapshot(0).block_on().unwrap().tensors
        });
        for (a, b) in once.iter().zip(&twice) {
            let near = a.values.iter().zip(&b.values).all(|(a, b)| (a - b).abs() <= 1e-5 * a.abs().max(1.0));
            assert!(near && a.name == b.name, "{}: {:?}, {:?}", a.name, a.values, b.values);
        }
    }
}
