//! From a picture of any size and kind to the bytes that the network sees. Training, evaluation and labelling call
//! [`Policy::apply`], and a run keeps its policy, so that an image means the same to all of them; an exported model tells others
//! what it is ([`Policy::metadata`]).

use fast_image_resize::images::{Image, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x3};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};
use image::DynamicImage;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::shape::Dims;

/// How a picture of other proportions becomes one of the wanted size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// Scaled until it fits inside, the rest filled with black: zero is the background of a data set. Nothing of the
    /// picture is lost.
    #[default]
    Letterbox,
    /// Scaled until it covers all, what stands out is cut off on both sides.
    Crop,
    /// Height and width scaled each by its own factor.
    Stretch,
}

/// What is done to every image of a data set. As JSON: `{"height": 28, "width": 28, "channels": 1, "fit": "letterbox"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Rows of the result, at least 1.
    pub height: u32,
    /// Columns of the result, at least 1.
    pub width: u32,
    /// 1 for gray, 3 for red, green and blue.
    pub channels: u32,
    /// What happens to other proportions.
    pub fit: Fit,
}

/// What the user decides; the data decide the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Choice {
    /// Height and width; `None`: [`default_size`](super::load::default_size).
    pub size: Option<(u32, u32)>,
    /// What happens to other proportions.
    pub fit: Fit,
    /// 1 or 3; `None`: 1 where every picture is gray, else 3.
    pub channels: Option<u32>,
}

impl Choice {
    /// What a policy prescribes, such as that of a checkpoint.
    pub fn prescribed(policy: Policy) -> Choice {
        let Policy { height, width, channels, fit } = policy;
        Choice { size: Some((height, width)), fit, channels: Some(channels) }
    }
}

/// Largest side of an image that a network is given.
pub const MAX_SIDE: u32 = 4096;

/// An image of the wanted size whose channels are not yet those of the data set: a folder's channels are known when its
/// last image has been looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fitted {
    /// 1 where the picture has no colour, 3 where it has.
    pub channels: u32,
    /// `H x W x channels` bytes.
    pub pixels: Vec<u8>,
}

impl std::fmt::Display for Fit {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(match self {
            Fit::Letterbox => "letterbox",
            Fit::Crop => "crop",
            Fit::Stretch => "stretch",
        })
    }
}

impl std::str::FromStr for Fit {
    type Err = String;

    fn from_str(word: &str) -> std::result::Result<Fit, String> {
        let known = [Fit::Letterbox, Fit::Crop, Fit::Stretch];
        let found = known.into_iter().find(|f| f.to_string() == word);
        found.ok_or_else(|| crate::text::unknown("fit", word, ["letterbox", "crop", "stretch"]))
    }
}

impl std::fmt::Display for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let colours = if self.channels == 1 { "gray" } else { "colour" };
        write!(f, "{}x{} {colours}, {}", self.height, self.width, self.fit)
    }
}

impl Policy {
    /// Whether the numbers make sense, which may come from a file.
    ///
    /// # Errors
    /// [`Error::Usage`] for sides that are not 1 to [`MAX_SIDE`] and channels other than 1 and 3.
    pub fn check(&self) -> Result<()> {
        let side = 1..=MAX_SIDE;
        if !side.contains(&self.height) || !side.contains(&self.width) {
            let (h, w) = (self.height, self.width);
            return Err(Error::Usage(format!("images of {h}x{w}: give sides of 1 to {MAX_SIDE} pixels")));
        }
        if ![1, 3].contains(&self.channels) {
            return Err(Error::Usage(format!("images of {} channels: give 1 or 3", self.channels)));
        }
        Ok(())
    }

    /// Height, width and channels as the models count them.
    pub fn dims(&self) -> Dims {
        Dims { height: self.height, width: self.width, channels: self.channels }
    }

    /// `H x W x C` bytes of an image that [`super::decode`] gave.
    ///
    /// 16 bits are divided by 65,535, transparent parts lie on white, and the size is changed, where it is another, with
    /// a bilinear filter as wide as a pixel of the result (what PIL, torchvision and ONNX call antialiased). A picture
    /// that has the size comes through bit by bit, and a gray one has equal channels if three are wanted. One channel of
    /// a coloured picture is its luma by Rec. 709. Values are taken as they are, in the picture's own gamma.
    pub fn apply(&self, image: DynamicImage) -> Vec<u8> {
        let image = if self.channels == 1 { on_white(image).into_luma8().into() } else { image };
        spread(self.fitted(image), self.channels)
    }

    /// What [`Policy::apply`] does, for those who prepare images elsewhere: names and values of an exported model's metadata.
    pub fn metadata(&self) -> Vec<(&'static str, String)> {
        let mut told = vec![
            ("fit", self.fit.to_string()),
            ("resample", "bilinear, antialiased".into()),
            ("alpha", "on 255".into()),
        ];
        if self.fit == Fit::Letterbox {
            told.push(("fill", "0".into()));
        }
        if self.channels == 1 {
            told.push(("gray", "0.2126 R + 0.7152 G + 0.0722 B".into()));
        }
        told
    }

