//! Central differences, for the tests of this module.

use super::NetParams;
use crate::model::infer::infer;
use crate::model::shape::{DataShape, Dims, ModelShape, NetShape};
use crate::model::spec::ModelSpec;
use crate::rng::{Counter, normal};

/// Step of the central difference.
const EPS: f64 = 1e-6;
/// Tolerances; both sides are float64, so they can be tight.
const ATOL: f64 = 1e-6;
const RTOL: f64 = 1e-4;

/// `n` fixed standard normal numbers; another `stream`, others.
pub fn numbers(stream: u32, n: usize) -> Vec<f64> {
    (0..n).map(|e| normal(17, Counter { stream, step: 0 }, e as u32)).collect()
}

/// Inner product.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Panics unless `gradient` is that of the scalar `f` at `x`. Refuses a gradient too small to tell anything.
pub fn check_gradient(name: &str, x: &[f64], gradient: &[f64], f: impl Fn(&[f64]) -> f64) {
    let largest = gradient.iter().fold(0.0f64, |a, g| a.max(g.abs()));
    assert!(
        largest > 100.0 * ATOL,
        "{name}: largest gradient {largest} is within the tolerance: tests nothing"
    );
    let mut at = x.to_vec();
    let difference: Vec<f64> = (0..x.len())
        .map(|e| {
            at[e] = x[e] + EPS;
            let above = f(&at);
            at[e] = x[e] - EPS;
            let below = f(&at);
            at[e] = x[e];
            (above - below) / (2.0 * EPS)
        })
        .collect();
    super::assert_close(name, &difference, gradient, RTOL, ATOL);
}

/// [`check_gradient`] for a function of one number and its slope.
pub fn check_map(f: &dyn Fn(f64) -> f64, slope: &dyn Fn(f64) -> f64) {
    let (x, c) = (numbers(1, 40), numbers(2, 40));
    assert!(x.iter().all(|x| x.abs() > 1e-3), "a value on the kink");
    let grad: Vec<f64> = x.iter().zip(&c).map(|(&x, c)| slope(x) * c).collect();
    check_gradient("a map", &x, &grad, |x| x.iter().zip(&c).map(|(&x, c)| f(x) * c).sum());
}

/// [`check_gradient`] for every parameter of a network; running statistics, which have no gradient, excepted.
pub fn check_params(
    name: &str,
    net: &NetShape,
    params: &NetParams,
    gradients: &NetParams,
    f: impl Fn(&NetParams) -> f64,
) {
    let mut places = vec![];
    for (i, layer) in net.layers.iter().enumerate() {
        for (j, shape) in layer.params().iter().enumerate().filter(|(_, p)| !p.name.starts_with("running")) {
            assert_eq!(gradients[i][j].len(), shape.len(), "{name}: layer {i} {}", shape.name);
            places.extend((0..shape.len()).map(|e| (i, j, e)));
        }
    }
    let values = |of: &NetParams| -> Vec<f64> { places.iter().map(|&(i, j, e)| of[i][j][e]).collect() };
    check_gradient(name, &values(params), &values(gradients), |x| {
        let mut at = params.clone();
        for (&(i, j, e), v) in places.iter().zip(x) {
            at[i][j][e] = *v;
        }
        f(&at)
    });
}

/// A small fully connected model on 2x3x1 images with three classes: every weight normalisation, noise,
/// batch norm with and without scale, separate and joined, minibatch discrimination.
pub fn dnn() -> ModelShape {
    model(
        r#"
        name = "dnn"
        [discriminator]
        layers = [
            { op = "flatten" },
            { op = "gaussian_noise", sigma = 0.3 },
            { op = "dense", units = 7, weight_norm = "trained", init = { normal = 0.1 } },
            { op = "relu" },
            { op = "gaussian_noise", sigma = 0.5 },
            { op = "dense", units = 6, weight_norm = "fixed" },
            { op = "tanh", feature = true },
            { op = "batch_norm", eps = 1e-3 },
            { op = "gaussian_noise", sigma = 0.5 },
            { op = "minibatch_discrimination", kernels = 3, dims = 2 },
            { op = "dense", units = "classes", weight_norm = "trained" },
        ]
        [generator]
        latent = 4
        layers = [
            { op = "dense", units = 5 },
            { op = "batch_norm", eps = 1e-6, scale = false },
            { op = "softplus" },
            { op = "dense", units = 6, bias = false },
            { op = "batch_norm", statistics = "joined" },
            { op = "leaky_relu" },
            { op = "dense", units = "pixels", weight_norm = "plain" },
            { op = "sigmoid" },
        ]
        "#,
        Dims { height: 2, width: 3, channels: 1 },
    )
}

