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

/// What is in two parts stays in the later one; what is twice in one stays.
#[test]
fn equal_images_in_two_parts() {
    let train = [(1, Some(0), "a"), (2, Some(1), "b"), (3, None, "c"), (4, Some(1), "d"), (2, None, "e")];
    let validation = [(4, Some(1), "v"), (5, Some(0), "w")];
    let test = [(1, Some(0), "s"), (5, Some(0), "t"), (5, Some(0), "u")];
    let mut set = set(images(&train), images(&validation), images(&test));
    set.part_duplicates().unwrap();
    assert_eq!(set.train, images(&[(2, Some(1), "b"), (3, None, "c"), (2, None, "e")]));
    assert_eq!(set.validation, images(&[(4, Some(1), "v")]));
    assert_eq!(set.test, images(&test));
    let skipped: Vec<_> = set.skipped.iter().map(|s| (s.path.to_str().unwrap(), s.reason.as_str())).collect();
    let same = |of: &str| format!("the same picture as {of}");
    let [t, s, v] = ["t", "s", "v"].map(same);
    assert_eq!(skipped, [("w", t.as_str()), ("a", &s), ("d", &v)]);
    assert_eq!(set.notes.len(), 1);
    let before = set.clone();
    set.part_duplicates().unwrap();
    assert_eq!(set, before, "nothing is left to do");
}
