//! Where the time of a program goes: a span for every dispatch, by the best means that the adapter has.

use super::scratch::Block;
use super::{Gpu, Program, Readback, Tensor};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::time::Duration;

/// How dispatches are timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimingMode {
    /// Timestamps written between the dispatches of one compute pass.
    InsidePasses,
    /// A compute pass for each dispatch, timestamps at its ends (Apple's GPUs).
    PassBoundaries,
    /// A submit for each dispatch, timed by the host: works everywhere, and counts the submit's own cost.
    Submits,
}

impl TimingMode {
    /// Every mode, the finest first.
    const ALL: [TimingMode; 3] = [TimingMode::InsidePasses, TimingMode::PassBoundaries, TimingMode::Submits];

    /// What the adapter must have for it.
    fn needs(self) -> wgpu::Features {
        match self {
            TimingMode::InsidePasses => wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES,
            TimingMode::PassBoundaries => wgpu::Features::TIMESTAMP_QUERY,
            TimingMode::Submits => wgpu::Features::empty(),
        }
    }

    /// What tables print.
    pub fn describe(self) -> &'static str {
        match self {
            TimingMode::InsidePasses => "timestamps inside the pass",
            TimingMode::PassBoundaries => "timestamps at pass boundaries",
            TimingMode::Submits => "one submit per dispatch, timed by the host",
        }
    }
}

/// Queries of one set (WebGPU's limit).
const QUERIES: usize = 4096;
/// Dispatches whose two queries fit into one set.
const BLOCK: usize = QUERIES / 2;
/// Query sets that Metal gives at a time.
const SETS: usize = 32;

/// One timed run of a program.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    /// Begin and end of each dispatch, in seconds from the first begin; `None` where the adapter's timestamps
    /// make no sense (some drivers return zeros).
    pub spans: Vec<Option<(f64, f64)>>,
    /// Seconds that the host took to record the commands, of all submits.
    pub record: f64,
    /// Seconds that it took to hand them over.
    pub submit: f64,
    /// Seconds from the first recorded command to the end of the work.
    pub wall: f64,
    /// Number of submits: where timestamps time it, one, or as many as keep a slow device answering.
    pub submits: u32,
}

impl Timing {
    /// Seconds of dispatch `i`, if there is one and the adapter's timestamps make sense.
    pub fn seconds(&self, i: usize) -> Option<f64> {
        self.spans.get(i).copied().flatten().map(|(begin, end)| end - begin)
    }
}

/// Times programs of up to so many dispatches; its memory is made once.
#[derive(Debug)]
pub struct Timer {
    gpu: Gpu,
    mode: TimingMode,
    sets: Vec<wgpu::QuerySet>,
    ticks: Option<(Tensor, Readback)>,
}

impl Gpu {
    /// The ways of timing that the adapter has, the finest first; never none.
    pub fn timing_modes(&self) -> Vec<TimingMode> {
        TimingMode::ALL.into_iter().filter(|m| self.device.features().contains(m.needs())).collect()
    }
}

