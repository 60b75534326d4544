//! Tests of whole training steps.

use super::dropout::dropout_factors;
use super::gaussian_noise::gaussian_noise;
use super::gradient_check::*;
use super::step::*;
use super::*;
use crate::layers::{Dropout, GaussianNoise, LayerOp, RandomAffine, RandomShift};
use crate::model::shape::ModelShape;
use crate::rng::{self, Counter, streams};

const ADAM: AdamSettings =
    AdamSettings { lr: 0.01, beta1: 0.5, beta2: 0.999, eps: 1e-8, placement: EpsPlacement::Inside };
const SETTINGS: StepSettings = StepSettings {
    seed: 21,
    batch: 6,
    loss: LossSettings {
        weight: 1.0,
        alpha: 0.9,
        entropy: 0.0,
        consistency: 0.0,
        balance: None,
        second_view: false,
    },
    generator_loss: Some(GeneratorLoss::FeatureMatching(FeatureMatching::Sum)),
    d_adam: ADAM,
    g_adam: AdamSettings { lr: 0.003, placement: EpsPlacement::Outside, ..ADAM },
    ema_rate: 0.1,
    separate: false,
};
const LABELS: [u32; 4] = [0, 1, 2, 1];

fn images(model: &ModelShape, n: u32) -> Vec<f64> {
    let at = Counter { stream: 0xFFFF, step: n };
    (0..n * model.data.image.len()).map(|e| rng::uniform(1, at, e)).collect()
}

/// Runs `test` on both models with a data set of 4 labelled and 10 unlabelled images.
fn with_models(test: impl Fn(&ModelShape, GanState, &Dataset)) {
    for model in [dnn(), cnn()] {
        let (labelled, unlabelled) = (images(&model, 4), images(&model, 10));
        let data = Dataset { labelled: &labelled, labels: &LABELS, unlabelled: &unlabelled };
        let mut state = GanState::new(&model, SETTINGS.seed);
        initialise(&model, &mut state, SETTINGS.seed, &unlabelled, true);
        test(&model, state, &data);
    }
}

#[test]
fn minibatches_go_through_the_pool_once_per_epoch() {
    let (n, batch) = (10, 4);
    let drawn: Vec<u32> =
        (0..5).flat_map(|step| minibatch(3, streams::ORDER_UNLABELLED_D, step, batch, n)).collect();
    for epoch in drawn.chunks(n as usize) {
        let mut sorted = epoch.to_vec();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..n).collect::<Vec<_>>());
    }
    assert_ne!(drawn[..10], drawn[10..], "both epochs in the same order");
    assert_ne!(drawn[..4], minibatch(3, streams::ORDER_UNLABELLED_G, 0, batch, n)[..], "both streams alike");
    assert_eq!(minibatch(3, 1, u32::MAX, 3, 1), [0, 0, 0]);
}

#[test]
fn gradients_of_the_discriminator_step() {
    with_models(|model, mut state, data| {
        state.step = 3;
        use BatchPart::{All, Generated, Labelled, Unlabelled};
        for (of, rows) in [(All, 6 + 4 + 6), (Labelled, 4), (Unlabelled, 6), (Generated, 6)] {
            let pass = discriminator_pass(model, &state, &SETTINGS, data, of);
            assert_eq!(pass.tape.rows(), rows);
            check_params(&model.name, &model.discriminator, &state.d, &pass.gradients.params, |d| {
                let state = GanState { d: d.clone(), ..state.clone() };
                discriminator_pass(model, &state, &SETTINGS, data, of).loss.total
            });
        }
    });
}

/// Without a generator: rows of the data alone, each unlabelled image twice.
#[test]
fn gradients_of_the_discriminator_alone() {
    let loss = LossSettings {
        weight: 0.0,
        entropy: 0.3,
        consistency: 2.0,
        balance: Some(0.8),
        second_view: true,
        ..SETTINGS.loss
    };
    let settings = StepSettings { generator_loss: None, loss, ..SETTINGS };
    with_models(|model, mut state, data| {
        state.step = 3;
        let pass = discriminator_pass(model, &state, &settings, data, BatchPart::All);
        assert_eq!((pass.tape.rows(), pass.generator), (4 + 6 + 6, None));
        check_params(&model.name, &model.discriminator, &state.d, &pass.gradients.params, |d| {
            let state = GanState { d: d.clone(), ..state.clone() };
            discriminator_pass(model, &state, &settings, data, BatchPart::All).loss.total
        });
        let before = state.clone();
        assert_eq!(gan_step(model, &mut state, &settings, data).1, None);
        assert!(state.g == before.g && state.d != before.d);
    });
}

