//! The images of the contact sheet: of each section the least sure, and no more than a page can bear.

use serde::{Deserialize, Serialize};

use super::packed;
use super::verdict::{Status, Verdict};
use crate::app::report::png::Picture;
use crate::shape::Dims;

/// Longest side of a thumbnail, in pixels.
const SIDE: u32 = 64;

/// Most images in a section.
const MOST: usize = 60;

/// Bytes of pixels and text on a page, about.
const PAGE: usize = 12 << 20;

/// Bytes of an image's text on the page, about.
const TEXT: usize = 600;

/// One image on the sheet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub path: String,
    pub label: usize,
    pub confidence: f64,
    pub second: usize,
    pub second_confidence: f64,
    /// `H x W x C` of the thumbnail.
    #[serde(with = "packed::bytes")]
    pub pixels: Vec<u8>,
}

/// The least sure images of a section, the least sure first; of equally sure ones those that came first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Section {
    pub kept: Vec<Entry>,
    /// How many there were.
    pub all: u64,
}

/// K sections of predicted classes, that of contradicted labels, and that of unsure images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Sheet {
    pub sections: Vec<Section>,
}

impl Sheet {
    pub fn new(classes: usize) -> Sheet {
        Sheet { sections: vec![Section::default(); classes + 2] }
    }

    /// Whether it has the sections of K classes, and images of no others.
    pub fn fits(&self, classes: usize) -> bool {
        let entries = || self.sections.iter().flat_map(|s| &s.kept);
        self.sections.len() == classes + 2 && entries().all(|e| e.fits(classes))
    }

    /// Takes an image if it belongs on the sheet.
    pub fn add(&mut self, path: &str, verdict: &Verdict, pixels: &[u8], image: Dims) {
        let classes = self.sections.len() - 2;
        let at = match verdict.status {
            Status::Predicted => verdict.label,
            Status::Given if verdict.contradicts() => classes,
            Status::Unsure => classes + 1,
            Status::Given | Status::Other => return,
        };
        let most = most(self.sections.len(), image);
        let Some(section) = self.sections.get_mut(at) else { return };
        section.all += 1;
        let place = section.kept.partition_point(|e| e.confidence <= verdict.confidence);
        if place >= most {
            return;
        }
        section.kept.truncate(most - 1);
        section.kept.insert(place, Entry::of(path, verdict, thumbnail(pixels, image)));
    }
}

impl Entry {
    /// An image with its thumbnail.
    pub fn of(path: &str, verdict: &Verdict, pixels: Vec<u8>) -> Entry {
        Entry {
            path: path.into(),
            label: verdict.label,
            confidence: verdict.confidence,
            second: verdict.second,
            second_confidence: verdict.second_confidence,
            pixels,
        }
    }

    /// Whether its classes are below K.
    pub fn fits(&self, classes: usize) -> bool {
        self.label < classes && self.second < classes
    }

    /// The thumbnail.
    pub fn picture(&self, image: Dims) -> Picture {
        picture(self.pixels.clone(), image)
    }
}

/// An image small enough for a page.
pub(super) fn thumbnail_of(pixels: &[u8], image: Dims) -> Picture {
    picture(thumbnail(pixels, image), image)
}

/// The picture of an image's thumbnail.
fn picture(pixels: Vec<u8>, image: Dims) -> Picture {
    let Dims { height, width, channels } = size(image);
    Picture { width, height, channels, pixels }
}

/// Images that a section may have, of so many sections.
fn most(sections: usize, image: Dims) -> usize {
    (PAGE / (sections * item_bytes(image))).clamp(1, MOST)
}

/// Rows and columns of pixels that become one of the thumbnail.
fn block(image: Dims) -> u32 {
    image.height.max(image.width).div_ceil(SIDE).max(1)
}

/// Size of a thumbnail: gray or red, green, blue.
fn size(image: Dims) -> Dims {
    let block = block(image);
    let channels = if image.channels >= 3 { 3 } else { 1 };
    Dims { height: image.height.div_ceil(block), width: image.width.div_ceil(block), channels }
}

/// Bytes of an image on the page, about.
pub(super) fn item_bytes(image: Dims) -> usize {
    thumbnail_bytes(image) + TEXT
}

/// Bytes of a thumbnail.
pub(super) fn thumbnail_bytes(image: Dims) -> usize {
    size(image).len() as usize
}

