//! One training step as named tensors, enough to replay it elsewhere; docs/trace.md lists the names.

use super::checkpoint::{Checkpoint, TensorData};
use super::event::StepMetrics;
use super::export::{export_arena, export_net};
use super::gan::{DStep, GStep, Pass, Trained};
use super::settings::Settings;
use super::storage::Scratch;
use super::tiles::Tiles;
use super::trainer::Trainer;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Program, Tensor};
use crate::layers::Draws;
use crate::model::shape::{Dims, ModelShape, NetShape};
use crate::nn::Tape;
use crate::ops::Ops;
use crate::rng::{Counter, streams};

/// Trains `step` steps, then records step `step` (from 0) with everything it read and made.
///
/// # Errors
/// As [`Trainer::new`] and the device's; [`Error::Usage`] for a step that the run does not have.
pub async fn trace_step(
    gpu: &Gpu,
    model: &ModelShape,
    settings: &Settings,
    data: &Dataset,
    step: u32,
) -> Result<Checkpoint> {
    let tables = Tiles::tables();
    let trainer = Trainer::with_tiles(gpu, model, settings, data, Scratch::Kept, &tables).await?;
    if step >= trainer.steps() {
        return Err(Error::Usage(format!(
            "step {} of a run of {}: trace one of those, or use more `epochs`",
            step.saturating_add(1),
            trainer.steps()
        )));
    }
    trainer.initialise().await?;
    for t in 0..step {
        trainer.untimed_step(t).await?;
    }
    let tensors = trainer.traced_step(step).await?;
    let state = trainer.state(step);
    let s = settings;
    let metadata = [
        ("format", "ssgan-trace-1".to_string()),
        ("model", model.name.clone()),
        ("method", s.method.name().into()),
        ("step", step.to_string()),
        ("learning_rate", state.learning_rate_d.to_string()),
        ("generator_learning_rate", state.learning_rate_g.to_string()),
        ("beta1", s.beta1.to_string()),
        ("beta2", s.beta2.to_string()),
        ("epsilon", s.epsilon.to_string()),
        ("epsilon_inside_root", s.epsilon_inside_root.to_string()),
        ("ema_rate", s.ema_rate.to_string()),
        ("unsupervised_weight", s.adversarial_weight().to_string()),
        ("discriminator_updates", trainer.gan.d_step.updates.len().to_string()),
        ("label_smoothing", s.label_smoothing.to_string()),
        ("entropy_weight", (s.entropy_weight * state.ramp).to_string()),
        ("consistency_weight", (s.consistency_weight * state.ramp).to_string()),
        ("balance_weight", (s.balance_weight * state.ramp).to_string()),
        ("generator_loss", format!("{:?}", s.generator_loss)),
        ("feature_matching", format!("{:?}", s.feature_matching).to_lowercase()),
    ];
    Ok(Checkpoint { tensors, metadata: metadata.map(|(k, v)| (k.to_string(), v)).into() })
}

impl Trainer {
    /// Runs step `step` (from 0) and reads back everything that it read and made.
    ///
    /// # Errors
    /// [`crate::error::Error::Gpu`] or [`crate::error::Error::DeviceLost`] if the device failed.
    pub(super) async fn traced_step(&self, step: u32) -> Result<Vec<TensorData>> {
        let gpu = &self.ops.gpu;
        let mut tensors = Vec::new();
        parameters(&mut tensors, self, "before").await?;
        self.untimed_step(step).await?;
        parameters(&mut tensors, self, "after").await?;
        let made = self.gan.g.iter().zip(&self.gan.g_step);
        let generator = made.map(|(g, s)| (g, &s.grads, "grad".to_string()));
        let updates = self.gan.d_step.updates.iter().map(|u| {
            // One update's gradients are the step's.
            let prefix =
                if u.of.name.is_empty() { "grad".into() } else { format!("{}.grad", u.of.step_name()) };
            (&self.gan.d, &u.grads, prefix)
        });
        for (t, grads, prefix) in updates.chain(generator) {
            let prefix = format!("{prefix}.{}", t.net.shape.name);
            tensors.extend(export_arena(gpu, &t.net.params.layout, grads, true, &prefix, "").await?);
        }
        let metrics: Vec<f32> = gpu.read(&self.gan.metrics).await?;
        let row = &metrics[(self.state(step).slot * crate::ops::METRICS) as usize..];
        for (name, &value) in StepMetrics::NAMES.iter().zip(row).filter(|(name, _)| self.has_metric(name)) {
            if let Some(of) = name.strip_prefix("loss_").filter(|_| !StepMetrics::WITHIN_D.contains(name)) {
                tensors.push(TensorData { name: format!("loss.{of}"), shape: vec![], values: vec![value] });
            }
        }
        let (ops, model) = (&self.ops, &self.model);
        let used = self.used.as_ref().map(|used| &used.numbers[..]);
        let mut w = Writer { ops, model, tensors: &mut tensors, used, seed: self.settings.seed, step };
        w.d_step(&self.gan.d, &self.gan.d_step).await?;
        if let Some(g_step) = &self.gan.g_step {
            w.g_step(g_step).await?;
        }
        Ok(tensors)
    }
}

