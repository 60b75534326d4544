//! Which images to label next.
//!
//! Of each predicted class the images with the smallest margin between the two most probable classes are kept (Scheffer et al.
//! 2001, "Active hidden Markov models for information extraction"). Of these, images are chosen one after another: the
//! one whose uncertainty times squared distance to the nearest chosen one is largest, in the features of the layer before the
//! logits, scaled to length 1. That is the greedy cover of core-sets (Sener & Savarese 2018, "Active learning for
//! convolutional neural networks") weighted by uncertainty, as in BADGE (Ash et al. 2020, "Deep batch active learning by
//! diverse, uncertain gradient lower bounds"), whose k-means++ draws in proportion where this takes the largest: the same
//! images give the same choice. No class gets more than its share while others have any left.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::packed;
use super::verdict::{Status, Verdict};
use crate::text::hex;

/// Images that are kept for each one wanted.
const CANDIDATES: usize = 20;

/// Bytes that all features that are kept may take.
const FEATURES: usize = 32 << 20;

/// Bytes of a candidate besides its features, about.
const TEXT: usize = 300;

/// Two images whose unit features are no further apart, squared, are near-twins: a cosine of 0.9995.
const TWIN: f64 = 1e-3;

/// The largest squared distance between unit vectors.
const FARTHEST: f64 = 4.0;

/// An image that may be chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Candidate {
    pub path: String,
    pub predicted: usize,
    pub confidence: f64,
    margin: f64,
    /// Of length 1, or all 0.
    #[serde(with = "packed::floats")]
    features: Vec<f32>,
    /// SHA-256 of its pixels.
    pixels: String,
}

/// The least sure images of each predicted class, no two with the same pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Pool {
    wanted: usize,
    /// Of each class, by margin.
    classes: Vec<Vec<Candidate>>,
}

impl Pool {
    /// For `wanted` images of K classes.
    pub fn new(wanted: usize, classes: usize) -> Pool {
        Pool { wanted, classes: vec![Vec::new(); classes] }
    }

    /// Whether it is of K classes, and has images of no others.
    pub fn fits(&self, classes: usize) -> bool {
        self.classes.len() == classes && self.classes.iter().flatten().all(|c| c.predicted < classes)
    }

    /// Keeps an image without a label if it is among the least sure.
    pub fn add(&mut self, path: &str, verdict: &Verdict, features: &[f32], pixels: &[u8]) {
        if verdict.status == Status::Given {
            return;
        }
        let most = self.most(features.len());
        let Some(kept) = self.classes.get_mut(verdict.label) else { return };
        let margin = verdict.margin();
        let place = kept.partition_point(|c| c.margin <= margin);
        if place >= most {
            return;
        }
        let pixels = hex(&Sha256::digest(pixels));
        if kept.iter().any(|c| c.pixels == pixels) {
            return;
        }
        kept.truncate(most - 1);
        let (predicted, confidence) = (verdict.label, verdict.confidence);
        let features = unit(features);
        kept.insert(place, Candidate { path: path.into(), predicted, confidence, margin, features, pixels });
    }

    /// Candidates of a class, of F features.
    fn most(&self, features: usize) -> usize {
        let bytes = features * size_of::<f32>() + TEXT;
        let all = (self.wanted.saturating_mul(CANDIDATES)).min(FEATURES / bytes);
        all.div_ceil(self.classes.len().max(1)).max(1)
    }

    /// At most so many images as are wanted, the most useful first; fewer where there are no more that differ.
    pub fn choose(&self) -> Vec<&Candidate> {
        let pool: Vec<&Candidate> = self.classes.iter().flatten().collect();
        let present = self.classes.iter().filter(|c| !c.is_empty()).count();
        let share = self.wanted.div_ceil(present.max(1));
        let mut chosen = Choice::of(&pool, self.classes.len());
        while chosen.places.len() < self.wanted {
            let Some(place) = chosen.best(Some(share)).or_else(|| chosen.best(None)) else { break };
            chosen.take(place);
        }
        chosen.places.iter().map(|&place| pool[place]).collect()
    }
}

/// What has been chosen of a pool.
struct Choice<'a> {
    pool: &'a [&'a Candidate],
    places: Vec<usize>,
    taken: HashSet<usize>,
    per_class: Vec<usize>,
    /// From each candidate the squared distance to the nearest chosen one.
    nearest: Vec<f64>,
}

impl<'a> Choice<'a> {
    fn of(pool: &'a [&'a Candidate], classes: usize) -> Choice<'a> {
        let nearest = vec![FARTHEST; pool.len()];
        Choice { pool, places: Vec::new(), taken: HashSet::new(), per_class: vec![0; classes], nearest }
    }

    /// The most useful one left, of a class of which fewer than `share` are chosen.
    fn best(&self, share: Option<usize>) -> Option<usize> {
        let free = |i: &usize| {
            let room = share.is_none_or(|share| self.per_class[self.pool[*i].predicted] < share);
            room && self.nearest[*i] > TWIN && !self.taken.contains(i)
        };
        let use_of = |i: usize| (1.0 - self.pool[i].margin) * self.nearest[i];
        (0..self.pool.len()).filter(free).reduce(|best, i| if use_of(i) > use_of(best) { i } else { best })
    }

    fn take(&mut self, place: usize) {
        let chosen = self.pool[place];
        self.places.push(place);
        self.taken.insert(place);
        self.per_class[chosen.predicted] += 1;
        // Without features all are equally far.
        if chosen.features.is_empty() {
            return;
        }
        for (nearest, other) in self.nearest.iter_mut().zip(self.pool) {
            *nearest = nearest.min(distance(&chosen.features, &other.features));
        }
    }
}

fn unit(features: &[f32]) -> Vec<f32> {
    let length = features.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let scale = if length.is_normal() { 1.0 / length } else { 0.0 };
    features.iter().map(|&v| if scale == 0.0 { 0.0 } else { (f64::from(v) * scale) as f32 }).collect()
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&x, &y)| f64::from(x - y).powi(2)).sum()
}

#[cfg(test)]
#[path = "next_tests.rs"]
mod tests;
