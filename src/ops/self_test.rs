//! Whether an adapter computes rightly: a small product, a sum as long as shaders may make one, one that all invocations of a
//! workgroup read, and Philox's known answer, checked on the host.

use super::reduce::Across;
use super::{Epilogue, Fill, Gemm, GradientIn, Operand, Ops, Right, RowStatistics, Rows};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Program, Tensor};
use crate::rng::{self, Counter};

/// Runs the self-test and says what was verified.
///
/// # Errors
/// [`Error::Gpu`] if a kernel fails or a result is wrong; [`Error::DeviceLost`] if the device is gone.
pub async fn self_test(gpu: &Gpu) -> Result<String> {
    let ops = Ops::new(gpu);
    let (m, n, k) = (37u32, 29u32, 53u32);
    let value = |i: u32| ((i * 7 + 3) % 17) as f32 - 8.0;
    let a: Vec<f32> = (0..m * k).map(value).collect();
    let b: Vec<f32> = (0..k * n).map(|i| value(i + 5)).collect();
    let (ta, tb) = (gpu.upload("self-test a", m, k, &a), gpu.upload("self-test b", k, n, &b));
    let out = gpu.tensor("self-test c", m, n);
    let bits = gpu.vector("self-test bits", 8);
    // The longest chunks that there are, over which an invocation goes twice: 0 and 2 in turn, of mean and variance 1.
    let count = Rows::LONGEST;
    let alternating: Vec<f32> = (0..count).map(|i| (i % 2 * 2) as f32).collect();
    let column = gpu.upload("self-test column", count, 1, &alternating);
    let mut p = Program::new();
    let g = Gemm {
        m,
        n,
        k,
        a: (&ta, Operand::Rows),
        b: Right::Rows(&tb),
        conv: Default::default(),
        out: &out,
        epilogue: Epilogue::None,
        gradient_in: GradientIn::Neither,
    };
    ops.gemm(&mut p, "self-test", g)?;
    let RowStatistics { mean, variance, .. } =
        ops.statistics(&mut p, "self-test", (&column, Rows::of(&column)), None, Across::Workgroup)?;
    let shared = shared_sum(&ops, &mut p)?;
    ops.random_fill(&mut p, "self-test", 1, Fill::Bits, &bits)?;
    gpu.write(&ops.state, &[super::State::default()]);
    gpu.submit(&p, &[]).await?;
    check_product(&gpu.read(&out).await?, (&a, &b), (m, n, k))
        .map_err(|what| Error::Gpu(format!("{what}: update the driver of {}", gpu.summary().name)))?;
    for (what, tensor) in [("mean", &mean), ("variance", &variance)] {
        let got: Vec<f32> = gpu.read(tensor).await?;
        // Divisions may be off by some units; a loop that ends early is off by a large part.
        if !got.iter().all(|v| (v - 1.0).abs() <= 1e-5) {
            return Err(Error::Gpu(format!(
                "self-test: the {what} of {count} numbers is {got:?}, should be 1: loops end early; update the driver of {}",
                gpu.summary().name
            )));
        }
    }
    if gpu.read::<f32>(&shared.0).await? != shared.1 {
        let name = &gpu.summary().name;
        return Err(Error::Gpu(format!(
            "self-test: a workgroup reads a sum before it is whole: update the driver of {name}"
        )));
    }
    let got: Vec<u32> = gpu.read(&bits).await?;
    let want: Vec<u32> = (0..2).flat_map(|b| rng::block(0, Counter { stream: 1, step: 0 }, b)).collect();
    if got != want {
        return Err(Error::Gpu(format!("self-test: Philox gives {got:x?}, should be {want:x?}")));
    }
    Ok(format!(
        "a {m}x{n}x{k} product, a mean of {count} numbers, a shared sum and 8 Philox numbers \
        are exact"
    ))
}

/// Records the gradient of weights of norm 1 by the directions v, dv = dw - v (dw . v): what it is to be, in small integers that
/// floats sum in any order.
fn shared_sum(ops: &Ops, p: &mut Program) -> Result<(Tensor, Vec<f32>)> {
    let (rows, k) = (3u32, 523u32);
    let value = |i: u32| ((i * 5 + 1) % 9) as f32 - 4.0;
    let dw: Vec<f32> = (0..rows * k).map(value).collect();
    let v: Vec<f32> = (0..rows * k).map(|i| value(i * 2)).collect();
    let gpu = &ops.gpu;
    let [of_dw, of_v] = [&dw, &v].map(|values| gpu.upload("self-test weights", rows, k, values));
    let ones = gpu.upload("self-test norms", 1, rows, &vec![1.0f32; rows as usize]);
    let dv = gpu.tensor("self-test dv", rows, k);
    ops.weight_norm_grad(p, "self-test", (&of_dw, &of_v), (&ones, &ones), &dv, None)?;
    let row = |(dw, v): (&[f32], &[f32])| -> Vec<f32> {
        let along: f32 = dw.iter().zip(v).map(|(a, b)| a * b).sum();
        dw.iter().zip(v).map(|(dw, v)| dw - v * along).collect()
    };
    let wanted = dw.chunks(k as usize).zip(v.chunks(k as usize)).flat_map(row).collect();
    Ok((dv, wanted))
}

/// Says where C `[m, n]` is not A `[m, k]` times B `[k, n]`, all of small integers: every order of summation gives the same
/// floats.
fn check_product(
    c: &[f32],
    (a, b): (&[f32], &[f32]),
    (m, n, k): (u32, u32, u32),
) -> std::result::Result<(), String> {
    for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
        let want: f32 = (0..k).map(|x| a[(i * k + x) as usize] * b[(x * n + j) as usize]).sum();
        let have = c[(i * n + j) as usize];
        if have.to_bits() != want.to_bits() {
            return Err(format!("self-test: product [{i}, {j}] is {have}, should be {want}"));
        }
    }
    Ok(())
}
