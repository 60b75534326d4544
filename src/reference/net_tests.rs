//! Tests of whole networks: gradients of the losses, groups, statistics, modes, initialisation.

use super::gradient_check::*;
use super::optimizer::zeros;
use super::twin::{LayerRun, param, twin};
use super::*;
use crate::layers::{BatchNorm, LayerOp};
use crate::model::shape::{ModelShape, NetShape};
use crate::rng::{self, Counter, streams};

const GROUPS: [Group; 3] = [
    Group { rows: 2, update_running: true },
    Group { rows: 4, update_running: true },
    Group { rows: 3, update_running: false },
];
const LABELS: [u32; 2] = [2, 0];
const MODE: Mode = Mode::Train { seed: 11, noise_base: streams::NOISE_D_STEP, step: 5 };
const SMOOTHED: LossSettings = LossSettings {
    weight: 0.8,
    alpha: 0.9,
    entropy: 0.0,
    consistency: 0.0,
    balance: None,
    second_view: false,
};

fn input(net: &NetShape, rows: usize) -> Vec<f64> {
    numbers(900, rows * net.input.len() as usize)
}

fn supervised(logits: &[f64]) -> DiscriminatorLoss {
    discriminator_loss(&logits[..2 * 3], 3, &LABELS, 0, 0, SMOOTHED)
}

fn unsupervised(logits: &[f64]) -> DiscriminatorLoss {
    discriminator_loss(&logits[2 * 3..], 3, &[], 4, 3, SMOOTHED)
}

fn whole(logits: &[f64]) -> DiscriminatorLoss {
    discriminator_loss(logits, 3, &LABELS, 4, 3, SMOOTHED)
}

/// Gradients of the parameters and of the input for one loss on the logits.
fn check_head(
    model: &ModelShape,
    name: &str,
    mode: Mode,
    loss: fn(&[f64]) -> DiscriminatorLoss,
    pad: [usize; 2],
) {
    let net = &model.discriminator;
    let (p, x) = (params(net, 3), input(net, 9));
    let tape = forward(net, &p, &x, &GROUPS, mode);
    // The loss may look at some rows only; the others' gradients are 0.
    let d_logits = [vec![0.0; pad[0]], loss(tape.output()).d_logits, vec![0.0; pad[1]]].concat();
    let grads = backward(net, &p, &tape, Some(&d_logits), None);
    let name = format!("{} {name}", model.name);
    check_params(&name, net, &p, &grads.params, |p| loss(forward(net, p, &x, &GROUPS, mode).output()).total);
    check_gradient(&name, &x, &grads.d_input, |x| loss(forward(net, &p, x, &GROUPS, mode).output()).total);
}

#[test]
fn gradients_of_the_supervised_loss() {
    for model in [dnn(), cnn()] {
        check_head(&model, "supervised", MODE, supervised, [0, 7 * 3]);
    }
}

#[test]
fn gradients_of_the_unsupervised_loss() {
    for model in [dnn(), cnn()] {
        check_head(&model, "unsupervised", MODE, unsupervised, [2 * 3, 0]);
    }
}

#[test]
fn gradients_in_evaluation() {
    for model in [dnn(), cnn()] {
        check_head(&model, "evaluation", Mode::Eval, whole, [0, 0]);
    }
}

#[test]
fn gradients_of_features_and_logits_add() {
    for model in [dnn(), cnn()] {
        let net = &model.discriminator;
        let (p, x) = (params(net, 4), input(net, 9));
        let layer = net.feature().unwrap();
        let features = net.layers[layer].output.len() as usize;
        // Rows 0..6 count as real, 6..9 as generated.
        let matching =
            |tape: &Tape| feature_matching(tape.layer_output(layer), 6, 3, features, FeatureMatching::Sum);
        let tape = forward(net, &p, &x, &GROUPS, MODE);
        let (_, d_feature) = matching(&tape);
        let d_logits = whole(tape.output()).d_logits;
        let grads = backward(net, &p, &tape, Some(&d_logits), Some((layer, &d_feature)));
        let total = |p: &NetParams, x: &[f64]| {
            let tape = forward(net, p, x, &GROUPS, MODE);
            whole(tape.output()).total + matching(&tape).0
        };
        check_params(&model.name, net, &p, &grads.params, |p| total(p, &x));
        check_gradient(&model.name, &x, &grads.d_input, |x| total(&p, x));
        let only = backward(net, &p, &tape, None, Some((layer, &d_feature)));
        assert!(
            only.params[layer + 1..].iter().flatten().flatten().all(|&d| d == 0.0),
            "above the feature layer"
        );
        assert_eq!(only.d_outputs[layer], d_feature);
    }
}

