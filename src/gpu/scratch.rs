//! Memory of the tensors that only a program's own dispatches need: two of them may lie in the same place where the
//! last dispatch that binds the one comes before the first that binds the other.

use super::{Gpu, Tensor};
use std::cell::OnceCell;
use std::ops::RangeInclusive;
use std::rc::Rc;

/// Memory of a tensor: there from the beginning, or found when its program is planned.
#[derive(Debug)]
pub(super) struct Block {
    label: String,
    bytes: u64,
    buffer: OnceCell<wgpu::Buffer>,
    shared: bool,
}

impl Block {
    /// A buffer of its own.
    pub(super) fn of(buffer: wgpu::Buffer) -> Rc<Block> {
        Rc::new(Block {
            label: String::new(),
            bytes: buffer.size(),
            buffer: OnceCell::from(buffer),
            shared: false,
        })
    }

    /// Its place is found later.
    pub(super) fn later(label: &str, bytes: u64) -> Rc<Block> {
        Rc::new(Block { label: label.into(), bytes, buffer: OnceCell::new(), shared: true })
    }

    pub(super) fn buffer(&self) -> &wgpu::Buffer {
        self.buffer.get().expect("a program whose scratch tensors share memory is planned before it runs")
    }

    /// Whether other tensors may have overwritten it by now.
    pub(super) fn is_shared(&self) -> bool {
        self.shared
    }
}

/// Buffers that the scratch tensors of several programs share. The programs must not run at the same time: each
/// overwrites what the one before left.
#[derive(Debug, Default)]
pub struct Pool {
    buffers: Vec<(u64, wgpu::Buffer)>,
}

impl Pool {
    /// Bytes of its buffers.
    pub fn bytes(&self) -> u64 {
        self.buffers.iter().map(|(bytes, _)| bytes).sum()
    }

    /// Finds a place for each block, whose tensors are bound by the dispatches in its range.
    pub(super) fn place(&mut self, gpu: &Gpu, blocks: &[(Rc<Block>, RangeInclusive<usize>)]) {
        let wanted: Vec<Lifetime> =
            blocks.iter().map(|(b, bound)| Lifetime { bytes: b.bytes, bound: bound.clone() }).collect();
        let sizes: Vec<u64> = self.buffers.iter().map(|(bytes, _)| *bytes).collect();
        let places = assign(&wanted, &sizes);
        let mut order: Vec<usize> = (0..blocks.len()).collect();
        // A new buffer gets the size and the name of its largest tensor.
        order.sort_by_key(|&i| (places[i], std::cmp::Reverse(blocks[i].0.bytes)));
        for i in order {
            let block = &blocks[i].0;
            if places[i] == self.buffers.len() {
                self.buffers.push((block.bytes, gpu.buffer(&block.label, block.bytes)));
            }
            let buffer = self.buffers[places[i]].1.clone();
            block.buffer.set(buffer).expect("a block is planned once");
        }
    }

    /// Fills it with NaN: what is read before it was written shows.
    pub fn poison(&self, gpu: &Gpu) {
        for (bytes, buffer) in &self.buffers {
            let nan = vec![0xff_u8; *bytes as usize];
            gpu.queue.write_buffer(buffer, 0, &nan);
        }
    }
}

/// What a block needs.
#[derive(Debug, Clone)]
struct Lifetime {
    bytes: u64,
    /// Numbers of the first and the last dispatch that bind it.
    bound: RangeInclusive<usize>,
}

/// The number of a buffer for each block; those from `sizes.len()` on are new ones. Greedy by size, largest first, each into
/// the smallest buffer that is free for as long (Pisarchyk & Lee 2020, "Efficient Memory Management for Deep Neural Net
/// Inference", section 4.3).
fn assign(wanted: &[Lifetime], sizes: &[u64]) -> Vec<usize> {
    let mut buffers: Vec<(u64, Vec<RangeInclusive<usize>>)> = sizes.iter().map(|&s| (s, vec![])).collect();
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(wanted[i].bytes), *wanted[i].bound.start()));
    let mut places = vec![0; wanted.len()];
    for i in order {
        let Lifetime { bytes, bound } = &wanted[i];
        let free = |taken: &[RangeInclusive<usize>]| {
            taken.iter().all(|t| t.end() < bound.start() || bound.end() < t.start())
        };
        let fits = buffers.iter().enumerate().filter(|(_, (size, taken))| size >= bytes && free(taken));
        let place = fits.min_by_key(|(_, (size, _))| *size).map_or(buffers.len(), |(at, _)| at);
        if place == buffers.len() {
            buffers.push((*bytes, vec![]));
        }
        buffers[place].1.push(bound.clone());
        places[i] = place;
    }
    places
}

