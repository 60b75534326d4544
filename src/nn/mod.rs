//! Networks on the GPU: a [`Net`] records the forward and backward passes of a `NetShape` into programs. It walks over the
//! layers, which record themselves ([`crate::layers`]).

mod backward;
mod init;
mod net;
mod params;

pub use crate::layers::{Group, Mode};
pub use backward::{Gradients, Wanted};
pub use init::{initial, initial_net};
pub use net::{Net, Tape};
pub use params::{Layout, Params, Slot};

use crate::model::shape::NetShape;
use crate::ops::Product;

/// The products of a training step on minibatches of `rows`: forward, data gradient, weight gradient of every layer
/// with weights.
pub fn products(net: &NetShape, rows: u32, max_binding: u64) -> Vec<Product> {
    crate::layers::products(&net.layers, rows, max_binding)
}
