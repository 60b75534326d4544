//! Decodes what was found, on all cores. Memory holds the resized images, and a picture in work for each core.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::sync_channel;

use image::DynamicImage;
use rayon::prelude::*;

use super::decode::{self, Size, Unread};
use super::decoded_cache;
use super::found::{Entry, Found};
use super::policy::{Choice, Fitted, Policy, spread};
use super::set::{Broken, Decoded, ImageSet};
use crate::error::{Error, Result};

/// The side that is not exceeded where the data choose the size.
pub const LARGEST_DEFAULT: u32 = 64;

/// Pictures whose heads are looked at to choose a size.
const SAMPLE: usize = 1024;

/// How images are loaded.
#[derive(Debug, Clone, Copy, Default)]
pub struct Loading<'a> {
    /// What the user decides.
    pub choice: Choice,
    /// What to do about broken files.
    pub broken: Broken,
    /// The folder of [`decoded_cache`]; `None`: nothing is kept.
    pub cache: Option<&'a Path>,
}

/// Decodes all images that were found and puts them together with their labels. `progress` is told how many images of how
/// many are done.
///
/// # Errors
/// As [`decode_all`] and [`ImageSet::assemble`]. Duplicates are another matter: [`ImageSet::part_duplicates`].
pub fn load(found: &Found, loading: &Loading, progress: &mut dyn FnMut(usize, usize)) -> Result<ImageSet> {
    let key = decoded_cache::key(found, &loading.choice);
    let cache = loading.cache.zip(key.as_deref());
    let kept = cache.and_then(|(folder, key)| decoded_cache::read(folder, key, found.images.len()));
    let mut gone = None;
    let decoded = match kept {
        Some(decoded) => decoded,
        None => {
            let decoded = decode_all(found, &loading.choice, progress)?;
            gone = cache.and_then(|(folder, key)| decoded_cache::write(folder, key, &decoded));
            decoded
        }
    };
    let mut set = ImageSet::assemble(found, decoded, loading.broken)?;
    set.notes.extend(gone.map(|why| format!("the next start reads every picture again: {why}")));
    Ok(set)
}

/// The size of the images where nobody chose one: their own where all have the same, of at most [`LARGEST_DEFAULT`] a
/// side, so that they come through bit by bit; else a square of the median of their longer sides, at most
/// [`LARGEST_DEFAULT`], at least 8, rounded to a multiple of 4, as the networks halve sizes twice. A thousand pictures
/// that lie evenly in the list say it. Height and width.
pub fn default_size(found: &Found) -> (u32, u32) {
    let step = found.images.len().div_ceil(SAMPLE).max(1);
    let sizes: Vec<Size> = (found.images.par_iter().step_by(step))
        .filter_map(|entry| decode::size(&found.root.join(&entry.path)).ok())
        .collect();
    size_of(&sizes)
}

fn size_of(sizes: &[Size]) -> (u32, u32) {
    let Some(first) = sizes.first() else { return (LARGEST_DEFAULT, LARGEST_DEFAULT) };
    if first.height.max(first.width) <= LARGEST_DEFAULT && sizes.iter().all(|s| s == first) {
        return (first.height, first.width);
    }
    let mut sides: Vec<u32> = sizes.iter().map(|s| s.height.max(s.width)).collect();
    sides.sort_unstable();
    let side = sides[sides.len() / 2].clamp(8, LARGEST_DEFAULT);
    let side = (side + 2) / 4 * 4;
    (side, side)
}

/// Decodes all images that were found.
///
/// # Errors
/// [`Error::Usage`] for a size or number of channels that cannot be; [`Error::Data`] where memory does not suffice. A file
/// that cannot be read is no error here.
pub fn decode_all(found: &Found, choice: &Choice, progress: &mut dyn FnMut(usize, usize)) -> Result<Decoded> {
    let (height, width) = choice.size.unwrap_or_else(|| default_size(found));
    let policy = Policy { height, width, channels: choice.channels.unwrap_or(1), fit: choice.fit };
    policy.check()?;
    let n = found.images.len();
    let mut kept = Kept::new(n, policy, choice.channels.is_none())?;
    let workers = rayon::current_num_threads();
    let (sender, receiver) = sync_channel(2 * workers);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let work = |sender: &mut std::sync::mpsc::SyncSender<_>, (i, entry): (usize, &Entry)| {
                let outcome = one(&found.root.join(&entry.path), &policy, choice.channels);
                // Nobody listens any more where memory did not suffice.
                sender.send((i, outcome)).ok()
            };
            found.images.par_iter().enumerate().try_for_each_with(sender, work)
        });
        for (done, (i, outcome)) in receiver.into_iter().enumerate() {
            kept.put(i, outcome)?;
            progress(done + 1, n);
        }
        Ok::<(), Error>(())
    })?;
    Ok(kept.finish())
}

