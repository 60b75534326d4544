//! A network built in code in place of a model file: `cargo run --release --example model_in_code`.

use ssgan::layers::{Dense, Flatten, GaussianNoise, LayerOp, NamedUnits, Relu, Sigmoid, Units, WeightNorm};
use ssgan::model::infer::infer;
use ssgan::model::spec::{DiscriminatorSpec, GeneratorSpec, LayerSpec, ModelSpec, Prior};
use ssgan::model::summary::ModelSummary;
use ssgan::shape::{DataShape, Dims};

fn dense(units: Units) -> LayerOp {
    LayerOp::Dense(Dense { units, bias: true, weight_norm: WeightNorm::Fixed, init: Default::default() })
}

fn main() -> ssgan::Result<()> {
    let layer = |op| LayerSpec { op, feature: false };
    let hidden = [500, 250].into_iter().flat_map(|units| {
        [
            layer(LayerOp::GaussianNoise(GaussianNoise { sigma: 0.3 })),
            layer(dense(Units::Count(units))),
            // The last of these is f(x), which the generator matches.
            LayerSpec { op: LayerOp::Relu(Relu {}), feature: units == 250 },
        ]
    });
    let discriminator = [layer(LayerOp::Flatten(Flatten {}))]
        .into_iter()
        .chain(hidden)
        .chain([layer(dense(Units::Named(NamedUnits::Classes)))])
        .collect();
    let generator = vec![
        layer(dense(Units::Count(300))),
        layer(LayerOp::Relu(Relu {})),
        layer(dense(Units::Named(NamedUnits::Pixels))),
        layer(LayerOp::Sigmoid(Sigmoid {})),
    ];
    let spec = ModelSpec {
        name: "mine".into(),
        discriminator: DiscriminatorSpec { layers: discriminator },
        generator: GeneratorSpec { latent: 50, prior: Prior::Uniform, layers: generator },
    };
    // Colour images of 32 x 32 pixels, ten classes. `Trainer::new` takes the model as it takes one from a file.
    let data = DataShape { image: Dims { height: 32, width: 32, channels: 3 }, classes: 10 };
    let model = infer(&spec, data)?;
    for layer in ModelSummary::new(&model).discriminator.layers {
        println!("{:15} {:>10} {:>10} parameters", layer.layer, layer.output, layer.parameters);
    }
    Ok(())
}
