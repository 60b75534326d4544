//! Which training images count as labelled, and which of those are held out.

use crate::error::{Error, Result};
use crate::rng::{Counter, permute, streams};

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

/// Chooses `n` labelled images, `n / classes` of each class: the first ones met on a pseudo-random walk
/// over the whole training set. A pure function of its arguments; returns indices in the order of the walk.
///
/// # Errors
/// [`Error::Usage`] if `n` is zero, not divisible by `classes`, or more than a class has;
/// [`Error::Data`] if a label is not below `classes`.
pub fn choose(labels: &[u8], classes: u32, n: usize, label_seed: u64) -> Result<Vec<u32>> {
    let fail = |reason: String| Err(Error::Usage(reason));
    let total = u32::try_from(labels.len())
        .map_err(|_| Error::Data(format!("{} images are more than can be indexed", labels.len())))?;
    check_balance(n, classes)?;
    let k = classes as usize;
    let mut available = vec![0usize; k];
    for &label in labels {
        match available.get_mut(label as usize) {
            Some(a) => *a += 1,
            None => return Err(Error::Data(format!("label {label}, but there are {classes} classes"))),
        }
    }
    let per_class = n / k;
    if let Some(class) = available.iter().position(|&a| a < per_class) {
        let most = available.iter().min().copied().unwrap_or(0) * k;
        return fail(format!(
            "{n} labels need {per_class} images of each class, class {class} has {}: use at most {most}",
            available[class]
        ));
    }
    let at = Counter { stream: streams::LABEL_CHOICE, step: 0 };
    let mut wanted = vec![per_class; k];
    let mut chosen = Vec::with_capacity(n);
    for i in 0..total {
        let index = permute(label_seed, at, i, total);
        let left = &mut wanted[labels[index as usize] as usize];
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

/// Splits labelled images into those to train on and those to validate on; `fraction` of them, rounded to
/// the nearest whole number, are held out. Both keep the order of `indices`.
///
/// # Errors
/// [`Error::Usage`] if one side would be empty or `fraction` is not a number within 0..1.
pub fn split_validation(indices: &[u32], fraction: f64, label_seed: u64) -> Result<(Vec<u32>, Vec<u32>)> {
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
    let mut is_held_out = vec![false; indices.len()];
    for i in 0..held_out {
        is_held_out[permute(label_seed, at, i, n) as usize] = true;
    }
    let side = |validation: bool| {
        indices.iter().zip(&is_held_out).filter(|(_, h)| **h == validation).map(|(i, _)| *i).collect()
    };
    Ok((side(false), side(true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1000 labels over 10 classes, class 9 with only 30.
    fn labels() -> Vec<u8> {
        (0..1000u32).map(|i| if i % 100 < 3 { 9 } else { (i * 7 % 9) as u8 }).collect()
    }

    #[test]
    fn balanced_distinct_and_repeatable() {
        let labels = labels();
        let chosen = choose(&labels, 10, 100, 1).unwrap();
        let mut counts = [0; 10];
        chosen.iter().for_each(|&i| counts[labels[i as usize] as usize] += 1);
        assert_eq!(counts, [10; 10]);
        let mut sorted = chosen.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), 100);
        assert_eq!(choose(&labels, 10, 100, 1).unwrap(), chosen);
        assert_ne!(choose(&labels, 10, 100, 2).unwrap(), chosen);
        // Fewer labels of the same seed are among the more.
        let fewer = choose(&labels, 10, 50, 1).unwrap();
        assert!(fewer.iter().all(|i| chosen.contains(i)));
    }

    #[test]
    fn numbers_that_do_not_work() {
        let labels = labels();
        for (n, expected) in [(0, "at least one"), (95, "90 or 100"), (3, "use 10"), (400, "at most 300")] {
            let e = choose(&labels, 10, n, 1).unwrap_err();
            assert!(matches!(&e, Error::Usage(m) if m.contains(expected)), "{n}: {e}");
        }
        assert_eq!(choose(&labels, 10, 300, 1).unwrap().len(), 300);
        assert!(matches!(choose(&labels, 9, 9, 1), Err(Error::Data(_))));
        assert!(matches!(choose(&[], 10, 10, 1), Err(Error::Usage(_))));
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

    #[test]
    fn validation_is_a_partition() {
        let all: Vec<u32> = (0..100).map(|i| i * 3).collect();
        let (train, validation) = split_validation(&all, 0.3, 5).unwrap();
        assert_eq!((train.len(), validation.len()), (70, 30));
        let mut both = [train.clone(), validation].concat();
        both.sort_unstable();
        assert_eq!(both, all);
        assert_ne!(split_validation(&all, 0.3, 6).unwrap().0, train);
        for fraction in [0.0, 1.0, -0.1, 0.001, 0.999, f64::NAN] {
            assert!(matches!(split_validation(&all, fraction, 5), Err(Error::Usage(_))), "{fraction}");
        }
        assert!(split_validation(&[], 0.5, 5).is_err());
    }
}
