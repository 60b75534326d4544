//! A model as data: the lists of layers of a discriminator and a generator, read from TOML.
//!
//! Nothing here knows shapes (see [`super::shape`]) or kernels; a [`ModelSpec`] is what the file says.

use serde::{Deserialize, Serialize};

/// A whole model file: one discriminator/classifier, one generator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// Short name, used in run folders and tables.
    pub name: String,
    /// Images in, K logits out; one of its layers is the feature layer.
    pub discriminator: DiscriminatorSpec,
    /// Latent vectors in, images out.
    pub generator: GeneratorSpec,
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

/// Number of outputs of a dense layer: a number, or a word that the data set resolves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Units {
    /// A fixed number.
    Count(u32),
    /// `"classes"` or `"pixels"`.
    Named(NamedUnits),
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

/// The operations a layer can be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum LayerOp {
    /// y = x W^T + b.  x `[rows, in]`, W `[units, in]`, b `[units]`.
    Dense {
        /// Outputs.
        units: Units,
        /// Adds b.
        #[serde(default = "yes")]
        bias: bool,
        /// Weight normalisation.
        #[serde(default)]
        weight_norm: WeightNorm,
        /// Initial weights.
        #[serde(default)]
        init: Init,
    },
    /// 2-D convolution (cross-correlation). x `[rows, h, w, in]`, W `[channels, in, k, k]`.
    Conv2d {
        /// Output channels.
        channels: u32,
        /// Side of the square kernel.
        kernel: u32,
        /// Step of the window.
        #[serde(default = "one")]
        stride: u32,
        /// Zero padding.
        #[serde(default = "same")]
        padding: Padding,
        /// Adds b.
        #[serde(default = "yes")]
        bias: bool,
        /// Weight normalisation.
        #[serde(default)]
        weight_norm: WeightNorm,
        /// Initial weights.
        #[serde(default)]
        init: Init,
    },
    /// Transposed 2-D convolution: what [`LayerOp::Conv2d`] does to gradients, `[rows, h, w, in]` to
    /// `[rows, oh, ow, channels]`. W `[in, channels, k, k]`, as PyTorch has it.
    ConvTranspose2d {
        /// Output channels.
        channels: u32,
        /// Side of the square kernel.
        kernel: u32,
        /// Step between the windows in the output.
        #[serde(default = "one")]
        stride: u32,
        /// `"same"`: output = stride x input; else output = (input - 1) stride + kernel - 2 padding.
        #[serde(default = "same")]
        padding: Padding,
        /// Adds b.
        #[serde(default = "yes")]
        bias: bool,
        /// Initial weights.
        #[serde(default)]
        init: Init,
    },
    /// Batch normalisation over rows (and pixels), one statistic per channel (Ioffe & Szegedy 2015).
    BatchNorm {
        /// Added to the variance.
        #[serde(default = "bn_eps")]
        eps: f32,
        /// running = (1 - momentum) running + momentum batch.
        #[serde(default = "bn_momentum")]
        momentum: f32,
        /// Trains gamma.
        #[serde(default = "yes")]
        scale: bool,
        /// Trains beta.
        #[serde(default = "yes")]
        bias: bool,
        /// Which rows share statistics.
        #[serde(default)]
        statistics: Statistics,
    },
    /// y = x + sigma n, n standard normal; the identity in evaluation.
    GaussianNoise {
        /// Standard deviation.
        sigma: f32,
    },
    /// Inverted dropout: y = x / (1 - rate) with probability 1 - rate, else 0; identity in evaluation.
    Dropout {
        /// Probability of zero.
        rate: f32,
    },
    /// Moves each image by up to `pixels` rows and columns, drawn anew each time, zeros coming in from outside; the
    /// identity in evaluation. At the start of a discriminator it moves real and generated images alike (Zhao et al.
    /// 2020, "Differentiable Augmentation", translation).
    RandomShift {
        /// Most rows, and most columns.
        pixels: u32,
    },
    /// Each image under an affine map of its own, drawn anew each time, read linearly between the pixels, zeros coming in
    /// from outside; the identity in evaluation: a small turn, stretch and slant with a shift. Moves real and generated
    /// images alike, as `random_shift`.
    RandomAffine {
        /// Most rows, and most columns, that an image moves by; fractions count.
        #[serde(default = "affine_shift")]
        shift: f32,
        /// How far each of the four entries of the matrix may be from the identity's, 0 to 0.4.
        #[serde(default = "affine_warp")]
        warp: f32,
    },
    /// Minibatch discrimination (Salimans et al. 2016, section 3.2): `[rows, in]` to `[rows, in + kernels]`, beside each
    /// row how near it is to the rows of its minibatch. T `[kernels * dims, in]`.
    MinibatchDiscrimination {
        /// B, the numbers that are added.
        kernels: u32,
        /// C, the values that a distance runs over.
        #[serde(default = "minibatch_dims")]
        dims: u32,
        /// Initial T.
        #[serde(default)]
        init: Init,
    },
    /// max(x, 0)
    Relu {},
    /// x > 0 ? x : slope x
    LeakyRelu {
        /// Slope of the negative half.
        #[serde(default = "leaky_slope")]
        slope: f32,
    },
    /// log(1 + e^x)
    Softplus {},
    /// 1 / (1 + e^-x)
    Sigmoid {},
    /// tanh x
    Tanh {},
    /// Largest value of each window, per channel: `[rows, h, w, c]` to `[rows, oh, ow, c]`. Padding does not count.
    MaxPool2d {
        /// Side of the square window.
        kernel: u32,
        /// Step of the window; the window's side if not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stride: Option<u32>,
        /// Padding.
        #[serde(default = "valid")]
        padding: Padding,
    },
    /// Mean of each window, per channel, over the places inside the image.
    AvgPool2d {
        /// Side of the square window.
        kernel: u32,
        /// Step of the window; the window's side if not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stride: Option<u32>,
        /// Padding.
        #[serde(default = "valid")]
        padding: Padding,
    },
    /// Mean over height and width: `[rows, h, w, c]` to `[rows, c]`.
    GlobalAvgPool {},
    /// `[rows, h, w, c]` to `[rows, h*w*c]`; the order of the values does not change.
    Flatten {},
    /// `[rows, n]` to `[rows, height, width, n / (height*width)]`; the order of the values does not change.
    Unflatten {
        /// Rows of pixels.
        height: u32,
        /// Columns of pixels.
        width: u32,
    },
}

