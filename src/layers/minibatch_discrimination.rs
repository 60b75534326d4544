//! Minibatch discrimination.

use super::{Backward, Forward, Init, Layer, LayerShape, WeightNorm, Weights};
use crate::error::Result;
use crate::gpu::{Program, Tensor};
use crate::ops::MinibatchSizes;
use crate::shape::{DataShape, Dims, Window};
use serde::{Deserialize, Serialize};

/// Minibatch discrimination (Salimans et al. 2016, section 3.2): `[rows, in]` to `[rows, in + kernels]`, beside each
/// row how near it is to the rows of its minibatch. T `[kernels * dims, in]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MinibatchDiscrimination {
    /// B, the numbers that are added.
    pub kernels: u32,
    /// C, the values that a distance runs over.
    #[serde(default = "dims")]
    pub dims: u32,
    /// Initial T.
    #[serde(default)]
    pub init: Init,
}

fn dims() -> u32 {
    5
}

impl MinibatchDiscrimination {
    fn sizes(&self, at: &LayerShape) -> MinibatchSizes {
        MinibatchSizes { features: at.input.channels, kernels: self.kernels, dims: self.dims }
    }
}

impl Layer for MinibatchDiscrimination {
    fn shape(&self, input: Dims, _: DataShape) -> std::result::Result<(Dims, Option<Window>), String> {
        input.must_be_flat()?;
        if !(1..=65_536).contains(&self.kernels) || !(1..=64).contains(&self.dims) {
            return Err("kernels must be 1 to 65536 and dims 1 to 64".into());
        }
        Ok((Dims::flat(input.channels.saturating_add(self.kernels)), None))
    }

    fn gives_images(&self) -> Option<bool> {
        Some(false)
    }

    fn weights(&self) -> Option<Weights> {
        Some(Weights { init: self.init, norm: WeightNorm::None, bias: false, transposed: false })
    }

    fn product_columns(&self, _: Dims) -> u32 {
        self.kernels * self.dims
    }

    // Its output is more than the product.
    fn takes_activation(&self) -> bool {
        false
    }

    fn takes_derivative(&self) -> bool {
        false
    }

    fn detail(&self) -> String {
        format!(" {} kernels of {}", self.kernels, self.dims)
    }

    fn forward(&self, p: &mut Program, f: Forward<'_>) -> Result<Tensor> {
        let y = f.output(p)?;
        let m = f.product(p)?;
        f.at.ops.copy_columns(p, &f.label(), false, f.x, &y)?;
        for rows in f.batch.inputs() {
            f.at.ops.minibatch_discrimination(p, &f.label(), self.sizes(f.at.layer), rows, &m, &y)?;
        }
        f.saved.push(m);
        Ok(y)
    }

    fn backward(&self, p: &mut Program, b: Backward<'_>) -> Result<Tensor> {
        let sizes = self.sizes(b.at.layer);
        let m = b.saved.first().expect("the forward pass keeps the product");
        let dm = p.scratch(&b.at.ops.gpu, &b.label(), b.d.rows, m.cols);
        // Inputs are whole: none has rows with a gradient and rows without.
        for rows in b.batch.inputs().into_iter().filter(|rows| rows.0 < b.d.rows) {
            b.at.ops.minibatch_discrimination_grad(p, &b.label(), sizes, rows, (m, b.d), &dm)?;
        }
        b.weight_gradients(p, &dm)?;
        let dx = b.data_gradient(p, &dm)?;
        b.at.ops.copy_columns(p, &b.label(), true, b.d, &dx)?;
        Ok(dx)
    }
}
