//! Where tests count open devices, lose one, at the `n`-th submission of this thread, cannot open it again, run out of its memory,
//! find that it binds little at once, take it for a slow one, divide what is dispatched, have it pass over submissions, or have wgpu
//! panic while it is waited for.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

thread_local! {
    /// Submissions until the next loss, and from each loss to the one after.
    static LEFT: RefCell<VecDeque<u32>> = const { RefCell::new(VecDeque::new()) };
    /// Bytes that there are.
    static MEMORY: Cell<u64> = const { Cell::new(u64::MAX) };
    /// Bytes of the largest binding.
    static BINDING: Cell<u64> = const { Cell::new(u64::MAX) };
    /// How much slower devices are than they seem.
    static SLOWNESS: Cell<f64> = const { Cell::new(1.0) };
    /// Operations of the largest dispatch.
    static LARGEST: Cell<u64> = const { Cell::new(u64::MAX) };
    /// Lost devices that will not open again.
    static REFUSED: Cell<u32> = const { Cell::new(0) };
    /// Submissions until those that are passed over, and how many these are.
    static IGNORED: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
    /// Devices that are open.
    static OPEN: Cell<u32> = const { Cell::new(0) };
    /// What the next wait panics with.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// An open device.
#[derive(Debug)]
pub struct Alive;

impl Alive {
    pub fn new() -> Alive {
        OPEN.set(OPEN.get() + 1);
        Alive
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        OPEN.set(OPEN.get() - 1);
    }
}

/// Devices of this thread that are open.
pub fn open() -> u32 {
    OPEN.get()
}

/// After so many submissions of this thread, the device does so many not, and says that it has.
pub fn ignore(after: u32, count: u32) {
    IGNORED.set((after, count));
}

pub(super) fn ignored() -> bool {
    let (after, count) = IGNORED.get();
    let now = after == 0 && count > 0;
    IGNORED.set((after.saturating_sub(1), if now { count - 1 } else { count }));
    now
}

/// The next wait of this thread for a device panics with `text`.
pub fn panics(text: &str) {
    PANIC.set(Some(text.into()));
}

/// Whether it has.
pub fn panicked() -> bool {
    PANIC.with_borrow(Option::is_none)
}

/// Such a wait.
pub fn wait() {
    if let Some(text) = PANIC.take() {
        panic!("{text}");
    }
}

/// So many attempts of this thread to open a lost device again fail.
pub fn refuse(devices: u32) {
    REFUSED.set(devices);
}

pub(super) fn refused() -> bool {
    REFUSED.replace(REFUSED.get().saturating_sub(1)) > 0
}

/// Devices opened by this thread have so many bytes.
pub fn memory(bytes: u64) {
    MEMORY.set(bytes);
}

/// Devices bind at most so many bytes to this thread's kernels.
pub fn bind(bytes: u64) {
    BINDING.set(bytes);
}

pub(super) fn binding() -> u64 {
    BINDING.get()
}

/// This thread's devices are so many times as slow as they seem.
pub fn slow(times: f64) {
    SLOWNESS.set(times);
}

pub(super) fn slowness() -> f64 {
    SLOWNESS.get()
}

/// This thread's products are divided into dispatches of so few operations.
pub fn divide(largest: u64) {
    LARGEST.set(largest);
}

pub(super) fn largest() -> u64 {
    LARGEST.get()
}

pub(super) fn exceeds(bytes: u64) -> bool {
    bytes > MEMORY.get()
}

/// Loses the device at these submissions from now on, each counted from the loss before.
pub fn at(submissions: impl IntoIterator<Item = u32>) {
    LEFT.set(submissions.into_iter().collect());
}

/// Losses that are still to come.
pub fn left() -> usize {
    LEFT.with_borrow(VecDeque::len)
}

pub(super) fn point() -> bool {
    LEFT.with_borrow_mut(|left| match left.front_mut() {
        Some(0) => left.pop_front().is_some(),
        Some(n) => {
            *n -= 1;
            false
        }
        None => false,
    })
}
