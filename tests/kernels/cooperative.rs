//! Products on cooperative matrices, for adapters that have them: `make test-newer-driver`.

use crate::common::open_mixed;
use crate::harness::{Run, demand};
use ssgan::checks::{Checks, Output, Slack, conv, gemm, input, numbers, wide};
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
/// second more. Of more than 64 lanes there is none.
fn for_other_subgroups(gpu: &Gpu) -> Vec<Tiling> {
    let first = |lanes| Tile::cooperative(side(gpu), lanes).first().copied().map(Tiling::Fixed);
    [lanes(gpu) / 2, 2 * lanes(gpu)].into_iter().filter_map(first).collect()
}

fn lanes(gpu: &Gpu) -> u32 {
    gpu.likely_lanes()[0]
}

fn side(gpu: &Gpu) -> u32 {
    gpu.cooperative_side().expect("opened with cooperative matrices")
}

/// Demands that a check finds nothing wrong with these tilings.
fn right(gpu: &Gpu, tilings: Vec<Tiling>, run: Run) {
    demand(&Checks::new(gpu.clone(), tilings), run);
}

#[test]
#[ignore = "needs cooperative matrices"]
fn rows() {
    let gpu = open_mixed(false);
    right(&gpu, table(&gpu), gemm::rows);
}

#[test]
#[ignore = "needs cooperative matrices"]
fn columns() {
    let gpu = open_mixed(false);
    right(&gpu, table(&gpu), gemm::columns);
    right(&gpu, for_other_subgroups(&gpu), gemm::columns);
    let others = Tile::cooperative(side(&gpu), lanes(&gpu)).into_iter().skip(1);
    right(&gpu, others.map(Tiling::Fixed).collect(), gemm::columns);
}

#[test]
#[ignore = "needs cooperative matrices"]
fn epilogues() {
    let gpu = open_mixed(false);
    right(&gpu, table(&gpu), gemm::epilogues);
}

#[test]
#[ignore = "needs cooperative matrices"]
fn convolutions() {
    let gpu = open_mixed(false);
    right(&gpu, table(&gpu), conv::small_tiles);
    right(&gpu, for_other_subgroups(&gpu).into_iter().take(1).collect(), conv::small_tiles);
}

/// Longer than an invocation may loop.
#[test]
#[ignore = "needs cooperative matrices"]
fn long_sums() {
    let gpu = open_mixed(false);
    right(&gpu, table(&gpu), gemm::long_sums);
    right(&gpu, table(&gpu), conv::long_windows);
}

/// With the bounds checks of WGSL.
#[test]
#[ignore = "needs cooperative matrices"]
fn checked() {
    let gpu = open_mixed(true);
    right(&gpu, table(&gpu), gemm::columns);
    right(&gpu, table(&gpu), conv::small_tiles);
}

/// What 16-bit floats lose of uniform numbers: of each operand 2^-20 / 12 . 3/7 of the power, 6.8e-8 for both, where they are
/// rounded to the nearest, and four times that where they are cut off. Gradients as small as those of the last layers' lose no
/// more.
#[test]
#[ignore = "needs cooperative matrices"]
fn rounding() {
    let gpu = open_mixed(false);
    let checks = Checks::new(gpu.clone(), table(&gpu));
    let ops = Ops::new(&gpu);
    let error = |a_scale: f32, b_scale: f32, gradient_in: GradientIn| {
        let (m, n, k) = (70, 45, 130);
        let scaled = |stream, n, by: f32| numbers(stream, n).iter().map(|v| v * by).collect::<Vec<f32>>();
        let (a, b) = (scaled(1, m * k, a_scale), scaled(2, k * n, b_scale));
        let rows = transpose(&wide(&a), k as usize, m as usize);
        let want = matmul(&rows, &wide(&b), m as usize, k as usize, n as usize);
        let (ta, tb, out) =
            (input(&gpu, k, m, &a), input(&gpu, k, n, &b), Output::new(&gpu, m, n, Slack::None));
        let ran = checks.run_with(&ops, State::default(), |ops, p| {
            let (a, b, (conv, epilogue)) = ((&ta, Operand::Columns), Right::Rows(&tb), Default::default());
            ops.gemm(p, "rounding", Gemm { m, n, k, a, b, conv, out: &out.open, epilogue, gradient_in })
        });
        let got = ran.and_then(|_| out.read::<f32>(&checks, "rounding")).unwrap();
        assert!(checks.findings().is_empty(), "{:?}", checks.findings());
        nmse(&want, &got).unwrap()
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
    let checks = Checks::new(gpu.clone(), table(&gpu));
    let (ops, n) = (Ops::new(&gpu), 8);
    let identity: Vec<f32> = (0..n * n).map(|i| if i % (n + 1) == 0 { 1.0 } else { 0.0 }).collect();
    for (large, gradient_in, want) in [
        (1e6_f32, GradientIn::Neither, 65504.0),
        (-1e6, GradientIn::Neither, -65504.0),
        (100.0, GradientIn::A, 65504.0 / 4096.0),
    ] {
        let a = input(&gpu, n, n, &vec![large; (n * n) as usize]);
        let (b, out) = (input(&gpu, n, n, &identity), Output::new(&gpu, n, n, Slack::None));
        let ran = checks.run_with(&ops, State::default(), |ops, p| {
            let (a, b, (conv, epilogue)) = ((&a, Operand::Columns), Right::Rows(&b), Default::default());
            let g = Gemm { m: n, n, k: n, a, b, conv, out: &out.open, epilogue, gradient_in };
            ops.gemm(p, "out of range", g)
        });
        let got = ran.and_then(|_| out.read::<f32>(&checks, "out of range")).unwrap();
        assert!(got.iter().all(|v| *v == want), "{large} {gradient_in:?}");
        assert!(checks.findings().is_empty(), "{:?}", checks.findings());
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