/// Parameters, statistics and moments of the networks that are trained under `prefix`, and the moving average of D's parameters.
async fn parameters(out: &mut Vec<TensorData>, trainer: &Trainer, prefix: &str) -> Result<()> {
    let gpu = &trainer.ops.gpu;
    for t in trainer.gan.nets() {
        let layout = &t.net.params.layout;
        let name = format!("{prefix}.{}", t.net.shape.name);
        for mut tensor in export_net(gpu, &t.net).await? {
            tensor.name = format!("{prefix}.{}", tensor.name);
            out.push(tensor);
        }
        out.extend(export_arena(gpu, layout, &t.moment1, true, &name, ".exp_avg").await?);
        out.extend(export_arena(gpu, layout, &t.moment2, true, &name, ".exp_avg_sq").await?);
    }
    let gan = &trainer.gan;
    let name = format!("{prefix}.average.discriminator");
    out.extend(export_arena(gpu, &gan.d.net.params.layout, &gan.average, true, &name, "").await?);
    Ok(())
}

/// Whether layer `i` gives images, also of a single pixel, and not rows of numbers.
fn gives_images(net: &NetShape, i: usize) -> bool {
    let below = net.layers[..=i].iter().rev().find_map(|layer| layer.op.gives_images());
    below.unwrap_or(net.name == "discriminator")
}

struct Writer<'a> {
    ops: &'a Ops,
    model: &'a ModelShape,
    tensors: &'a mut Vec<TensorData>,
    /// Numbers of the training images that are on the device, where they are not all.
    used: Option<&'a [u32]>,
    seed: u64,
    step: u32,
}

