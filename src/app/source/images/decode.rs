//! Picture files to pixels. A file's content says what it is, never its name; nothing that it says of itself is believed
//! before memory is taken.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Cursor, ErrorKind, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use image::error::LimitErrorKind;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use crate::app::text;

/// Most pixels of a picture, 134 million.
pub const MAX_PIXELS: u64 = 1 << 27;

/// Most memory that a decoder may take, in bytes: [`MAX_PIXELS`] of four 16-bit channels.
const MAX_ALLOC: u64 = 1 << 30;

/// Largest file, in bytes.
const MAX_FILE: u64 = 1 << 29;

/// A picture of more pixels waits until no other one of that kind is being decoded: memory holds one of them at a time,
/// on however many cores.
const LARGE: u64 = 1 << 24;

/// Held while a large picture is in memory.
static LARGE_ONE: Mutex<()> = Mutex::new(());

/// What is read, for messages.
pub const FORMATS: &str = "PNG, JPEG, WebP, BMP, TIFF, PNM and GIF";

/// Why a picture is not read, in plain words, without its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    /// The system's fault, which may be gone at the next attempt.
    System(String),
    /// The file's own fault.
    Content(String),
}

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let (Unread::System(reason) | Unread::Content(reason)) = self;
        f.write_str(reason)
    }
}

fn content<T>(reason: impl Into<String>) -> Result<T, Unread> {
    Err(Unread::Content(reason.into()))
}

/// A picture's size, its orientation applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// Reads a picture and hands it to `then`. At most one with more than 16 million pixels is in memory at a time.
///
/// # Errors
/// The reason: the file cannot be read, is no picture, is broken or too large.
pub fn read_with<T>(path: &Path, then: impl FnOnce(DynamicImage) -> T) -> Result<T, Unread> {
    if is_raw(path) {
        return content(RAW_PHOTO);
    }
    let bytes = text::bytes(path, MAX_FILE).map_err(unreadable)?;
    guarded(|| {
        let decoder = open(Cursor::new(&bytes))?;
        let (width, height) = decoder.dimensions();
        let large = u64::from(width) * u64::from(height) > LARGE;
        let _alone = large.then(|| LARGE_ONE.lock().unwrap_or_else(PoisonError::into_inner));
        decoded(decoder, &bytes).map(then)
    })
}

/// The picture in the bytes of a file: the first one of an animation, turned as its EXIF data say.
///
/// # Errors
/// As [`read_with`].
pub fn decode(bytes: &[u8]) -> Result<DynamicImage, Unread> {
    guarded(|| decoded(open(Cursor::new(bytes))?, bytes))
}

/// The size of the picture in a file, of which only the head is read.
///
/// # Errors
/// As [`read_with`].
pub fn size(path: &Path) -> Result<Size, Unread> {
    let found = std::fs::metadata(path).map_err(|e| system(&e))?;
    if !found.is_file() {
        return content("not a file");
    }
    if is_raw(path) {
        return content(RAW_PHOTO);
    }
    let file = std::fs::File::open(path).map_err(|e| system(&e))?;
    guarded(|| {
        let mut decoder = open(BufReader::new(file))?;
        let (width, height) = decoder.dimensions();
        Ok(match orientation(&mut decoder) {
            o if turned(o) => Size { width: height, height: width },
            _ => Size { width, height },
        })
    })
}

/// Endings of what cameras write, often beside a JPEG of the same photo. Many begin as a TIFF does, and the picture that is read
/// of them is a thumbnail: it would be one more image of its class.
const RAW: [&str; 25] = [
    "3fr", "arw", "cr2", "cr3", "crw", "dcr", "dng", "erf", "fff", "iiq", "kdc", "mef", "mos", "mrw", "nef",
    "nrw", "orf", "pef", "raf", "raw", "rw2", "rwl", "sr2", "srw", "x3f",
];

/// Whether a file is one of those by its name.
pub(super) fn is_raw(path: &Path) -> bool {
    RAW.contains(&ending(path).as_str())
}

/// That of a file's name, in lower case; empty where there is none.
pub(super) fn ending(path: &Path) -> String {
    path.extension().and_then(OsStr::to_str).unwrap_or_default().to_lowercase()
}

/// Whether the first sixteen bytes of a file are those of a picture, read or not. A text may begin with the two letters of BMP and
/// PNM: there more is looked at. A film beside a photo, a folder's icon and a PDF are no pictures.
pub fn is_picture(head: &[u8]) -> bool {
    match image::guess_format(head) {
        Ok(ImageFormat::Bmp) => head.get(6..10) == Some(&[0; 4]),
        Ok(ImageFormat::Pnm) => head.get(2).is_some_and(u8::is_ascii_whitespace),
        // What folders have for their looks.
        Ok(ImageFormat::Ico) => false,
        Ok(_) => true,
        Err(_) => other_kind(head).is_some_and(|kind| !NO_PICTURES.contains(&kind)),
    }
}

const RAW_PHOTO: &str = "a raw photo: export it as JPEG or PNG";
const FILM: &str = "a film";
const ICON: &str = "an icon (ICO)";
const PDF: &str = "a PDF";

/// Kinds that nobody means as images, but for files with a picture's ending.
const NO_PICTURES: [&str; 3] = [FILM, ICON, PDF];

