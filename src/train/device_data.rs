//! A split of the data set in GPU memory, as bytes.

use crate::data::Split;
use crate::error::Result;
use crate::gpu::{Gpu, Tensor};

/// Images and labels of a split, uploaded once. Four bytes a word, little-endian.
#[derive(Debug)]
pub struct DeviceData {
    /// Image bytes, `N x H x W x C`.
    pub images: Tensor,
    /// Label bytes.
    pub labels: Tensor,
    /// N.
    pub count: u32,
}

/// Some of a split's images, which are uploaded in the order of their numbers.
#[derive(Debug)]
pub(super) struct Used {
    /// Their numbers in the split, ascending, each once.
    pub numbers: Vec<u32>,
}

impl Used {
    /// Those of all lists.
    pub fn of<const N: usize>(lists: [&[u32]; N]) -> Used {
        let mut numbers = lists.concat();
        numbers.sort_unstable();
        numbers.dedup();
        Used { numbers }
    }

    /// Where on the device images are that are among them.
    pub fn places(&self, numbers: &[u32]) -> Vec<u32> {
        let place = |n: &u32| self.numbers.binary_search(n).expect("one of the lists") as u32;
        numbers.iter().map(place).collect()
    }
}

impl DeviceData {
    /// Uploads `split`, or those of its images that `chosen` lists.
    ///
    /// # Errors
    /// As [`Gpu::binds`].
    pub fn upload(gpu: &Gpu, split: &Split, pixels: u32, chosen: Option<&[u32]>) -> Result<DeviceData> {
        let pixels = pixels as usize;
        let (images, labels) = match chosen {
            None => (split.images.clone(), split.labels.clone()),
            Some(list) => {
                let image = |&i: &u32| &split.images[i as usize * pixels..(i as usize + 1) * pixels];
                (
                    list.iter().flat_map(|i| image(i).iter().copied()).collect(),
                    list.iter().map(|&i| split.labels[i as usize]).collect(),
                )
            }
        };
        gpu.binds(
            "images",
            images.len() as u64,
            "use another adapter, or a smaller number of unlabelled images",
        )?;
        let count = labels.len() as u32;
        Ok(DeviceData { images: bytes(gpu, "images", images), labels: bytes(gpu, "labels", labels), count })
    }
}

fn bytes(gpu: &Gpu, label: &str, mut values: Vec<u8>) -> Tensor {
    values.resize(values.len().next_multiple_of(4), 0);
    let t = gpu.vector(label, (values.len() / 4) as u32);
    gpu.write(&t, &values);
    t
}
