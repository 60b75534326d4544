//! Shape inference: a [`ModelSpec`] and the data's sizes become two checked [`NetShape`]s.

use super::shape::{DataShape, Dims, LayerShape, ModelShape, NetShape, Window};
use super::spec::*;
use crate::error::Error;

/// A layer that does not fit: which network, which layer (from 0), and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeError {
    /// `discriminator` or `generator`.
    pub net: &'static str,
    /// Index of the layer, or `None` where the whole list is meant.
    pub layer: Option<usize>,
    /// What is wrong and what is expected.
    pub reason: String,
}

impl std::fmt::Display for ShapeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.layer {
            Some(i) => write!(f, "{} layer {}: {}", self.net, i + 1, self.reason),
            None => write!(f, "{}: {}", self.net, self.reason),
        }
    }
}

impl From<ShapeError> for Error {
    fn from(e: ShapeError) -> Error {
        Error::Usage(format!("model: {e}"))
    }
}

/// Largest number of values in one activation row or weight tensor that is accepted (2^28, 1 GiB).
pub const MAX_VALUES: u64 = 1 << 28;

/// Most layers of a network: each draws its random numbers from a stream of its own, and so many are set aside for each
/// purpose ([`streams`](crate::rng::streams)).
pub const MAX_LAYERS: usize = 128;

/// Infers and checks all shapes of `spec` for images and classes of `data`.
///
/// # Errors
/// A [`ShapeError`] that names the first layer that does not fit.
pub fn infer(spec: &ModelSpec, data: DataShape) -> std::result::Result<ModelShape, ShapeError> {
    let d = infer_net("discriminator", &spec.discriminator.layers, data.image, data)?;
    let g = infer_net("generator", &spec.generator.layers, Dims::flat(spec.generator.latent), data)?;
    let whole = |net, reason: String| Err(ShapeError { net, layer: None, reason });
    if spec.generator.latent == 0 {
        return whole("generator", "latent must be at least 1".into());
    }
    if data.classes < 2 {
        return whole("discriminator", format!("{} class(es); at least 2 are needed", data.classes));
    }
    if d.output() != Dims::flat(data.classes) {
        let r = format!(
            "the last layer gives {} values; the data has {} classes: end with {{ op = \"dense\", units = \"classes\" }}",
            d.output(),
            data.classes
        );
        return whole("discriminator", r);
    }
    if g.output().len() != data.image.len() {
        let r = format!(
            "the last layer gives {} values; an image has {} ({}): end with units = \"pixels\" and a sigmoid",
            g.output(),
            data.image.len(),
            data.image
        );
        return whole("generator", r);
    }
    match d.layers.iter().filter(|l| l.feature).count() {
        1 => {}
        0 => {
            let r = "no feature layer: put `feature = true` on the layer whose output G matches";
            return whole("discriminator", r.into());
        }
        n => return whole("discriminator", format!("{n} layers say `feature = true`; exactly one may")),
    }
    if let Some(i) = g.layers.iter().position(|l| l.feature) {
        let reason = "only the discriminator has a feature layer".into();
        return Err(ShapeError { net: "generator", layer: Some(i), reason });
    }
    Ok(ModelShape {
        name: spec.name.clone(),
        data,
        discriminator: d,
        generator: g,
        prior: spec.generator.prior,
    })
}

fn infer_net(
    net: &'static str,
    layers: &[LayerSpec],
    input: Dims,
    data: DataShape,
) -> std::result::Result<NetShape, ShapeError> {
    let whole = |reason: String| Err(ShapeError { net, layer: None, reason });
    if layers.is_empty() {
        return whole("has no layers".into());
    }
    if layers.len() > MAX_LAYERS {
        return whole(format!("has {} layers; at most {MAX_LAYERS} are supported", layers.len()));
    }
    let mut at = input;
    let mut out = Vec::with_capacity(layers.len());
    for (i, layer) in layers.iter().enumerate() {
        let fail = |reason: String| ShapeError { net, layer: Some(i), reason };
        let shape = infer_layer(layer, at, data).map_err(|r| fail(format!("{}: {r}", layer.op.name())))?;
        let weights: u64 = shape
            .params()
            .iter()
            .map(|p| p.shape.iter().map(|&d| d as u64).product::<u64>())
            .max()
            .unwrap_or(0);
        if weights > MAX_VALUES {
            return Err(fail(format!("{weights} weights; at most {MAX_VALUES} are supported")));
        }
        at = shape.output;
        out.push(shape);
    }
    if !out.iter().any(|l| {
        matches!(l.op, LayerOp::Dense { .. } | LayerOp::Conv2d { .. } | LayerOp::ConvTranspose2d { .. })
    }) {
        return Err(ShapeError { net, layer: None, reason: "has no dense or conv2d layer".into() });
    }
    Ok(NetShape { name: net, input, layers: out })
}

