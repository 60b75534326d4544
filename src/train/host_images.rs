//! Training images that stay in main memory, where the device has no room for them: the minibatches of a step are gathered
//! here and handed over before it, while the step before is still computed.

use crate::data::Split;
use crate::gpu::Gpu;
use crate::ops::{ImageBlock, State};
use crate::rng::{Counter, permute};
use std::cell::RefCell;
use std::sync::Arc;

/// Walks through the images, by their places in [`State::epoch`]: the labelled ones, the unlabelled ones of the D step and of
/// the G step, and those that the initialisation looks at.
pub(super) const LABELLED: u32 = 0;
pub(super) const UNLABELLED_D: u32 = 1;
pub(super) const UNLABELLED_G: u32 = 2;
pub(super) const INITIALISATION: u32 = 3;

/// One of the walks of `Ops::minibatch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Walk {
    /// Its place in [`State::epoch`] and [`State::position`].
    pub order: u32,
    /// Stream of its permutations.
    pub stream: u32,
    /// Elements of the pool that it goes through.
    pub n: u32,
}

/// The images of a split, and the minibatches that are made of them.
#[derive(Debug)]
pub(super) struct HostImages {
    images: Arc<Vec<u8>>,
    pixels: usize,
    minibatches: RefCell<Vec<Minibatch>>,
}

#[derive(Debug)]
struct Minibatch {
    walk: Walk,
    /// Numbers of the images that are walked through; all of them if `None`.
    pool: Option<Vec<u32>>,
    block: ImageBlock,
}

impl HostImages {
    pub fn new(split: &Split, pixels: u32) -> HostImages {
        HostImages { images: split.images.clone(), pixels: pixels as usize, minibatches: RefCell::default() }
    }

    /// Where the device finds the `rows` images of a walk's minibatch, in their order.
    pub fn minibatch(&self, gpu: &Gpu, walk: Walk, pool: Option<&[u32]>, rows: u32) -> ImageBlock {
        let mut minibatches = self.minibatches.borrow_mut();
        if let Some(made) = minibatches.iter().find(|made| made.walk == walk) {
            return made.block.clone();
        }
        let words = (rows as usize * self.pixels).div_ceil(4) as u32;
        let block = ImageBlock { images: gpu.vector("a minibatch's images", words), first: 0, count: rows };
        minibatches.push(Minibatch { walk, pool: pool.map(<[u32]>::to_vec), block: block.clone() });
        block
    }

    /// Hands over the minibatches of the step with these constants, or those of the initialisation.
    pub fn write(&self, gpu: &Gpu, state: &State, initialisation: bool) {
        let mut bytes = vec![];
        for minibatch in self.minibatches.borrow().iter() {
            if (minibatch.walk.order == INITIALISATION) != initialisation {
                continue;
            }
            bytes.clear();
            for image in minibatch.images(state) {
                bytes.extend_from_slice(&self.images[image as usize * self.pixels..][..self.pixels]);
            }
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            gpu.write(&minibatch.block.images, &bytes);
        }
    }

    /// Bytes that a step hands over.
    pub fn bytes_per_step(&self) -> u64 {
        let minibatches = self.minibatches.borrow();
        let of_step = minibatches.iter().filter(|m| m.walk.order != INITIALISATION);
        of_step.map(|m| m.block.images.bytes()).sum()
    }
}

impl Minibatch {
    /// Numbers of its images: what `minibatch.wgsl` computes.
    fn images(&self, state: &State) -> impl Iterator<Item = u32> {
        let Walk { order, stream, n } = self.walk;
        let (epoch, position) = (state.epoch[order as usize], state.position[order as usize]);
        let seed = u64::from(state.seed_hi) << 32 | u64::from(state.seed_lo);
        (0..self.block.count).map(move |row| {
            let at = position + row;
            let element = permute(seed, Counter { stream, step: epoch + at / n }, at % n, n);
            self.pool.as_ref().map_or(element, |pool| pool[element as usize])
        })
    }
}
