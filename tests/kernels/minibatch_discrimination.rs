//! Minibatch discrimination: inputs stacked in one batch, equal rows, one row.

use crate::harness::{Output, Slack, both_ways, input, numbers, run, sums, wide};
use ssgan::gpu::Gpu;
use ssgan::ops::{Closeness, State};
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
            check(gpu, &groups, Closeness { features, kernels, dims });
        }
    });
}

fn check(gpu: &Gpu, counts: &[u32], at: Closeness) {
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
    let (tx, tm) = (input(gpu, rows, at.features, &x), input(gpu, rows, columns, &m));
    let td = input(gpu, rows, at.features + at.kernels, &dy);
    let y = Output::new(gpu, rows, at.features + at.kernels, Slack::None);
    let dm = Output::new(gpu, rows, columns, Slack::None);
    run(gpu, State::default(), |ops, p| {
        let mut start = 0;
        for &count in counts {
            ops.minibatch_discrimination(p, "test", at, (start, count), (&tx, &tm), &y.tensor)?;
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
fn columns_are_added() {
    both_ways(|gpu| {
        for (rows, width, columns) in [(1, 1, 1), (5, 7, 3), (67, 130, 129)] {
            let name = format!("add_columns {rows} x {columns} of {width}");
            let (x, y) = (numbers(154, rows * width), numbers(155, rows * columns));
            let tx = input(gpu, rows, width, &x);
            let out = Output::with(gpu, rows, columns, &y, Slack::None);
            run(gpu, State::default(), |ops, p| ops.add_columns(p, "test", &tx, &out.tensor));
            let want: Vec<f64> = (0..(rows * columns) as usize)
                .map(|i| {
                    let (r, c) = (i / columns as usize, i % columns as usize);
                    f64::from(y[i]) + f64::from(x[r * width as usize + c])
                })
                .collect();
            sums(&name, &want, &out.read(gpu, &name));
        }
    });
}