/// A small convolutional model on 5x6x2 images with three classes: strides 1 and 2, all paddings, batch norm,
/// leaky ReLU, dropout, pooling, shifts, a generator with transposed
/// convolutions; a normal prior.
pub fn cnn() -> ModelShape {
    model(
        r#"
        name = "cnn"
        [discriminator]
        layers = [
            { op = "conv2d", channels = 3, kernel = 3, bias = false },
            { op = "batch_norm" },
            { op = "leaky_relu", slope = 0.1 },
            { op = "max_pool2d", kernel = 3, stride = 1, padding = "same" },
            { op = "dropout", rate = 0.25 },
            { op = "conv2d", channels = 4, kernel = 3, stride = 2, weight_norm = "trained" },
            { op = "batch_norm", statistics = "joined", bias = false },
            { op = "leaky_relu" },
            { op = "avg_pool2d", kernel = 2, stride = 1, padding = 1 },
            { op = "conv2d", channels = 3, kernel = 2, padding = 1, stride = 2, init = "he_normal" },
            { op = "softplus" },
            { op = "conv2d", channels = 4, kernel = 2, padding = "valid", feature = true },
            { op = "batch_norm" },
            { op = "tanh" },
            { op = "random_shift", pixels = 1 },
            { op = "random_affine", shift = 0.7, warp = 0.3 },
            { op = "random_flip" },
            { op = "global_avg_pool" },
            { op = "dense", units = "classes" },
        ]
        [generator]
        latent = 3
        prior = "normal"
        layers = [
            { op = "dense", units = 18 },
            { op = "batch_norm" },
            { op = "softplus" },
            { op = "dropout", rate = 0.25 },
            { op = "unflatten", height = 3, width = 3 },
            { op = "conv_transpose2d", channels = 3, kernel = 2, padding = 1, bias = false },
            { op = "conv_transpose2d", channels = 2, kernel = 4, stride = 2, init = "he_normal" },
            { op = "tanh" },
            { op = "flatten" },
            { op = "dense", units = "pixels" },
            { op = "sigmoid" },
        ]
        "#,
        Dims { height: 5, width: 6, channels: 2 },
    )
}

fn model(text: &str, image: Dims) -> ModelShape {
    let spec: ModelSpec = toml::from_str(text).unwrap();
    infer(&spec, DataShape { image, classes: 3 }).unwrap()
}

/// Fresh parameters with every trained 0 or 1 moved a little, so that no gradient is special.
pub fn params(net: &NetShape, seed: u64) -> NetParams {
    let mut params = super::init_params(net, seed, 0);
    for (i, layer) in net.layers.iter().enumerate() {
        for (j, shape) in layer.params().iter().enumerate().filter(|(_, p)| p.name != "weight_v") {
            let shift = numbers((i * 10 + j) as u32, shape.len());
            params[i][j].iter_mut().zip(shift).for_each(|(p, s)| *p += 0.3 * s.tanh());
        }
    }
    params
}

#[test]
fn accepts_the_right_gradient() {
    check_gradient("square", &[1.0, -2.0], &[2.0, -4.0], |x| x[0] * x[0] + x[1] * x[1]);
}

#[test]
#[should_panic(expected = "square: index 1")]
fn rejects_a_wrong_gradient() {
    check_gradient("square", &[1.0, -2.0], &[2.0, -4.001], |x| x[0] * x[0] + x[1] * x[1]);
}

#[test]
#[should_panic(expected = "tests nothing")]
fn rejects_a_vanishing_gradient() {
    check_gradient("nothing", &[1.0], &[0.0], |_| 0.0);
}
