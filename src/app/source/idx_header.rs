//! The header of an IDX file: a magic number that has the type of the numbers and the number of axes, and their sizes.

/// Largest uncompressed file that is accepted, in bytes.
pub const MAX_BYTES: u64 = 1 << 30;

/// What an IDX file of unsigned bytes holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Magic 0x803: count, rows, columns, then `count * rows * columns` pixels.
    Images,
    /// Magic 0x801: count, then `count` labels.
    Labels,
}

impl Kind {
    /// First four bytes, as a big-endian number.
    pub fn magic(self) -> u32 {
        match self {
            Kind::Images => 0x803,
            Kind::Labels => 0x801,
        }
    }
    /// Bytes before the data.
    pub fn header_len(self) -> usize {
        match self {
            Kind::Images => 16,
            Kind::Labels => 8,
        }
    }
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Images => "images",
            Kind::Labels => "labels",
        }
    }
}

/// A file of any kind of whole numbers, along one to four axes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Array {
    /// The third byte of the magic number: 8 and 9 for bytes without and with a sign, 11 and 12 for 16 and 32 bits.
    pub element: u8,
    /// Sizes of its axes.
    pub sizes: Vec<u32>,
    /// The whole uncompressed file, header included.
    pub(super) bytes: Vec<u8>,
}

impl Array {
    /// Bytes of a number; `None` for what is no whole number.
    fn width(element: u8) -> Option<u64> {
        match element {
            8 | 9 => Some(1),
            11 => Some(2),
            12 => Some(4),
            _ => None,
        }
    }

    /// The numbers, big-endian, the last axis fastest.
    pub fn into_data(mut self) -> Vec<u8> {
        self.bytes.drain(..4 + 4 * self.sizes.len());
        self.bytes
    }
}

/// What a magic number says of a file, and what is expected instead.
fn described(kind: Option<Kind>, magic: u32) -> String {
    let [zero, also, element, axes] = magic.to_be_bytes();
    let element = match element {
        8 => "unsigned bytes",
        9 => "signed bytes",
        11 => "16-bit integers",
        12 => "32-bit integers",
        13 => "32-bit floats",
        14 => "64-bit floats",
        _ => "",
    };
    let Some(kind) = kind else {
        return match element {
            "" => format!("magic number {magic:#x}"),
            _ => format!("it has {element} along {axes} axes; wanted are whole numbers along 1 to 4"),
        };
    };
    if (zero, also) != (0, 0) || element.is_empty() {
        return format!("magic number {magic:#x}, expected {:#x}", kind.magic());
    }
    let along = |n: u32| format!("along {n} {}", if n == 1 { "axis" } else { "axes" });
    let swapped = if [0x801, 0x803].contains(&magic) { " (images and labels swapped?)" } else { "" };
    let wanted = along(kind.magic() & 0xff);
    format!("it has {element} {}; wanted are unsigned bytes {wanted}{swapped}", along(axes.into()))
}

/// How many axes a file has, from its magic number.
pub(super) fn axes(kind: Option<Kind>, start: &[u8]) -> std::result::Result<usize, String> {
    let Ok(magic) = <[u8; 4]>::try_from(start).map(u32::from_be_bytes) else {
        let needed = kind.map_or(8, Kind::header_len);
        return Err(format!("truncated: {} bytes, a header has {needed}", start.len()));
    };
    let [zero, also, element, axes] = magic.to_be_bytes();
    let whole = (zero, also) == (0, 0) && Array::width(element).is_some() && (1..=4).contains(&axes);
    if kind.map_or(!whole, |kind| magic != kind.magic()) {
        let of = kind.map_or(String::new(), |kind| format!(" of {}", kind.name()));
        return Err(format!("not an IDX file{of}: {}", described(kind, magic)));
    }
    Ok(usize::from(axes))
}

/// Checks a header of so many axes; returns it with what it holds, in words, and the size of the whole file in bytes.
pub(super) fn parse_header(header: &[u8], axes: usize) -> std::result::Result<(Array, String, u64), String> {
    let length = 4 + 4 * axes;
    if header.len() < length {
        return Err(format!("truncated: {} bytes, a header has {length}", header.len()));
    }
    let word = |c: &[u8]| c.iter().fold(0, |n, &b| n << 8 | u32::from(b));
    let sizes: Vec<u32> = header[4..].chunks_exact(4).map(word).collect();
    let shape = sizes[1..].iter().map(u32::to_string).collect::<Vec<_>>().join("x");
    let (count, noun) = (sizes[0], if axes > 2 { "images" } else { "labels" });
    let of = if axes > 1 { format!(" of {shape}") } else { String::new() };
    if sizes.contains(&0) {
        return Err(format!("nothing in it: {count} {noun}{of}"));
    }
    let element = header[2];
    let total = (sizes.iter())
        .try_fold(Array::width(element).unwrap_or(1), |n, &s| n.checked_mul(u64::from(s)))
        .and_then(|n| n.checked_add(length as u64))
        .filter(|&n| n <= MAX_BYTES)
        .ok_or_else(|| format!("{count} {noun}{of} are more than {MAX_BYTES} bytes"))?;
    Ok((Array { element, sizes, bytes: Vec::new() }, format!("{count} {noun}"), total))
}
