//! Pooling: the largest value or the mean of a window, and the mean of the whole image.

use super::{Activation, Conv, Ops, lanes};
use crate::error::{Error, Result};
use crate::gpu::{Call, Program, Tensor};

/// A pooling call: a variant for each geometry.
fn pool<'a>(kernel: &'static str, layer: &str, at: &Conv, rows: u32) -> Call<'a> {
    let (v, ty) = lanes(at.c);
    Call::new(kernel, layer)
        .define("V", v)
        .define("T", ty)
        .define("H", at.h)
        .define("W", at.w)
        .define("C", at.c)
        .define("OH", at.oh)
        .define("OW", at.ow)
        .define("KERNEL", at.kernel)
        .define("STRIDE", at.stride)
        .define("TOP", at.pad_top)
        .define("LEFT", at.pad_left)
        .param("rows", rows)
}

/// As [`pool`], for a gradient. `below`: the activation whose output was the layer's input, and that output; its
/// derivative is multiplied in.
fn pool_grad<'a>(
    kernel: &'static str,
    layer: &str,
    at: &Conv,
    rows: u32,
    below: Option<(&'a Tensor, Activation)>,
) -> Call<'a> {
    let activation = below.map_or(Activation::None, |b| b.1);
    let call =
        pool(kernel, layer, at, rows).define("ACT", activation.number()).param("slope", activation.slope());
    match below {
        Some((x, activation)) if activation != Activation::None => call.bind("x", x),
        _ => call,
    }
}

/// The kernels run unchecked: every tensor must have its `images` times so many values.
fn check(layer: &str, at: &Conv, images: u32, lengths: &[(&str, usize, u32)]) -> Result<()> {
    for (what, have, of_one) in lengths {
        if *have as u64 != u64::from(images) * u64::from(*of_one) {
            return Err(Error::Gpu(format!(
                "pooling for {layer}: {what} has {have} values; {images} x {at:?}"
            )));
        }
    }
    Ok(())
}

/// Values of an image before and after.
fn sizes(at: &Conv) -> (u32, u32) {
    (at.h * at.w * at.c, at.oh * at.ow * at.c)
}