/// A decoder that panics on a hostile file spoils that file alone.
fn guarded<T>(work: impl FnOnce() -> Result<T, Unread>) -> Result<T, Unread> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| content("a broken picture: its decoder failed"))
}

fn open<'a>(input: impl BufRead + Seek + 'a) -> Result<impl ImageDecoder + 'a, Unread> {
    let mut input = input;
    let head = input.fill_buf().map_err(|e| system(&e))?;
    if head.is_empty() {
        return content("an empty file");
    }
    if let Some(kind) = other_kind(head) {
        return content(format!("{kind}, which is not read: save it as PNG or JPEG"));
    }
    let mut reader = ImageReader::new(input).with_guessed_format().map_err(|e| system(&e))?;
    let Some(format) = reader.format() else {
        return content("not a picture");
    };
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_ALLOC);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|e| reason(format, &e))?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return content("a picture without pixels");
    }
    if u64::from(width) * u64::from(height) > MAX_PIXELS || decoder.total_bytes() > MAX_ALLOC {
        return content(format!(
            "{width}x{height} pixels: more than {MAX_PIXELS} are not read, scale it down first"
        ));
    }
    Ok(decoder)
}

fn decoded(mut decoder: impl ImageDecoder, bytes: &[u8]) -> Result<DynamicImage, Unread> {
    let format = image::guess_format(bytes).map_err(|_| Unread::Content("not a picture".into()))?;
    let turn = orientation(&mut decoder);
    let mut image = DynamicImage::from_decoder(decoder).map_err(|e| reason(format, &e))?;
    // The decoder fills what is missing of a photo with gray.
    if format == ImageFormat::Jpeg && !jpeg_ends(bytes) {
        return content("a broken JPEG: it ends too early");
    }
    image.apply_orientation(turn);
    Ok(image)
}

/// As the EXIF data say; data that make no sense say nothing.
fn orientation(decoder: &mut impl ImageDecoder) -> Orientation {
    decoder.orientation().unwrap_or(Orientation::NoTransforms)
}

fn turned(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}

/// Whether the marker that ends a JPEG follows its first scan. Segments are stepped over by their lengths, as the preview
/// inside one of them has an end of its own.
fn jpeg_ends(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4) {
        match marker {
            0xff => at += 1,
            0xda => return bytes[at..].windows(2).any(|pair| pair == [0xff, 0xd9]),
            _ => at += 2 + usize::from(u16::from_be_bytes([high, low])),
        }
    }
    false
}

/// What people have in folders of photos, and `image` is not built to read.
fn other_kind(head: &[u8]) -> Option<&'static str> {
    if head.get(4..8) == Some(b"ftyp") {
        return Some(match head.get(8..12)? {
            b"heic" | b"heix" | b"heim" | b"heis" | b"mif1" | b"msf1" | b"hevc" | b"hevx" | b"hevm"
            | b"hevs" => "HEIC",
            b"crx " => "a raw photo (CR3)",
            b"avif" | b"avis" => "AVIF",
            _ => FILM,
        });
    }
    let known: [(&[u8], &str); 5] = [
        (b"\0\0\x01\0", ICON),
        (b"8BPS", "a Photoshop file"),
        (b"%PDF", PDF),
        (b"\x76\x2f\x31\x01", "OpenEXR"),
        (b"\xff\x0a", "JPEG XL"),
    ];
    known.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name)
}

fn name(format: ImageFormat) -> String {
    match format {
        ImageFormat::Jpeg => "JPEG".into(),
        ImageFormat::WebP => "WebP".into(),
        ImageFormat::Pnm => "PNM".into(),
        other => format!("{other:?}").to_uppercase(),
    }
}

/// What an error of the decoder means to the one who has the file.
fn reason(format: ImageFormat, e: &ImageError) -> Unread {
    let name = name(format);
    Unread::Content(match e {
        ImageError::Limits(limit) => match limit.kind() {
            LimitErrorKind::DimensionError => "too many pixels: scale it down first".into(),
            _ => format!("a {name} that would need more than {} MiB of memory", MAX_ALLOC >> 20),
        },
        ImageError::IoError(io) if io.kind() == ErrorKind::UnexpectedEof => {
            format!("a broken {name}: it ends too early")
        }
        ImageError::IoError(io) => return system(io),
        ImageError::Unsupported(what) => {
            format!("a {name} of a kind that is not read: save it as PNG ({})", line(what))
        }
        other => format!("a broken {name}: {}", line(other)),
    })
}

/// A decoder's words on one line.
fn line(what: &impl std::fmt::Display) -> String {
    what.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn system(e: &std::io::Error) -> Unread {
    Unread::System(match e.kind() {
        ErrorKind::NotFound => "no longer there".into(),
        ErrorKind::PermissionDenied => "no permission to read it".into(),
        _ => format!("cannot be read: {e}"),
    })
}

fn unreadable(e: crate::Error) -> Unread {
    match e {
        crate::Error::Io { source, .. } => system(&source),
        crate::Error::Usage(_) => Unread::Content(format!("not a file of at most {} MiB", MAX_FILE >> 20)),
        other => Unread::System(other.to_string()),
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
