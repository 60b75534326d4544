//! The small models and data sets of these tests.

use crate::data::{self, Split};
use crate::model::parse;
use crate::model::shape::{DataShape, Dims, ModelShape};
use crate::rng::{self, Counter};

/// Classes of a data set, where nothing else is said.
pub const CLASSES: u32 = 3;

/// Dense layers only: every weight normalisation with and without bias, noise after every activation, batch
/// norm without scale, minibatch discrimination within the features, a generator with data-dependent initialisation, a uniform prior.
pub const DNN: &str = r#"
name = "small-dnn"
[discriminator]
layers = [
    { op = "flatten" },
    { op = "gaussian_noise", sigma = 0.3 },
    { op = "dense", units = 20, weight_norm = "fixed", init = { normal = 0.1 } },
    { op = "relu" },
    { op = "gaussian_noise", sigma = 0.5 },
    { op = "dense", units = 13, weight_norm = "trained", bias = false, init = "he_normal" },
    { op = "softplus" },
    { op = "gaussian_noise", sigma = 0.5 },
    { op = "dense", units = 9, weight_norm = "plain" },
    { op = "tanh" },
    { op = "minibatch_discrimination", kernels = 2, dims = 2, init = "he_normal" },
    { op = "gaussian_noise", sigma = 0.5, feature = true },
    { op = "dense", units = "classes", weight_norm = "trained", init = { normal = 0.1 } },
]
[generator]
latent = 7
prior = "uniform"
layers = [
    { op = "dense", units = 17, bias = false },
    { op = "batch_norm", eps = 1e-3, scale = false },
    { op = "softplus" },
    { op = "gaussian_noise", sigma = 0.1 },
    { op = "dense", units = 11, weight_norm = "trained" },
    { op = "tanh" },
    { op = "dense", units = "pixels", weight_norm = "plain" },
    { op = "sigmoid" },
]
"#;

/// Convolutions of stride 1 and 2, batch norm with statistics of each input alone, dropout, leaky ReLU, largest
/// values of windows, global average pooling, shifted images, a generator of transposed
/// convolutions with few and with many channels, a normal prior.
pub const CNN_SEPARATE: &str = r#"
name = "small-cnn"
[discriminator]
layers = [
    { op = "random_shift", pixels = 1 },
    { op = "gaussian_noise", sigma = 0.1 },
    { op = "conv2d", channels = 6, kernel = 3, bias = false },
    { op = "batch_norm", eps = 1e-3, momentum = 0.25 },
    { op = "leaky_relu" },
    { op = "max_pool2d", kernel = 3, stride = 1, padding = "same" },
    { op = "dropout", rate = 0.25 },
    { op = "conv2d", channels = 8, kernel = 3, stride = 2, weight_norm = "trained" },
    { op = "leaky_relu", slope = 0.1 },
    { op = "conv2d", channels = 5, kernel = 2, padding = "valid", weight_norm = "fixed" },
    { op = "softplus" },
    { op = "global_avg_pool", feature = true },
    { op = "dropout", rate = 0.1 },
    { op = "dense", units = "classes" },
]
[generator]
latent = 6
prior = "normal"
layers = [
    { op = "dense", units = 24, bias = false },
    { op = "batch_norm", eps = 1e-3 },
    { op = "leaky_relu" },
    { op = "dropout", rate = 0.2 },
    { op = "unflatten", height = 2, width = 2 },
    { op = "conv_transpose2d", channels = 7, kernel = 3, stride = 2, bias = false },
    { op = "batch_norm", eps = 1e-3 },
    { op = "softplus" },
    { op = "conv_transpose2d", channels = 5, kernel = 2, padding = "valid" },
    { op = "tanh" },
    { op = "conv_transpose2d", channels = 3, kernel = 4, stride = 2, padding = 1 },
    { op = "softplus" },
    { op = "flatten" },
    { op = "dense", units = "pixels", init = "he_normal" },
    { op = "sigmoid" },
]
"#;

