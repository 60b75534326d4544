//! Adam over a network's whole parameter arena.

use super::Ops;
use crate::error::Result;
use crate::gpu::{Call, Program, Tensor};

/// Adam's constants (Kingma & Ba 2015).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Epsilon.
    pub epsilon: f32,
    /// Epsilon inside the square root.
    pub inside: bool,
    /// Rate of the moving average of the parameters.
    pub ema_rate: f32,
}

/// Whose update it is: whose learning rate and bias corrections of the state apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// D's, by its index within the step: 0, 1 or 2.
    Discriminator(u32),
    /// G's.
    Generator,
}

/// What an update reads and writes; all but the last as long as the parameters.
#[derive(Debug, Clone, Copy)]
pub struct Updated<'a> {
    /// The parameters.
    pub weights: &'a Tensor,
    /// Gradients by them.
    pub grads: &'a Tensor,
    /// First moments.
    pub moment1: &'a Tensor,
    /// Second moments.
    pub moment2: &'a Tensor,
    /// Moving average of the parameters, where there is one.
    pub average: Option<&'a Tensor>,
    /// `[slots, METRICS]`: the network's loss in the step's row becomes a NaN if a parameter is not finite.
    pub metrics: &'a Tensor,
}

impl Ops {
    /// One update of all parameters.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn adam(&self, p: &mut Program, adam: &Adam, update: Update, of: Updated<'_>) -> Result<()> {
        let Updated { weights, grads, moment1, moment2, average, metrics } = of;
        let (label, role) = match update {
            Update::Discriminator(i) => ("discriminator", i),
            Update::Generator => ("generator", 3),
        };
        assert!(role < 4);
        assert!([grads, moment1, moment2].into_iter().chain(average).all(|of| of.len() >= weights.len()));
        // Weights, moments and average are read and written.
        let passes = if average.is_some() { 9 } else { 7 };
        let call = self
            .to_metrics(Call::new("adam", label), metrics)
            .define("ROLE", role)
            .define("INSIDE", u32::from(adam.inside))
            .optional("EMA", "average", average)
            .bind("grads", grads)
            .bind("weights", weights)
            .bind("moment1", moment1)
            .bind("moment2", moment2)
            .param("n4", weights.vec4s())
            .param("beta1", adam.beta1)
            .param("beta2", adam.beta2)
            .param("epsilon", adam.epsilon)
            .param("ema_rate", adam.ema_rate)
            .flops(13 * weights.len() as u64)
            .bytes(passes * weights.bytes());
        p.each(&self.gpu, call, weights.vec4s().into())
    }
}
