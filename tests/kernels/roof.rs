//! The kernels that measure the adapter do the work that they are credited with.

use crate::harness::{Output, Slack, both_ways, input, numbers, run, values};
use ssgan::ops::State;
use ssgan::reference::roof::roof_fma;

#[test]
fn copies() {
    both_ways(|gpu| {
        for n in [1, 4, 31, 128, 129, 1023, 4 * 64 * 8 * 3 + 5] {
            for per in [1, 2, 4, 8] {
                let x = numbers(81, n);
                let tx = input(gpu, 1, n, &x);
                let y = Output::new(gpu, 1, n, Slack::Vec4);
                run(gpu, State::default(), |ops, p| ops.roof_copy(p, per, &tx, &y.tensor));
                assert_eq!(y.read::<f32>(gpu, "copy"), x, "{n} values, {per} vec4 each");
            }
        }
    });
}

#[test]
fn multiply_adds() {
    both_ways(|gpu| {
        for (n, chains, rounds) in [(1, 1, 1), (65, 2, 3), (130, 4, 2), (67, 8, 5), (33, 12, 1)] {
            let name = format!("{chains} chains of {rounds} rounds, {n} rows");
            let (a, b) = (0.75, 0.125);
            let y = Output::new(gpu, n, 4, Slack::None);
            let program =
                run(gpu, State::default(), |ops, p| ops.roof_fma(p, (chains, rounds), (a, b), &y.tensor));
            let want = roof_fma(n as usize, chains, rounds, a.into(), b.into());
            values(&name, &want, &y.read(gpu, &name), 0.0);
            // Eight multiply-adds of a vec4 a round, two operations each.
            assert_eq!(program.flops(), u64::from(n * chains * rounds) * 8 * 4 * 2, "{name}");
        }
    });
}