impl Timer {
    /// A timer for programs of up to `dispatches`.
    ///
    /// # Errors
    /// [`Error::Usage`] for a mode that the adapter does not have; [`Error::Gpu`] or [`Error::DeviceLost`] if the device failed.
    pub fn new(gpu: &Gpu, mode: TimingMode, dispatches: usize) -> Result<Timer> {
        let count = dispatches.div_ceil(BLOCK);
        if !gpu.device.features().contains(mode.needs()) || (mode != TimingMode::Submits && count > SETS) {
            return Err(Error::Usage(format!(
                "{} cannot time {dispatches} dispatches by {}: leave the mode to the program",
                gpu.summary.name,
                mode.describe()
            )));
        }
        if mode == TimingMode::Submits {
            return Ok(Timer { gpu: gpu.clone(), mode, sets: vec![], ticks: None });
        }
        let sets = (0..count)
            .map(|_| {
                gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
                    label: Some("timestamps"),
                    ty: wgpu::QueryType::Timestamp,
                    count: QUERIES as u32,
                })
            })
            .collect();
        let words = (count * QUERIES * 2) as u32;
        let buffer = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("timestamps"),
            size: u64::from(words) * 4,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        let ticks = Tensor::of(Block::of(buffer), 1, words);
        let staging = Readback::new(gpu, words as usize);
        gpu.check()?;
        Ok(Timer { gpu: gpu.clone(), mode, sets, ticks: Some((ticks, staging)) })
    }

    /// How it times.
    pub fn mode(&self) -> TimingMode {
        self.mode
    }

    /// Runs `program` once, waits for it and says how long each dispatch took.
    ///
    /// # Errors
    /// [`Error::Gpu`] or [`Error::DeviceLost`] if the device failed; [`Error::Gpu`] for a program with more dispatches than the
    /// timer was made for.
    pub async fn run(&mut self, program: &Program) -> Result<Timing> {
        match self.mode {
            TimingMode::Submits => self.by_submits(program).await,
            _ => self.by_timestamps(program).await,
        }
    }

    async fn by_timestamps(&mut self, program: &Program) -> Result<Timing> {
        program.ready().await?;
        let n = program.dispatches.len();
        let Timer { gpu, mode, sets, ticks } = self;
        let Some((ticks, staging)) = ticks.as_mut().filter(|_| n <= sets.len() * BLOCK) else {
            return Err(Error::Gpu(format!("{n} dispatches are too many for this timer")));
        };
        let begun = gpu.now();
        let (pieces, work) = gpu.pace.cut(program, begun);
        let (mut record, mut submit) = (Duration::ZERO, Duration::ZERO);
        let (mut from, mut submission) = (begun, None);
        for (i, piece) in pieces.iter().enumerate() {
            let mut encoder = timed(gpu, *mode, sets, program, piece.clone())?;
            if i + 1 == pieces.len() {
                resolve(&mut encoder, sets, n, ticks);
                staging.copy_from(&mut encoder, ticks);
            }
            let commands = encoder.finish();
            let recorded = gpu.now();
            submission = Some(gpu.hand_over(commands, Some(work)));
            let submitted = gpu.now();
            record += recorded - from;
            submit += submitted - recorded;
            from = submitted;
        }
        staging.request();
        gpu.wait(submission.expect("at least one piece")).await?;
        let wall = (gpu.now() - begun).as_secs_f64();
        let ticks: Vec<u64> = staging.take::<u32>(ticks.len()).await?.chunks_exact(2).map(word64).collect();
        let seconds = f64::from(gpu.queue.get_timestamp_period()) * 1e-9;
        Ok(Timing {
            spans: spans(&ticks, n, seconds),
            record: record.as_secs_f64(),
            submit: submit.as_secs_f64(),
            wall,
            submits: pieces.len() as u32,
        })
    }

    async fn by_submits(&self, program: &Program) -> Result<Timing> {
        program.ready().await?;
        let n = program.dispatches.len();
        let begun = self.gpu.now();
        let (mut record, mut submit) = (0.0, 0.0);
        let mut spans = Vec::with_capacity(n);
        let mut first = None;
        for i in 0..n {
            let start = self.gpu.now();
            let commands = self.gpu.encode(program, i..i + 1, &[])?;
            let recorded = self.gpu.now();
            let submission = self.gpu.hand_over(commands, None);
            let submitted = self.gpu.now();
            self.gpu.wait(submission).await?;
            let ended = self.gpu.now();
            record += (recorded - start).as_secs_f64();
            submit += (submitted - recorded).as_secs_f64();
            let first = *first.get_or_insert(recorded);
            spans.push(Some(((recorded - first).as_secs_f64(), (ended - first).as_secs_f64())));
        }
        let wall = (self.gpu.now() - begun).as_secs_f64();
        Ok(Timing { spans, record, submit, wall, submits: n as u32 })
    }
}

/// Records some dispatches of a program, each between its two timestamps.
fn timed(
    gpu: &Gpu,
    mode: TimingMode,
    sets: &[wgpu::QuerySet],
    program: &Program,
    dispatches: Range<usize>,
) -> Result<wgpu::CommandEncoder> {
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    let place = |i: usize| (&sets[i / BLOCK], (i % BLOCK * 2) as u32);
    match mode {
        TimingMode::InsidePasses => {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            for i in dispatches {
                let (set, at) = place(i);
                pass.write_timestamp(set, at);
                program.encode_range(&mut pass, i..i + 1)?;
                pass.write_timestamp(set, at + 1);
            }
        }
        _ => {
            for i in dispatches {
                let (query_set, at) = place(i);
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                    label: Some(program.dispatches[i].kernel.name),
                    timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                        query_set,
                        beginning_of_pass_write_index: Some(at),
                        end_of_pass_write_index: Some(at + 1),
                    }),
                });
                program.encode_range(&mut pass, i..i + 1)?;
            }
        }
    }
    Ok(encoder)
}

