//! The float64 CPU twin: the whole training step in plain loops, unfused, to be read rather than run fast.
//! The GPU kernels are compared with the functions here.
//!
//! Layout: an activation is a row-major matrix `[rows * height * width, channels]` (NHWC, channel
//! innermost); weights are `[out, kernel_y, kernel_x, in]`, dense ones `[out, in]`. Gradients are named
//! `d<thing>` and have the layout of the thing. Shape mismatches are programming errors and panic.

pub mod avg_pool2d;
pub mod batch;
pub mod batch_norm;
pub mod bias;
pub mod conv2d;
pub mod conv_transpose2d;
pub mod dense;
pub mod dropout;
pub mod flatten;
pub mod gaussian_noise;
pub mod global_avg_pool;
pub mod init;
pub mod leaky_relu;
pub mod loss;
pub mod max_pool2d;
pub mod minibatch_discrimination;
pub mod net;
pub mod optimizer;
pub mod random_affine;
pub mod random_flip;
pub mod random_shift;
pub mod relu;
pub mod roof;
pub mod sigmoid;
pub mod softplus;
pub mod step;
pub mod tanh;
pub mod twin;
pub mod unflatten;
pub mod weight_norm;

pub use crate::numerics::{assert_close, assert_nmse, check_close, nmse};
pub use batch::{Dataset, minibatch};
pub use init::{data_init, init_params};
pub use loss::{
    DiscriminatorLoss, FeatureMatching, GeneratorLoss, LossSettings, discriminator_loss, feature_matching,
    moment_matching,
};
pub use net::{Gradients, Group, Mode, Tape, backward, forward, update_running};
pub use optimizer::{AdamSettings, EpsPlacement, Moments};
pub use step::{GanState, StepSettings, gan_step, initialise, supervised_step};

/// The tensors of one layer, in the order of [`crate::model::shape::LayerShape::params`], memory layout.
pub type LayerParams = Vec<Vec<f64>>;
/// The tensors of a network, layer by layer; layers without parameters have an empty list.
pub type NetParams = Vec<LayerParams>;

#[cfg(test)]
mod gradient_check;
#[cfg(test)]
mod net_tests;
#[cfg(test)]
mod pool_tests;
#[cfg(test)]
mod step_tests;
