//! Configuration files.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(settings) = ssgan::app::cli::check_settings(text, "fuzz") {
        let settings = settings.train;
        let _ = (
            settings.steps_per_epoch(100, 60_000),
            settings.learning_rate_factor(7, 100),
            settings.ramp(7, 10),
        );
    }
});
