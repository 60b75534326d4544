//! How much is handed to the device at once. Windows resets a GPU that has worked on one submission for two seconds ("timeout
//! detection and recovery"), other systems have limits of their own, and a screen that the same GPU draws stands still meanwhile.
//! So a program goes to the device in pieces of about [`MOST`], of dispatches of at most [`LARGEST`] where that can be, by what its
//! dispatches ought to take and by how long earlier work took. In which pieces it goes changes nothing that is computed.

use super::{Dispatch, Program};
use std::cell::Cell;
use std::ops::Range;
use std::time::Duration;

/// Seconds that a piece should take: an eighth of what Windows allows.
const MOST: f64 = 0.25;

/// Operations and bytes that a slow integrated GPU does in a second. A device that has done nothing yet is taken for one.
const FLOPS: f64 = 50e9;
const BYTES: f64 = 10e9;

/// Operations of a dispatch that alone makes a piece on the slow GPU; what has more is to be divided.
pub const LARGEST: u64 = (MOST * FLOPS) as u64;

/// Most that one measurement adds to the slowness: what the host did meanwhile is in it as well.
const GROWTH: f64 = 1.1;

/// Least slowness: 50 TFLOP/s. No shader here reaches more, and a clock that stands still says so.
const LEAST: f64 = 1e-3;

/// How fast a device is.
#[derive(Debug)]
pub(super) struct Pace {
    /// Time that work takes, over what the slow GPU needs.
    slowness: Cell<f64>,
    /// When the device was last seen to have finished something.
    seen: Cell<Duration>,
    /// The longest piece.
    longest: Cell<f64>,
}

/// A program that was handed to the device.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    begun: Duration,
    /// Seconds on the slow GPU, and those of the largest piece.
    all: f64,
    largest: f64,
}

/// Seconds on the slow GPU.
fn cost(d: &Dispatch) -> f64 {
    d.flops as f64 / FLOPS + d.bytes as f64 / BYTES
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { slowness: Cell::new(1.0), seen: Cell::default(), longest: Cell::default() }
    }
}

impl Pace {
    /// The pieces of a program, at least one, and what to tell [`Pace::finished`]; it is handed over at the time `now`.
    pub fn cut(&self, program: &Program, now: Duration) -> (Vec<Range<usize>>, Work) {
        let costs: Vec<f64> = program.dispatches.iter().map(cost).collect();
        let slowness = self.slowness.get();
        #[cfg(test)]
        let slowness = slowness * super::fault::slowness();
        let pieces = pieces(&costs, MOST / slowness);
        let largest = pieces.iter().map(|piece| costs[piece.clone()].iter().sum()).fold(0.0, f64::max);
        (pieces, Work { begun: now, all: costs.iter().sum(), largest })
    }

    /// That work is finished. What was handed over before it was done first.
    pub fn finished(&self, work: Work, now: Duration) {
        let seconds = now.saturating_sub(work.begun.max(self.seen.replace(now))).as_secs_f64();
        if work.all > 0.0 {
            let (measured, slowness) = (seconds / work.all, self.slowness.get());
            self.slowness.set(measured.clamp(LEAST, slowness * GROWTH));
            self.longest.set(self.longest.get().max(seconds * work.largest / work.all));
        }
    }

    /// Seconds of the longest piece so far.
    pub fn longest(&self) -> f64 {
        self.longest.get()
    }
}

/// Runs of dispatches whose costs sum to `most` at most; what alone costs more is a piece of its own.
fn pieces(costs: &[f64], most: f64) -> Vec<Range<usize>> {
    let (mut pieces, mut first, mut sum) = (Vec::new(), 0, 0.0);
    for (i, cost) in costs.iter().enumerate() {
        if i > first && sum + cost > most {
            pieces.push(first..i);
            (first, sum) = (i, 0.0);
        }
        sum += cost;
    }
    pieces.push(first..costs.len());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::single_range_in_vec_init)]
    fn pieces_of_a_program() {
        assert_eq!(pieces(&[], 1.0), [0..0]);
        assert_eq!(pieces(&[0.5, 0.5, 0.0], 1.0), [0..3]);
        assert_eq!(pieces(&[0.5, 0.75, 3.0, 0.25, 0.25], 1.0), [0..1, 1..2, 2..3, 3..5]);
    }

    /// A fast device is known at once, a slow one after some time; what the host does in between is not the device's.
    #[test]
    fn a_pace_follows_the_device() {
        let pace = Pace::default();
        let at = Duration::from_secs_f64;
        let work = |begun: f64| Work { begun: at(begun), all: 2.0, largest: 0.5 };
        pace.finished(work(1.0), at(1.5));
        assert_eq!((pace.slowness.get(), pace.longest()), (0.25, 0.125));
        // Handed over while the former was under way.
        pace.finished(work(1.25), at(2.0));
        assert_eq!((pace.slowness.get(), pace.longest()), (0.25, 0.125));
        pace.finished(work(2.0), at(12.0));
        assert_eq!(pace.slowness.get(), 0.25 * GROWTH);
        // Nothing but a copy, and a clock that stands still.
        pace.finished(Work { begun: at(12.0), all: 0.0, largest: 0.0 }, at(13.0));
        assert_eq!(pace.slowness.get(), 0.25 * GROWTH);
        pace.finished(work(13.0), at(13.0));
        assert_eq!(pace.slowness.get(), LEAST);
    }
}
