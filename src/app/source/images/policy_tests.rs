use super::*;
use image::{GrayImage, ImageBuffer, Luma, LumaA, Rgb, RgbImage, Rgba};

fn policy(height: u32, width: u32, channels: u32, fit: Fit) -> Policy {
    Policy { height, width, channels, fit }
}

fn gray(width: u32, height: u32, value: impl Fn(u32, u32) -> u8) -> DynamicImage {
    GrayImage::from_fn(width, height, |x, y| Luma([value(x, y)])).into()
}

/// A picture that has the size comes through bit by bit, whatever the fit; gray stays gray in three channels.
#[test]
fn the_right_size_is_untouched() {
    let noise = |x: u32, y: u32| (x * 37 + y * 101) as u8;
    for fit in [Fit::Letterbox, Fit::Crop, Fit::Stretch] {
        let image = gray(28, 28, noise);
        let bytes = image.as_bytes().to_vec();
        assert_eq!(policy(28, 28, 1, fit).apply(image.clone()), bytes);
        assert_eq!(policy(28, 28, 1, fit).apply(image.to_rgb8().into()), bytes, "by way of three channels");
        let three: Vec<u8> = bytes.iter().flat_map(|&v| [v; 3]).collect();
        assert_eq!(policy(28, 28, 3, fit).apply(image), three);
    }
    let colour = RgbImage::from_fn(5, 4, |x, y| Rgb([x as u8, y as u8, 9]));
    let bytes = colour.as_raw().clone();
    assert_eq!(policy(4, 5, 3, Fit::Letterbox).apply(colour.into()), bytes);
}

/// A white picture of 8 x 4 in a square of 4: the letterbox has black bars above and below, the others none.
#[test]
fn other_proportions() {
    let wide = || gray(8, 4, |_, _| 255);
    let bars = [[0; 4], [255; 4], [255; 4], [0; 4]].concat();
    assert_eq!(policy(4, 4, 1, Fit::Letterbox).apply(wide()), bars);
    assert_eq!(policy(4, 4, 1, Fit::Crop).apply(wide()), [255; 16]);
    assert_eq!(policy(4, 4, 1, Fit::Stretch).apply(wide()), [255; 16]);
    // Of a picture whose outer quarters are black the crop shows the middle alone, its size unchanged.
    let middle = gray(8, 4, |x, _| if (2..6).contains(&x) { 200 } else { 0 });
    assert_eq!(policy(4, 4, 1, Fit::Crop).apply(middle), [200; 16]);
}

/// A checkerboard of single pixels becomes even gray: the filter is as wide as a pixel of the result.
#[test]
fn resizing_is_antialiased() {
    let board = gray(64, 64, |x, y| if (x + y) % 2 == 0 { 255 } else { 0 });
    let small = policy(8, 8, 1, Fit::Letterbox).apply(board);
    assert!(small.iter().all(|v| (124..=131).contains(v)), "{small:?}");
}

#[test]
fn gray_and_colour_are_resized_alike() {
    let image = gray(50, 37, |x, y| (x * 5 + y * 3) as u8);
    let one = policy(16, 16, 1, Fit::Letterbox).apply(image.clone());
    let three = policy(16, 16, 3, Fit::Letterbox).apply(image.to_rgb8().into());
    assert_eq!(one.iter().flat_map(|&v| [v; 3]).collect::<Vec<_>>(), three);
}

#[test]
fn transparency_lies_on_white() {
    let pixel = |v: [u8; 4]| DynamicImage::ImageRgba8(ImageBuffer::from_pixel(1, 1, Rgba(v)));
    let one = policy(1, 1, 3, Fit::Letterbox);
    assert_eq!(one.apply(pixel([10, 20, 30, 255])), [10, 20, 30]);
    assert_eq!(one.apply(pixel([10, 20, 30, 0])), [255, 255, 255]);
    assert_eq!(one.apply(pixel([255, 0, 0, 128])), [255, 127, 127]);
    let gray = DynamicImage::ImageLumaA8(ImageBuffer::from_pixel(1, 1, LumaA([0, 0])));
    assert_eq!(policy(1, 1, 1, Fit::Letterbox).apply(gray), [255]);
    let deep = DynamicImage::ImageRgba16(ImageBuffer::from_pixel(1, 1, Rgba([65535, 0, 0, 0])));
    assert_eq!(one.apply(deep), [255, 255, 255]);
}

/// By the weights that [`Policy::metadata`] tells others.
#[test]
fn gray_of_colours() {
    let colours = RgbImage::from_fn(3, 1, |x, _| Rgb([0, 1, 2].map(|c| if c == x { 255 } else { 0 })));
    assert_eq!(policy(1, 3, 1, Fit::Letterbox).apply(colours.into()), [54, 182, 18]);
}

/// 16 bits are divided by 65,535.
#[test]
fn sixteen_bits() {
    for (value, byte) in [(0u16, 0u8), (65535, 255), (32768, 128), (257, 1), (25700, 100)] {
        let deep = DynamicImage::ImageLuma16(ImageBuffer::from_pixel(2, 1, Luma([value])));
        assert_eq!(policy(1, 2, 1, Fit::Letterbox).apply(deep), [byte; 2]);
        let deep = DynamicImage::ImageRgb16(ImageBuffer::from_pixel(1, 1, Rgb([value; 3])));
        assert_eq!(policy(1, 1, 3, Fit::Letterbox).apply(deep), [byte; 3]);
    }
}

/// Every proportion, to one pixel too, gives as many bytes as the policy says.
#[test]
fn every_size_gives_the_right_number_of_bytes() {
    for (w, h) in [(1, 1), (1, 500), (500, 1), (3, 2), (29, 28), (97, 89)] {
        for fit in [Fit::Letterbox, Fit::Crop, Fit::Stretch] {
            for (height, width, channels) in [(1, 1, 3), (28, 28, 1), (7, 31, 3)] {
                let image = RgbImage::from_fn(w, h, |x, y| Rgb([x as u8, y as u8, 77]));
                let bytes = policy(height, width, channels, fit).apply(image.into());
                assert_eq!(bytes.len(), (height * width * channels) as usize, "{w}x{h} {fit}");
            }
        }
    }
}

#[test]
fn a_policy_is_written_and_read() {
    let one = policy(32, 48, 3, Fit::Crop);
    let json = serde_json::to_string(&one).unwrap();
    assert_eq!(json, r#"{"height":32,"width":48,"channels":3,"fit":"crop"}"#);
    assert_eq!(serde_json::from_str::<Policy>(&json).unwrap(), one);
    assert_eq!(one.to_string(), "32x48 colour, crop");
    for fit in [Fit::Letterbox, Fit::Crop, Fit::Stretch] {
        assert_eq!(fit.to_string().parse(), Ok(fit));
    }
    assert!("leterbox".parse::<Fit>().unwrap_err().contains("did you mean \"letterbox\"?"));
    assert!(policy(0, 1, 1, Fit::Crop).check().is_err() && policy(1, 1, 2, Fit::Crop).check().is_err());
    assert!(policy(1, 5000, 1, Fit::Crop).check().is_err());
    one.check().unwrap();
}
