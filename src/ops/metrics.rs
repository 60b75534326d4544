//! The numbers of a training step, and their places in a row of the metrics ring `[slots, METRICS]`.

use super::Ops;
use crate::gpu::{Call, Tensor};
use serde::{Deserialize, Deserializer, Serialize};

/// One row of the table for each number, in the order of the ring and of `metrics.csv`.
macro_rules! step_metrics {
    ($($(#[$attribute:meta])* $name:ident,)*) => {
        /// Numbers of one finished step. Losses are minibatch means in nats; rates are shares of 1.
        /// Those that the method does not have are NaN: `supervised` has only the first three, and without a generator there are
        /// besides only those of entropy, consistency and balance.
        #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
        pub struct StepMetrics {
            /// Step, counted from 1.
            pub step: u32,
            $(
                $(#[$attribute])*
                #[serde(deserialize_with = "null_is_nan")]
                pub $name: f32,
            )*
        }

        impl StepMetrics {
            /// Names of the numbers, in their order: a name's index is its place in a row of the ring, and its upper case
            /// the constant of `shaders/common/state.wgsl`.
            pub const NAMES: &[&str] = &[$(stringify!($name)),*];

            /// Step `step` with numbers in their order; NaN for those that are missing at the end.
            pub fn new(step: u32, values: impl IntoIterator<Item = f32>) -> StepMetrics {
                let mut values = values.into_iter();
                $(let $name = values.next().unwrap_or(f32::NAN);)*
                StepMetrics { step, $($name),* }
            }

            /// The numbers in their order.
            pub fn values(&self) -> [f32; METRICS as usize] {
                [$(self.$name),*]
            }
        }
    };
}

step_metrics! {
    /// E_lab [ s - l_y ].
    loss_supervised,
    /// Share of the labelled minibatch that D classifies rightly, noise on.
    accuracy_labelled,
    /// L_D as a whole.
    loss_discriminator,
    /// E_unl [ -log D(x) ]; with label smoothing E_unl [ -a log D(x) - (1 - a) log (1 - D(x)) ].
    loss_unlabelled,
    /// E_z [ -log (1 - D(G(z))) ].
    loss_generated,
    /// L_G as a whole, by `generator_loss`.
    loss_generator,
    /// E_unl [ D(x) ].
    d_unlabelled,
    /// E_z [ D(G(z)) ].
    d_generated,
    /// Mean entropy of the predictions for unlabelled images.
    #[serde(default = "nan")]
    entropy_unlabelled,
    /// Mean squared distance between the predictions of their two views.
    #[serde(default = "nan")]
    loss_consistency,
    /// log K less the entropy of their mean prediction: 0 where the classes are as frequent as one another.
    #[serde(default = "nan")]
    loss_balance,
}

impl StepMetrics {
    /// Losses that `loss_discriminator` holds and no trace names apart.
    pub const WITHIN_D: &[&str] = &["loss_consistency", "loss_balance"];
}

/// Values per step in the metrics ring.
pub const METRICS: u32 = StepMetrics::NAMES.len() as u32;

impl Ops {
    /// `call` of a kernel that writes into the step's row of `metrics` `[slots, METRICS]`.
    pub(super) fn to_metrics<'a>(&'a self, call: Call<'a>, metrics: &'a Tensor) -> Call<'a> {
        let slots = metrics.len() / METRICS as usize;
        assert!(slots > 0);
        call.bind("state", &self.state).bind("metrics", metrics).param("slots", slots as u32)
    }
}

impl StepMetrics {
    /// Whether the losses that are trained on are numbers, and so the parameters after the step: where one of D or G is
    /// not, its loss is a NaN (`adam.wgsl`). Without a generator there is no loss of G.
    pub fn is_finite(&self, generator: bool) -> bool {
        self.loss_discriminator.is_finite() && (!generator || self.loss_generator.is_finite())
    }
}

/// Of a run that was begun before the number was recorded.
fn nan() -> f32 {
    f32::NAN
}

/// JSON has no NaN: it is written as null.
pub(crate) fn null_is_nan<'de, D: Deserializer<'de>>(d: D) -> std::result::Result<f32, D::Error> {
    Ok(Option::deserialize(d)?.unwrap_or(f32::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shaders' constants are the table's names and places, and nothing else.
    #[test]
    fn shaders_have_the_same_places() {
        let state = include_str!("../../shaders/common/state.wgsl");
        let constants: Vec<&str> = state.lines().filter(|l| l.starts_with("const ")).collect();
        let place = |(i, name): (usize, &&str)| format!("const {} = {i}u;", name.to_uppercase());
        let mut expected: Vec<String> = StepMetrics::NAMES.iter().enumerate().map(place).collect();
        expected.push(format!("const METRICS = {METRICS}u;"));
        assert_eq!(constants, expected);
    }
}
