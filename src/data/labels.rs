//! Which training images count as labelled, and which of those are held out.

use super::{Split, representatives};
use crate::error::{Error, Result};
use crate::rng::{Counter, permute, streams};
use crate::shape::Dims;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// How many of the images that have a label count as labelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelCount {
    /// So many, the same number of each class.
    Balanced(u32),
    /// All of them, however uneven the classes are.
    All,
}

impl LabelCount {
    /// The word for all, in settings.
    pub const ALL: &'static str = "all";
}

impl From<u32> for LabelCount {
    fn from(n: u32) -> LabelCount {
        LabelCount::Balanced(n)
    }
}

impl fmt::Display for LabelCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LabelCount::Balanced(n) => n.fmt(f),
            LabelCount::All => LabelCount::ALL.fmt(f),
        }
    }
}

impl Serialize for LabelCount {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            LabelCount::Balanced(n) => serializer.serialize_u32(*n),
            LabelCount::All => serializer.serialize_str(LabelCount::ALL),
        }
    }
}

impl<'de> Deserialize<'de> for LabelCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<LabelCount, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u32),
            Word(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(n) => Ok(LabelCount::Balanced(n)),
            Written::Word(word) if word == LabelCount::ALL => Ok(LabelCount::All),
            Written::Word(word) => Err(serde::de::Error::custom(format!("{word:?} is no number of labels"))),
        }
    }
}

/// Whether `n` labelled images can be the same number of each class.
///
/// # Errors
/// [`Error::Usage`] with the nearest numbers that can, if it cannot.
pub fn check_balance(n: usize, classes: u32) -> Result<()> {
    let k = classes as usize;
    if k == 0 || n == 0 {
        return Err(Error::Usage("at least one labelled image per class is needed".into()));
    }
    if !n.is_multiple_of(k) {
        let below = n / k * k;
        let near = if below == 0 { k.to_string() } else { format!("{below} or {}", below + k) };
        return Err(Error::Usage(format!(
            "{n} labels cannot be balanced over {classes} classes: use {near}"
        )));
    }
    Ok(())
}

/// Chooses the labelled images: those that have a label, in the order of a pseudo-random walk over the whole training set;
/// of a balanced number `n`, the first `n / K` of each class on it. A pure function of its arguments; returns indices in the
/// order of the walk. `class_names` are those of the K classes.
///
/// # Errors
/// [`Error::Usage`] if `n` is zero, not divisible by K, or more than a class has, and for a class without any label;
/// [`Error::Data`] if a label is not below K.
pub fn choose(
    labels: &[Option<u16>],
    class_names: &[String],
    wanted: LabelCount,
    label_seed: u64,
) -> Result<Vec<u32>> {
    let total = indexable(labels)?;
    let available = per_class(labels, class_names.len())?;
    let mut left = match wanted {
        LabelCount::Balanced(n) => balanced(n as usize, &available, class_names)?,
        LabelCount::All => available.clone(),
    };
    check_all_present(&available, class_names, "label at least one, or leave the class out")?;
    let at = Counter { stream: streams::LABEL_CHOICE, step: 0 };
    let n = left.iter().sum();
    let mut chosen = Vec::with_capacity(n);
    for i in 0..total {
        let index = permute(label_seed, at, i, total);
        let Some(label) = labels[index as usize] else { continue };
        let left = &mut left[usize::from(label)];
        if *left > 0 {
            *left -= 1;
            chosen.push(index);
            if chosen.len() == n {
                break;
            }
        }
    }
    Ok(chosen)
}

/// How many images there are.
fn indexable(labels: &[Option<u16>]) -> Result<u32> {
    u32::try_from(labels.len())
        .map_err(|_| Error::Data(format!("{} images are more than can be indexed", labels.len())))
}

/// How many images of each of K classes have a label.
fn per_class(labels: &[Option<u16>], k: usize) -> Result<Vec<usize>> {
    let mut available = vec![0usize; k];
    for label in labels.iter().flatten() {
        match available.get_mut(usize::from(*label)) {
            Some(a) => *a += 1,
            None => return Err(Error::Data(format!("label {label}, but there are {k} classes"))),
        }
    }
    Ok(available)
}

/// Refuses a class without a label.
fn check_all_present(available: &[usize], class_names: &[String], advice: &str) -> Result<()> {
    match available.iter().position(|&a| a == 0) {
        None => Ok(()),
        Some(class) => {
            Err(Error::Usage(format!("class {} has no labelled image: {advice}", class_names[class])))
        }
    }
}