#[test]
fn gradients_of_the_generator() {
    for model in [dnn(), cnn()] {
        let net = &model.generator;
        let (p, z) = (params(net, 5), input(net, 6));
        let groups = [Group { rows: 6, update_running: true }];
        let c = numbers(8, 6 * net.output().len() as usize);
        let loss = |p: &NetParams, z: &[f64]| dot(forward(net, p, z, &groups, MODE).output(), &c);
        let grads = backward(net, &p, &forward(net, &p, &z, &groups, MODE), Some(&c), None);
        check_params(&model.name, net, &p, &grads.params, |p| loss(p, &z));
        check_gradient(&model.name, &z, &grads.d_input, |z| loss(&p, z));
    }
}

#[test]
fn noise_counts_through_the_stacked_batch() {
    let model = dnn();
    let (p, x) = (params(&model.discriminator, 1), input(&model.discriminator, 9));
    let tape = forward(&model.discriminator, &p, &x, &GROUPS, MODE);
    let sigma = f64::from(0.3f32);
    let at = Counter { stream: streams::NOISE_D_STEP + 1, step: 5 };
    let expected: Vec<f64> =
        x.iter().enumerate().map(|(e, x)| x + sigma * rng::normal(11, at, e as u32)).collect();
    assert_close("noisy input", &expected, tape.layer_output(1), 0.0, 1e-15);
    let still = forward(&model.discriminator, &p, &x, &GROUPS, Mode::Eval);
    assert_eq!(still.layer_output(1), x);
}

/// Batch norm of the stacked batch against each group alone: equal with separate statistics only.
#[test]
fn groups_have_their_own_statistics() {
    let model = cnn();
    let net = &model.discriminator;
    let (p, x) = (params(net, 2), input(net, 9));
    for (layer, separate) in [(1, true), (5, false)] {
        let shape = &net.layers[layer];
        let x = numbers(3, 9 * shape.input.len() as usize);
        let draws = Some((1, Counter { stream: 0, step: 0 }));
        let run = |x: &[f64], groups: &[Group]| {
            let at = LayerRun { layer: shape, params: &p[layer], groups, draws };
            twin(&shape.op).forward(&at, x).0
        };
        let together = run(&x, &GROUPS);
        let mut alone = vec![];
        for group in GROUPS {
            let rows = &x[alone.len()..][..group.rows * shape.input.len() as usize];
            alone.extend(run(rows, &[group]));
        }
        assert_eq!(together == alone, separate, "layer {layer}");
    }
    // In evaluation rows do not see each other at all.
    let values = net.input.len() as usize;
    let one = [Group { rows: 1, update_running: true }];
    let alone: Vec<f64> = x
        .chunks_exact(values)
        .flat_map(|x| forward(net, &p, x, &one, Mode::Eval).output().to_vec())
        .collect();
    assert_close("evaluation", &alone, forward(net, &p, &x, &GROUPS, Mode::Eval).output(), 1e-14, 1e-14);
}

#[test]
fn running_statistics_follow_the_real_groups() {
    let model = dnn();
    let net = &model.discriminator;
    let (mut p, x) = (params(net, 2), input(net, 9));
    let before = p.clone();
    let tape = forward(net, &p, &x, &GROUPS, MODE);
    update_running(net, &mut p, &tape);
    let (layer, channels) = (7, 6);
    let LayerOp::BatchNorm(BatchNorm { momentum, .. }) = net.layers[layer].op else {
        panic!("layer {layer} is batch norm")
    };
    let momentum = f64::from(momentum);
    let f = tape.layer_output(layer - 1);
    let get = |p: &NetParams, name| param(&net.layers[layer], &p[layer], name).unwrap().to_vec();
    let (mut mean, mut var) = (get(&before, "running_mean"), get(&before, "running_var"));
    for rows in [&f[..2 * channels], &f[2 * channels..6 * channels]] {
        let n = (rows.len() / channels) as f64;
        for c in 0..channels {
            let column: Vec<f64> = rows.iter().skip(c).step_by(channels).copied().collect();
            let m = column.iter().sum::<f64>() / n;
            let v = column.iter().map(|x| (x - m).powi(2)).sum::<f64>() / (n - 1.0);
            mean[c] += momentum * (m - mean[c]);
            var[c] += momentum * (v - var[c]);
        }
    }
    assert_close("running_mean", &mean, &get(&p, "running_mean"), 1e-13, 1e-13);
    assert_close("running_var", &var, &get(&p, "running_var"), 1e-13, 1e-13);
    let mut evaluated = p.clone();
    update_running(net, &mut evaluated, &forward(net, &p, &x, &GROUPS, Mode::Eval));
    assert_eq!(evaluated, p, "evaluation moved the running statistics");
}