/// Records that the timestamps of `n` dispatches go to `ticks`.
fn resolve(encoder: &mut wgpu::CommandEncoder, sets: &[wgpu::QuerySet], n: usize, ticks: &Tensor) {
    for (block, set) in sets.iter().enumerate() {
        let used: Range<u32> = 0..(n.saturating_sub(block * BLOCK).min(BLOCK) * 2) as u32;
        if !used.is_empty() {
            encoder.resolve_query_set(set, used, ticks.block.buffer(), (block * QUERIES * 8) as u64);
        }
    }
}

fn word64(words: &[u32]) -> u64 {
    u64::from(words[0]) | u64::from(words[1]) << 32
}

/// Spans of `n` dispatches from the ticks of all sets, in seconds from the first begin.
fn spans(ticks: &[u64], n: usize, seconds: f64) -> Vec<Option<(f64, f64)>> {
    let pair = |i: usize| {
        let at = i / BLOCK * QUERIES + i % BLOCK * 2;
        let (begin, end) = (ticks[at], ticks[at + 1]);
        // Metal marks a sample that failed with all bits (`MTLCounterErrorValue`), which no clock reaches.
        (begin != 0 && end >= begin && end != u64::MAX).then_some((begin, end))
    };
    let first = (0..n).filter_map(pair).map(|p| p.0).min().unwrap_or(0);
    let since = |t: u64| (t - first) as f64 * seconds;
    (0..n).map(|i| pair(i).map(|(begin, end)| (since(begin), since(end)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_start_at_the_first_timestamp() {
        let ticks = [100, 140, 150, 150, 0, 0, 160, 155, 170, u64::MAX, u64::MAX, u64::MAX];
        let got = spans(&ticks, 6, 0.5);
        // Zeros, an end before its begin and Metal's errors are not times.
        assert_eq!(got, [Some((0.0, 20.0)), Some((25.0, 25.0)), None, None, None, None]);
        assert_eq!(spans(&[0, 0], 1, 1.0), [None]);
        assert_eq!(spans(&[], 0, 1.0), []);
    }

    #[test]
    fn blocks_of_queries() {
        let mut ticks = vec![0; 2 * QUERIES];
        (ticks[0], ticks[1]) = (5, 6);
        (ticks[QUERIES - 2], ticks[QUERIES - 1]) = (7, 9);
        (ticks[QUERIES], ticks[QUERIES + 1]) = (10, 13);
        let got = spans(&ticks, BLOCK + 1, 1.0);
        assert_eq!(
            (got[0], got[1], got[BLOCK - 1], got[BLOCK]),
            (Some((0.0, 1.0)), None, Some((2.0, 4.0)), Some((5.0, 8.0)))
        );
    }

    /// On a slow device a program goes in pieces, timed or not, and its times are those of one program.
    #[cfg(feature = "native")]
    #[test]
    fn pieces_of_a_timed_program() {
        use crate::gpu::fault;
        use crate::native::BlockOn;
        const DISPATCHES: usize = 5;
        let gpu = crate::native::open(&Default::default()).unwrap();
        let ops = crate::ops::Ops::new(&gpu);
        let values: Vec<f32> = (0..64u8).map(f32::from).collect();
        for mode in gpu.timing_modes() {
            for (slowness, submits) in [(1.0, 1), (1e12, DISPATCHES)] {
                let mut tensors = vec![gpu.upload("x", 1, 64, &values)];
                let mut p = Program::new();
                tensors.extend((0..DISPATCHES).map(|_| gpu.tensor("y", 1, 64)));
                for pair in tensors.windows(2) {
                    ops.copy(&mut p, "test", &pair[0], &pair[1], false).unwrap();
                }
                let mut timer = Timer::new(&gpu, mode, DISPATCHES).unwrap();
                fault::slow(slowness);
                let timing = timer.run(&p).block_on();
                fault::slow(1.0);
                let timing = timing.unwrap();
                let submits = if mode == TimingMode::Submits { DISPATCHES } else { submits };
                assert_eq!(timing.submits as usize, submits, "{mode:?}");
                let spans: Vec<_> = timing.spans.iter().map(|s| s.unwrap()).collect();
                let in_order = spans.windows(2).all(|w| w[0].1 <= w[1].0 + 1e-9);
                assert!(spans.len() == DISPATCHES && spans[0].0 == 0.0 && in_order, "{mode:?}: {spans:?}");
                assert!(timing.record + timing.submit <= timing.wall, "{mode:?}: {timing:?}");
                assert_eq!(gpu.read::<f32>(&tensors[DISPATCHES]).block_on().unwrap(), values);
            }
        }
    }
}
