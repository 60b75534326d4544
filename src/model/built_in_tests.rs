//! The models and generators that come with the program, on images of many shapes.

use super::super::shape::Dims;
use super::*;

/// Heights and widths.
const SIDES: [(u32, u32); 11] = [
    (8, 8),
    (8, 64),
    (9, 14),
    (16, 16),
    (17, 31),
    (28, 28),
    (30, 33),
    (32, 32),
    (48, 32),
    (63, 64),
    (64, 64),
];

fn shapes() -> impl Iterator<Item = DataShape> {
    let shape =
        |height, width, channels, classes| DataShape { image: Dims { height, width, channels }, classes };
    SIDES.into_iter().flat_map(move |(height, width)| {
        [1, 3]
            .into_iter()
            .flat_map(move |channels| [2, 10, 26, 1000].map(|k| shape(height, width, channels, k)))
    })
}

/// Every model with its own generator, and with each of the others.
fn models() -> Vec<(&'static str, &'static str, ModelSpec)> {
    let own = BUILT_IN.map(|(name, source)| (name, source, parse(source, name).unwrap()));
    let generators = GENERATORS.map(|(name, source)| parse_generator(source, name).unwrap());
    let others = own.iter().flat_map(|(name, source, spec)| {
        let with = |g: &GeneratorSpec| (*name, *source, ModelSpec { generator: g.clone(), ..spec.clone() });
        generators.iter().map(with).collect::<Vec<_>>()
    });
    own.iter().cloned().chain(others).collect()
}

/// The least side of an image that a model takes: the windows of its unpadded layers must fit.
fn least(name: &str) -> u32 {
    match name {
        "cnn-deep" => 12,
        "photo" => 9,
        _ => 7,
    }
}

#[test]
fn models_adapt_to_the_data() {
    for (name, source, spec) in models() {
        assert_eq!(spec.name, name);
        for data in shapes() {
            let fits = data.image.height.min(data.image.width) >= least(name);
            match infer(&spec, data) {
                Ok(model) => {
                    assert!(fits, "{name} on {data:?}");
                    let (d, g) = (&model.discriminator, &model.generator);
                    assert_eq!((d.input, d.output()), (data.image, Dims::flat(data.classes)), "{name}");
                    assert!(
                        [Dims::flat(data.image.len()), data.image].contains(&g.output()),
                        "{name} on {data:?}"
                    );
                }
                Err(e) => {
                    assert!(!fits, "{name} on {data:?}: {e}");
                    // Of the model itself, not of one with another generator, the message says what to take.
                    let text = check(&spec, source, name, data).unwrap_err().to_string();
                    assert!(text.contains("models for images ") && text.contains("dnn, cnn"), "{text}");
                }
            }
        }
    }
}

/// What the file gives is what serde reads of it alone.
#[test]
fn built_in_models_read_alike() {
    for (name, source) in BUILT_IN {
        assert_eq!(built_in(name).unwrap().1.unwrap(), toml::from_str::<ModelSpec>(source).unwrap());
    }
}

/// Shapes know what they were inferred from, and it can be written.
#[test]
fn shapes_give_back_their_model() {
    let data = DataShape { image: Dims { height: 32, width: 32, channels: 3 }, classes: 10 };
    for (name, _, spec) in models() {
        let back = infer(&spec, data).unwrap().spec();
        assert_eq!(back, spec);
        assert_eq!(parse(&back.to_toml().unwrap(), name).unwrap(), spec);
    }
}

/// What no built-in model has can be written too: a run must not end at its first checkpoint.
#[test]
fn every_setting_can_be_written() {
    let text = r#"
name = "others"
[discriminator]
layers = [
    { op = "random_shift", pixels = 1 },
    { op = "random_flip" },
    { op = "gaussian_noise", sigma = 1e-9 },
    { op = "conv2d", channels = 4, kernel = 3, padding = 1, weight_norm = "unit", init = "he_normal" },
    { op = "batch_norm", eps = 1e-7, statistics = "joined", bias = false },
    { op = "tanh" },
    { op = "avg_pool2d", kernel = 2 },
    { op = "global_avg_pool", feature = true },
    { op = "minibatch_discrimination", kernels = 2, init = { normal = 0.1 } },
    { op = "dense", units = "classes" },
]
[generator]
latent = 5
prior = "normal"
layers = [
    { op = "dense", units = { channels = 3, image_stride = 16 }, bias = false },
    { op = "unflatten", height = 2, width = 2 },
    { op = "softplus" },
    { op = "conv_transpose2d", channels = 3, kernel = 16, stride = 16, padding = "valid" },
    { op = "conv_transpose2d", channels = "image", kernel = 3, image_stride = 1 },
    { op = "sigmoid" },
]
"#;
    let spec = parse(text, "others.toml").unwrap();
    assert_eq!(parse(&spec.to_toml().unwrap(), "others.toml").unwrap(), spec);
}

/// On MNIST the convolutional generator has the sizes that the recorded runs of docs/results had.
#[test]
fn the_convolutional_generator_on_mnist() {
    let (_, source) = GENERATORS[0];
    let generator = parse_generator(source, "conv").unwrap();
    let spec = ModelSpec { generator, ..built_in("cnn").unwrap().1.unwrap() };
    let image = Dims { height: 28, width: 28, channels: 1 };
    let g = infer(&spec, DataShape { image, classes: 10 }).unwrap().generator;
    let outputs: Vec<String> = g.layers.iter().map(|l| l.output.to_string()).collect();
    let up = ["64x7x7", "64x7x7", "64x7x7", "32x14x14", "32x14x14", "32x14x14", "1x28x28", "1x28x28"];
    assert_eq!(outputs[0], "3136");
    assert_eq!(outputs[1..], up);
    let pads = g.layers.iter().filter_map(|l| l.window).map(|w| (w.kernel, w.stride, w.pad_top, w.pad_left));
    assert_eq!(pads.collect::<Vec<_>>(), [(5, 2, 1, 1); 2]);
}

/// The documentation names every layer with its settings, every model and generator.
#[test]
fn the_documentation_is_complete() {
    let page = include_str!("../../docs/models.md");
    let row = |layer: &str| {
        let of =
            |line: &&str| line.split('|').nth(1).is_some_and(|first| first.contains(&format!("`{layer}`")));
        page.lines().filter(|line| line.starts_with('|')).find(of).unwrap_or_default()
    };
    let settings =
        LAYER_NAMES.iter().flat_map(|layer| LayerOp::keys_of(layer).iter().map(move |key| (layer, key)));
    let told = |(layer, key): &(&&str, &&str)| row(layer).contains(&format!("`{key}`"));
    let missing: Vec<_> = settings.filter(|setting| !told(setting)).collect();
    assert!(missing.is_empty(), "docs/models.md does not tell the settings {missing:?}");
    let names = LAYER_NAMES.iter().chain(BUILT_IN.iter().chain(&GENERATORS).map(|(name, _)| name));
    let missing: Vec<_> = names.filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/models.md does not name {missing:?}");
}
