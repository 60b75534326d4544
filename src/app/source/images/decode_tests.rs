use super::*;
use crate::app::source::images::policy::{Fit, Policy};
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, Frame, GrayImage, ImageEncoder, Luma, Rgb, RgbImage, Rgba, RgbaImage};

pub fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn gray(width: u32, height: u32) -> DynamicImage {
    GrayImage::from_fn(width, height, |x, y| Luma([(x * 20 + y * 3) as u8])).into()
}

fn refused(bytes: &[u8], expected: &str) {
    let reason = decode(bytes).unwrap_err().to_string();
    assert!(reason.contains(expected) && !reason.contains('\n'), "{reason:?}, expected {expected:?}");
}

/// A chunk of a PNG.
fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [&kind[..], data].concat();
    let mut crc = flate2::Crc::new();
    crc.update(&body);
    [&(data.len() as u32).to_be_bytes(), &body[..], &crc.sum().to_be_bytes()].concat()
}

/// The head of an 8-bit gray PNG.
fn png_head(width: u32, height: u32) -> Vec<u8> {
    let sizes = [width.to_be_bytes(), height.to_be_bytes()].concat();
    [&b"\x89PNG\r\n\x1a\n"[..], &chunk(b"IHDR", &[&sizes[..], &[8, 0, 0, 0, 0]].concat())].concat()
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut out, bytes).unwrap();
    out.finish().unwrap()
}

/// What is written without loss is read bit by bit, whatever the file is called.
#[test]
fn every_format_by_its_content() {
    let dir = tempfile::tempdir().unwrap();
    let colour: DynamicImage = RgbImage::from_fn(9, 7, |x, y| Rgb([x as u8 * 20, y as u8, 200])).into();
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Tiff, ImageFormat::Pnm]
    {
        let path = dir.path().join("picture.jpg");
        std::fs::write(&path, encoded(&colour, format)).unwrap();
        assert_eq!(read_with(&path, |i| i.into_rgb8()).unwrap(), colour.to_rgb8(), "{format:?}");
        assert_eq!(size(&path).unwrap(), Size { width: 9, height: 7 });
        assert!(is_picture(&encoded(&colour, format)[..16]));
    }
    for format in [ImageFormat::Jpeg, ImageFormat::Gif] {
        let read = decode(&encoded(&colour, format)).unwrap();
        assert_eq!((read.width(), read.height()), (9, 7), "{format:?}");
    }
}

