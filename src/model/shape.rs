//! Networks with all shapes known: what every later stage (GPU plan, CPU twin, summary, checkpoint) reads.
//! [`super::infer`] makes them.

use super::spec::{DiscriminatorSpec, GeneratorSpec, LayerSpec, ModelSpec, Prior};
use crate::data::Dataset;
use crate::error::{Error, Result};
pub use crate::layers::{LayerShape, ParamShape};
pub use crate::shape::{DataShape, Dims, Window};

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
    /// Index of the last product with weights, which a discriminator makes its logits by.
    ///
    /// # Panics
    /// If there is none; [`super::infer`] refuses such a network.
    pub fn last_affine(&self) -> usize {
        self.layers.iter().rposition(LayerShape::is_affine).expect("a checked network has a product")
    }
    /// What the last product is given, of one row.
    pub fn last_affine_input(&self) -> Dims {
        self.layers[self.last_affine()].input
    }
    /// Index of the layer whose output the last product is given; none where that is the network's input.
    pub fn below_last_affine(&self) -> Option<usize> {
        self.last_affine().checked_sub(1)
    }
    /// Whether what it says of a row depends on the other rows, in evaluation too.
    pub fn compares_rows(&self) -> bool {
        self.layers.iter().any(|l| l.op.name() == "minibatch_discrimination")
    }
    /// Values of one row's largest activation, its input among them.
    pub fn largest(&self) -> u32 {
        let of = |l: &LayerShape| l.output.len().max(l.product_columns());
        self.layers.iter().map(of).fold(self.input.len(), u32::max)
    }
    /// Whether a batch norm of it has one value of each channel in a row.
    pub fn normalises_rows(&self) -> bool {
        self.layers.iter().any(|l| l.op.statistics().is_some() && l.output.is_flat())
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

impl ModelShape {
    /// Refuses data that the shapes were not inferred for.
    ///
    /// # Errors
    /// As [`Dataset::check`]; [`Error::Usage`] for images of another size, or another number of classes.
    pub fn check_data(&self, data: &Dataset) -> Result<()> {
        data.check()?;
        if self.data == data.shape {
            return Ok(());
        }
        let of = |shape: DataShape| format!("images {} of {} classes", shape.image, shape.classes);
        Err(Error::Usage(format!(
            "the model {} was made for {}, and {} has {}: infer its shapes for these data",
            self.name,
            of(self.data),
            data.name,
            of(data.shape)
        )))
    }

    /// What the shapes were inferred from.
    pub fn spec(&self) -> ModelSpec {
        let layers = |net: &NetShape| -> Vec<LayerSpec> {
            net.layers.iter().map(|l| LayerSpec { op: l.op.clone(), feature: l.feature }).collect()
        };
        ModelSpec {
            name: self.name.clone(),
            discriminator: DiscriminatorSpec { layers: layers(&self.discriminator) },
            generator: GeneratorSpec {
                latent: self.generator.input.channels,
                prior: self.prior,
                layers: layers(&self.generator),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::data::{Dataset, Split};
    use crate::error::Error;
    use crate::model::parse;
    use crate::shape::{DataShape, Dims};

    #[test]
    fn other_data_are_refused() {
        let shape = |width, classes| DataShape { image: Dims { height: 8, width, channels: 1 }, classes };
        let data = |shape: DataShape, class: u16| {
            let test = Split::labelled(vec![0; shape.image.len() as usize], [class]);
            Dataset::new("given", shape, Split::default(), test).unwrap()
        };
        let (text, spec) = parse::built_in("dnn").unwrap();
        let model = parse::check(&spec.unwrap(), text, "dnn", shape(8, 3)).unwrap();
        model.check_data(&data(shape(8, 3), 2)).unwrap();
        for (other, said) in [(shape(7, 3), "given has images 1x8x7"), (shape(8, 4), "of 4 classes")] {
            let e = model.check_data(&data(other, 2)).unwrap_err();
            assert!(matches!(&e, Error::Usage(m) if m.contains(said)), "{e}");
        }
        // The shape is right, a label is not.
        let mut broken = data(shape(8, 3), 2);
        broken.test.labels[0] = Some(3);
        assert!(matches!(model.check_data(&broken), Err(Error::Data(_))));
    }
}
