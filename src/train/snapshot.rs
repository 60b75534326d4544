//! A run's state as a checkpoint, and back: what makes a run that goes on exact.

use super::checkpoint::{Checkpoint, FORMAT};
use super::export::{export_arena, export_net, import_arena, import_net};
use super::gan::ema_scale;
use super::stepping::Position;
use super::trainer::Trainer;
use crate::error::{Error, Result};
use crate::gpu::shader_hash;

impl Trainer {
    /// Everything needed to evaluate, sample or go on after the steps that were submitted, in the epoch after `epoch` whole
    /// ones: parameters, statistics, averages, Adam's moments; and in the metadata the model, so that the program reads the file.
    ///
    /// # Errors
    /// [`Error::Usage`] before there are parameters, as [`Trainer::step`]; [`Error::Gpu`] or [`Error::DeviceLost`] if the device
    /// failed; those of [`ModelSpec::to_toml`](crate::model::spec::ModelSpec::to_toml).
    pub async fn snapshot(&self, epoch: u32) -> Result<Checkpoint> {
        self.check_initialised()?;
        let (gpu, step) = (&self.ops.gpu, self.done());
        let mut tensors = Vec::new();
        for t in self.gan.nets() {
            let layout = &t.net.params.layout;
            let moments = format!("optimizer.{}", t.net.shape.name);
            tensors.extend(export_net(gpu, &t.net).await?);
            tensors.extend(export_arena(gpu, layout, &t.moment1, true, &moments, ".exp_avg").await?);
            tensors.extend(export_arena(gpu, layout, &t.moment2, true, &moments, ".exp_avg_sq").await?);
        }
        let layout = &self.gan.d.net.params.layout;
        tensors
            .extend(export_arena(gpu, layout, &self.gan.average, true, "average.discriminator", "").await?);
        let metadata = [
            ("format", FORMAT.to_string()),
            ("model", self.model.name.clone()),
            ("model_toml", self.model.spec().to_toml()?),
            ("dataset", self.dataset.clone()),
            ("data_sha256", self.fingerprint.clone()),
            ("classes", self.model.data.classes.to_string()),
            ("class_names", serde_json::Value::from(self.class_names()).to_string()),
            ("image", self.model.data.image.as_image()),
            ("method", self.settings.method.name().into()),
            ("seed", self.settings.seed.to_string()),
            ("epoch", epoch.to_string()),
            ("step", step.to_string()),
            ("average_scale", ema_scale(self.settings.ema_rate, step).to_string()),
        ];
        let metadata = metadata.into_iter().chain(self.identity()).map(|(k, v)| (k.to_string(), v)).collect();
        Ok(Checkpoint { tensors, metadata })
    }

    /// What decides the last bits of a step.
    pub fn identity(&self) -> [(&'static str, String); 3] {
        let s = self.ops.gpu.summary();
        [
            ("adapter", format!("{}, {}, {}", s.name, s.backend, s.driver_text())),
            ("program", format!("{}, shaders {}", env!("CARGO_PKG_VERSION"), shader_hash())),
            ("tiles", self.tiles.to_string()),
        ]
    }

    /// Before the first step: begins a new run with the parameters and running statistics of `from`, in place of
    /// [`Trainer::initialise`]; all else, such as Adam's moments and the averages, begins as in any run. A run without a generator
    /// left none for G, which begins with new ones.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if it lacks a tensor of this model or has it in another shape; [`Error::Gpu`] or
    /// [`Error::DeviceLost`] if the device failed.
    pub async fn begin_from(&self, from: &Checkpoint) -> Result<()> {
        self.initialise().await?;
        let gpu = &self.ops.gpu;
        for t in self.gan.nets().take(if from.has_generator() { 2 } else { 1 }) {
            import_net(gpu, &t.net, from)?;
        }
        gpu.submit(&self.gan.repack, &[]).await?;
        Ok(())
    }

    /// Sets everything that a step reads to what it was when `from` was saved, and says after which step that was: the next
    /// step is the one after it.
    /// The steps from there on are those of the run that saved it, bit for bit on the same adapter and driver.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if it belongs to another model, other data, another method or another seed, or has no optimiser state;
    /// [`Error::Gpu`] or [`Error::DeviceLost`] if the device failed.
    pub async fn restore(&mut self, from: &Checkpoint) -> Result<u32> {
        let bad = |reason: String| Error::Checkpoint { path: Default::default(), reason };
        for (key, mine) in [
            ("data_sha256", self.fingerprint.clone()),
            ("method", self.settings.method.name().to_string()),
            ("seed", self.settings.seed.to_string()),
        ] {
            let theirs = from.meta(key)?;
            if theirs != mine {
                let whose = match key {
                    "data_sha256" => {
                        "it was trained on other images or labels, or these have changed since, or an earlier version divided them \
                         otherwise or stored accents in class names otherwise: train anew"
                    }
                    _ => "it belongs to another run",
                };
                return Err(bad(format!("{key} is {theirs}, here it is {mine}: {whose}")));
            }
        }
        let (theirs, mine) = (from.has_generator(), self.settings.has_generator());
        if theirs != mine {
            let of = |has| if has { "has a generator" } else { "has none" };
            return Err(bad(format!("it {}, this run {}: it belongs to another run", of(theirs), of(mine))));
        }
        let step = from.meta("step")?;
        let step = step.parse().map_err(|_| bad(format!("step {step:?} is no number")))?;
        let gpu = &self.ops.gpu;
        for t in self.gan.nets() {
            let layout = &t.net.params.layout;
            let moments = format!("optimizer.{}", t.net.shape.name);
            import_net(gpu, &t.net, from)?;
            import_arena(gpu, layout, &t.moment1, true, &moments, ".exp_avg", from)?;
            import_arena(gpu, layout, &t.moment2, true, &moments, ".exp_avg_sq", from)?;
        }
        let layout = &self.gan.d.net.params.layout;
        import_arena(gpu, layout, &self.gan.average, true, "average.discriminator", "", from)?;
        gpu.submit(&self.gan.repack, &[]).await?;
        self.initialised.set(true);
        self.progress = Position::at(step);
        Ok(step)
    }
}

#[cfg(feature = "native")]
#[cfg(test)]
mod tests {
    use crate::checks::steps::models::{DNN, data_set, model};
    use crate::checks::steps::{IMAGES, ssl};
    use crate::error::{Error, Result};
    use crate::model::parse::parse;
    use crate::native::{self, BlockOn};
    use crate::shape::Dims;
    use crate::train::event::{Event, History, Observer};
    use crate::train::settings::{GeneratorLoss, Settings};
    use crate::train::{Stop, Trainer, run};