#[test]
fn what_is_no_picture() {
    refused(b"", "an empty file");
    refused(b"Dear reader, this is a text that somebody has called photo.jpg.", "not a picture");
    refused(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC, which is not read: save it as PNG or JPEG");
    refused(b"\0\0\0\x18ftypisom\0\0\0\0", "a film");
    refused(b"%PDF-1.7\nmore text than sixteen bytes", "a PDF");
    assert!(!is_picture(b"BMW and P1 are words") && !is_picture(b"P1ease read me first"));
    assert!(is_picture(b"\0\0\0\x18ftypheic") && !is_picture(b""));
    assert!(!is_picture(b"\0\0\0\x18ftypisom") && !is_picture(b"%PDF-1.7\nmore text"));
    refused(b"qoif\0\0\0\x01\0\0\0\x01\x03\0aaaaaaaa", "not read");
}

/// Every picture cut at every byte is refused or whole, and never a panic; a PNG and a JPEG are refused in whatever of
/// their data the cut is.
#[test]
fn cut_files() {
    let image = gray(12, 10);
    for format in [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::WebP,
        ImageFormat::Bmp,
        ImageFormat::Tiff,
        ImageFormat::Pnm,
        ImageFormat::Gif,
    ] {
        // These two are not written in gray.
        let colour = [ImageFormat::WebP, ImageFormat::Gif].contains(&format);
        let whole = if colour { image.to_rgb8().into() } else { image.clone() };
        let bytes = encoded(&whole, format);
        let half = decode(&bytes[..bytes.len() / 2]);
        assert!(half.is_err(), "{format:?}: half of it was taken for whole");
        for n in 0..bytes.len() {
            if let Ok(read) = decode(&bytes[..n]) {
                let tail = bytes.len() - n;
                assert_eq!(read, decode(&bytes).unwrap(), "{format:?} without its last {tail} bytes");
            }
        }
    }
}

/// A JPEG that ends in the middle of its scan would be filled with gray, also where its preview is whole.
#[test]
fn a_photo_that_ends_too_early() {
    let photo = encoded(&gray(64, 64), ImageFormat::Jpeg);
    let cut = &photo[..photo.len() - 40];
    refused(cut, "a broken JPEG: it ends too early");
    let preview = encoded(&gray(8, 8), ImageFormat::Jpeg);
    refused(&with_segment(cut, 0xe2, &preview), "a broken JPEG: it ends too early");
    decode(&with_segment(&photo, 0xe2, &preview)).unwrap();
    decode(&[&photo[..], b"what cameras append"].concat()).unwrap();
}

/// Sizes that nobody could hold are refused by the head alone: a few bytes at most follow it in these files.
#[test]
fn too_many_pixels() {
    let png = |side: u32| {
        [png_head(side, side), chunk(b"IDAT", &deflated(&[0; 1000])), chunk(b"IEND", b"")].concat()
    };
    refused(&png(40_000), "40000x40000 pixels: more than 134217728 are not read");
    refused(&png(u32::MAX >> 1), "");
    let mut bmp = encoded(&gray(4, 4), ImageFormat::Bmp);
    bmp[18..26].copy_from_slice(&[0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0]);
    refused(&bmp, "65535x65535 pixels");
    refused(b"P5 50000 50000 255\n", "50000x50000 pixels");
    let gif = [&b"GIF89a"[..], &[0xff; 4], &[0, 0, 0], b",", &[0; 4], &[0xff; 4], &[0, 2, 1, 0]].concat();
    refused(&gif, "65535x65535 pixels");
}

/// 64 MiB of zeros in a few kilobytes, in the pixels and in a text, of a picture of one pixel.
#[test]
fn bombs() {
    let zeros = deflated(&vec![0; 64 << 20]);
    let head = png_head(1, 1);
    let end = chunk(b"IEND", b"");
    let pixels = [&head[..], &chunk(b"IDAT", &zeros), &end].concat();
    assert!(pixels.len() < 100_000);
    if let Ok(image) = decode(&pixels) {
        assert_eq!((image.width(), image.height()), (1, 1));
    }
    let text = [&b"Comment\0\0"[..], &zeros].concat();
    let text = [&head[..], &chunk(b"zTXt", &text), &chunk(b"IDAT", &deflated(&[0, 7])), &end].concat();
    if let Ok(image) = decode(&text) {
        assert_eq!(image.to_luma8().as_raw(), &[7]);
    }
}

#[test]
fn the_first_picture_of_an_animation() {
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
    let frame = |v: u8| Frame::new(RgbaImage::from_pixel(6, 5, Rgba([v, v, v, 255])));
    encoder.encode_frames([frame(255), frame(0)]).unwrap();
    drop(encoder);
    let read = decode(&bytes).unwrap().into_rgb8();
    assert!(read.dimensions() == (6, 5) && read.iter().all(|&v| v == 255));
}

/// A PNG of 3 x 2 pixels of one gray each, the second in the chunks of an animation.
#[test]
fn the_first_picture_of_an_animated_png() {
    let control = |number: u32| {
        let numbers = [number, 3, 2, 0, 0].map(u32::to_be_bytes).concat();
        chunk(b"fcTL", &[&numbers[..], &[0, 1, 0, 1, 0, 0]].concat())
    };
    let pixels = |v: u8| deflated(&[[0, v, v, v]; 2].concat());
    let bytes = [
        png_head(3, 2),
        chunk(b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]),
        control(0),
        chunk(b"IDAT", &pixels(255)),
        control(1),
        chunk(b"fdAT", &[&[0, 0, 0, 2][..], &pixels(7)].concat()),
        chunk(b"IEND", b""),
    ];
    let read = decode(&bytes.concat()).unwrap().into_luma8();
    assert!(read.dimensions() == (3, 2) && read.iter().all(|&v| v == 255), "{read:?}");
}

