//! Adam and the moving average of the parameters.

use crate::harness::tests;
use ssgan::checks::optimizer;

tests! {
    several_updates: both_ways(optimizer::several_updates);
    what_is_not_finite_is_marked: both_ways(optimizer::what_is_not_finite_is_marked);
}
