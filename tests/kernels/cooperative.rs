//! Products on cooperative matrices, where the adapter has them; nothing is tested where it has none, see
//! [`open_mixed`].

use crate::common::open_mixed;
use crate::harness::{Output, Slack, input, numbers, run_with, wide};
use crate::{conv, gemm};
use ssgan::gpu::Gpu;
use ssgan::ops::{Gemm, GradientIn, Operand, Ops, Right, State, Tile, Tiling};
use ssgan::reference::dense::{matmul, transpose};
use ssgan::reference::nmse;

/// The table's tiles.
fn table(gpu: &Gpu) -> Vec<Tiling> {
    vec![Tiling::Cooperative { side: side(gpu), lanes: gpu.likely_lanes() }]
}

/// The first tile for subgroups of half and of four times the adapter's size, which meet too many of them, and too few.
fn for_other_subgroups(gpu: &Gpu) -> Vec<Tiling> {
    let lanes = gpu.likely_lanes();
    [lanes / 2, 4 * lanes].map(|lanes| Tiling::Fixed(Tile::cooperative(side(gpu), lanes)[0])).into()
}

fn side(gpu: &Gpu) -> u32 {
    gpu.cooperative_side().expect("opened with cooperative matrices")
}

#[test]
fn rows() {
    let Some(gpu) = open_mixed(false) else { return };
    gemm::walk(&gpu, table(&gpu), Operand::Rows);
}

#[test]
fn columns() {
    let Some(gpu) = open_mixed(false) else { return };
    gemm::walk(&gpu, table(&gpu), Operand::Columns);
    gemm::walk(&gpu, for_other_subgroups(&gpu), Operand::Columns);
    let others = Tile::cooperative(side(&gpu), gpu.likely_lanes()).into_iter().skip(1);
    gemm::walk(&gpu, others.map(Tiling::Fixed).collect(), Operand::Columns);
}

#[test]
fn epilogues() {
    let Some(gpu) = open_mixed(false) else { return };
    gemm::walk_epilogues(&gpu, table(&gpu));
}

#[test]
fn convolutions() {
    let Some(gpu) = open_mixed(false) else { return };
    conv::walk(&gpu, table(&gpu));
    conv::walk(&gpu, for_other_subgroups(&gpu).into_iter().take(1));
}

/// With the bounds checks of WGSL.
#[test]
fn checked() {
    let Some(gpu) = open_mixed(true) else { return };
    gemm::walk(&gpu, table(&gpu), Operand::Columns);
    conv::walk(&gpu, table(&gpu));
}

/// What 16-bit floats lose of numbers that they do not hold: two operands of 11 bits, rounded to the nearest, have a
/// normalised mean square error of at most 2 (2^-12)^2 = 1.2e-7. Gradients as small as those of the last layers' lose no
/// more.
#[test]
fn rounding() {
    let Some(gpu) = open_mixed(false) else { return };
    let ops = Ops::new(&gpu);
    let error = |a_scale: f32, b_scale: f32, gradient_in: GradientIn| {
        let (m, n, k) = (70, 45, 130);
        let scaled = |stream, n, by: f32| numbers(stream, n).iter().map(|v| v * by).collect::<Vec<f32>>();
        let (a, b) = (scaled(1, m * k, a_scale), scaled(2, k * n, b_scale));
        let rows = transpose(&wide(&a), k as usize, m as usize);
        let want = matmul(&rows, &wide(&b), m as usize, k as usize, n as usize);
        let (ta, tb, out) =
            (input(&gpu, k, m, &a), input(&gpu, k, n, &b), Output::new(&gpu, m, n, Slack::None));
        run_with(&ops, State::default(), |ops, p| {
            let (a, b, (conv, epilogue)) = ((&ta, Operand::Columns), Right::Rows(&tb), Default::default());
            ops.gemm(p, "rounding", Gemm { m, n, k, a, b, conv, out: &out.open, epilogue, gradient_in })
        });
        nmse(&want, &out.read::<f32>(&gpu, "rounding")).unwrap()
    };
    for (what, e) in [
        ("values", error(1.0, 1.0, GradientIn::Neither)),
        ("gradients on the left", error(1e-6, 1.0, GradientIn::A)),
        ("gradients on the right", error(1.0, 1e-6, GradientIn::B)),
    ] {
        println!("{what}: {e:e}");
        assert!((1e-9..1.2e-7).contains(&e), "{what}: {e:e}");
    }
    let lost = error(1e-6, 1.0, GradientIn::Neither);
    assert!(lost > 1e-4, "gradients that are not scaled: {lost:e}");
}
