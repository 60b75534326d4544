//! A wrong kernel shows: what the checks find of outputs that are not what they should be.

use crate::harness::{all, open};
use ssgan::Error;
use ssgan::checks::{ALL, Check, Checks, Extent, Output, Slack, numbers, table, wide};
use ssgan::ops::{Activation, State};
use std::cell::Cell;

/// The first check, of something else.
fn check(run: fn(&Checks<'_>) -> ssgan::Result<()>) -> Check {
    Check { run, ..ALL[0] }
}

/// One activation is computed and another expected.
fn another_activation(checks: &Checks<'_>) -> ssgan::Result<()> {
    let x = numbers(1, 9);
    let (tx, y) = (ssgan::checks::input(checks, 1, 9, &x), Output::new(checks, 1, 9, Slack::Vec4));
    checks.run(State::default(), |ops, p| ops.activation(p, "test", Activation::Tanh, &tx, &y.tensor))?;
    checks.values("nine values", &wide(&x), &y.read(checks, "nine values")?, 0.0);
    Ok(())
}

/// Nine values are written where there is room for five.
fn beyond_the_end(checks: &Checks<'_>) -> ssgan::Result<()> {
    let (x, y) = (numbers(1, 9), Output::new(checks, 1, 5, Slack::None));
    let tx = ssgan::checks::input(checks, 1, 9, &x);
    checks.run(State::default(), |ops, p| {
        ops.activation(p, "test", Activation::None, &tx, &y.open.part(0, 1, 9))
    })?;
    checks.same("five values", &x[..5], &y.read::<f32>(checks, "five values")?);
    Ok(())
}

/// A driver that refuses a call.
fn a_refused_call(_: &Checks<'_>) -> ssgan::Result<()> {
    Err(Error::Gpu("the driver refuses this".into()))
}

#[test]
fn what_is_wrong_is_found() {
    let checks = all(open(false));
    for (run, wrong) in [
        (another_activation as fn(&Checks<'_>) -> ssgan::Result<()>, "expected"),
        (beyond_the_end, "outside of 5 values"),
        (a_refused_call, "refuses"),
    ] {
        let before = checks.findings().len();
        checks.perform(&check(run)).unwrap();
        let found = checks.findings();
        let failure = found[before..].iter().find(|f| !f.is_right()).and_then(|f| f.failure.clone());
        assert!(failure.as_ref().is_some_and(|f| f.contains(wrong)), "{wrong}: {failure:?}");
    }
    let rows = table(&checks.findings());
    assert_eq!((rows.len(), rows[0].wrong), (1, 3));
}

#[test]
fn a_check_ends_when_it_is_asked_to() {
    let gpu = open(false);
    let left = Cell::new(3);
    let checks = all(gpu).asking(|| {
        left.set(left.get() - 1);
        if left.get() == 0 { Err(Error::Interrupted("enough".into())) } else { Ok(()) }
    });
    let random = ALL.iter().find(|c| c.family == "random numbers").unwrap();
    assert!(matches!(checks.perform(random), Err(Error::Interrupted(_))));
    let findings = checks.findings();
    assert!(!findings.is_empty() && findings.iter().all(|f| f.is_right()));
}

/// Every family has a check that a short report performs.
#[test]
fn a_short_report_has_every_family() {
    for check in ALL {
        let short = ALL.iter().any(|c| c.family == check.family && c.extent == Extent::Short);
        assert!(short, "{}", check.family);
    }
}
