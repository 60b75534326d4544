//! Finds the files of a data set: in a folder of the user, in the cache, or on a mirror. A download goes
//! to a temporary file beside its destination and takes its name only once its hash is right.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::catalog::{Published, Source};
use super::{Listener, hex_sha256, idx};
use crate::app::atomic;
use crate::app::cache;
use crate::app::text;
use crate::error::{Error, Result};
use crate::text::hex;

/// The spellings a file goes by: as published, with the dot that some tools unpack to, each also gzipped.
pub fn spellings(name: &str) -> [String; 4] {
    let dotted = name.replacen("-idx", ".idx", 1);
    [name.to_string(), format!("{name}.gz"), dotted.clone(), format!("{dotted}.gz")]
}

/// Path of a file in `dir`, if it is there in any spelling.
pub(super) fn find(dir: &Path, file: &Published) -> Option<PathBuf> {
    spellings(file.name).iter().map(|s| dir.join(s)).find(|p| p.is_file())
}

/// Where in `dir` each file of `source` is, in its order.
///
/// # Errors
/// [`Error::Data`] naming the folder and all that is missing.
pub fn locate(source: &Source, dir: &Path) -> Result<[PathBuf; 4]> {
    if !dir.is_dir() {
        return Err(Error::Data(format!(
            "{}: no such folder: name the one of {}'s four IDX files, such as {}",
            dir.display(),
            source.name,
            source.files[0].name
        )));
    }
    let found = source.files.map(|f| find(dir, &f));
    match found {
        [Some(a), Some(b), Some(c), Some(d)] => Ok([a, b, c, d]),
        [None, None, None, None] => Err(Error::Data(format!(
            "{}: none of {}'s four IDX files is there, such as {} or {2}.gz; leave --data-dir out to use the cache or a download",
            dir.display(),
            source.name,
            source.files[0].name
        ))),
        _ => {
            let missing = source.files.iter().zip(&found).filter(|(_, at)| at.is_none());
            let missing: Vec<&str> = missing.map(|(f, _)| f.name).collect();
            Err(Error::Data(format!(
                "{}: missing {}, plain or as .gz: put them there, or leave --data-dir out to use the cache or a download",
                dir.display(),
                missing.join(", ")
            )))
        }
    }
}

/// Makes sure that the published files are in the cache folder of `source`, which is returned; downloads
/// what is missing or damaged unless `offline`.
///
/// # Errors
/// [`Error::Data`] if something is missing and `offline`; [`Error::Download`] with every mirror's reason;
/// [`Error::Io`] if the cache folder cannot be written.
pub fn ensure(source: &Source, offline: bool, progress: &mut dyn Listener) -> Result<PathBuf> {
    let dir = cache::dir()?.join(source.name);
    let agent = (!offline).then(|| agent(true));
    ensure_in(&dir, source, source.mirrors, agent.as_ref(), progress)?;
    Ok(dir)
}

/// [`ensure`] with everything given: no agent, no connection.
fn ensure_in(
    dir: &Path,
    source: &Source,
    mirrors: &[&str],
    agent: Option<&ureq::Agent>,
    progress: &mut dyn Listener,
) -> Result<()> {
    for file in &source.files {
        let found = find(dir, file);
        let problem = match &found {
            Some(path) => match verify(path, file)? {
                None => continue,
                Some(reason) => format!("{}: {reason}", path.display()),
            },
            None => format!("{} is not in {}", file.name, dir.display()),
        };
        let Some(agent) = agent else {
            return Err(Error::Data(format!(
                "{problem} (--offline): run `ssgan data fetch --dataset {}` with a network, or name a folder with \
                 --data-dir",
                source.name
            )));
        };
        let target = download(dir, file, mirrors, agent, progress)?;
        // A damaged file of another spelling would be found first, again and again.
        if let Some(old) = found.filter(|old| *old != target) {
            atomic::remove(&old)?;
        }
    }
    Ok(())
}

