//! What is kept between runs: downloads, and what was measured of an adapter.

use crate::app::{atomic, text};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, shader_hash};
use crate::text::hex;
use etcetera::BaseStrategy;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The cache folder: `SSGAN_CACHE_DIR` if set, else `ssgan` in the platform's cache folder (on Linux
/// `$XDG_CACHE_HOME` or `~/.cache`). Not created here.
///
/// # Errors
/// [`Error::Usage`] if there is no home folder and the variable is not set.
pub fn dir() -> Result<PathBuf> {
    match std::env::var_os("SSGAN_CACHE_DIR") {
        Some(dir) if !dir.is_empty() => Ok(PathBuf::from(dir)),
        _ => etcetera::base_strategy::choose_native_strategy()
            .map(|s| s.cache_dir().join("ssgan"))
            .map_err(|e| Error::Usage(format!("no cache folder ({e}): set SSGAN_CACHE_DIR to one"))),
    }
}

/// Where the measurements `what` of an adapter are kept: one file for each adapter, driver and text of the shaders; of a software
/// adapter for each number of threads and processor, too.
/// `also` is what else they depend on. `None` without a cache folder.
pub fn adapter_file(gpu: &Gpu, what: &str, also: &str) -> Option<PathBuf> {
    let s = gpu.summary();
    let mut h = Sha256::new();
    // A software adapter is as fast as the machine under it, of which its name tells nothing.
    let threads = std::thread::available_parallelism().map_or(0, usize::from);
    let asked = std::env::var("LP_NUM_THREADS").unwrap_or_default();
    let machine = if s.is_software() { format!("{threads} {asked} {}", processor()) } else { String::new() };
    let shaders = shader_hash();
    for part in [&s.name, &s.backend, &s.driver, &s.driver_info, &shaders, &machine, also] {
        h.update(part.as_bytes());
        h.update([0]);
    }
    let key = hex(&h.finalize()[..8]);
    Some(dir().ok()?.join(what).join(format!("{key}.json")))
}

/// The processor's name, where the system tells it in a file, as Linux does on x86: a cache may be taken to another machine, as
/// from job to job in CI.
fn processor() -> String {
    let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    told.lines().find(|line| line.starts_with("model name")).unwrap_or_default().to_string()
}

/// What is kept in `file`; `None` where it cannot be read or makes no sense.
pub fn read<T: DeserializeOwned>(file: &Path) -> Option<T> {
    serde_json::from_slice(&text::bytes(file, text::MAX_RECORD).ok()?).ok()
}

/// Keeps `value` in `file`. A cache that cannot be written is passed over.
pub fn write<T: Serialize>(file: &Path, value: &T) {
    if let Ok(text) = serde_json::to_string_pretty(value) {
        let _ = file.parent().map(std::fs::create_dir_all);
        let _ = atomic::write(file, text.as_bytes());
    }
}
