//! What is known of a setting of the application beside its value: from it [`super::settings`] checks values, and the command
//! line makes flags and documentation.

use super::settings::RunSettings;
use crate::train::settings::{Values, shown};
use std::fmt;
use toml::Value;

/// A setting of the application.
#[derive(Debug, Clone, Copy)]
pub struct AppSetting {
    /// Name of the field, and its key in a configuration file.
    pub key: &'static str,
    /// What it may be set to.
    pub values: Allowed,
    /// Whether a run that goes on may get another value than it began with.
    pub changes: bool,
}

impl AppSetting {
    /// `KEY = VALUE: use ...` for a value that the setting must not have.
    pub fn refusal(&self, value: &Value) -> String {
        // What a hostile file says is shown shortened.
        let shown: String = shown(value).chars().take(60).collect();
        format!("{} = {shown}: use {}", self.key, self.values)
    }
}

/// The values that a setting of the application may have. Displayed it reads `letterbox, crop or stretch`.
#[derive(Debug, Clone, Copy)]
pub enum Allowed {
    /// Those that a setting of training may have, too.
    Values(Values),
    /// These words, of which a flag takes one; in a file also other texts that this finds right.
    Words(&'static [&'static str], fn(&str) -> bool),
    /// Texts that this finds right, and what to write.
    Text(&'static str, fn(&str) -> bool),
}

impl Allowed {
    /// One of these words.
    pub const fn names(names: &'static [&'static str]) -> Allowed {
        Allowed::Values(Values::Names(names))
    }

    /// Whether `value` is one of them.
    pub fn admits(&self, value: &Value) -> bool {
        match (*self, value) {
            (Allowed::Values(values), value) => values.admits(value),
            (Allowed::Words(_, right) | Allowed::Text(_, right), Value::String(text)) => right(text),
            _ => false,
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            // In a file a number stands without quotes.
            Allowed::Values(Values::Names(names)) if names.iter().any(|name| name.parse::<f32>().is_ok()) => {
                write!(f, "{}, as a text", Values::Names(names))
            }
            Allowed::Values(values) => write!(f, "{values}"),
            Allowed::Words(words, _) => write!(f, "{}", Values::Names(words)),
            Allowed::Text(what, _) => f.write_str(what),
        }
    }
}

/// The name of the setting `key` on the command line, without the hyphens before it.
pub fn flag_name(key: &str) -> String {
    key.replace('_', "-")
}

/// A text of the engine in which settings in backticks, as `seed` or `batch_size = 240`, have become their flags.
pub fn with_flags(text: &str) -> String {
    let flag = |setting: &str| {
        let (key, value) = match setting.split_once(" = ") {
            Some((key, value)) => (key, format!(" {}", flag_name(value))),
            None => (setting, String::new()),
        };
        // That of the images is no flag.
        let is_flag = key != "data" && RunSettings::keys().any(|k| k == key);
        is_flag.then(|| format!("--{}{value}", flag_name(key)))
    };
    let parts: Vec<&str> = text.split('`').collect();
    // Every second part stands between two backticks, unless it is the last.
    let inside = |i: usize| i % 2 == 1 && i + 1 < parts.len();
    let spoken = parts.iter().enumerate().map(|(i, part)| {
        let flag = if inside(i) { flag(part) } else { None };
        flag.unwrap_or_else(|| (*part).to_string())
    });
    spoken.collect::<Vec<_>>().join("`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_shown_shortened() {
        let values = Allowed::names(&["auto", "1"]);
        let setting = AppSetting { key: "channels", values, changes: false };
        assert_eq!(setting.refusal(&Value::from(1)), "channels = 1: use auto or 1, as a text");
        let said = setting.refusal(&Value::from("x".repeat(10_000)));
        assert!(said.len() < 200 && said.ends_with(": use auto or 1, as a text"), "{said}");
    }
}
