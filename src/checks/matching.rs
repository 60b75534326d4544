//! What G learns from features: feature and moment matching.

use super::losses::{metrics, slot_of, state};
use super::{Checks, Output, Slack, input, numbers, wide};
use crate::error::Result;
use crate::ops::Features;
use crate::reference::loss::{self, FeatureMatching};

/// Feature matching by mean and by sum, and its gradient.
pub fn feature_matching(checks: &Checks<'_>) -> Result<()> {
    for (generated, real, n) in [(1, 1, 1), (3, 5, 31), (33, 31, 32), (100, 64, 250), (7, 9, 1009)] {
        for (mean, all_rows) in [(true, false), (false, true)] {
            let of = Matching { moments: false, mean, all_rows };
            check_feature_matching(checks, (generated, real, n), of)?;
        }
    }
    Ok(())
}

/// Moment matching by mean and by sum, and its gradient; features fewer and more than rows.
pub fn moment_matching(checks: &Checks<'_>) -> Result<()> {
    let sizes = [(1, 1, 1), (3, 5, 31), (33, 31, 32), (100, 64, 250), (7, 9, 257), (512, 512, 576)];
    for (generated, real, n) in sizes {
        for (mean, all_rows) in [(true, false), (false, true)] {
            let of = Matching { moments: true, mean, all_rows };
            check_feature_matching(checks, (generated, real, n), of)?;
        }
    }
    Ok(())
}

/// More rows than an axis of a grid has workgroups; more features than a workgroup of llvmpipe's goes over.
pub fn feature_matching_of_much(checks: &Checks<'_>) -> Result<()> {
    let all = Matching { moments: false, mean: true, all_rows: true };
    check_feature_matching(checks, (32_768, 32_769, 4), all)?;
    check_feature_matching(checks, (32_768, 32_769, 4), Matching { moments: true, ..all })?;
    check_feature_matching(checks, (1, 2, 600_001), Matching { all_rows: false, ..all })
}

/// What is compared of the moments of features.
#[derive(Debug, Clone, Copy)]
struct Matching {
    /// The covariances too.
    moments: bool,
    /// Divided by the number of features.
    mean: bool,
    /// The gradient of the real rows too.
    all_rows: bool,
}

fn check_feature_matching(
    checks: &Checks<'_>,
    (generated, real, n): (u32, u32, u32),
    of: Matching,
) -> Result<()> {
    let Matching { moments, mean, all_rows } = of;
    let kind = if moments { "moment" } else { "feature" };
    let name = format!("{kind} matching {generated}+{real} x {n} mean {mean}");
    let mut f = numbers(121, (generated + real) * n);
    f[..(generated * n) as usize].iter_mut().for_each(|v| *v += 0.5);
    let tf = input(checks, generated + real, n, &f);
    let df_rows = if all_rows { generated + real } else { generated };
    let df = Output::new(checks, df_rows, n, Slack::None);
    let ring = metrics(checks);
    let features = Features { f: &tf, generated, mean };
    checks.run(state(), |ops, p| match moments {
        true => ops.moment_matching(p, features, &df.tensor, &ring.open),
        false => ops.feature_matching(p, features, &df.tensor, &ring.open),
    })?;
    let split = (generated * n) as usize;
    let turned = [&wide(&f)[split..], &wide(&f)[..split]].concat();
    let reduction = if mean { FeatureMatching::Mean } else { FeatureMatching::Sum };
    let (r, g) = (real as usize, generated as usize);
    let twin = if moments { loss::moment_matching } else { loss::feature_matching };
    let (want_loss, want) = twin(&turned, r, g, n as usize, reduction);
    let d = [&want[(real * n) as usize..], &want[..(real * n) as usize]].concat();
    checks.sums(&name, &d[..(df_rows * n) as usize], &df.read(checks, &name)?);
    let m = slot_of(checks, &ring, &name)?;
    checks.sums(&name, &[want_loss], &m[5..6]);
    let others = [&m[..5], &m[6..]].concat();
    checks.untouched(&name, "D's metrics", &others);
    Ok(())
}
