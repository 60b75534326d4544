//! Where a trainer keeps what.

/// Where a step keeps its activations and gradients. The results are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scratch {
    /// In memory that other tensors have used before and nothing needs any more.
    Shared,
    /// In memory of its own, so that it can be read after the step.
    Kept,
}

/// Where the training images are. The results are the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Images {
    /// In GPU memory while there is room, else in main memory.
    #[default]
    Auto,
    /// In GPU memory, in buffers as large as the adapter binds.
    Device,
    /// In GPU memory, in buffers of at most so many bytes.
    Blocks(u64),
    /// In main memory: a step's minibatches are handed over before it.
    Host,
}

/// Where a trainer keeps what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storage {
    /// What a step makes.
    pub scratch: Scratch,
    /// What it draws from.
    pub images: Images,
}

impl From<Scratch> for Storage {
    fn from(scratch: Scratch) -> Storage {
        Storage { scratch, images: Images::default() }
    }
}