/// A chunk of a WebP.
fn webp_chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let padding = vec![0u8; data.len() % 2];
    [&kind[..], &(data.len() as u32).to_le_bytes(), data, &padding].concat()
}

#[test]
fn the_first_picture_of_an_animated_webp() {
    let picture = |red: u8| RgbImage::from_fn(9, 7, |x, y| Rgb([red, x as u8 * 20, y as u8 * 30]));
    let frame = |red: u8| {
        let still = encoded(&picture(red).into(), ImageFormat::WebP);
        // Place, size, duration; put there without blending. Then the still's own chunk.
        let head = [0, 0, 0, 0, 0, 0, 8, 0, 0, 6, 0, 0, 100, 0, 0, 2];
        webp_chunk(b"ANMF", &[&head[..], &still[12..]].concat())
    };
    let body = [
        b"WEBP".to_vec(),
        webp_chunk(b"VP8X", &[2, 0, 0, 0, 8, 0, 0, 6, 0, 0]),
        webp_chunk(b"ANIM", &[0; 6]),
        frame(200),
        frame(0),
    ];
    let read = decode(&webp_chunk(b"RIFF", &body.concat())).unwrap().into_rgb8();
    assert_eq!(read, picture(200));
}

/// What a palette calls transparent lies on white, as other transparent parts do.
#[test]
fn palettes_with_transparency() {
    let mut gif = Vec::new();
    let two = RgbaImage::from_fn(2, 1, |x, _| if x == 0 { Rgba([0; 4]) } else { Rgba([200, 0, 0, 255]) });
    image::codecs::gif::GifEncoder::new(&mut gif).encode_frame(Frame::new(two)).unwrap();
    let png = [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &[0, 0, 0, 2, 0, 0, 0, 1, 8, 3, 0, 0, 0]),
        chunk(b"PLTE", &[9, 9, 9, 200, 0, 0]),
        // Of the first colour alone.
        chunk(b"tRNS", &[0]),
        chunk(b"IDAT", &deflated(&[0, 0, 1])),
        chunk(b"IEND", b""),
    ];
    let policy = Policy { height: 1, width: 2, channels: 3, fit: Fit::Letterbox };
    for bytes in [gif, png.concat()] {
        assert_eq!(policy.apply(decode(&bytes).unwrap()), [255, 255, 255, 200, 0, 0]);
    }
}

/// A segment after the start of a JPEG.
fn with_segment(jpeg: &[u8], marker: u8, data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, marker], &length, data, &jpeg[2..]].concat()
}

