//! What `ssgan model` shows: layer, output shape, parameters, operations per image.

use super::shape::{LayerShape, ModelShape, NetShape};
use serde::Serialize;

/// Both networks of a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelSummary {
    /// The model's name.
    pub model: String,
    /// Shape of one image, `CxHxW`.
    pub image: String,
    /// K.
    pub classes: u32,
    /// Images to K logits.
    pub discriminator: NetSummary,
    /// z to images.
    pub generator: NetSummary,
}

/// One network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NetSummary {
    /// Shape of one input.
    pub input: String,
    /// Layers, first to last.
    pub layers: Vec<LayerSummary>,
    /// Trained parameters.
    pub parameters: usize,
    /// Floating-point operations of one image's forward pass, 2 per multiply-add.
    pub flops: u64,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerSummary {
    /// Such as `dense`.
    pub layer: &'static str,
    /// Whether its output is f(x) of feature matching.
    pub feature: bool,
    /// Shape of its output: `CxHxW`, or a number of features.
    pub output: String,
    /// Trained parameters.
    pub parameters: usize,
    /// Floating-point operations of one image's forward pass.
    pub flops: u64,
}

impl ModelSummary {
    /// Summarises a checked model.
    pub fn new(model: &ModelShape) -> ModelSummary {
        ModelSummary {
            model: model.name.clone(),
            image: model.data.image.as_image(),
            classes: model.data.classes,
            discriminator: NetSummary::new(&model.discriminator),
            generator: NetSummary::new(&model.generator),
        }
    }
}

impl NetSummary {
    fn new(net: &NetShape) -> NetSummary {
        let layers: Vec<LayerSummary> = net.layers.iter().map(LayerSummary::new).collect();
        NetSummary {
            input: net.input.to_string(),
            parameters: net.parameters(),
            flops: layers.iter().map(|l| l.flops).sum(),
            layers,
        }
    }
}

impl LayerSummary {
    fn new(layer: &LayerShape) -> LayerSummary {
        LayerSummary {
            layer: layer.op.name(),
            feature: layer.feature,
            output: layer.output.to_string(),
            parameters: layer.params().iter().filter(|p| p.trained).map(|p| p.len()).sum(),
            flops: layer.flops(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::parse;
    use crate::model::shape::{DataShape, Dims};

    #[test]
    fn totals_of_the_dnn_on_mnist() {
        let (source, spec) = parse::built_in("dnn").unwrap();
        let spec = spec.unwrap();
        let data = DataShape { image: Dims { height: 28, width: 28, channels: 1 }, classes: 10 };
        let s = ModelSummary::new(&parse::check(&spec, source, "dnn", data).unwrap());
        let pairs = [(784u64, 1000u64), (1000, 500), (500, 250), (250, 250), (250, 250), (250, 10)];
        // Weights and biases everywhere; only the last layer's scale is trained.
        let parameters: u64 = pairs.iter().map(|(i, o)| i * o + o).sum::<u64>() + 10;
        assert_eq!(s.discriminator.parameters as u64, parameters);
        let dense: u64 = s.discriminator.layers.iter().filter(|l| l.layer == "dense").map(|l| l.flops).sum();
        assert_eq!(dense, pairs.iter().map(|(i, o)| 2 * i * o).sum::<u64>());
        assert!(s.discriminator.layers[15].feature && s.discriminator.layers[15].layer == "relu");
    }
}
