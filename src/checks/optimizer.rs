//! Adam and the moving average of the parameters.

use super::{Checks, Output, Slack, input, numbers, wide};
use crate::error::Result;
use crate::ops::{Adam, METRICS, State, Update, Updated};
use crate::reference::optimizer::{AdamSettings, EpsPlacement, adam_update, ema_correction, ema_update};

const BETAS: (f32, f32) = (0.5, 0.999);
const RATES: [f32; 2] = [3e-3, 7e-4];
const EMA: f32 = 0.01;

/// Updates from zero moments and weights: step t sees what t - 1 left.
pub fn several_updates(checks: &Checks<'_>) -> Result<()> {
    for n in [1, 3, 4, 127, 129, 1031, 1032] {
        for (inside, update, average) in [
            (false, Update::Discriminator(0), true),
            (true, Update::Discriminator(0), true),
            (true, Update::Discriminator(0), false),
            (false, Update::Discriminator(1), false),
            (true, Update::Discriminator(2), true),
            (false, Update::Generator, false),
            (true, Update::Generator, false),
            (false, Update::Generator, true),
        ] {
            for epsilon in [1e-8, 1e-2] {
                updates(checks, n, inside, update, average, epsilon)?;
            }
        }
    }
    Ok(())
}

fn updates(
    checks: &Checks<'_>,
    n: u32,
    inside: bool,
    update: Update,
    average: bool,
    epsilon: f32,
) -> Result<()> {
    let name = format!("adam of {n}, inside {inside}, {update:?}, epsilon {epsilon}");
    let adam = Adam { beta1: BETAS.0, beta2: BETAS.1, epsilon, inside, ema_rate: EMA };
    let settings = AdamSettings {
        lr: RATES[usize::from(update == Update::Generator)].into(),
        beta1: BETAS.0.into(),
        beta2: BETAS.1.into(),
        eps: epsilon.into(),
        placement: if inside { EpsPlacement::Inside } else { EpsPlacement::Outside },
    };
    let zeros = vec![0.0f32; n as usize];
    let [w, m, v, ema] = [0; 4].map(|_| Output::with(checks, 1, n, &zeros, Slack::Vec4));
    let metrics = Output::with(checks, 3, METRICS, &[0.5f32; 3 * METRICS as usize], Slack::None);
    let mut want = [0; 4].map(|_| wide(&zeros));
    for t in 1..=4u32 {
        // From 1e-6, where epsilon rules, to 10.
        let scale = [1.0, 1e-6, 10.0, 1e-3][t as usize - 1];
        let g: Vec<f32> = numbers(150 + t, n).iter().map(|x| x * scale).collect();
        let tg = input(checks, 1, n, &g);
        checks.run(state_of(update, t), |ops, p| {
            let average = average.then_some(&ema.open);
            let (weights, moment1, moment2) = (&w.tensor, &m.open, &v.open);
            let updated =
                Updated { weights, grads: &tg, moment1, moment2, average, metrics: &metrics.tensor };
            ops.adam(p, &adam, update, updated)
        })?;
        let [want_w, want_m, want_v, want_ema] = &mut want;
        adam_update(want_w, &wide(&g), want_m, want_v, &settings, t);
        if average {
            ema_update(want_ema, want_w, EMA.into());
        }
        // Sums of both signs: what is left of a few steps of at most two learning rates.
        let step = 4.0 * settings.lr * 1e-6;
        checks.values(&format!("{name}: weights {t}"), want_w, &w.read(checks, &name)?, step);
        checks.values(&format!("{name}: first moment {t}"), want_m, &m.read(checks, &name)?, 1e-7 * 10.0);
        checks.values(&format!("{name}: second moment {t}"), want_v, &v.read(checks, &name)?, 0.0);
        checks.values(&format!("{name}: average {t}"), want_ema, &ema.read(checks, &name)?, step);
    }
    // Around these gradients are NaN; between those of a network are zeros.
    let row: Vec<f32> = metrics.read(checks, &name)?;
    if n.is_multiple_of(4) {
        checks.same(&name, &vec![0.5; row.len()], &row);
    }
    Ok(())
}

/// The state of step `t`, counted from 1; the corrections are right where `update` looks, nonsense elsewhere.
fn state_of(update: Update, t: u32) -> State {
    let place = match update {
        Update::Discriminator(i) => i as usize,
        Update::Generator => 3,
    };
    let corrections = |beta: f32| {
        let mut all = [77.0; 4];
        all[place] = (1.0 / (1.0 - f64::from(beta).powi(t as i32))) as f32;
        all
    };
    State {
        step: t - 1,
        learning_rate_d: RATES[0],
        learning_rate_g: RATES[1],
        correction1: corrections(BETAS.0),
        correction2: corrections(BETAS.1),
        ema_scale: (1.0 / ema_correction(EMA.into(), t)) as f32,
        ..State::default()
    }
}

/// A parameter or gradient that is not finite when it is read is seen in the network's loss of that step, and nothing else is.
pub fn what_is_not_finite_is_marked(checks: &Checks<'_>) -> Result<()> {
    for (update, loss) in
        [(Update::Discriminator(0), 2), (Update::Discriminator(2), 2), (Update::Generator, 5)]
    {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for (n, at) in [(4, 0), (8, 6), (1032, 515)] {
                for of in ["weight", "gradient"] {
                    let name = format!("{bad} as {of} {at} of {n}, {update:?}");
                    let (mut values, mut gradients) = (numbers(160, n), numbers(162, n));
                    let place = if of == "weight" { &mut values[at] } else { &mut gradients[at] };
                    *place = bad;
                    // Of three rows the second, whose number may go round them.
                    let slot = if at == 0 { 4 } else { 1 };
                    let after = updated_once(checks, &name, update, (&values, &gradients), slot)?;
                    let marked = METRICS as usize + loss;
                    checks.holds(&name, "the loss is marked", after[marked].is_nan());
                    let others = after.iter().enumerate().filter(|(i, _)| *i != marked).map(|(_, v)| *v);
                    let others: Vec<f32> = others.collect();
                    checks.same(&name, &vec![0.5; others.len()], &others);
                }
            }
        }
    }
    Ok(())
}

/// Three rows of metrics, all 0.5 before, after one update.
fn updated_once(
    checks: &Checks<'_>,
    name: &str,
    update: Update,
    (values, gradients): (&[f32], &[f32]),
    slot: u32,
) -> Result<Vec<f32>> {
    let n = values.len() as u32;
    let [w, m, v] = [values, &numbers(161, n)[..], &vec![1.0; n as usize][..]]
        .map(|x| Output::with(checks, 1, n, x, Slack::Vec4));
    let ring = Output::with(checks, 3, METRICS, &[0.5f32; 3 * METRICS as usize], Slack::None);
    let grads = input(checks, 1, n, gradients);
    let adam = Adam { beta1: 0.5, beta2: 0.999, epsilon: 1e-8, inside: false, ema_rate: 0.0 };
    let state = State {
        slot,
        learning_rate_d: 1e-3,
        learning_rate_g: 1e-3,
        correction1: [1.0; 4],
        correction2: [1.0; 4],
        ..State::default()
    };
    checks.run(state, |ops, p| {
        let (weights, moment1, moment2) = (&w.tensor, &m.open, &v.open);
        let metrics = &ring.tensor;
        let updated = Updated { weights, grads: &grads, moment1, moment2, average: None, metrics };
        ops.adam(p, &adam, update, updated)
    })?;
    ring.read(checks, name)
}
