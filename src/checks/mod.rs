//! What an adapter computes, held against the float64 twin: every kernel, forward and backward, at awkward sizes.
//!
//! A check runs operations and records a [`Finding`] for each comparison; it judges and does not panic. The tests of the
//! kernels demand that all findings are right, `ssgan gpu-report` shows them. Outputs start as NaN and lie between guard
//! values that must stay; inputs lie between NaN, so that a value read beyond an end shows.

pub mod conv;
pub mod gemm;
pub mod losses;
pub mod matching;
pub mod minibatch_discrimination;
pub mod norm;
pub mod optimizer;
pub mod pointwise;
pub mod pool;
pub mod random;
pub mod roof;
pub mod steps;

mod finding;
mod guarded;
mod list;
mod tilings;

pub use finding::{Finding, Row, table};
pub use guarded::{Output, Slack, input, packed};
pub use list::{ALL, Check, Extent, OF_TILINGS};
pub use tilings::{cooperative, exact, not_offered, tilings};

use crate::error::{Error, Result};
use crate::gpu::wgsl::Defines;
use crate::gpu::{Gpu, Program};
use crate::native::BlockOn;
use crate::numerics::{check_close, nmse};
use crate::ops::{Ops, State, Tiling};
use crate::rng::{self, Counter};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::ops::Deref;

/// Error of a product or sum, relative to the power of what is expected.
pub const NMSE: f64 = 1e-9;
/// Error of one value.
pub const RTOL: f64 = 1e-5;

/// A device whose kernels are checked, and what was found of them.
pub struct Checks<'a> {
    gpu: Gpu,
    tilings: Vec<Tiling>,
    before: Box<dyn Fn() -> Result<()> + 'a>,
    /// Family and name of the check under way, and the variant that it is at.
    at: RefCell<(&'static str, &'static str, String)>,
    findings: RefCell<Vec<Finding>>,
    kernels: RefCell<BTreeSet<(&'static str, Defines)>>,
}

impl Deref for Checks<'_> {
    type Target = Gpu;

    fn deref(&self) -> &Gpu {
        &self.gpu
    }
}

