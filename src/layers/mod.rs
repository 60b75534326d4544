//! Layers, one in each file: its settings, shapes, parameters, cost, what it draws at random, and the recording of its
//! passes. The files without a layer's name hold what layers share.
//!
//! A network's walk (`nn`), shape inference (`model`) and the float64 twin (`reference`) know the trait [`Layer`] and the
//! table `for_each_layer` alone, not the layers.

mod keys;
mod layer;
mod layer_shape;
mod pass;
mod products;
mod settings;
mod weights;
mod windows;

mod avg_pool2d;
mod batch_norm;
mod conv2d;
mod conv_transpose2d;
mod dense;
mod dropout;
mod flatten;
mod gaussian_noise;
mod global_avg_pool;
mod leaky_relu;
mod max_pool2d;
mod minibatch_discrimination;
mod random_affine;
mod random_flip;
mod random_shift;
mod relu;
mod sigmoid;
mod softplus;
mod tanh;
mod unflatten;

pub use layer::{Draws, Layer};
pub use layer_shape::{Initial, LayerShape, ParamShape};
pub use pass::{Backward, Batch, Below, Context, Forward, Group, Mode, Tensors};
pub use products::products;
pub use settings::{
    Channels, ImageUnits, Init, NamedChannels, NamedPadding, NamedUnits, Padding, Statistics, Units,
    WeightNorm,
};
pub use weights::{Packed, Weights};

use serde::{Deserialize, Serialize};

/// The table of layers, handed to the macro `$use`: the name that a layer has in files, tables, labels and checkpoints,
/// which is also its module's, and its type. Error messages list the names in this order.
macro_rules! for_each_layer {
    ($use:ident) => {
        $use! {
            dense: Dense,
            conv2d: Conv2d,
            conv_transpose2d: ConvTranspose2d,
            batch_norm: BatchNorm,
            gaussian_noise: GaussianNoise,
            dropout: Dropout,
            random_shift: RandomShift,
            random_affine: RandomAffine,
            random_flip: RandomFlip,
            minibatch_discrimination: MinibatchDiscrimination,
            relu: Relu,
            leaky_relu: LeakyRelu,
            softplus: Softplus,
            sigmoid: Sigmoid,
            tanh: Tanh,
            max_pool2d: MaxPool2d,
            avg_pool2d: AvgPool2d,
            global_avg_pool: GlobalAvgPool,
            flatten: Flatten,
            unflatten: Unflatten,
        }
    };
}
pub(crate) use for_each_layer;

macro_rules! layer_op {
    ($($name:ident: $Layer:ident,)*) => {
        $(pub use $name::$Layer;)*

        /// What a layer computes, with its settings; in a model file `op` is the name.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "op", rename_all = "snake_case")]
        pub enum LayerOp {
            $(
                #[doc = concat!("`", stringify!($name), "`, see [`", stringify!($Layer), "`].")]
                $Layer($Layer),
            )*
        }

        /// All layer names, for suggestions in error messages.
        pub const LAYER_NAMES: &[&str] = &[$(stringify!($name)),*];

        impl LayerOp {
            /// The name used in files, tables, labels and checkpoints.
            pub fn name(&self) -> &'static str {
                match self {
                    $(LayerOp::$Layer(_) => stringify!($name),)*
                }
            }

            /// The settings that a layer of this name has, in the order of its struct; none for an unknown name.
            pub fn keys_of(name: &str) -> &'static [&'static str] {
                match name {
                    $(stringify!($name) => keys::of::<$Layer>(),)*
                    _ => &[],
                }
            }
        }

        impl std::ops::Deref for LayerOp {
            type Target = dyn Layer;

            fn deref(&self) -> &(dyn Layer + 'static) {
                match self {
                    $(LayerOp::$Layer(layer) => layer,)*
                }
            }
        }
    };
}
for_each_layer!(layer_op);