/// Chooses `n` labelled images by what all images that have a label look like, as one would who does not know the labels:
/// [`representatives`], those of the largest clusters first, of whatever classes they are. A pure function of its arguments.
///
/// # Errors
/// [`Error::Usage`] if `n` is zero, if fewer clusters differ, or if a class is not among them; [`Error::Data`] if a label is
/// not below K.
pub fn choose_by_clusters(
    split: &Split,
    image: Dims,
    class_names: &[String],
    n: u32,
    label_seed: u64,
) -> Result<Vec<u32>> {
    let total = indexable(&split.labels)?;
    per_class(&split.labels, class_names.len())?;
    if n == 0 {
        return Err(Error::Usage("at least one labelled image per class is needed".into()));
    }
    let has_label = |i: &u32| split.labels[*i as usize].is_some();
    let from: Vec<u32> = (0..total).filter(has_label).collect();
    let (found, _) = representatives((&split.images, image), &from, &[], n as usize, label_seed);
    if found.len() < n as usize {
        return Err(Error::Usage(format!(
            "{n} labels by clusters: the images that have a label make only {} that differ; use no more labels",
            found.len()
        )));
    }
    let chosen: Vec<u32> = found.iter().map(|r| r.image).collect();
    let labels: Vec<Option<u16>> = chosen.iter().map(|&i| split.labels[i as usize]).collect();
    let advice = format!("{n} clusters do without it; use more labels or another label_seed");
    check_all_present(&per_class(&labels, class_names.len())?, class_names, &advice)?;
    Ok(chosen)
}

/// `n / K` of each class, of which so many are there.
fn balanced(n: usize, available: &[usize], class_names: &[String]) -> Result<Vec<usize>> {
    let k = available.len();
    check_balance(n, k as u32)?;
    let per_class = n / k;
    match available.iter().position(|&a| a < per_class) {
        None => Ok(vec![per_class; k]),
        Some(class) => {
            let most = available.iter().min().copied().unwrap_or(0) * k;
            let advice =
                if most == 0 { "label more images".into() } else { format!("use at most {most}, or `all`") };
            Err(Error::Usage(format!(
                "{n} labels need {per_class} images of each class, class {} has {}: {advice}",
                class_names[class], available[class]
            )))
        }
    }
}

/// Chooses `n` of `total` images to learn from without their labels: the first ones of a pseudo-random order, so that
/// fewer of the same seed are among the more.
///
/// # Errors
/// [`Error::Usage`] if there are not that many.
pub fn choose_unlabelled(total: u32, n: u32, label_seed: u64) -> Result<Vec<u32>> {
    if n == 0 || n > total {
        return Err(Error::Usage(format!(
            "unlabelled = {n}: there are {total} training images; use 1 to {total}"
        )));
    }
    let at = Counter { stream: streams::UNLABELLED_CHOICE, step: 0 };
    Ok((0..n).map(|i| permute(label_seed, at, i, total)).collect())
}

/// Splits the labelled images `indices` into those to train on and those to validate on; `fraction` of them, rounded to the
/// nearest whole number, are held out, at random but for two things. Images with the same pixels stay together: copies that are
/// more than are yet to be held out are trained on, so that there may be fewer to validate on. And each class keeps one to train
/// on: it gets one back, with its copies, for one of the class with the most, or for none where that cannot spare one. Both keep
/// the order of `indices`.
///
/// # Errors
/// [`Error::Usage`] if one side would be empty or `fraction` is not a number within 0..1.
///
/// # Panics
/// For an index without a label or an image.
pub fn split_validation(
    split: &Split,
    image: Dims,
    indices: &[u32],
    fraction: f64,
    label_seed: u64,
) -> Result<(Vec<u32>, Vec<u32>)> {
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(Error::Usage(format!("validation fraction {fraction} must be between 0 and 1")));
    }
    let n = u32::try_from(indices.len())
        .map_err(|_| Error::Usage(format!("{} labels are more than can be indexed", indices.len())))?;
    let held_out = (f64::from(n) * fraction + 0.5) as u32;
    if held_out == 0 || held_out >= n {
        return Err(Error::Usage(format!(
            "of {n} labelled images, {held_out} would be for validation: both parts need at least one; \
             use more labels or another fraction"
        )));
    }
    let at = Counter { stream: streams::VALIDATION_CHOICE, step: 0 };
    let pictures = Pictures::of(split, image, indices);
    let mut is_held_out = vec![false; indices.len()];
    let mut left = held_out as usize;
    for i in 0..n {
        if left == 0 {
            break;
        }
        let copies = pictures.copies(permute(label_seed, at, i, n) as usize);
        if copies.len() <= left && !is_held_out[copies[0]] {
            left -= copies.len();
            copies.iter().for_each(|&copy| is_held_out[copy] = true);
        }
    }
    pictures.keep_every_class(&mut is_held_out);
    if !is_held_out.contains(&true) {
        return Err(Error::Usage(format!(
            "of {n} labelled images none can be held out for validation, as each is the only picture of its class or has too many \
             copies: use more labels, or a validation_split of 0"
        )));
    }
    let side = |validation: bool| {
        indices.iter().zip(&is_held_out).filter(|(_, h)| **h == validation).map(|(i, _)| *i).collect()
    };
    Ok((side(false), side(true)))
}

