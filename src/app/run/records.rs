//! What a run's folder says of how it was made: `env.json` and `labelled.json`.

use super::config::Resolved;
use super::folder::timestamp;
use super::weights;
use crate::data::Dataset;
use crate::gpu::{AdapterSummary, shader_hash};
use serde::Serialize;
use std::time::SystemTime;

/// `env.json`: where and with what the run was made.
#[derive(Serialize)]
pub(super) struct Environment<'a> {
    program: &'static str,
    version: &'static str,
    wgpu: &'static str,
    shader_hash: String,
    started: String,
    os: &'static str,
    arch: &'static str,
    adapter: &'a AdapterSummary,
    dataset: &'a str,
    dataset_fingerprint: &'a str,
    /// The checkpoint that the run began with the weights of.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a weights::Origin>,
}

impl<'a> Environment<'a> {
    pub fn new(
        adapter: &'a AdapterSummary,
        set: &'a Dataset,
        from: Option<&'a weights::Origin>,
    ) -> Environment<'a> {
        Environment {
            program: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            wgpu: wgpu_version(),
            shader_hash: shader_hash(),
            started: timestamp(SystemTime::now(), false),
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            adapter,
            dataset: &set.name,
            dataset_fingerprint: &set.fingerprint,
            from,
        }
    }
}

/// The version of wgpu that this program was built with, from the lock file; the crate does not tell.
fn wgpu_version() -> &'static str {
    let lock = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock"));
    let mut lines = lock.lines().skip_while(|l| *l != "name = \"wgpu\"").skip(1);
    lines.next().and_then(|l| l.strip_prefix("version = \"")?.strip_suffix('"')).unwrap_or("unknown")
}

/// The file of [`Labelled`].
pub(super) const LABELLED: &str = "labelled.json";

/// `labelled.json`: which training images had a label, by index.
#[derive(Serialize)]
pub(super) struct Labelled<'a> {
    labels: u32,
    label_seed: u64,
    train: &'a [u32],
    validation: &'a [u32],
}

impl<'a> Labelled<'a> {
    pub fn new(resolved: &Resolved, train: &'a [u32], validation: &'a [u32]) -> Labelled<'a> {
        let labels = (train.len() + validation.len()) as u32;
        Labelled { labels, label_seed: resolved.settings.train.label_seed, train, validation }
    }
}
