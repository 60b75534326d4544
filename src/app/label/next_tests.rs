use super::*;
use crate::app::label::Given;
use crate::app::label::verdict::Judge;

const JUDGE: Judge = Judge { temperature: 1.0, threshold: Some(0.0) };

/// Three classes; the margin between the first and the second most probable one is about `margin`.
fn verdict(class: usize, margin: f32) -> Verdict {
    let mut p = [0.1f32; 3];
    p[class] = 0.45 + margin / 2.0;
    p[(class + 1) % 3] = 0.45 - margin / 2.0;
    JUDGE.verdict(&p.map(f32::ln), &Given::Nothing)
}

/// In the direction of this axis of five, a little off.
fn towards(axis: usize, off: f32) -> [f32; 5] {
    let mut features = [0.01; 5];
    features[axis] = 1.0;
    features[4] = off;
    features
}

fn known(labelled: &[(usize, usize)]) -> Known {
    let mut known = Known::default();
    labelled.iter().for_each(|&(class, axis)| known.add(class, &towards(axis, 0.0)));
    known
}

fn paths(pool: &Pool) -> Vec<&str> {
    pool.choose().iter().map(|a| a.candidate.entry.path.as_str()).collect()
}

/// Of four groups the model is sure of one that no labelled image of its class is like: that one is asked for, once. Another
/// class has one like it, which does not make it known.
#[test]
fn a_group_that_is_unlike_all_labelled_ones_is_asked_for() {
    let known = known(&[(0, 0), (0, 1), (1, 2), (1, 3)]);
    let mut pool = Pool::new(1, None);
    for i in 0..200usize {
        let (axis, margin) = if i % 5 == 4 { (2, 0.9) } else { (i % 2, 0.01) };
        let features = towards(axis, i as f32 * 0.001);
        pool.add(&format!("{axis}/{i}"), &verdict(0, margin), &features, &[i as u8], &known);
    }
    let asked = pool.choose();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].candidate.entry.path.starts_with("2/"), "{asked:?}");
    // A tenth of the images that were seen, fewer than the pool holds.
    assert_eq!(asked[0].alike, 20);
    // As a run that goes on has it.
    let again: Pool = serde_json::from_str(&serde_json::to_string(&pool).unwrap()).unwrap();
    assert_eq!(pool.choose(), again.choose());
}

/// The largest group first, what stands alone last.
#[test]
fn large_groups_come_first() {
    let known = known(&[(0, 0)]);
    let mut pool = Pool::new(3, None);
    for i in 0..30usize {
        let axis = [1, 2, 2, 1, 2, 2][i % 6];
        pool.add(
            &format!("{axis}/{i}"),
            &verdict(0, 0.5),
            &towards(axis, i as f32 * 1e-3),
            &[i as u8],
            &known,
        );
    }
    pool.add("alone", &verdict(0, 0.5), &towards(3, 0.0), &[99], &known);
    // Most images are like a labelled one: a tenth of all are those above.
    for i in 0..280u32 {
        pool.add("known", &verdict(0, 0.5), &towards(0, i as f32 * 1e-4), &i.to_le_bytes(), &known);
    }
    let sizes: Vec<(char, usize)> =
        pool.choose().iter().map(|a| (a.candidate.entry.path.chars().next().unwrap(), a.alike)).collect();
    assert_eq!(sizes, [('2', 20), ('1', 10), ('a', 1)]);
}

/// What is like an image that was given no label is not asked for, whatever it is taken for. Where no image has a label, such
/// ones are nothing to compare with.
#[test]
fn a_group_that_was_given_no_label_is_not_asked_for() {
    let asked = |no_label: &[usize]| {
        let mut known = known(&[(0, 0), (1, 0)]);
        no_label.iter().for_each(|&axis| known.add_no_label(&towards(axis, 0.0)));
        let mut pool = Pool::new(1, None);
        for i in 0..300usize {
            // Two large groups, the larger one that of scrawls, and what is like a labelled image.
            let axis = [2, 2, 2, 3, 3, 0, 0, 0, 0, 0][i % 10];
            let features = towards(axis, i as f32 * 1e-4);
            pool.add(&format!("{axis}/{i}"), &verdict(i % 2, 0.9), &features, &i.to_le_bytes(), &known);
        }
        paths(&pool)[0].chars().next().unwrap()
    };
    assert_eq!([asked(&[]), asked(&[2]), asked(&[3])], ['2', '3', '2']);
    let mut marked = Known::default();
    marked.add_no_label(&towards(0, 0.0));
    assert!(marked.is_empty() && marked.distance(0, &unit(&towards(0, 0.0))).is_none());
}

