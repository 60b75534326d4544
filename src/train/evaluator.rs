//! Test accuracy, loss and confusion matrix on the GPU.

use super::device_data::{DeviceImages, LabelledImages};
use super::stop::Stop;
use crate::error::Result;
use crate::gpu::{Gpu, Pool, Program, Tensor};
use crate::model::shape::NetShape;
use crate::nn::{Layout, Mode, Net, Params, Tape};
use crate::ops::{ImageBlock, Ops, State};
use serde::Serialize;

/// Rows of one evaluation chunk, and of one of generated images, at most.
pub(super) const ROWS: u32 = 500;

/// How well a discriminator classifies a split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// Share of images classified rightly.
    pub accuracy: f32,
    /// Mean cross entropy.
    pub loss: f32,
    /// Row = true class, column = predicted class.
    pub confusion: Vec<Vec<u32>>,
}

/// Which parameters of D are evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weights {
    /// As they are.
    Raw,
    /// The moving average, bias-corrected.
    Averaged,
}

/// A copy of D in evaluation mode, with its own parameter memory to swap raw and averaged weights in.
#[derive(Debug)]
pub struct Evaluator {
    classes: u32,
    raw: Program,
    averaged: Program,
    net: Net,
}

/// The recorded evaluation of one split.
#[derive(Debug)]
pub struct SplitEvaluator {
    /// Images of a chunk.
    rows: u32,
    program: Program,
    /// Of the last images, where they fill no chunk: a layer that compares rows must see no others.
    rest: Option<Program>,
    count: u32,
    losses: Tensor,
    confusion: Tensor,
}

/// The recorded logits of so many images, and the features if they are wanted.
#[derive(Debug)]
pub(super) struct Chunk {
    program: Program,
    /// Bytes, four a word.
    images: Tensor,
    /// `[rows, K]`
    logits: Tensor,
    /// `[rows, F]`
    features: Option<Tensor>,
}

/// A recorded pass of images through D.
pub(super) struct Pass {
    /// Their bytes, four a word.
    pub images: Tensor,
    pub tape: Tape,
    /// `[rows, K]`, kept.
    pub logits: Tensor,
}

impl Pass {
    /// What the layer of D that makes the logits is given, `[rows, F]`.
    pub fn features(&self, shape: &NetShape) -> Tensor {
        self.tape.inputs[shape.last_affine()].reshape(self.logits.rows, shape.last_affine_input().len())
    }
}

/// Puts the bytes of images where a recorded pass reads them.
pub(super) fn upload(gpu: &Gpu, bytes: &[u8], images: &Tensor) {
    let mut words = bytes.to_vec();
    words.resize(images.len() * 4, 0);
    gpu.write(images, &words);
}

impl Chunk {
    /// Logits and features of the images, whose bytes these are.
    pub async fn run(&self, gpu: &Gpu, bytes: &[u8]) -> Result<(Vec<f32>, Vec<f32>)> {
        upload(gpu, bytes, &self.images);
        gpu.submit(&self.program, &[]).await?;
        let logits = gpu.read(&self.logits).await?;
        let features = match &self.features {
            Some(features) => gpu.read(features).await?,
            None => vec![],
        };
        Ok((logits, features))
    }
}

impl SplitEvaluator {
    /// Bytes that its scratch tensors take in a pool of their own.
    pub fn scratch_bytes(&self) -> u64 {
        self.program.scratch_bytes()
    }
}