fn infer_layer(layer: &LayerSpec, input: Dims, data: DataShape) -> std::result::Result<LayerShape, String> {
    let mut window = None;
    let output = match &layer.op {
        LayerOp::Dense { units, .. } => {
            let n = match units {
                Units::Count(n) => *n,
                Units::Named(NamedUnits::Classes) => data.classes,
                Units::Named(NamedUnits::Pixels) => data.image.len(),
            };
            if n == 0 {
                return Err("units must be at least 1".into());
            }
            if !input.is_flat() {
                return Err(format!("input is {input}; put a flatten or global_avg_pool layer before it"));
            }
            Dims::flat(n)
        }
        LayerOp::Conv2d { channels, kernel, stride, padding, .. } => {
            if *channels == 0 {
                return Err("channels must be at least 1".into());
            }
            let (at, [h, w]) = window_over(input, *kernel, *stride, *padding)?;
            window = Some(at);
            Dims { height: h, width: w, channels: *channels }
        }
        LayerOp::ConvTranspose2d { channels, kernel, stride, padding, .. } => {
            if *channels == 0 {
                return Err("channels must be at least 1".into());
            }
            let (at, [h, w]) = window_under(input, *kernel, *stride, *padding)?;
            window = Some(at);
            Dims { height: h, width: w, channels: *channels }
        }
        LayerOp::MaxPool2d { kernel, stride, padding } | LayerOp::AvgPool2d { kernel, stride, padding } => {
            let (at, [h, w]) = window_over(input, *kernel, stride.unwrap_or(*kernel), *padding)?;
            window = Some(at);
            Dims { height: h, width: w, ..input }
        }
        LayerOp::BatchNorm { eps, momentum, .. } => {
            // A device may take a subnormal number for 0.
            if !(eps.is_normal() && *eps > 0.0) {
                return Err(format!("eps {eps} must be positive, such as 1e-5"));
            }
            if !(0.0..=1.0).contains(momentum) {
                return Err(format!("momentum {momentum} must be within 0..=1"));
            }
            input
        }
        LayerOp::GaussianNoise { sigma } => {
            if !(sigma.is_finite() && *sigma >= 0.0) {
                return Err(format!("sigma {sigma} must not be negative"));
            }
            input
        }
        LayerOp::Dropout { rate } => {
            if !(0.0..1.0).contains(rate) {
                return Err(format!("rate {rate} must be within 0..1"));
            }
            input
        }
        LayerOp::RandomShift { pixels } => {
            if *pixels > 64 {
                return Err(format!("pixels {pixels} may be at most 64"));
            }
            if *pixels >= input.height.min(input.width) {
                return Err(format!("pixels {pixels} must be less than the sides of {input}"));
            }
            input
        }
        LayerOp::RandomAffine { shift, warp } => {
            let side = input.height.min(input.width) as f32;
            if !(*shift >= 0.0 && *shift < side) {
                return Err(format!("shift {shift} must be at least 0 and less than the sides of {input}"));
            }
            // Further away an image may be turned inside out.
            if !(0.0..=0.4).contains(warp) {
                return Err(format!("warp {warp} must be within 0..=0.4"));
            }
            input
        }
        LayerOp::MinibatchDiscrimination { kernels, dims, .. } => {
            if !input.is_flat() {
                return Err(format!("input is {input}; put a flatten or global_avg_pool layer before it"));
            }
            if !(1..=65_536).contains(kernels) || !(1..=64).contains(dims) {
                return Err("kernels must be 1 to 65536 and dims 1 to 64".into());
            }
            Dims::flat(input.channels.saturating_add(*kernels))
        }
        LayerOp::LeakyRelu { slope } => {
            if !slope.is_finite() || *slope <= 0.0 || *slope >= 1.0 {
                return Err(format!("slope {slope} must be between 0 and 1 (use relu for 0)"));
            }
            input
        }
        LayerOp::Relu {} | LayerOp::Softplus {} | LayerOp::Sigmoid {} | LayerOp::Tanh {} => input,
        LayerOp::GlobalAvgPool {} => Dims::flat(input.channels),
        LayerOp::Flatten {} => Dims::flat(input.len()),
        LayerOp::Unflatten { height, width } => {
            let pixels = u64::from(*height) * u64::from(*width);
            if pixels == 0 {
                return Err("height and width must be at least 1".into());
            }
            if !u64::from(input.len()).is_multiple_of(pixels) {
                return Err(format!("{} values are no whole channels of {height}x{width}", input.len()));
            }
            Dims { height: *height, width: *width, channels: (u64::from(input.len()) / pixels) as u32 }
        }
    };
    if let LayerOp::Dense { init: Init::Normal(s), .. }
    | LayerOp::Conv2d { init: Init::Normal(s), .. }
    | LayerOp::ConvTranspose2d { init: Init::Normal(s), .. }
    | LayerOp::MinibatchDiscrimination { init: Init::Normal(s), .. } = &layer.op
        && !(s.is_finite() && *s > 0.0)
    {
        return Err(format!("init standard deviation {s} must be positive"));
    }
    let values = output.height as u64 * output.width as u64 * output.channels as u64;
    if values > MAX_VALUES {
        return Err(format!("{values} values per image; at most {MAX_VALUES} are supported"));
    }
    Ok(LayerShape { op: layer.op.clone(), feature: layer.feature, input, output, window })
}