/// Blocks of these tensors with the range of the dispatches that bind them; each block once.
pub(super) fn lifetimes<'a>(
    dispatches: impl Iterator<Item = &'a [(u32, Tensor)]>,
) -> Vec<(Rc<Block>, RangeInclusive<usize>)> {
    let mut found: Vec<(Rc<Block>, RangeInclusive<usize>)> = vec![];
    for (i, bound) in dispatches.enumerate() {
        for (_, tensor) in bound.iter().filter(|(_, t)| t.block.buffer.get().is_none()) {
            match found.iter_mut().find(|(b, _)| Rc::ptr_eq(b, &tensor.block)) {
                Some((_, range)) => *range = *range.start()..=i,
                None => found.push((tensor.block.clone(), i..=i)),
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{self, Counter};

    fn lifetimes(wanted: &[(u64, usize, usize)]) -> Vec<Lifetime> {
        wanted.iter().map(|&(bytes, first, last)| Lifetime { bytes, bound: first..=last }).collect()
    }

    fn bytes(wanted: &[Lifetime], places: &[usize]) -> u64 {
        let buffers = places.iter().max().map_or(0, |m| m + 1);
        let size = |b| {
            let tenants = wanted.iter().zip(places).filter(|(_, p)| **p == b);
            tenants.map(|(w, _)| w.bytes).max().unwrap_or(0)
        };
        (0..buffers).map(size).sum()
    }

    #[test]
    fn a_chain_takes_two_buffers() {
        let chain = lifetimes(&[(8, 0, 1), (8, 1, 2), (8, 2, 3), (8, 3, 4)]);
        let places = assign(&chain, &[]);
        assert_eq!(places, [0, 1, 0, 1]);
        assert_eq!(bytes(&chain, &places), 16);
    }

    #[test]
    fn small_ones_go_where_large_ones_were() {
        let wanted = lifetimes(&[(4, 3, 4), (100, 0, 1), (50, 0, 2), (40, 3, 5)]);
        // 40 takes the 50 rather than the 100, which the 4 then has.
        assert_eq!(assign(&wanted, &[]), [0, 0, 1, 1]);
        assert_eq!(assign(&wanted, &[45, 200]), [1, 1, 2, 0], "buffers that there are come first");
    }

    /// Whatever the lifetimes: no two blocks of a buffer are needed at once, every block fits, and no more memory is
    /// taken than without sharing.
    #[test]
    fn no_two_at_once_in_one_place() {
        for case in 0..1000 {
            let draw = |i: u32, n: u32| rng::block(1, Counter { stream: 7, step: case }, i)[0] % n;
            let wanted: Vec<Lifetime> = (0..draw(0, 30))
                .map(|i| {
                    let first = draw(3 * i + 1, 20) as usize;
                    let last = first + draw(3 * i + 2, 6) as usize;
                    Lifetime { bytes: u64::from(1 + draw(3 * i + 3, 100)), bound: first..=last }
                })
                .collect();
            let sizes = [30, 60];
            let places = assign(&wanted, &sizes);
            for (i, a) in wanted.iter().enumerate() {
                if let Some(size) = sizes.get(places[i]) {
                    assert!(a.bytes <= *size, "case {case}");
                }
                for (j, b) in wanted.iter().enumerate().skip(i + 1).filter(|(j, _)| places[*j] == places[i]) {
                    let apart = a.bound.end() < b.bound.start() || b.bound.end() < a.bound.start();
                    assert!(apart, "case {case}: {i} and {j}");
                }
            }
            let alone: u64 = wanted.iter().map(|w| w.bytes).sum();
            let places = assign(&wanted, &[]);
            let live = |t: usize| wanted.iter().filter(|w| w.bound.contains(&t)).map(|w| w.bytes).sum();
            let most: u64 = (0..26).map(live).max().unwrap_or(0);
            let taken = bytes(&wanted, &places);
            assert!(most <= taken && taken <= alone, "case {case}: {most} {taken} {alone}");
        }
    }
}
