//! Performs checks of the library and demands that all that they find is right.

use crate::common::TABLE;
use ssgan::checks::{Checks, tilings};
use ssgan::gpu::{AdapterChoice, Gpu};
use ssgan::native;

/// A check.
pub type Run = fn(&Checks<'_>) -> ssgan::Result<()>;

/// The default adapter. `checked` keeps the bounds checks of WGSL.
pub fn open(checked: bool) -> Gpu {
    native::open_with(&AdapterChoice::default(), checked)
        .unwrap_or_else(|e| panic!("these tests need an adapter: {e}"))
}

/// Runs with the bounds checks of WGSL.
pub fn checked(run: Run) {
    demand(&all(open(true)), run);
}

/// Runs without them, as training does.
pub fn unchecked(run: Run) {
    demand(&all(open(false)), run);
}

/// Runs with and without.
pub fn both_ways(run: Run) {
    checked(run);
    unchecked(run);
}

/// With all tilings of the device that do not round.
pub fn all(gpu: Gpu) -> Checks<'static> {
    let tilings = tilings(&gpu);
    Checks::new(gpu, tilings)
}

/// All that is found is right, and every kernel that ran is in the table that `tests/shaders.rs` validates.
pub fn demand(checks: &Checks<'_>, run: Run) {
    run(checks).unwrap_or_else(|e| panic!("{e}"));
    let findings = checks.findings();
    let wrong: Vec<_> = findings.iter().filter(|f| !f.is_right()).collect();
    assert!(wrong.is_empty(), "{} of {}: {:#?}", wrong.len(), findings.len(), &wrong[..wrong.len().min(5)]);
    assert!(!findings.is_empty(), "nothing was compared");
    for (kernel, defines) in checks.kernels() {
        let known = TABLE.iter().any(|e| e.kernel == kernel && e.has(&defines));
        assert!(known, "{kernel} {defines:?} is not in the table of kernels");
    }
}

/// A test for each `name: how(check)`.
macro_rules! tests {
    ($($name:ident: $how:ident($run:path);)*) => {
        $(#[test]
        fn $name() {
            crate::harness::$how($run);
        })*
    };
}
pub(crate) use tests;
