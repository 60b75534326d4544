//! Activations, copies, weight layouts and weight normalisation.

use super::gemm::{ACTIVATIONS, activate, slope_at};
use super::{Checks, Output, Slack, input, numbers, wide};
use crate::error::Result;
use crate::ops::{Activation, Packing, RightOperand, State};
use crate::reference::weight_norm as norm_twin;

/// Lengths around a vec4 and around a workgroup of vec4.
const LENGTHS: [u32; 9] = [1, 3, 4, 5, 127, 128, 129, 257, 1031];

/// Zero, tiny, ordinary and saturating inputs, both signs.
fn inputs() -> Vec<f32> {
    let positive = [
        0.0, 1e-30, 1e-7, 1e-4, 0.019, 0.021, 0.05, 0.1, 0.199, 0.201, 0.5, 1.0, 2.0, 3.0, 3.9, 5.0, 8.3,
        10.0, 16.0, 17.5, 30.0, 79.0, 80.0,
    ];
    let signs = positive.iter().flat_map(|v: &f32| [*v, -*v]);
    signs
        .chain(numbers(31, 4000).iter().map(|v| 6.0 * v))
        .chain(numbers(32, 999).iter().map(|v| 80.0 * v))
        .collect()
}

/// Every activation and its slope at zero, tiny, ordinary and saturating inputs.
pub fn activations_over_their_range(checks: &Checks<'_>) -> Result<()> {
    let x = inputs();
    let n = x.len() as u32;
    let tx = input(checks, 1, n, &x);
    for act in ACTIVATIONS {
        let name = format!("{act:?}");
        let y = Output::new(checks, 1, n, Slack::Vec4);
        checks.run(State::default(), |ops, p| ops.activation(p, "check", act, &tx, &y.tensor))?;
        let want: Vec<f64> = x.iter().map(|v| activate(act, (*v).into())).collect();
        checks.values(&name, &want, &y.read(checks, &name)?, 0.0);
        activation_gradient(checks, act, &x)?;
    }
    Ok(())
}

/// dx = dy act'(x), the kernel being given the rounded output y.
fn activation_gradient(checks: &Checks<'_>, act: Activation, x: &[f32]) -> Result<()> {
    let n = x.len() as u32;
    let name = format!("{act:?} gradient");
    let y: Vec<f32> = x.iter().map(|v| activate(act, (*v).into()) as f32).collect();
    let dy = numbers(33, n);
    let dx = Output::new(checks, 1, n, Slack::Vec4);
    let (ty, tdy) = (input(checks, 1, n, &y), input(checks, 1, n, &dy));
    checks.run(State::default(), |ops, p| ops.activation_grad(p, "check", act, &ty, &tdy, &dx.tensor))?;
    let want: Vec<f64> = x.iter().zip(&dy).map(|(x, d)| f64::from(*d) * slope_at(act, (*x).into())).collect();
    // Near 1 the outputs of sigmoid and tanh are 6e-8 apart: what is left of 1 - y or 1 - y^2.
    let atol = if matches!(act, Activation::Sigmoid | Activation::Tanh) { 1.3e-7 } else { 0.0 };
    checks.values(&name, &want, &dx.read(checks, &name)?, atol);
    Ok(())
}

