//! What an adapter has, and whether it computes.

use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::native::BlockOn;
use serde::Serialize;

/// One finding.
#[derive(Debug, Serialize)]
pub struct Check {
    /// The subject.
    pub what: &'static str,
    /// Whether it works.
    pub ok: bool,
    /// Whether nothing can be trained without it.
    pub needed: bool,
    /// What was found, or why it does not work.
    pub detail: String,
}

impl Check {
    /// The finding of a result.
    pub fn new(what: &'static str, needed: bool, result: Result<String>) -> Check {
        match result {
            Ok(detail) => Check { what, ok: true, needed, detail },
            Err(e) => Check { what, ok: false, needed, detail: e.to_string() },
        }
    }
}

/// The command that installs a software adapter, behind [`gpu::install_hint`](crate::gpu::install_hint), or what else is to be
/// done; empty where that says all.
pub fn install_command() -> &'static str {
    if cfg!(all(target_env = "musl", target_feature = "crt-static")) {
        "; and this program, linked statically, can load none: build it with RUSTFLAGS=\"-C target-feature=-crt-static\""
    } else if cfg!(target_os = "linux") {
        " (Debian, Ubuntu: `sudo apt-get install libvulkan1 mesa-vulkan-drivers`)"
    } else {
        ""
    }
}

/// Adds what is found of an adapter: its driver, compiler, features, and the self-test.
///
/// # Errors
/// [`Error::Gpu`] if the self-test fails.
pub fn adapter(gpu: &Gpu, checks: &mut Vec<Check>) -> Result<()> {
    let a = gpu.summary();
    checks.push(Check::new("adapter", true, Ok(format!("{} ({}, {})", a.name, a.kind, a.backend))));
    let advice = a.advice().map_or(String::new(), |advice| format!("\n{advice}"));
    checks.push(Check::new("driver", true, Ok(a.driver_text() + &advice)));
    if let Some(compiler) = a.shader_compiler() {
        checks.push(Check::new("compiler", false, Ok(compiler.to_string())));
    }
    let features = if a.features.is_empty() { "none".into() } else { a.features.join(", ") };
    let features = format!("{features}; subgroups of {} to {}", a.subgroup_min, a.subgroup_max);
    checks.push(Check::new("features", false, Ok(features)));
    let test = crate::ops::self_test(gpu).block_on();
    let failed = test.as_ref().err().map(ToString::to_string);
    checks.push(Check::new("self-test", true, test));
    failed.map_or(Ok(()), |reason| Err(Error::Gpu(format!("the self-test failed: {reason}"))))
}