#[test]
fn gradients_of_the_generator_step_run_through_the_discriminator() {
    for generator_loss in [
        GeneratorLoss::NonSaturating,
        GeneratorLoss::FeatureMatching(FeatureMatching::Sum),
        GeneratorLoss::FeatureMatching(FeatureMatching::Mean),
        GeneratorLoss::MomentMatching(FeatureMatching::Mean),
    ] {
        with_models(|model, mut state, data| {
            state.step = 3;
            let settings = StepSettings { generator_loss: Some(generator_loss), ..SETTINGS };
            let pass = generator_pass(model, &state, &settings, data);
            // With joined batch norm the features of real images depend on G too.
            check_params(&model.name, &model.generator, &state.g, &pass.gradients.params, |g| {
                let state = GanState { g: g.clone(), ..state.clone() };
                generator_pass(model, &state, &settings, data).loss
            });
        });
    }
}

#[test]
fn gradients_of_the_supervised_step() {
    with_models(|model, state, data| {
        let pass = supervised_pass(model, &state, &SETTINGS, data);
        assert_eq!(pass.labelled.len(), 6, "a whole batch, across epochs");
        assert_eq!(pass.loss.total, pass.loss.supervised);
        check_params(&model.name, &model.discriminator, &state.d, &pass.gradients.params, |d| {
            let state = GanState { d: d.clone(), ..state.clone() };
            supervised_pass(model, &state, &SETTINGS, data).loss.total
        });
    });
}

/// Whether a trained tensor's gradient is rounding error only: that of a bias before batch norm is 0.
fn vanishes(gradient: &[f64], trained: bool) -> bool {
    trained && gradient.iter().all(|g| g.abs() < 1e-12)
}

#[test]
fn a_step_moves_what_it_should() {
    with_models(|model, fresh, data| {
        let mut after_d = fresh.clone();
        let d_pass = discriminator_step(model, &mut after_d, &SETTINGS, data).remove(0);
        let mut after_g = after_d.clone();
        let g_pass = generator_step(model, &mut after_g, &SETTINGS, data);
        let net = &model.discriminator;
        for (i, layer) in net.layers.iter().enumerate() {
            for (j, shape) in layer.params().iter().enumerate() {
                let moves = shape.trained || shape.name.starts_with("running");
                if !(moves && vanishes(&d_pass.gradients.params[i][j], shape.trained)) {
                    assert_eq!(
                        after_d.d[i][j] != fresh.d[i][j],
                        moves,
                        "{} layer {i} {}",
                        model.name,
                        shape.name
                    );
                }
                // The average started at 0 and has seen the new parameters once.
                let rate = if shape.trained { SETTINGS.ema_rate } else { 0.0 };
                let ema: Vec<f64> = after_d.d[i][j].iter().map(|p| rate * p).collect();
                assert_close(shape.name, &ema, &after_d.d_ema[i][j], 1e-15, 0.0);
            }
        }
        assert_eq!(after_g.d, after_d.d, "G's step changed D");
        assert_ne!(d_pass.unlabelled, g_pass.unlabelled);
        let made = d_pass.generator.unwrap();
        assert_ne!(made.activations[0], g_pass.generator.activations[0], "the same z");
        for (i, layer) in model.generator.layers.iter().enumerate() {
            for (j, shape) in layer.params().iter().enumerate() {
                let (before, middle, after) = (&fresh.g[i][j], &after_d.g[i][j], &after_g.g[i][j]);
                let running = shape.name.starts_with("running");
                assert_eq!(before != middle, running, "{} layer {i} {} in D's step", model.name, shape.name);
                if !vanishes(&g_pass.gradients.params[i][j], shape.trained) {
                    assert_ne!(middle, after, "{} layer {i} {} in G's step", model.name, shape.name);
                }
            }
        }
        let mut whole = fresh.clone();
        gan_step(model, &mut whole, &SETTINGS, data);
        assert_eq!(whole, GanState { step: 1, ..after_g }, "a step is its halves");
    });
}

/// Adam's first update is `lr g / sqrt(g^2 + eps)` (inside) whatever the betas.
#[test]
fn the_first_update_is_the_learning_rate() {
    with_models(|model, fresh, data| {
        let mut state = fresh.clone();
        let pass = supervised_step(model, &mut state, &SETTINGS, data);
        let last = model.discriminator.layers.len() - 1;
        let gradient = &pass.gradients.params[last][0];
        let expected: Vec<f64> = fresh.d[last][0]
            .iter()
            .zip(gradient)
            .map(|(p, g)| p - ADAM.lr * g / (g * g + ADAM.eps).sqrt())
            .collect();
        assert_close("weights", &expected, &state.d[last][0], 1e-12, 1e-12);
        assert_eq!(state.step, 1);
    });
}