/// A copy of an image that somebody looked at is not asked for, though it is unlike all images of what it is taken for.
#[test]
fn copies_of_what_was_looked_at_are_not_asked_for() {
    let mut known = known(&[(0, 0)]);
    known.add_hashes(vec![Sha256::digest([7]).into()]);
    let mut pool = Pool::new(5, None);
    pool.add("copy", &verdict(0, 0.1), &towards(1, 0.0), &[7], &known);
    pool.add("other", &verdict(0, 0.1), &towards(2, 0.0), &[8], &known);
    assert_eq!(paths(&pool), ["other"]);
}

/// A class without a labelled image is compared with those of all classes; without any, the least sure ones are candidates.
#[test]
fn without_labels_uncertainty_decides() {
    let other = known(&[(1, 0)]);
    let near = unit(&towards(0, 0.1));
    assert!(other.distance(1, &near).is_some_and(|d| d > 0.0));
    assert_eq!(other.distance(0, &near), other.distance(1, &near));
    assert_eq!(Known::default().distance(0, &near), None);
    let mut pool = Pool::new(1, None);
    for i in 0..100usize {
        let (axis, margin) = if i % 2 == 0 { (1, 0.01) } else { (2, 0.8) };
        let features = towards(axis, i as f32 * 0.001);
        pool.add(&format!("{axis}/{i}"), &verdict(0, margin), &features, &[i as u8], &Known::default());
    }
    assert!(paths(&pool)[0].starts_with("1/"));
}

/// Equal pixels, and features that are nearly the same, are in it once; then there are fewer than were wanted.
#[test]
fn no_twins() {
    let known = known(&[(0, 3)]);
    let mut pool = Pool::new(5, None);
    pool.add("a", &verdict(0, 0.1), &[1.0, 0.0, 0.0, 0.0, 0.0], &[1], &known);
    pool.add("same pixels", &verdict(0, 0.1), &[1.0, 0.0, 0.0, 0.0, 0.0], &[1], &known);
    pool.add("same features", &verdict(0, 0.1), &[2.0, 0.001, 0.0, 0.0, 0.0], &[2], &known);
    pool.add("other", &verdict(0, 0.1), &[1.0, 1.0, 0.0, 0.0, 0.0], &[3], &known);
    assert_eq!(paths(&pool), ["a", "other"]);
    // Ten thousand empty images do not drive out the others.
    let mut pool = Pool::new(1, None);
    pool.add("other", &verdict(0, 0.5), &towards(1, 0.0), &[1], &known);
    (0..10_000).for_each(|i| pool.add(&format!("{i}"), &verdict(0, 0.1), &towards(2, 0.0), &[0], &known));
    assert_eq!(pool.candidates.len(), 2);
}

#[test]
fn labelled_images_are_not_asked_for() {
    let none = Known::default();
    let mut pool = Pool::new(5, None);
    pool.add("given", &JUDGE.verdict(&[0.0, 0.0, 0.0], &Given::Class(1)), &[1.0], &[1], &none);
    assert!(pool.choose().is_empty());
    // Without features the least sure ones are chosen.
    (0..9u8).for_each(|i| pool.add(&format!("{i}"), &verdict(0, 0.9 - f32::from(i) * 0.1), &[], &[i], &none));
    assert_eq!(paths(&pool), ["8", "7", "6", "5", "4"]);
    // Features that are no numbers are no obstacle, and more may be wanted than there are images.
    let mut pool = Pool::new(usize::MAX, None);
    pool.add("nan", &verdict(0, 0.5), &[f32::NAN, 1.0], &[1], &known(&[(0, 0)]));
    pool.add("other", &verdict(0, 0.5), &[0.0, 1.0], &[2], &none);
    assert_eq!(paths(&pool).len(), 2);
    assert!(pool.fits(3));
    pool.candidates[0].features.pop();
    assert!(!pool.fits(3), "another number of features");
}

/// Thirty candidates for each image wanted, and never more than the bound of memory; so many labelled images as well.
#[test]
fn candidates_are_bounded() {
    let known = known(&[(0, 0)]);
    let mut pool = Pool::new(2, None);
    for i in 0..1000u32 {
        let off = f32::from((i * 7 % 1000) as u16) / 1000.0;
        pool.add(&i.to_string(), &verdict(0, 0.5), &towards(0, off), &i.to_le_bytes(), &known);
    }
    assert_eq!(pool.candidates.len(), 60);
    assert!(pool.candidates.is_sorted_by(|a, b| a.worth >= b.worth));
    let large = Pool::new(1_000_000, None);
    let bytes = large.most(1000) * (4 * 1000 + TEXT);
    assert!(bytes <= BYTES, "{bytes}");
    // Thumbnails count.
    let shown = Pool::new(1_000_000, Some(Dims { height: 64, width: 64, channels: 3 }));
    assert!(shown.most(1000) * (4 * 1000 + 3 * 64 * 64 + TEXT) <= BYTES && shown.most(1000) > 1000);
    assert_eq!([(576, 10), (6272, 100), (6272, 100_000)].map(|(f, k)| Known::most(f, k)), [200, 13, 1]);
}
