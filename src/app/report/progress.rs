//! Progress on standard error: a bar where it is a terminal, a line every quarter of a minute and per epoch where it is not.

use crate::app::source;
use crate::app::text::count;
use crate::train::event::{EpochMetrics, Event, Started, StepMetrics};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two lines where there is no bar.
const LINES_APART: Duration = Duration::from_secs(15);

/// How to show progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Not at all.
    Quiet,
    /// Plain lines.
    Lines,
    /// A bar, with or without colour.
    Bar {
        /// `NO_COLOR` is not set.
        color: bool,
    },
}

impl Mode {
    /// What suits standard error: a bar on a terminal, lines elsewhere, nothing if `quiet`.
    pub fn detect(quiet: bool) -> Mode {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Mode::Quiet,
            (false, true) => Mode::Bar { color: !no_color },
            (false, false) => Mode::Lines,
        }
    }
}

/// Writes a line to standard error. Whoever closed it does not want to hear of it.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Shows training and downloads.
pub struct Progress {
    mode: Mode,
    bar: Option<ProgressBar>,
    started: Option<Started>,
    /// For images per second between events.
    since: Instant,
    steps_since: u32,
    images_per_second: f64,
    last: Option<StepMetrics>,
    /// When the first steps of this process were done, and how many of the run then were: before that shaders are compiled.
    first: Option<(Instant, u32)>,
    /// When a line was last written.
    line: Instant,
    accuracy: Option<f32>,
    /// Mean loss of the labelled images in the newest epoch.
    loss: Option<f32>,
    /// Said before everything on the bar.
    context: String,
}

impl Progress {
    /// Nothing is shown before the first event.
    pub fn new(mode: Mode) -> Progress {
        Progress {
            mode,
            bar: None,
            started: None,
            since: Instant::now(),
            steps_since: 0,
            images_per_second: 0.0,
            last: None,
            first: None,
            line: Instant::now(),
            accuracy: None,
            loss: None,
            context: String::new(),
        }
    }

    /// What the bar says first from now on: which run of many this is.
    pub fn set_context(&mut self, context: &str) {
        self.context = format!("{context}  ");
        // Nothing of the run before is true of the next.
        (self.last, self.accuracy, self.loss) = (None, None, None);
    }

    /// A line above the bar, or a plain one; nothing if quiet.
    pub fn note(&self, line: &str) {
        match (&self.bar, self.mode) {
            (_, Mode::Quiet) => {}
            (Some(bar), _) => bar.suspend(|| say(line)),
            (None, _) => say(line),
        }
    }

    /// Shows an event of the training.
    pub fn show(&mut self, event: &Event<'_>) {
        match *event {
            Event::Started(s) => self.on_started(s),
            Event::Steps(steps) => self.on_steps(steps),
            Event::Epoch(e) => self.on_epoch(e),
            Event::Finished(s) => {
                self.clear();
                // Guessing costs ln K.
                let guessing = (s.confusion.len().max(2) as f32).ln();
                if let Some(loss) = self.loss.filter(|loss| *loss > 10.0 * guessing) {
                    self.note(&format!(
                        "training got nowhere: at the end the loss of the labelled images is {loss:.3e}, that of \
                         guessing {guessing:.1}; use a smaller --learning-rate"
                    ));
                }
            }
            Event::Progress { step } => {
                if let Some(bar) = &self.bar {
                    bar.set_position(u64::from(step));
                }
            }
            Event::Samples { .. } | Event::Checkpoint { .. } => {}
        }
    }