impl Evaluator {
    /// For D with `params` and their moving `average`.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn new(ops: &Ops, shape: &NetShape, params: &Params, average: &Tensor) -> Result<Evaluator> {
        let layout = Layout::new(shape);
        let own = ops.gpu.vector("evaluated parameters", layout.trained as u32);
        let copy = Params { layout, trained: own, stored: params.stored.clone() };
        let net = Net::new(ops, shape, copy);
        let mut programs = [Program::new(), Program::new()];
        for (p, (source, correct)) in programs.iter_mut().zip([(&params.trained, false), (average, true)]) {
            ops.copy(p, "evaluation", source, &net.params.trained, correct)?;
            net.pack(ops, p)?;
        }
        let [raw, averaged] = programs;
        Ok(Evaluator { classes: shape.output().channels, raw, averaged, net })
    }

    /// Records the evaluation of `data`, with memory of `scratch`.
    ///
    /// # Errors
    /// As [`Net::forward`].
    pub fn split(&self, ops: &Ops, data: &LabelledImages, scratch: &mut Pool) -> Result<SplitEvaluator> {
        let gpu = &ops.gpu;
        let LabelledImages { images: DeviceImages { blocks, count }, labels } = data;
        let losses = gpu.vector("evaluation losses", *count);
        let confusion = gpu.tensor("confusion", self.classes, self.classes);
        let mut record = |rows: u32| -> Result<Program> {
            let mut p = Program::sharing();
            let x = p.scratch(gpu, "evaluated images", rows, self.net.shape.input.len());
            ops.gather_images(&mut p, blocks, None, &x, (0, rows))?;
            let tape = self.net.forward(ops, &mut p, &x, &Mode::Eval, self.net.shape.layers.len())?;
            let logits = tape.outputs.last().expect("a checked network has layers");
            ops.evaluate(&mut p, logits, labels, *count, &losses, &confusion)?;
            p.plan(gpu, scratch);
            Ok(p)
        };
        let rows = self.net.rows_that_fit(gpu, ROWS.min(*count));
        let (program, rest) = (record(rows)?, *count % rows);
        let rest = (rest > 0).then(|| record(rest)).transpose()?;
        Ok(SplitEvaluator { rows, program, rest, count: *count, losses, confusion })
    }

    /// Copies these parameters to where they are evaluated. `state` gives the averages' correction.
    ///
    /// # Errors
    /// [`crate::error::Error::Gpu`] or [`crate::error::Error::DeviceLost`] if the device failed.
    pub(super) async fn load(&self, ops: &Ops, state: State, weights: Weights) -> Result<()> {
        ops.gpu.write(&ops.state, &[state]);
        ops.gpu.submit(self.parameters(weights), &[]).await.map(drop)
    }

    /// The most rows that are evaluated at once.
    pub(super) fn rows(&self, gpu: &Gpu) -> u32 {
        self.net.rows_that_fit(gpu, ROWS).max(1)
    }

    /// Records the logits of `rows` images, and the features if they are wanted.
    pub(super) fn chunk(&self, ops: &Ops, rows: u32, with_features: bool) -> Result<Chunk> {
        let gpu = &ops.gpu;
        let mut program = Program::sharing();
        let pass = self.pass(ops, &mut program, rows)?;
        let mut features = None;
        if with_features {
            let found = pass.features(&self.net.shape);
            let kept = gpu.tensor("features", found.rows, found.cols);
            ops.copy(&mut program, "features", &found, &kept, false)?;
            features = Some(kept);
        }
        let Pass { images, logits, .. } = pass;
        program.plan(gpu, &mut Pool::default());
        Ok(Chunk { program, images, logits, features })
    }

    /// D's shapes.
    pub(super) fn shape(&self) -> &NetShape {
        &self.net.shape
    }

    /// Records the pass of `rows` images through D.
    pub(super) fn pass(&self, ops: &Ops, program: &mut Program, rows: u32) -> Result<Pass> {
        let (gpu, shape) = (&ops.gpu, &self.net.shape);
        let pixels = shape.input.len();
        let images = gpu.vector("images", (rows * pixels).div_ceil(4));
        let logits = gpu.tensor("logits", rows, self.classes);
        let x = program.scratch(gpu, "classified images", rows, pixels);
        let block = ImageBlock { images: images.clone(), first: 0, count: rows };
        ops.gather_images(program, &[block], None, &x, (0, rows))?;
        let tape = self.net.forward(ops, program, &x, &Mode::Eval, shape.layers.len())?;
        let output = tape.outputs.last().expect("a checked network has layers");
        ops.copy(program, "logits", output, &logits, false)?;
        Ok(Pass { images, tape, logits })
    }

    /// What copies these parameters to where they are evaluated.
    fn parameters(&self, weights: Weights) -> &Program {
        if weights == Weights::Raw { &self.raw } else { &self.averaged }
    }

    /// Evaluates `split`; `None` if `stop` asked to leave before that was done. `state` gives the averages' correction.
    ///
    /// # Errors
    /// [`crate::error::Error::Gpu`] or [`crate::error::Error::DeviceLost`] if the device failed;
    /// [`crate::error::Error::DeviceLost`] too if it has not looked at all images though it said it had, which is also what an
    /// image looks like whose label is no class.
    pub async fn run(
        &self,
        ops: &Ops,
        split: &SplitEvaluator,
        state: State,
        weights: Weights,
        stop: &Stop,
    ) -> Result<Option<Evaluation>> {
        let gpu: &Gpu = &ops.gpu;
        gpu.write(&split.confusion, &vec![0u32; split.confusion.len()]);
        self.load(ops, state, weights).await?;
        for first in (0..split.count).step_by(split.rows as usize) {
            if stop.leaves_evaluation() {
                return Ok(None);
            }
            let mut s = state;
            s.position[3] = first;
            gpu.write(&ops.state, &[s]);
            let whole = split.count - first >= split.rows;
            let program = split.rest.as_ref().filter(|_| !whole).unwrap_or(&split.program);
            let submission = gpu.submit(program, &[]).await?;
            gpu.wait(submission).await?;
        }
        let counts: Vec<u32> = gpu.read(&split.confusion).await?;
        // Every image is counted once.
        let counted: u64 = counts.iter().map(|&n| u64::from(n)).sum();
        if counted != u64::from(split.count) {
            return Err(gpu.undone(&format!("an evaluation counted {counted} of {} images", split.count)));
        }
        let losses: Vec<f32> = gpu.read(&split.losses).await?;
        let k = self.classes as usize;
        let right: u32 = (0..k).map(|i| counts[i * k + i]).sum();
        Ok(Some(Evaluation {
            accuracy: right as f32 / split.count as f32,
            loss: (losses.iter().map(|&l| f64::from(l)).sum::<f64>() / f64::from(split.count)) as f32,
            confusion: counts.chunks(k).map(<[u32]>::to_vec).collect(),
        }))
    }
}

