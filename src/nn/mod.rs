//! Networks on the GPU: a [`Net`] records the forward and backward passes of a `NetShape` into programs.

mod backward;
mod init;
mod net;
mod params;
mod products;

pub use backward::Gradients;
pub use init::{initial, initial_net};
pub use net::{Group, Mode, Net, Tape};
pub use params::{Layout, Params, Slot};
pub use products::products;
