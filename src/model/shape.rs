//! Networks with all shapes known: what every later stage (GPU plan, CPU twin, summary, checkpoint) reads.
//! [`super::infer`] makes them.

use super::spec::*;

/// Activation of one row: `height x width x channels`; dense activations are `1 x 1 x n`.
/// In memory the channel is innermost (NHWC), so every activation is a matrix
/// `[rows * height * width, channels]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dims {
    /// Rows of pixels.
    pub height: u32,
    /// Columns of pixels.
    pub width: u32,
    /// Channels or features.
    pub channels: u32,
}

impl Dims {
    /// A flat vector of `n` features.
    pub fn flat(n: u32) -> Dims {
        Dims { height: 1, width: 1, channels: n }
    }
    /// `CxHxW`, such as `3x32x32`: at most 16x4096x4096, nothing of it 0. `None` for any other text.
    pub fn parse(text: &str) -> Option<Dims> {
        let sizes: Vec<Option<u32>> = text.split('x').map(|n| n.parse().ok()).collect();
        match sizes[..] {
            [Some(channels @ 1..=16), Some(height @ 1..=4096), Some(width @ 1..=4096)] => {
                Some(Dims { height, width, channels })
            }
            _ => None,
        }
    }
    /// height x width.
    pub fn pixels(self) -> u32 {
        self.height * self.width
    }
    /// Values per row.
    pub fn len(self) -> u32 {
        self.height * self.width * self.channels
    }
    /// Whether there is nothing in it.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
    /// Whether it is a plain vector.
    pub fn is_flat(self) -> bool {
        self.pixels() == 1
    }
}

impl std::fmt::Display for Dims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_flat() {
            write!(f, "{}", self.channels)
        } else {
            write!(f, "{}x{}x{}", self.channels, self.height, self.width)
        }
    }
}

/// What the data set decides about a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataShape {
    /// One image.
    pub image: Dims,
    /// K.
    pub classes: u32,
}

/// One layer with its shapes known.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerShape {
    /// The layer as written.
    pub op: LayerOp,
    /// Whether its output is f(x).
    pub feature: bool,
    /// Input of one row.
    pub input: Dims,
    /// Output of one row.
    pub output: Dims,
    /// For convolutions and pooling: the window; of a transposed convolution that of the convolution from its output to
    /// its input.
    pub window: Option<Window>,
}

/// Geometry of a convolution or of pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Side of the square kernel.
    pub kernel: u32,
    /// Step.
    pub stride: u32,
    /// Padding above (below and right follow from the output size).
    pub pad_top: u32,
    /// Padding to the left.
    pub pad_left: u32,
}

/// One trained or stored tensor of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamShape {
    /// `weight`, `weight_v`, `weight_g`, `bias`, ... as PyTorch names them.
    pub name: &'static str,
    /// Shape as stored in checkpoints; in memory weights are `[out, kh, kw, in]`, files `[out, in, kh, kw]`.
    pub shape: Vec<u32>,
    /// Whether the optimiser updates it.
    pub trained: bool,
}

