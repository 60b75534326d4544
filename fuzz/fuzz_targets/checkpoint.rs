//! Checkpoints: header, tensors, checksum.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ssgan::train::checkpoint::Checkpoint;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(checkpoint) = Checkpoint::parse(bytes) {
        // No tensor has values that were not in the file.
        let values: usize = checkpoint.tensors.iter().map(|t| t.values.len()).sum();
        assert!(4 * values <= bytes.len());
    }
});
