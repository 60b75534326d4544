//! Windows: pooling to their largest value or mean, to the mean of the whole image, and sums over windows.

use super::{Activation, Conv, Epilogue, Ops, lanes};
use crate::error::{Error, Result};
use crate::gpu::{Call, MAX_TURNS, Program, Tensor};

/// Tensors of a call by the names that the shader gives them.
type Named<'a> = [(&'static str, &'a Tensor)];

/// A pooling call, a variant for each geometry: `outputs` are `[rows * oh * ow, c]`, `inputs` `[rows * h * w, c]`.
fn pool<'a>(
    kernel: &'static str,
    layer: &str,
    at: &Conv,
    outputs: &Named<'a>,
    inputs: &Named<'a>,
) -> Result<Call<'a>> {
    windows(kernel, layer, at, lanes(at.c), (outputs, 1), inputs)
}

/// The same with so many values for each window and channel, channels read `lanes` at a time. The kernels run
/// unchecked, so the sizes are checked here.
fn windows<'a>(
    kernel: &'static str,
    layer: &str,
    at: &Conv,
    (v, ty): (u32, &'static str),
    (outputs, values): (&Named<'a>, u32),
    inputs: &Named<'a>,
) -> Result<Call<'a>> {
    // Each window holds a pixel of the image, which is read without asking.
    let reaches = |out: u32, stride: u32, pad: u32, size: u32| {
        out > 0
            && pad < at.kernel
            && u64::from(out - 1) * u64::from(stride) < u64::from(size) + u64::from(pad)
    };
    let fits = at.stride > 0
        && reaches(at.oh, at.stride, at.pad_top, at.h)
        && reaches(at.ow, at.stride, at.pad_left, at.w);
    let area = |a: u32, b: u32, values: u32| a.checked_mul(b)?.checked_mul(at.c.max(values));
    let (Some(_), Some(_), true) = (area(at.oh, at.ow, values), area(at.h, at.w, 1), fits) else {
        return Err(Error::Gpu(format!("{kernel} for {layer}: no windows of an image: {at:?}")));
    };
    let pixels = at.oh * at.ow;
    let images = outputs[0].1.rows / pixels;
    // An output looks at the places of its window, an input at the outputs whose windows hold it.
    let side = if kernel.ends_with("_pool2d") { at.kernel } else { at.kernel.div_ceil(at.stride) };
    let side = u64::from(side);
    let mut call = at
        .in_text(Call::new(kernel, layer))
        .define("V", v)
        .define("T", ty)
        .param("rows", images)
        .turns(side * (side + 2) + 1)
        .flops([at.kernel, at.kernel, pixels, at.c, images].into_iter().map(u64::from).product());
    for (tensors, per_image) in [(outputs, pixels * values), (inputs, at.h * at.w)] {
        for (name, tensor) in tensors {
            let want = u64::from(images) * u64::from(per_image) * u64::from(at.c);
            if tensor.len() as u64 != want {
                let have = tensor.len();
                return Err(Error::Gpu(format!(
                    "{kernel} for {layer}: {name} holds {have} values, needs {want}"
                )));
            }
            call = call.bind(name, tensor);
        }
    }
    Ok(call)
}

/// The call of a pooling's gradient, which multiplies act'(x) in where `below` = (x, act) says that the layer's input came
/// from an activation.
fn pool_grad<'a>(
    kernel: &'static str,
    layer: &str,
    at: &Conv,
    outputs: &Named<'a>,
    below: Option<(&'a Tensor, Activation)>,
    dx: &'a Tensor,
) -> Result<Call<'a>> {
    let below = below.filter(|(_, activation)| *activation != Activation::None);
    let activation = below.map_or(Activation::None, |(_, activation)| activation);
    let inputs: Vec<_> = [("dx", dx)].into_iter().chain(below.map(|(x, _)| ("x", x))).collect();
    let call = pool(kernel, layer, at, outputs, &inputs)?;
    Ok(call.define("ACT", activation.number()).param("slope", activation.slope()))
}

