//! A split of the data set in GPU memory, as bytes.

use crate::data::Split;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Tensor};
use crate::ops::ImageBlock;

/// Images of a split, uploaded once, in as many buffers as it takes: an adapter binds no more than so much of one at a time.
#[derive(Debug)]
pub struct DeviceImages {
    /// The buffers, in the order of the images.
    pub blocks: Vec<ImageBlock>,
    /// N.
    pub count: u32,
}

/// Images with a label each.
#[derive(Debug)]
pub struct LabelledImages {
    /// The images.
    pub images: DeviceImages,
    /// Their classes `[1, N]`.
    pub labels: Tensor,
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

impl DeviceImages {
    /// Uploads the images of `split`, `pixels` bytes each, or those that `chosen` lists; `most_bytes` is the size of a
    /// buffer, if not as much as the adapter binds.
    ///
    /// # Errors
    /// As [`Gpu::binds`], for images of which the adapter does not bind a single one.
    ///
    /// # Panics
    /// If `split` has fewer bytes than its images of so many take, an image has none, or `chosen` names one that is not there.
    pub fn upload(
        gpu: &Gpu,
        split: &Split,
        pixels: u32,
        chosen: Option<&[u32]>,
        most_bytes: Option<u64>,
    ) -> Result<DeviceImages> {
        gpu.binds("an image", pixels.into(), "use smaller images")?;
        let size = pixels as usize;
        let count = chosen.map_or(split.len(), <[u32]>::len) as u32;
        let most = most_bytes.map_or(gpu.max_binding(), |most| most.min(gpu.max_binding()));
        // Whole words.
        let rows = ((most / 4 * 4) / u64::from(pixels)).clamp(1, u32::MAX.into()) as u32;
        let mut blocks = vec![];
        for first in (0..count).step_by(rows as usize) {
            let count = rows.min(count - first);
            let (from, to) = (first as usize, (first + count) as usize);
            let images = gpu.vector("images", (count * pixels).div_ceil(4));
            match chosen {
                None => write_bytes(gpu, &images, &split.images[from * size..to * size]),
                Some(list) => {
                    let image = |&i: &u32| &split.images[i as usize * size..(i as usize + 1) * size];
                    write_bytes(gpu, &images, &list[from..to].iter().map(image).collect::<Vec<_>>().concat());
                }
            }
            blocks.push(ImageBlock { images, first, count });
        }
        Ok(DeviceImages { blocks, count })
    }
}

/// Fills a tensor of words with bytes, and the rest of the last word with zeros.
fn write_bytes(gpu: &Gpu, tensor: &Tensor, bytes: &[u8]) {
    match bytes.len().is_multiple_of(4) {
        true => gpu.write(tensor, bytes),
        false => {
            let mut whole = bytes.to_vec();
            whole.resize(bytes.len().next_multiple_of(4), 0);
            gpu.write(tensor, &whole);
        }
    }
}

impl LabelledImages {
    /// Uploads `split`, or those of its images that `chosen` lists, with their labels; buffers as in [`DeviceImages::upload`].
    ///
    /// # Errors
    /// As [`DeviceImages::upload`]; [`Error::Data`] for an image without a label.
    ///
    /// # Panics
    /// As [`DeviceImages::upload`].
    pub fn upload(gpu: &Gpu, split: &Split, pixels: u32, chosen: Option<&[u32]>) -> Result<LabelledImages> {
        let numbers: Vec<u32> = chosen.map_or_else(|| (0..split.len() as u32).collect(), <[u32]>::to_vec);
        let labels = upload_labels(gpu, "labels", split, &numbers)?;
        Ok(LabelledImages { images: DeviceImages::upload(gpu, split, pixels, chosen, None)?, labels })
    }
}

/// Uploads the labels of the images with these numbers, and of no others: `[1, N]`.
///
/// # Errors
/// [`Error::Data`] for an image without a label.
pub(super) fn upload_labels(gpu: &Gpu, name: &str, split: &Split, numbers: &[u32]) -> Result<Tensor> {
    let label = |&i: &u32| {
        let given = split.labels[i as usize].map(u32::from);
        given.ok_or_else(|| Error::Data(format!("image {i} is taken for labelled and has no label")))
    };
    let labels = numbers.iter().map(label).collect::<Result<Vec<u32>>>()?;
    let tensor = gpu.vector(name, labels.len() as u32);
    gpu.write(&tensor, &labels);
    Ok(tensor)
}
