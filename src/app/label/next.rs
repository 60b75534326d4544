//! Which images to label next: those that no image is like that was labelled as what they are taken for.
//!
//! A classifier that has seen few labels is sure of whole groups that it is wrong about: a way of writing a one that none of the
//! labelled ones has is a two to it, with a confidence of 0.97. What it is unsure of is mostly what nobody could read. So an
//! image is asked for by its distance to the nearest image that was labelled as what it is taken for, or that was given no
//! label: the farthest are the candidates. In the features of the layer before the logits, scaled to length 1, they are put
//! into as many clusters as images are wanted, and of each cluster the middle is chosen, so that a group is asked for once and
//! what stands alone last: the coverage of core-sets (Sener & Savarese 2018, "Active learning for convolutional neural
//! networks") and the typical images of TypiClust (Hacohen, Dekel & Weinshall 2022, "Active learning on a budget"). Where no
//! image has a label, the candidates are those with the smallest margin between the two most probable classes (Scheffer et al.
//! 2001, "Active hidden Markov models for information extraction"). A copy of what somebody looked at is none.

use std::cmp::Reverse;
use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::packed;
use super::sheet::{Entry, thumbnail, thumbnail_bytes};
use super::verdict::{Status, Verdict};
use crate::data::{k_means, squared_distance};
use crate::shape::Dims;
use crate::text::hex;

/// Candidates for each image that is wanted. On MNIST, twenty wanted of 60,000 by two classifiers that are wrong about 1.5 %:
/// of 15, 30 and 60 each 7, 9 and 4 of forty suggestions were images that they are wrong about.
const CANDIDATES: usize = 30;

/// Of so many images without a label one is a candidate, where that makes fewer: else what is known best would be among the
/// candidates of a small folder, and its group the largest.
const ONE_OF: usize = 10;

/// Candidates for each image that is wanted, however few images there are.
const LEAST: usize = 3;

/// Bytes that all candidates may take, and the features of the labelled images as much.
const BYTES: usize = 32 << 20;

/// Bytes of a candidate besides its features and its thumbnail, about.
const TEXT: usize = 300;

/// Images of a class, and of those that were given none, that others are compared with, at most.
const KNOWN: usize = 200;

/// Two images whose unit features are no further apart, squared, are near-twins: a cosine of 0.9995.
const TWIN: f32 = 1e-3;

/// The same images give the same clusters.
const SEED: u64 = 1;

/// What the images are like that somebody looked at.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Known {
    /// Of each class features of length 1.
    classes: Vec<Vec<Vec<f32>>>,
    /// Of those that were given no label, which are none of any class.
    no_label: Vec<Vec<f32>>,
    /// SHA-256 of the pixels of all of them.
    hashes: HashSet<[u8; 32]>,
}

impl Known {
    /// How many images of each of K classes, and of those that were given none, are looked at, of F features.
    pub fn most(features: usize, classes: usize) -> usize {
        (BYTES / (features * size_of::<f32>()).max(1) / (classes + 1)).clamp(1, KNOWN)
    }

    /// One that somebody gave this class.
    pub fn add(&mut self, class: usize, features: &[f32]) {
        if self.classes.len() <= class {
            self.classes.resize(class + 1, vec![]);
        }
        self.classes[class].push(unit(features));
    }

    /// One that somebody gave no label.
    pub fn add_no_label(&mut self, features: &[f32]) {
        self.no_label.push(unit(features));
    }

    /// What pixels with these hashes show, somebody has said.
    pub fn add_hashes(&mut self, hashes: Vec<[u8; 32]>) {
        self.hashes.extend(hashes);
    }

    /// Whether no image has a label.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// From unit features the squared distance to the nearest of that class, where it has none, to the nearest of all, or to the
    /// nearest without a label, if that is nearer. `None` if no image has a label.
    fn distance(&self, class: usize, features: &[f32]) -> Option<f32> {
        let nearest =
            |images: &[Vec<f32>]| images.iter().map(|f| squared_distance(f, features)).reduce(f32::min);
        let own = self.classes.get(class).and_then(|images| nearest(images));
        let all = || self.classes.iter().filter_map(|images| nearest(images)).reduce(f32::min);
        let labelled = own.or_else(all)?;
        Some(nearest(&self.no_label).map_or(labelled, |other| other.min(labelled)))
    }
}

