//! The device that runs are trained on, which is opened again where it is lost.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::gpu::{AdapterSummary, Gpu, Precision};
use crate::native;
use crate::train::Stop;

/// Pauses between attempts to open a lost device again, in milliseconds: a driver that was reset is back after seconds.
pub(super) const REOPENING: [u64; 5] = if cfg!(test) { [1; 5] } else { [1000, 2000, 4000, 8000, 15_000] };

/// A device of one adapter for good: what computes is not to change within a run unasked.
pub struct Device {
    was: AdapterSummary,
    /// `None` once it was lost and did not come back.
    gpu: Option<Gpu>,
}

impl Device {
    /// One that is open.
    pub fn new(gpu: Gpu) -> Device {
        Device { was: gpu.summary().clone(), gpu: Some(gpu) }
    }

    /// The device.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] if the last [`Device::reopen`] failed.
    pub fn gpu(&self) -> Result<&Gpu> {
        let gone = || Error::DeviceLost(format!("{} did not come back", self.was.name));
        self.gpu.as_ref().ok_or_else(gone)
    }

    /// Opens the adapter of a device that was lost, which may take a while to come back. The lost one goes first: of an adapter
    /// with a removed device that is still held, Direct3D 12 makes no other.
    ///
    /// # Errors
    /// [`Error::Adapter`] if it does not come back, [`Error::Interrupted`] if somebody wants to end meanwhile.
    pub fn reopen(&mut self, precision: Precision, stop: &Stop) -> Result<()> {
        self.gpu = None;
        #[cfg(test)]
        assert_eq!(crate::gpu::fault::open(), 0, "the lost device is still held");
        self.gpu = Some(open_again(&self.was, precision, stop)?);
        Ok(())
    }
}

fn open_again(was: &AdapterSummary, precision: Precision, stop: &Stop) -> Result<Gpu> {
    let mut pauses = REOPENING.iter();
    loop {
        let opened = native::reopen(was, precision);
        let (Err(Error::Adapter(_)), Some(pause)) = (&opened, pauses.next()) else { return opened };
        let until = Instant::now() + Duration::from_millis(*pause);
        while Instant::now() < until {
            if stop.is_asked() {
                let what = "the device was lost; what was saved before is as it was";
                return Err(Error::Interrupted(what.into()));
            }
            std::thread::sleep(
                Duration::from_millis(10).min(until.saturating_duration_since(Instant::now())),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Urgency;

    /// What was open before is opened, or nothing.
    #[test]
    fn another_adapter_takes_no_lost_ones_place() {
        let gpu = native::open(&Default::default()).unwrap();
        let was = gpu.summary().clone();
        // Where it stands in the list may have changed.
        let moved = AdapterSummary { index: was.index + 7, ..was.clone() };
        assert_eq!(native::reopen(&moved, Precision::F32).unwrap().summary(), &was);
        for gone in [
            AdapterSummary { name: "another".into(), ..was.clone() },
            AdapterSummary { backend: "another".into(), ..was.clone() },
            AdapterSummary { device: was.device + 1, ..was.clone() },
        ] {
            let said = native::reopen(&gone, Precision::F32).map(drop).unwrap_err().to_string();
            assert!(said.contains(&gone.name) && said.contains("is not there"), "{said}");
        }
    }

    /// While a lost device is waited for, a wish to end is heeded.
    #[test]
    fn nobody_waits_for_a_device_who_wants_to_end() {
        let gpu = native::open(&Default::default()).unwrap();
        let gone = AdapterSummary { name: "another".into(), ..gpu.summary().clone() };
        let mut device = Device { was: gone, gpu: Some(gpu) };
        let stop = Stop::new();
        assert!(matches!(device.reopen(Precision::F32, &stop), Err(Error::Adapter(_))));
        assert!(matches!(device.gpu(), Err(Error::DeviceLost(m)) if m.contains("another")));
        stop.ask(Urgency::AfterStep);
        assert!(matches!(device.reopen(Precision::F32, &stop), Err(Error::Interrupted(_))));
    }
}
