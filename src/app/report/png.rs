//! Pictures in memory, and PNG files of them.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, Write};
use std::path::Path;

/// Largest picture that is read, in bytes of pixels.
const MAX_BYTES: usize = 1 << 26;

/// 8-bit pixels, row-major, channels innermost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels per row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// 1 (grey) or 3 (red, green, blue).
    pub channels: u32,
    /// `height x width x channels` values.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// A picture of one value everywhere. `channels` other than 3 mean grey.
    pub fn filled(width: u32, height: u32, channels: u32, value: u8) -> Picture {
        let channels = if channels == 3 { 3 } else { 1 };
        let len = width as usize * height as usize * channels as usize;
        Picture { width, height, channels, pixels: vec![value; len] }
    }

    /// Writes a PNG file atomically.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file.
    pub fn save(&self, path: &Path) -> Result<()> {
        crate::app::atomic::write_with(path, |w| self.encode_to(w))
    }

    /// The bytes of a PNG file.
    ///
    /// # Errors
    /// [`Error::Output`] for a picture that no file can hold.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.encode_to(&mut bytes).map_err(|e| Error::Output(format!("a picture cannot be encoded: {e}")))?;
        Ok(bytes)
    }

    fn encode_to(&self, w: impl Write) -> std::io::Result<()> {
        let mut encoder = png::Encoder::new(w, self.width, self.height);
        encoder.set_color(if self.channels == 3 { png::ColorType::Rgb } else { png::ColorType::Grayscale });
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(to_io)?;
        writer.write_image_data(&self.pixels).map_err(to_io)?;
        writer.finish().map_err(to_io)
    }

    /// Reads a PNG file such as [`Picture::save`] writes: 8 bits, grey or red, green, blue.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file, if it cannot be read or is no such picture.
    pub fn load(path: &Path) -> Result<Picture> {
        let file = File::open(path).map_err(Error::io("read", path))?;
        Picture::read(path, BufReader::new(file))
    }

    /// As [`Picture::load`], from what is in the file; `path` is for messages.
    ///
    /// # Errors
    /// As [`Picture::load`].
    pub fn read(path: &Path, input: impl BufRead + Seek) -> Result<Picture> {
        let broken = |reason: String| Error::io("read", path)(std::io::Error::other(reason));
        let limits = png::Limits { bytes: MAX_BYTES };
        let mut reader =
            png::Decoder::new_with_limits(input, limits).read_info().map_err(|e| broken(e.to_string()))?;
        let size = reader.output_buffer_size().filter(|s| *s <= MAX_BYTES);
        let mut pixels = vec![0; size.ok_or_else(|| broken("too large a picture".into()))?];
        let info = reader.next_frame(&mut pixels).map_err(|e| broken(e.to_string()))?;
        let channels = match (info.color_type, info.bit_depth) {
            (png::ColorType::Grayscale, png::BitDepth::Eight) => 1,
            (png::ColorType::Rgb, png::BitDepth::Eight) => 3,
            other => return Err(broken(format!("{other:?} is not a picture that this program writes"))),
        };
        Ok(Picture { width: info.width, height: info.height, channels, pixels })
    }

    /// `height` of its rows of pixels, `from` the one counted so from 0; fewer where it ends before.
    pub fn rows(&self, from: u32, height: u32) -> Picture {
        let from = from.min(self.height);
        let height = height.min(self.height - from);
        let row = self.width as usize * self.channels as usize;
        Picture {
            height,
            pixels: self.pixels[from as usize * row..][..height as usize * row].to_vec(),
            ..*self
        }
    }

    /// Pictures one above the other; `None` of none, or if they differ in width or channels.
    pub fn stacked(pictures: &[&Picture]) -> Option<Picture> {
        let first = pictures.first()?;
        let alike = pictures.iter().all(|p| (p.width, p.channels) == (first.width, first.channels));
        let pixels = || pictures.iter().flat_map(|p| p.pixels.iter().copied()).collect();
        alike.then(|| Picture {
            height: pictures.iter().map(|p| p.height).sum(),
            pixels: pixels(),
            ..**first
        })
    }
}

fn to_io(e: png::EncodingError) -> std::io::Error {
    match e {
        png::EncodingError::IoError(e) => e,
        other => std::io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_decode_to_the_same_pixels() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        for channels in [1, 3] {
            let mut p = Picture::filled(5, 3, channels, 0);
            p.pixels.iter_mut().enumerate().for_each(|(i, v)| *v = i as u8 * 5);
            p.save(&path).unwrap();
            assert_eq!(Picture::load(&path).unwrap(), p);
            assert_eq!(std::fs::read(&path).unwrap(), p.encode().unwrap());
            let (top, rest) = (p.rows(0, 2), p.rows(2, 9));
            assert_eq!((top.height, top.pixels.as_slice()), (2, &p.pixels[..10 * channels as usize]));
            assert_eq!((rest.height, p.rows(9, 1).height), (1, 0));
            assert_eq!(Picture::stacked(&[&top, &rest]), Some(p));
            assert_eq!(Picture::stacked(&[&top, &Picture::filled(4, 1, channels, 0)]), None);
        }
        // Cut anywhere, it is an error and no panic.
        let whole = std::fs::read(&path).unwrap();
        for n in 0..whole.len() - 12 {
            std::fs::write(&path, &whole[..n]).unwrap();
            assert!(Picture::load(&path).is_err(), "{n} of {} bytes", whole.len());
        }
    }

    #[test]
    fn a_picture_that_no_file_can_hold_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Picture::filled(0, 3, 1, 0).save(&dir.path().join("a.png")).is_err());
        let mut short = Picture::filled(2, 2, 1, 0);
        short.pixels.pop();
        assert!(short.save(&dir.path().join("a.png")).is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
