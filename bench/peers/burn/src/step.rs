//! The training step: the discriminator's update, then the generator's.

use burn::{
    optim::{Adam, AdamConfig},
    tensor::{Device, Distribution, Int, Tensor, TensorData, activation::log_sigmoid},
};
use toml::Table;

use crate::{
    net::{Draws, Net, Value, contiguous, to_nchw},
    trace::{Result, Trace},
};

pub const LOSSES: [&str; 5] =
    ["loss.supervised", "loss.unlabelled", "loss.generated", "loss.discriminator", "loss.generator"];

pub struct Gan {
    device: Device,
    discriminator: Net,
    generator: Net,
    adam: Adam,
    rates: [f64; 2],
    unsupervised_weight: f64,
    mean_over_features: bool,
    /// Real images, NCHW: labelled and then unlabelled ones of D's step, unlabelled ones of G's.
    real: [Tensor<4>; 2],
    /// `[labelled rows, 1]`
    labels: Tensor<2, Int>,
    generated: usize,
    latent: usize,
    prior: Distribution,
}

/// log sum exp of every row, `[rows, 1]`.
fn logsumexp(x: Tensor<2>) -> Tensor<2> {
    let largest = x.clone().inner().max_dim(1);
    (x - largest.clone()).exp().sum_dim(1).log() + largest
}

impl Gan {
    /// With the parameters and moments before the traced step.
    pub fn load(trace: &Trace, device: &Device) -> Result<Self> {
        if trace.text("method")? != "ssl" || trace.text("epsilon_inside_root")? == "true" {
            return Err("only semi-supervised steps with epsilon outside of Adam's root are done here".into());
        }
        if trace.text("generator_loss")? == "None" || trace.number("balance_weight").unwrap_or(0.0) > 0.0 {
            return Err("only steps with a generator and without the balance term are done here".into());
        }
        let model: Table = trace.text("model_toml")?.parse()?;
        let [generated, latent] = trace.shape("d_step.z")?[..] else {
            return Err("z is not a matrix".into());
        };
        let real = |name: &str| -> Result<Tensor<4>> {
            let images = trace.tensor::<4>(name, device)?;
            Ok(contiguous(to_nchw(images.slice([generated..]))))
        };
        let labels: Vec<i32> = trace.values("d_step.labelled.label")?.iter().map(|&l| l as i32).collect();
        let rows = labels.len();
        let adam = AdamConfig::new()
            .with_beta_1(trace.number("beta1")? as f32)
            .with_beta_2(trace.number("beta2")? as f32)
            .with_epsilon(trace.number("epsilon")? as f32);
        Ok(Self {
            discriminator: Net::load(trace, &model, "discriminator", device)?,
            generator: Net::load(trace, &model, "generator", device)?,
            adam: adam.build(),
            rates: [trace.number("learning_rate")?, trace.number("generator_learning_rate")?],
            unsupervised_weight: trace.number("unsupervised_weight")?,
            mean_over_features: trace.text("feature_matching")? == "mean",
            real: [real("d_step.images")?, real("g_step.images")?],
            labels: Tensor::from_data(TensorData::new(labels, [rows, 1]), device),
            generated,
            latent,
            prior: match model["generator"].get("prior").and_then(|p| p.as_str()) {
                Some("normal") => Distribution::Normal(0.0, 1.0),
                _ => Distribution::Uniform(0.0, 1.0),
            },
            device: device.clone(),
        })
    }

    /// One step, with the random numbers of the trace or with fresh ones. Returns the values of [`LOSSES`]
    /// when the device has done all of it.
    pub fn step(&mut self, recorded: Option<&Trace>) -> Result<Vec<f32>> {
        let mut losses = self.discriminator_step(recorded)?;
        losses.push(self.generator_step(recorded)?);
        self.device.sync().map_err(|e| format!("{e:?}"))?;
        Ok(Tensor::cat(losses, 0).into_data().try_to_vec().map_err(|e| format!("{e:?}"))?)
    }

    fn latent(&self, recorded: Option<&Trace>, name: &str) -> Result<Value> {
        Ok(Value::Flat(match recorded {
            Some(trace) => trace.tensor(name, &self.device)?,
            None => Tensor::random([self.generated, self.latent], self.prior, &self.device),
        }))
    }

    /// The generator's images. With their one channel, NHWC is NCHW.
    fn generate(&mut self, tracked: bool, z: Value) -> Result<Tensor<4>> {
        let weights = self.generator.weights(tracked);
        let made = self.generator.forward(&weights, z, &Draws::Fresh, false)?.flat();
        let [_, channels, height, width] = self.real[0].dims();
        assert_eq!(channels, 1, "the images are grey");
        Ok(made.reshape([self.generated, channels, height, width]))
    }

    fn discriminator_step(&mut self, recorded: Option<&Trace>) -> Result<Vec<Tensor<1>>> {
        let z = self.latent(recorded, "d_step.z")?;
        let images = Tensor::cat(vec![self.generate(false, z)?, self.real[0].clone()], 0);
        let rows = images.dims()[0];
        let draws = recorded.map_or(Draws::Fresh, |t| Draws::Recorded(t, "d_step.discriminator", 0..rows));
        let weights = self.discriminator.weights(true);
        let logits = self.discriminator.forward(&weights, Value::Maps(images), &draws, false)?.flat();

        let known = self.generated..self.generated + self.labels.dims()[0];
        let s = logsumexp(logits.clone());
        let right = logits.slice([known.clone()]).gather(1, self.labels.clone());
        let supervised = (s.clone().slice([known.clone()]) - right).mean();
        // -log D = softplus(-s), -log(1 - D) = softplus(s)
        let unlabelled = -log_sigmoid(s.clone().slice([known.end..])).mean();
        let spotted = -log_sigmoid(-s.slice([..self.generated])).mean();
        let unsupervised = (unlabelled.clone() + spotted.clone()) * (0.5 * self.unsupervised_weight);
        let loss = supervised.clone() + unsupervised;
        self.discriminator.update(&self.adam, self.rates[0], loss.backward());
        Ok([supervised, unlabelled, spotted, loss].map(Tensor::inner).into())
    }

    /// Only the generated rows can have a gradient here, so that the real ones pass D outside of the graph.
    fn generator_step(&mut self, recorded: Option<&Trace>) -> Result<Tensor<1>> {
        let z = self.latent(recorded, "g_step.z")?;
        let made = self.generate(true, z)?;
        let weights = self.discriminator.weights(false);
        let mut features = |images: Tensor<4>, first: usize| -> Result<Tensor<2>> {
            let rows = first..first + images.dims()[0];
            let draws = recorded.map_or(Draws::Fresh, |t| Draws::Recorded(t, "g_step.discriminator", rows));
            let f = self.discriminator.forward(&weights, Value::Maps(images), &draws, true)?;
            Ok(f.flat().mean_dim(0))
        };
        let apart = features(made, 0)? - features(self.real[1].clone(), self.generated)?;
        let squares = apart.square();
        let loss = if self.mean_over_features { squares.mean() } else { squares.sum() };
        self.generator.update(&self.adam, self.rates[1], loss.backward());
        Ok(loss.inner())
    }
}
