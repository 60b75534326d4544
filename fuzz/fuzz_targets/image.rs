//! Pictures of every format that is read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ssgan::app::source::images::decode::decode;

fuzz_target!(|bytes: &[u8]| {
    let _ = decode(bytes);
});
