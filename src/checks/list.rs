//! All checks, in the order in which a report performs them.

use super::{
    Checks, conv, gemm, losses, matching, minibatch_discrimination, norm, optimizer, pointwise, pool, random,
    roof,
};
use crate::error::Result;

/// One check.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// The kernels that it is of.
    pub family: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Performs it.
    pub run: fn(&Checks<'_>) -> Result<()>,
    /// When it is performed.
    pub extent: Extent,
}

/// When a check is performed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Always.
    Short,
    /// Unless time is short.
    Long,
}

const fn short(family: &'static str, name: &'static str, run: fn(&Checks<'_>) -> Result<()>) -> Check {
    Check { family, name, run, extent: Extent::Short }
}

const fn long(family: &'static str, name: &'static str, run: fn(&Checks<'_>) -> Result<()>) -> Check {
    Check { family, name, run, extent: Extent::Long }
}

/// So many checks run products with every tiling.
pub const OF_TILINGS: usize = 10;

/// Every check; those of products first, [`OF_TILINGS`] of them.
pub const ALL: &[Check] = &[
    short("products", "A by rows", gemm::rows),
    short("products", "A by columns", gemm::columns),
    short("products", "bias, activation, slope", gemm::epilogues),
    long("products", "B by rows", gemm::both_by_rows),
    long("products", "long sums", gemm::long_sums),
    short("convolution", "forward, data and weight gradient", conv::small_tiles),
    long("convolution", "large tiles", conv::large_tiles),
    long("convolution", "the cnn's layers", conv::the_sizes_of_the_cnn),
    long("convolution", "transposed", conv::transposed),
    long("convolution", "long windows", conv::long_windows),
    long("products", "long sums, A by columns", gemm::long_sums_by_columns),
    long("products", "the dnn's layers", gemm::the_size_of_the_dnn),
    long("products", "more rows than a grid", gemm::folded_rows),
    short("losses", "discriminator", losses::head),
    short("losses", "extreme logits", losses::head_of_extreme_logits),
    long("losses", "discriminator, many rows", losses::head_of_many_rows),
    short("losses", "labels that are no class", losses::labels_that_are_no_class),
    short("losses", "slots beyond the ring", losses::slots_beyond_the_ring),
    short("losses", "balance", losses::balance),
    short("losses", "generator", losses::generator_loss),
    short("losses", "feature matching", matching::feature_matching),
    short("losses", "moment matching", matching::moment_matching),
    long("losses", "feature and moment matching, many rows", matching::feature_matching_of_much),
    short("losses", "evaluation", losses::evaluation),
    short("normalisation", "column sums", norm::column_sums),
    long("normalisation", "column sums, many rows", norm::long_column_sums),
    short("normalisation", "statistics", norm::statistics_and_running_averages),
    long("normalisation", "statistics, many rows", norm::statistics_of_many_rows),
    short("normalisation", "batch norm", norm::applied),
    short("normalisation", "batch norm gradient", norm::gradients_of_two_groups),
    long("normalisation", "batch norm gradient, many rows", norm::gradients_of_many_rows),
    short("normalisation", "batch norm gradient, few rows", norm::gradients_of_few_rows),
    short("normalisation", "data-dependent initialisation", norm::data_dependent_initialisation),
    short("weights", "packing", pointwise::packed_weights),
    short("weights", "weight normalisation", pointwise::weight_normalisation),
    short("activations", "value and slope", pointwise::activations_over_their_range),
    short("activations", "lengths, copies", pointwise::lengths_and_copies),
    long("activations", "a folded grid", pointwise::a_folded_grid),
    short("pooling", "largest value", pool::max_pooling),
    short("pooling", "average", pool::average_pooling),
    short("pooling", "sums over windows", pool::sums_over_windows),
    short("pooling", "activation below", pool::the_activation_below),
    short("pooling", "global average", pool::global_average_pooling),
    short(
        "minibatch discrimination",
        "forward and backward",
        minibatch_discrimination::minibatch_discrimination,
    ),
    short(
        "minibatch discrimination",
        "columns copied and added",
        minibatch_discrimination::columns_are_copied_and_added,
    ),
    short("optimizer", "Adam, moving average", optimizer::several_updates),
    short("optimizer", "what is not finite", optimizer::what_is_not_finite_is_marked),
    short("random numbers", "bits, uniform, normal", random::numbers_of_a_stream),
    short("random numbers", "noise", random::noise),
    short("random numbers", "dropout", random::dropout),
    short("random numbers", "shift", random::random_shift),
    short("random numbers", "flip", random::random_flip),
    short("random numbers", "affine", random::random_affine),
    short("random numbers", "minibatches", random::minibatches),
    short("random numbers", "gathered images", random::gathered_images),
    short("roofs", "copy", roof::copies),
    short("roofs", "multiply-add", roof::multiply_adds),
];