impl Writer<'_> {
    async fn push(&mut self, name: String, t: &Tensor, shape: Vec<usize>) -> Result<()> {
        let values = self.ops.gpu.read(t).await?;
        self.tensors.push(TensorData { name, shape, values });
        Ok(())
    }

    /// Integers as floats: image numbers and labels are far below 2^24.
    async fn push_integers(&mut self, name: String, t: &Tensor, of: impl Fn(u32) -> u32) -> Result<()> {
        let values: Vec<u32> = self.ops.gpu.read(t).await?;
        let values = values.into_iter().map(|v| of(v) as f32).collect();
        self.tensors.push(TensorData { name, shape: vec![t.len()], values });
        Ok(())
    }

    /// Which training images those are that the device knows by these numbers.
    async fn push_image_numbers(&mut self, name: String, t: &Tensor) -> Result<()> {
        let used = self.used;
        self.push_integers(name, t, |place| used.map_or(place, |used| used[place as usize])).await
    }

    /// `[rows, n]`.
    async fn push_rows(&mut self, name: String, t: &Tensor, n: u32) -> Result<()> {
        self.push(name, t, vec![t.len() / n as usize, n as usize]).await
    }

    /// `[rows, h, w, c]`.
    async fn push_images(&mut self, name: String, t: &Tensor, dims: Dims) -> Result<()> {
        let rows = t.len() / dims.len() as usize;
        self.push(name, t, vec![rows, dims.height as usize, dims.width as usize, dims.channels as usize])
            .await
    }

    /// What has the shape of layer `i`'s output.
    async fn push_output(&mut self, name: String, t: &Tensor, net: &NetShape, i: usize) -> Result<()> {
        let dims = net.layers[i].output;
        if gives_images(net, i) {
            self.push_images(name, t, dims).await
        } else {
            self.push_rows(name, t, dims.len()).await
        }
    }

    async fn activations(&mut self, step: &str, net: &NetShape, tape: &Tape) -> Result<()> {
        for (i, out) in tape.outputs.iter().enumerate() {
            self.push_output(format!("{step}.{}.{i}.output", net.name), out, net, i).await?;
        }
        Ok(())
    }

    /// The numbers that layers drew, made again: those of each value by the same kernels.
    async fn draws(&mut self, step: &str, net: &NetShape, tape: &Tape, base: u32) -> Result<()> {
        for (i, x) in tape.inputs.iter().enumerate() {
            let stream = base + i as u32;
            let prefix = format!("{step}.{}.{i}", net.name);
            match net.layers[i].op.draws() {
                Some(Draws::PerImage { name, count, of }) => {
                    let at = Counter { stream, step: self.step };
                    let values = (0..tape.rows).flat_map(|row| of(self.seed, at, row)).collect();
                    let (name, shape) = (format!("{prefix}.{name}"), vec![tape.rows as usize, count]);
                    self.tensors.push(TensorData { name, shape, values });
                }
                Some(Draws::PerValue { name, record }) => {
                    let y = self.ops.gpu.tensor("draws", x.rows, x.cols);
                    let mut p = Program::new();
                    record(self.ops, &mut p, stream, &y)?;
                    self.ops.gpu.submit(&p, &[]).await?;
                    self.push_output(format!("{prefix}.{name}"), &y, net, i).await?;
                }
                None => {}
            }
        }
        Ok(())
    }

    async fn pass(&mut self, step: &str, net: &NetShape, pass: &Pass, base: u32) -> Result<()> {
        self.activations(step, net, &pass.tape).await?;
        self.draws(step, net, &pass.tape, base).await?;
        for (i, d) in &pass.gradients.outputs {
            self.push_output(format!("{step}.grad.{}.{i}.product", net.name), d, net, *i).await?;
        }
        Ok(())
    }

    async fn d_step(&mut self, d: &Trained, s: &DStep) -> Result<()> {
        let model = self.model;
        let r = s.rows;
        let rows = [r.generated, r.labelled, r.unlabelled, r.second].map(|r| r as f32);
        self.tensors.push(TensorData { name: "d_step.rows".into(), shape: vec![4], values: rows.into() });
        self.push_image_numbers("d_step.labelled.index".into(), &s.labelled.0).await?;
        self.push_integers("d_step.labelled.label".into(), &s.labelled.1, |label| label).await?;
        if let Some(index) = &s.unlabelled {
            self.push_image_numbers("d_step.unlabelled.index".into(), index).await?;
        }
        if let (Some(z), Some(tape)) = (&s.z, &s.generator) {
            self.push_rows("d_step.z".into(), z, model.generator.input.len()).await?;
            self.activations("d_step", &model.generator, tape).await?;
            self.draws("d_step", &model.generator, tape, streams::NOISE_G_IN_D_STEP).await?;
        }
        for u in &s.updates {
            let step = u.of.step_name();
            self.push_images(format!("{step}.images"), &u.images, model.data.image).await?;
            self.pass(&step, &d.net.shape, &u.pass, u.of.noise_base).await?;
            self.push_rows(format!("{step}.grad.logits"), &u.dlogits, model.data.classes).await?;
        }
        Ok(())
    }

    async fn g_step(&mut self, s: &GStep) -> Result<()> {
        let model = self.model;
        self.push_images("g_step.images".into(), &s.images, model.data.image).await?;
        if let Some(index) = &s.unlabelled {
            self.push_image_numbers("g_step.unlabelled.index".into(), index).await?;
        }
        self.push_rows("g_step.z".into(), &s.z, model.generator.input.len()).await?;
        self.pass("g_step", &model.discriminator, &s.d, streams::NOISE_G_STEP).await?;
        let last = s.d.tape.outputs.len() - 1;
        let name = if s.unlabelled.is_some() { "features" } else { "logits" };
        self.push_output(format!("g_step.grad.{name}"), &s.df, &model.discriminator, last).await?;
        self.pass("g_step", &model.generator, &s.g, streams::NOISE_G_IN_G_STEP).await
    }
}
