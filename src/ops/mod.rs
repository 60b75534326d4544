//! Operations: one function per shader, checking shapes, choosing the variant and the grid, and recording
//! the call. Named like the shader files. Nothing here knows of layers.

mod batch;
mod gemm;
mod losses;
mod matching;
mod metrics;
mod minibatch_discrimination;
mod norm;
mod optimizer;
mod pointwise;
mod pool;
mod reduce;
mod roof;
mod scatter;
mod self_test;
mod state;
mod weights;

pub use batch::ImageBlock;
pub use gemm::{
    Conv, Epilogue, Gemm, GradientIn, Operand, Product, ProductKind, Right, RightOperand, Tile, Tiling, tune,
};
pub use losses::{Head, HeadRows, HeadWeights};
pub use matching::Features;
pub(crate) use metrics::null_is_nan;
pub use metrics::{METRICS, StepMetrics};
pub use minibatch_discrimination::MinibatchSizes;
pub use norm::{BatchNorm, BatchNormGrad, RowStatistics};
pub use optimizer::{Adam, Update, Updated};
pub use pointwise::{Activation, Fill};
pub use reduce::Rows;
pub use scatter::Kinds;
pub use self_test::self_test;
pub use state::State;
pub use weights::Packing;

use crate::error::Result;
use crate::gpu::{Gpu, Tensor};

/// What every operation needs: the device, the tiling policy, the step's constants.
#[derive(Debug, Clone)]
pub struct Ops {
    /// The device.
    pub gpu: Gpu,
    /// How GEMM tiles are chosen.
    pub tiling: Tiling,
    /// Lanes of a subgroup that pass values among themselves, where kernels other than products can; a shader's text has a
    /// part for each.
    pub broadcast: Option<u32>,
    /// The uniform `State` of `shaders/common/state.wgsl`.
    pub state: Tensor,
}

impl Ops {
    /// Operations on `gpu` with its default tiling; the step constants start as zeros.
    pub fn new(gpu: &Gpu) -> Ops {
        let broadcast = gpu.subgroup_size().filter(|lanes| (4..=32).contains(lanes));
        let state = gpu.vector("state", State::WORDS);
        Ops { gpu: gpu.clone(), tiling: Tiling::for_gpu(gpu), broadcast, state }
    }

    /// The same; on a device with cooperative matrices, which are experimental, after a [`self_test`].
    ///
    /// # Errors
    /// As [`self_test`].
    pub async fn checked(gpu: &Gpu) -> Result<Ops> {
        if gpu.cooperative_side().is_some() {
            self_test(gpu).await?;
        }
        Ok(Ops::new(gpu))
    }
}

/// Values per invocation of kernels whose rows are `cols` long, and the WGSL type to read them by.
fn lanes(cols: u32) -> (u32, &'static str) {
    if cols.is_multiple_of(4) { (4, "vec4<f32>") } else { (1, "f32") }
}
