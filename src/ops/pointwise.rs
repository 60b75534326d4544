//! Elementwise operations: activations, noise, dropout, random numbers, copies.

use super::Ops;
use crate::error::Result;
use crate::gpu::{Call, MAX_TURNS, Program, Tensor};
use crate::shape::Dims;

/// An activation function. The numbers are those of `shaders/common/activation.wgsl`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Activation {
    /// x
    #[default]
    None,
    /// max(x, 0)
    Relu,
    /// x > 0 ? x : slope x
    LeakyRelu(f32),
    /// log(1 + e^x)
    Softplus,
    /// 1 / (1 + e^-x)
    Sigmoid,
    /// tanh x
    Tanh,
    /// max(x, 0), then dropout that keeps this share, 0 to 1: one derivative, by the output of both. Of the backward pass
    /// alone.
    ReluDropout(f32),
}

impl Activation {
    pub(super) fn number(self) -> u32 {
        match self {
            Activation::None => 0,
            Activation::Relu => 1,
            Activation::LeakyRelu(_) => 2,
            Activation::Softplus => 3,
            Activation::Sigmoid => 4,
            Activation::Tanh => 5,
            Activation::ReluDropout(_) => 6,
        }
    }
    pub(super) fn slope(self) -> f32 {
        match self {
            Activation::LeakyRelu(s) | Activation::ReluDropout(s) => s,
            _ => 0.0,
        }
    }
}

/// What [`Ops::random_fill`] draws. The numbers are NORMAL in the shader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// Uniform on [0, 1).
    Uniform = 0,
    /// Standard normal.
    Normal = 1,
    /// Philox's integers.
    Bits = 2,
}

impl Ops {
    /// y = act(x).
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn activation(
        &self,
        p: &mut Program,
        layer: &str,
        act: Activation,
        x: &Tensor,
        y: &Tensor,
    ) -> Result<()> {
        assert_eq!(x.len(), y.len());
        let call = Call::new("activation", layer)
            .define("ACT", act.number())
            .bind("x", x)
            .bind("y", y)
            .param("n4", x.vec4s())
            .param("slope", act.slope())
            .flops(x.len() as u64);
        p.each(&self.gpu, call, x.vec4s().into())
    }

