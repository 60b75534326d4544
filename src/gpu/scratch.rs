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
    buffers: Vec<wgpu::Buffer>,
}

impl Pool {
    /// Finds a place for each block.
    pub(super) fn place(&mut self, gpu: &Gpu, blocks: &[Lifetime]) {
        let (places, sizes) = assign(blocks, self.buffers.iter().map(wgpu::Buffer::size).collect());
        for (at, &bytes) in sizes.iter().enumerate().skip(self.buffers.len()) {
            // Named by its largest tensor.
            let largest = blocks.iter().zip(&places).find(|(l, p)| **p == at && l.block.bytes == bytes);
            self.buffers.push(gpu.buffer(largest.map_or("scratch", |(l, _)| &l.block.label), bytes));
        }
        for (l, at) in blocks.iter().zip(places) {
            let set = l.block.buffer.set(self.buffers[at].clone());
            set.expect("a scratch tensor belongs to one program, which is planned once");
        }
    }

    /// Fills it with NaN, for tests: what is read before it was written shows.
    pub fn poison(&self, gpu: &Gpu) {
        for buffer in &self.buffers {
            gpu.queue.write_buffer(buffer, 0, &vec![0xff_u8; buffer.size() as usize]);
        }
    }
}

/// A block and when it is needed.
#[derive(Debug, Clone)]
pub(super) struct Lifetime {
    block: Rc<Block>,
    /// Numbers of the first and the last dispatch that bind it.
    bound: RangeInclusive<usize>,
}

/// The number of a buffer for each block, and the sizes of all buffers: first those that there are. Greedy by size,
/// largest first, each into the smallest buffer that is free for as long (the strategy "Greedy by Size" of Pisarchyk &
/// Lee 2020, "Efficient Memory Management for Deep Neural Net Inference").
fn assign(wanted: &[Lifetime], mut sizes: Vec<u64>) -> (Vec<usize>, Vec<u64>) {
    let mut taken: Vec<Vec<RangeInclusive<usize>>> = vec![vec![]; sizes.len()];
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(wanted[i].block.bytes), *wanted[i].bound.start()));
    let mut places = vec![0; wanted.len()];
    for i in order {
        let (bytes, bound) = (wanted[i].block.bytes, &wanted[i].bound);
        let free = |at: usize| taken[at].iter().all(|t| t.end() < bound.start() || bound.end() < t.start());
        let fits = (0..sizes.len()).filter(|&at| sizes[at] >= bytes && free(at));
        let place = fits.min_by_key(|&at| sizes[at]).unwrap_or(sizes.len());
        if place == sizes.len() {
            sizes.push(bytes);
            taken.push(vec![]);
        }
        taken[place].push(bound.clone());
        places[i] = place;
    }
    (places, sizes)
}

/// Bytes of the buffers that these blocks take where there are none yet.
pub(super) fn bytes(wanted: &[Lifetime]) -> u64 {
    assign(wanted, vec![]).1.iter().sum()
}

/// When each block of scratch is needed: the first and the last of these dispatches that bind it. Each is given by the
/// tensors that it binds.
pub(super) fn lifetimes<'a>(dispatches: impl Iterator<Item = &'a [(u32, Tensor)]>) -> Vec<Lifetime> {
    let mut found: Vec<Lifetime> = vec![];
    for (i, bound) in dispatches.enumerate() {
        for (_, tensor) in bound.iter().filter(|(_, t)| t.block.shared) {
            match found.iter_mut().find(|l| Rc::ptr_eq(&l.block, &tensor.block)) {
                Some(l) => l.bound = *l.bound.start()..=i,
                None => found.push(Lifetime { block: tensor.block.clone(), bound: i..=i }),
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
        let lifetime =
            |&(bytes, first, last)| Lifetime { block: Block::later("test", bytes), bound: first..=last };
        wanted.iter().map(lifetime).collect()
    }

    #[test]
    fn a_chain_takes_two_buffers() {
        let chain = lifetimes(&[(8, 0, 1), (8, 1, 2), (8, 2, 3), (8, 3, 4)]);
        let places = assign(&chain, vec![]).0;
        assert_eq!(places, [0, 1, 0, 1]);
        assert_eq!(bytes(&chain), 16);
    }

    #[test]
    fn small_ones_go_where_large_ones_were() {
        let wanted = lifetimes(&[(4, 3, 4), (100, 0, 1), (50, 0, 2), (40, 3, 5)]);
        // 40 takes the 50 rather than the 100, which the 4 then has.
        assert_eq!(assign(&wanted, vec![]).0, [0, 0, 1, 1]);
        // 100 takes the 200 that there is, 40 the 45, 50 a new one, in which the 4 follows.
        assert_eq!(assign(&wanted, vec![45, 200]).0, [2, 1, 2, 0]);
    }

    /// Whatever the lifetimes: no two blocks of a buffer are needed at once, every block fits, and no more memory is
    /// taken than without sharing.
    #[test]
    fn no_two_at_once_in_one_place() {
        for case in 0..1000 {
            let draw = |i: u32, n: u32| rng::block(1, Counter { stream: 7, step: case }, i)[0] % n;
            let block = |i| {
                let first = draw(3 * i + 1, 20) as usize;
                (u64::from(1 + draw(3 * i + 3, 100)), first, first + draw(3 * i + 2, 6) as usize)
            };
            let wanted = lifetimes(&(0..draw(0, 30)).map(block).collect::<Vec<_>>());
            let sizes = [30, 60];
            let places = assign(&wanted, sizes.to_vec()).0;
            for (i, a) in wanted.iter().enumerate() {
                if let Some(size) = sizes.get(places[i]) {
                    assert!(a.block.bytes <= *size, "case {case}");
                }
                for (j, b) in wanted.iter().enumerate().skip(i + 1).filter(|(j, _)| places[*j] == places[i]) {
                    let apart = a.bound.end() < b.bound.start() || b.bound.end() < a.bound.start();
                    assert!(apart, "case {case}: {i} and {j}");
                }
            }
            let alone: u64 = wanted.iter().map(|w| w.block.bytes).sum();
            let live = |t: usize| wanted.iter().filter(|w| w.bound.contains(&t)).map(|w| w.block.bytes).sum();
            let most: u64 = (0..26).map(live).max().unwrap_or(0);
            let taken = bytes(&wanted);
            assert!(most <= taken && taken <= alone, "case {case}: {most} {taken} {alone}");
        }
    }
}
