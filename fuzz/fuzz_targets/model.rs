//! Model files: layers, shapes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ssgan::model::parse;
use ssgan::model::shape::{DataShape, Dims};

const DATA: DataShape = DataShape { image: Dims { height: 28, width: 28, channels: 1 }, classes: 10 };

fuzz_target!(|text: &str| {
    if let Ok(spec) = parse::parse(text, "fuzz") {
        let _ = parse::check(&spec, text, "fuzz", DATA);
    }
});
