//! Help with texts that people write: line numbers and suggestions.

use crate::error::Error;

/// Largest model or configuration file, in bytes.
pub const MAX_BYTES: u64 = 1 << 20;

/// Line, counted from 1, of a byte offset.
pub fn line_at(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|&&b| b == b'\n').count()
}

/// An [`Error::Text`] at a byte offset.
pub fn error_at(text: &str, file: &str, offset: usize, reason: impl Into<String>) -> Error {
    Error::Text { file: file.into(), line: line_at(text, offset), reason: reason.into() }
}

/// A TOML error with its line; `fallback` is the offset for those that carry none.
pub fn toml_error(text: &str, file: &str, fallback: usize, e: &toml::de::Error) -> Error {
    error_at(text, file, e.span().map_or(fallback, |s| s.start), e.message().replace('\n', "; "))
}

/// `unknown KIND "WORD"` with the nearest of `known`, or, where none is near, as many of them as fit a line.
pub fn unknown<'a>(kind: &str, word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    // What a hostile file says is shown shortened, and escaped.
    let shown: String = word.chars().take(40).collect();
    let known: Vec<&str> = known.into_iter().collect();
    match closest(&shown, &known) {
        Some(best) => format!("unknown {kind} {shown:?}; did you mean \"{best}\"?"),
        None => format!("unknown {kind} {shown:?}; known: {}", listed(&known)),
    }
}

/// The names, as many as a line of a message has room for.
fn listed(known: &[&str]) -> String {
    const ROOM: usize = 110;
    let all = known.join(", ");
    if all.len() <= ROOM {
        return all;
    }
    let end = all[..ROOM].rfind(", ").unwrap_or(0);
    format!("{}, and {} more", &all[..end], known.len() - all[..end].split(", ").count())
}

/// The one of `known` that is nearest to `word`, if any is near.
pub fn closest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let score = |k: &str| strsim::jaro_winkler(&word.to_lowercase().replace('-', "_"), &k.replace('-', "_"));
    let best = known.iter().map(|&k| (score(k), k)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.8).then_some(best.1)
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions() {
        let known = ["dense", "leaky_relu", "relu"];
        assert!(unknown("layer", "leakyrelu", known).contains("did you mean \"leaky_relu\""));
        assert!(unknown("layer", "Dense", known).contains("did you mean \"dense\""));
        assert!(unknown("layer", "zzz", known).contains("known: dense, leaky_relu, relu"));
    }

    #[test]
    fn a_long_list_stays_a_line() {
        let names: Vec<String> = (0..40).map(|i| format!("setting_{i:02}")).collect();
        let text = unknown("setting", "zzz", names.iter().map(String::as_str));
        assert!(text.len() < 200 && text.ends_with(" more"), "{text}");
        let shown = text.matches("setting_").count();
        assert!(text.ends_with(&format!("and {} more", 40 - shown)), "{text}");
    }

    #[test]
    fn lines() {
        assert_eq!((line_at("a\nb\nc", 0), line_at("a\nb\nc", 2), line_at("a\nb\nc", 99)), (1, 2, 3));
    }
}
