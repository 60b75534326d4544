//! IDX files, plain and gzipped; the first byte says which kind is expected.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ssgan::app::source::idx::{Kind, read};

fuzz_target!(|bytes: &[u8]| {
    let Some((first, file)) = bytes.split_first() else { return };
    let kind = if first % 2 == 0 { Kind::Images } else { Kind::Labels };
    let _ = read("fuzz", file, file.len() as u64, kind);
});
