//! How a run is asked to end early.

use std::sync::atomic::{AtomicU8, Ordering};

/// A wish that one thread has and another heeds: the trainer looks at it between steps and between the parts of an
/// evaluation.
#[derive(Debug, Default)]
pub struct Stop {
    /// 0, or the greatest [`Urgency`] so far.
    asked: AtomicU8,
    /// What tests ask at one of an evaluation's looks, counted from 0.
    #[cfg(test)]
    pub(crate) at_look: std::sync::Mutex<Option<(u32, Urgency)>>,
}

/// What need not be finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// The run, but an evaluation under way: that is how a run that is out of time always gets on.
    AfterEvaluation = 1,
    /// An evaluation either: it comes when the run goes on.
    AfterStep = 2,
}

impl Stop {
    /// Nobody has asked.
    pub const fn new() -> Stop {
        Stop {
            asked: AtomicU8::new(0),
            #[cfg(test)]
            at_look: std::sync::Mutex::new(None),
        }
    }

    /// Asks; whether it was asked before.
    pub fn ask(&self, urgency: Urgency) -> bool {
        self.asked.fetch_max(urgency as u8, Ordering::SeqCst) > 0
    }

    /// Whether the run is to end after this step.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst) > 0
    }

    /// Whether an evaluation under way is to be left.
    pub fn leaves_evaluation(&self) -> bool {
        #[cfg(test)]
        if let Some((left, urgency)) = &mut *self.at_look.lock().unwrap() {
            if *left == 0 {
                self.ask(*urgency);
            }
            *left = left.wrapping_sub(1);
        }
        self.asked.load(Ordering::SeqCst) >= Urgency::AfterStep as u8
    }
}
