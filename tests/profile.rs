//! Profiling: every way of timing, the counts against a calculation by hand, traces that viewers accept, and a step
//! that profiling does not change.

use ssgan::app::profile::{self, Profile, Samples};
use ssgan::checks::steps::models;
use ssgan::gpu::{AdapterChoice, Gpu, Timer, TimingMode};
use ssgan::native::{self, BlockOn};
use ssgan::train::Trainer;
use ssgan::train::settings::{LabelCount, Method, Settings};
use std::collections::BTreeMap;

const BATCH: u64 = 8;
const LABELLED: u64 = 6;

fn open() -> Gpu {
    native::open(&AdapterChoice::default()).unwrap_or_else(|e| panic!("these tests need an adapter: {e}"))
}

fn settings() -> Settings {
    Settings {
        labels: LabelCount::Balanced(LABELLED as u32),
        batch_size: BATCH as u32,
        ..Settings::defaults(Method::Ssl, false)
    }
}

/// A trainer of the small dense model on 4 x 4 images.
fn with_trainer<T>(f: impl FnOnce(&Trainer) -> T) -> T {
    let gpu = open();
    let model = models::model(models::DNN, 4, 1);
    let data = models::data_set(&model, 40);
    f(&Trainer::new(&gpu, &model, &settings(), &data).block_on().unwrap())
}

fn measure(trainer: &Trainer, mode: TimingMode) -> (Samples, Profile) {
    let mut timer = Timer::new(trainer.gpu(), mode, trainer.program().dispatches.len()).unwrap();
    let samples = profile::sample(trainer, &mut timer, (1, 3), || ()).unwrap();
    let profile = samples.profile(trainer, &timer);
    (samples, profile)
}

#[test]
fn every_way_of_timing_covers_every_dispatch() {
    with_trainer(|trainer| {
        for mode in trainer.gpu().timing_modes() {
            let (samples, profile) = measure(trainer, mode);
            let dispatches = trainer.program().dispatches.len();
            assert_eq!((profile.mode, profile.steps, profile.warmup), (mode, 3, 1));
            for (_, _, timing) in &samples.steps {
                assert_eq!(timing.spans.len(), dispatches);
                let one_each = mode == TimingMode::Submits;
                assert_eq!(timing.submits as usize, if one_each { dispatches } else { 1 });
                let times: Vec<(f64, f64)> = timing.spans.iter().map(|s| s.unwrap()).collect();
                assert!(times.iter().all(|(b, e)| b <= e), "{mode:?}: {times:?}");
                assert!(times.windows(2).all(|w| w[0].1 <= w[1].0 + 1e-9), "{mode:?}: {times:?}");
            }
            for rows in [&profile.kernels, &profile.layers] {
                assert_eq!(rows.iter().map(|r| r.calls as usize).sum::<usize>(), dispatches);
                let total: f64 = rows.iter().map(|r| r.per_step.unwrap().mean).sum();
                let gpu = profile.whole.gpu.unwrap().mean;
                assert!((total - gpu).abs() < 1e-9 + 1e-6 * gpu, "{mode:?}: rows {total}, all {gpu}");
                assert!(gpu <= profile.whole.wall.mean, "{mode:?}: more time in kernels than there was");
            }
        }
    });
}