/// The window of the convolution that makes `input` of what a transposed one makes of it, and the height and width of
/// that.
fn window_under(
    input: Dims,
    kernel: u32,
    stride: u32,
    padding: Padding,
) -> std::result::Result<(Window, [u32; 2]), String> {
    let around = match padding {
        Padding::Count(p) => 2 * u64::from(p.min(kernel)),
        Padding::Named(_) => 0,
    };
    let side = |n: u32| -> u32 {
        let out = match padding {
            Padding::Named(NamedPadding::Same) => u64::from(n) * u64::from(stride),
            _ => (u64::from(n.max(1) - 1) * u64::from(stride) + u64::from(kernel)).saturating_sub(around),
        };
        // Too large a side is refused below, by the number of values.
        out.min(1 << 14) as u32
    };
    let output = Dims { height: side(input.height), width: side(input.width), ..input };
    if output.is_empty() {
        return Err(format!("nothing is left of {input} with kernel {kernel} and this padding"));
    }
    let (window, back) = window_over(output, kernel, stride, padding)?;
    match back == [input.height, input.width] {
        true => Ok((window, [output.height, output.width])),
        false => Err(format!(
            "{input} has no image of at most {0}x{0} pixels with this kernel and stride",
            1 << 14
        )),
    }
}

/// The window over `input`, and the height and width of what it gives. Every position of the window has
/// at least one place inside the image.
fn window_over(
    input: Dims,
    kernel: u32,
    stride: u32,
    padding: Padding,
) -> std::result::Result<(Window, [u32; 2]), String> {
    if kernel == 0 || stride == 0 {
        return Err("kernel and stride must be at least 1".into());
    }
    if kernel > 64 || stride > 64 {
        return Err("kernel and stride may be at most 64".into());
    }
    let side = |n: u32| -> std::result::Result<(u32, u32), String> {
        let (total, before, out) = match padding {
            Padding::Named(NamedPadding::Same) => {
                let out = n.div_ceil(stride);
                let total = ((out - 1) * stride + kernel).saturating_sub(n);
                (total, total / 2, Some(out))
            }
            Padding::Named(NamedPadding::Valid) => (0, 0, None),
            Padding::Count(p) if p < kernel => (2 * p, p, None),
            Padding::Count(p) => return Err(format!("padding {p} must be smaller than kernel {kernel}")),
        };
        let padded = n + total;
        if padded < kernel {
            return Err(format!("kernel {kernel} is larger than the padded input ({padded})"));
        }
        Ok((out.unwrap_or((padded - kernel) / stride + 1), before))
    };
    let ((height, pad_top), (width, pad_left)) = (side(input.height)?, side(input.width)?);
    Ok((Window { kernel, stride, pad_top, pad_left }, [height, width]))
}