    /// Counts the epoch of each checkpoint from 1.
    struct Epochs;

    impl Observer for Epochs {
        fn on(&mut self, event: Event<'_>) -> Result<()> {
            if let Event::Checkpoint { epoch, time, .. } = event {
                assert_eq!((time.epoch, time.step), (epoch.max(1), 1), "after {epoch} epochs");
            }
            Ok(())
        }
    }

    /// What is of a run with a generator is not of one without, though all that the latter reads is there.
    #[test]
    fn a_run_without_a_generator_is_another() {
        let gpu = native::open(&Default::default()).unwrap();
        let model = model(DNN, 8, 1);
        let data = data_set(&model, IMAGES);
        let of = |generator_loss| {
            let settings = Settings { generator_loss, entropy_weight: 1.0, ..ssl() };
            let trainer = Trainer::new(&gpu, &model, &settings, &data).block_on().unwrap();
            trainer.initialise().block_on().unwrap();
            trainer
        };
        let [mut gan, mut alone] = [GeneratorLoss::FeatureMatching, GeneratorLoss::None].map(of);
        let saved = [&gan, &alone].map(|t| t.snapshot(0).block_on().unwrap());
        for (trainer, own, other) in [(&mut gan, 0, 1), (&mut alone, 1, 0)] {
            let refused = trainer.restore(&saved[other]).block_on().unwrap_err().to_string();
            assert!(refused.contains("another run") && refused.contains("generator"), "{refused}");
            trainer.restore(&saved[own]).block_on().unwrap();
        }
    }

    /// What a run began from is not initialised anew by it.
    #[test]
    fn a_run_begins_with_what_was_put_in() {
        let gpu = native::open(&Default::default()).unwrap();
        let model = model(DNN, 8, 1);
        let data = data_set(&model, IMAGES);
        let trainer = || Trainer::new(&gpu, &model, &ssl(), &data).block_on().unwrap();
        let mut first = trainer();
        first.initialise().block_on().unwrap();
        for _ in 0..3 {
            first.step().block_on().unwrap();
        }
        first.finish_steps().block_on().unwrap();
        let of_another =
            run(&mut first, &mut Epochs, &Stop::new(), Some(4), Some(&History::default())).block_on();
        assert!(matches!(of_another, Err(Error::Usage(m)) if m.contains("has done 3")));
        let from = first.snapshot(0).block_on().unwrap();
        let [mut alone, mut run_on] = [trainer(), trainer()];
        alone.begin_from(&from).block_on().unwrap();
        alone.step().block_on().unwrap();
        alone.finish_steps().block_on().unwrap();
        run_on.begin_from(&from).block_on().unwrap();
        run(&mut run_on, &mut Epochs, &Stop::new(), Some(1), None).block_on().unwrap();
        let [alone, run_on] = [alone, run_on].map(|t| t.snapshot(0).block_on().unwrap().tensors);
        assert!(alone == run_on, "the run began with other parameters");
    }

    /// The program needs nothing but the file, whoever trained.
    #[test]
    fn a_snapshot_has_its_model() {
        let gpu = native::open(&Default::default()).unwrap();
        for side in [8, 1] {
            let model = model(DNN, side, 1);
            let trainer = Trainer::new(&gpu, &model, &ssl(), &data_set(&model, IMAGES)).block_on().unwrap();
            trainer.initialise().block_on().unwrap();
            let saved = trainer.snapshot(0).block_on().unwrap();
            let read = parse(saved.meta("model_toml").unwrap(), "model_toml").unwrap();
            assert_eq!(read, parse(DNN, "model.toml").unwrap());
            assert_eq!(Dims::parse(saved.meta("image").unwrap()), Some(model.data.image));
        }
    }
}
