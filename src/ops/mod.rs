//! Operations: one function per shader, checking shapes, choosing the variant and the grid, and recording
//! the call. Named like the shader files. Nothing here knows of layers.

mod balance;
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
mod scatter_matrix;
mod self_test;
mod state;
mod weights;

pub use balance::Balance;
pub use batch::ImageBlock;
#[cfg(all(test, feature = "native"))]
pub(crate) use gemm::RECORDED;
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
pub use scatter_matrix::Kinds;
pub use self_test::self_test;
pub use state::State;
pub use weights::Packing;

use crate::error::Result;
use crate::gpu::{Gpu, Tensor};

/// What every operation needs: the device, the tiling policy, the step's constants.
///
/// Kernels run without bounds checks, unless the device was opened `checked` ([`Gpu::open`]). So an operation refuses tensors
/// that are too small for it, and where what a tensor holds is a place, the kernel looks at it: a label that is not below K is no
/// class, and its row has no loss, no gradient and no count; a [`State::slot`] goes round the rows that the metrics have.
///
/// # Errors
/// Of every operation: [`Error::Gpu`](crate::Error::Gpu) for a kernel that is not valid WGSL, or that would take more workgroups
/// than any device must have; [`Error::Usage`](crate::Error::Usage) for sizes at which an invocation would loop more than
/// [`MAX_TURNS`](crate::gpu::MAX_TURNS) times. What fails in compiling is an error of [`Gpu::submit`].
///
/// # Panics
/// Every operation, if its tensors do not fit together and its own errors do not say so.
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