/// Whether the text of a kernel may have a line for each place of a window.
fn is_small(at: &Conv) -> bool {
    at.kernel.max(at.stride) <= 4
}

impl Ops {
    /// y [rows * oh * ow, c] = largest value of each window of x [rows * h * w, c]; the places outside the
    /// image do not count. `tap`, like y but of `u32`, is told which place of the window it was (`ky * kernel +
    /// kx`, the first of equals).
    ///
    /// # Errors
    /// [`Error::Gpu`] if a tensor has another size; else as [`Ops`].
    pub fn max_pool2d(
        &self,
        p: &mut Program,
        layer: &str,
        at: &Conv,
        x: &Tensor,
        (y, tap): (&Tensor, Option<&Tensor>),
    ) -> Result<()> {
        let outputs: Vec<_> = [("y", y)].into_iter().chain(tap.map(|tap| ("tap", tap))).collect();
        let within = |out: u32, pad: u32, size: u32| pad == 0 && (out - 1) * at.stride + at.kernel <= size;
        let call = pool("max_pool2d", layer, at, &outputs, &[("x", x)])?;
        let inside = is_small(at) && within(at.oh, at.pad_top, at.h) && within(at.ow, at.pad_left, at.w);
        let call = call.define("TAP", u32::from(tap.is_some())).define("INSIDE", u32::from(inside));
        self.each_pooled(p, call, at, y)
    }

    /// dx [rows * h * w, c] = sum of the dy [rows * oh * ow, c] of the windows whose largest value was there,
    /// times act'(x) where `below` = (x, act) says that the layer's input x came from an activation.
    ///
    /// # Errors
    /// [`Error::Gpu`] if a tensor has another size; else as [`Ops`].
    pub fn max_pool2d_grad(
        &self,
        p: &mut Program,
        layer: &str,
        at: &Conv,
        (dy, tap): (&Tensor, &Tensor),
        below: Option<(&Tensor, Activation)>,
        dx: &Tensor,
    ) -> Result<()> {
        let outputs = [("dy", dy), ("tap", tap)];
        let call = pool_grad("max_pool2d_grad", layer, at, &outputs, below, dx)?;
        let call = call.define("BLOCK", u32::from(is_small(at)));
        if !is_small(at) {
            return self.each_pooled(p, call, at, dx);
        }
        let blocks = |size: u32, pad: u32| u64::from((size + pad).div_ceil(at.stride));
        let blocks = blocks(at.h, at.pad_top) * blocks(at.w, at.pad_left);
        let images = dx.len() as u64 / (u64::from(at.h) * u64::from(at.w) * u64::from(at.c));
        p.each(&self.gpu, call, images * blocks * u64::from(at.c / lanes(at.c).0))
    }

    /// y [rows * oh * ow, c] = mean of each window of x [rows * h * w, c] over its places inside the image.
    ///
    /// # Errors
    /// [`Error::Gpu`] if a tensor has another size; else as [`Ops`].
    pub fn avg_pool2d(&self, p: &mut Program, layer: &str, at: &Conv, x: &Tensor, y: &Tensor) -> Result<()> {
        self.each_pooled(p, pool("avg_pool2d", layer, at, &[("y", y)], &[("x", x)])?, at, y)
    }

    /// dx [rows * h * w, c] from dy [rows * oh * ow, c] of [`Ops::avg_pool2d`]; `below` as for
    /// [`Ops::max_pool2d_grad`].
    ///
    /// # Errors
    /// [`Error::Gpu`] if a tensor has another size; else as [`Ops`].
    pub fn avg_pool2d_grad(
        &self,
        p: &mut Program,
        layer: &str,
        at: &Conv,
        dy: &Tensor,
        below: Option<(&Tensor, Activation)>,
        dx: &Tensor,
    ) -> Result<()> {
        self.each_pooled(p, pool_grad("avg_pool2d_grad", layer, at, &[("dy", dy)], below, dx)?, at, dx)
    }

