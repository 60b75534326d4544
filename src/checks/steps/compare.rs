//! Comparisons of tensors, whole networks and passes with the twin's.

use super::twin::Twin;
use crate::checks::Finding;
use crate::error::{Error, Result};
use crate::layers::{Dropout, GaussianNoise, RandomShift};
use crate::model::shape::{LayerShape, NetShape};
use crate::model::spec::LayerOp;
use crate::numerics::{check_close, nmse};
use crate::reference::random_affine::{Affine, warp};
use crate::reference::random_flip::flip;
use crate::reference::random_shift::shift;
use crate::reference::{NetParams, Tape};
use crate::train::checkpoint::{Checkpoint, TensorData};
use crate::train::permute_weights;

/// Of the tensors of one step that begins with equal parameters; 3e-6 was seen.
pub const STEP_TOLERANCE: f64 = 2e-5;

/// What was compared of a step or a run.
#[derive(Debug)]
pub struct Comparison {
    /// Which model and settings.
    pub title: String,
    /// A finding for each tensor or loss.
    pub findings: Vec<Finding>,
}

impl Comparison {
    /// Nothing yet.
    pub fn new(title: &str) -> Comparison {
        Comparison { title: title.into(), findings: vec![] }
    }

    fn record(&mut self, case: &str, deviation: f64, bound: f64, failure: Option<String>) {
        self.findings.push(Finding {
            family: "training step",
            check: "gradients, losses, state",
            variant: self.title.clone(),
            case: case.into(),
            deviation,
            bound,
            failure,
        });
    }

    /// What does not agree, in words.
    pub fn fail(&mut self, case: &str, why: String) {
        self.record(case, f64::INFINITY, 0.0, Some(why));
    }

    /// Demands that something is so.
    pub fn holds(&mut self, case: &str, what: &str, holds: bool) {
        if !holds {
            self.fail(case, format!("it does not hold that {what}"));
        }
    }

    /// A tensor in memory order, by its normalised root mean square error; near-zero ones absolutely.
    pub fn tensor(&mut self, name: &str, expected: &[f64], got: &[f32], tolerance: f64) {
        let error = if expected.iter().all(|v| v.abs() < 1e-12) {
            check_close(expected, got, 0.0, 1e-7).map(|()| 0.0).map_err(|e| e.to_string())
        } else {
            nmse(expected, got).map(f64::sqrt).map_err(|e| e.to_string())
        };
        match error {
            Ok(e) => self.record(name, e, tolerance, None),
            Err(e) => self.fail(name, e),
        }
    }

    /// All tensors of a network whose names are `{prefix}.{layer}.{name}{suffix}`.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for one that is not there.
    pub fn net(
        &mut self,
        (net, expected): (&NetShape, &NetParams),
        from: &Checkpoint,
        (prefix, suffix): (&str, &str),
        wanted: impl Fn(&str, bool) -> bool,
        tolerance: f64,
    ) -> Result<()> {
        for (i, layer) in net.layers.iter().enumerate() {
            for (p, expected) in layer.params().iter().zip(&expected[i]) {
                if wanted(p.name, p.trained) {
                    let name = format!("{prefix}.{i}.{}{suffix}", p.name);
                    let shape: Vec<usize> = p.shape.iter().map(|&d| d as usize).collect();
                    let got = permute_weights(&p.shape, from.get(&name, &shape)?, false);
                    self.tensor(&name, expected, &got, tolerance);
                }
            }
        }
        Ok(())
    }
}

/// Every tensor that training changes, and those that it must not.
///
/// # Errors
/// [`Error::Checkpoint`] for one that is not there.
pub fn compare_state(c: &mut Comparison, twin: &Twin, got: &Checkpoint, tolerance: f64) -> Result<()> {
    let trained = |_: &str, trained: bool| trained;
    for (net, params, moments) in twin.nets() {
        let optimizer = format!("optimizer.{}", net.name);
        c.net((net, params), got, (net.name, ""), |_, _| true, tolerance)?;
        c.net((net, &moments.m), got, (&optimizer, ".exp_avg"), trained, tolerance)?;
        c.net((net, &moments.v), got, (&optimizer, ".exp_avg_sq"), trained, tolerance)?;
    }
    let average = "average.discriminator";
    c.net((&twin.model.discriminator, &twin.state.d_ema), got, (average, ""), trained, tolerance)
}

/// A tensor of a trace.
///
/// # Errors
/// [`Error::Gpu`] if the trace does not have it.
pub fn values<'a>(trace: &'a Checkpoint, name: &str) -> Result<&'a [f32]> {
    let found: Option<&TensorData> = trace.tensors.iter().find(|t| t.name == name);
    found.map(|t| t.values.as_slice()).ok_or_else(|| Error::Gpu(format!("the trace has no {name}")))
}

