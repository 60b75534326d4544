//! Batch normalisation, data-dependent initialisation, column sums.

use super::gemm::{ACTIVATIONS, activate};
use super::{Checks, Output, Slack, input, numbers, wide};
use crate::error::Result;
use crate::native::BlockOn;
use crate::ops::{Activation, BatchNorm, BatchNormGrad, RowStatistics, Rows, State};
use crate::reference::batch_norm::{ChannelStats, batch_norm_backward, batch_norm_forward};
use crate::reference::bias::bias_grad;

/// (rows before, rows, rows after, columns): chunks of the reduction are of 32 rows, and longer from 2048.
const GROUPS: [(u32, u32, u32, u32); 11] = [
    (0, 1, 0, 1),
    (0, 31, 0, 3),
    (0, 32, 1, 4),
    (2, 33, 0, 5),
    (7, 64, 3, 8),
    (0, 100, 12, 500),
    (1, 257, 0, 31),
    (0, 2048, 0, 2),
    (3, 2113, 5, 7),
    // Of few columns GPUs make more than 64 chunks of so many.
    (0, 9000, 0, 32),
    (1, 20_003, 2, 3),
];

/// As many rows as 64 of the longest chunks hold, and more than llvmpipe sums up in as many loops.
const LONG: [(u32, u32, u32, u32); 2] = [(0, 64 * 15_872, 0, 1), (1, 4_300_000, 1, 1)];

/// Where the groups' rows lie in a matrix of `cols`.
fn part<T: Copy>(x: &[T], start: u32, count: u32, cols: u32) -> &[T] {
    &x[(start * cols) as usize..((start + count) * cols) as usize]
}

/// Sums of columns, gradients of biases.
pub fn column_sums(checks: &Checks<'_>) -> Result<()> {
    GROUPS.into_iter().try_for_each(|group| column_sum(checks, group))
}

/// Of more rows than an invocation may go over.
pub fn long_column_sums(checks: &Checks<'_>) -> Result<()> {
    LONG.into_iter().try_for_each(|group| column_sum(checks, group))
}

fn column_sum(checks: &Checks<'_>, (before, count, after, cols): (u32, u32, u32, u32)) -> Result<()> {
    let name = format!("column sum of {count} x {cols}");
    let rows = before + count + after;
    let x = numbers(71, rows * cols);
    let tx = input(checks, rows, cols, &x);
    let out = Output::new(checks, 1, cols, Slack::None);
    let group = (&tx, Rows { start: before, count });
    checks.run(State::default(), |ops, p| ops.column_sum(p, "check", group, 0.25, &out.open))?;
    let want = bias_grad(&wide(part(&x, before, count, cols)), cols as usize);
    let want: Vec<f64> = want.iter().map(|v| 0.25 * v).collect();
    checks.sums(&name, &want, &out.read(checks, &name)?);
    Ok(())
}

struct Layer {
    bn: BatchNorm,
    gamma: Vec<f64>,
    beta: Vec<f64>,
    running_mean: Output,
    running_var: Output,
}

fn layer(checks: &Checks<'_>, cols: u32, scale: bool, shift: bool) -> Layer {
    let (gamma, beta) = (numbers(72, cols), numbers(73, cols));
    let mean = Output::with(checks, 1, cols, &numbers(74, cols), Slack::None);
    let var = Output::with(checks, 1, cols, &vec![0.75f32; cols as usize], Slack::None);
    let bn = BatchNorm {
        gamma: scale.then(|| input(checks, 1, cols, &gamma)),
        beta: shift.then(|| input(checks, 1, cols, &beta)),
        running_mean: mean.tensor.clone(),
        running_var: var.tensor.clone(),
        eps: 1e-3,
        momentum: 0.1,
    };
    Layer { bn, gamma: wide(&gamma), beta: wide(&beta), running_mean: mean, running_var: var }
}

