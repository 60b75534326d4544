//! Minibatch discrimination: inputs stacked in one batch, equal rows, one row.

use crate::harness::tests;
use ssgan::checks::minibatch_discrimination;

tests! {
    minibatch_discrimination: both_ways(minibatch_discrimination::minibatch_discrimination);
    columns_are_copied_and_added: both_ways(minibatch_discrimination::columns_are_copied_and_added);
}
