//! The kernels that measure the adapter do the work that they are credited with.

use crate::harness::tests;
use ssgan::checks::roof;

tests! {
    copies: both_ways(roof::copies);
    multiply_adds: both_ways(roof::multiply_adds);
}