impl<'a> Checks<'a> {
    /// Nothing found yet. Products are checked with each of `tilings`, the first of which are the defaults.
    pub fn new(gpu: Gpu, tilings: Vec<Tiling>) -> Checks<'a> {
        Checks {
            gpu,
            tilings,
            before: Box::new(|| Ok(())),
            at: RefCell::default(),
            findings: RefCell::default(),
            kernels: RefCell::default(),
        }
    }

    /// Calls `before` ahead of every submission; its error ends the check under way.
    pub fn asking(self, before: impl Fn() -> Result<()> + 'a) -> Checks<'a> {
        Checks { before: Box::new(before), ..self }
    }

    /// The tilings that products are checked with.
    pub fn tilings(&self) -> &[Tiling] {
        &self.tilings
    }

    /// The first two of them, which come by the tables of this adapter and of any.
    pub fn defaults(&self) -> &[Tiling] {
        &self.tilings[..self.tilings.len().min(2)]
    }

    /// Performs a check. What goes wrong in it is a finding, and the next check can be performed.
    ///
    /// # Errors
    /// [`Error::DeviceLost`], after which nothing more can be found; those of [`Checks::asking`].
    pub fn perform(&self, check: &Check) -> Result<()> {
        *self.at.borrow_mut() = (check.family, check.name, String::new());
        self.attempt(check.name, || (check.run)(self))
    }

    /// Does `work`; an error of it that leaves the device usable is a finding of `case`.
    ///
    /// # Errors
    /// As [`Checks::perform`].
    pub fn attempt(&self, case: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        match work() {
            Err(e @ (Error::DeviceLost(_) | Error::Interrupted(_))) => Err(e),
            Err(e) => {
                self.fail(case, e.to_string());
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Says which variant the next findings are of.
    pub fn variant(&self, variant: impl Into<String>) {
        self.at.borrow_mut().2 = variant.into();
    }

    /// Runs `work` with every tiling, each a variant.
    ///
    /// # Errors
    /// As [`Checks::perform`].
    pub fn each_tiling(&self, tilings: &[Tiling], work: impl Fn(&Ops) -> Result<()>) -> Result<()> {
        for tiling in tilings {
            let ops = Ops { tiling: tiling.clone(), ..Ops::new(self) };
            let name = tilings::name(tiling);
            self.variant(&name);
            self.attempt(&name, || work(&ops))?;
        }
        Ok(())
    }

    /// What was found so far.
    pub fn findings(&self) -> Vec<Finding> {
        self.findings.borrow().clone()
    }

    /// The variants of kernels that ran.
    pub fn kernels(&self) -> BTreeSet<(&'static str, Defines)> {
        self.kernels.borrow().clone()
    }

    /// Records with the default tiling, runs, waits.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the device failed; those of [`Checks::asking`].
    pub fn run(
        &self,
        state: State,
        record: impl FnOnce(&Ops, &mut Program) -> Result<()>,
    ) -> Result<Program> {
        self.run_with(&Ops::new(self), state, record)
    }

    /// As [`Checks::run`] with operations that are set up already.
    ///
    /// # Errors
    /// As [`Checks::run`].
    pub fn run_with(
        &self,
        ops: &Ops,
        state: State,
        record: impl FnOnce(&Ops, &mut Program) -> Result<()>,
    ) -> Result<Program> {
        (self.before)()?;
        let mut program = Program::new();
        record(ops, &mut program)?;
        let ran = program.dispatches.iter().map(|d| (d.kernel.name, d.kernel.defines.clone()));
        self.kernels.borrow_mut().extend(ran);
        ops.gpu.write(&ops.state, &[state]);
        let index = ops.gpu.submit(&program, &[]).block_on()?;
        ops.gpu.wait(index).block_on()?;
        Ok(program)
    }

    fn record(&self, case: &str, deviation: f64, bound: f64, failure: Option<String>) {
        let (family, check, variant) = self.at.borrow().clone();
        self.findings.borrow_mut().push(Finding {
            family,
            check,
            variant,
            case: case.into(),
            deviation,
            bound,
            failure,
        });
    }

    /// Something that is wrong without a measure of how much.
    pub fn fail(&self, case: &str, why: String) {
        self.record(case, f64::INFINITY, 0.0, Some(why));
    }

    /// A product or sum: its normalised mean square error is at most [`NMSE`].
    pub fn sums(&self, case: &str, want: &[f64], got: &[f32]) {
        self.sums_within(case, want, got, NMSE);
    }

    /// As [`Checks::sums`] with another bound.
    pub fn sums_within(&self, case: &str, want: &[f64], got: &[f32], bound: f64) {
        match nmse(want, got) {
            Ok(error) => self.record(case, error, bound, None),
            Err(e) => self.fail(case, e.to_string()),
        }
    }

    /// Values one by one, to [`RTOL`]; `atol` is for where a difference of rounded numbers is left.
    pub fn values(&self, case: &str, want: &[f64], got: &[f32], atol: f64) {
        self.values_within(case, want, got, (RTOL, atol));
    }

    /// As [`Checks::values`] with another relative and absolute tolerance.
    pub fn values_within(&self, case: &str, want: &[f64], got: &[f32], (rtol, atol): (f64, f64)) {
        let failure = check_close(want, got, rtol, atol).err().map(|e| e.to_string());
        let (deviation, bound) = finding::nearest_to_wrong(want, got, rtol, atol);
        self.record(case, deviation, bound, failure);
    }

    /// Values that are not rounded: the finding's deviation is how many differ.
    pub fn same<T: PartialEq + Debug>(&self, case: &str, want: &[T], got: &[T]) {
        let differ = want.iter().zip(got).filter(|(w, g)| w != g).count() + want.len().abs_diff(got.len());
        let first = want.iter().zip(got).position(|(w, g)| w != g);
        let failure = first.map(|i| format!("index {i}: expected {:?}, got {:?}", want[i], got[i]));
        self.record(case, differ as f64, 0.0, failure);
    }

    /// Something that must be so; `what` says it.
    pub fn holds(&self, case: &str, what: &str, holds: bool) {
        let failure = (!holds).then(|| format!("it does not hold that {what}"));
        self.record(case, if holds { 0.0 } else { 1.0 }, 0.0, failure);
    }

    /// What nobody asked for, or what belongs to others: it must be NaN as it was.
    pub fn untouched(&self, case: &str, what: &str, got: &[f32]) {
        let written = got.iter().filter(|v| !v.is_nan()).count();
        let failure = (written > 0).then(|| format!("{what}: {written} values were written"));
        self.record(case, written as f64, 0.0, failure);
    }
}

/// `n` numbers in [-1, 1), others for each `stream`.
pub fn numbers(stream: u32, n: u32) -> Vec<f32> {
    let at = Counter { stream, step: 0 };
    (0..n).map(|i| (2.0 * rng::uniform(0x5eed, at, i) - 1.0) as f32).collect()
}

/// Floats as the twin takes them.
pub fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&v| v.into()).collect()
}
