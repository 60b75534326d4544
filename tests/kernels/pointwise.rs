//! Activations, copies, weight layouts and weight normalisation.

use crate::harness::tests;
use ssgan::checks::pointwise;

tests! {
    activations_over_their_range: both_ways(pointwise::activations_over_their_range);
    lengths_and_copies: both_ways(pointwise::lengths_and_copies);
    a_folded_grid: unchecked(pointwise::a_folded_grid);
    packed_weights: both_ways(pointwise::packed_weights);
    weight_normalisation: both_ways(pointwise::weight_normalisation);
}