/// EXIF data with that orientation.
fn exif(orientation: u8) -> Vec<u8> {
    let entry = [0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0];
    [&b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01"[..], &entry, &[0; 4]].concat()
}

/// The eight ways in which a camera may have been held: where the bright corner of the stored picture is seen.
#[test]
fn orientation_of_photos() {
    let corner = GrayImage::from_fn(32, 16, |x, y| Luma([if x < 8 && y < 8 { 255 } else { 0 }]));
    let jpeg = encoded(&corner.into(), ImageFormat::Jpeg);
    let dir = tempfile::tempdir().unwrap();
    for (orientation, size_seen, bright) in [
        (1, (32, 16), (2, 2)),
        (2, (32, 16), (29, 2)),
        (3, (32, 16), (29, 13)),
        (4, (32, 16), (2, 13)),
        (5, (16, 32), (2, 2)),
        (6, (16, 32), (13, 2)),
        (7, (16, 32), (13, 29)),
        (8, (16, 32), (2, 29)),
    ] {
        let path = dir.path().join("a.jpg");
        std::fs::write(&path, with_segment(&jpeg, 0xe1, &exif(orientation))).unwrap();
        let read = read_with(&path, |i| i.into_luma8()).unwrap();
        assert_eq!(read.dimensions(), size_seen, "orientation {orientation}");
        assert_eq!(size(&path).unwrap(), Size { width: size_seen.0, height: size_seen.1 });
        assert!(read.get_pixel(bright.0, bright.1).0[0] > 200, "orientation {orientation}");
        assert_eq!(read.iter().filter(|&&v| v > 200).count(), 64);
    }
    // An orientation that does not exist is none.
    let strange = decode(&with_segment(&jpeg, 0xe1, &exif(77))).unwrap();
    assert_eq!((strange.width(), strange.height()), (32, 16));
}

/// A TIFF of 16-bit fields in the order of their tags, whose pixels begin at byte 8.
fn tiff(fields: &[(u16, Vec<u16>)], pixels: &[u8]) -> Vec<u8> {
    let mut bytes = [&b"II*\0"[..], &[0; 4], pixels].concat();
    let mut entries = Vec::new();
    for (tag, values) in fields {
        let mut value: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        if value.len() > 4 {
            let at = bytes.len() as u32;
            bytes.extend(value);
            value = at.to_le_bytes().to_vec();
        }
        value.resize(4, 0);
        let head = [tag.to_le_bytes(), 3u16.to_le_bytes()].concat();
        entries.extend([head, (values.len() as u32).to_le_bytes().to_vec(), value].concat());
    }
    let at = bytes.len() as u32;
    bytes[4..8].copy_from_slice(&at.to_le_bytes());
    [&bytes[..], &(fields.len() as u16).to_le_bytes(), &entries, &[0; 4]].concat()
}

/// One of 8 bits without compression, with so many samples of a pixel; `kind`: what they are.
fn plain_tiff(side: [u16; 2], kind: u16, samples: u16, others: &[(u16, Vec<u16>)], pixels: &[u8]) -> Vec<u8> {
    let [width, height] = side;
    let own = [
        (256, vec![width]),
        (257, vec![height]),
        (258, vec![8; usize::from(samples)]),
        (259, vec![1]),
        (262, vec![kind]),
        (273, vec![8]),
        (277, vec![samples]),
        (278, vec![height]),
        (279, vec![pixels.len() as u16]),
    ];
    let mut fields = [&own[..], others].concat();
    fields.sort();
    tiff(&fields, pixels)
}

/// Each decoder is asked in its own way how its picture is to be turned.
#[test]
fn orientation_in_other_formats() {
    let corner = RgbImage::from_fn(32, 16, |x, y| Rgb([if x < 8 && y < 8 { 255 } else { 0 }; 3]));
    let gray: Vec<u8> = corner.pixels().map(|p| p.0[0]).collect();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    for (orientation, size_seen, bright) in
        [(3, (32, 16), (29, 13)), (6, (16, 32), (13, 2)), (8, (16, 32), (2, 29))]
    {
        // Without the words that begin a JPEG's segment.
        let told = exif(orientation)[6..].to_vec();
        let (mut png, mut webp) = (Vec::new(), Vec::new());
        let mut encoder = PngEncoder::new(&mut png);
        encoder.set_exif_metadata(told.clone()).unwrap();
        encoder.write_image(&corner, 32, 16, ExtendedColorType::Rgb8).unwrap();
        let mut encoder = WebPEncoder::new_lossless(&mut webp);
        encoder.set_exif_metadata(told).unwrap();
        encoder.write_image(&corner, 32, 16, ExtendedColorType::Rgb8).unwrap();
        let tiff = plain_tiff([32, 16], 1, 1, &[(274, vec![u16::from(orientation)])], &gray);
        for (format, bytes) in [("PNG", png), ("WebP", webp), ("TIFF", tiff)] {
            std::fs::write(&path, bytes).unwrap();
            let read = read_with(&path, |i| i.into_luma8()).unwrap();
            assert_eq!(read.dimensions(), size_seen, "{format}, orientation {orientation}");
            assert_eq!(size(&path).unwrap(), Size { width: size_seen.0, height: size_seen.1 }, "{format}");
            assert_eq!(read.get_pixel(bright.0, bright.1).0[0], 255, "{format}, orientation {orientation}");
        }
    }
}

/// Pictures with a palette, and those in YCbCr: their owner is told what to do.
#[test]
fn kinds_of_tiff_that_are_not_read() {
    let palette = (320, vec![0; 3 * 256]);
    let indexed = plain_tiff([4, 2], 3, 1, &[palette], &[0; 8]);
    refused(&indexed, "a TIFF of a kind that is not read: save it as PNG (");
    let ycbcr = plain_tiff([4, 2], 6, 3, &[(530, vec![1, 1])], &[128; 24]);
    refused(&ycbcr, "a TIFF of a kind that is not read: save it as PNG (");
    // The same with another number is a picture.
    let gray = plain_tiff([4, 2], 1, 1, &[], &[5; 8]);
    assert_eq!(decode(&gray).unwrap().as_bytes(), [5; 8]);
}

/// A JPEG of 8 x 8 pixels of one colour, its four inks as Adobe stores them: 255 is none.
fn cmyk(inks: [u8; 4]) -> Vec<u8> {
    let mut jpeg = vec![0xff, 0xd8];
    let mut segment = |marker: u8, data: &[u8]| {
        jpeg.extend([0xff, marker]);
        jpeg.extend((data.len() as u16 + 2).to_be_bytes());
        jpeg.extend(data);
    };
    segment(0xee, b"Adobe\0\x64\0\0\0\0\0");
    segment(0xdb, &[&[0][..], &[1; 64]].concat());
    let parts: Vec<u8> = (1..=4).flat_map(|i| [i, 0x11, 0]).collect();
    segment(0xc0, &[&[8, 0, 8, 0, 8, 4][..], &parts].concat());
    // Twelve codes of four bits for the lengths of differences, one of a single bit for the end of a block.
    segment(0xc4, &[&[0, 0, 0, 0, 12][..], &[0; 12], &(0..12).collect::<Vec<u8>>()].concat());
    segment(0xc4, &[&[0x10, 1][..], &[0; 15], &[0]].concat());
    let parts: Vec<u8> = (1..=4).flat_map(|i| [i, 0]).collect();
    segment(0xda, &[&[4][..], &parts, &[0, 63, 0]].concat());
    let mut bits = String::new();
    for ink in inks {
        let value = (i32::from(ink) - 128) * 8;
        let length = (32 - value.unsigned_abs().leading_zeros()) as usize;
        let low = if value < 0 { value - 1 } else { value } & ((1 << length) - 1);
        bits += &format!("{length:04b}");
        if length > 0 {
            bits += &format!("{low:0length$b}");
        }
        bits += "0";
    }
    while !bits.len().is_multiple_of(8) {
        bits += "1";
    }
    for i in (0..bits.len()).step_by(8) {
        let byte = u8::from_str_radix(&bits[i..i + 8], 2).unwrap();
        jpeg.push(byte);
        if byte == 0xff {
            jpeg.push(0);
        }
    }
    jpeg.extend([0xff, 0xd9]);
    jpeg
}

#[test]
fn four_inks() {
    let near = |inks: [u8; 4], wanted: [u8; 3]| {
        let image = decode(&cmyk(inks)).unwrap().into_rgb8();
        let seen = image.get_pixel(4, 4).0;
        let close = seen.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) <= 3);
        assert!(close && image.dimensions() == (8, 8), "{inks:?}: {seen:?}, wanted {wanted:?}");
    };
    near([255, 255, 255, 255], [255, 255, 255]);
    near([255, 0, 0, 255], [255, 0, 0]);
    near([0, 255, 255, 255], [0, 255, 255]);
    near([255, 255, 255, 0], [0, 0, 0]);
}

#[test]
fn files_that_are_not_there_or_none() {
    let dir = tempfile::tempdir().unwrap();
    let gone = dir.path().join("gone.png");
    assert_eq!(read_with(&gone, |_| ()).unwrap_err(), Unread::System("no longer there".into()));
    assert_eq!(size(&gone).unwrap_err(), Unread::System("no longer there".into()));
    assert!(read_with(dir.path(), |_| ()).is_err() && size(dir.path()).is_err());
}

/// The thumbnail in a raw photo is not the photo, also where the file is named.
#[test]
fn a_raw_photo_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let [raw, png] = ["1.NEF", "1.png"].map(|name| dir.path().join(name));
    for path in [&raw, &png] {
        image::GrayImage::new(2, 2).save_with_format(path, ImageFormat::Png).unwrap();
    }
    assert!(size(&png).is_ok() && read_with(&png, drop).is_ok());
    for e in [size(&raw).unwrap_err(), read_with(&raw, drop).unwrap_err()] {
        assert!(e.to_string().contains("raw photo: export it"), "{e}");
    }
}