    /// As [`Policy::apply`], with one channel for pictures without colour and three for others, whatever
    /// [`Policy::channels`] says; [`spread`] does the rest.
    pub fn fitted(&self, image: DynamicImage) -> Fitted {
        let image = on_white(image);
        let (width, height) = (image.width(), image.height());
        let (channels, pixels) = match image {
            DynamicImage::ImageLuma8(gray) => (1, gray.into_raw()),
            other => {
                let colour = other.into_rgb8().into_raw();
                if colour.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]) {
                    (1, colour.chunks_exact(3).map(|p| p[0]).collect())
                } else {
                    (3, colour)
                }
            }
        };
        Fitted { channels, pixels: self.resized(pixels, width, height, channels) }
    }

    fn resized(&self, pixels: Vec<u8>, width: u32, height: u32, channels: u32) -> Vec<u8> {
        if (width, height) == (self.width, self.height) {
            return pixels;
        }
        let whole = [0, 0, width, height];
        match self.fit {
            Fit::Stretch => scaled(&pixels, (width, height), whole, (self.width, self.height), channels),
            Fit::Crop => {
                let part = covering((width, height), (self.width, self.height));
                scaled(&pixels, (width, height), part, (self.width, self.height), channels)
            }
            Fit::Letterbox => {
                let inner = inside((width, height), (self.width, self.height));
                let small = scaled(&pixels, (width, height), whole, inner, channels);
                self.framed(&small, inner, channels)
            }
        }
    }

    /// The picture in the middle of a black one of the wanted size.
    fn framed(&self, small: &[u8], (width, height): (u32, u32), channels: u32) -> Vec<u8> {
        let mut framed = vec![0; (self.height * self.width * channels) as usize];
        let (left, top) = ((self.width - width) / 2, (self.height - height) / 2);
        for (y, row) in small.chunks_exact((width * channels) as usize).enumerate() {
            let at = ((top as usize + y) * self.width as usize + left as usize) * channels as usize;
            framed[at..at + row.len()].copy_from_slice(row);
        }
        framed
    }
}

/// The bytes of an image with as many channels as it has, or three.
pub fn spread(fitted: Fitted, channels: u32) -> Vec<u8> {
    match (fitted.channels, channels) {
        (1, 3) => fitted.pixels.iter().flat_map(|&v| [v; 3]).collect(),
        _ => fitted.pixels,
    }
}

/// Width and height of the largest picture of those proportions inside `frame`, at least one pixel each.
fn inside((width, height): (u32, u32), frame: (u32, u32)) -> (u32, u32) {
    let factor = (f64::from(frame.0) / f64::from(width)).min(f64::from(frame.1) / f64::from(height));
    let side = |of: u32, most: u32| ((f64::from(of) * factor).round() as u32).clamp(1, most);
    (side(width, frame.0), side(height, frame.1))
}

/// Left, top, width and height of the largest part of a picture that has the proportions of `frame`, in its middle; whole
/// pixels.
fn covering((width, height): (u32, u32), frame: (u32, u32)) -> [u32; 4] {
    let (w, h) = inside(frame, (width, height));
    [(width - w) / 2, (height - h) / 2, w, h]
}

/// The part `[left, top, width, height]` of a picture of `size` (width, height), in the size `to`.
fn scaled(pixels: &[u8], size: (u32, u32), part: [u32; 4], to: (u32, u32), channels: u32) -> Vec<u8> {
    match channels {
        1 => scaled_as::<U8>(pixels, size, part, to),
        _ => scaled_as::<U8x3>(pixels, size, part, to),
    }
}

/// By the kind of pixel, which `Resizer::resize` would find out itself: it then has code for all thirteen, a fifth of the time that
/// this crate takes to compile.
fn scaled_as<P: PixelTrait>(pixels: &[u8], size: (u32, u32), part: [u32; 4], to: (u32, u32)) -> Vec<u8> {
    let [left, top, w, h] = part.map(f64::from);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .crop(left, top, w, h)
        .use_alpha(false);
    // It fails alone for bytes that are not as many as the size says, and for a part outside the picture.
    let source =
        TypedImageRef::<P>::from_buffer(size.0, size.1, pixels).expect("the picture's own bytes and size");
    let mut result = Image::new(to.0, to.1, P::pixel_type());
    let mut rows = result.typed_image_mut::<P>().expect("made of this kind");
    Resizer::new().resize_typed(&source, &mut rows, &options).expect("a part of the picture");
    result.into_vec()
}

/// The picture as 8-bit gray or colour, what is transparent on white.
fn on_white(image: DynamicImage) -> DynamicImage {
    let over = |value: u8, alpha: u8| {
        let (value, alpha) = (u32::from(value), u32::from(alpha));
        ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    match image {
        DynamicImage::ImageLuma8(_) | DynamicImage::ImageRgb8(_) => image,
        DynamicImage::ImageLuma16(_) => image.into_luma8().into(),
        DynamicImage::ImageLumaA8(_) | DynamicImage::ImageLumaA16(_) => {
            let both = image.into_luma_alpha8();
            let mut gray = image::GrayImage::new(both.width(), both.height());
            for (to, from) in gray.iter_mut().zip(both.pixels()) {
                *to = over(from.0[0], from.0[1]);
            }
            gray.into()
        }
        _ if image.color().has_alpha() => {
            let all = image.into_rgba8();
            let mut colour = image::RgbImage::new(all.width(), all.height());
            for (to, from) in colour.pixels_mut().zip(all.pixels()) {
                let [r, g, b, a] = from.0;
                to.0 = [r, g, b].map(|v| over(v, a));
            }
            colour.into()
        }
        _ => image.into_rgb8().into(),
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
