//! Small models whose discriminators have every layer, in the arrangements that an export must tell apart.

use ssgan::shape::Dims;

/// Rows alone: every weight normalisation, batch norm of rows, minibatch discrimination, and what acts in training alone.
const ROWS: &str = r#"
    { op = "flatten" },
    { op = "gaussian_noise", sigma = 0.2 },
    { op = "dense", units = 24, weight_norm = "fixed", init = { normal = 0.1 } },
    { op = "relu" },
    { op = "dense", units = 20, weight_norm = "trained", bias = false },
    { op = "batch_norm", eps = 1e-3, scale = false },
    { op = "softplus" },
    { op = "dense", units = 16, weight_norm = "plain", init = "he_normal" },
    { op = "batch_norm", bias = false },
    { op = "tanh" },
    { op = "dense", units = 12, weight_norm = "unit" },
    { op = "sigmoid" },
    { op = "minibatch_discrimination", kernels = 3, dims = 4, init = "he_normal" },
    { op = "dropout", rate = 0.2, feature = true },
    { op = "dense", units = "classes" },
"#;

/// Images: windows with even and odd sides, strides that leave out an edge or pass over it, all paddings, rows in between.
const IMAGES: &str = r#"
    { op = "random_shift", pixels = 1 },
    { op = "random_flip" },
    { op = "random_affine", shift = 1.0, warp = 0.1 },
    { op = "conv2d", channels = 6, kernel = 4, stride = 2, weight_norm = "trained" },
    { op = "batch_norm", eps = 1e-3 },
    { op = "leaky_relu", slope = 0.1 },
    { op = "max_pool2d", kernel = 3, stride = 2, padding = "same" },
    { op = "conv_transpose2d", channels = 5, kernel = 3, stride = 2 },
    { op = "softplus" },
    { op = "conv_transpose2d", channels = 4, kernel = 2, stride = 3 },
    { op = "avg_pool2d", kernel = 4, stride = 3, padding = 2 },
    { op = "conv_transpose2d", channels = 4, kernel = 4, stride = 2, padding = 1, bias = false },
    { op = "tanh" },
    { op = "conv2d", channels = 7, kernel = 3, stride = 3, padding = 1, bias = false },
    { op = "max_pool2d", kernel = 2, padding = "valid" },
    { op = "flatten", feature = true },
    { op = "dense", units = 30, weight_norm = "fixed" },
    { op = "relu" },
    { op = "unflatten", height = 3, width = 5 },
    { op = "conv2d", channels = 8, kernel = 2, padding = "valid" },
    { op = "leaky_relu" },
    { op = "avg_pool2d", kernel = 2, stride = 1, padding = "same" },
    { op = "global_avg_pool" },
    { op = "dense", units = "classes" },
"#;

/// Images of one pixel: dense layers and batch norm that take them as they are, a convolution over a row, and one that gives
/// the logits.
const PIXELS: &str = r#"
    { op = "flatten" },
    { op = "unflatten", height = 6, width = 9 },
    { op = "conv2d", channels = 5, kernel = 6, stride = 4, padding = "valid" },
    { op = "batch_norm" },
    { op = "relu" },
    { op = "dense", units = 10 },
    { op = "sigmoid", feature = true },
    { op = "conv2d", channels = 8, kernel = 3, weight_norm = "plain" },
    { op = "tanh" },
    { op = "global_avg_pool" },
    { op = "conv2d", channels = 4, kernel = 1 },
    { op = "dropout", rate = 0.1 },
"#;

/// Classes of the data that the models are for.
pub const CLASSES: u32 = 4;

/// The name of a model, its file, and the images that it is for: in colour, and of other height than width, where it cares.
pub fn all() -> [(&'static str, String, Dims); 3] {
    let colour = Dims { height: 11, width: 14, channels: 3 };
    let [rows, images, pixels] =
        [(ROWS, "rows"), (IMAGES, "images"), (PIXELS, "pixels")].map(|(l, n)| (n, file(n, l)));
    let grey = Dims { height: 6, width: 9, channels: 1 };
    [(rows.0, rows.1, colour), (images.0, images.1, colour), (pixels.0, pixels.1, grey)]
}

fn file(name: &str, layers: &str) -> String {
    format!(
        "name = \"{name}\"\n[discriminator]\nlayers = [{layers}]\n[generator]\nlatent = 3\nlayers = [\n\
         {{ op = \"dense\", units = \"pixels\" }},\n{{ op = \"sigmoid\" }},\n]\n"
    )
}

/// A layer that no model here has is not compared with what other programs make of it.
#[test]
fn every_layer_is_exported_by_a_test() {
    let all = all().map(|(_, toml, _)| toml).concat();
    for name in ssgan::model::spec::LAYER_NAMES {
        assert!(all.contains(&format!("op = \"{name}\"")), "{name} is in no model of this file");
    }
}