impl ParamShape {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().map(|&d| d as usize).product()
    }
    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl LayerShape {
    /// Parameters and stored statistics, in checkpoint order.
    pub fn params(&self) -> Vec<ParamShape> {
        let p = |name, shape: Vec<u32>, trained| ParamShape { name, shape, trained };
        let affine = |bias: bool, wn: WeightNorm, shape: Vec<u32>| {
            let out = shape[0];
            let mut v = vec![p(if wn.is_on() { "weight_v" } else { "weight" }, shape, true)];
            if wn.is_on() {
                v.push(p("weight_g", vec![out], wn.trains_scale()));
            }
            if bias {
                v.push(p("bias", vec![out], true));
            }
            v
        };
        match &self.op {
            LayerOp::Dense { bias, weight_norm, .. } => {
                affine(*bias, *weight_norm, vec![self.output.channels, self.input.len()])
            }
            LayerOp::Conv2d { bias, weight_norm, kernel, .. } => {
                affine(*bias, *weight_norm, vec![self.output.channels, self.input.channels, *kernel, *kernel])
            }
            LayerOp::ConvTranspose2d { bias, kernel, .. } => {
                let (from, to) = (self.input.channels, self.output.channels);
                let mut v = vec![p("weight", vec![from, to, *kernel, *kernel], true)];
                if *bias {
                    v.push(p("bias", vec![to], true));
                }
                v
            }
            LayerOp::MinibatchDiscrimination { .. } => {
                vec![p("weight", vec![self.product_columns(), self.input.len()], true)]
            }
            LayerOp::BatchNorm { scale, bias, .. } => {
                let c = vec![self.output.channels];
                let mut v = vec![];
                if *scale {
                    v.push(p("weight", c.clone(), true));
                }
                if *bias {
                    v.push(p("bias", c.clone(), true));
                }
                v.push(p("running_mean", c.clone(), false));
                v.push(p("running_var", c, false));
                v
            }
            _ => vec![],
        }
    }

    /// Columns of the layer's matrix product: its output channels, or what minibatch discrimination compares.
    pub fn product_columns(&self) -> u32 {
        match self.op {
            LayerOp::MinibatchDiscrimination { kernels, dims, .. } => kernels * dims,
            _ => self.output.channels,
        }
    }

    /// Multiply-adds and other arithmetic of one row's forward pass, counted as floating-point operations:
    /// 2 per multiply-add of a dense or convolution layer, 1 per value read elsewhere.
    pub fn flops(&self) -> u64 {
        match &self.op {
            // The distances, which grow with the minibatch, are not counted.
            LayerOp::Dense { .. } | LayerOp::MinibatchDiscrimination { .. } => {
                2 * self.input.len() as u64 * self.product_columns() as u64
            }
            LayerOp::Conv2d { kernel, .. } => {
                2 * (kernel * kernel * self.input.channels) as u64 * self.output.len() as u64
            }
            LayerOp::ConvTranspose2d { kernel, .. } => {
                2 * (kernel * kernel * self.output.channels) as u64 * self.input.len() as u64
            }
            LayerOp::MaxPool2d { kernel, .. } | LayerOp::AvgPool2d { kernel, .. } => {
                (kernel * kernel) as u64 * self.output.len() as u64
            }
            LayerOp::Flatten {} | LayerOp::Unflatten { .. } => 0,
            _ => self.input.len() as u64,
        }
    }
}

/// A network with all shapes known.
#[derive(Debug, Clone, PartialEq)]
pub struct NetShape {
    /// `discriminator` or `generator`: the prefix of tensor names.
    pub name: &'static str,
    /// Input of one row.
    pub input: Dims,
    /// Layers, first to last.
    pub layers: Vec<LayerShape>,
}

impl NetShape {
    /// Output of one row.
    pub fn output(&self) -> Dims {
        self.layers.last().map_or(self.input, |l| l.output)
    }
    /// Index of the feature layer (discriminators only).
    pub fn feature(&self) -> Option<usize> {
        self.layers.iter().position(|l| l.feature)
    }
    /// Values of one row's largest activation, its input among them.
    pub fn largest(&self) -> u32 {
        let of = |l: &LayerShape| l.output.len().max(l.product_columns());
        self.layers.iter().map(of).fold(self.input.len(), u32::max)
    }
    /// Whether a batch norm of it has one value of each channel in a row.
    pub fn normalises_rows(&self) -> bool {
        self.layers.iter().any(|l| matches!(l.op, LayerOp::BatchNorm { .. }) && l.output.is_flat())
    }
    /// Trained parameters.
    pub fn parameters(&self) -> usize {
        self.layers.iter().flat_map(|l| l.params()).filter(|p| p.trained).map(|p| p.len()).sum()
    }
}

/// A checked model: both networks with shapes.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelShape {
    /// The model's name.
    pub name: String,
    /// The data it was checked against.
    pub data: DataShape,
    /// Images to K logits.
    pub discriminator: NetShape,
    /// z to images.
    pub generator: NetShape,
    /// Distribution of z.
    pub prior: Prior,
}
