//! Adam and the moving average of the parameters.

use crate::harness::{Output, Slack, both_ways, input, numbers, run, values, wide};
use ssgan::gpu::Gpu;
use ssgan::ops::{Adam, State, Update};
use ssgan::reference::optimizer::{AdamSettings, EpsPlacement, adam_update, ema_correction, ema_update};

const BETAS: (f32, f32) = (0.5, 0.999);
const RATES: [f32; 2] = [3e-3, 7e-4];
const EMA: f32 = 0.01;

/// Updates from zero moments and weights: step t sees what t - 1 left.
#[test]
fn several_updates() {
    both_ways(|gpu| {
        for n in [1, 3, 4, 127, 129, 1031] {
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
                    updates(gpu, n, inside, update, average, epsilon);
                }
            }
        }
    });
}

fn updates(gpu: &Gpu, n: u32, inside: bool, update: Update, average: bool, epsilon: f32) {
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
    let [w, m, v, ema] = [0; 4].map(|_| Output::with(gpu, 1, n, &zeros, Slack::Vec4));
    let mut want = [0; 4].map(|_| wide(&zeros));
    for t in 1..=4u32 {
        // From 1e-6, where epsilon rules, to 10.
        let scale = [1.0, 1e-6, 10.0, 1e-3][t as usize - 1];
        let g: Vec<f32> = numbers(150 + t, n).iter().map(|x| x * scale).collect();
        let tg = input(gpu, 1, n, &g);
        // Right where it belongs, nonsense elsewhere.
        let place = match update {
            Update::Discriminator(i) => i as usize,
            Update::Generator => 3,
        };
        let corrections = |beta: f32| {
            let mut all = [77.0; 4];
            all[place] = (1.0 / (1.0 - f64::from(beta).powi(t as i32))) as f32;
            all
        };
        let state = State {
            step: t - 1,
            learning_rate_d: RATES[0],
            learning_rate_g: RATES[1],
            correction1: corrections(BETAS.0),
            correction2: corrections(BETAS.1),
            ema_scale: (1.0 / ema_correction(EMA.into(), t)) as f32,
            ..State::default()
        };
        run(gpu, state, |ops, p| {
            let average = average.then_some(&ema.open);
            ops.adam(p, &adam, update, (&w.tensor, &tg), (&m.open, &v.open), average)
        });
        let [want_w, want_m, want_v, want_ema] = &mut want;
        adam_update(want_w, &wide(&g), want_m, want_v, &settings, t);
        if average {
            ema_update(want_ema, want_w, EMA.into());
        }
        // Sums of both signs: what is left of a few steps of at most two learning rates.
        let step = 4.0 * settings.lr * 1e-6;
        values(&format!("{name}: weights {t}"), want_w, &w.read(gpu, &name), step);
        values(&format!("{name}: first moment {t}"), want_m, &m.read(gpu, &name), 1e-7 * 10.0);
        values(&format!("{name}: second moment {t}"), want_v, &v.read(gpu, &name), 0.0);
        values(&format!("{name}: average {t}"), want_ema, &ema.read(gpu, &name), step);
    }
}
