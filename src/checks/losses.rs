//! D's losses, the non-saturating loss of G, evaluation.

use super::{Checks, Output, Slack, input, numbers, wide};
use crate::error::Result;
use crate::native::BlockOn;
use crate::ops::{Balance, Features, Head, HeadRows, HeadWeights, METRICS, State};
use crate::reference::loss::{self, DiscriminatorLoss, LossSettings};

/// Step's row in a metrics ring of three.
const SLOT: u32 = 1;

/// A ring of three steps' metrics.
pub(super) fn metrics(checks: &Checks<'_>) -> Output {
    Output::new(checks, 3, METRICS, Slack::None)
}

/// Share of the entropy, consistency and balance weights.
const RAMP: f32 = 0.625;

const PLAIN: HeadWeights =
    HeadWeights { unsupervised: 1.0, real_target: 1.0, entropy: 0.0, consistency: 0.0, balance: 0.0 };

/// That of a step within it.
pub(super) fn state() -> State {
    State { slot: SLOT, ramp: RAMP, ..State::default() }
}

/// The step's row; the others must not have been written.
pub(super) fn slot_of(checks: &Checks<'_>, ring: &Output, name: &str) -> Result<Vec<f32>> {
    let all: Vec<f32> = ring.read(checks, name)?;
    let (m, at) = (METRICS as usize, (SLOT * METRICS) as usize);
    let others = [&all[..at], &all[at + m..]].concat();
    checks.untouched(name, "metrics of other steps", &others);
    Ok(all[at..at + m].to_vec())
}

/// D's losses and the gradient of its logits, of few and many rows and classes.
pub fn head(checks: &Checks<'_>) -> Result<()> {
    let counts = [
        (1, 1, 1),
        (0, 1, 0),
        (1, 0, 0),
        (0, 0, 1),
        (0, 7, 5),
        (3, 0, 4),
        (6, 5, 0),
        (31, 33, 32),
        (512, 100, 512),
    ];
    for (i, (generated, labelled, unlabelled)) in counts.into_iter().enumerate() {
        for (k, scale) in [(2, 1.0), (10, 8.0), (13, 200.0), (1000, 8.0)] {
            let second = if i % 3 == 0 { unlabelled } else { 0 };
            let rows = HeadRows { generated, labelled, unlabelled, second };
            let stream = 100 + i as u32;
            let logits: Vec<f32> = numbers(stream, rows.total() * k).iter().map(|v| v * scale).collect();
            let consistency = if second > 0 { 2.0 } else { 0.0 };
            let weights = match i % 2 {
                0 => HeadWeights { consistency, ..PLAIN },
                _ => HeadWeights {
                    unsupervised: 0.3,
                    real_target: 0.9,
                    entropy: 0.7,
                    consistency,
                    balance: 0.0,
                },
            };
            check_head(checks, rows, &classes(labelled, k), &logits, weights)?;
        }
    }
    Ok(())
}

/// More rows than a workgroup of llvmpipe's goes over.
pub fn head_of_many_rows(checks: &Checks<'_>) -> Result<()> {
    let rows = HeadRows { generated: 300_000, labelled: 1, unlabelled: 150_000, second: 150_000 };
    let logits = numbers(101, rows.total() * 2);
    check_head(checks, rows, &classes(1, 2), &logits, HeadWeights { consistency: 1.0, entropy: 0.5, ..PLAIN })
}

/// Whole rows of +-200, equal logits, and one class far above the others: no overflow, the first of equals.
pub fn head_of_extreme_logits(checks: &Checks<'_>) -> Result<()> {
    let rows = HeadRows { generated: 5, labelled: 5, unlabelled: 5, second: 5 };
    let kinds: [[f32; 3]; 5] =
        [[200.0; 3], [-200.0; 3], [0.0; 3], [200.0, -200.0, -200.0], [-200.0, 0.0, 200.0]];
    let mut turned = kinds;
    turned.rotate_left(1);
    let logits = [kinds.concat(), kinds.concat(), kinds.concat(), turned.concat()].concat();
    let labels = classes(5, 3);
    check_head(checks, rows, &labels, &logits, HeadWeights { consistency: 1.0, ..PLAIN })?;
    let weights = HeadWeights { real_target: 0.75, entropy: 1.0, consistency: 1.0, ..PLAIN };
    check_head(checks, rows, &labels, &logits, weights)?;
    Ok(())
}