/// An HTTP client that gives up on hosts that do not answer or stall. `proxy`: whether the environment's
/// proxy settings are followed.
fn agent(proxy: bool) -> ureq::Agent {
    let mut config = ureq::Agent::config_builder()
        .user_agent(concat!("ssgan/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(Duration::from_secs(30)))
        .timeout_per_read(Some(Duration::from_secs(30)))
        .timeout_global(Some(Duration::from_secs(1800)));
    if !proxy {
        config = config.proxy(None);
    }
    config.build().into()
}

/// Why a mirror did not deliver: its own fault, so that the next is tried, or this machine's.
enum Failure {
    Mirror(String),
    Local(Error),
}

/// Downloads one file into `dir` from the first mirror that serves the right bytes; returns its path.
fn download(
    dir: &Path,
    file: &Published,
    mirrors: &[&str],
    agent: &ureq::Agent,
    progress: &mut dyn Listener,
) -> Result<PathBuf> {
    std::fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
    atomic::sweep(dir, atomic::LEFT);
    let target = dir.join(format!("{}.gz", file.name));
    let mut reasons = String::new();
    for mirror in mirrors {
        let url = format!("{mirror}{}.gz", file.name);
        progress.start(&url, Some(file.gz_bytes));
        let attempt = download_from(&url, file, &target, agent, progress);
        progress.finish();
        match attempt {
            Ok(()) => return Ok(target),
            Err(Failure::Local(e)) => return Err(e),
            Err(Failure::Mirror(reason)) => reasons.push_str(&format!("\n  {url}: {reason}")),
        }
    }
    Err(Error::Download(format!(
        "no mirror delivered {}.gz: without a network, name a folder that has it with --data-dir, or use --dataset digits, \
         which needs none; behind a proxy, set HTTPS_PROXY{reasons}",
        file.name
    )))
}

fn download_from(
    url: &str,
    file: &Published,
    target: &Path,
    agent: &ureq::Agent,
    progress: &mut dyn Listener,
) -> std::result::Result<(), Failure> {
    let local = |action| move |e| Failure::Local(Error::io(action, target)(e));
    let mirror = |e: &dyn std::fmt::Display| Failure::Mirror(e.to_string());
    let mut body = agent.get(url).call().map_err(|e| mirror(&e))?.into_body().into_reader();
    let mut temporary = atomic::temporary_beside(target).map_err(local("create"))?;
    // Room for the same bytes compressed less well, but not for an endless answer.
    let limit = 2 * file.gz_bytes + (1 << 16);
    let mut hash = Sha256::new();
    let mut received = 0;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) => return Err(Failure::Mirror(format!("cut after {received} bytes: {e}"))),
        };
        received += n as u64;
        if received > limit {
            return Err(Failure::Mirror(format!("sends more than {limit} bytes")));
        }
        hash.update(&buffer[..n]);
        temporary.write_all(&buffer[..n]).map_err(local("write"))?;
        progress.advance(n as u64);
    }
    let served = hex(&hash.finalize());
    if served != file.gz_sha256 && !unpacks_to_published(temporary.path(), file).map_err(Failure::Local)? {
        return Err(Failure::Mirror(format!(
            "wrong content: {received} bytes of SHA-256 {served}, expected {} bytes of {}",
            file.gz_bytes, file.gz_sha256
        )));
    }
    atomic::keep(temporary, target).map_err(local("write"))
}

/// Why the file is not the published one, as served or unpacked or compressed anew; `None` if it is.
pub(super) fn verify(path: &Path, file: &Published) -> Result<Option<String>> {
    let bytes = std::fs::metadata(path).map_err(Error::io("read", path))?.len();
    if bytes > idx::MAX_BYTES {
        return Ok(Some(format!("{bytes} bytes are more than any published file has")));
    }
    if text::sha256(path)? == file.gz_sha256 || unpacks_to_published(path, file)? {
        return Ok(None);
    }
    Ok(Some("not the published bytes (SHA-256 differs)".into()))
}

/// Whether the file, plain or gzip, holds the published bytes.
fn unpacks_to_published(path: &Path, file: &Published) -> Result<bool> {
    match idx::read_file(path, file.kind) {
        Ok(read) => Ok(hex_sha256(&read.bytes) == file.sha256),
        Err(Error::Data(_)) => Ok(false),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
