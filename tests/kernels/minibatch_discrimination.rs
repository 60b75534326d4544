//! Minibatch discrimination: inputs stacked in one batch, equal rows, one row.

use crate::harness::{Output, Slack, both_ways, input, numbers, run, run_with, sums, wide};
use ssgan::ops::{MinibatchSizes, Ops, State};
use ssgan::reference::Group;
use ssgan::reference::minibatch_discrimination::{Sizes, backward, forward};

#[test]
fn minibatch_discrimination() {
    both_ways(|gpu| {
        for (groups, features, kernels, dims) in [
            (vec![1], 1, 1, 1),
            (vec![2, 1, 3], 4, 3, 2),
            (vec![31, 33], 7, 5, 3),
            (vec![100, 64], 250, 20, 5),
            (vec![65], 3, 67, 16),
        ] {
            let at = MinibatchSizes { features, kernels, dims };
            let mut ops = Ops::new(gpu);
            check(&ops, &groups, at);
            // As on adapters without subgroups of one size.
            ops.broadcast = None;
            check(&ops, &groups, at);
        }
    });
}

fn check(ops: &Ops, counts: &[u32], at: MinibatchSizes) {
    let name = format!("minibatch discrimination {counts:?} {at:?}, lanes {:?}", ops.broadcast);
    let gpu = &ops.gpu;
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
    let (tx, tm) = (input(gpu, rows, at.features, &x), input(gpu, rows, columns, &m));
    let td = input(gpu, rows, at.features + at.kernels, &dy);
    let y = Output::new(gpu, rows, at.features + at.kernels, Slack::None);
    let dm = Output::new(gpu, rows, columns, Slack::None);
    run_with(ops, State::default(), |ops, p| {
        ops.copy_columns(p, "test", false, &tx, &y.tensor)?;
        let mut start = 0;
        for &count in counts {
            ops.minibatch_discrimination(p, "test", at, (start, count), &tm, &y.tensor)?;
            ops.minibatch_discrimination_grad(p, "test", at, (start, count), (&tm, &td), &dm.tensor)?;
            start += count;
        }
        Ok(())
    });
    let groups: Vec<Group> =
        counts.iter().map(|&c| Group { rows: c as usize, update_running: false }).collect();
    let sizes =
        Sizes { features: at.features as usize, kernels: at.kernels as usize, dims: at.dims as usize };
    sums(&name, &forward(&wide(&x), &wide(&m), sizes, &groups), &y.read(gpu, &name));
    let want = backward(&wide(&m), &wide(&dy), sizes, &groups);
    let got: Vec<f32> = dm.read(gpu, &name);
    // One row alone is near itself, whatever it is.
    if want.iter().any(|d| *d != 0.0) {
        sums(&name, &want, &got);
    } else {
        assert!(got.iter().all(|d| *d == 0.0), "{name}");
    }
}

#[test]
fn columns_are_copied_and_added() {
    both_ways(|gpu| {
        for (rows, x_width, y_width) in [(1, 1, 1), (5, 7, 3), (5, 3, 7), (67, 130, 129)] {
            let (x, y) = (numbers(154, rows * x_width), numbers(155, rows * y_width));
            let tx = input(gpu, rows, x_width, &x);
            for add in [false, true] {
                let name = format!("copy_columns {rows} x {x_width} to {y_width}, add {add}");
                let out = Output::with(gpu, rows, y_width, &y, Slack::None);
                run(gpu, State::default(), |ops, p| ops.copy_columns(p, "test", add, &tx, &out.tensor));
                let want = |i: usize| {
                    let (row, column) = (i / y_width as usize, i % y_width as usize);
                    let old = f64::from(y[i]);
                    match column < x_width as usize {
                        false => old,
                        true => f64::from(x[row * x_width as usize + column]) + if add { old } else { 0.0 },
                    }
                };
                let want: Vec<f64> = (0..(rows * y_width) as usize).map(want).collect();
                sums(&name, &want, &out.read(gpu, &name));
            }
        }
    });
}