#[test]
fn training_lowers_the_losses() {
    with_models(|model, fresh, data| {
        let mut state = fresh.clone();
        let losses: Vec<f64> =
            (0..150).map(|_| supervised_step(model, &mut state, &SETTINGS, data).loss.supervised).collect();
        let mean = |l: &[f64]| l.iter().sum::<f64>() / l.len() as f64;
        let (first, last) = (mean(&losses[..15]), mean(&losses[135..]));
        assert!(last < 0.7 * first, "{}: supervised loss {first} to {last}", model.name);
    });
}

/// Three updates, each of its own rows with the parameters that the one before left, counted on by Adam; one step of
/// the average; statistics of the real rows alone.
#[test]
fn separate_updates() {
    with_models(|model, fresh, data| {
        let settings = StepSettings { separate: true, ..SETTINGS };
        let mut state = GanState { step: 3, ..fresh };
        let mut by_hand = state.clone();
        let passes = discriminator_step(model, &mut state, &settings, data);
        let net = &model.discriminator;
        let updates = [
            (BatchPart::Labelled, (4, 0), streams::NOISE_D_STEP),
            (BatchPart::Unlabelled, (0, 6), streams::NOISE_D_STEP_LATER[0]),
            (BatchPart::Generated, (0, 0), streams::NOISE_D_STEP_LATER[1]),
        ];
        assert_eq!(passes.len(), 3);
        for (i, ((of, rows, noise), pass)) in updates.into_iter().zip(&passes).enumerate() {
            let expected = discriminator_pass(model, &by_hand, &settings, data, of);
            assert_eq!(*pass, expected);
            assert_eq!((pass.labelled.len(), pass.unlabelled.len()), rows);
            for (l, layer) in net.layers.iter().enumerate() {
                if let LayerOp::GaussianNoise(GaussianNoise { sigma }) = layer.op {
                    let at = Counter { stream: noise + l as u32, step: 3 };
                    let noisy = gaussian_noise(&pass.tape.activations[l], sigma.into(), 21, at);
                    assert_eq!(pass.tape.layer_output(l), noisy);
                }
            }
            update_running(net, &mut by_hand.d, &pass.tape);
            let (d, moments) = (&mut by_hand.d, &mut by_hand.d_moments);
            super::optimizer::adam(
                net,
                d,
                &pass.gradients.params,
                moments,
                &settings.d_adam,
                3 * 3 + i as u32,
            );
        }
        assert_eq!(state.d, by_hand.d);
        assert_eq!(state.d_moments, by_hand.d_moments);
        for (i, layer) in net.layers.iter().enumerate() {
            for (j, shape) in layer.params().iter().enumerate().filter(|(_, s)| s.trained) {
                let ema: Vec<f64> = state.d[i][j].iter().map(|p| settings.ema_rate * p).collect();
                assert_close(shape.name, &ema, &state.d_ema[i][j], 1e-15, 0.0);
            }
        }
    });
}

/// Every draw of a step against the stream it is documented to come from.
#[test]
fn draws_come_from_their_streams() {
    with_models(|model, mut state, data| {
        state.step = 3;
        let (seed, batch) = (SETTINGS.seed, SETTINGS.batch);
        let d = discriminator_pass(model, &state, &SETTINGS, data, BatchPart::All);
        let made = d.generator.unwrap();
        let g = generator_pass(model, &state, &SETTINGS, data);
        let s = supervised_pass(model, &state, &SETTINGS, data);
        assert_eq!(d.labelled, minibatch(seed, streams::ORDER_LABELLED, 3, 4, 4));
        assert_eq!(s.labelled, minibatch(seed, streams::ORDER_LABELLED, 3, batch, 4));
        assert_eq!(d.unlabelled, minibatch(seed, streams::ORDER_UNLABELLED_D, 3, batch, 10));
        assert_eq!(g.unlabelled, minibatch(seed, streams::ORDER_UNLABELLED_G, 3, batch, 10));
        let z = |stream| latent(model.prior, seed, stream, 3, batch, model.generator.input.len());
        assert_eq!(made.activations[0], z(streams::Z_D_STEP));
        assert_eq!(g.generator.activations[0], z(streams::Z_G_STEP));
        let noise = [
            (&model.discriminator, &d.tape, streams::NOISE_D_STEP),
            (&model.discriminator, &g.discriminator, streams::NOISE_G_STEP),
            (&model.discriminator, &s.tape, streams::NOISE_D_STEP),
            (&model.generator, &made, streams::NOISE_G_IN_D_STEP),
            (&model.generator, &g.generator, streams::NOISE_G_IN_G_STEP),
        ];
        for (net, tape, stream) in noise {
            for (i, layer) in net.layers.iter().enumerate() {
                let (x, y) = (&tape.activations[i], tape.layer_output(i));
                let at = Counter { stream: stream + i as u32, step: 3 };
                let expected: Vec<f64> = match layer.op {
                    LayerOp::GaussianNoise(GaussianNoise { sigma }) => {
                        gaussian_noise(x, f64::from(sigma), seed, at)
                    }
                    LayerOp::Dropout(Dropout { rate }) => {
                        let factors = dropout_factors(x.len(), f64::from(rate), seed, at);
                        x.iter().zip(factors).map(|(x, f)| x * f).collect()
                    }
                    LayerOp::RandomAffine(RandomAffine { shift, warp }) => {
                        let maps = random_affine::draw(tape.rows(), shift, warp, seed, at);
                        random_affine::warp(x, layer.input, &maps)
                    }
                    LayerOp::RandomFlip(_) => {
                        let mirrored = random_flip::draw(tape.rows(), seed, at);
                        random_flip::flip(x, layer.input, &mirrored)
                    }
                    LayerOp::RandomShift(RandomShift { pixels }) => {
                        let offsets = random_shift::offsets(tape.rows(), pixels, seed, at);
                        random_shift::shift(x, layer.input, &offsets)
                    }
                    _ => continue,
                };
                assert_eq!(y, expected, "{} {} layer {i}", model.name, net.name);
            }
        }
    });
}