impl Ops<'_> {
    /// y [rows * oh * ow, c] = largest value of each window of x [rows * h * w, c]; the places outside the
    /// image do not count. `tap`, like y but of `u32`, is told which place of the window it was (`ky * kernel +
    /// kx`, the first of equals).
    ///
    /// # Errors
    /// [`Error::Gpu`] if a tensor has another size; else as [`Program::dispatch`].
    pub fn max_pool2d(
        &self,
        p: &mut Program,
        layer: &str,
        at: &Conv,
        x: &Tensor,
        (y, tap): (&Tensor, Option<&Tensor>),
    ) -> Result<()> {
        let (images, (before, after)) = (y.rows / (at.oh * at.ow), sizes(at));
        let taps = tap.map_or(y.len(), Tensor::len);
        check(layer, at, images, &[("x", x.len(), before), ("y", y.len(), after), ("tap", taps, after)])?;
        let mut call = pool("max_pool2d", layer, at, images)
            .define("TAP", u32::from(tap.is_some()))
            .bind("x", x)
            .bind("y", y)
            .flops(u64::from(at.kernel * at.kernel) * y.len() as u64);
        if let Some(tap) = tap {
            call = call.bind("tap", tap);
        }
        p.each(self.gpu, call, y.len() as u64 / u64::from(lanes(at.c).0))
    }

    /// dx [rows * h * w, c] = sum of the dy [rows * oh * ow, c] of the windows whose largest value was there,
    /// times act'(x) where `below` = (x, act) says that the layer's input x came from an activation.
    ///
    /// # Errors
    /// [`Error::Gpu`] if a tensor has another size; else as [`Program::dispatch`].
    pub fn max_pool2d_grad(
        &self,
        p: &mut Program,
        layer: &str,
        at: &Conv,
        (dy, tap): (&Tensor, &Tensor),
        below: Option<(&Tensor, Activation)>,
        dx: &Tensor,
    ) -> Result<()> {
        let tap = tap.head(dy.rows);
        let x = below.map(|b| b.0.head(dx.rows));
        let below = below.zip(x.as_ref()).map(|(b, x)| (x, b.1));
        let (images, (before, after)) = (dx.rows / (at.h * at.w), sizes(at));
        check(
            layer,
            at,
            images,
            &[("dy", dy.len(), after), ("tap", tap.len(), after), ("dx", dx.len(), before)],
        )?;
        let call = pool_grad("max_pool2d_grad", layer, at, images, below)
            .bind("dy", dy)
            .bind("tap", &tap)
            .bind("dx", dx)
            .flops(u64::from(at.kernel * at.kernel) * dy.len() as u64);
        p.each(self.gpu, call, dx.len() as u64 / u64::from(lanes(at.c).0))
    }

    /// y [rows * oh * ow, c] = mean of each window of x [rows * h * w, c] over its places inside the image.
    ///
    /// # Errors
    /// [`Error::Gpu`] if a tensor has another size; else as [`Program::dispatch`].
    pub fn avg_pool2d(&self, p: &mut Program, layer: &str, at: &Conv, x: &Tensor, y: &Tensor) -> Result<()> {
        let (images, (before, after)) = (y.rows / (at.oh * at.ow), sizes(at));
        check(layer, at, images, &[("x", x.len(), before), ("y", y.len(), after)])?;
        let call = pool("avg_pool2d", layer, at, images)
            .bind("x", x)
            .bind("y", y)
            .flops(u64::from(at.kernel * at.kernel) * y.len() as u64);
        p.each(self.gpu, call, y.len() as u64 / u64::from(lanes(at.c).0))
    }

    /// dx [rows * h * w, c] from dy [rows * oh * ow, c] of [`Ops::avg_pool2d`]; `below` as for
    /// [`Ops::max_pool2d_grad`].
    ///
    /// # Errors
    /// [`Error::Gpu`] if a tensor has another size; else as [`Program::dispatch`].
    pub fn avg_pool2d_grad(
        &self,
        p: &mut Program,
        layer: &str,
        at: &Conv,
        dy: &Tensor,
        below: Option<(&Tensor, Activation)>,
        dx: &Tensor,
    ) -> Result<()> {
        let x = below.map(|b| b.0.head(dx.rows));
        let below = below.zip(x.as_ref()).map(|(b, x)| (x, b.1));
        let (images, (before, after)) = (dx.rows / (at.h * at.w), sizes(at));
        check(layer, at, images, &[("dy", dy.len(), after), ("dx", dx.len(), before)])?;
        let call = pool_grad("avg_pool2d_grad", layer, at, images, below)
            .bind("dy", dy)
            .bind("dx", dx)
            .flops(u64::from(at.kernel * at.kernel) * dy.len() as u64);
        p.each(self.gpu, call, dx.len() as u64 / u64::from(lanes(at.c).0))
    }

    /// y [rows, cols] = mean over the pixels of x [rows * pixels, cols].
    ///
    /// # Errors
    /// As [`Program::dispatch`].
    pub fn global_avg_pool(&self, p: &mut Program, layer: &str, x: &Tensor, y: &Tensor) -> Result<()> {
        let call = Call::new("global_avg_pool", layer)
            .bind("x", x)
            .bind("y", y)
            .param("rows", y.rows)
            .param("pixels", x.rows / y.rows)
            .param("cols", y.cols)
            .flops(x.len() as u64);
        p.each(self.gpu, call, y.len() as u64)
    }

    /// dx [rows * pixels, cols] = dy [rows, cols] / pixels.
    ///
    /// # Errors
    /// As [`Program::dispatch`].
    pub fn global_avg_pool_grad(&self, p: &mut Program, layer: &str, dy: &Tensor, dx: &Tensor) -> Result<()> {
        let call = Call::new("global_avg_pool_grad", layer)
            .bind("dy", dy)
            .bind("dx", dx)
            .param("rows", dy.rows)
            .param("pixels", dx.rows / dy.rows)
            .param("cols", dy.cols)
            .flops(dx.len() as u64);
        p.each(self.gpu, call, dx.len() as u64)
    }
}
