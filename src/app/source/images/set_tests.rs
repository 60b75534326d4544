use super::*;
use crate::app::source::images::policy::Fit;

/// Images of one pixel: their values, labels and names.
fn images(of: &[(u8, Option<u16>, &str)]) -> Images {
    let pixels = of.iter().map(|i| i.0).collect();
    Images::new(1, pixels, of.iter().map(|i| i.1).collect(), of.iter().map(|i| PathBuf::from(i.2)).collect())
}

fn set(train: Images, validation: Images, test: Images) -> ImageSet {
    ImageSet {
        name: "photos".into(),
        policy: Policy { height: 1, width: 1, channels: 1, fit: Fit::Letterbox },
        class_names: vec!["cat".into(), "dog".into()],
        train,
        validation,
        test,
        no_label: Default::default(),
        skipped: Vec::new(),
        notes: Vec::new(),
    }
}

#[test]
fn equal_images_with_different_labels() {
    let train = [(1, Some(0), "a"), (2, Some(1), "b"), (1, None, "c"), (1, Some(1), "d"), (2, Some(1), "e")];
    let e =
        set(images(&train), Images::default(), Images::default()).part_duplicates().unwrap_err().to_string();
    assert!(e.contains("photos: equal pictures with different labels: a (cat) and d (dog): correct"), "{e}");
    let (train, test) = (images(&[(1, Some(0), "a")]), images(&[(1, Some(1), "t")]));
    let e = set(train, Images::default(), test).part_duplicates().unwrap_err().to_string();
    assert!(e.contains("a (cat) and t (dog)"), "{e}");
}

fn skipped(set: &ImageSet) -> Vec<(&str, &str)> {
    set.skipped.iter().map(|s| (s.path.to_str().unwrap(), s.reason.as_str())).collect()
}

/// What is tested on stays there alone; of what is in two other parts the training image stays; what is twice in one stays.
#[test]
fn equal_images_in_two_parts() {
    let train = [
        (1, Some(0), "a"),
        (2, Some(1), "b"),
        (3, None, "c"),
        (4, Some(1), "d"),
        (2, None, "e"),
        (6, Some(0), "f"),
    ];
    let validation = [(4, Some(1), "v"), (5, Some(0), "w"), (7, Some(0), "x"), (7, None, "y")];
    let test = [(1, Some(0), "s"), (5, Some(0), "t"), (5, Some(0), "u"), (5, None, "z"), (7, None, "o")];
    let mut set = set(images(&train), images(&validation), images(&test));
    assert_eq!(set.tested_part(), Some(Part::Test));
    set.part_duplicates().unwrap();
    assert_eq!(set.train, images(&train[1..]));
    assert_eq!(set.validation, images(&validation[2..]));
    assert_eq!(set.test, images(&test[..3]));
    let same = |of: &str| format!("the same picture as {of}");
    let [s, d, t, x] = ["s", "d", "t", "x"].map(same);
    assert_eq!(skipped(&set), [("a", s.as_str()), ("v", &d), ("w", &t), ("z", &t), ("o", &x)]);
    assert_eq!(set.notes.len(), 1);
    let before = set.clone();
    set.part_duplicates().unwrap();
    assert_eq!(set, before, "nothing is left to do");
}

/// An unlabelled image of `test/` is not tested on: it takes no label from the training set, and the part none from `val/`.
#[test]
fn images_without_a_label_take_none_away() {
    let train = [(1, Some(0), "a"), (2, Some(1), "b"), (3, Some(1), "c")];
    let test = [(1, None, "s"), (4, None, "t")];
    let mut without = set(images(&train), Images::default(), images(&test));
    assert_eq!(without.tested_part(), None);
    without.part_duplicates().unwrap();
    assert_eq!((&without.train, &without.test), (&images(&train), &images(&test[1..])));
    assert_eq!(skipped(&without), [("s", "the same picture as a")]);
    let validation = [(3, Some(1), "v"), (5, None, "w")];
    let mut set = set(images(&train), images(&validation), images(&test));
    assert_eq!(set.tested_part(), Some(Part::Validation));
    set.part_duplicates().unwrap();
    assert_eq!(set.train, images(&train[..2]));
    assert_eq!((&set.validation, &set.test), (&images(&validation), &images(&test[1..])));
}

/// Pictures to test on are not learnt from: a class that had no other labels is told with the reason.
#[test]
fn a_class_does_not_lose_its_last_label_unseen() {
    let train = [(1, Some(0), "a"), (2, Some(1), "b"), (3, Some(1), "c"), (1, Some(0), "d")];
    let test = images(&[(1, Some(0), "s"), (2, Some(1), "t")]);
    let mut lost = set(images(&train), Images::default(), test.clone());
    let before = lost.clone();
    let e = lost.part_duplicates().unwrap_err().to_string();
    assert!(
        e.contains(
            "not learnt from, which leaves no label of cat (a is the same picture as s): label others"
        ),
        "{e}"
    );
    assert!(e.len() <= 200 && lost == before, "{e}");
    // Nor does it where `val/` is not tested on, or where there is another one.
    let mut unused = set(images(&train), test, images(&[(9, Some(1), "u")]));
    unused.part_duplicates().unwrap();
    assert_eq!(unused.train, images(&train));
    let mut other = set(images(&train), Images::default(), images(&[(2, Some(1), "t")]));
    other.part_duplicates().unwrap();
    assert_eq!(other.train.labels, [Some(0), Some(1), Some(0)]);
}
