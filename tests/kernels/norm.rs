//! Batch normalisation, data-dependent initialisation, column sums.

use crate::harness::tests;
use ssgan::checks::norm;

tests! {
    column_sums: both_ways(norm::column_sums);
    long_column_sums: unchecked(norm::long_column_sums);
    statistics_and_running_averages: both_ways(norm::statistics_and_running_averages);
    statistics_of_many_rows: unchecked(norm::statistics_of_many_rows);
    applied: checked(norm::applied);
    gradients_of_two_groups: both_ways(norm::gradients_of_two_groups);
    gradients_of_many_rows: unchecked(norm::gradients_of_many_rows);
    gradients_of_few_rows: checked(norm::gradients_of_few_rows);
    data_dependent_initialisation: both_ways(norm::data_dependent_initialisation);
}
