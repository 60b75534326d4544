//! Files of labels: CSV, or JSON where the text begins with a brace.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ssgan::app::source::images::label_file::{Reading, from_csv, from_json};

fuzz_target!(|text: &str| {
    let _ = if text.starts_with('{') {
        from_json("fuzz", text)
    } else {
        from_csv("fuzz", text, Reading::default())
    };
});
