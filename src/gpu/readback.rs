//! Getting values back from the GPU.

use super::{Gpu, Program, Tensor};
use crate::error::{Error, Result};
use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};

/// A staging buffer that the host can map.
#[derive(Debug)]
pub struct Readback {
    buffer: wgpu::Buffer,
    /// Values that fit.
    capacity: usize,
    pending: Option<OneshotReceiver<std::result::Result<(), wgpu::BufferAsyncError>>>,
}

impl Readback {
    /// A staging buffer for up to `len` 32-bit values.
    pub fn new(gpu: &Gpu, len: usize) -> Readback {
        let bytes = (len as u64 * 4).next_multiple_of(16).max(16);
        let buffer = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("readback"),
            size: bytes,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        gpu.count("readback", bytes);
        Readback { buffer, capacity: (bytes / 4) as usize, pending: None }
    }

    pub(super) fn copy_from(&self, encoder: &mut wgpu::CommandEncoder, source: &Tensor) {
        assert!(!source.block.is_shared());
        encoder.copy_buffer_to_buffer(source.block.buffer(), source.offset, &self.buffer, 0, source.bytes());
    }

    /// Asks for the contents, to be fetched by [`Readback::take`] once the GPU is done.
    pub fn request(&mut self) {
        let (sender, receiver) = oneshot_channel();
        self.buffer.slice(..).map_async(wgpu::MapMode::Read, move |r| {
            let _ = sender.send(r);
        });
        self.pending = Some(receiver);
    }

    /// The first `len` values of a requested copy; the GPU must have finished it.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the copy failed or was not requested.
    ///
    /// # Panics
    /// If the buffer has room for fewer.
    pub async fn take<T: bytemuck::Pod>(&mut self, len: usize) -> Result<Vec<T>> {
        let receiver =
            self.pending.as_ref().ok_or_else(|| Error::Gpu("readback without a request".into()))?;
        // Who is dropped while it waits leaves the request to the next.
        let mapped = receiver.receive().await;
        self.pending = None;
        match mapped {
            Some(Ok(())) => {}
            Some(Err(e)) => return Err(Error::Gpu(format!("readback: {e}"))),
            None => return Err(Error::Gpu("readback: the device is gone".into())),
        }
        let view = self
            .buffer
            .slice(..len as u64 * 4)
            .get_mapped_range()
            .map_err(|e| Error::Gpu(format!("readback: {e}")))?;
        let values = bytemuck::pod_collect_to_vec(&view[..]);
        drop(view);
        self.buffer.unmap();
        Ok(values)
    }
}

impl Gpu {
    /// Waits for all submitted work and returns a tensor's values. Not those of scratch tensors that share memory: they
    /// are overwritten by then.
    ///
    /// # Errors
    /// [`Error::Gpu`] or [`Error::DeviceLost`] if the device failed; [`Error::Gpu`] for such a tensor.
    pub async fn read<T: bytemuck::Pod>(&self, tensor: &Tensor) -> Result<Vec<T>> {
        if tensor.block.is_shared() {
            return Err(Error::Gpu("a scratch tensor was overwritten when its program ran".into()));
        }
        if tensor.is_empty() {
            return Ok(vec![]);
        }
        // One staging buffer serves all reads that wait; it only ever grows.
        let kept = self.staging.take().filter(|s| s.capacity >= tensor.len());
        let mut staging = kept.unwrap_or_else(|| Readback::new(self, tensor.len()));
        let submission = self.submit(&Program::new(), &[(tensor, &staging)]).await?;
        staging.request();
        self.wait(submission).await?;
        let values = staging.take(tensor.len()).await?;
        self.staging.replace(Some(staging));
        Ok(values)
    }
}

#[cfg(feature = "native")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::BlockOn;
    use std::pin::pin;
    use std::task::{Context, Waker};

    /// A future that is dropped while it waits takes nothing with it.
    #[test]
    fn who_gives_up_leaves_the_values() {
        let gpu = crate::native::open(&Default::default()).unwrap();
        let x = gpu.upload("x", 1, 3, &[1.0f32, 2.0, 3.0]);
        let mut staging = Readback::new(&gpu, 3);
        let submission = gpu.submit(&Program::new(), &[(&x, &staging)]).block_on().unwrap();
        staging.request();
        let mut context = Context::from_waker(Waker::noop());
        assert!(pin!(staging.take::<f32>(3)).poll(&mut context).is_pending());
        gpu.wait(submission).block_on().unwrap();
        assert_eq!(staging.take::<f32>(3).block_on().unwrap(), [1.0, 2.0, 3.0]);
        assert!(staging.take::<f32>(3).block_on().is_err(), "it was asked for once");
    }
}
