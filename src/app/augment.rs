//! Augmentation by name: which random maps a discriminator sees its images under, in place of those of its model file.

use crate::layers::{LayerOp, RandomAffine, RandomFlip, RandomShift};
use crate::model::spec::{LayerSpec, ModelSpec};
use serde::{Deserialize, Serialize};

/// Random maps at the start of the discriminator, in their order; none at all if the list is empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Augment(Vec<Map>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Map {
    Flip,
    Shift,
    Affine,
}

/// What an [`Augment`] is written as.
pub const AUGMENT_VALUES: &str =
    "none, or some of flip, shift and affine, each once, with commas between, such as flip,shift";

/// The maps by name.
const MAPS: [(&str, Map); 3] = [("flip", Map::Flip), ("shift", Map::Shift), ("affine", Map::Affine)];

/// Pixels that an image moves by at most.
const SHIFT: u32 = 2;

impl TryFrom<String> for Augment {
    type Error = String;

    fn try_from(text: String) -> Result<Augment, String> {
        if text == "none" {
            return Ok(Augment(vec![]));
        }
        let map = |name: &str| MAPS.iter().find(|(known, _)| *known == name).map(|(_, map)| *map);
        let maps: Option<Vec<Map>> = text.split(',').map(map).collect();
        let once = |maps: &Vec<Map>| maps.iter().enumerate().all(|(i, map)| !maps[..i].contains(map));
        maps.filter(once).map(Augment).ok_or_else(|| format!("write {AUGMENT_VALUES}"))
    }
}

impl From<Augment> for String {
    fn from(Augment(maps): Augment) -> String {
        let name = |map: &Map| MAPS.iter().find(|(_, known)| known == map).expect("all are listed").0;
        match &maps[..] {
            [] => "none".into(),
            maps => maps.iter().map(name).collect::<Vec<_>>().join(","),
        }
    }
}

impl Map {
    fn layer(self) -> LayerOp {
        match self {
            Map::Flip => LayerOp::RandomFlip(RandomFlip {}),
            Map::Shift => LayerOp::RandomShift(RandomShift { pixels: SHIFT }),
            Map::Affine => LayerOp::RandomAffine(RandomAffine::default()),
        }
    }
}

/// Side of the images for which shifts are given in pixels: that of MNIST, on which they were measured.
const SIDE: u32 = 28;

/// The model with smaller images moved by no larger a share of their side; `None` where that is nothing else. Two pixels of 8x8
/// cost 0.02 to 0.05 of accuracy (docs/own-images.md).
pub fn suited(spec: &ModelSpec, side: u32) -> Option<ModelSpec> {
    let share = f64::from(side) / f64::from(SIDE);
    let mut suited = spec.clone();
    for layer in suited.discriminator.layers.iter_mut().filter(|_| share < 1.0) {
        match &mut layer.op {
            LayerOp::RandomAffine(map) => {
                map.shift = ((f64::from(map.shift) * share * 100.0).round() / 100.0) as f32;
            }
            LayerOp::RandomShift(map) => map.pixels = (f64::from(map.pixels) * share).round().max(1.0) as u32,
            _ => {}
        }
    }
    (suited != *spec).then_some(suited)
}

impl Augment {
    /// The model whose discriminator sees its images under these maps and no others.
    pub fn applied(&self, spec: &ModelSpec) -> ModelSpec {
        let is_map = |op: &LayerOp| {
            matches!(op, LayerOp::RandomFlip(_) | LayerOp::RandomShift(_) | LayerOp::RandomAffine(_))
        };
        let mut spec = spec.clone();
        let layers = &mut spec.discriminator.layers;
        layers.retain(|layer| !is_map(&layer.op));
        layers.splice(0..0, self.0.iter().map(|map| LayerSpec { op: map.layer(), feature: false }));
        spec
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::model_file::{Changes, load_with};
    use crate::model::parse::{BUILT_IN, check};
    use crate::shape::{DataShape, Dims};

    fn augment(text: &str) -> Result<Augment, String> {
        Augment::try_from(text.to_string())
    }

    #[test]
    fn written_as_read() {
        for text in ["none", "flip", "shift,flip", "affine,shift,flip"] {
            assert_eq!(String::from(augment(text).unwrap()), text);
        }
        for text in ["", "turn", "flip,", "flip,flip", "none,flip", "flip shift"] {
            assert!(augment(text).unwrap_err().contains("flip,shift"), "{text}");
        }
    }

    /// Smaller images than those that shifts were measured on move by as small a share; a model of somebody's own stays as it is.
    #[test]
    fn small_images_move_less() {
        let of = |name: &str, maps: Option<&str>, side| {
            let augment = maps.map(|maps| augment(maps).unwrap());
            let changes = Changes { augment: augment.as_ref(), side: Some(side), ..Changes::default() };
            let (spec, text) = load_with(name, changes).unwrap();
            let maps = spec.discriminator.layers.iter().filter_map(|layer| match &layer.op {
                LayerOp::RandomAffine(map) => Some(map.shift),
                LayerOp::RandomShift(map) => Some(map.pixels as f32),
                _ => None,
            });
            (maps.collect::<Vec<_>>(), text)
        };
        let own = |side| of("cnn", None, side);
        assert_eq!(
            (own(8).0, own(14).0, own(28).0, own(64).0),
            (vec![0.57], vec![1.0], vec![2.0], vec![2.0])
        );
        assert_eq!(own(28).1, crate::app::model_file::load("cnn").unwrap().1, "its file, as it is");
        assert!(own(8).1.contains("shift = 0.57"), "{}", own(8).1);
        assert_eq!(of("cnn", Some("shift"), 8).0, [1.0]);
        assert_eq!(of("cnn", Some("affine,shift"), 14).0, [1.0, 1.0]);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("mine.toml");
        std::fs::write(&file, own(28).1).unwrap();
        assert_eq!(of(&file.display().to_string(), None, 8).0, [2.0]);
    }

    /// The maps of every built-in model give way to those that are asked for, in their order, and what is left is the same.
    #[test]
    fn takes_the_place_of_the_models_own() {
        let data = DataShape { image: Dims { height: 32, width: 32, channels: 3 }, classes: 10 };
        for (name, _) in BUILT_IN {
            let of = |text: &str| {
                let augment = augment(text).unwrap();
                let changes = Changes { augment: Some(&augment), ..Changes::default() };
                let (spec, text) = load_with(name, changes).unwrap();
                check(&spec, &text, name, data).unwrap();
                spec.discriminator.layers
            };
            let bare = of("none");
            let names = |layers: &[LayerSpec]| -> Vec<&str> { layers.iter().map(|l| l.op.name()).collect() };
            assert!(names(&bare).iter().all(|layer| !layer.starts_with("random_")), "{name}");
            let both = of("shift,flip");
            assert_eq!(names(&both)[..2], ["random_shift", "random_flip"], "{name}");
            assert_eq!(both[2..], bare[..], "{name}");
        }
    }
}
