//! Decoded images of the last start, so that the next one reads a file instead of thousands.
//!
//! A file for each set: a line that says what it is, the length of a head and the head as JSON, the pixels, and SHA-256 of
//! all that. Its name is a hash of all that the pixels depend on: the folder, each image's path, size and times, and the
//! choice of size, fit and channels. A folder that has changed has another name; a file that is damaged is removed.
//! Labels are not in it: giving one does not decode anything anew.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::decode::Unread;
use super::found::{Found, Stamp};
use super::policy::{Choice, Policy};
use super::set::Decoded;
use crate::app::atomic;
use crate::text::hex;

/// The first line. Another version of the program may decode to other pixels.
const MAGIC: &str = concat!("ssgan images 1, ", env!("CARGO_PKG_VERSION"), "\n");

const ENDING: &str = "images";

/// Largest head, in bytes.
const MAX_HEAD: u64 = 64 << 20;

/// Most bytes of one set.
const MAX_SET: u64 = 4 << 30;

/// Most bytes of all sets together; the ones that nobody has read for longest go first.
const MAX_ALL: u64 = 8 << 30;

#[derive(Serialize, Deserialize)]
struct Head {
    policy: Policy,
    images: usize,
    failed: BTreeMap<usize, String>,
    notes: Vec<String>,
    pixels: u64,
}

/// The name of a set; `None` where the system does not tell when the files were written.
pub fn key(found: &Found, choice: &Choice) -> Option<String> {
    let mut hash = Sha256::new();
    let mut field = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    field(MAGIC.as_bytes());
    field(format!("{choice:?}").as_bytes());
    field(dunce::canonicalize(&found.root).ok()?.as_os_str().as_encoded_bytes());
    for image in &found.images {
        field(image.path.as_os_str().as_encoded_bytes());
        field(&image.bytes.to_le_bytes());
        let Stamp { modified, changed } = image.stamp?;
        field(&modified.to_le_bytes());
        changed.iter().for_each(|part| field(&part.to_le_bytes()));
    }
    Some(hex(&hash.finalize()[..16]))
}

fn path(folder: &Path, key: &str) -> PathBuf {
    folder.join(format!("{key}.{ENDING}"))
}

/// The set of that name, of `images` images; `None` where there is none. One that is damaged is removed.
pub fn read(folder: &Path, key: &str, images: usize) -> Option<Decoded> {
    let path = path(folder, key);
    let file = File::open(&path).ok()?;
    match read_whole(&file, images) {
        Some(decoded) => {
            // The ones that are used stay.
            let _ = File::options().append(true).open(&path).and_then(|f| f.set_modified(SystemTime::now()));
            Some(decoded)
        }
        None => {
            let _ = std::fs::remove_file(&path);
            None
        }
    }
}

/// `None`: damaged.
fn read_whole(file: &File, images: usize) -> Option<Decoded> {
    let length = file.metadata().ok()?.len();
    let mut input = BufReader::with_capacity(1 << 16, file);
    let mut start = vec![0; MAGIC.len() + 8];
    input.read_exact(&mut start).ok()?;
    let (magic, head_length) = start.split_at(MAGIC.len());
    let head_length = u64::from_le_bytes(head_length.try_into().ok()?);
    if magic != MAGIC.as_bytes() || head_length > MAX_HEAD.min(length) {
        return None;
    }
    let mut head_bytes = vec![0; head_length as usize];
    input.read_exact(&mut head_bytes).ok()?;
    let head: Head = serde_json::from_slice(&head_bytes).ok()?;
    let whole = (start.len() as u64).checked_add(head_length)?.checked_add(head.pixels)?.checked_add(32)?;
    head.policy.check().ok()?;
    let read = images.checked_sub(head.failed.len())?;
    let size = u64::from(head.policy.dims().len());
    if whole != length || head.images != images || size.checked_mul(read as u64)? != head.pixels {
        return None;
    }
    let mut pixels = vec![0; head.pixels as usize];
    input.read_exact(&mut pixels).ok()?;
    let mut written = [0; 32];
    input.read_exact(&mut written).ok()?;
    let mut hash = Sha256::new();
    [&start[..], &head_bytes, &pixels].into_iter().for_each(|part| hash.update(part));
    if hash.finalize()[..] != written {
        return None;
    }
    let failed = head.failed.into_iter().map(|(i, reason)| (i, Unread::Content(reason))).collect();
    Some(Decoded { policy: head.policy, pixels, failed, notes: head.notes })
}

/// Keeps a set; why it is not kept where it is not. Files that the system did not let read may be there again at the next start.
pub fn write(folder: &Path, key: &str, decoded: &Decoded) -> Option<String> {
    let bytes = decoded.pixels.len() as u64;
    if decoded.failed.values().any(|reason| matches!(reason, Unread::System(_))) {
        return Some("the system did not let some of them be read".into());
    }
    if bytes > MAX_SET {
        return Some(format!("at this size they take more than {} GiB", MAX_SET >> 30));
    }
    if let Err(e) = std::fs::create_dir_all(folder) {
        return Some(format!("{}: {e}", folder.display()));
    }
    atomic::sweep(folder, atomic::LEFT);
    make_room(folder, bytes, MAX_ALL);
    let read = bytes / u64::from(decoded.policy.dims().len()).max(1);
    let head = Head {
        policy: decoded.policy,
        images: read as usize + decoded.failed.len(),
        failed: decoded.failed.iter().map(|(&i, reason)| (i, reason.to_string())).collect(),
        notes: decoded.notes.clone(),
        pixels: bytes,
    };
    let head = match serde_json::to_vec(&head) {
        Ok(head) => head,
        Err(e) => return Some(e.to_string()),
    };
    let length = (head.len() as u64).to_le_bytes();
    let parts = [MAGIC.as_bytes(), &length, &head, &decoded.pixels];
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    let hash = hash.finalize();
    let written = atomic::write_with(&path(folder, key), |w| {
        parts.iter().try_for_each(|part| w.write_all(part))?;
        w.write_all(&hash)
    });
    written.err().map(|e| e.to_string())
}

/// Removes the sets that nobody has read for longest, until `bytes` more are at most `most`.
fn make_room(folder: &Path, bytes: u64, most: u64) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let sets = entries.flatten().filter_map(|e| {
        let metadata = e.metadata().ok()?;
        let own = e.path().extension().is_some_and(|x| x == ENDING) && metadata.is_file();
        own.then_some((metadata.modified().ok()?, metadata.len(), e.path()))
    });
    let mut sets: Vec<_> = sets.collect();
    sets.sort();
    let mut all = bytes + sets.iter().map(|(_, len, _)| len).sum::<u64>();
    for (_, len, path) in sets {
        if all <= most {
            break;
        }
        if std::fs::remove_file(&path).is_ok() {
            all -= len;
        }
    }
}

#[cfg(test)]
#[path = "decoded_cache_tests.rs"]
mod tests;