    fn new_bar(&self, length: Option<u64>, template: &str) -> Option<ProgressBar> {
        if !matches!(self.mode, Mode::Bar { .. }) {
            return None;
        }
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr_with_hz(8));
        self.style(&bar, template);
        Some(bar)
    }

    fn style(&self, bar: &ProgressBar, template: &str) {
        let Mode::Bar { color } = self.mode else { return };
        let bar_part = if color { "{bar:24.cyan/blue}" } else { "{bar:24}" };
        if let Ok(style) = ProgressStyle::with_template(&template.replace("{bar}", bar_part)) {
            bar.set_style(style.progress_chars("=> "));
        }
    }

    fn on_started(&mut self, started: &Started) {
        let s = started;
        self.note(&format!(
            "training on {} ({}, {}): {} of {}, {} images per step",
            s.adapter,
            s.backend,
            s.driver,
            count(s.epochs, "epoch"),
            count(s.steps_per_epoch, "step"),
            s.images_per_step
        ));
        const WAITING: &str = "compiling the shaders; the first steps follow";
        self.bar = self.new_bar(Some(u64::from(s.steps)), "{bar} {pos}/{len} {msg}");
        match &self.bar {
            Some(bar) => {
                bar.set_position(u64::from(s.done));
                bar.set_message(format!("{}{WAITING}", self.context));
            }
            None => self.note(WAITING),
        }
        self.first = None;
        self.started = Some(s.clone());
        self.since = Instant::now();
    }

    fn on_steps(&mut self, steps: &[StepMetrics]) {
        let (Some(last), Some(started)) = (steps.last(), &self.started) else { return };
        self.steps_since += steps.len() as u32;
        let seconds = self.since.elapsed().as_secs_f64();
        if seconds > 0.25 {
            let images = f64::from(self.steps_since) * f64::from(started.images_per_step);
            self.images_per_second = images / seconds;
            (self.since, self.steps_since) = (Instant::now(), 0);
        }
        self.last = Some(*last);
        if self.first.is_none() {
            self.first = Some((Instant::now(), last.step));
            self.line = Instant::now();
            if let Some(bar) = &self.bar {
                self.style(bar, "{bar} {pos}/{len} {msg} {eta} left");
                bar.set_position(u64::from(last.step));
                bar.reset_eta();
            }
        }
        if self.mode == Mode::Lines && self.line.elapsed() >= LINES_APART {
            let left = self.first.map_or(0.0, |(since, step)| {
                let rate = since.elapsed().as_secs_f64() / f64::from((last.step - step).max(1));
                rate * f64::from(started.steps.saturating_sub(last.step))
            });
            let (context, steps) = (&self.context, started.steps);
            say(&format!("{context}step {}/{steps}  {}  {} left", last.step, losses(last), duration(left)));
            self.line = Instant::now();
        }
        if let Some(bar) = &self.bar {
            let epoch = last.step.saturating_sub(1) / started.steps_per_epoch.max(1) + 1;
            let test = self.accuracy.map_or(String::new(), |a| format!(" test {a:.4}"));
            bar.set_message(format!(
                "{}epoch {epoch}/{}  {}{test}  {:.0} img/s ",
                self.context,
                started.epochs,
                losses(last),
                self.images_per_second
            ));
            bar.set_position(u64::from(last.step));
        }
    }

    fn on_epoch(&mut self, e: &EpochMetrics) {
        self.accuracy = Some(e.test_accuracy);
        self.loss = Some(e.mean.loss_supervised);
        let of = self.started.as_ref().map_or(String::new(), |s| format!("/{}", s.epochs));
        let left = self.started.as_ref().map_or(0.0, |s| {
            f64::from(s.steps.saturating_sub(e.step)) * e.time.seconds / f64::from(e.step.max(1))
        });
        let validation = e.validation_accuracy.map_or(String::new(), |v| format!("  validation {v:.4}"));
        self.note(&format!(
            "epoch {}{of}  step {}  {}  test {:.4} (averaged {:.4}){validation}  \
             {:.1} ms/step  {:.0} img/s  {} left",
            e.epoch,
            e.step,
            losses(&e.mean),
            e.test_accuracy,
            e.test_accuracy_ema,
            e.time.ms_per_step,
            e.time.images_per_second,
            duration(left)
        ));
        self.line = Instant::now();
        // Evaluation is not training: its time is not counted in images per second.
        (self.since, self.steps_since) = (Instant::now(), 0);
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

impl source::Progress for Progress {
    fn start(&mut self, what: &str, total_bytes: Option<u64>) {
        self.clear();
        match total_bytes {
            Some(n) => self.bar = self.new_bar(Some(n), "{msg} {bar} {bytes}/{total_bytes} {eta} left"),
            None => self.bar = self.new_bar(None, "{msg} ..."),
        }
        match &self.bar {
            Some(bar) => bar.set_message(what.to_string()),
            None => self.note(what),
        }
    }

    fn advance(&mut self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
        }
    }

    fn finish(&mut self) {
        self.clear();
    }
}

/// The losses that there are: `supervised` has no others.
fn losses(m: &StepMetrics) -> String {
    let mut text = format!("loss {:.3}", m.loss_supervised);
    for (name, v) in [
        ("unl", m.loss_unlabelled),
        ("gen", m.loss_generated),
        ("G", m.loss_generator),
        ("con", m.loss_consistency),
    ] {
        if v.is_finite() {
            text += &format!(" {name} {v:.3}");
        }
    }
    text + &format!(" acc {:.3}", m.accuracy_labelled)
}

/// Seconds as `42s`, `3m05s`, `2h07m`.
pub fn duration(seconds: f64) -> String {
    let s = seconds.max(0.0).round() as u64;
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m{:02}s", s / 60, s % 60),
        _ => format!("{}h{:02}m", s / 3600, s / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(
            [0.2, 59.6, 185.0, 7620.0, f64::NAN].map(duration),
            ["0s", "1m00s", "3m05s", "2h07m", "0s"]
        );
    }

    #[test]
    fn only_losses_that_exist_are_shown() {
        let nan = f32::NAN;
        let m = StepMetrics {
            step: 1,
            loss_supervised: 0.5,
            accuracy_labelled: 0.75,
            loss_discriminator: 0.5,
            loss_unlabelled: nan,
            loss_generated: nan,
            loss_generator: 0.1,
            d_unlabelled: nan,
            d_generated: nan,
            entropy_unlabelled: nan,
            loss_consistency: nan,
        };
        assert_eq!(losses(&m), "loss 0.500 G 0.100 acc 0.750");
    }
}
