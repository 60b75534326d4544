//! What a device's buffers take, and what is said when there is no more.

use super::Gpu;
use crate::error::{Error, Result};

/// Memory that was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// Bytes of all tensors made so far.
    pub asked: u64,
    /// The largest of them: label and bytes.
    pub largest: (String, u64),
    /// Bytes that there were when the adapter had no more, if that happened.
    pub given: Option<u64>,
}

impl Memory {
    fn add(&mut self, label: &str, bytes: u64, refused: bool) {
        if bytes > self.largest.1 {
            self.largest = (label.into(), bytes);
        }
        if refused {
            self.given.get_or_insert(self.asked);
        }
        self.asked += bytes;
    }

    /// What to say when it is too much.
    pub(super) fn shortage(&self) -> Option<String> {
        let given = self.given?;
        let (label, bytes) = &self.largest;
        Some(format!(
            "out of memory: {} wanted, {} given; the largest tensor has {} ({label})",
            mib(self.asked),
            mib(given),
            mib(*bytes)
        ))
    }
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

impl Gpu {
    /// Whether a shader can bind so many bytes of `what` in one piece; `instead` is what to do if not.
    ///
    /// # Errors
    /// [`Error::Adapter`] with both.
    pub fn binds(&self, what: &str, bytes: u64, instead: &str) -> Result<()> {
        if bytes <= self.max_binding() {
            return Ok(());
        }
        Err(Error::Adapter(format!(
            "{} MiB of {what}; {} binds at most {} MiB in one buffer: {instead}",
            bytes >> 20,
            self.summary.name,
            self.max_binding() >> 20
        )))
    }

    /// Counts a new buffer.
    pub(super) fn count(&self, label: &str, bytes: u64) {
        self.memory.borrow_mut().add(label, bytes, self.reports.is_exhausted());
    }

    /// What was asked for so far.
    pub fn memory(&self) -> Memory {
        self.memory.borrow().clone()
    }

    /// Does something whose tensors are gone when it is done, such as a measurement: they do not count, nor do kernels
    /// that it found not to compile.
    pub async fn aside<T>(&self, work: impl Future<Output = T>) -> T {
        let before = self.memory();
        let result = work.await;
        self.forget_since(before).await;
        result
    }

    /// Forgets what was asked for after [`Gpu::memory`] gave `before`, whose tensors are gone, and what failed. Of a device that
    /// is lost meanwhile the next call tells.
    pub(crate) async fn forget_since(&self, before: Memory) {
        *self.memory.borrow_mut() = before;
        self.reports.forget();
        self.kernels.borrow_mut().retain(|_, kernel| !kernel.failed());
        // wgpu frees the memory when the device is done with what used it.
        let _ = self.settle().await;
    }

    /// Bytes that wgpu has reserved from the driver; where it does not tell, the bytes of all tensors made so far.
    pub fn reserved(&self) -> u64 {
        let report = self.device.generate_allocator_report();
        report.map_or(self.memory.borrow().asked, |r| r.total_reserved_bytes)
    }

    /// Bytes of what there is on the adapter, and of what wgpu has not freed yet; `None` on Metal, which does not tell.
    #[cfg(test)]
    pub(crate) fn allocated(&self) -> Option<u64> {
        let report = self.device.generate_allocator_report();
        assert!(report.is_some() || self.summary.backend == "Metal", "the others tell");
        report.map(|report| report.total_allocated_bytes)
    }

    /// Whether there was memory for everything, of which `grown` bytes are about in proportion to the rows of a
    /// minibatch and may hide `hidden` bytes that are not.
    ///
    /// # Errors
    /// [`Error::Gpu`] naming the largest tensor and a batch size that fits, if one does.
    pub fn fits(&self, batch_size: u32, grown: u64, hidden: u64) -> Result<()> {
        let memory = self.memory();
        let (Some(what), Some(given)) = (memory.shortage(), memory.given) else { return Ok(()) };
        let left = given.saturating_sub(memory.asked.saturating_sub(grown));
        // Some stays for what the driver needs.
        let left = (0.8 * left as f64 - hidden as f64).max(0.0);
        let fits = (f64::from(batch_size) * left / grown.max(1) as f64) as u32;
        let advice = match fits {
            0 => {
                "not even one image at a time would fit: choose a smaller model, or another `adapter`".into()
            }
            16.. => format!("try `batch_size = {}`", fits / 16 * 16),
            _ => format!("try `batch_size = {fits}`"),
        };
        Err(Error::Gpu(format!("{what}; {advice} (adapter {})", self.summary.name)))
    }
}

#[cfg(feature = "native")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::BlockOn;

    /// What was made aside is freed when that is done, not at the next submit.
    #[test]
    fn what_was_made_aside_is_gone() {
        let gpu = crate::native::open(&Default::default()).unwrap();
        let Some(before) = gpu.allocated() else { return };
        let values = vec![1u32; 1 << 20];
        gpu.aside(async { drop(gpu.upload("aside", 1, 1 << 20, &values)) }).block_on();
        let more = gpu.allocated().unwrap().saturating_sub(before);
        assert!(more < 1 << 20, "{more} bytes stayed");
        assert_eq!(gpu.memory(), Memory::default());
    }
}
