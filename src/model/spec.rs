//! A model as data: the lists of layers of a discriminator and a generator, read from TOML.
//!
//! Nothing here knows shapes (see [`super::shape`]) or kernels; a [`ModelSpec`] is what the file says.

use crate::error::{Error, Result};
pub use crate::layers::{
    Init, LAYER_NAMES, LayerOp, NamedPadding, NamedUnits, Padding, Statistics, Units, WeightNorm,
};
use serde::{Deserialize, Serialize};

/// A whole model file: one discriminator/classifier, one generator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// Short name, used in run folders and tables: 1 to 64 of `A-Z a-z 0-9 - _`.
    pub name: String,
    /// Images in, K logits out; one of its layers is the feature layer.
    pub discriminator: DiscriminatorSpec,
    /// Latent vectors in, images out.
    pub generator: GeneratorSpec,
}

/// What a model's name may be.
pub(super) const NAMES: &str = "1 to 64 of the characters A-Z a-z 0-9 - _ (it names run folders)";

/// Whether a model may be called that.
pub(super) fn is_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    (1..=64).contains(&name.len()) && name.chars().all(good)
}

impl ModelSpec {
    /// The text of a model file that says the same.
    ///
    /// # Errors
    /// [`Error::Usage`] for what TOML does not hold.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::Usage(format!("the model cannot be written as TOML: {e}")))
    }
}

/// The discriminator's layers, first to last. The last one gives the K logits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscriminatorSpec {
    /// Applied in order to images `[rows, height, width, channels]` scaled to 0..1.
    pub layers: Vec<LayerSpec>,
}

/// The generator's layers, first to last. The last one gives `pixels` values in 0..1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratorSpec {
    /// Length of the latent vector z.
    pub latent: u32,
    /// Distribution of z.
    #[serde(default)]
    pub prior: Prior,
    /// Applied in order to z `[rows, latent]`.
    pub layers: Vec<LayerSpec>,
}

/// Distribution of the generator's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prior {
    /// Uniform on [0, 1), as in the paper's MNIST code.
    #[default]
    Uniform,
    /// Standard normal.
    Normal,
}

/// One layer: what it computes, and whether its output is the feature layer f(x).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerSpec {
    /// The operation with its settings.
    #[serde(flatten)]
    pub op: LayerOp,
    /// True on exactly one layer of the discriminator: its output is f(x) of feature matching.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub feature: bool,
}
