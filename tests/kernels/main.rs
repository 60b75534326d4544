//! Every operation, forward and backward, on the adapter that is there, against the float64 twin. Without an
//! adapter these tests fail.
//!
//! What they compare is in `ssgan::checks`, which `ssgan gpu-report` performs too. Each `#[test]` opens a device of its own
//! and keeps it for all its cases, since compiling the variants takes longest.

mod as_gpu;
#[path = "../common/mod.rs"]
mod common;
mod conv;
mod cooperative;
mod gemm;
mod harness;
mod judging;
mod losses;
mod matching;
mod minibatch_discrimination;
mod norm;
mod optimizer;
mod pointwise;
mod pool;
mod random;
mod roof;
