//! Handing work to the device, waiting for it, and what the driver reports meanwhile.

use super::pace::Work;
use super::{Gpu, Kernel, Program, Readback, Tensor};
use crate::error::{Error, Result};
use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};
use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the driver has reported since the device was opened. Its callbacks run on any thread.
#[derive(Debug, Default)]
pub(super) struct Reports {
    /// The first error since the last check.
    failure: Mutex<Option<String>>,
    /// Why the device is gone.
    lost: Mutex<Option<String>>,
    /// Whether the adapter has no more memory.
    exhausted: AtomicBool,
}

impl Reports {
    /// Those of `device` from now on.
    pub fn of(device: &wgpu::Device) -> Arc<Reports> {
        let reports = Arc::new(Reports::default());
        let to = reports.clone();
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| {
            if matches!(e, wgpu::Error::OutOfMemory { .. }) {
                to.exhaust();
            }
            if let Ok(mut slot) = to.failure.lock() {
                slot.get_or_insert_with(|| e.to_string());
            }
        }));
        let to = reports.clone();
        device.set_device_lost_callback(move |reason, message| {
            // Dropping a device destroys it too, but then nobody is left to ask.
            if let Ok(mut slot) = to.lost.lock() {
                slot.get_or_insert_with(|| format!("{reason:?}: {message}"));
            }
        });
        reports
    }

    pub fn exhaust(&self) {
        self.exhausted.store(true, Ordering::SeqCst);
    }

    pub fn is_exhausted(&self) -> bool {
        self.exhausted.load(Ordering::SeqCst)
    }

    /// Why the device is gone, if it is.
    fn loss(&self) -> Option<String> {
        self.lost.lock().ok().and_then(|slot| slot.clone())
    }

    /// Notes that the device is gone if that is what wgpu `said`, in its own words ("Parent device is lost") or in those of its
    /// backends ("Device is lost"): the callback that tells why may be still to come.
    fn hear(&self, said: &str) {
        if said.to_ascii_lowercase().contains("device is lost")
            && let Ok(mut slot) = self.lost.lock()
        {
            slot.get_or_insert_with(|| said.into());
        }
    }

    /// What failed where no error can be returned: the next check tells.
    pub(super) fn fail(&self, said: String) {
        self.hear(&said);
        if let Ok(mut slot) = self.failure.lock() {
            slot.get_or_insert(said);
        }
    }

    fn take_failure(&self) -> Option<String> {
        self.failure.lock().ok().and_then(|mut slot| slot.take())
    }

    /// Forgets errors and a shortage of memory, but not that the device is gone.
    pub fn forget(&self) {
        self.take_failure();
        self.exhausted.store(false, Ordering::SeqCst);
    }
}

/// Work that was handed to the device.
#[derive(Debug)]
pub struct Submission {
    index: wgpu::SubmissionIndex,
    done: OneshotReceiver<()>,
    /// What tells how fast the device is.
    work: Option<Work>,
}

impl Gpu {
    /// Submits a program when its kernels are compiled, in as many pieces as keep the device answering; `copies` (source,
    /// destination) follow it.
    ///
    /// # Errors
    /// [`Error::Gpu`] or [`Error::DeviceLost`] with the driver's or wgpu's message if anything failed since the last call.
    pub async fn submit(&self, program: &Program, copies: &[(&Tensor, &Readback)]) -> Result<Submission> {
        program.ready().await.map_err(|e| self.instead(e))?;
        #[cfg(test)]
        if super::fault::point() {
            self.destroy();
        }
        #[cfg(test)]
        let nothing = Program::new();
        #[cfg(test)]
        let (program, copies) =
            if super::fault::ignored() { (&nothing, &copies[..0]) } else { (program, copies) };
        let (mut pieces, work) = self.pace.cut(program, self.now());
        let last = pieces.pop().expect("at least one");
        for piece in pieces {
            let commands = self.encode(program, piece, &[]);
            self.queue.submit([commands.map_err(|e| self.instead(e))?]);
        }
        let commands = self.encode(program, last, copies);
        let submission = self.hand_over(commands.map_err(|e| self.instead(e))?, Some(work));
        self.check()?;
        Ok(submission)
    }

