//! `metrics.jsonl` and `timing.csv`, which follows after a NUL.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ssgan::app::run::history;

fuzz_target!(|text: &str| {
    let (metrics, timing) = text.split_once('\0').unwrap_or((text, ""));
    let history = history::parse(metrics, timing);
    assert!(history.steps.iter().enumerate().all(|(i, s)| s.step as usize == i + 1));
});
