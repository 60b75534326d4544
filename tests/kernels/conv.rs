//! Convolutions as products: forward, data gradient and weight gradient.

use crate::harness::tests;
use ssgan::checks::conv;

tests! {
    small_tiles: unchecked(conv::small_tiles);
    large_tiles: unchecked(conv::large_tiles);
    the_sizes_of_the_cnn: unchecked(conv::the_sizes_of_the_cnn);
    transposed: both_ways(conv::transposed);
    long_windows: unchecked(conv::long_windows);
    checked: checked(conv::few);
}