/// Numbers whose mean is large against their deviation: sums of squares would cancel.
fn shifted(stream: u32, n: u32) -> Vec<f32> {
    numbers(stream, n).iter().map(|v| 50.0 + v).collect()
}

/// Means and variances of a group of rows, and the averages that follow them.
pub fn statistics_and_running_averages(checks: &Checks<'_>) -> Result<()> {
    GROUPS.into_iter().try_for_each(|group| statistics(checks, group))
}

/// Of more rows than an invocation may go over.
pub fn statistics_of_many_rows(checks: &Checks<'_>) -> Result<()> {
    LONG.into_iter().try_for_each(|group| statistics(checks, group))
}

fn statistics(checks: &Checks<'_>, (before, count, after, cols): (u32, u32, u32, u32)) -> Result<()> {
    let name = format!("statistics of {count} x {cols}");
    let rows = before + count + after;
    let x = shifted(75, rows * cols);
    let tx = input(checks, rows, cols, &x);
    let l = layer(checks, cols, false, false);
    let mut kept = vec![];
    checks.run(State::default(), |ops, p| {
        let group = (&tx, Rows { start: before, count });
        kept.push(ops.batch_norm_statistics(p, "check", group, Some(&l.bn))?);
        kept.push(ops.batch_norm_statistics(p, "check", group, None)?);
        Ok(())
    })?;
    let stats = ChannelStats::of(&wide(part(&x, before, count, cols)), cols as usize);
    for RowStatistics { mean, variance, .. } in &kept {
        checks.values(&name, &stats.mean, &checks.read::<f32>(mean).block_on()?, 0.0);
        // The inputs are spaced by 4e-6 and exact; deviations from a rounded mean are not.
        checks.values(&name, &stats.var, &checks.read::<f32>(variance).block_on()?, 1e-9);
    }
    // Moved once, by the call that was given the averages.
    let (mut mean, mut var) = (wide(&numbers(74, cols)), vec![0.75; cols as usize]);
    stats.update_running(f64::from(0.1f32), &mut mean, &mut var);
    checks.values(&name, &mean, &l.running_mean.read(checks, &name)?, 1e-7);
    checks.values(&name, &var, &l.running_var.read(checks, &name)?, 0.0);
    Ok(())
}

/// (x - mean) / sqrt(var + eps), given statistics.
pub fn applied(checks: &Checks<'_>) -> Result<()> {
    for (i, (before, count, after, cols)) in GROUPS.into_iter().enumerate() {
        for (scale, shift) in [(false, false), (true, false), (false, true), (true, true)] {
            let act = ACTIVATIONS[i % ACTIVATIONS.len()];
            apply(checks, (before, count, after, cols), act, scale, shift)?;
        }
    }
    for act in ACTIVATIONS {
        apply(checks, (1, 6, 1, 8), act, true, true)?;
        apply(checks, (1, 6, 1, 7), act, true, true)?;
    }
    Ok(())
}

fn apply(
    checks: &Checks<'_>,
    (before, count, after, cols): (u32, u32, u32, u32),
    act: Activation,
    scale: bool,
    shift: bool,
) -> Result<()> {
    let name = format!("batch norm {before}+{count}+{after} x {cols} {act:?} {scale} {shift}");
    let rows = before + count + after;
    let x = numbers(76, rows * cols);
    let mean = numbers(77, cols);
    let var: Vec<f32> = numbers(78, cols).iter().map(|v| v + 1.01).collect();
    let l = layer(checks, cols, scale, shift);
    let tx = input(checks, rows, cols, &x);
    let (mean_of_group, variance) = (input(checks, 1, cols, &mean), input(checks, 1, cols, &var));
    let group = RowStatistics { rows: Rows { start: before, count }, mean: mean_of_group, variance };
    let y = Output::new(checks, rows, cols, Slack::None);
    checks.run(State::default(), |ops, p| ops.batch_norm(p, "check", &l.bn, &group, (&tx, &y.open), act))?;
    let got: Vec<f32> = y.read(checks, &name)?;
    let (gamma, beta) = (scale.then_some(&l.gamma[..]), shift.then_some(&l.beta[..]));
    let mut want = batch_norm_forward(
        &wide(part(&x, before, count, cols)),
        &wide(&mean),
        &wide(&var),
        gamma,
        beta,
        f64::from(1e-3f32),
    );
    want.iter_mut().for_each(|v| *v = activate(act, *v));
    // The sum with beta can cancel: values up to 20 with a spacing of 1e-6.
    checks.values(&name, &want, part(&got, before, count, cols), 4e-6);
    let others = [part(&got, 0, before, cols), part(&got, before + count, after, cols)].concat();
    checks.untouched(&name, "rows of other groups", &others);
    Ok(())
}