#[cfg(feature = "native")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Program;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::slice;

    fn records(record: impl FnOnce(&mut Program) -> Result<()>) -> bool {
        catch_unwind(AssertUnwindSafe(|| record(&mut Program::new()).unwrap())).is_ok()
    }

    /// Kernels run unchecked: one that would read or write beyond a tensor is not recorded.
    #[test]
    fn tensors_that_are_too_small_are_refused() {
        let gpu = crate::native::open(&Default::default()).unwrap();
        let ops = Ops::new(&gpu);
        let of = |rows, cols| gpu.tensor("test", rows, cols);
        let logits = of(4, 3);

        let evaluate = |labels, losses, classes| {
            let confusion = of(classes, classes);
            records(|p| ops.evaluate(p, &logits, &of(1, labels), 4, &of(1, losses), &confusion))
        };
        assert!(evaluate(4, 4, 3) && !evaluate(3, 4, 3) && !evaluate(4, 3, 3) && !evaluate(4, 4, 2));

        let rows = HeadRows { generated: 1, labelled: 2, unlabelled: 1, second: 0 };
        let weights =
            HeadWeights { unsupervised: 1.0, real_target: 1.0, entropy: 0.0, consistency: 0.0, balance: 0.0 };
        let head = |labels, gradients, first| {
            let head = Head {
                logits: &logits,
                labels: &of(1, labels),
                rows,
                weights,
                dlogits: &of(gradients, 3),
                row_stats: &of(4, 4),
                first,
            };
            records(|p| ops.head(p, head))
        };
        assert!(head(2, 4, 0) && !head(1, 4, 0) && !head(2, 3, 0) && !head(2, 4, 1));
        // Where 32 bits wrap, to 0.
        assert!(!head(2, 4, u32::MAX - 3));
        let too_many = HeadRows { second: u32::MAX - 3, ..rows };
        assert!(too_many.total() == u32::MAX && rows.total() == 4);

        let head_metrics = |numbers| {
            let (row_stats, metrics) = (of(4, 4), of(1, numbers));
            records(|p| ops.head_metrics(p, rows, weights, &row_stats, &metrics))
        };
        assert!(head_metrics(METRICS) && !head_metrics(METRICS - 1));

        let generator_loss = |rows, numbers| {
            let (dlogits, metrics) = (of(rows, 3), of(1, numbers));
            records(|p| ops.generator_loss(p, &logits, &dlogits, &metrics))
        };
        assert!(generator_loss(4, METRICS) && !generator_loss(3, METRICS) && !generator_loss(4, METRICS - 1));

        // Two images of six bytes are three words.
        let gather = |words, rows, indices| {
            let block = ImageBlock { images: of(1, words), first: 0, count: 2 };
            let (indices, x) = (of(1, indices), of(rows, 6));
            records(|p| ops.gather_images(p, slice::from_ref(&block), Some(&indices), &x, (1, 2)))
        };
        assert!(gather(3, 3, 2) && !gather(2, 3, 2) && !gather(3, 2, 2) && !gather(3, 3, 1));

        let sum = |n| records(|p| ops.column_sum(p, "test", (&logits, Rows::of(&logits)), 1.0, &of(1, n)));
        assert!(sum(3) && !sum(2));

        let adam = |n, numbers| {
            let updated = Updated {
                weights: &of(1, 9),
                grads: &of(1, n),
                moment1: &of(1, 9),
                moment2: &of(1, 9),
                average: None,
                metrics: &of(1, numbers),
            };
            let adam = Adam { beta1: 0.5, beta2: 0.9, epsilon: 1e-8, inside: false, ema_rate: 0.1 };
            records(|p| ops.adam(p, &adam, Update::Generator, updated))
        };
        assert!(adam(9, METRICS) && !adam(8, METRICS) && !adam(9, METRICS - 1));

        let bias = |n| {
            let (x, w, bias, y) = (of(4, 5), of(3, 5), of(1, n), of(4, 3));
            let epilogue = Epilogue::Forward { bias: Some(&bias), activation: Activation::None };
            let product = Gemm {
                m: 4,
                n: 3,
                k: 5,
                a: (&x, Operand::Rows),
                b: Right::Rows(&w),
                out: &y,
                epilogue,
                conv: Conv::default(),
                gradient_in: GradientIn::Neither,
            };
            records(|p| ops.gemm(p, "test", product))
        };
        assert!(bias(3) && !bias(2));

        // Of convolutions the sizes agree, whatever the tensors have.
        let window =
            Conv { h: 3, w: 3, c: 2, oh: 3, ow: 3, oc: 3, kernel: 3, stride: 1, pad_top: 1, pad_left: 1 };
        let conv = |m, k, a, conv: Conv| {
            let (x, w, y) = (of(64, 64), of(64, 64), of(64, 64));
            let (n, epilogue, gradient_in) = (3, Epilogue::None, GradientIn::Neither);
            let product =
                Gemm { m, n, k, a: (&x, a), b: Right::Rows(&w), conv, out: &y, epilogue, gradient_in };
            records(|p| ops.gemm(p, "test", product))
        };
        assert!(conv(18, 18, Operand::Window, window) && !conv(8, 18, Operand::Window, window));
        assert!(
            !conv(18, 17, Operand::Window, window)
                && !conv(18, 18, Operand::Window, Conv { oh: 0, ..window })
        );
        assert!(conv(18, 27, Operand::Scatter, window) && !conv(18, 1, Operand::Scatter, window));
        assert!(!conv(18, 27, Operand::Scatter, Conv { stride: 0, ..window }));
        let dw = |k, n| {
            let (dy, x, out) = (of(64, 64), of(64, 64), of(64, 64));
            let (m, epilogue, gradient_in) = (3, Epilogue::None, GradientIn::A);
            let (a, b, conv) = ((&dy, Operand::Columns), Right::Window(&x), window);
            records(|p| ops.gemm(p, "test", Gemm { m, n, k, a, b, conv, out: &out, epilogue, gradient_in }))
        };
        assert!(dw(18, 18) && !dw(17, 18) && !dw(18, 17));
        let max_pool = |h, oh, kernel, pad_top, values| {
            let at = Conv { h, w: 2, c: 1, oh, ow: 1, oc: 1, kernel, stride: 1, pad_top, pad_left: 0 };
            records(|p| ops.max_pool2d(p, "test", &at, &of(values, 1), (&of(oh, 1), None)))
        };
        assert!(max_pool(2, 1, 2, 0, 4) && !max_pool(2, 100, 1, 0, 4) && !max_pool(2, 1, 1, 1, 4));

        let normalised = |start, count| {
            let (x, y, mean, variance) = (of(16, 4), of(16, 4), of(1, 4), of(1, 4));
            let [running_mean, running_var] = [of(1, 4), of(1, 4)];
            let (gamma, beta, eps, momentum) = (None, None, 1e-5, 0.1);
            let bn = BatchNorm { gamma, beta, running_mean, running_var, eps, momentum };
            let statistics = RowStatistics { rows: Rows { start, count }, mean, variance };
            records(|p| ops.batch_norm(p, "test", &bn, &statistics, (&x, &y), Activation::None))
        };
        assert!(normalised(8, 8) && !normalised(8, 9) && !normalised(0xffff_fff0, 0x20));

        let pool = |rows, cols| records(|p| ops.global_avg_pool(p, "test", &of(6, 3), &of(rows, cols)));
        assert!(pool(2, 3) && !pool(4, 3) && !pool(2, 2));
    }
}