#[cfg(feature = "native")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::steps::models::{DNN, data_set_with, model};
    use crate::checks::steps::{IMAGES, ssl};
    use crate::error::Error;
    use crate::gpu::fault;
    use crate::native::{self, BlockOn};
    use crate::train::Trainer;

    /// No image counts for wrong because the device has not looked at it.
    #[test]
    fn an_evaluation_that_was_not_done_is_an_error() {
        let gpu = native::open(&Default::default()).unwrap();
        let model = model(DNN, 4, 1);
        // Three parts.
        let data = data_set_with(&model, IMAGES, 1010);
        let trainer = Trainer::new(&gpu, &model, &ssl(), &data).block_on().unwrap();
        trainer.initialise().block_on().unwrap();
        let evaluate = || trainer.evaluate(Weights::Raw).block_on();
        let whole = evaluate().unwrap().unwrap();
        // The parameters are first.
        for (part, counted) in [(1, 510), (2, 510), (3, 1000)] {
            fault::ignore(part, 1);
            let e = evaluate().unwrap_err();
            let said = format!("{counted} of 1010 images");
            assert!(matches!(&e, Error::DeviceLost(m) if m.contains(&said)), "part {part}: {e}");
        }
        assert_eq!(evaluate().unwrap(), Some(whole));
    }
}
