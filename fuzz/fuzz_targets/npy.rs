//! NumPy arrays.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ssgan::app::source::packed::npz::npy;

fuzz_target!(|bytes: &[u8]| {
    let _ = npy(bytes);
});
