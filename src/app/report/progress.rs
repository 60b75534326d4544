//! Progress on standard error: a bar where it is a terminal, a line every quarter of a minute and per epoch where it is not.

mod losses;
mod task;

use self::losses::losses;
use self::task::Task;
use super::advice;
use crate::app::source;
use crate::app::text::{count, duration};
use crate::gpu::describe;
use crate::train::event::{EpochMetrics, Event, Started, StepMetrics};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Between two lines where there is no bar.
pub const LINES_APART: Duration = Duration::from_secs(15);

/// How to show progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
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

impl Style {
    /// What suits standard error: a bar on a terminal, lines elsewhere, nothing if `quiet`.
    pub fn detect(quiet: bool) -> Style {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        // A terminal that cannot move its cursor has no place for a bar.
        let dumb = match std::env::var_os("TERM") {
            Some(kind) => kind == "dumb",
            None => cfg!(unix),
        };
        match (quiet, std::io::stderr().is_terminal() && !dumb) {
            (true, _) => Style::Quiet,
            (false, true) => Style::Bar { color: !no_color },
            (false, false) => Style::Lines,
        }
    }
}

/// Writes a line to standard error. Whoever closed it does not want to hear of it.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Shows training, downloads, and whatever else takes its time.
pub struct Progress {
    style: Style,
    bar: Option<ProgressBar>,
    started: Option<Started>,
    /// For images per second between events.
    since: Instant,
    steps_since: u32,
    images_per_second: f64,
    last: Option<StepMetrics>,
    /// When the first steps of this process were done, and how many of the run then were: before that shaders are compiled.
    first: Option<(Instant, u32)>,
    /// When steps were told of last.
    told: Instant,
    /// When a line was last written.
    line: Instant,
    /// The newest epoch.
    epoch: Option<EpochMetrics>,
    /// That the discriminator has won is said once.
    won: bool,
    /// Work that is counted and no training.
    task: Option<Task>,
    /// Said before everything on the bar.
    context: String,
}

impl Progress {
    /// Nothing is shown before the first event.
    pub fn new(style: Style) -> Progress {
        Progress {
            style,
            bar: None,
            started: None,
            since: Instant::now(),
            steps_since: 0,
            images_per_second: 0.0,
            last: None,
            first: None,
            told: Instant::now(),
            line: Instant::now(),
            epoch: None,
            won: false,
            task: None,
            context: String::new(),
        }
    }

    /// What the bar says first from now on: which run of many this is.
    pub fn set_context(&mut self, context: &str) {
        self.context = format!("{context}  ");
        // Nothing of the run before is true of the next.
        (self.last, self.epoch, self.won) = (None, None, false);
    }