/// Labels of so many rows, below k.
fn classes(rows: u32, k: u32) -> Vec<u32> {
    (0..rows).map(|i| (i * 7 + 1) % k).collect()
}

/// Labels that are not below k: their rows have no loss, no gradient and no count, and nothing else is written.
pub fn labels_that_are_no_class(checks: &Checks<'_>) -> Result<()> {
    for (k, bad) in [(2, 2), (10, 10), (13, 1 << 20), (3, u32::MAX)] {
        let rows = HeadRows { generated: 3, labelled: 7, unlabelled: 5, second: 5 };
        let mut labels = classes(rows.labelled, k);
        for i in [0, 3, 6] {
            labels[i] = bad;
        }
        let logits = numbers(102, rows.total() * k);
        let weights = HeadWeights { real_target: 0.9, entropy: 0.7, consistency: 2.0, ..PLAIN };
        check_head(checks, rows, &labels, &logits, weights)?;
        check_evaluation(checks, (&labels, k), (5, 1))?;
    }
    Ok(())
}

/// A step's row of the metrics is the same whether its number is below that of the rows or goes round them.
pub fn slots_beyond_the_ring(checks: &Checks<'_>) -> Result<()> {
    let rows = HeadRows { generated: 1, labelled: 1, unlabelled: 2, second: 0 };
    let (stats, f) = (input(checks, 4, 4, &numbers(141, 16)), input(checks, 6, 5, &numbers(142, 30)));
    let features = Features { f: &f, generated: 3, mean: true };
    for kernel in ["head_metrics", "balance", "generator_loss", "feature_matching", "moment_matching"] {
        let (df, dlogits) = (checks.tensor("df", 3, 5), checks.tensor("dlogits", 6, 5));
        let row = |slot: u32| -> Result<Vec<u32>> {
            let ring = metrics(checks);
            // Bound without what is behind it: its rows are counted.
            let to = &ring.tensor;
            checks.run(State { slot, ..state() }, |ops, p| match kernel {
                "head_metrics" => ops.head_metrics(p, rows, PLAIN, &stats, to),
                "balance" => {
                    let rows = rows.first_view();
                    ops.balance(p, Balance { logits: &f, rows, weight: 1.0, dlogits: &dlogits }, to)
                }
                "generator_loss" => ops.generator_loss(p, &f, &dlogits, to),
                "feature_matching" => ops.feature_matching(p, features, &df, to),
                _ => ops.moment_matching(p, features, &df, to),
            })?;
            Ok(slot_of(checks, &ring, kernel)?.into_iter().map(f32::to_bits).collect())
        };
        let want = row(SLOT)?;
        checks.same(kernel, &want, &row(SLOT + 3)?);
        checks.same(kernel, &want, &row(SLOT + 3_000_000_000)?);
    }
    Ok(())
}

/// The balance of predictions, alone and among the other terms; also of classes that no row is given any share of.
pub fn balance(checks: &Checks<'_>) -> Result<()> {
    let alone = HeadWeights { unsupervised: 0.0, balance: 1.5, ..PLAIN };
    let all = HeadWeights { real_target: 0.9, entropy: 0.7, consistency: 2.0, balance: 0.8, ..PLAIN };
    // The last is alone in it: beside a labelled row its gradients, each a 20,000th, would be lost in the tolerance.
    let counts = [(0, 0, 1, 1), (0, 7, 5, 0), (3, 1, 40, 40), (31, 33, 512, 0), (0, 0, 20_000, 0)];
    for (i, (generated, labelled, unlabelled, second)) in counts.into_iter().enumerate() {
        for (k, scale) in [(2, 1.0), (10, 8.0), (13, 200.0), (1000, 8.0)] {
            if unlabelled * k > 2_000_000 {
                continue;
            }
            let rows = HeadRows { generated, labelled, unlabelled, second };
            // Of many rows the mean is even, unless classes are not.
            let uneven = |i: usize| 2.0 * (i % k as usize) as f32 / k as f32;
            let drawn = numbers(110 + i as u32, rows.total() * k);
            let logits: Vec<f32> = drawn.iter().enumerate().map(|(i, v)| v * scale + uneven(i)).collect();
            let weights = if second > 0 { all } else { alone };
            check_head(checks, rows, &classes(labelled, k), &logits, weights)?;
        }
    }
    let rows = HeadRows { generated: 0, labelled: 0, unlabelled: 4, second: 0 };
    let logits = [200.0, -200.0, 0.0].repeat(4);
    check_head(checks, rows, &[], &logits, alone)
}

