//! Taking the measurements, and putting them together by kernel and layer.

use super::{FORMAT, Profile, Row, Spread, Whole};
use crate::error::Result;
use crate::gpu::{Dispatch, Timer, Timing, shader_hash};
use crate::native::BlockOn;
use crate::train::Trainer;
use std::time::Instant;

/// Timed steps, in order.
#[derive(Debug)]
pub struct Samples {
    /// Each step: its number from 0, seconds from the first one's begin to its own, and where its time went.
    pub steps: Vec<(u32, f64, Timing)>,
    /// Wall seconds of untimed steps in between.
    pub untimed: Vec<f64>,
    /// Steps run before.
    pub warmup: u32,
}

/// Trains `warmup` steps, then `steps` timed and as many untimed ones, alternately; `done` hears of each step.
///
/// # Errors
/// [`crate::error::Error::Gpu`] if the device failed.
pub fn sample(
    trainer: &Trainer,
    timer: &mut Timer,
    (warmup, steps): (u32, u32),
    mut done: impl FnMut(),
) -> Result<Samples> {
    trainer.initialise().block_on()?;
    let mut t = 0;
    for _ in 0..warmup {
        trainer.timed_step(t, timer).block_on()?;
        done();
        t += 1;
    }
    let origin = Instant::now();
    let mut samples = Samples { steps: vec![], untimed: vec![], warmup };
    for _ in 0..steps {
        let begun = origin.elapsed().as_secs_f64();
        samples.steps.push((t, begun, trainer.timed_step(t, timer).block_on()?));
        done();
        samples.untimed.push(trainer.untimed_step(t + 1).block_on()?.as_secs_f64());
        done();
        t += 2;
    }
    Ok(samples)
}

impl Samples {
    /// The profile, roofs left out.
    ///
    /// # Panics
    /// Without a single sample.
    pub fn profile(&self, trainer: &Trainer, timer: &Timer) -> Profile {
        let dispatches = &trainer.program().dispatches;
        let timings: Vec<&Timing> = self.steps.iter().map(|(_, _, t)| t).collect();
        let of = |f: &dyn Fn(&Timing) -> f64| {
            Spread::of(&timings.iter().map(|t| f(t)).collect::<Vec<_>>()).expect("there are samples")
        };
        let everything: Vec<usize> = (0..dispatches.len()).collect();
        let traffic = trainer.traffic();
        let summary = trainer.gpu().summary();
        let settings = trainer.settings();
        Profile {
            format: FORMAT.into(),
            adapter: summary.name.clone(),
            driver: summary.driver_text(),
            backend: summary.backend.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            shaders: shader_hash(),
            model: trainer.model().name.clone(),
            dataset: trainer.dataset().to_string(),
            method: settings.variant().into(),
            batch_size: settings.batch_size,
            mode: timer.mode(),
            steps: timings.len() as u32,
            warmup: self.warmup,
            whole: Whole {
                wall: of(&|t| t.wall),
                wall_untimed: Spread::of(&self.untimed),
                gpu: per_step(&timings, &everything).and_then(|s| Spread::of(&s)),
                record: of(&|t| t.record),
                submit: of(&|t| t.submit),
                dispatches: dispatches.len() as u32,
                submits: timings.iter().map(|t| t.submits).max().expect("there are samples"),
                bytes_uploaded: traffic.0,
                bytes_read_back: traffic.1,
                flops: trainer.program().flops(),
            },
            roofs: None,
            kernels: rows(dispatches, &timings, false),
            layers: rows(dispatches, &timings, true),
        }
    }
}

/// Seconds of some dispatches in each step; `None` if one has no time.
fn per_step(timings: &[&Timing], which: &[usize]) -> Option<Vec<f64>> {
    timings.iter().map(|t| which.iter().map(|&i| t.seconds(i)).sum()).collect()
}

/// Rows by kernel, or by kernel and layer, longest first.
fn rows(dispatches: &[Dispatch], timings: &[&Timing], by_layer: bool) -> Vec<Row> {
    type Key<'a> = (&'a str, Option<&'a str>);
    let mut groups: Vec<(Key<'_>, Vec<usize>)> = vec![];
    for (i, d) in dispatches.iter().enumerate() {
        let key = (d.kernel.name, by_layer.then_some(d.layer.as_str()));
        match groups.iter_mut().find(|(k, _)| *k == key) {
            Some((_, members)) => members.push(i),
            None => groups.push((key, vec![i])),
        }
    }
    let mut rows: Vec<Row> = groups
        .into_iter()
        .map(|((kernel, layer), members)| {
            let of = || members.iter().map(|&i| &dispatches[i]);
            let mut variants: Vec<String> = of().map(|d| d.kernel.variant()).collect();
            variants.sort_unstable();
            variants.dedup();
            let calls: Option<Vec<f64>> =
                (timings.iter()).flat_map(|t| members.iter().map(|&i| t.seconds(i))).collect();
            Row {
                kernel: kernel.into(),
                layer: layer.map(Into::into),
                variants,
                calls: members.len() as u32,
                workgroups: of().map(|d| d.grid.iter().map(|&g| u64::from(g)).product::<u64>()).sum(),
                flops: of().map(|d| d.flops).sum(),
                bytes: of().map(|d| d.bytes).sum(),
                per_step: per_step(timings, &members).and_then(|s| Spread::of(&s)),
                per_call: calls.and_then(|c| Spread::of(&c)),
            }
        })
        .collect();
    rows.sort_by(|a, b| {
        let mean = |r: &Row| r.per_step.map_or(0.0, |s| s.mean);
        mean(b).total_cmp(&mean(a))
    });
    rows
}
