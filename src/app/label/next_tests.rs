use super::*;
use crate::app::label::verdict::Judge;

const JUDGE: Judge = Judge { temperature: 1.0, threshold: Some(0.0) };

/// Three classes; the margin between the first and the second most probable one is about `margin`.
fn verdict(class: usize, margin: f32) -> Verdict {
    let mut p = [0.1f32; 3];
    p[class] = 0.45 + margin / 2.0;
    p[(class + 1) % 3] = 0.45 - margin / 2.0;
    JUDGE.verdict(&p.map(f32::ln), None)
}

fn paths(pool: &Pool) -> Vec<&str> {
    pool.choose().iter().map(|c| c.path.as_str()).collect()
}

/// Four clusters, in one of which the least sure images all are: one of each is chosen.
#[test]
fn clusters_are_covered() {
    let mut pool = Pool::new(4, 3);
    for i in 0..25usize {
        let cluster = if i < 16 { 0 } else { 1 + i % 3 };
        let mut features = [0.01; 5];
        features[cluster] = 1.0;
        features[4] = i as f32 * 0.004;
        let margin = if cluster == 0 { 0.01 } else { 0.2 };
        pool.add(&format!("{cluster}/{i}"), &verdict(0, margin), &features, &[i as u8]);
    }
    let chosen = paths(&pool);
    assert_eq!(chosen[0], "0/0", "the least sure one comes first");
    let clusters: HashSet<&str> = chosen.iter().map(|p| &p[..1]).collect();
    assert_eq!(clusters.len(), 4, "{chosen:?}");
    assert_eq!(chosen, paths(&pool.clone()), "the same each time");
}

/// All of the first class are less sure than those of the others, which get their share all the same.
#[test]
fn classes_have_their_share() {
    let mut pool = Pool::new(6, 3);
    for i in 0..90usize {
        let class = i % 3;
        let angle = i as f32;
        let margin = if class == 0 { 0.01 } else { 0.3 };
        pool.add(&format!("{class}/{i}"), &verdict(class, margin), &[angle.cos(), angle.sin()], &[i as u8]);
    }
    let of = |class: &str| paths(&pool).iter().filter(|p| p.starts_with(class)).count();
    assert_eq!([of("0"), of("1"), of("2")], [2, 2, 2]);
    // Where a class has no more, the others fill up.
    let mut pool = Pool::new(6, 3);
    (0..9).for_each(|i| {
        pool.add(
            &format!("{i}"),
            &verdict(usize::from(i == 8), 0.1),
            &[(i as f32).cos(), (i as f32).sin()],
            &[i],
        )
    });
    assert_eq!(paths(&pool).len(), 6);
}

/// Equal pixels, and features that are nearly the same, are in it once; then there are fewer than were wanted.
#[test]
fn no_twins() {
    let mut pool = Pool::new(5, 3);
    pool.add("a", &verdict(0, 0.1), &[1.0, 0.0], &[1]);
    pool.add("same pixels", &verdict(0, 0.1), &[1.0, 0.0], &[1]);
    pool.add("same features", &verdict(0, 0.1), &[2.0, 0.001], &[2]);
    pool.add("other", &verdict(0, 0.1), &[1.0, 1.0], &[3]);
    assert_eq!(paths(&pool), ["a", "other"]);
    // Ten thousand empty images do not drive out the others.
    let mut pool = Pool::new(1, 3);
    pool.add("other", &verdict(0, 0.5), &[0.0, 1.0], &[1]);
    (0..10_000).for_each(|i| pool.add(&format!("{i}"), &verdict(0, 0.1), &[1.0, 0.0], &[0]));
    assert_eq!(pool.classes[0].len(), 2);
}

#[test]
fn labelled_images_are_not_asked_for() {
    let mut pool = Pool::new(5, 3);
    pool.add("given", &JUDGE.verdict(&[0.0, 0.0, 0.0], Some(1)), &[1.0], &[1]);
    assert!(pool.choose().is_empty());
    // Without features the least sure ones are chosen.
    (0..9u8).for_each(|i| pool.add(&format!("{i}"), &verdict(0, 0.9 - f32::from(i) * 0.1), &[], &[i]));
    assert_eq!(paths(&pool), ["8", "7", "6", "5", "4"]);
    let broken = unit(&[f32::NAN, 1.0]);
    assert_eq!(broken, [0.0, 0.0]);
}

/// Twenty candidates for each image wanted, and never more than the bound of memory.
#[test]
fn candidates_are_bounded() {
    let mut pool = Pool::new(2, 1);
    for i in 0..1000u32 {
        let margin = f32::from((i * 7 % 1000) as u16) / 1200.0;
        pool.add(&i.to_string(), &JUDGE.verdict(&[margin, 0.0], Some(0)), &[1.0], &[]);
        pool.add(&i.to_string(), &verdict(0, margin), &[i as f32, 1.0], &i.to_le_bytes());
    }
    assert_eq!(pool.classes[0].len(), 40);
    assert!(pool.classes[0].is_sorted_by(|a, b| a.margin <= b.margin));
    let large = Pool::new(1_000_000, 10);
    let bytes = large.most(1000) * 10 * (4 * 1000 + TEXT);
    assert!(bytes <= FEATURES + 10 * (4 * 1000 + TEXT), "{bytes}");
}
