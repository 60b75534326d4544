//! Which images to label where no model says: those that stand for most others.
//!
//! The images are put into as many clusters as there will be labels, by what they look like ([`super::gradients`]), and of the
//! largest clusters without a label the image nearest to the centre is taken: TypiClust (Hacohen, Dekel & Weinshall
//! 2022, "Active learning on a budget: opposite strategies suit high and low budgets"), with gradients in place of
//! learnt features and the centre in place of a density. With few labels, typical images help more than those that a model is
//! unsure of.

use std::collections::HashSet;

use super::gradients::Gradients;
use super::k_means::k_means;
use crate::rng::{Counter, permute, streams};
use crate::shape::Dims;

/// Images that are put into clusters at most, or [`EACH`] for each cluster. Clusters of 5,000 images of MNIST and of
/// 20,000 were as pure (0.946, 100 clusters).
const MOST: usize = 10_000;

/// Images for each cluster, where that is more.
const EACH: usize = 20;

/// An image that stands for others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Representative {
    /// Its number.
    pub image: u32,
    /// Share of the images that are in its cluster.
    pub share: f64,
}

/// The `wanted` images of `from` that stand for most others, those of the largest clusters first, given that somebody has looked
/// at those of `known` already: fewer where fewer images differ. And the share of the images that are in clusters of `known`.
/// `images` are `N x H x W x C` bytes, `from` and `known` are numbers of theirs. A pure function of its arguments, the same on
/// every machine.
///
/// # Panics
/// For a number that no image has.
pub fn representatives(
    (images, image): (&[u8], Dims),
    from: &[u32],
    known: &[u32],
    wanted: usize,
    seed: u64,
) -> (Vec<Representative>, f64) {
    if wanted == 0 || from.is_empty() {
        return (vec![], 0.0);
    }
    let count = wanted + known.len();
    let some = drawn(from, MOST.max(EACH * count), seed);
    // Those that were drawn stand for all of `from`, the known ones for themselves alone.
    let drawn = some.len();
    let weight = from.len() as f64 / drawn as f64;
    let numbers: Vec<u32> = some.into_iter().chain(known.iter().copied()).collect();
    let (gradients, size) = (Gradients::new(image), image.len() as usize);
    let mut rows = Vec::with_capacity(numbers.len() * gradients.width());
    for &number in &numbers {
        let start = number as usize * size;
        gradients.describe(&images[start..start + size], &mut rows);
    }
    let clusters = k_means(&rows, gradients.width(), count, seed);
    let mut found = clusters.middles();
    let (unlabelled, of_known) = clusters.of.split_at(drawn);
    let labelled: HashSet<_> = of_known.iter().collect();
    let like_known = unlabelled.iter().filter(|cluster| labelled.contains(cluster)).count();
    found.retain(|&(row, _)| !labelled.contains(&clusters.of[row]));
    // Stable: of equally large ones the first.
    found.sort_by_key(|&(_, rows)| std::cmp::Reverse(rows));
    found.truncate(wanted);
    let share = |images: f64| images / (from.len() + known.len()) as f64;
    let one = |(row, rows): (usize, usize)| Representative {
        image: numbers[row],
        share: share(weight * rows as f64),
    };
    (found.into_iter().map(one).collect(), share(weight * like_known as f64 + known.len() as f64))
}

/// At most so many of the numbers, in a pseudo-random order.
fn drawn(from: &[u32], most: usize, seed: u64) -> Vec<u32> {
    let n = from.len() as u32;
    let at = Counter { stream: streams::CLUSTERED_CHOICE, step: 0 };
    (0..n.min(most as u32)).map(|i| from[permute(seed, at, i, n) as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::digits::{Digits, Part};

    const IMAGE: Dims = Dims { height: 8, width: 8, channels: 1 };

    /// Of three kinds, half of them brighter towards the right, a third downwards, a sixth leftwards, in turns, with a
    /// spot that moves.
    fn slopes() -> Vec<u8> {
        let value = |kind: u32, y: u32, x: u32| match kind {
            0..3 => 25 * x,
            3..5 => 25 * y,
            _ => 25 * (7 - x),
        };
        let image = |i: u32| {
            (0..64).map(move |p| {
                let v = value(i % 6, p / 8, p % 8);
                if p == i * 5 % 64 { v + 9 } else { v }
            })
        };
        (0..600u32).flat_map(image).map(|v| v as u8).collect()
    }

    #[test]
    fn one_of_each_kind_the_most_frequent_first() {
        let (images, all) = (slopes(), (0..600).collect::<Vec<u32>>());
        for seed in 1..5 {
            let found = representatives((&images, IMAGE), &all, &[], 3, seed).0;
            assert_eq!(found.iter().map(|r| r.share).collect::<Vec<_>>(), [0.5, 2.0 / 6.0, 1.0 / 6.0]);
            let kinds: Vec<bool> =
                found.iter().zip([0..3, 3..5, 5..6]).map(|(r, kind)| kind.contains(&(r.image % 6))).collect();
            assert_eq!(kinds, [true; 3], "seed {seed}: {found:?}");
            assert_eq!(representatives((&images, IMAGE), &all, &[], 3, seed).0, found);
        }
    }

    /// What is like a labelled image needs no label, and only images that may be chosen are.
    #[test]
    fn labels_that_are_there_count() {
        let images = slopes();
        let (known, from): (Vec<u32>, Vec<u32>) = (0..600).partition(|&i| i == 6 || i == 12);
        let found = representatives((&images, IMAGE), &from, &known, 2, 1).0;
        assert!(found.len() == 2 && found.iter().all(|r| r.image % 6 >= 3), "{found:?}");
        // Two labels of one kind: one more of the others is neither taken nor like what has a label.
        let (one, like_known) = representatives((&images, IMAGE), &from, &known, 1, 1);
        assert_eq!((one[0].share, like_known), (2.0 / 6.0, 0.5));
        let few: Vec<u32> = (0..600).filter(|i| i % 6 == 4).collect();
        assert!(representatives((&images, IMAGE), &few, &[], 5, 1).0.iter().all(|r| r.image % 6 == 4));
    }

    /// The labels of a run are chosen by them: every machine and every build must find the same ones.
    #[test]
    fn the_choice_is_pinned() {
        let image = Dims { height: 28, width: 28, channels: 1 };
        let mut images = vec![0; 600 * image.len() as usize];
        Digits::embedded().unwrap().draw(Part::Test, &Part::Test.labels(), 0, &mut images);
        let all: Vec<u32> = (0..600).collect();
        let found = representatives((&images, image), &all, &[], 8, 7).0;
        let (chosen, sizes): (Vec<u32>, Vec<f64>) =
            found.iter().map(|r| (r.image, (600.0 * r.share).round())).unzip();
        assert_eq!(chosen, [54, 34, 240, 36, 484, 264, 388, 15]);
        assert_eq!(sizes, [134.0, 89.0, 77.0, 71.0, 68.0, 61.0, 55.0, 45.0]);
    }

    #[test]
    fn few_images_have_few_representatives() {
        let images = [[0u8; 64], [200; 64]].concat();
        // Even surfaces look alike without their brightness.
        assert_eq!(representatives((&images, IMAGE), &[0, 1], &[], 2, 1).0.len(), 1);
        assert_eq!(representatives((&images, IMAGE), &[], &[0], 2, 1).0, []);
        assert_eq!(representatives((&images, IMAGE), &[0, 1], &[], 0, 1).0, []);
    }
}