    /// The last piece of `work`, if that is to tell how fast the device is. No panic on a lost device: wgpu leaves the news
    /// to the callback.
    pub(super) fn hand_over(&self, commands: wgpu::CommandBuffer, work: Option<Work>) -> Submission {
        let index = self.queue.submit([commands]);
        let (sender, done) = oneshot_channel();
        self.queue.on_submitted_work_done(move || {
            let _ = sender.send(());
        });
        Submission { index, done, work }
    }

    /// Copies a tensor to one as large, after what was submitted.
    ///
    /// # Panics
    /// If one of them is scratch that shares memory, or their sizes differ.
    pub(crate) fn copy(&self, from: &Tensor, to: &Tensor) {
        assert!(!from.block.is_shared() && !to.block.is_shared() && from.bytes() == to.bytes());
        let mut encoder = self.device.create_command_encoder(&Default::default());
        let [source, target] = [from, to].map(|t| t.block.buffer());
        encoder.copy_buffer_to_buffer(source, from.offset, target, to.offset, from.bytes());
        self.queue.submit([encoder.finish()]);
    }

    pub(super) fn encode(
        &self,
        program: &Program,
        dispatches: Range<usize>,
        copies: &[(&Tensor, &Readback)],
    ) -> Result<wgpu::CommandBuffer> {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        program.encode_range(&mut encoder.begin_compute_pass(&Default::default()), dispatches)?;
        for (source, destination) in copies {
            destination.copy_from(&mut encoder, source);
        }
        Ok(encoder.finish())
    }

    /// Waits for a submission, as long as it takes: what a GPU does in milliseconds takes a software adapter minutes, and one
    /// that does not answer any more is for the system to reset, which is an error here.
    ///
    /// # Errors
    /// [`Error::Gpu`] or [`Error::DeviceLost`] if the device failed.
    pub async fn wait(&self, submission: Submission) -> Result<()> {
        self.drive_to(submission.index).map_err(|said| self.failed(said))?;
        self.check()?;
        submission.done.receive().await;
        if let Some(work) = submission.work {
            self.pace.finished(work, self.now());
        }
        self.check()
    }

    /// Waits until the device is done with `index`, where the host can wait. As text, what wgpu says if that fails.
    pub(super) fn drive_to(&self, index: wgpu::SubmissionIndex) -> std::result::Result<(), String> {
        let until = wgpu::PollType::Wait { submission_index: Some(index), timeout: None };
        self.host.drive(&self.device, until)
    }

    /// Waits until the device has what was written to it. Until then wgpu keeps the memory, also of tensors that are gone.
    ///
    /// # Errors
    /// As [`Gpu::submit`].
    pub(crate) async fn settle(&self) -> Result<()> {
        self.wait(self.submit(&Program::new(), &[]).await?).await
    }

    /// The longest time that the device has worked on one submission that was waited for; of a program that went to it in
    /// pieces, by their shares of its work.
    pub fn longest_submission(&self) -> Duration {
        Duration::from_secs_f64(self.pace.longest())
    }

    /// Destroys the device, as a driver that is reset does: everything on it is gone, and the next call that needs it gives
    /// [`Error::DeviceLost`]. For checks of what follows; dropping a device is how one is given back.
    pub fn destroy(&self) {
        self.device.destroy();
    }

    /// What has failed since the last call.
    ///
    /// # Errors
    /// [`Error::Gpu`] or [`Error::DeviceLost`].
    pub(crate) fn check(&self) -> Result<()> {
        match self.reports.take_failure() {
            Some(message) => Err(self.failed(message)),
            None if self.reports.loss().is_some() => Err(self.failed(String::new())),
            None => Ok(()),
        }
    }

    /// Waits until every kernel is compiled that was asked for.
    ///
    /// # Errors
    /// [`Error::Gpu`] if one of them is not valid, the driver rejects it, or something else that was recorded is not valid;
    /// [`Error::DeviceLost`] if the device is gone.
    pub async fn compiled(&self) -> Result<()> {
        let kernels: Vec<Rc<Kernel>> = self.kernels.borrow().values().cloned().collect();
        for kernel in kernels {
            kernel.ready().await.map_err(|e| self.instead(e))?;
        }
        self.check()
    }

