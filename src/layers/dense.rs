//! Dense layers.

use super::settings::{image_at_stride, yes};
use super::{ImageUnits, Init, Layer, NamedUnits, Units, WeightNorm, Weights};
use crate::shape::{DataShape, Dims, Window};
use serde::{Deserialize, Serialize};

/// y = x W^T + b.  x `[rows, in]`, W `[units, in]`, b `[units]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// Outputs.
    pub units: Units,
    /// Adds b.
    #[serde(default = "yes")]
    pub bias: bool,
    /// Weight normalisation.
    #[serde(default)]
    pub weight_norm: WeightNorm,
    /// Initial weights.
    #[serde(default)]
    pub init: Init,
}

impl Layer for Dense {
    fn shape(&self, input: Dims, data: DataShape) -> std::result::Result<(Dims, Option<Window>), String> {
        let n = match self.units {
            Units::Count(n) => n,
            Units::Named(NamedUnits::Classes) => data.classes,
            Units::Named(NamedUnits::Pixels) => data.image.len(),
            Units::Image(ImageUnits { channels, image_stride }) => {
                let [height, width] = image_at_stride(data.image, image_stride)?;
                let values = u64::from(height) * u64::from(width) * u64::from(channels);
                u32::try_from(values).map_err(|_| format!("{values} units are too many"))?
            }
        };
        if n == 0 {
            return Err("units must be at least 1".into());
        }
        input.must_be_flat()?;
        Ok((Dims::flat(n), None))
    }

    fn gives_images(&self) -> Option<bool> {
        Some(false)
    }

    fn weights(&self) -> Option<Weights> {
        let Dense { init, weight_norm: norm, bias, .. } = *self;
        Some(Weights { init, norm, bias, transposed: false })
    }

    fn detail(&self) -> String {
        self.weight_norm.detail().into()
    }
}
