//! The images that somebody looked at already. `--next` asks for no picture that is among them, and compares the others with
//! some of them.

use std::collections::BTreeMap;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::Given;
use super::inputs::Input;
use crate::app::source::images::Part;
use crate::app::source::images::policy::Policy;

/// Those that others are compared with: of each class of the model, and of what was given no label, at most `most` images to
/// learn from, evenly chosen.
pub fn compared_with(looked_at: &[Input], most: usize) -> Vec<Input> {
    let mut groups: BTreeMap<Option<u16>, Vec<&Input>> = BTreeMap::new();
    for image in looked_at.iter().filter(|image| image.part == Part::Train) {
        match image.given {
            Given::Class(class) => groups.entry(Some(class)).or_default().push(image),
            Given::NoLabel => groups.entry(None).or_default().push(image),
            // A class that the model does not know yet gains by more images like it.
            Given::Other(_) | Given::Nothing => {}
        }
    }
    let evenly = |all: Vec<&Input>| {
        let n = all.len().min(most);
        (0..n).map(|i| all[i * all.len() / n].clone()).collect::<Vec<_>>()
    };
    groups.into_values().flat_map(evenly).collect()
}

/// SHA-256 of the pixels of each that can be read, as the network sees them.
pub fn hashes(looked_at: &[Input], policy: Policy) -> Vec<[u8; 32]> {
    let hash = |image: &Input| -> Option<[u8; 32]> { Some(Sha256::digest(image.read(policy).ok()?).into()) };
    looked_at.par_iter().filter_map(hash).collect()
}
