//! Shape inference: a [`ModelSpec`] and the data's sizes become two checked [`NetShape`]s.

use super::shape::{DataShape, Dims, LayerShape, ModelShape, NetShape};
use super::spec::{Init, LayerSpec, ModelSpec, NAMES, is_name};
use crate::error::Error;
use crate::layers::Weights;

/// A layer that does not fit: which network, which layer (from 0), and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeError {
    /// `discriminator` or `generator`; `name` of the model's name.
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
    let whole = |net, reason: String| Err(ShapeError { net, layer: None, reason });
    if !is_name(&spec.name) {
        return whole("name", NAMES.into());
    }
    if let Err(reason) = check_values(data.image) {
        return whole("discriminator", reason);
    }
    let d = infer_net("discriminator", &spec.discriminator.layers, data.image, data)?;
    let g = infer_net("generator", &spec.generator.layers, Dims::flat(spec.generator.latent), data)?;
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
    if !g.output().is_flat() && g.output() != data.image {
        let r = format!("the last layer gives images {}; those of the data are {}", g.output(), data.image);
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
    if !out.iter().any(LayerShape::is_affine) {
        return Err(ShapeError { net, layer: None, reason: "has no dense or conv2d layer".into() });
    }
    Ok(NetShape { name: net, input, layers: out })
}

/// Whether a row of an image or of a layer's output is not too large.
fn check_values(dims: Dims) -> std::result::Result<(), String> {
    match dims.values() {
        values if values > MAX_VALUES.into() => {
            Err(format!("{values} values per image; at most {MAX_VALUES} are supported"))
        }
        _ => Ok(()),
    }
}

fn infer_layer(layer: &LayerSpec, input: Dims, data: DataShape) -> std::result::Result<LayerShape, String> {
    let (output, window) = layer.op.shape(input, data)?;
    if let Some(Weights { init: Init::Normal(s), .. }) = layer.op.weights()
        && !(s.is_finite() && s > 0.0)
    {
        return Err(format!("init standard deviation {s} must be positive"));
    }
    check_values(output)?;
    Ok(LayerShape { op: layer.op.clone(), feature: layer.feature, input, output, window })
}