/// Lengths around a vec4 and a workgroup.
pub fn lengths_and_copies(checks: &Checks<'_>) -> Result<()> {
    for n in LENGTHS {
        let x = numbers(34, n);
        let tx = input(checks, 1, n, &x);
        let out = [0; 4].map(|_| Output::new(checks, 1, n, Slack::Vec4));
        let state = State { ema_scale: 1.75, ..State::default() };
        checks.run(state, |ops, p| {
            ops.activation(p, "check", Activation::Tanh, &tx, &out[0].tensor)?;
            ops.activation_grad(p, "check", Activation::Tanh, &tx, &tx, &out[1].tensor)?;
            ops.copy(p, "check", &tx, &out[2].tensor, false)?;
            ops.copy(p, "check", &tx, &out[3].tensor, true)
        })?;
        let read = |i: usize| out[i].read::<f32>(checks, &format!("{n} values, output {i}"));
        let want: Vec<f64> = wide(&x).iter().map(|v| v.tanh()).collect();
        checks.values("tanh", &want, &read(0)?, 0.0);
        let want: Vec<f64> = wide(&x).iter().map(|v| v * (1.0 - v * v)).collect();
        checks.values("tanh gradient", &want, &read(1)?, 1e-7);
        checks.same(&format!("copy of {n}"), &x, &read(2)?);
        let want: Vec<f64> = wide(&x).iter().map(|v| 1.75 * v).collect();
        checks.values("corrected copy", &want, &read(3)?, 0.0);
    }
    Ok(())
}

/// More workgroups than one axis of a grid takes: the grid is folded. A kernel of one value an invocation; four at a time would
/// be more than this adapter binds. The mean over one pixel is that pixel.
pub fn a_folded_grid(checks: &Checks<'_>) -> Result<()> {
    let n = checks.elementwise_group() * 65_535 + 777;
    let x: Vec<f32> = (0..n).map(|i| (i % 8191) as f32).collect();
    let tx = input(checks, 1, n, &x);
    let y = Output::new(checks, 1, n, Slack::Vec4);
    let program = checks.run(State::default(), |ops, p| ops.global_avg_pool(p, "check", &tx, &y.tensor))?;
    checks.holds("folded mean", "the grid is folded", program.dispatches[0].grid[1] == 2);
    checks.same("folded mean", &x, &y.read::<f32>(checks, "folded mean")?);
    Ok(())
}

/// Where element (k, n) of a right operand lies.
fn place(right: &RightOperand, n: u32, at: (u32, u32)) -> usize {
    let (row, column) = at;
    (match right.panel {
        0 => row * n + column,
        width => (column / width * right.panel_rows() + row) * width + column % width,
    }) as usize
}

/// Weights in the layouts that products read.
pub fn packed_weights(checks: &Checks<'_>) -> Result<()> {
    for (out, taps, c) in [(1, 1, 1), (3, 9, 2), (8, 25, 1), (10, 1, 33), (5, 4, 8), (70, 9, 34)] {
        for (scaled, panels) in [
            (false, (0, None)),
            (true, (0, Some(0))),
            (false, (64, Some(32))),
            (true, (32, Some(0))),
            (true, (0, Some(64))),
        ] {
            let name = format!("pack {out} x {taps} x {c}, panels {panels:?}");
            let n = out * taps * c;
            let (v, scale) = (numbers(51, n), numbers(52, out));
            let (tv, ts) = (input(checks, out, taps * c, &v), input(checks, 1, out, &scale));
            let (forward, f) = operand(checks, panels.0, taps * c, out);
            let (backward, b) = operand(checks, panels.1.unwrap_or(0), taps * out, c);
            checks.run(State::default(), |ops, p| {
                let (scale, backward) = (scaled.then_some(&ts), panels.1.map(|_| &b));
                ops.pack_weights(p, "check", Packing { v: &tv, taps, scale, forward: &f, backward })
            })?;
            let mut want_f = vec![f32::NAN; forward.tensor.len()];
            let mut want_b = vec![f32::NAN; backward.tensor.len()];
            // Blocks of four columns come whole: what is beyond the matrix is 0.
            let fours = |panel: u32, n: u32| if panel > 0 { n.next_multiple_of(4) } else { n };
            for tap in 0..taps {
                for o in 0..fours(f.panel, out).max(fours(b.panel, out)) {
                    for ci in 0..fours(f.panel, c).max(fours(b.panel, c)) {
                        let w = match o < out && ci < c {
                            true => {
                                v[((o * taps + tap) * c + ci) as usize]
                                    * if scaled { scale[o as usize] } else { 1.0 }
                            }
                            false => 0.0,
                        };
                        if ci < c && o < fours(f.panel, out) {
                            want_f[place(&f, out, (tap * c + ci, o))] = w;
                        }
                        if panels.1.is_some() && o < out && ci < fours(b.panel, c) {
                            want_b[place(&b, c, (tap * out + o, ci))] = w;
                        }
                    }
                }
            }
            // A NaN that stays is equal to itself; -0 is 0.
            let told = |values: Vec<f32>| -> Vec<Option<f32>> {
                values.into_iter().map(|v| Some(v).filter(|v| !v.is_nan())).collect()
            };
            let (forward, backward) = (forward.read(checks, &name)?, backward.read(checks, &name)?);
            checks.same(&format!("{name}: forward"), &told(want_f), &told(forward));
            checks.same(&format!("{name}: backward"), &told(want_b), &told(backward));
        }
    }
    Ok(())
}