#[test]
fn fresh_parameters() {
    let model = cnn();
    let net = &model.discriminator;
    let p = init_params(net, 9, streams::INIT_D);
    let shapes = zeros(net);
    for (i, layer) in p.iter().enumerate() {
        let lengths = |l: &LayerParams| l.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(layer), lengths(&shapes[i]), "layer {i}");
    }
    // Layer 0: 3x3x2 -> 3, Glorot; layer 9: 2x2x4 -> 3, He; layer 5 has weight_v, weight_g, bias.
    let glorot = (6.0 / f64::from(9 * 2 + 9 * 3)).sqrt();
    let u = rng::uniform(9, Counter { stream: streams::INIT_D, step: 0 }, 10);
    assert_close("glorot", &[glorot * (2.0 * u - 1.0)], &[p[0][0][10]], 1e-15, 0.0);
    let n = rng::normal(9, Counter { stream: streams::INIT_D + 9, step: 0 }, 21);
    assert_close("he", &[(2.0 / 16.0f64).sqrt() * n], &[p[9][0][21]], 1e-15, 0.0);
    assert_eq!((&p[5][1], &p[5][2]), (&vec![1.0; 4], &vec![0.0; 4]));
    // The generator's layer 0: dense, 3 -> 18, Glorot; layers 5 and 6: transposed convolutions of 2x2x2 -> 3, Glorot, and of
    // 4x4x3 -> 2, He. What one output is a sum over and what one input goes into is by channels that come in and go out.
    let g = init_params(&model.generator, 9, streams::INIT_G);
    let at = |layer: u32| Counter { stream: streams::INIT_G + layer, step: 0 };
    for (layer, fans) in [(0, 3 + 18), (5, 4 * 2 + 4 * 3)] {
        let (bound, u) = ((6.0 / f64::from(fans)).sqrt(), rng::uniform(9, at(layer), 7));
        assert_close("glorot", &[bound * (2.0 * u - 1.0)], &[g[layer as usize][0][7]], 1e-15, 0.0);
    }
    let n = rng::normal(9, at(6), 7);
    assert_close("he", &[(2.0 / f64::from(16 * 3)).sqrt() * n], &[g[6][0][7]], 1e-15, 0.0);
    let ones = vec![1.0; 3];
    let zeros = vec![0.0; 3];
    assert_eq!(p[1], [ones.clone(), zeros.clone(), zeros, ones]);
}

#[test]
fn data_dependent_layers_start_normalised() {
    for model in [dnn(), cnn()] {
        let net = &model.discriminator;
        let fresh = init_params(net, 9, streams::INIT_D);
        let (mut p, rows, seed) = (fresh.clone(), 40, 77);
        let x = input(net, rows);
        data_init(net, &mut p, &x, rows, seed, streams::NOISE_INIT);
        let mode = Mode::Train { seed, noise_base: streams::NOISE_INIT, step: 0 };
        let tape = forward(net, &p, &x, &[Group { rows, update_running: false }], mode);
        let mut checked = 0;
        for (i, layer) in net.layers.iter().enumerate() {
            if param(layer, &p[i], "weight_g").is_none() {
                assert_eq!(p[i], fresh[i], "{} layer {i} changed", model.name);
                continue;
            }
            let channels = layer.output.channels as usize;
            let stats = batch_norm::ChannelStats::of(tape.layer_output(i), channels);
            assert_close("mean", &vec![0.0; channels], &stats.mean, 0.0, 1e-12);
            assert_close("variance", &vec![1.0; channels], &stats.var, 1e-12, 0.0);
            assert_eq!(p[i][0], fresh[i][0], "v changed");
            checked += 1;
        }
        assert!(checked > 0);
        // The generator's plain weight normalisation is left alone.
        let net = &model.generator;
        let fresh = init_params(net, 9, streams::INIT_G);
        let mut p = fresh.clone();
        data_init(net, &mut p, &input(net, rows), rows, seed, streams::NOISE_INIT);
        assert_eq!(p, fresh);
    }
}