/// An image that may be chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Candidate {
    /// With a thumbnail where there is a page.
    pub entry: Entry,
    /// How much its label would say.
    worth: f64,
    /// Of length 1, or all 0.
    #[serde(with = "packed::floats")]
    features: Vec<f32>,
    /// SHA-256 of its pixels.
    hash: String,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Next<'a> {
    /// The images, those of the largest clusters first.
    pub asked: Vec<Asked<'a>>,
    /// Whether they were compared with labelled images; else they are the least sure ones.
    pub compared: bool,
}

/// An image that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked<'a> {
    pub candidate: &'a Candidate,
    /// Candidates of its cluster.
    pub alike: usize,
}

/// The images whose labels would say most, no two with the same pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Pool {
    wanted: usize,
    /// The size of the images, where they are to be shown.
    shown: Option<Dims>,
    /// Images without a label so far.
    seen: usize,
    /// By worth, the most first.
    candidates: Vec<Candidate>,
}

impl Pool {
    /// For `wanted` images.
    pub fn new(wanted: usize, shown: Option<Dims>) -> Pool {
        Pool { wanted, shown, seen: 0, candidates: vec![] }
    }

    /// Whether it has images of K classes alone, with as many features each.
    pub fn fits(&self, classes: usize) -> bool {
        let width = self.candidates.first().map_or(0, |c| c.features.len());
        self.candidates.iter().all(|c| c.entry.fits(classes) && c.features.len() == width)
    }

    /// Keeps an image that nobody has looked at, nor at a copy of it, if its label would say as much as those that are kept.
    pub fn add(&mut self, path: &str, verdict: &Verdict, features: &[f32], pixels: &[u8], known: &Known) {
        if matches!(verdict.status, Status::Given | Status::Other) {
            return;
        }
        let features = unit(features);
        let worth = known.distance(verdict.label, &features).map_or(1.0 - verdict.margin(), f64::from);
        self.seen += 1;
        let place = self.candidates.partition_point(|c| c.worth >= worth);
        let most = self.most(features.len());
        if place >= most {
            return;
        }
        let digest: [u8; 32] = Sha256::digest(pixels).into();
        let hash = hex(&digest);
        if known.hashes.contains(&digest) || self.candidates.iter().any(|c| c.hash == hash) {
            return;
        }
        self.candidates.truncate(most - 1);
        let entry = Entry::of(path, verdict, self.shown.map_or(vec![], |image| thumbnail(pixels, image)));
        self.candidates.insert(place, Candidate { entry, worth, features, hash });
    }

    /// Candidates, of F features.
    fn most(&self, features: usize) -> usize {
        let shown = self.shown.map_or(0, thumbnail_bytes);
        let bytes = features * size_of::<f32>() + shown + TEXT;
        self.wanted.saturating_mul(CANDIDATES).min(BYTES / bytes).max(1)
    }

    /// At most so many images as are wanted, those of the largest clusters first; fewer where there are no more that differ.
    pub fn choose(&self) -> Vec<Asked<'_>> {
        let some = (self.seen / ONE_OF).max(self.wanted.saturating_mul(LEAST)).min(self.candidates.len());
        let candidates = &self.candidates[..some];
        let width = candidates.first().map_or(0, |c| c.features.len());
        if width == 0 {
            let first = candidates.iter().take(self.wanted);
            return first.map(|candidate| Asked { candidate, alike: 1 }).collect();
        }
        let rows: Vec<f32> = candidates.iter().flat_map(|c| &c.features).copied().collect();
        let mut middles = k_means(&rows, width, self.wanted, SEED).middles();
        // Of equally large ones the one whose label says most.
        middles.sort_by_key(|&(row, rows)| (Reverse(rows), row));
        let mut asked: Vec<Asked<'_>> = vec![];
        for (row, alike) in middles {
            let candidate = &candidates[row];
            let twin =
                |other: &Asked<'_>| squared_distance(&other.candidate.features, &candidate.features) <= TWIN;
            if !asked.iter().any(twin) {
                asked.push(Asked { candidate, alike });
            }
        }
        asked
    }
}

fn unit(features: &[f32]) -> Vec<f32> {
    let length = features.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let scale = if length.is_normal() { 1.0 / length } else { 0.0 };
    features.iter().map(|&v| if scale == 0.0 { 0.0 } else { (f64::from(v) * scale) as f32 }).collect()
}

#[cfg(test)]
#[path = "next_tests.rs"]
mod tests;
