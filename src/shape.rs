//! The words of shapes: what one row of an activation, an image and a window are.

/// Activation of one row: `height x width x channels`; dense activations are `1 x 1 x n`.
/// In memory the channel is innermost (NHWC), so every activation is a matrix
/// `[rows * height * width, channels]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Dims {
    /// Rows of pixels.
    pub height: u32,
    /// Columns of pixels.
    pub width: u32,
    /// Channels or features.
    pub channels: u32,
}

impl Dims {
    /// A flat vector of `n` features.
    pub fn flat(n: u32) -> Dims {
        Dims { height: 1, width: 1, channels: n }
    }
    /// `CxHxW`, such as `3x32x32`, nothing of it 0. `None` for any other text.
    pub fn parse(text: &str) -> Option<Dims> {
        let sizes: Vec<Option<u32>> = text.split('x').map(|n| n.parse().ok()).collect();
        match sizes[..] {
            [Some(channels @ 1..), Some(height @ 1..), Some(width @ 1..)] => {
                Some(Dims { height, width, channels })
            }
            _ => None,
        }
    }
    /// `CxHxW`, which [`Dims::parse`] reads, also where there is one pixel.
    pub fn as_image(self) -> String {
        format!("{}x{}x{}", self.channels, self.height, self.width)
    }
    /// height x width x channels, which [`Dims::len`] has where it is below 2^32.
    pub(crate) fn values(self) -> u128 {
        u128::from(self.height) * u128::from(self.width) * u128::from(self.channels)
    }
    /// height x width.
    pub fn pixels(self) -> u32 {
        self.height * self.width
    }
    /// Values per row.
    pub fn len(self) -> u32 {
        self.height * self.width * self.channels
    }
    /// Whether there is nothing in it.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
    /// Whether it is a plain vector.
    pub fn is_flat(self) -> bool {
        self.pixels() == 1
    }
    /// Says what to do where a layer needs a plain vector and this is none.
    pub(crate) fn must_be_flat(self) -> Result<(), String> {
        match self.is_flat() {
            true => Ok(()),
            false => Err(format!("input is {self}; put a flatten or global_avg_pool layer before it")),
        }
    }
}

impl std::fmt::Display for Dims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_flat() { write!(f, "{}", self.channels) } else { f.write_str(&self.as_image()) }
    }
}

/// What the data set decides about a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataShape {
    /// One image.
    pub image: Dims,
    /// K.
    pub classes: u32,
}

/// Geometry of a convolution or of pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Side of the square kernel.
    pub kernel: u32,
    /// Step.
    pub stride: u32,
    /// Padding above (below and right follow from the output size).
    pub pad_top: u32,
    /// Padding to the left.
    pub pad_left: u32,
}