/// Which rows are stacked in which order, and which of them move running statistics.
#[test]
fn batches_are_stacked_in_groups() {
    with_models(|model, state, data| {
        let values = model.data.image.len() as usize;
        let d = discriminator_pass(model, &state, &SETTINGS, data, BatchPart::All);
        let made = d.generator.unwrap();
        let g = generator_pass(model, &state, &SETTINGS, data);
        let s = supervised_pass(model, &state, &SETTINGS, data);
        let group = |rows, update_running| Group { rows, update_running };
        assert_eq!(d.tape.groups, [group(6, false), group(4, true), group(6, true), group(0, false)]);
        assert_eq!(made.groups, [group(6, true)]);
        assert_eq!(g.discriminator.groups, [group(6, false), group(6, false)]);
        assert_eq!(g.generator.groups, [group(6, true)]);
        assert_eq!(s.tape.groups, [group(6, true)]);
        let (labelled, unlabelled) = (d.labelled[1] as usize, d.unlabelled[2] as usize);
        let row = |tape: &Tape, i: usize| tape.activations[0][i * values..][..values].to_vec();
        assert_eq!(row(&d.tape, 5), made.output()[5 * values..]);
        assert_eq!(row(&d.tape, 6 + 1), data.labelled[labelled * values..][..values]);
        assert_eq!(row(&d.tape, 10 + 2), data.unlabelled[unlabelled * values..][..values]);
        assert_eq!(row(&g.discriminator, 5), g.generator.output()[5 * values..]);
        let real = g.unlabelled[5] as usize;
        assert_eq!(row(&g.discriminator, 6 + 5), data.unlabelled[real * values..][..values]);
    });
}

/// Data-dependent initialisation sees at most [`INIT_ROWS`] images, in the order of their own stream, and
/// changes only what it should.
#[test]
fn initialisation_takes_its_own_walk() {
    let model = dnn();
    let pool = images(&model, INIT_ROWS + 3);
    let fresh = GanState::new(&model, SETTINGS.seed);
    let (mut state, mut by_hand) = (fresh.clone(), fresh.clone());
    initialise(&model, &mut state, SETTINGS.seed, &pool, false);
    let at = Counter { stream: streams::ORDER_INIT, step: 0 };
    let chosen: Vec<u32> =
        (0..INIT_ROWS).map(|i| rng::permute(SETTINGS.seed, at, i, INIT_ROWS + 3)).collect();
    let first = gather(&pool, &chosen, model.data.image.len() as usize);
    let (net, rows) = (&model.discriminator, INIT_ROWS as usize);
    data_init(net, &mut by_hand.d, &first, rows, SETTINGS.seed, streams::NOISE_INIT);
    assert_ne!(state.d, fresh.d);
    assert_eq!(state, by_hand);
    initialise(&model, &mut state, SETTINGS.seed, &pool, true);
    let z = latent(model.prior, SETTINGS.seed, streams::Z_INIT, 0, INIT_ROWS, model.generator.input.len());
    data_init(&model.generator, &mut by_hand.g, &z, rows, SETTINGS.seed, streams::NOISE_INIT_G);
    assert_eq!(state.g, by_hand.g);
}
