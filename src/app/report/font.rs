//! The one typeface of all pictures: a subset of DejaVu Sans (licence beside it), so that pictures need no
//! font of the system and look alike everywhere.

use plotters::style::{Color, FontStyle, IntoFont, RGBColor, TextStyle, register_font};
use std::sync::Once;

const FAMILY: &str = "sans-serif";
const BYTES: &[u8] = include_bytes!("../../../assets/fonts/DejaVuSans-subset.ttf");

/// The text with a question mark for each character that the typeface lacks.
pub fn legible(text: &str) -> String {
    let has = |c: &char| matches!(c, ' '..='~' | '\u{a0}'..='\u{17f}' | '\u{370}'..='\u{3ff}' | '\u{400}'..='\u{45f}' | '\u{2013}'..='\u{2026}');
    text.chars().map(|c| if has(&c) { c } else { '?' }).collect()
}

/// Text of this height in pixels and this colour.
pub fn text(size: u32, color: RGBColor) -> TextStyle<'static> {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // The bytes are the program's own (a test draws with them), so there is no failure to report.
        let _ = register_font(FAMILY, FontStyle::Normal, BYTES);
    });
    TextStyle { color: color.to_backend_color(), ..TextStyle::from((FAMILY, size).into_font()) }
}
