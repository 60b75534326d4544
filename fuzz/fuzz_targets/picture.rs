//! PNG pictures of a run, as the report's page takes them up.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ssgan::app::report::png::Picture;
use std::io::Cursor;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(p) = Picture::read(Path::new("fuzz"), Cursor::new(bytes)) {
        assert_eq!(p.pixels.len(), p.width as usize * p.height as usize * p.channels as usize);
    }
});
