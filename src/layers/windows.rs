//! Windows of convolutions and pooling: their sizes from the settings, and as the kernels want them.

use super::{LayerShape, NamedPadding, Padding};
use crate::ops::Conv;
use crate::shape::{Dims, Window};

/// Geometry of a convolution or pooling layer, of a transposed one that of the convolution which it transposes; all zeros
/// for others.
pub(super) fn conv(layer: &LayerShape) -> Conv {
    let Some(w) = layer.window else { return Conv::default() };
    let (image, windows) = layer.image_and_windows();
    Conv {
        h: image.height,
        w: image.width,
        c: image.channels,
        oh: windows.height,
        ow: windows.width,
        oc: windows.channels,
        kernel: w.kernel,
        stride: w.stride,
        pad_top: w.pad_top,
        pad_left: w.pad_left,
    }
}

/// What a figure writes of a window.
pub(super) fn detail(kernel: u32, stride: u32, padding: Padding) -> String {
    let step = if stride == 1 { String::new() } else { format!(", stride {stride}") };
    let pad = match padding {
        Padding::Named(NamedPadding::Same) => ", same".into(),
        Padding::Named(NamedPadding::Valid) | Padding::Count(0) => String::new(),
        Padding::Count(n) => format!(", padding {n}"),
    };
    format!(" {kernel}×{kernel}{step}{pad}")
}

/// The window of the convolution that makes `input` of what a transposed one makes of it, and the height and width of
/// that: `sides`, where they are given.
pub(super) fn window_under(
    input: Dims,
    kernel: u32,
    stride: u32,
    padding: Padding,
    sides: Option<[u32; 2]>,
) -> Result<(Window, [u32; 2]), String> {
    let around = match padding {
        Padding::Count(p) => 2 * u64::from(p.min(kernel)),
        Padding::Named(_) => 0,
    };
    let side = |n: u32| -> u32 {
        let out = match padding {
            Padding::Named(NamedPadding::Same) => u64::from(n) * u64::from(stride),
            _ => (u64::from(n.max(1) - 1) * u64::from(stride) + u64::from(kernel)).saturating_sub(around),
        };
        // Too large a side is refused below, by the number of values.
        out.min(1 << 14) as u32
    };
    let [height, width] = sides.unwrap_or_else(|| [side(input.height), side(input.width)]);
    let output = Dims { height, width, ..input };
    if output.is_empty() {
        return Err(format!("nothing is left of {input} with kernel {kernel} and this padding"));
    }
    let (window, back) = window_over(output, kernel, stride, padding)?;
    if back == [input.height, input.width] {
        return Ok((window, [height, width]));
    }
    Err(match sides {
        Some(_) => format!(
            "a stride of {stride} makes {}x{} of the {height}x{width} pixels of this image_stride, and the input has \
             {}x{}: the input's own image_stride must be this one times the stride",
            back[0], back[1], input.height, input.width
        ),
        None => {
            format!("{input} has no image of at most {0}x{0} pixels with this kernel and stride", 1 << 14)
        }
    })
}

/// The window over `input`, and the height and width of what it gives. Every position of the window has
/// at least one place inside the image.
pub(super) fn window_over(
    input: Dims,
    kernel: u32,
    stride: u32,
    padding: Padding,
) -> Result<(Window, [u32; 2]), String> {
    if kernel == 0 || stride == 0 {
        return Err("kernel and stride must be at least 1".into());
    }
    if kernel > 64 || stride > 64 {
        return Err("kernel and stride may be at most 64".into());
    }
    let side = |n: u32| -> Result<(u32, u32), String> {
        let (total, before, out) = match padding {
            Padding::Named(NamedPadding::Same) => {
                let out = n.div_ceil(stride);
                let total = ((out - 1) * stride + kernel).saturating_sub(n);
                (total, total / 2, Some(out))
            }
            Padding::Named(NamedPadding::Valid) => (0, 0, None),
            Padding::Count(p) if p < kernel => (2 * p, p, None),
            Padding::Count(p) => return Err(format!("padding {p} must be smaller than kernel {kernel}")),
        };
        let padded = n + total;
        if padded < kernel {
            return Err(format!("kernel {kernel} is larger than the padded input ({padded})"));
        }
        Ok((out.unwrap_or((padded - kernel) / stride + 1), before))
    };
    let ((height, pad_top), (width, pad_left)) = (side(input.height)?, side(input.width)?);
    Ok((Window { kernel, stride, pad_top, pad_left }, [height, width]))
}