    /// dx = dy * act'(y), y the activation's output.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn activation_grad(
        &self,
        p: &mut Program,
        layer: &str,
        act: Activation,
        y: &Tensor,
        dy: &Tensor,
        dx: &Tensor,
    ) -> Result<()> {
        assert!(y.rows >= dy.rows && y.cols == dy.cols && dy.len() == dx.len());
        let y = y.head(dy.rows);
        let call = Call::new("activation_grad", layer)
            .define("ACT", act.number())
            .bind("dy", dy)
            .bind("y", &y)
            .bind("dx", dx)
            .param("n4", dy.vec4s())
            .param("slope", act.slope())
            .flops(2 * dy.len() as u64);
        p.each(&self.gpu, call, dy.vec4s().into())
    }

    /// y = x + sigma n, n from `stream` at the state's step.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn noise(
        &self,
        p: &mut Program,
        layer: &str,
        stream: u32,
        sigma: f32,
        x: &Tensor,
        y: &Tensor,
    ) -> Result<()> {
        assert_eq!(x.len(), y.len());
        let call = Call::new("noise", layer)
            .bind("state", &self.state)
            .bind("x", x)
            .bind("y", y)
            .param("n4", x.vec4s())
            .param("stream", stream)
            .param("sigma", sigma)
            .flops(2 * x.len() as u64);
        p.each(&self.gpu, call, x.vec4s().into())
    }

    /// Inverted dropout of x, or of its gradient: the same mask for the same stream and step.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn dropout(
        &self,
        p: &mut Program,
        layer: &str,
        stream: u32,
        rate: f32,
        x: &Tensor,
        y: &Tensor,
    ) -> Result<()> {
        assert_eq!(x.len(), y.len());
        let call = Call::new("dropout", layer)
            .bind("state", &self.state)
            .bind("x", x)
            .bind("y", y)
            .param("n4", x.vec4s())
            .param("stream", stream)
            .param("rate", rate)
            .flops(x.len() as u64);
        p.each(&self.gpu, call, x.vec4s().into())
    }

    /// Each image of x `[rows * pixels, channels]` moved by up to `most` pixels, drawn from `stream` at the state's step;
    /// `inverse` moves a gradient back by the same draw.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn random_shift(
        &self,
        p: &mut Program,
        layer: &str,
        (stream, most): (u32, u32),
        image: Dims,
        inverse: bool,
        (x, y): (&Tensor, &Tensor),
    ) -> Result<()> {
        let call = Call::new("random_shift", layer).define("INVERSE", u32::from(inverse)).param("most", most);
        self.move_images(p, call, stream, image, 2 + image.channels, (x, y))
    }

    /// Each image under its own affine map; `grad`: the backward pass, from dy to dx. `shift` in pixels, `warp` how far the
    /// entries of the matrix may be from the identity's.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn random_affine(
        &self,
        p: &mut Program,
        layer: &str,
        (stream, shift, warp): (u32, f32, f32),
        image: Dims,
        grad: bool,
        (x, y): (&Tensor, &Tensor),
    ) -> Result<()> {
        // Beyond, the bound on what a gradient looks at means nothing.
        assert!((0.0..=0.4).contains(&warp));
        let call = Call::new("random_affine", layer)
            .define("GRAD", u32::from(grad))
            .param("shift", shift)
            .param("warp", warp)
            .flops(8 * y.len() as u64);
        // The pixels that one looks at along an axis. Those of the gradient are within 1 / (1 - 2 warp), the largest sum of
        // a row of the inverse map.
        let side = if grad { (2.0 / (1.0 - 2.0 * warp)) as u32 + 1 } else { 2 };
        let turns = 2 + image.channels * (2 + side) * (1 + side);
        self.move_images(p, call, stream, image, turns, (x, y))
    }

    /// Each image of x `[rows * pixels, channels]` mirrored or not, left to right, as drawn from `stream` at the state's step;
    /// of a gradient that is the backward pass.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn random_flip(
        &self,
        p: &mut Program,
        layer: &str,
        stream: u32,
        image: Dims,
        x_y: (&Tensor, &Tensor),
    ) -> Result<()> {
        self.move_images(p, Call::new("random_flip", layer), stream, image, 2 + image.channels, x_y)
    }

    /// A call that moves each image its own way, a line of pixels an invocation, or as much of it as the bound on loops
    /// allows where a pixel takes `turns`.
    fn move_images(
        &self,
        p: &mut Program,
        call: Call,
        stream: u32,
        image: Dims,
        turns: u32,
        (x, y): (&Tensor, &Tensor),
    ) -> Result<()> {
        assert!(image.values() <= u32::MAX.into());
        assert!(x.len() == y.len() && x.len().is_multiple_of(image.len() as usize));
        let lines = y.len() as u64 / u64::from(image.width * image.channels);
        let length = ((MAX_TURNS - 1) / turns).clamp(1, image.width);
        let parts = image.width.div_ceil(length);
        let call = call
            .bind("state", &self.state)
            .bind("x", x)
            .bind("y", y)
            .param("lines", lines as u32)
            .param("parts", parts)
            .param("length", length)
            .turns(u64::from(length) * u64::from(turns) + 1)
            .param("height", image.height)
            .param("width", image.width)
            .param("channels", image.channels)
            .param("stream", stream);
        p.each(&self.gpu, call, lines * u64::from(parts))
    }

    /// Fills y from `stream` at the state's step.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn random_fill(
        &self,
        p: &mut Program,
        layer: &str,
        stream: u32,
        fill: Fill,
        y: &Tensor,
    ) -> Result<()> {
        let call = Call::new("random_fill", layer)
            .define("NORMAL", fill as u32)
            .bind("state", &self.state)
            .bind("y", y)
            .param("n4", y.vec4s())
            .param("stream", stream);
        p.each(&self.gpu, call, y.vec4s().into())
    }

    /// out = x, or x times the state's moving-average correction.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn copy(&self, p: &mut Program, layer: &str, x: &Tensor, out: &Tensor, correct: bool) -> Result<()> {
        assert_eq!(x.len(), out.len());
        let mut call = Call::new("copy", layer)
            .define("CORRECT", u32::from(correct))
            .bind("x", x)
            .bind("out", out)
            .param("n4", x.vec4s());
        if correct {
            call = call.bind("state", &self.state);
        }
        p.each(&self.gpu, call, x.vec4s().into())
    }
}