/// Two groups of one layer, each with its own statistics: the gradients of scale and shift add up.
pub fn gradients_of_two_groups(checks: &Checks<'_>) -> Result<()> {
    for (first, second, cols) in [(1, 1, 1), (5, 7, 3), (33, 31, 4), (64, 100, 20), (2100, 13, 5)] {
        for (scale, shift) in [(true, true), (false, true), (true, false), (false, false)] {
            two_groups(checks, (first, second, cols), scale, shift)?;
        }
    }
    Ok(())
}

/// One of them of more rows than an invocation may go over.
pub fn gradients_of_many_rows(checks: &Checks<'_>) -> Result<()> {
    two_groups(checks, (4_300_000, 3, 1), true, true)
}

fn two_groups(
    checks: &Checks<'_>,
    (first, second, cols): (u32, u32, u32),
    scale: bool,
    shift: bool,
) -> Result<()> {
    let name = format!("batch norm gradient {first}+{second} x {cols} {scale} {shift}");
    let rows = first + second;
    let (x, dy) = (numbers(81, rows * cols), numbers(82, rows * cols));
    let (tx, tdy) = (input(checks, rows, cols, &x), input(checks, rows, cols, &dy));
    let l = layer(checks, cols, scale, shift);
    let dx = Output::new(checks, rows, cols, Slack::None);
    let [dgamma, dbeta] = [0; 2].map(|_| Output::new(checks, 1, cols, Slack::None));
    checks.run(State::default(), |ops, p| {
        for (start, count) in [(0, first), (first, second)] {
            let statistics = ops.batch_norm_statistics(p, "check", (&tx, Rows { start, count }), None)?;
            let grad = BatchNormGrad {
                x: &tx,
                dy: &tdy,
                dx: &dx.open,
                dgamma: scale.then_some(&dgamma.open),
                dbeta: shift.then_some(&dbeta.open),
                add: start > 0,
            };
            ops.batch_norm_grad(p, "check", &l.bn, &statistics, grad)?;
        }
        Ok(())
    })?;
    let gamma = scale.then_some(&l.gamma[..]);
    let grads = [(0, first), (first, second)].map(|(start, count)| {
        let x = wide(part(&x, start, count, cols));
        let s = ChannelStats::of(&x, cols as usize);
        let dy = wide(part(&dy, start, count, cols));
        batch_norm_backward(&x, &dy, &s.mean, &s.var, gamma, f64::from(1e-3f32), true)
    });
    let [a, b] = &grads;
    let sum = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a + b).collect::<Vec<f64>>();
    // Of a group of one row the gradient is 0, the difference of two equal numbers.
    checks.values(&name, &[&a.dx[..], &b.dx[..]].concat(), &dx.read(checks, &name)?, 1e-5);
    if rows > 2 {
        checks.sums(&name, &[&a.dx[..], &b.dx[..]].concat(), &dx.read(checks, &name)?);
    }
    let read = |o: &Output| o.read::<f32>(checks, &name);
    let (dgamma, dbeta) = (read(&dgamma)?, read(&dbeta)?);
    check_or_untouched(checks, &name, scale, &sum(&a.dgamma, &b.dgamma), &dgamma);
    check_or_untouched(checks, &name, shift, &sum(&a.dbeta, &b.dbeta), &dbeta);
    Ok(())
}

