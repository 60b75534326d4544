//! A whole run: steps, evaluations and snapshots in their order, told to an observer.

use super::evaluator::{Evaluation, Weights};
use super::event::{EpochMetrics, EpochTime, Event, History, Observer, StepMetrics, Summary, TimeAt};
use super::stop::Stop;
use super::trainer::Trainer;
use crate::data::Tested;
use crate::error::{Error, Result};
use crate::ops::METRICS;
use std::sync::Arc;
use std::time::Duration;

/// Trains to the end, or until `stop` asks to end or `max_steps` are done; from the first step, or, after
/// [`Trainer::restore`], from where `done` ends. Without [`Trainer::begin_from`] or [`Trainer::restore`] before it the parameters
/// are initialised.
///
/// # Errors
/// [`Error::Interrupted`] after a last snapshot if stopped; [`Error::Diverged`] if a loss is not finite;
/// [`Error::Usage`] if there is no step to train, or `done` does not end where the trainer is; errors of the device and of the
/// observer.
pub async fn run(
    trainer: &mut Trainer,
    observer: &mut dyn Observer,
    stop: &Stop,
    max_steps: Option<u32>,
    done: Option<&History>,
) -> Result<Summary> {
    check_done(trainer, done)?;
    let steps = max_steps.map_or(trainer.steps(), |most| most.min(trainer.steps()));
    if !trainer.initialised.get() {
        trainer.initialise().await?;
    }
    let mut run = Run { so_far: SoFar::new(done), trainer, observer, stop, steps };
    run.observer.on(Event::Started(&run.trainer.started(steps)))?;
    loop {
        // A run that was stopped at an epoch's last step has this still to do.
        if run.evaluation_is_due() && !run.evaluate().await? {
            // It comes when the run goes on.
            return Err(run.interrupted().await?);
        }
        if run.trainer.done() >= steps {
            return run.finished().await;
        }
        if !stop.is_asked() {
            run.step().await?;
        }
        if stop.is_asked() && run.trainer.done() < steps {
            return Err(run.interrupted().await?);
        }
    }
}

/// Refuses numbers that are not those of the steps that `trainer` has done.
fn check_done(trainer: &Trainer, done: Option<&History>) -> Result<()> {
    let Some(done) = done else { return Ok(()) };
    let (steps, evaluated) = (done.steps.len(), done.epochs.last().map_or(0, |e| e.step as usize));
    if steps == trainer.done() as usize && evaluated <= steps {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "`done` has {steps} steps and an evaluation after step {evaluated}; the trainer has done {}",
        trainer.done()
    )))
}

/// A run under way.
struct Run<'a> {
    trainer: &'a mut Trainer,
    observer: &'a mut dyn Observer,
    stop: &'a Stop,
    /// Steps after which it ends.
    steps: u32,
    so_far: SoFar,
}

/// What a run knows of its steps so far.
#[derive(Default)]
struct SoFar {
    /// The last step that was evaluated.
    evaluated: u32,
    /// Numbers of the steps since then.
    sums: MetricSums,
    /// Time of the steps that this process has not done: seconds, and the steps that took them.
    before: (f64, u32),
    /// Seconds and steps up to the last evaluation.
    at_evaluation: (f64, u32),
    /// Time and number of this process's checkpoints.
    saved: (Duration, u32),
    last: Option<(EpochMetrics, Option<Evaluation>)>,
}

impl SoFar {
    fn new(done: Option<&History>) -> SoFar {
        let Some(done) = done else { return SoFar::default() };
        let timed = |t: &TimeAt| (t.time.seconds, if t.time.seconds > 0.0 { t.step } else { 0 });
        let evaluated = done.epochs.last().map_or(0, |e| e.step);
        let mut sums = MetricSums::default();
        done.steps[evaluated as usize..].iter().for_each(|m| sums.add(m));
        SoFar {
            evaluated,
            sums,
            before: done.times.last().map(timed).unwrap_or_default(),
            at_evaluation: done.times.iter().rfind(|t| t.step <= evaluated).map(timed).unwrap_or_default(),
            saved: (Duration::ZERO, 0),
            last: done.epochs.last().map(|e| (e.clone(), None)),
        }
    }
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