/// One image, ready to be kept.
struct One {
    fitted: Fitted,
    /// Whether it has 16 bits and uses less than an eighth of their range.
    faint: bool,
}

fn one(path: &Path, policy: &Policy, channels: Option<u32>) -> std::result::Result<One, Unread> {
    decode::read_with(path, |image| {
        let deep = is_deep(&image);
        let fitted = match channels {
            Some(1) => Fitted { channels: 1, pixels: policy.apply(image) },
            _ => policy.fitted(image),
        };
        let faint = deep && fitted.pixels.iter().all(|&v| v < 32);
        One { fitted, faint }
    })
}

fn is_deep(image: &DynamicImage) -> bool {
    let color = image.color();
    color.bits_per_pixel() / u16::from(color.channel_count()) == 16
}

/// The images so far, each at its place.
struct Kept {
    policy: Policy,
    /// Whether the first coloured picture makes all of them coloured.
    auto: bool,
    n: usize,
    pixels: Vec<u8>,
    failed: BTreeMap<usize, Unread>,
    faint: usize,
}

impl Kept {
    fn new(n: usize, policy: Policy, auto: bool) -> Result<Kept> {
        let pixels = room(n, &policy)?;
        Ok(Kept { policy, auto, n, pixels, failed: BTreeMap::new(), faint: 0 })
    }

    fn size(&self) -> usize {
        self.policy.dims().len() as usize
    }

    fn put(&mut self, i: usize, outcome: std::result::Result<One, Unread>) -> Result<()> {
        let One { fitted, faint } = match outcome {
            Ok(one) => one,
            Err(reason) => {
                self.failed.insert(i, reason);
                return Ok(());
            }
        };
        if self.auto && fitted.channels == 3 && self.policy.channels == 1 {
            self.policy.channels = 3;
            let gray = std::mem::replace(&mut self.pixels, room(self.n, &self.policy)?);
            for (colour, v) in self.pixels.chunks_exact_mut(3).zip(gray) {
                colour.fill(v);
            }
        }
        let size = self.size();
        self.pixels[i * size..(i + 1) * size].copy_from_slice(&spread(fitted, self.policy.channels));
        self.faint += usize::from(faint);
        Ok(())
    }

    /// Without the places of images that could not be read.
    fn finish(mut self) -> Decoded {
        let size = self.size();
        let mut to = 0;
        for from in (0..self.n).filter(|i| !self.failed.contains_key(i)) {
            if from != to {
                self.pixels.copy_within(from * size..(from + 1) * size, to * size);
            }
            to += 1;
        }
        self.pixels.truncate(to * size);
        let mut notes = Vec::new();
        if self.faint > 0 {
            notes.push(format!(
                "{} images of 16 bits use less than an eighth of their range and are nearly black: scale their values to \
                 the whole range first",
                self.faint
            ));
        }
        Decoded { policy: self.policy, pixels: self.pixels, failed: self.failed, notes }
    }
}

/// Zeros for `n` images.
fn room(n: usize, policy: &Policy) -> Result<Vec<u8>> {
    let bytes = n.checked_mul(policy.dims().len() as usize);
    let mut pixels: Vec<u8> = Vec::new();
    match bytes.filter(|&bytes| pixels.try_reserve_exact(bytes).is_ok()) {
        Some(bytes) => {
            pixels.extend(std::iter::repeat_n(0, bytes));
            Ok(pixels)
        }
        None => Err(Error::Data(format!(
            "{n} images of {policy} do not fit into memory: give a smaller --image-size, or fewer images"
        ))),
    }
}

#[cfg(test)]
#[path = "load_tests.rs"]
pub(super) mod tests;