    /// dx [rows * h * w, c] = sum over the windows that hold a pixel of its values in the column matrix `columns`
    /// [rows * oh * ow, kernel * kernel * c], and what the epilogue makes of it.
    ///
    /// # Errors
    /// [`Error::Gpu`] if a tensor has another size; else as [`Ops`].
    pub fn col2im(
        &self,
        p: &mut Program,
        layer: &str,
        at: &Conv,
        columns: &Tensor,
        epilogue: Epilogue<'_>,
        dx: &Tensor,
    ) -> Result<()> {
        let mut tensors = vec![("dx", dx)];
        let (grad, bias, activation) = match epilogue {
            Epilogue::None => (false, None, Activation::None),
            Epilogue::Forward { bias, activation } => (false, bias, activation),
            Epilogue::Backward { saved, activation } => {
                tensors.push(("x", saved));
                (true, None, activation)
            }
        };
        if let Some(bias) = bias.filter(|bias| bias.len() < at.c as usize) {
            let (have, want) = (bias.len(), at.c);
            return Err(Error::Gpu(format!(
                "col2im for {layer}: bias holds {have} values, {want} are needed"
            )));
        }
        let taps = at.kernel * at.kernel;
        let call = windows("col2im", layer, at, (1, "f32"), (&[("columns", columns)], taps), &tensors)?
            .define("ACT", activation.number())
            .define("GRAD", u32::from(grad))
            .optional("BIAS", "bias", bias)
            .param("slope", activation.slope());
        p.each(&self.gpu, call, dx.len() as u64)
    }

    /// One invocation for the lanes of every value of `written`.
    fn each_pooled(&self, p: &mut Program, call: Call<'_>, at: &Conv, written: &Tensor) -> Result<()> {
        p.each(&self.gpu, call, written.len() as u64 / u64::from(lanes(at.c).0))
    }

    /// y [rows, cols] = mean over the pixels of x [rows * pixels, cols].
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn global_avg_pool(&self, p: &mut Program, layer: &str, x: &Tensor, y: &Tensor) -> Result<()> {
        assert!(x.cols == y.cols && y.rows > 0 && x.rows.is_multiple_of(y.rows));
        let pixels = x.rows / y.rows;
        // y [rows * parts, cols] = sum / divisor over `chunk` pixels each of x [rows * pixels, cols].
        let pass = |p: &mut Program, x: &Tensor, y: &Tensor, (pixels, chunk): (u32, u32), divisor: u32| {
            let call = Call::new("global_avg_pool", layer)
                .bind("x", x)
                .bind("y", y)
                .param("n", y.len() as u32)
                .param("pixels", pixels)
                .param("chunk", chunk)
                .param("cols", y.cols)
                .param("divisor", divisor as f32)
                .turns(u64::from(chunk + 1))
                .flops(x.len() as u64);
            p.each(&self.gpu, call, y.len() as u64)
        };
        let most = MAX_TURNS - 1;
        if pixels <= most {
            return pass(p, x, y, (pixels, pixels), pixels);
        }
        let parts = pixels.div_ceil(most);
        let sums = p.scratch(&self.gpu, "sums of pixels", y.rows * parts, y.cols);
        pass(p, x, &sums, (pixels, most), 1)?;
        pass(p, &sums, y, (parts, parts), pixels)
    }

    /// dx [rows * pixels, cols] = dy [rows, cols] / pixels.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn global_avg_pool_grad(&self, p: &mut Program, layer: &str, dy: &Tensor, dx: &Tensor) -> Result<()> {
        assert!(dx.cols == dy.cols && dy.rows > 0 && dx.rows.is_multiple_of(dy.rows));
        let call = Call::new("global_avg_pool_grad", layer)
            .bind("dy", dy)
            .bind("dx", dx)
            .param("rows", dy.rows)
            .param("pixels", dx.rows / dy.rows)
            .param("cols", dy.cols)
            .flops(dx.len() as u64);
        p.each(&self.gpu, call, dx.len() as u64)
    }
}
