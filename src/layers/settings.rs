//! Settings that several layers have.

use crate::shape::Dims;
use serde::{Deserialize, Serialize};

/// Number of outputs of a dense layer: a number, or what the data set resolves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "units must be a number, \"classes\", \"pixels\" or { channels = C, image_stride = S }"
)]
pub enum Units {
    /// A fixed number.
    Count(u32),
    /// `"classes"` or `"pixels"`.
    Named(NamedUnits),
    /// `{ channels = C, image_stride = S }`: what an `unflatten` of that `image_stride` makes C channels of.
    Image(ImageUnits),
}

/// As many values as an image has at a stride.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageUnits {
    /// Channels.
    pub channels: u32,
    /// S: rows and columns are those of the data's images divided by it, rounded up.
    pub image_stride: u32,
}

/// Channels of an image that a layer makes: a number, or those of the data's images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "channels must be a number or \"image\"")]
pub enum Channels {
    /// A fixed number.
    Count(u32),
    /// `"image"`.
    Named(NamedChannels),
}

/// The channels that only the data set knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedChannels {
    /// As many as the data's images have.
    Image,
}

impl Channels {
    /// The number, of a data set with images like `image`.
    ///
    /// # Errors
    /// If it is 0.
    pub(super) fn of(self, image: Dims) -> Result<u32, String> {
        match self {
            Channels::Count(0) => Err("channels must be at least 1".into()),
            Channels::Count(n) => Ok(n),
            Channels::Named(NamedChannels::Image) => Ok(image.channels),
        }
    }
}

/// Rows and columns that convolutions with padding `"same"` and a product of strides of `stride` leave of `image`:
/// its sides divided by `stride`, rounded up.
///
/// # Errors
/// If `stride` is not within 1 to 64.
pub(super) fn image_at_stride(image: Dims, stride: u32) -> Result<[u32; 2], String> {
    match stride {
        1..=64 => Ok([image.height.div_ceil(stride), image.width.div_ceil(stride)]),
        _ => Err(format!("image_stride {stride} must be within 1 to 64")),
    }
}

/// The sizes that only the data set knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedUnits {
    /// K, the number of classes.
    Classes,
    /// height x width x channels.
    Pixels,
}

/// Weight normalisation w = g v / ||v|| (Salimans & Kingma 2016), g per output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightNorm {
    /// Plain weights.
    #[default]
    None,
    /// g is set by data-dependent initialisation and then stays.
    Fixed,
    /// g is set by data-dependent initialisation and then trained.
    Trained,
    /// g starts at 1 and is trained; no data-dependent initialisation (the paper's generator).
    Plain,
    /// g is 1 and stays; no data-dependent initialisation.
    Unit,
}

impl WeightNorm {
    /// Whether weights are normalised at all.
    pub fn is_on(self) -> bool {
        self != WeightNorm::None
    }
    /// Whether g is a trained parameter.
    pub fn trains_scale(self) -> bool {
        matches!(self, WeightNorm::Trained | WeightNorm::Plain)
    }
    /// What a figure writes of it.
    pub(super) fn detail(self) -> &'static str {
        match self {
            WeightNorm::None => "",
            WeightNorm::Fixed => ", weight norm",
            WeightNorm::Trained => ", weight norm (scale trained)",
            WeightNorm::Plain => ", weight norm (scale trained, no data-dependent start)",
            WeightNorm::Unit => ", weight norm (no data-dependent start)",
        }
    }
    /// Whether g and b are set from the first minibatch's statistics.
    pub fn data_dependent(self) -> bool {
        matches!(self, WeightNorm::Fixed | WeightNorm::Trained)
    }
}

/// How fresh weights are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// Uniform on +-sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio 2010).
    #[default]
    GlorotUniform,
    /// Normal with standard deviation sqrt(2 / fan_in) (He et al. 2015).
    HeNormal,
    /// Normal with this standard deviation.
    Normal(f32),
}

/// Padding of a convolution (with zeros) or of pooling (with places that do not count).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Padding {
    /// This many zeros on each side.
    Count(u32),
    /// `"same"`: output = ceil(input / stride), the extra zero at the bottom/right.
    /// `"valid"`: none.
    Named(NamedPadding),
}

/// Padding by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedPadding {
    /// Output = ceil(input / stride).
    Same,
    /// No padding.
    Valid,
}

/// Which rows share batch-norm statistics when several inputs are stacked in one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statistics {
    /// Labelled, unlabelled and generated rows each have their own (three separate calls).
    #[default]
    Separate,
    /// One mean and variance over the whole stacked batch.
    Joined,
}

/// The default of settings that are on unless the model says otherwise.
pub(super) fn yes() -> bool {
    true
}
/// The default stride of convolutions.
pub(super) fn one() -> u32 {
    1
}
/// The default padding of convolutions.
pub(super) fn same() -> Padding {
    Padding::Named(NamedPadding::Same)
}
/// The default padding of pooling.
pub(super) fn valid() -> Padding {
    Padding::Named(NamedPadding::Valid)
}