fn check_or_untouched(checks: &Checks<'_>, name: &str, wanted: bool, want: &[f64], got: &[f32]) {
    if wanted {
        checks.sums(name, want, got);
    } else {
        checks.untouched(name, "a gradient that nobody asked for", got);
    }
}

/// Of two rows, all but eps / (var + eps) of the gradient cancels, and the mean is rounded at 5 where deviations are small.
pub fn gradients_of_few_rows(checks: &Checks<'_>) -> Result<()> {
    for rows in [2, 3, 5] {
        let name = format!("batch norm gradient of {rows} rows");
        let (cols, eps) = (100, 1e-5f32);
        let x: Vec<f32> = numbers(87, rows * cols).iter().map(|v| 5.0 + v).collect();
        let dy = numbers(88, rows * cols);
        let (tx, tdy) = (input(checks, rows, cols, &x), input(checks, rows, cols, &dy));
        let bn = BatchNorm { eps, ..layer(checks, cols, false, false).bn };
        let dx = Output::new(checks, rows, cols, Slack::None);
        checks.run(State::default(), |ops, p| {
            let statistics = ops.batch_norm_statistics(p, "check", (&tx, Rows::of(&tx)), None)?;
            let (dgamma, dbeta) = (None, None);
            let grad = BatchNormGrad { x: &tx, dy: &tdy, dx: &dx.open, dgamma, dbeta, add: false };
            ops.batch_norm_grad(p, "check", &bn, &statistics, grad)
        })?;
        let s = ChannelStats::of(&wide(&x), cols as usize);
        let want = batch_norm_backward(&wide(&x), &wide(&dy), &s.mean, &s.var, None, eps.into(), true);
        // A ten-thousandth of what rounding leaves of the usual order of the formula.
        checks.sums_within(&name, &want.dx, &dx.read::<f32>(checks, &name)?, 1e-12);
    }
    Ok(())
}

/// Scales and biases that give unit variance and zero mean.
pub fn data_dependent_initialisation(checks: &Checks<'_>) -> Result<()> {
    for (n, with_bias) in [(1, true), (31, true), (32, false), (65, true)] {
        let name = format!("data init {n}");
        let mean = numbers(85, n);
        let mut var: Vec<f32> = numbers(86, n).iter().map(|v| (v + 1.0) * 3.0 + 1e-3).collect();
        // A dead channel must not divide by zero, nor become so large that others are nothing beside it.
        var[0] = 0.0;
        let rows = Rows { start: 0, count: 1 };
        let statistics =
            RowStatistics { rows, mean: input(checks, 1, n, &mean), variance: input(checks, 1, n, &var) };
        // That of an earlier initialisation, over which the statistics are: not 1.
        let before: Vec<f32> = (0..n).map(|o| [0.5, 1.0, 4.0][o as usize % 3]).collect();
        let g = Output::with(checks, 1, n, &before, Slack::None);
        let bias = Output::new(checks, 1, n, Slack::None);
        checks.run(State::default(), |ops, p| {
            ops.data_init(p, "check", &statistics, &g.open, with_bias.then_some(&bias.open))
        })?;
        let want: Vec<f64> = var.iter().map(|v| crate::reference::init::data_scale((*v).into())).collect();
        checks.holds(&name, "a dead channel is not scaled", want[0] == 1.0);
        let scaled: Vec<f64> = want.iter().zip(&before).map(|(scale, g)| scale * f64::from(*g)).collect();
        checks.values(&name, &scaled, &g.read(checks, &name)?, 0.0);
        let bias: Vec<f32> = bias.read(checks, &name)?;
        let want: Vec<f64> = want.iter().zip(&mean).map(|(g, m)| -g * f64::from(*m)).collect();
        if with_bias {
            checks.values(&name, &want, &bias, 0.0)
        } else {
            checks.untouched(&name, "a bias that nobody asked for", &bias);
        }
    }
    Ok(())
}
