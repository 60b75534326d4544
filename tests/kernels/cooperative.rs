//! Products on cooperative matrices, for adapters that have them: `make test-newer-driver`.

use crate::common::open_mixed;
use crate::harness::{Output, Slack, input, numbers, run_with, wide};
use crate::{conv, gemm};
use ssgan::gpu::Gpu;
use ssgan::native::BlockOn;
use ssgan::ops::{Gemm, GradientIn, Operand, Ops, Product, Right, State, Tile, Tiling, tune};
use ssgan::reference::dense::{matmul, transpose};
use ssgan::reference::nmse;

/// The table's tiles.
fn table(gpu: &Gpu) -> Vec<Tiling> {
    vec![Tiling::Cooperative { side: side(gpu), lanes: lanes(gpu) }]
}

/// The first tile for subgroups of half and of twice the likely size: the first has fewer subgroups than parts of C, the
/// second more.
fn for_other_subgroups(gpu: &Gpu) -> Vec<Tiling> {
    [lanes(gpu) / 2, 2 * lanes(gpu)].map(|lanes| Tiling::Fixed(Tile::cooperative(side(gpu), lanes)[0])).into()
}

fn lanes(gpu: &Gpu) -> u32 {
    gpu.likely_lanes()[0]
}

fn side(gpu: &Gpu) -> u32 {
    gpu.cooperative_side().expect("opened with cooperative matrices")
}

#[test]
#[ignore = "needs cooperative matrices"]
fn rows() {
    let gpu = open_mixed(false);
    gemm::walk(&gpu, table(&gpu), Operand::Rows);
}

#[test]
#[ignore = "needs cooperative matrices"]
fn columns() {
    let gpu = open_mixed(false);
    gemm::walk(&gpu, table(&gpu), Operand::Columns);
    gemm::walk(&gpu, for_other_subgroups(&gpu), Operand::Columns);
    let others = Tile::cooperative(side(&gpu), lanes(&gpu)).into_iter().skip(1);
    gemm::walk(&gpu, others.map(Tiling::Fixed).collect(), Operand::Columns);
}

#[test]
#[ignore = "needs cooperative matrices"]
fn epilogues() {
    let gpu = open_mixed(false);
    gemm::walk_epilogues(&gpu, table(&gpu));
}

#[test]
#[ignore = "needs cooperative matrices"]
fn convolutions() {
    let gpu = open_mixed(false);
    conv::walk(&gpu, table(&gpu));
    conv::walk(&gpu, for_other_subgroups(&gpu).into_iter().take(1));
}

/// Longer than an invocation may loop.
#[test]
#[ignore = "needs cooperative matrices"]
fn long_sums() {
    let gpu = open_mixed(false);
    gemm::walk_long(&gpu, table(&gpu));
    conv::walk_long(&gpu, table(&gpu));
}

/// With the bounds checks of WGSL.
#[test]
#[ignore = "needs cooperative matrices"]
fn checked() {
    let gpu = open_mixed(true);
    gemm::walk(&gpu, table(&gpu), Operand::Columns);
    conv::walk(&gpu, table(&gpu));
}

/// What 16-bit floats lose of uniform numbers: of each operand 2^-20 / 12 . 3/7 of the power, 6.8e-8 for both, where they are
/// rounded to the nearest, and four times that where they are cut off. Gradients as small as those of the last layers' lose no
/// more.
#[test]
#[ignore = "needs cooperative matrices"]
fn rounding() {
    let gpu = open_mixed(false);
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
        assert!((1e-9..5e-7).contains(&e), "{what}: {e:e}");
    }
    let lost = error(1e-6, 1.0, GradientIn::Neither);
    assert!(lost > 1e-4, "gradients that are not scaled: {lost:e}");
}

/// What 16-bit floats do not reach is cut off.
#[test]
#[ignore = "needs cooperative matrices"]
fn out_of_range() {
    let gpu = open_mixed(false);
    let (ops, n) = (Ops::new(&gpu), 8);
    let identity: Vec<f32> = (0..n * n).map(|i| if i % (n + 1) == 0 { 1.0 } else { 0.0 }).collect();
    for (large, gradient_in, want) in [
        (1e6_f32, GradientIn::Neither, 65504.0),
        (-1e6, GradientIn::Neither, -65504.0),
        (100.0, GradientIn::A, 65504.0 / 4096.0),
    ] {
        let a = input(&gpu, n, n, &vec![large; (n * n) as usize]);
        let (b, out) = (input(&gpu, n, n, &identity), Output::new(&gpu, n, n, Slack::None));
        run_with(&ops, State::default(), |ops, p| {
            let (a, b, (conv, epilogue)) = ((&a, Operand::Columns), Right::Rows(&b), Default::default());
            let g = Gemm { m: n, n, k: n, a, b, conv, out: &out.open, epilogue, gradient_in };
            ops.gemm(p, "out of range", g)
        });
        assert!(out.read::<f32>(&gpu, "out of range").iter().all(|v| *v == want), "{large} {gradient_in:?}");
    }
}

/// All tiles agree with one that does not round, whichever is the table's.
#[test]
#[ignore = "needs cooperative matrices"]
fn tuning() {
    let gpu = open_mixed(false);
    let product =
        Product { size: (100, 24, 40), a: Operand::Columns, b_window: false, conv: Default::default() };
    let mut tiles = Tile::cooperative(side(&gpu), lanes(&gpu));
    tiles.push(Tile::portable()[4]);
    for _ in 0..2 {
        let trials =
            gpu.aside(tune::trials(&gpu, &product, &tiles, 2, &Default::default())).block_on().unwrap();
        assert_eq!(trials.len(), tiles.len());
        assert!(trials.iter().all(|t| t.agrees && t.seconds > 0.0), "{trials:?}");
        tiles.reverse();
    }
}