/// The model is 16-20-13-9-3 (D) and 7-17-11-16 (G); see `models::DNN`.
#[test]
fn counts_agree_with_a_calculation_by_hand() {
    with_trainer(|trainer| {
        let (_, profile) = measure(trainer, TimingMode::Submits);
        let rows: u64 = 2 * BATCH + LABELLED;
        // The fourth is minibatch discrimination's product, two kernels of two.
        let d = [16 * 20, 20 * 13, 13 * 9, 9 * 4, 11 * 3];
        let g = [7 * 17, 17 * 11, 11 * 16];
        let sum = |n: &[u64]| n.iter().sum::<u64>();
        let d_step = BATCH * sum(&g) + rows * (2 * sum(&d) + sum(&d[1..]));
        // Features of both halves, gradient through the generated half; then G's weights and all but its input.
        let g_step = BATCH * sum(&g) + 3 * BATCH * sum(&d[..4]) + BATCH * (sum(&g) + sum(&g[1..]));
        let products = profile.kernels.iter().filter(|r| r.kernel.starts_with("gemm"));
        assert_eq!(products.map(|r| r.flops).sum::<u64>(), 2 * (d_step + g_step));

        let kernels: BTreeMap<&str, _> = profile.kernels.iter().map(|r| (r.kernel.as_str(), r)).collect();
        // Noise reads and writes what it is put on: D's input and three layers, one of G, in both steps.
        let noises = [16, 20, 13, 11];
        let noisy = (rows + 2 * BATCH) * sum(&noises) + 2 * BATCH * 17;
        // Every call also reads the 96 bytes of the step's constants.
        assert_eq!((kernels["noise"].calls, kernels["noise"].bytes), (10, 8 * noisy + 10 * 96));
        // Adam reads weights, gradients, two moments and, for D, the average; it writes all but the gradients.
        // Tensors of an arena start at multiples of 64 values.
        let stored = |net: &ssgan::model::shape::NetShape| -> u64 {
            let params = net.layers.iter().flat_map(|l| l.params());
            params.filter(|p| p.trained).map(|p| p.len().next_multiple_of(64) as u64).sum()
        };
        let model = trainer.model();
        let (nd, ng) = (stored(&model.discriminator), stored(&model.generator));
        let adam = kernels["adam"];
        assert_eq!((adam.calls, adam.bytes), (2, 4 * (9 * nd + 7 * ng)));
        let dispatches = trainer.program().dispatches.len() as u32;
        assert_eq!((profile.whole.dispatches, profile.whole.submits), (dispatches, dispatches));
        assert_eq!(profile.whole.bytes_uploaded, 96);
        assert_eq!(profile.whole.flops, profile.kernels.iter().map(|r| r.flops).sum::<u64>());
    });
}

/// On every track a slice lies within the one around it, and neighbours do not overlap.
#[test]
fn traces_nest() {
    with_trainer(|trainer| {
        for mode in trainer.gpu().timing_modes() {
            let (samples, _) = measure(trainer, mode);
            let adapter = "an \"adapter\" with \\ and \u{1}";
            let value = profile::trace::trace(&samples, &trainer.program().dispatches, adapter);
            let parsed: serde_json::Value = serde_json::from_str(&value.to_string()).unwrap();
            let events = parsed["traceEvents"].as_array().unwrap();
            let named = |e: &&serde_json::Value| e["args"]["name"] == adapter;
            assert_eq!(events.iter().filter(named).count(), 1);
            let mut tracks: BTreeMap<u64, Vec<(f64, f64)>> = BTreeMap::new();
            for e in events.iter().filter(|e| e["ph"] == "X") {
                let (ts, dur) = (e["ts"].as_f64().unwrap(), e["dur"].as_f64().unwrap());
                assert!(ts >= 0.0 && dur >= 0.0 && e["name"].is_string() && e["args"].is_object(), "{e}");
                tracks.entry(e["tid"].as_u64().unwrap()).or_default().push((ts, ts + dur));
            }
            assert_eq!(tracks.len(), 2);
            let gpu = &tracks[&2];
            assert_eq!(gpu.len(), 3 * (1 + trainer.program().dispatches.len()));
            for slices in tracks.values() {
                let mut open: Vec<(f64, f64)> = vec![];
                for &(begin, end) in slices {
                    while open.last().is_some_and(|o| o.1 <= begin + 1e-6 && o.1 < end) {
                        open.pop();
                    }
                    let fits = open.last().is_none_or(|o| o.0 <= begin + 1e-6 && end <= o.1 + 1e-6);
                    assert!(fits, "{mode:?}: {begin} to {end} sticks out of {:?}", open.last());
                    open.push((begin, end));
                }
            }
        }
    });
}

#[test]
fn profiling_changes_no_result() {
    let after = |timed: Option<TimingMode>| {
        with_trainer(|trainer| {
            let n = trainer.program().dispatches.len();
            let mut timer = timed.map(|mode| Timer::new(trainer.gpu(), mode, n).unwrap());
            trainer.initialise().block_on().unwrap();
            for t in 0..5 {
                match &mut timer {
                    Some(timer) => drop(trainer.timed_step(t, timer).block_on().unwrap()),
                    None => drop(trainer.untimed_step(t).block_on().unwrap()),
                }
            }
            trainer.snapshot(1).block_on().unwrap().tensors
        })
    };
    let plain = after(None);
    for mode in open().timing_modes() {
        let timed = after(Some(mode));
        assert_eq!(plain.len(), timed.len());
        for (a, b) in plain.iter().zip(&timed) {
            let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert!(a.name == b.name && bits(&a.values) == bits(&b.values), "{mode:?}: {} differs", a.name);
        }
    }
}