/// Compares D's losses with the twin's; `labels` are those of the labelled rows.
fn check_head(
    checks: &Checks<'_>,
    rows: HeadRows,
    labels: &[u32],
    logits: &[f32],
    weights: HeadWeights,
) -> Result<()> {
    let HeadRows { generated, labelled, unlabelled, .. } = rows;
    let count = rows.total();
    let k = logits.len() as u32 / count;
    let name = format!("head {rows:?} x {k}");
    let bound = if labels.is_empty() { &[0] } else { labels };
    let (tl, ty) = (input(checks, count, k, logits), input(checks, 1, bound.len() as u32, bound));
    let dlogits = Output::new(checks, count, k, Slack::None);
    let ring = metrics(checks);
    // Behind other rows, whose statistics stay.
    let (first, behind) = (3, 2);
    let before = vec![7.0f32; 4 * (first + count + behind) as usize];
    let stats = input(checks, first + count + behind, 4, &before);
    let head =
        Head { logits: &tl, labels: &ty, rows, weights, dlogits: &dlogits.open, row_stats: &stats, first };
    checks.run(state(), |ops, p| {
        ops.head(p, head)?;
        if weights.balance > 0.0 {
            let (rows, weight) = (rows.first_view(), weights.balance);
            ops.balance(p, Balance { logits: &tl, rows, weight, dlogits: &dlogits.open }, &ring.open)?;
        }
        Ok(())
    })?;
    let all: Vec<f32> = checks.read(&stats).block_on()?;
    let (from, to) = (4 * first as usize, 4 * (first + count) as usize);
    let others = all[..from].iter().chain(&all[to..]).all(|v| *v == 7.0);
    checks.holds(&name, "the statistics of other rows stay", others);
    let own = input(checks, count, 4, &all[from..to]);
    checks.run(state(), |ops, p| ops.head_metrics(p, rows, weights, &own, &ring.open))?;
    // The twin stacks the generated rows last.
    let split = (generated * k) as usize;
    let turned = [&wide(logits)[split..], &wide(logits)[..split]].concat();
    let (u, g) = (unlabelled as usize, generated as usize);
    let want = loss::discriminator_loss(&turned, k as usize, labels, u, g, of_twin(weights, rows));
    let back = turned.len() - split;
    let d = [&want.d_logits[back..], &want.d_logits[..back]].concat();
    let got: Vec<f32> = dlogits.read(checks, &name)?;
    if d.iter().any(|v| v.abs() > 1e-30) {
        checks.sums(&name, &d, &got);
    }
    // p - 1 of a sure and right row is what rounding leaves, divided by the rows.
    checks.values(&name, &d, &got, 1.5e-7 / f64::from(labelled.max(1)));
    let m = slot_of(checks, &ring, &name)?;
    // A loss that is small against its logits is a difference of them.
    let spacing = logits.iter().fold(0.0f64, |m, v| m.max(f64::from(v.abs()))) * 2e-7;
    check_metrics(checks, (&name, labelled, spacing), &want, &m);
    Ok(())
}

/// Compares a step's numbers, of so many labelled rows, with the twin's.
fn check_metrics(
    checks: &Checks<'_>,
    (name, labelled, spacing): (&str, u32, f64),
    want: &DiscriminatorLoss,
    m: &[f32],
) {
    let share = |n: usize| if labelled == 0 { 0.0 } else { n as f64 / f64::from(labelled) };
    let losses = [want.supervised, share(want.correct), want.total, want.real, want.fake];
    checks.values(name, &losses, &m[..5], spacing);
    checks.untouched(name, "L_G", &m[5..6]);
    let means = [want.d_real, want.d_fake, want.entropy, want.consistency];
    checks.values(name, &means, &m[6..10], 1e-7 + spacing);
    match want.balance {
        Some(balance) => checks.values(name, &[balance], &m[10..], 1e-6),
        None => checks.untouched(name, "balance", &m[10..]),
    }
}

