//! The products of layers with weights: which there are, and how their operands are read.

use super::LayerShape;
use super::windows::conv;
use crate::gpu::ALIGN;
use crate::ops::{Conv, Operand, Product, ProductKind};

/// Channels of an image up to which the data gradient is made window by window.
const FEW_CHANNELS: u32 = 4;

/// What multiplies packed weights `[k, n]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct WeightOperand {
    /// How the other operand is read.
    pub from: Operand,
    /// Geometry of that; by windows the product is one of plain rows.
    pub conv: Conv,
    /// Inner size.
    pub k: u32,
    /// Columns of the product.
    pub n: u32,
}

impl WeightOperand {
    /// The products that share its tile.
    pub fn kind(&self) -> ProductKind {
        ProductKind::with_weights(self.from, &self.conv, self.k, self.n)
    }
}

/// The products of one layer with its weights.
#[derive(Debug, Clone, Copy)]
pub(super) struct LayerProducts {
    /// A product of rows, or of windows: the forward pass, of a transposed convolution the data gradient.
    pub forward: WeightOperand,
    /// The other direction.
    pub backward: WeightOperand,
    /// Whether that goes through [`crate::ops::Ops::col2im`].
    pub by_windows: bool,
    /// Weights of an output: taps times channels.
    pub fan_in: u32,
    /// Outputs: channels of the convolution, columns of a dense layer's product.
    pub out: u32,
    taps: u32,
}

impl LayerProducts {
    /// Those of a layer with weights, on an adapter that binds so many bytes.
    pub fn of(layer: &LayerShape, max_binding: u64) -> Option<LayerProducts> {
        layer.op.weights()?;
        let taps = layer.window.map_or(1, |w| w.kernel * w.kernel);
        let at = conv(layer);
        let (out, c, windows) = match layer.window {
            Some(_) => (at.oc, at.c, at.oh * at.ow),
            None => (layer.product_columns(), layer.input.channels, 1),
        };
        let fan_in = taps * c;
        // A product with so few columns would leave most of its tiles empty.
        let bytes = ALIGN as u64 * u64::from(windows) * u64::from(fan_in) * 4;
        let by_windows = layer.window.is_some() && c <= FEW_CHANNELS && bytes <= max_binding;
        let rows = |k, n| WeightOperand { from: Operand::Rows, conv: Conv::default(), k, n };
        let backward = match layer.window {
            Some(_) if by_windows => rows(out, fan_in),
            Some(_) => WeightOperand { from: Operand::Scatter, conv: at, k: taps * out, n: c },
            None => rows(out, c),
        };
        let forward = match layer.window {
            Some(_) => WeightOperand { from: Operand::Window, conv: at, k: fan_in, n: out },
            None => rows(fan_in, out),
        };
        Some(LayerProducts { forward, backward, by_windows, fan_in, out, taps })
    }

    /// Taps that weights are packed by: window by window, the whole window is one.
    pub fn packed_taps(&self) -> u32 {
        if self.by_windows { 1 } else { self.taps }
    }
}

/// The products of a training step on minibatches of `rows`: forward, data gradient, weight gradient of every layer
/// with weights.
pub fn products(layers: &[LayerShape], rows: u32, max_binding: u64) -> Vec<Product> {
    let of = |layer: &LayerShape| {
        let p = LayerProducts::of(layer, max_binding)?;
        let at = conv(layer);
        let (windows, pixels) = match layer.window {
            Some(_) => (rows * at.oh * at.ow, rows * at.h * at.w),
            None => (rows, rows),
        };
        let product =
            |m, w: WeightOperand| Product { size: (m, w.n, w.k), a: w.from, b_window: false, conv: w.conv };
        let back = if p.backward.from == Operand::Scatter { pixels } else { windows };
        let weights = Product {
            size: (p.out, p.fan_in, windows),
            a: Operand::Columns,
            b_window: layer.window.is_some(),
            conv: at,
        };
        Some([product(windows, p.forward), product(back, p.backward), weights])
    };
    layers.iter().filter_map(of).flatten().collect()
}