impl LayerOp {
    /// The name used in files, tables, labels and checkpoints.
    pub fn name(&self) -> &'static str {
        match self {
            LayerOp::Dense { .. } => "dense",
            LayerOp::Conv2d { .. } => "conv2d",
            LayerOp::ConvTranspose2d { .. } => "conv_transpose2d",
            LayerOp::BatchNorm { .. } => "batch_norm",
            LayerOp::GaussianNoise { .. } => "gaussian_noise",
            LayerOp::Dropout { .. } => "dropout",
            LayerOp::RandomShift { .. } => "random_shift",
            LayerOp::RandomAffine { .. } => "random_affine",
            LayerOp::MinibatchDiscrimination { .. } => "minibatch_discrimination",
            LayerOp::Relu {} => "relu",
            LayerOp::LeakyRelu { .. } => "leaky_relu",
            LayerOp::Softplus {} => "softplus",
            LayerOp::Sigmoid {} => "sigmoid",
            LayerOp::Tanh {} => "tanh",
            LayerOp::MaxPool2d { .. } => "max_pool2d",
            LayerOp::AvgPool2d { .. } => "avg_pool2d",
            LayerOp::GlobalAvgPool {} => "global_avg_pool",
            LayerOp::Flatten {} => "flatten",
            LayerOp::Unflatten { .. } => "unflatten",
        }
    }
}

/// All layer names, for suggestions in error messages.
pub const LAYER_NAMES: &[&str] = &[
    "dense",
    "conv2d",
    "conv_transpose2d",
    "batch_norm",
    "gaussian_noise",
    "dropout",
    "random_shift",
    "random_affine",
    "minibatch_discrimination",
    "relu",
    "leaky_relu",
    "softplus",
    "sigmoid",
    "tanh",
    "max_pool2d",
    "avg_pool2d",
    "global_avg_pool",
    "flatten",
    "unflatten",
];

fn yes() -> bool {
    true
}
fn one() -> u32 {
    1
}
fn same() -> Padding {
    Padding::Named(NamedPadding::Same)
}
fn valid() -> Padding {
    Padding::Named(NamedPadding::Valid)
}
fn bn_eps() -> f32 {
    1e-5
}
fn bn_momentum() -> f32 {
    0.1
}
fn minibatch_dims() -> u32 {
    5
}
fn affine_shift() -> f32 {
    2.0
}
fn affine_warp() -> f32 {
    0.2
}
fn leaky_slope() -> f32 {
    0.2
}
