//! Pooling: windows of every kind, ties, padding, and the derivative of the activation below.

use crate::harness::{open, tests};
use ssgan::checks::conv::geometry;
use ssgan::checks::pool;
use ssgan::gpu::Program;
use ssgan::ops::Ops;

tests! {
    max_pooling: both_ways(pool::max_pooling);
    average_pooling: both_ways(pool::average_pooling);
    sums_over_windows: both_ways(pool::sums_over_windows);
    the_activation_below: both_ways(pool::the_activation_below);
    global_average_pooling: both_ways(pool::global_average_pooling);
}

/// Windows that an invocation would go over for longer than it may.
#[test]
fn windows_that_are_too_large() {
    let gpu = open(false);
    let mut p = Program::new();
    let mut pool = |side: u32| {
        let s = pool::shape(1, (side, side, 1), (side, 1), (0, 0, 0, 0));
        let (x, y) = (gpu.tensor("x", side * side, 1), gpu.tensor("y", 1, 1));
        Ops::new(&gpu).avg_pool2d(&mut p, "test", &geometry(&s), &x, &y)
    };
    assert!(pool(180).is_ok());
    let error = pool(181).unwrap_err();
    assert!(matches!(error, ssgan::Error::Usage(_)), "{error}");
}