/// As [`CNN_SEPARATE`], but batch norm joins the rows of all inputs, so that G's gradient also runs through
/// the unlabelled rows, and the features are flattened; means of windows.
pub const CNN_JOINED: &str = r#"
name = "small-cnn-joined"
[discriminator]
layers = [
    { op = "random_affine", shift = 1.5, warp = 0.25 },
    { op = "conv2d", channels = 8, kernel = 3, stride = 2, padding = 1, bias = false, init = "he_normal" },
    { op = "batch_norm", eps = 1e-3, statistics = "joined" },
    { op = "leaky_relu" },
    { op = "gaussian_noise", sigma = 0.3 },
    { op = "conv2d", channels = 6, kernel = 5, weight_norm = "plain" },
    { op = "tanh" },
    { op = "gaussian_noise", sigma = 0.1 },
    { op = "avg_pool2d", kernel = 2 },
    { op = "dropout", rate = 0.25 },
    { op = "conv2d", channels = 4, kernel = 1, bias = false },
    { op = "batch_norm", eps = 1e-3, statistics = "joined", scale = false },
    { op = "leaky_relu", slope = 0.3 },
    { op = "flatten", feature = true },
    { op = "dense", units = "classes", weight_norm = "trained" },
]
[generator]
latent = 5
prior = "normal"
layers = [
    { op = "dense", units = 16, bias = false },
    { op = "batch_norm", eps = 1e-3, statistics = "joined", bias = false },
    { op = "softplus" },
    { op = "dense", units = "pixels" },
    { op = "sigmoid" },
]
"#;

/// As `photo`: mirrored and shifted images with values dropped out, convolutions with weight normalisation, the last of
/// 3x3 without padding, one of 1x1, global average pooling; a generator of transposed convolutions whose sizes are those of
/// the data's images.
pub const PHOTO: &str = r#"
name = "small-photo"
[discriminator]
layers = [
    { op = "random_flip" },
    { op = "random_shift", pixels = 1 },
    { op = "dropout", rate = 0.2 },
    { op = "conv2d", channels = 4, kernel = 3, weight_norm = "fixed", init = { normal = 0.3 } },
    { op = "leaky_relu" },
    { op = "conv2d", channels = 4, kernel = 3, stride = 2, weight_norm = "fixed", init = { normal = 0.3 } },
    { op = "leaky_relu" },
    { op = "dropout", rate = 0.3 },
    { op = "conv2d", channels = 6, kernel = 3, stride = 2, weight_norm = "fixed", init = { normal = 0.3 } },
    { op = "leaky_relu" },
    { op = "conv2d", channels = 6, kernel = 3, padding = "valid", weight_norm = "fixed", init = { normal = 0.3 } },
    { op = "leaky_relu" },
    { op = "conv2d", channels = 5, kernel = 1, weight_norm = "fixed", init = { normal = 0.3 } },
    { op = "leaky_relu" },
    { op = "global_avg_pool", feature = true },
    { op = "dense", units = "classes", weight_norm = "trained", init = { normal = 0.3 } },
]
[generator]
latent = 5
layers = [
    { op = "dense", units = { channels = 6, image_stride = 4 }, bias = false },
    { op = "unflatten", image_stride = 4 },
    { op = "batch_norm", eps = 1e-3, scale = false },
    { op = "relu" },
    { op = "conv_transpose2d", channels = 4, kernel = 5, stride = 2, image_stride = 2, bias = false },
    { op = "batch_norm", eps = 1e-3, scale = false },
    { op = "relu" },
    { op = "conv_transpose2d", channels = "image", kernel = 5, stride = 2, image_stride = 1 },
    { op = "sigmoid" },
]
"#;

/// Images of `height` x `width` x `channels` of `classes` classes.
pub fn shape(height: u32, width: u32, channels: u32, classes: u32) -> DataShape {
    DataShape { image: Dims { height, width, channels }, classes }
}

/// A model on images of `side` x `side` x `channels`.
pub fn model(toml: &str, side: u32, channels: u32) -> ModelShape {
    model_on(toml, shape(side, side, channels, CLASSES))
}

/// A model on such data.
pub fn model_on(toml: &str, data: DataShape) -> ModelShape {
    let spec = parse::parse(toml, "model.toml").unwrap();
    parse::check(&spec, toml, "model.toml", data).unwrap()
}

/// Images of uniform noise that is brighter or darker by class; `train` of them to learn from.
pub fn data_set(model: &ModelShape, train: usize) -> data::Dataset {
    data_set_with(model, train, 10)
}

/// As [`data_set`] with so many to test with.
pub fn data_set_with(model: &ModelShape, train: usize, test: usize) -> data::Dataset {
    let pixels = model.data.image.len();
    let split = |n: usize, stream: u32| {
        let labels: Vec<u8> = (0..n).map(|i| (i % model.data.classes as usize) as u8).collect();
        let value = |e: u32| {
            let class = f64::from(labels[(e / pixels) as usize] % 3);
            255.0 * (0.2 * class + 0.6 * rng::uniform(9, Counter { stream, step: 0 }, e))
        };
        let images = (0..n as u32 * pixels).map(|e| value(e) as u8).collect();
        Split::labelled(images, labels)
    };
    data::Dataset::new("noise", model.data, split(train, 0xF000), split(test, 0xF001)).unwrap()
}