    /// The error of a kernel that did not compile, or why it could not: a device that is lost. Nothing of it stays for
    /// the next check.
    fn instead(&self, e: Error) -> Error {
        match self.check() {
            Err(lost @ Error::DeviceLost(_)) => lost,
            _ => e,
        }
    }

    /// The error for a failure with this message; of a device that is gone, everything fails.
    fn failed(&self, message: String) -> Error {
        let name = &self.summary.name;
        self.reports.hear(&message);
        if self.reports.loss().is_none() {
            // The news of a loss comes when the work before it is done.
            let until =
                wgpu::PollType::Wait { submission_index: None, timeout: Some(Duration::from_secs(5)) };
            if let Err(said) = self.host.drive(&self.device, until) {
                self.reports.hear(&said);
            }
        }
        match self.reports.loss() {
            Some(why) => Error::DeviceLost(format!("{why} (adapter {name})")),
            None => {
                let message = self.memory.borrow().shortage().unwrap_or(message);
                Error::Gpu(format!("{message} (adapter {name})"))
            }
        }
    }

    /// The error of work that is not done though the driver says that it is, as those of Metal and Direct3D 12 may of work that
    /// failed (gfx-rs/wgpu#9545). Nothing that the device did since can be relied on: go on from a checkpoint, with a new one.
    pub(crate) fn undone(&self, what: &str) -> Error {
        let name = &self.summary.name;
        Error::DeviceLost(format!("{what}: the device did not do what it was given (adapter {name})"))
    }
}

#[cfg(feature = "native")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::fault;
    use crate::native::BlockOn;

    fn open() -> Gpu {
        crate::native::open(&Default::default()).unwrap()
    }

    /// Where a driver says so while it is waited for, wgpu panics, with this text.
    const LOST: &str = "Error in Device::poll: Validation Error\n\nCaused by:\n  Parent device is lost\n";

    #[test]
    fn a_panic_of_wgpu_is_an_error() {
        for destroyed in [false, true] {
            let gpu = open();
            let submission = gpu.submit(&Program::new(), &[]).block_on().unwrap();
            if destroyed {
                gpu.destroy();
            }
            fault::panics(LOST);
            let e = gpu.wait(submission).block_on().unwrap_err();
            assert!(matches!(&e, Error::DeviceLost(m) if m.contains("device is lost (adapter")), "{e}");
            let later = gpu.submit(&Program::new(), &[]).block_on().map(drop);
            assert!(matches!(later, Err(Error::DeviceLost(_))), "it is lost for good: {later:?}");
        }
        let gpu = open();
        let submission = gpu.submit(&Program::new(), &[]).block_on().unwrap();
        fault::panics("Error in Device::poll: something else");
        let e = gpu.wait(submission).block_on().unwrap_err();
        assert!(matches!(&e, Error::Gpu(m) if m.contains("something else")), "{e}");
        let x = gpu.upload("x", 1, 2, &[1.0f32, 2.0]);
        assert_eq!(gpu.read::<f32>(&x).block_on().unwrap(), [1.0, 2.0]);
    }

    /// The other words for it, and none that are like them.
    #[test]
    fn a_loss_is_known_by_its_words() {
        for (said, lost) in [("Device is lost", true), ("the device is full", false)] {
            let reports = Reports::default();
            reports.hear(said);
            assert_eq!(reports.loss().is_some(), lost, "{said}");
        }
    }

    /// Why a device is gone is known: asking it once more could panic, or take five seconds.
    #[test]
    fn a_lost_device_is_not_asked() {
        let gpu = open();
        gpu.reports.hear(LOST);
        fault::panics("Error in Device::poll: asked");
        let e = gpu.check().unwrap_err();
        let asked = fault::panicked();
        // Not for the next test of this thread.
        let _ = std::panic::catch_unwind(fault::wait);
        assert!(matches!(e, Error::DeviceLost(_)) && !asked, "{e}");
    }

    #[test]
    fn a_tensor_is_copied() {
        let gpu = open();
        let [from, to] = [1.0f32, 2.0].map(|value| gpu.upload("x", 2, 64, &[value; 128]));
        gpu.copy(&from.part(0, 1, 64), &to.part(64, 1, 64));
        let values: Vec<f32> = gpu.read(&to).block_on().unwrap();
        assert!(values[..64].iter().all(|v| *v == 2.0) && values[64..].iter().all(|v| *v == 1.0));
    }
}
