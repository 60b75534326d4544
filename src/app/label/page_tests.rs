use super::*;
use crate::app::label::next::{Known, Next, Pool};
use crate::app::label::verdict::Judge;
use crate::app::label::{Abstain, summary::Tally};
use crate::shape::Dims;

const IMAGE: Dims = Dims { height: 2, width: 2, channels: 1 };

fn options(class_names: &[&str]) -> Options {
    Options {
        out: "out".into(),
        probabilities: false,
        by_class: None,
        abstain: Abstain::Threshold(0.6),
        next: None,
        image: IMAGE,
        class_names: class_names.iter().map(|n| n.to_string()).collect(),
        calibration: Err("no label was held out of the training".into()),
        checkpoint: String::new(),
        part: None,
        in_common: String::new(),
        identity: String::new(),
        review: true,
        trains: true,
    }
}

/// The page of images with these paths, probabilities of the first class, and given labels.
fn page_of(options: &Options, images: &[(&str, f32, Option<u16>)]) -> String {
    let (mut sheet, mut tally) = (Sheet::new(2), Tally::new(2));
    for &(path, p, given) in images {
        let verdict = Judge { temperature: 1.0, threshold: Some(0.6) }
            .verdict(&[p.ln(), (1.0 - p).ln()], &given.into());
        sheet.add(path, &verdict, &[0, 50, 100, 255], IMAGE);
        tally.add(&verdict);
    }
    page(&sheet, &Next::default(), options, &Summary::of(options, &tally, None)).unwrap()
}

#[test]
fn sections_in_their_order() {
    let images = [
        ("s/a.png", 0.9, None),
        ("b.png", 0.7, None),
        ("c.png", 0.2, Some(0)),
        ("d.png", 0.55, None),
        ("e.png", 0.9, Some(0)),
    ];
    let html = page_of(&options(&["cat", "dog"]), &images);
    let at = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text}"));
    assert!(
        at("<h2>cat</h2>") < at("data-path=\"b.png\"")
            && at("data-path=\"b.png\"") < at("data-path=\"s/a.png\"")
    );
    assert!(at("data-path=\"s/a.png\"") < at("<h2>Contradicted labels</h2>"));
    assert!(
        at("data-path=\"c.png\"") < at("<h2>Unsure</h2>")
            && at("<h2>Unsure</h2>") < at("data-path=\"d.png\"")
    );
    assert!(!html.contains("<h2>dog</h2>") && !html.contains("e.png"), "nothing to review");
    assert!(html.contains("alt=\"a.png\"") && html.contains("cat <b>70.0\u{a0}%</b>"), "{html}");
    assert!(html.contains(
        "5 images: 2 predicted, 1 unsure, 2 with a given label, of which the model contradicts 1."
    ));
}

/// Before all others, with their thumbnails; without any there is no such section.
#[test]
fn what_to_label_next_comes_first() {
    let options = options(&["cat", "dog"]);
    let (mut sheet, tally) = (Sheet::new(2), Tally::new(2));
    let verdict = Judge { temperature: 1.0, threshold: Some(0.0) }.verdict(&[2.0, 0.0], &None.into());
    let mut pool = Pool::new(2, Some(IMAGE));
    for (path, features) in [("a.png", [1.0, 0.0]), ("b.png", [0.0, 1.0])] {
        sheet.add(path, &verdict, &[1, 2, 3, 4], IMAGE);
        pool.add(path, &verdict, &features, path.as_bytes(), &Known::default());
    }
    let summary = Summary::of(&options, &tally, Some(2));
    let next = |compared| Next { asked: pool.choose(), compared };
    let html = page(&sheet, &next(false), &options, &summary).unwrap();
    let at = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text}: {html}"));
    assert!(at("<h2>To label next</h2>") < at("data-path=\"a.png\""));
    assert_eq!(html.matches("data-path=\"b.png\"").count(), 2, "there and in its class");
    assert!(
        at("2 images that the model is least sure of") < at("<h2>cat</h2>")
            && html.contains("<a href=\"#next\">")
    );
    let html = page(&sheet, &next(true), &options, &summary).unwrap();
    assert!(html.contains("2 images unlike those that were labelled as what they are taken for"));
    assert!(!page_of(&options, &[("a.png", 0.9, None)]).contains("To label next"));
}

/// Nothing is fetched, and the policy forbids it too.
#[test]
fn one_file_alone() {
    let html = page_of(&options(&["cat", "dog"]), &[("a.png", 0.9, None)]);
    for word in ["http://", "https://", "src=\"/", "@import", "url("] {
        assert!(!html.contains(word), "{word}");
    }
    assert!(html.contains("default-src 'none'") && html.contains("name=\"viewport\""));
    for tag in ["style", "script"] {
        let (_, rest) = html.split_once(&format!("<{tag}>")).unwrap();
        let (text, _) = rest.split_once(&format!("</{tag}>")).unwrap();
        assert!(
            html.contains(&format!("{tag}-src {}", policy_hash(text))),
            "{tag}: a browser would refuse it"
        );
    }
}

#[test]
fn names_are_escaped() {
    let path = "a\"><script>alert(1)</script>\n&\r.png";
    let html = page_of(&options(&["<b>cat</b>", "d\"og"]), &[(path, 0.9, None)]);
    assert!(
        html.contains("data-path=\"a&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&#10;&amp;&#13;.png\""),
        "{html}"
    );
    assert!(
        html.contains("<option value=\"d&quot;og\">d&quot;og</option>")
            && html.contains("<h2>&lt;b&gt;cat&lt;/b&gt;</h2>")
    );
    assert_eq!(html.matches("<script>").count(), 1, "the page's own");
}

#[test]
fn what_is_not_shown_is_said() {
    let images: Vec<(String, f32, Option<u16>)> = (0..100).map(|i| (format!("{i}.png"), 0.9, None)).collect();
    let images: Vec<_> = images.iter().map(|(path, p, given)| (path.as_str(), *p, *given)).collect();
    let html = page_of(&options(&["cat", "dog"]), &images);
    assert!(html.contains("100 predicted; the 60 least sure are shown, 40 are not"), "{html}");
    assert_eq!(html.matches("class=\"item\"").count(), 60);
}

#[test]
fn nearly_sure_is_not_sure() {
    assert_eq!(
        [0.5, 0.99996, 1.0, 0.0].map(percent),
        ["50.0\u{a0}%", "99.9\u{a0}%", "100.0\u{a0}%", "0.0\u{a0}%"]
    );
}

/// For tests/pages/check.mjs, which uses them as people do.
#[test]
#[ignore = "writes pages for `make check-pages`"]
fn pages_for_a_browser() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pages");
    std::fs::create_dir_all(&folder).unwrap();
    let paths: Vec<String> = (0..60).map(|i| format!("photos/{i:02}.png")).collect();
    let images: Vec<(&str, f32, Option<u16>)> = paths.iter().map(|path| (path.as_str(), 0.9, None)).collect();
    for (name, classes) in [("review.html", ["fox", "K\u{e4}fer,  big"]), ("digits.html", ["0", "1"])] {
        std::fs::write(folder.join(name), page_of(&options(&classes), &images)).unwrap();
    }
}
