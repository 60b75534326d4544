//! What is known of a setting beside its value: from it [`super::settings`] checks values, and a program around the engine
//! makes flags, keys of files, help and documentation.

use super::settings::Method;
use std::fmt;
use std::ops::Bound::{self, Excluded, Included, Unbounded};
use toml::Value;

/// A setting: its key, its documentation and what it may be set to.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Name of the field, and its key in a configuration file.
    pub key: &'static str,
    /// Another, shorter name, where one is in use.
    pub short: Option<&'static str>,
    /// Documentation of the field, a line of it per line.
    pub doc: &'static str,
    /// Heading under which it is listed.
    pub heading: Option<&'static str>,
    /// What stands for its value where it is listed, such as `N`.
    pub placeholder: Option<&'static str>,
    /// Which values it may have.
    pub values: Values,
    /// What holds where it has no value; `None` where it always has one.
    pub absent: Option<&'static str>,
    /// The method that alone looks at it; `None` where both do.
    pub only: Option<Method>,
    /// Whether a run that goes on may get another value than it began with.
    pub changes: bool,
}

impl Setting {
    pub(super) const fn new(heading: Option<&'static str>, values: Values) -> Setting {
        Setting {
            key: "",
            short: None,
            doc: "",
            heading,
            placeholder: None,
            values,
            absent: None,
            only: None,
            changes: false,
        }
    }

    pub(super) const fn placeholder(self, placeholder: &'static str) -> Setting {
        Setting { placeholder: Some(placeholder), ..self }
    }

    pub(super) const fn short(self, short: &'static str) -> Setting {
        Setting { short: Some(short), ..self }
    }

    pub(super) const fn only(self, method: Method) -> Setting {
        Setting { only: Some(method), ..self }
    }

    /// The first paragraph of the documentation, without its full stop.
    pub fn summary(&self) -> String {
        let lines = self.doc.lines().map(str::trim).take_while(|line| !line.is_empty());
        let text = lines.collect::<Vec<_>>().join(" ");
        text.strip_suffix('.').unwrap_or(&text).into()
    }

    /// `KEY = VALUE: use ...` for a value that the setting must not have.
    pub fn refusal(&self, value: &Value) -> String {
        format!("{} = {}: use {}", self.key, shown(value), self.values)
    }
}

/// A value as a person writes it: floats are 32-bit, `1` and not `1.0`, `1e-8` and not `0.00000001`.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Float(v) => plain(*v as f32),
        other => other.to_string(),
    }
}

fn plain(v: f32) -> String {
    let text = format!("{v:?}");
    text.strip_suffix(".0").unwrap_or(&text).into()
}

/// The values that a setting may have. Displayed it reads `a whole number from 1`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Values {
    /// Whole numbers, both ends included.
    Whole(u64, u64),
    /// The same, or a word.
    WholeOr(u64, u64, &'static str),
    /// Numbers between two bounds, and one of them as an example. Infinity and NaN are never among them.
    Number(Bound<f32>, Bound<f32>, &'static str),
    /// `true` or `false`.
    Switch,
    /// One of these words.
    Names(&'static [&'static str]),
}

impl Values {
    /// Whether `value` is one of them.
    pub fn admits(&self, value: &Value) -> bool {
        match (self, value) {
            (Values::Whole(from, to), Value::Integer(v)) => {
                u64::try_from(*v).is_ok_and(|v| (*from..=*to).contains(&v))
            }
            (Values::WholeOr(_, _, word), Value::String(v)) => word == v,
            (Values::WholeOr(from, to, _), v) => Values::Whole(*from, *to).admits(v),
            (Values::Number(..), Value::Integer(v)) => self.admits(&Value::Float(*v as f64)),
            (Values::Number(from, to, _), Value::Float(v)) => {
                let v = *v as f32;
                v.is_finite() && std::ops::RangeBounds::contains(&(*from, *to), &v)
            }
            (Values::Names(names), Value::String(v)) => names.contains(&v.as_str()),
            (Values::Switch, Value::Boolean(_)) => true,
            _ => false,
        }
    }
}

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Nobody counts so far.
            Values::Whole(from, to) if *to == u64::from(u32::MAX) => write!(f, "a whole number from {from}"),
            Values::Whole(from, to) => write!(f, "a whole number from {from} to {to}"),
            Values::WholeOr(from, to, word) => write!(f, "{}, or {word}", Values::Whole(*from, *to)),
            Values::Number(from, to, example) => {
                write!(f, "a number")?;
                match from {
                    Included(from) => write!(f, " from {}", plain(*from))?,
                    Excluded(from) => write!(f, " above {}", plain(*from))?,
                    Unbounded => {}
                }
                match (from, to) {
                    (Included(_), Included(to)) => write!(f, " to {}", plain(*to))?,
                    (Included(_), Excluded(to)) => write!(f, " to below {}", plain(*to))?,
                    (_, Included(to)) => write!(f, " and at most {}", plain(*to))?,
                    (_, Excluded(to)) => write!(f, " and below {}", plain(*to))?,
                    (_, Unbounded) => {}
                }
                write!(f, ", such as {example}")
            }
            Values::Switch => write!(f, "true or false"),
            Values::Names(names) => match names.split_last() {
                Some((last, rest)) if !rest.is_empty() => write!(f, "{} or {last}", rest.join(", ")),
                _ => write!(f, "{}", names.concat()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_say_what_they_are() {
        for (values, text, good, bad) in [
            (Values::Whole(1, u64::from(u32::MAX)), "a whole number from 1", Value::from(1), Value::from(0)),
            (Values::Whole(1, 9), "a whole number from 1 to 9", Value::from(9), Value::from(10)),
            (
                Values::WholeOr(1, 9, "all"),
                "a whole number from 1 to 9, or all",
                Value::from("all"),
                Value::from("a"),
            ),
            (
                Values::WholeOr(1, 9, "all"),
                "a whole number from 1 to 9, or all",
                Value::from(9),
                Value::from(0),
            ),
            (Values::Whole(0, 9), "a whole number from 0 to 9", Value::from(0), Value::from(-1)),
            (
                Values::Number(Excluded(0.0), Unbounded, "0.1"),
                "a number above 0, such as 0.1",
                Value::from(1),
                Value::from(f64::NAN),
            ),
            (
                Values::Number(Included(0.0), Excluded(1.0), "0.5"),
                "a number from 0 to below 1, such as 0.5",
                Value::from(0.0),
                // As a 32-bit float it is 1.
                Value::from(0.999_999_999_9),
            ),
            (
                Values::Number(Excluded(0.0), Included(1.0), "0.5"),
                "a number above 0 and at most 1, such as 0.5",
                Value::from(1.0),
                Value::from(f64::INFINITY),
            ),
            (Values::Switch, "true or false", Value::from(true), Value::from(1)),
            (Values::Names(&["a", "b", "c"]), "a, b or c", Value::from("b"), Value::from("d")),
        ] {
            assert_eq!(values.to_string(), text);
            assert!(values.admits(&good) && !values.admits(&bad), "{text}");
            assert!(!values.admits(&Value::from("")), "{text}: an empty text");
        }
    }
}