/// Means of the blocks of an image, the last of a row and of a column smaller than the others.
pub(super) fn thumbnail(pixels: &[u8], image: Dims) -> Vec<u8> {
    let (block, small) = (block(image), size(image));
    let mean = |y: u32, x: u32, c: u32| {
        let rows = y * block..((y + 1) * block).min(image.height);
        let (mut sum, mut n) = (0u32, 0);
        for row in rows {
            for column in x * block..((x + 1) * block).min(image.width) {
                let at = ((row * image.width + column) * image.channels + c) as usize;
                sum += u32::from(pixels.get(at).copied().unwrap_or_default());
                n += 1;
            }
        }
        ((sum + n / 2) / n.max(1)) as u8
    };
    let places = (0..small.height).flat_map(|y| (0..small.width).map(move |x| (y, x)));
    places.flat_map(|(y, x)| (0..small.channels).map(move |c| mean(y, x, c))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::label::verdict::Judge;

    const DOT: Dims = Dims { height: 1, width: 1, channels: 1 };

    fn verdict(p: f32, given: Option<u16>) -> Verdict {
        Judge { temperature: 1.0, threshold: Some(0.6) }.verdict(&[p.ln(), (1.0 - p).ln()], &given.into())
    }

    #[test]
    fn the_least_sure_of_each_section() {
        let mut sheet = Sheet::new(2);
        for i in 0..100u16 {
            let p = 0.65 + f32::from((i * 37) % 100) * 0.003;
            sheet.add(&format!("{i}"), &verdict(p, None), &[i as u8], DOT);
        }
        sheet.add("agreed", &verdict(0.1, Some(1)), &[0], DOT);
        sheet.add("contradicted", &verdict(0.9, Some(1)), &[1], DOT);
        sheet.add("unsure", &verdict(0.55, None), &[2], DOT);
        let [first, second, contradicted, unsure] = &sheet.sections[..] else { panic!() };
        assert_eq!((first.all, first.kept.len(), second.all), (100, MOST, 0));
        assert!(first.kept.is_sorted_by(|a, b| a.confidence <= b.confidence));
        let sure = first.kept.last().unwrap().confidence;
        assert!((sure - (0.65 + 59.0 * 0.003)).abs() < 1e-6, "the sixty least sure of a hundred: {sure}");
        assert_eq!(contradicted.kept[0].path, "contradicted");
        assert_eq!((unsure.all, &unsure.kept[0].pixels[..]), (1, &[2][..]));
    }

    /// Equally sure: those that came first.
    #[test]
    fn ties_keep_their_order() {
        let mut sheet = Sheet::new(2);
        (0..200).for_each(|i| sheet.add(&format!("{i}"), &verdict(0.7, None), &[0], DOT));
        let paths: Vec<&str> = sheet.sections[0].kept.iter().map(|e| e.path.as_str()).collect();
        assert_eq!(paths, (0..MOST).map(|i| i.to_string()).collect::<Vec<_>>());
    }

    #[test]
    fn thumbnails_are_means() {
        let image = Dims { height: 2, width: 130, channels: 3 };
        assert_eq!(size(image), Dims { height: 1, width: 44, channels: 3 });
        let pixels: Vec<u8> =
            (0..2 * 130 * 3).map(|i| if i % 3 == 1 { 200 } else { (i / 3 % 130) as u8 }).collect();
        let small = thumbnail(&pixels, image);
        assert_eq!(small.len(), 44 * 3);
        assert_eq!(small[..6], [1, 200, 1, 4, 200, 4]);
        assert_eq!(small[43 * 3], 129, "the last block has one column");
        let same = Dims { height: 2, width: 2, channels: 1 };
        assert_eq!(thumbnail(&[1, 2, 3, 4], same), [1, 2, 3, 4]);
    }

    /// The page stays small, whatever the number of classes and the size of images.
    #[test]
    fn a_page_is_bounded() {
        for (classes, image) in [
            (2, Dims { height: 28, width: 28, channels: 1 }),
            (1000, Dims { height: 256, width: 256, channels: 3 }),
        ] {
            let bytes = most(classes + 2, image) * (classes + 2) * (size(image).len() as usize + TEXT);
            assert!(bytes <= PAGE * 11 / 10, "{classes} classes: {bytes}");
        }
        assert_eq!(most(12, Dims { height: 28, width: 28, channels: 1 }), MOST);
    }
}
