//! Feature and moment matching.

use crate::harness::tests;
use ssgan::checks::matching;

tests! {
    feature_matching: both_ways(matching::feature_matching);
    moment_matching: both_ways(matching::moment_matching);
    feature_matching_of_much: checked(matching::feature_matching_of_much);
}
