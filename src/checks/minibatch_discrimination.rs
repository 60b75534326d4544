//! Minibatch discrimination: inputs stacked in one batch, equal rows, one row.

use super::{Checks, Output, Slack, input, numbers, wide};
use crate::error::Result;
use crate::ops::{MinibatchSizes, Ops, State};
use crate::reference::Group;
use crate::reference::minibatch_discrimination::{Sizes, backward, forward};

/// Distances between rows of a group and their gradient, with lanes of a subgroup and without.
pub fn minibatch_discrimination(checks: &Checks<'_>) -> Result<()> {
    for (groups, features, kernels, dims) in [
        (vec![1], 1, 1, 1),
        (vec![2, 1, 3], 4, 3, 2),
        (vec![31, 33], 7, 5, 3),
        (vec![100, 64], 250, 20, 5),
        (vec![65], 3, 67, 16),
    ] {
        let at = MinibatchSizes { features, kernels, dims };
        let mut ops = Ops::new(checks);
        checks.variant(ops.broadcast.map_or(String::new(), |lanes| format!("{lanes} lanes")));
        check(checks, &ops, &groups, at)?;
        // As on adapters without subgroups of one size.
        ops.broadcast = None;
        checks.variant("");
        check(checks, &ops, &groups, at)?;
    }
    Ok(())
}

fn check(checks: &Checks<'_>, ops: &Ops, counts: &[u32], at: MinibatchSizes) -> Result<()> {
    let name = format!("minibatch discrimination {counts:?} {at:?}");
    let rows: u32 = counts.iter().sum();
    let x = numbers(151, rows * at.features);
    let columns = at.kernels * at.dims;
    let mut m = numbers(152, rows * columns);
    // Two equal rows: distance 0, no side.
    if rows > 1 {
        let (first, second) = m.split_at_mut(columns as usize);
        second[..columns as usize].copy_from_slice(first);
    }
    let dy = numbers(153, rows * (at.features + at.kernels));
    let (tx, tm) = (input(checks, rows, at.features, &x), input(checks, rows, columns, &m));
    let td = input(checks, rows, at.features + at.kernels, &dy);
    let y = Output::new(checks, rows, at.features + at.kernels, Slack::None);
    let dm = Output::new(checks, rows, columns, Slack::None);
    checks.run_with(ops, State::default(), |ops, p| {
        ops.copy_columns(p, "check", false, &tx, &y.tensor)?;
        let mut start = 0;
        for &count in counts {
            ops.minibatch_discrimination(p, "check", at, (start, count), &tm, &y.tensor)?;
            ops.minibatch_discrimination_grad(p, "check", at, (start, count), (&tm, &td), &dm.tensor)?;
            start += count;
        }
        Ok(())
    })?;
    let groups: Vec<Group> =
        counts.iter().map(|&c| Group { rows: c as usize, update_running: false }).collect();
    let sizes =
        Sizes { features: at.features as usize, kernels: at.kernels as usize, dims: at.dims as usize };
    checks.sums(&name, &forward(&wide(&x), &wide(&m), sizes, &groups), &y.read(checks, &name)?);
    let want = backward(&wide(&m), &wide(&dy), sizes, &groups);
    let got: Vec<f32> = dm.read(checks, &name)?;
    // One row alone is near itself, whatever it is.
    if want.iter().any(|d| *d != 0.0) {
        checks.sums(&name, &want, &got);
    } else {
        checks.same(&name, &vec![0.0; got.len()], &got);
    }
    Ok(())
}

/// The copy of features beside the distances.
pub fn columns_are_copied_and_added(checks: &Checks<'_>) -> Result<()> {
    for (rows, x_width, y_width) in [(1, 1, 1), (5, 7, 3), (5, 3, 7), (67, 130, 129)] {
        let (x, y) = (numbers(154, rows * x_width), numbers(155, rows * y_width));
        let tx = input(checks, rows, x_width, &x);
        for add in [false, true] {
            let name = format!("copy_columns {rows} x {x_width} to {y_width}, add {add}");
            let out = Output::with(checks, rows, y_width, &y, Slack::None);
            checks.run(State::default(), |ops, p| ops.copy_columns(p, "check", add, &tx, &out.tensor))?;
            let want = |i: usize| {
                let (row, column) = (i / y_width as usize, i % y_width as usize);
                let old = f64::from(y[i]);
                match column < x_width as usize {
                    false => old,
                    true => f64::from(x[row * x_width as usize + column]) + if add { old } else { 0.0 },
                }
            };
            let want: Vec<f64> = (0..(rows * y_width) as usize).map(want).collect();
            checks.sums(&name, &want, &out.read(checks, &name)?);
        }
    }
    Ok(())
}