    /// A line above the bar, or a plain one; nothing if quiet.
    pub fn note(&self, line: &str) {
        match (&self.bar, self.style) {
            (_, Style::Quiet) => {}
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
                let loss = self.epoch.as_ref().map(|e| e.mean.loss_supervised);
                if let Some(note) = loss.and_then(|loss| advice::got_nowhere(loss, s.class_names.len())) {
                    self.note(&note);
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
        if !matches!(self.style, Style::Bar { .. }) {
            return None;
        }
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr_with_hz(8));
        self.style(&bar, template);
        Some(bar)
    }

    fn style(&self, bar: &ProgressBar, template: &str) {
        let Style::Bar { color } = self.style else { return };
        let bar_part = if color { "{bar:24.cyan/blue}" } else { "{bar:24}" };
        if let Ok(style) = ProgressStyle::with_template(&template.replace("{bar}", bar_part)) {
            bar.set_style(style.progress_chars("=> "));
        }
    }

    fn on_started(&mut self, started: &Started) {
        let s = started;
        if s.done >= s.steps {
            return;
        }
        self.note(&format!(
            "training on {}: {} of {}, {} images per step{}",
            describe(&s.adapter, &s.backend, &s.driver),
            count(s.epochs, "epoch"),
            count(s.steps_per_epoch, "step"),
            s.images_per_step,
            if s.variant == "ssl" { String::new() } else { format!(", {}", s.variant) }
        ));
        if let Some(note) = advice::few_images(s) {
            self.note(&note);
        }
        const WAITING: &str = "compiling the shaders; the first steps follow";
        self.bar = self.new_bar(Some(u64::from(s.steps)), "{bar} {pos}/{len} {msg}");
        match &self.bar {
            Some(bar) => {
                bar.set_position(u64::from(s.done));
                bar.set_message(format!("{}{WAITING}", self.context));
            }
            None => self.note(WAITING),
        }
        // After a loss of the device an epoch comes again.
        self.epoch = None;
        self.first = None;
        self.started = Some(s.clone());
        self.since = Instant::now();
    }

    fn on_steps(&mut self, steps: &[StepMetrics]) {
        let (Some(last), Some(started)) = (steps.last(), &self.started) else { return };
        self.steps_since += steps.len() as u32;
        self.told = Instant::now();
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
        if self.style == Style::Lines && self.line.elapsed() >= LINES_APART {
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
            let tested = self.epoch.as_ref().filter(|e| e.test_accuracy.is_finite());
            let test = tested.map_or(String::new(), |e| format!(" test {:.4}", e.test_accuracy));
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
        let of = self.started.as_ref().map_or(String::new(), |s| format!("/{}", s.epochs));
        // The bar has an estimate of the time left already, at every step.
        let left = match (&self.bar, &self.started) {
            (None, Some(s)) if e.step < s.steps => {
                // As many steps as before between evaluations; what came after the newest steps was the last of these.
                let apart = self.epoch.as_ref().map_or(s.steps_per_epoch, |last| e.step - last.step).max(1);
                let steps = f64::from(s.steps - e.step);
                let evaluation = self.told.elapsed().as_secs_f64();
                let seconds =
                    steps * e.time.ms_per_step / 1e3 + (steps / f64::from(apart)).ceil() * evaluation;
                format!("  {} left", duration(seconds))
            }
            _ => String::new(),
        };
        let test = match e.test_accuracy.is_finite() {
            true => format!("  test {:.4} (averaged {:.4})", e.test_accuracy, e.test_accuracy_ema),
            false => String::new(),
        };
        let validation = e.validation_accuracy.map_or(String::new(), |v| format!("  validation {v:.4}"));
        self.note(&format!(
            "epoch {}{of}  step {}  {}{test}{validation}  \
             {:.1} ms/step  {:.0} img/s{left}",
            e.epoch,
            e.step,
            losses(&e.mean),
            e.time.ms_per_step,
            e.time.images_per_second
        ));
        if let Some(note) = advice::discriminator_won(self.epoch.as_ref(), e).filter(|_| !self.won) {
            self.note(&note);
            self.won = true;
        }
        self.epoch = Some(e.clone());
        self.line = Instant::now();
        // Evaluation is not training: its time is not counted in images per second.
        (self.since, self.steps_since) = (Instant::now(), 0);
    }

    /// Work of `pieces` pieces begins, each of which [`Progress::piece`] tells.
    pub fn begin(&mut self, name: &str, pieces: u64) {
        self.clear();
        self.bar = self.new_bar(Some(pieces), "{msg} {bar} {pos}/{len}");
        match &self.bar {
            Some(bar) => bar.set_message(name.to_string()),
            None => self.note(&format!("{name} 0/{pieces}")),
        }
        self.task = Some(Task { name: name.into(), pieces, done: 0, first: None, line: Instant::now() });
    }

    /// One more piece of it is done; the last one ends it.
    pub fn piece(&mut self) {
        let Some(task) = &mut self.task else { return };
        task.done += 1;
        task.first.get_or_insert_with(Instant::now);
        let left = task.left().map_or(String::new(), |s| format!("  {} left", duration(s)));
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}{left} ", task.name));
            bar.set_position(task.done);
        } else if self.style == Style::Lines && task.line.elapsed() >= LINES_APART {
            say(&format!("{} {}/{}{left}", task.name, task.done, task.pieces));
            task.line = Instant::now();
        }
        if task.done >= task.pieces {
            self.task = None;
            self.clear();
        }
    }

    /// Says what is being done while `work` does it, and every quarter of a minute for how long already: for work that does
    /// not tell how far it is.
    pub fn during<T>(&mut self, name: &str, work: impl FnOnce() -> T) -> T {
        self.clear();
        self.bar = self.new_bar(None, "{spinner} {msg} ({elapsed})");
        match &self.bar {
            Some(bar) => {
                bar.set_message(name.to_string());
                bar.enable_steady_tick(Duration::from_millis(125));
            }
            None => self.note(name),
        }
        let (done, waiting) = channel::<()>();
        let result = std::thread::scope(|scope| {
            if self.style == Style::Lines {
                scope.spawn(move || {
                    let begun = Instant::now();
                    // It ends when the sender is dropped, also by a panic.
                    while waiting.recv_timeout(LINES_APART) == Err(RecvTimeoutError::Timeout) {
                        say(&format!("{name}: {} so far", duration(begun.elapsed().as_secs_f64())));
                    }
                });
            }
            let done = done;
            let result = work();
            drop(done);
            result
        });
        self.clear();
        result
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

impl source::Listener for Progress {
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

    fn counted(&mut self, what: &str, done: usize, of: usize) {
        if done == 1 {
            self.begin(what, of as u64);
        }
        self.piece();
    }

    fn note(&mut self, line: &str) {
        Progress::note(self, line);
    }
}

#[cfg(test)]
#[path = "progress_tests.rs"]
mod tests;