/// Memory for a right operand `[k, n]` in panels of so many columns; 0: row by row.
fn operand(checks: &Checks<'_>, panel: u32, k: u32, n: u32) -> (Output, RightOperand) {
    let (rows, cols) = match panel {
        0 => (k, n),
        width => (n.div_ceil(width) * RightOperand::rows_for(k), width),
    };
    let made = Output::new(checks, rows, cols, Slack::None);
    let right = RightOperand { tensor: made.open.clone(), panel, k };
    (made, right)
}

/// Weight normalisation, forward and backward.
pub fn weight_normalisation(checks: &Checks<'_>) -> Result<()> {
    // The last two have more outputs than one axis of a grid takes, and more inputs than a subgroup may go over.
    for (out, k) in [(1, 1), (3, 31), (5, 32), (7, 33), (10, 250), (2, 1009), (65_539, 2), (2, 1_100_001)] {
        for trained in [true, false] {
            let name = format!("weight norm {out} x {k}");
            let (v, g, dw) = (numbers(61, out * k), numbers(62, out), numbers(63, out * k));
            let (tv, tg, tdw) =
                (input(checks, out, k, &v), input(checks, 1, out, &g), input(checks, out, k, &dw));
            let vectors = [0; 3].map(|_| Output::new(checks, 1, out, Slack::None));
            let [scale, inverse, dg] = &vectors;
            let dv = Output::new(checks, out, k, Slack::None);
            checks.run(State::default(), |ops, p| {
                ops.weight_norm(p, "check", &tv, &tg, &scale.open, &inverse.open)?;
                let dg = trained.then_some(&dg.open);
                let norms = (&scale.open, &inverse.open);
                ops.weight_norm_grad(p, "check", (&tdw, &tv), norms, &dv.open, dg)
            })?;
            let (wv, wg, wdw) = (wide(&v), wide(&g), wide(&dw));
            let norms: Vec<f64> =
                wv.chunks(k as usize).map(|r| r.iter().map(|x| x * x).sum::<f64>().sqrt()).collect();
            let inverses: Vec<f64> = norms.iter().map(|n| 1.0 / n).collect();
            checks.values(&name, &inverses, &inverse.read(checks, &name)?, 0.0);
            let scales: Vec<f64> = norms.iter().zip(&wg).map(|(n, g)| g / n).collect();
            checks.values(&name, &scales, &scale.read(checks, &name)?, 0.0);
            let (want_dv, want_dg) = norm_twin::weight_norm_grad(&wv, &wg, &wdw);
            if k > 1 {
                checks.sums(&name, &want_dv, &dv.read(checks, &name)?);
            } else {
                // One weight has no direction: dv is the rounding that is left of a difference.
                checks.values(&name, &want_dv, &dv.read(checks, &name)?, 1e-6);
            }
            let dg: Vec<f32> = dg.read(checks, &name)?;
            if trained {
                checks.sums(&name, &want_dg, &dg)
            } else {
                checks.untouched(&name, "dg", &dg);
            }
        }
    }
    Ok(())
}
