//! Where training went wrong: the first tensor of a step that holds a NaN or an infinity.

use super::checkpoint::TensorData;
use super::stop::Stop;
use super::trainer::Trainer;
use crate::error::Result;
use crate::model::shape::ModelShape;

/// What a step makes, in the order in which it makes it, by how the names of a trace begin.
const ORDER: [&str; 29] = [
    "before.",
    "d_step.z",
    "d_step.generator.",
    "d_step.images",
    "d_step.discriminator.",
    "d_step.grad.logits",
    "d_step.grad.discriminator.",
    "d_step.labelled.images",
    "d_step.labelled.discriminator.",
    "d_step.labelled.grad.logits",
    "d_step.labelled.grad.discriminator.",
    "d_step.unlabelled.images",
    "d_step.unlabelled.discriminator.",
    "d_step.unlabelled.grad.logits",
    "d_step.unlabelled.grad.discriminator.",
    "d_step.generated.images",
    "d_step.generated.discriminator.",
    "d_step.generated.grad.logits",
    "d_step.generated.grad.discriminator.",
    "grad.discriminator.",
    "after.discriminator.",
    "g_step.generator.",
    "g_step.images",
    "g_step.discriminator.",
    "g_step.grad.features",
    "g_step.grad.logits",
    "g_step.grad.discriminator.",
    "g_step.grad.generator.",
    "grad.generator.",
];

/// A tensor that is not finite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotFinite {
    /// Step, counted from 1.
    pub step: u32,
    /// Its name in a trace (docs/trace.md).
    pub name: String,
    /// The layer, in words, where it belongs to one.
    pub layer: Option<String>,
    /// Values that are not finite, and all of them.
    pub values: (usize, usize),
}

impl std::fmt::Display for NotFinite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let layer = self.layer.as_ref().map_or(String::new(), |l| format!(" ({l})"));
        let (bad, all) = self.values;
        let when = if self.name.starts_with("before.") { "already before step" } else { "in step" };
        write!(f, "{when} {} {}{layer}, {bad} of {all} values", self.step, self.name)
    }
}

impl Trainer {
    /// Repeats the steps from `done` on, to which this trainer was set, unless `stop` asks to end, and says what went wrong
    /// first in step `diverged` (counted from 1) or the one before it, whose update its own losses have not seen; `None`
    /// if nothing did. The trainer must be one with [`super::Scratch::Kept`].
    ///
    /// # Errors
    /// [`crate::error::Error::Gpu`] or [`crate::error::Error::DeviceLost`] if the device failed.
    pub async fn first_not_finite(&self, done: u32, diverged: u32, stop: &Stop) -> Result<Option<NotFinite>> {
        for t in done..diverged {
            if stop.is_asked() {
                return Ok(None);
            }
            if t + 2 < diverged {
                self.untimed_step(t).await?;
                continue;
            }
            let tensors = self.traced_step(t).await?;
            if let Some((tensor, bad)) = first(&tensors) {
                return Ok(Some(NotFinite {
                    step: t + 1,
                    name: tensor.name.clone(),
                    layer: layer(self.model(), &tensor.name),
                    values: (bad, tensor.values.len()),
                }));
            }
        }
        Ok(None)
    }
}

/// The tensor that a step makes first of those that are not finite, and how many of its values are not.
fn first(tensors: &[TensorData]) -> Option<(&TensorData, usize)> {
    let rank = |name: &str| ORDER.iter().position(|p| name.starts_with(p)).unwrap_or(ORDER.len());
    let bad = |t: &TensorData| t.values.iter().filter(|v| !v.is_finite()).count();
    let found = tensors.iter().map(|t| (t, bad(t))).filter(|(_, bad)| *bad > 0);
    // Of equals the first: layers stand in the order of the pass; gradients by outputs come before those by parameters.
    found.min_by_key(|(t, _)| (rank(&t.name), !t.name.ends_with(".product")))
}

/// `conv2d, layer 4 of the discriminator`.
fn layer(model: &ModelShape, name: &str) -> Option<String> {
    let parts: Vec<&str> = name.split('.').collect();
    let at = parts.iter().position(|p| ["discriminator", "generator"].contains(p))?;
    let net = if parts[at] == "generator" { &model.generator } else { &model.discriminator };
    let i: usize = parts.get(at + 1)?.parse().ok()?;
    Some(format!("{}, layer {} of the {}", net.layers.get(i)?.op.name(), i + 1, net.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::parse;
    use crate::model::shape::{DataShape, Dims};

    fn tensor(name: &str, values: &[f32]) -> TensorData {
        TensorData { name: name.into(), shape: vec![values.len()], values: values.to_vec() }
    }

    #[test]
    fn the_first_of_three_updates() {
        let named = |name: &str| tensor(name, &[f32::NAN]);
        let all = [
            named("d_step.unlabelled.discriminator.2.output"),
            named("d_step.labelled.grad.discriminator.2.bias"),
            named("d_step.labelled.images"),
            named("d_step.labelled.discriminator.5.output"),
            named("d_step.labelled.grad.discriminator.5.product"),
        ];
        let name = |of: &[TensorData]| first(of).map(|(t, _)| t.name.clone()).unwrap();
        assert_eq!(name(&all), "d_step.labelled.images");
        assert_eq!(name(&[&all[..2], &all[3..]].concat()), "d_step.labelled.discriminator.5.output");
        assert_eq!(name(&[&all[..2], &all[4..]].concat()), "d_step.labelled.grad.discriminator.5.product");
        assert_eq!(name(&all[..2]), "d_step.labelled.grad.discriminator.2.bias");
    }

    #[test]
    fn the_first_in_the_order_of_the_step() {
        let fine = tensor("before.discriminator.2.bias", &[1.0]);
        let after = tensor("after.discriminator.2.bias", &[f32::NAN]);
        let grad = tensor("grad.discriminator.5.bias", &[0.0, f32::INFINITY, f32::NAN]);
        let output = tensor("d_step.discriminator.5.output", &[f32::NEG_INFINITY]);
        let deeper = tensor("d_step.discriminator.8.output", &[f32::NAN]);
        let all = [fine.clone(), after.clone(), grad.clone(), output, deeper];
        assert_eq!(
            first(&all).map(|(t, n)| (t.name.as_str(), n)),
            Some(("d_step.discriminator.5.output", 1))
        );
        assert_eq!(
            first(&[after, grad]).map(|(t, n)| (t.name.as_str(), n)),
            Some(("grad.discriminator.5.bias", 2))
        );
        assert_eq!(first(&[fine]), None);
    }

    #[test]
    fn layers_in_words() {
        let (source, spec) = parse::built_in("dnn").unwrap();
        let spec = spec.unwrap();
        let data = DataShape { image: Dims { height: 28, width: 28, channels: 1 }, classes: 10 };
        let model = parse::check(&spec, source, "dnn", data).unwrap();
        let words = |name| layer(&model, name);
        assert_eq!(words("grad.generator.1.bias").unwrap(), "batch_norm, layer 2 of the generator");
        assert_eq!(words("d_step.discriminator.2.output").unwrap(), "dense, layer 3 of the discriminator");
        assert_eq!(words("d_step.images"), None);
        assert_eq!(words("d_step.discriminator.99.output"), None);
    }
}
