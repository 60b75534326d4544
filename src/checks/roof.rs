//! The kernels that measure the adapter do the work that they are credited with.

use super::{Checks, Output, Slack, input, numbers};
use crate::error::Result;
use crate::ops::State;
use crate::reference::roof::roof_fma;

/// The copy that measures bandwidth copies.
pub fn copies(checks: &Checks<'_>) -> Result<()> {
    for n in [1, 4, 31, 128, 129, 1023, 4 * 64 * 8 * 3 + 5] {
        for per in [1, 2, 4, 8] {
            let x = numbers(81, n);
            let tx = input(checks, 1, n, &x);
            let y = Output::new(checks, 1, n, Slack::Vec4);
            checks.run(State::default(), |ops, p| ops.roof_copy(p, per, &tx, &y.tensor))?;
            let name = format!("{n} values, {per} vec4 each");
            checks.same(&name, &x, &y.read::<f32>(checks, &name)?);
        }
    }
    Ok(())
}

/// The multiply-adds that measure arithmetic are all made.
pub fn multiply_adds(checks: &Checks<'_>) -> Result<()> {
    for (n, chains, rounds) in [(1, 1, 1), (65, 2, 3), (130, 4, 2), (67, 8, 5), (33, 12, 1)] {
        let name = format!("{chains} chains of {rounds} rounds, {n} rows");
        let (a, b) = (0.75, 0.125);
        let y = Output::new(checks, n, 4, Slack::None);
        let program =
            checks.run(State::default(), |ops, p| ops.roof_fma(p, (chains, rounds), (a, b), &y.tensor))?;
        let want = roof_fma(n as usize, chains, rounds, a.into(), b.into());
        checks.values(&name, &want, &y.read(checks, &name)?, 0.0);
        // Eight multiply-adds of a vec4 a round, two operations each.
        checks.same(&name, &[u64::from(n * chains * rounds) * 8 * 4 * 2], &[program.flops()]);
    }
    Ok(())
}
