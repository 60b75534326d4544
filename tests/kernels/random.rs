//! Philox's numbers and what is made of them: noise, dropout, minibatches; images gathered from bytes.

use crate::harness::tests;
use ssgan::checks::random;

tests! {
    numbers_of_a_stream: both_ways(random::numbers_of_a_stream);
    noise: both_ways(random::noise);
    dropout: both_ways(random::dropout);
    random_shift: both_ways(random::random_shift);
    random_flip: both_ways(random::random_flip);
    random_affine: both_ways(random::random_affine);
    minibatches: both_ways(random::minibatches);
    gathered_images: both_ways(random::gathered_images);
}
