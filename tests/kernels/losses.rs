//! D's losses, the non-saturating loss of G, evaluation.

use crate::harness::tests;
use ssgan::checks::losses;

tests! {
    head: both_ways(losses::head);
    head_of_many_rows: unchecked(losses::head_of_many_rows);
    head_of_extreme_logits: both_ways(losses::head_of_extreme_logits);
    labels_that_are_no_class: both_ways(losses::labels_that_are_no_class);
    slots_beyond_the_ring: both_ways(losses::slots_beyond_the_ring);
    balance: both_ways(losses::balance);
    generator_loss: both_ways(losses::generator_loss);
    evaluation: both_ways(losses::evaluation);
}
