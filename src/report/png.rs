//! Pictures in memory, and PNG files of them.

use crate::error::Result;
use std::path::Path;

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
    /// [`crate::error::Error::Io`] naming the file.
    pub fn save(&self, path: &Path) -> Result<()> {
        crate::atomic::write_with(path, |w| {
            let mut encoder = png::Encoder::new(w, self.width, self.height);
            encoder.set_color(if self.channels == 3 {
                png::ColorType::Rgb
            } else {
                png::ColorType::Grayscale
            });
            encoder.set_depth(png::BitDepth::Eight);
            let mut writer = encoder.write_header().map_err(to_io)?;
            writer.write_image_data(&self.pixels).map_err(to_io)?;
            writer.finish().map_err(to_io)
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
        for channels in [1, 3] {
            let mut p = Picture::filled(5, 3, channels, 0);
            p.pixels.iter_mut().enumerate().for_each(|(i, v)| *v = i as u8 * 5);
            let path = dir.path().join("a.png");
            p.save(&path).unwrap();
            let file = std::io::BufReader::new(std::fs::File::open(&path).unwrap());
            let mut reader = png::Decoder::new(file).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut pixels).unwrap();
            assert_eq!((info.width, info.height, &pixels), (5, 3, &p.pixels));
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
