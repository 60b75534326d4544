//! What the engine asks of the program that it runs in: the time, waiting, and where pipelines are compiled.

use super::compiler::Compilation;
use std::fmt::Debug;
use std::time::Duration;

/// The program around the engine. `ssgan::native` has the one for operating systems; in a browser, a page has its own.
pub trait Host: Debug {
    /// The time since a moment that stays the same; never less than at the call before.
    fn now(&self) -> Duration;

    /// Lets the device work on what was submitted, `until` that is done: on an operating system the call returns then, and
    /// callbacks have been called; where the system drives the device itself, as a browser does, at once.
    ///
    /// # Errors
    /// What wgpu says, as text: the loss of a device is no [`wgpu::PollError`], [`wgpu::Device::poll`] panics with it
    /// (`ssgan::native::drive` does not).
    fn drive(&self, device: &wgpu::Device, until: wgpu::PollType) -> Result<(), String>;

    /// Runs `work` to its end, now or later, on this thread or another one.
    fn compile(&self, work: Compilation);
}