/// Whether the GPU computes the activation after layer i in the layer's own kernel: then the trace has the
/// activation's output for both.
fn fused(net: &NetShape, i: usize) -> bool {
    let activation = net.layers.get(i + 1).is_some_and(|l| l.op.activation().is_some());
    activation && !net.layers[i].feature && net.layers[i].op.takes_activation()
}

/// Input, activations and random numbers of one pass through a network.
///
/// # Errors
/// [`Error::Gpu`] for what the trace does not have.
pub fn compare_tape(
    c: &mut Comparison,
    net: &NetShape,
    prefix: &str,
    tape: &Tape,
    trace: &Checkpoint,
) -> Result<()> {
    let whole = net.layers.len() - 1;
    let last = if prefix == "g_step.discriminator" { net.feature().unwrap_or(whole) } else { whole };
    for (i, layer) in net.layers.iter().enumerate().take(last + 1) {
        let name = format!("{prefix}.{i}.output");
        let at = if fused(net, i) { i + 1 } else { i };
        c.tensor(&name, tape.layer_output(at), values(trace, &name)?, STEP_TOLERANCE);
        draws(c, layer, &format!("{prefix}.{i}"), (&tape.activations[i], tape.layer_output(i)), trace)?;
    }
    Ok(())
}

/// Random numbers of a layer, by what they made of its input.
fn draws(
    c: &mut Comparison,
    layer: &LayerShape,
    prefix: &str,
    (x, y): (&[f64], &[f64]),
    trace: &Checkpoint,
) -> Result<()> {
    match layer.op {
        LayerOp::GaussianNoise(GaussianNoise { sigma }) => {
            let n: Vec<f64> = x.iter().zip(y).map(|(x, y)| (y - x) / f64::from(sigma)).collect();
            c.tensor(prefix, &n, values(trace, &format!("{prefix}.noise"))?, STEP_TOLERANCE);
        }
        LayerOp::RandomShift(RandomShift { pixels }) => {
            let got = values(trace, &format!("{prefix}.shift"))?;
            let offsets: Vec<[i32; 2]> = got.chunks(2).map(|o| [o[0] as i32, o[1] as i32]).collect();
            let within = offsets.iter().flatten().all(|o| o.unsigned_abs() <= pixels);
            c.holds(prefix, "images are shifted by no more than they may", within);
            let shifted: Vec<f32> = shift(x, layer.input, &offsets).into_iter().map(|v| v as f32).collect();
            c.tensor(prefix, y, &shifted, STEP_TOLERANCE);
        }
        LayerOp::RandomFlip(_) => {
            let got = values(trace, &format!("{prefix}.flip"))?;
            let mirrored: Vec<bool> = got.iter().map(|f| *f == 1.0).collect();
            let both = mirrored.contains(&true) && mirrored.contains(&false);
            c.holds(prefix, "some images are mirrored and some are not", both);
            let turned: Vec<f32> = flip(x, layer.input, &mirrored).into_iter().map(|v| v as f32).collect();
            c.tensor(prefix, y, &turned, STEP_TOLERANCE);
        }
        LayerOp::RandomAffine(_) => {
            let got = values(trace, &format!("{prefix}.affine"))?;
            let entry = |m: &[f32], i: usize| f64::from(m[i]);
            let map = |m: &[f32]| Affine {
                matrix: [[entry(m, 0), entry(m, 1)], [entry(m, 2), entry(m, 3)]],
                shift: [entry(m, 4), entry(m, 5)],
            };
            let maps: Vec<Affine> = got.chunks(6).map(map).collect();
            let moved: Vec<f32> = warp(x, layer.input, &maps).into_iter().map(|v| v as f32).collect();
            c.tensor(prefix, y, &moved, STEP_TOLERANCE);
        }
        LayerOp::Dropout(Dropout { rate }) => {
            // What dropped out of a value that is 0 cannot be told from its output.
            let got = values(trace, &format!("{prefix}.dropout"))?;
            let kept = 1.0 / (1.0 - f64::from(rate));
            let told = |i: &usize| x[*i] != 0.0;
            let expected: Vec<f64> =
                (0..x.len()).filter(told).map(|i| if y[i] == 0.0 { 0.0 } else { kept }).collect();
            let got: Vec<f32> = (0..got.len()).filter(told).map(|i| got[i]).collect();
            c.tensor(prefix, &expected, &got, STEP_TOLERANCE);
        }
        _ => {}
    }
    Ok(())
}