/// Labelled images, of which some may have the same pixels.
struct Pictures {
    /// N classes.
    classes: Vec<u16>,
    /// For each image the first that is equal.
    first: Vec<usize>,
    /// For each that is such a first one all that are equal, itself among them.
    equal: Vec<Vec<usize>>,
}

impl Pictures {
    fn of(split: &Split, image: Dims, indices: &[u32]) -> Pictures {
        let size = image.len() as usize;
        let mut known: HashMap<&[u8], usize> = HashMap::new();
        let (mut classes, mut first, mut equal) = (vec![], vec![], vec![vec![]; indices.len()]);
        for (at, index) in indices.iter().map(|&index| index as usize).enumerate() {
            let pixels = &split.images[index * size..(index + 1) * size];
            let same = *known.entry(pixels).or_insert(at);
            first.push(same);
            equal[same].push(at);
            classes.push(split.labels[index].expect("labelled images are split"));
        }
        Pictures { classes, first, equal }
    }

    /// All that are equal to this image, itself among them.
    fn copies(&self, image: usize) -> &[usize] {
        &self.equal[self.first[image]]
    }

    /// Gives each class of which all images are held out its first one back, for the last one of the class with the most that
    /// are not; of either with its copies.
    fn keep_every_class(&self, is_held_out: &mut [bool]) {
        let classes = &self.classes;
        let mut kept = BTreeMap::new();
        for (class, held_out) in classes.iter().zip(&*is_held_out) {
            *kept.entry(*class).or_insert(0u32) += u32::from(!held_out);
        }
        let lost: Vec<u16> = kept.iter().filter(|(_, n)| **n == 0).map(|(class, _)| *class).collect();
        for class in lost {
            // Given back with a copy that has the label of another class.
            if kept[&class] > 0 {
                continue;
            }
            // Of equals the first.
            let most = kept.iter().rev().max_by_key(|(_, n)| **n).map(|(class, _)| *class);
            let first = classes.iter().position(|c| *c == class).expect("an image of each class");
            let back = self.copies(first);
            for &copy in back {
                is_held_out[copy] = false;
                *kept.entry(classes[copy]).or_default() += 1;
            }
            let can_go = |image: &usize| {
                let copies = self.copies(*image);
                if Some(classes[*image]) != most || is_held_out[*image] || copies.len() > back.len() {
                    return false;
                }
                let mut without = kept.clone();
                copies.iter().for_each(|&copy| *without.entry(classes[copy]).or_default() -= 1);
                copies.iter().all(|&copy| without[&classes[copy]] > 0)
            };
            let Some(last) = (0..classes.len()).rev().find(can_go) else { continue };
            for &copy in self.copies(last) {
                is_held_out[copy] = true;
                *kept.entry(classes[copy]).or_default() -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1000 labels over 10 classes, class 9 with only 30.
    fn labels() -> Vec<Option<u16>> {
        (0..1000u32).map(|i| Some(if i % 100 < 3 { 9 } else { (i * 7 % 9) as u16 })).collect()
    }

    fn names(k: usize) -> Vec<String> {
        (0..k).map(|i| i.to_string()).collect()
    }

    #[test]
    fn balanced_distinct_and_repeatable() {
        let labels = labels();
        let of = |n, seed| choose(&labels, &names(10), LabelCount::Balanced(n), seed).unwrap();
        let chosen = of(100, 1);
        let mut counts = [0; 10];
        chosen.iter().for_each(|&i| counts[usize::from(labels[i as usize].unwrap())] += 1);
        assert_eq!(counts, [10; 10]);
        let mut sorted = chosen.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), 100);
        assert_eq!(of(100, 1), chosen);
        assert_ne!(of(100, 2), chosen);
        // Fewer labels of the same seed are among the more.
        assert!(of(50, 1).iter().all(|i| chosen.contains(i)));
    }

    /// Labels that are left out instead of not chosen make no difference.
    #[test]
    fn all_labels_are_in_the_order_of_the_walk() {
        let (all, names) = (labels(), names(10));
        let chosen = choose(&all, &names, LabelCount::Balanced(100), 1).unwrap();
        let mut few = vec![None; all.len()];
        chosen.iter().for_each(|&i| few[i as usize] = all[i as usize]);
        assert_eq!(choose(&few, &names, LabelCount::All, 1).unwrap(), chosen);
        // Classes as they are: nine of 107 or 108 and one of 30.
        assert_eq!(choose(&all, &names, LabelCount::All, 1).unwrap().len(), 1000);
    }

    /// Of three kinds of stripes, the third of which is rare, labels by clusters name one each; a balanced choice is of classes,
    /// which clusters do not know.
    #[test]
    fn labels_by_clusters() {
        let image = Dims { height: 8, width: 8, channels: 1 };
        let stripe = |kind: u16, p: usize| match kind {
            0 => 30 * (p % 8),
            1 => 30 * (p / 8),
            _ => 30 * (7 - p / 8),
        };
        let kind = |i: u16| if i.is_multiple_of(9) { 2 } else { i % 2 };
        let pixels =
            |i: u16| (0..64).map(move |p| stripe(kind(i), p) as u8 ^ u8::from(p == usize::from(i) % 64));
        let split = Split::labelled((0..200).flat_map(pixels).collect(), (0..200).map(kind));
        let of = |n, seed| choose_by_clusters(&split, image, &names(3), n, seed);
        for seed in 1..4 {
            let mut classes: Vec<_> =
                of(3, seed).unwrap().iter().map(|&i| split.labels[i as usize].unwrap()).collect();
            assert_eq!(classes[2], 2);
            classes.sort_unstable();
            assert_eq!(classes, [0, 1, 2]);
        }
        let mut few = split.clone();
        few.labels.iter_mut().skip(40).for_each(|label| *label = None);
        assert!(choose_by_clusters(&few, image, &names(3), 3, 1).unwrap().iter().all(|&i| i < 40));
        let said = |e: Result<Vec<u32>>| e.unwrap_err().to_string();
        assert!(said(of(0, 1)).contains("at least one"));
        assert!(said(of(2, 1)).contains("class 2 has no labelled image: 2 clusters do without it"));
        assert!(said(of(201, 1)).contains("differ"));
        assert!(matches!(choose_by_clusters(&split, image, &names(2), 3, 1), Err(Error::Data(_))));
    }

    #[test]
    fn numbers_that_do_not_work() {
        let (labels, ten) = (labels(), names(10));
        for (n, expected) in [(0, "at least one"), (95, "90 or 100"), (3, "use 10"), (400, "at most 300")] {
            let e = choose(&labels, &ten, LabelCount::Balanced(n), 1).unwrap_err();
            assert!(matches!(&e, Error::Usage(m) if m.contains(expected)), "{n}: {e}");
        }
        assert_eq!(choose(&labels, &ten, LabelCount::Balanced(300), 1).unwrap().len(), 300);
        assert!(matches!(choose(&labels, &names(9), LabelCount::All, 1), Err(Error::Data(_))));
        assert!(matches!(choose(&[], &ten, LabelCount::Balanced(10), 1), Err(Error::Usage(_))));
    }

    #[test]
    fn a_class_without_a_label_is_named() {
        let names = ["ant".to_string(), "bee".to_string()];
        let e = choose(&[Some(0), None, Some(0)], &names, LabelCount::All, 1).unwrap_err();
        assert!(matches!(&e, Error::Usage(m) if m.starts_with("class bee has no labelled image")), "{e}");
    }

    #[test]
    fn unlabelled_images_are_distinct_and_nested() {
        let many = choose_unlabelled(100, 60, 3).unwrap();
        let mut sorted = many.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert!(sorted.len() == 60 && sorted.iter().all(|&i| i < 100));
        assert_eq!(choose_unlabelled(100, 20, 3).unwrap(), many[..20]);
        assert_ne!(choose_unlabelled(100, 60, 4).unwrap(), many);
        assert!(choose_unlabelled(100, 0, 3).is_err() && choose_unlabelled(100, 101, 3).is_err());
    }

    const TWO_PIXELS: Dims = Dims { height: 1, width: 2, channels: 1 };

    /// Images with these labels, each of other pixels than the others.
    fn distinct(labels: Vec<Option<u16>>) -> Split {
        let images: Vec<u8> = (0..labels.len() as u16).flat_map(u16::to_le_bytes).collect();
        Split { images: images.into(), labels }
    }

    #[test]
    fn validation_is_a_partition() {
        let all: Vec<u32> = (0..100).map(|i| i * 3).collect();
        let images = distinct((0..300).map(|i| Some(i / 3 % 10)).collect());
        let split = |fraction, seed| split_validation(&images, TWO_PIXELS, &all, fraction, seed);
        let (train, validation) = split(0.3, 5).unwrap();
        assert_eq!((train.len(), validation.len()), (70, 30));
        // Where no two are equal, the first of the walk.
        let at = Counter { stream: streams::VALIDATION_CHOICE, step: 0 };
        let mut walked: Vec<u32> = (0..30).map(|i| all[permute(5, at, i, 100) as usize]).collect();
        walked.sort_unstable();
        assert_eq!(validation, walked);
        let mut both = [train.clone(), validation].concat();
        both.sort_unstable();
        assert_eq!(both, all);
        assert_ne!(split(0.3, 6).unwrap().0, train);
        for fraction in [0.0, 1.0, -0.1, 0.001, 0.999, f64::NAN] {
            assert!(matches!(split(fraction, 5), Err(Error::Usage(_))), "{fraction}");
        }
        assert!(split_validation(&images, TWO_PIXELS, &[], 0.5, 5).is_err());
    }

    /// Each picture is there three times, in its class alone: what is validated has not been learnt under another number.
    #[test]
    fn copies_are_on_one_side() {
        let mut images = distinct((0..60).map(|i| Some(i % 20 / 5)).collect());
        images.images = images.images[..40].repeat(3).into();
        let all: Vec<u32> = (0..60).rev().collect();
        let pictures = |side: &[u32]| -> BTreeMap<u32, usize> {
            let mut counts = BTreeMap::new();
            side.iter().for_each(|i| *counts.entry(i % 20).or_default() += 1);
            counts
        };
        for seed in 1..20 {
            let (train, validation) = split_validation(&images, TWO_PIXELS, &all, 0.3, seed).unwrap();
            // Of 18 images six pictures.
            assert_eq!((train.len(), validation.len()), (42, 18), "seed {seed}");
            assert!(pictures(&train).values().chain(pictures(&validation).values()).all(|n| *n == 3));
            // Of 20 there are no more.
            let (_, validation) = split_validation(&images, TWO_PIXELS, &all, 1.0 / 3.0, seed).unwrap();
            assert_eq!(validation.len(), 18, "seed {seed}");
            // More are wanted than the classes can spare.
            let (train, validation) = split_validation(&images, TWO_PIXELS, &all, 0.97, seed).unwrap();
            let mut classes: Vec<u32> = pictures(&train).into_keys().map(|picture| picture / 5).collect();
            classes.dedup();
            assert_eq!(classes, [0, 1, 2, 3], "seed {seed}");
            assert!(pictures(&validation).values().all(|n| *n == 3), "seed {seed}");
        }
        let e = split_validation(&images, TWO_PIXELS, &all, 0.03, 1).unwrap_err().to_string();
        assert!(e.contains("of 60 labelled images none") && e.contains("too many copies"), "{e}");
    }

    /// Two classes share a picture, which goes and comes back as one; no more go for it than come back.
    #[test]
    fn copies_with_two_labels_stay_together() {
        let images = Split::labelled(vec![7, 7, 1, 1, 1, 1, 1, 2], [0u16, 1, 2, 2, 2, 2, 2, 2]);
        let all: Vec<u32> = (0..8).collect();
        for seed in 1..40 {
            let (train, validation) = split_validation(&images, Dims::flat(1), &all, 0.4, seed).unwrap();
            // Nothing but the picture that class 2 has once can go.
            assert_eq!((train, validation), (vec![0, 1, 2, 3, 4, 5, 6], vec![7]), "seed {seed}");
        }
    }

    /// However few labels there are, what is validated is a class that was learnt.
    #[test]
    fn every_class_is_trained_on() {
        let images = distinct((0..20).map(|i| Some(i % 10)).collect());
        let all: Vec<u32> = (0..20).collect();
        let split = |of: &[u32], fraction, seed| split_validation(&images, TWO_PIXELS, of, fraction, seed);
        for seed in 1..20 {
            let (train, validation) = split(&all, 0.4, seed).unwrap();
            let mut classes: Vec<_> = train.iter().map(|&i| i % 10).collect();
            classes.sort_unstable();
            classes.dedup();
            assert_eq!((train.len(), validation.len(), classes.len()), (12, 8, 10), "seed {seed}");
        }
        // More are wanted than can be spared.
        assert_eq!(split(&all, 0.7, 1).map(|(t, v)| (t.len(), v.len())).unwrap(), (10, 10));
        let e = split(&all[..10], 0.3, 1).unwrap_err().to_string();
        assert!(e.contains("of 10 labelled images none can be held out"), "{e}");
    }
}