    fn mean(&self, step: u32, trainer: &Trainer) -> StepMetrics {
        trainer.metrics_of(step, |i| (self.sum[i] / f64::from(self.count.max(1))) as f32)
    }
}

impl Run<'_> {
    async fn step(&mut self) -> Result<()> {
        let finished = self.trainer.step().await;
        self.tell_of(finished)
    }

    /// What finished is told whatever failed after it.
    fn tell_of(&mut self, finished: Result<Vec<StepMetrics>>) -> Result<()> {
        match finished {
            Ok(finished) => self.tell(&finished),
            Err(e) => {
                let before = self.trainer.take_finished();
                self.tell(&before)?;
                Err(e)
            }
        }
    }

    /// What the steps gave, to the observer first.
    fn tell(&mut self, finished: &[StepMetrics]) -> Result<()> {
        self.observer.on(Event::Progress { step: self.trainer.computed() })?;
        if !finished.is_empty() {
            finished.iter().for_each(|m| self.so_far.sums.add(m));
            self.observer.on(Event::Steps(finished))?;
        }
        let generator = self.trainer.settings().has_generator();
        match finished.iter().find(|m| !m.is_finite(generator)) {
            Some(m) => {
                let d = m.loss_discriminator;
                let g = if generator { format!(", L_G = {}", m.loss_generator) } else { String::new() };
                let what = format!("a loss or a parameter is not finite (L_D = {d}{g})");
                Err(diverged(m.step, &what))
            }
            None => Ok(()),
        }
    }

    async fn finish_steps(&mut self) -> Result<()> {
        let finished = self.trainer.finish_steps().await;
        self.tell_of(finished)
    }

    fn evaluation_is_due(&self) -> bool {
        let step = self.trainer.done();
        step > self.so_far.evaluated && (self.trainer.evaluates_after(step) || step >= self.steps)
    }

    /// Seconds of training so far, and the steps that took them.
    fn time(&self) -> (f64, u32) {
        let ((seconds, steps), (now, more)) = (self.so_far.before, self.trainer.time());
        (seconds + now.as_secs_f64(), steps + more)
    }

    /// The same, and the rates since the last evaluation.
    fn epoch_time(&self) -> EpochTime {
        let ((seconds, steps), (from, first)) = (self.time(), self.so_far.at_evaluation);
        let rate = per_step(seconds - from, steps.saturating_sub(first));
        let images = f64::from(self.trainer.images_per_step());
        EpochTime { seconds, ms_per_step: rate.0, images_per_second: rate.1 * images }
    }

    /// Evaluates, draws and saves; false and none of it if asked to leave the evaluation.
    async fn evaluate(&mut self) -> Result<bool> {
        self.finish_steps().await?;
        let step = self.trainer.done();
        let Some(evaluated) = self.trainer.evaluate_all(self.stop).await? else { return Ok(false) };
        let time = self.epoch_time();
        let metrics = EpochMetrics {
            epoch: step.div_ceil(self.trainer.steps_per_epoch()),
            step,
            mean: self.so_far.sums.mean(step, self.trainer),
            test_accuracy: accuracy(&evaluated.test),
            test_accuracy_ema: accuracy(&evaluated.averaged),
            test_loss: evaluated.test.as_ref().map_or(f32::NAN, |test| test.loss),
            validation_accuracy: evaluated.held_out.as_ref().map(|h| h.accuracy),
            validation_loss: evaluated.held_out.as_ref().map(|h| h.loss),
            time,
        };
        self.so_far.evaluated = step;
        self.so_far.at_evaluation = self.time();
        self.so_far.sums = MetricSums::default();
        self.observer.on(Event::Epoch(&metrics))?;
        if let Some(images) = self.trainer.samples().await? {
            let (epoch, dims) = (metrics.epoch, self.trainer.model().data.image);
            self.observer.on(Event::Samples { epoch, dims, images: &images })?;
        }
        self.save(step / self.trainer.steps_per_epoch()).await?;
        self.so_far.last = Some((metrics, evaluated.test));
        Ok(true)
    }

    async fn save(&mut self, epoch: u32) -> Result<()> {
        let begun = self.trainer.gpu().now();
        let checkpoint = Arc::new(self.trainer.snapshot(epoch).await?);
        let step = self.trainer.done();
        // The last update may have broken what no loss has seen yet; the checkpoint before it stays the newest.
        if let Some(t) = checkpoint.tensors.iter().find(|t| !t.is_finite()) {
            return Err(diverged(step, &format!("{} is not finite", t.name)));
        }
        let within = step.div_ceil(self.trainer.steps_per_epoch()).max(1);
        let time = TimeAt { epoch: within, step, time: self.epoch_time() };
        self.observer.on(Event::Checkpoint { epoch, time, checkpoint: &checkpoint })?;
        self.so_far.saved.0 += self.trainer.gpu().now() - begun;
        self.so_far.saved.1 += 1;
        Ok(())
    }

    /// Saves in the middle of an epoch; the error of a run that was stopped.
    async fn interrupted(&mut self) -> Result<Error> {
        self.finish_steps().await?;
        let (step, of) = (self.trainer.done(), self.trainer.steps_per_epoch());
        // An epoch that was not evaluated is not over.
        let left = if step > self.so_far.evaluated { step - 1 } else { step };
        self.save(left / of).await?;
        let steps = self.steps;
        Ok(Error::Interrupted(format!("stopped after step {step} of {steps}; the parameters are saved")))
    }

    async fn finished(&mut self) -> Result<Summary> {
        let Some((metrics, test)) = self.so_far.last.take() else {
            return Err(Error::Usage("no steps to train".into()));
        };
        let test = match test {
            Some(test) => Some(test),
            None => self.trainer.evaluate(Weights::Raw).await?,
        };
        let summary = self.summary(&metrics, test);
        self.observer.on(Event::Finished(&summary))?;
        Ok(summary)
    }

    fn summary(&self, last: &EpochMetrics, test: Option<Evaluation>) -> Summary {
        let (trainer, settings) = (&self.trainer, self.trainer.settings());
        let started = trainer.started(trainer.done());
        let (seconds, timed) = self.time();
        let rate = per_step(seconds, timed);
        let (saving, saves) = self.so_far.saved;
        Summary {
            method: settings.method.name().into(),
            model: trainer.model().name.clone(),
            dataset: trainer.dataset().into(),
            labels: (trainer.labelled().len() + trainer.validation().len()) as u32,
            seed: settings.seed,
            label_seed: settings.label_seed,
            epochs: trainer.done() / trainer.steps_per_epoch(),
            steps: trainer.done(),
            batch_size: settings.batch_size,
            test_accuracy: last.test_accuracy,
            test_accuracy_ema: last.test_accuracy_ema,
            seconds,
            ms_per_step: rate.0,
            ms_per_save: (saves > 0).then(|| per_step(saving.as_secs_f64(), saves).0),
            images_per_second: rate.1 * f64::from(trainer.images_per_step()),
            adapter: started.adapter,
            driver: started.driver,
            backend: started.backend,
            gpu_bytes: Some(trainer.gpu().reserved()),
            host_peak_bytes: None,
            held_out: trainer.tested() == Tested::HeldOut,
            class_names: trainer.class_names().to_vec(),
            confusion: test.map_or(vec![], |test| test.confusion),
        }
    }
}

fn diverged(step: u32, what: &str) -> Error {
    Error::Diverged(format!(
        "step {step}: {what}: training has diverged; use a smaller `learning_rate` or another `seed`"
    ))
}

/// NaN where there is nothing to test on.
fn accuracy(evaluation: &Option<Evaluation>) -> f32 {
    evaluation.as_ref().map_or(f32::NAN, |e| e.accuracy)
}

/// Milliseconds per step and steps per second; zeros where nothing was timed.
fn per_step(seconds: f64, steps: u32) -> (f64, f64) {
    if steps == 0 || seconds <= 0.0 {
        return (0.0, 0.0);
    }
    (1e3 * seconds / f64::from(steps), f64::from(steps) / seconds)
}