/// The weights of the terms as the twin has them.
fn of_twin(weights: HeadWeights, rows: HeadRows) -> LossSettings {
    LossSettings {
        weight: weights.unsupervised.into(),
        alpha: weights.real_target.into(),
        entropy: f64::from(RAMP * weights.entropy),
        consistency: f64::from(RAMP * weights.consistency),
        balance: (weights.balance > 0.0).then(|| f64::from(RAMP * weights.balance)),
        second_view: rows.second > 0,
    }
}

/// G's loss through D's logits, and its gradient.
pub fn generator_loss(checks: &Checks<'_>) -> Result<()> {
    // The last two are rows that one workgroup of llvmpipe's cannot go over, with and without their classes.
    for (rows, k, scale) in [
        (1, 2, 1.0),
        (31, 3, 8.0),
        (33, 10, 200.0),
        (512, 10, 1.0),
        (512, 1000, 1.0),
        (20_000, 10, 1.0),
        (600_000, 2, 1.0),
    ] {
        let name = format!("generator loss {rows} x {k}");
        let logits: Vec<f32> = numbers(123, rows * k).iter().map(|v| v * scale).collect();
        let tl = input(checks, rows, k, &logits);
        let dlogits = Output::new(checks, rows, k, Slack::None);
        let ring = metrics(checks);
        checks.run(state(), |ops, p| ops.generator_loss(p, &tl, &dlogits.open, &ring.open))?;
        let (loss, d) = loss::generator_loss(&wide(&logits), k as usize);
        let got: Vec<f32> = dlogits.read(checks, &name)?;
        if d.iter().any(|v| v.abs() > 1e-30) {
            checks.sums(&name, &d, &got);
        }
        checks.values(&name, &d, &got, 1e-30);
        let m = slot_of(checks, &ring, &name)?;
        checks.values(&name, &[loss], &m[5..6], 1e-6 * f64::from(scale));
        checks.untouched(&name, "other metrics", &[&m[..5], &m[6..]].concat());
    }
    Ok(())
}

/// Batches that end beyond the last image, labels four to a word, ties.
pub fn evaluation(checks: &Checks<'_>) -> Result<()> {
    for (images, k, batch, first) in
        [(1, 2, 1, 0), (7, 3, 7, 0), (103, 10, 64, 64), (70, 11, 33, 32), (9, 2, 4, 12)]
    {
        let labels: Vec<u32> = (0..images).map(|i| (i * 5 + 2) % k).collect();
        check_evaluation(checks, (&labels, k), (batch, first))?;
    }
    Ok(())
}

/// The evaluation of `batch` images from number `first` on.
fn check_evaluation(
    checks: &Checks<'_>,
    (labels, k): (&[u32], u32),
    (batch, first): (u32, u32),
) -> Result<()> {
    let images = labels.len() as u32;
    let name = format!("evaluate {batch} from {first} of {images}");
    let logits: Vec<f32> = numbers(131, batch * k).iter().map(|v| (v * 3.0).round()).collect();
    let (tl, ty) = (input(checks, batch, k, &logits), input(checks, 1, images, labels));
    let losses = Output::new(checks, 1, images, Slack::None);
    let mut counts = vec![3u32; (k * k) as usize];
    let confusion = Output::with(checks, k, k, &counts, Slack::None);
    let state = State { position: [0, 0, 0, first], ..State::default() };
    checks.run(state, |ops, p| ops.evaluate(p, &tl, &ty, images, &losses.open, &confusion.open))?;
    let got: Vec<f32> = losses.read(checks, &name)?;
    for i in 0..images {
        let row = i.checked_sub(first).filter(|r| *r < batch);
        let Some(row) = row else {
            checks.untouched(&name, "images of other batches", &got[i as usize..i as usize + 1]);
            continue;
        };
        let l = wide(&logits[(row * k) as usize..((row + 1) * k) as usize]);
        let y = labels[i as usize];
        let want = loss::cross_entropy(&l, y).0;
        checks.values(&name, &[want], &got[i as usize..i as usize + 1], 1e-6);
        if y < k {
            counts[(y * k) as usize + loss::argmax(&l)] += 1;
        }
    }
    checks.same(&name, &counts, &confusion.read::<u32>(checks, &name)?);
    Ok(())
}
