//! The flags of settings, made of their declaration: of those of training all, of those of the application what a flag takes.

pub use crate::app::run::settings::flag_name;
use crate::app::run::settings::{Allowed, RunSettings};
use crate::train::settings::{self, Method, Setting, Settings, Values};
use clap::builder::{PossibleValuesParser, TypedValueParser, ValueParser};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// The settings of training that flags name, by key.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub struct TrainingFlags(pub Table);

impl Args for TrainingFlags {
    fn augment_args(command: Command) -> Command {
        command.args(Settings::ALL.iter().map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for TrainingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<TrainingFlags, clap::Error> {
        let mut flags = TrainingFlags::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for setting in Settings::ALL {
            if let Some(value) = matches.get_one::<Value>(setting.key) {
                self.0.insert(setting.key.into(), value.clone());
            }
        }
        Ok(())
    }
}

fn flag(setting: &'static Setting) -> Arg {
    let mut arg = Arg::new(setting.key)
        .long(flag_name(setting.key))
        .help(format!("{} [default: {}]", setting.summary(), default(setting)))
        .value_parser(parser(setting))
        .allow_negative_numbers(!matches!(setting.values, Values::Names(_) | Values::Switch));
    if setting.values == Values::Switch {
        arg = arg.num_args(0..=1).default_missing_value("true").require_equals(true);
    }
    if let Some(short) = setting.short {
        arg = arg.visible_alias(flag_name(short));
    }
    if let Some(heading) = setting.heading {
        arg = arg.help_heading(heading);
    }
    arg.value_name(setting.placeholder.map_or(setting.key.to_uppercase(), String::from))
}

/// `10; supervised: 50, or 100 for convolutional models`.
fn default(setting: &Setting) -> String {
    let of = |method, convolutional| shown(setting, &Settings::defaults(method, convolutional));
    // Whose value is the method itself has one default.
    if setting.key == "method" {
        return of(Method::default(), false);
    }
    let [ssl, dense, convolutional] =
        [of(Method::Ssl, false), of(Method::Supervised, false), of(Method::Supervised, true)];
    match (setting.only, dense == convolutional) {
        (Some(Method::Supervised), true) => dense,
        (None, true) if dense != ssl => format!("{ssl}; supervised: {dense}"),
        (None, false) => format!("{ssl}; supervised: {dense}, or {convolutional} for convolutional models"),
        _ => ssl,
    }
}

/// The value that `settings` have, as it is written on the command line.
fn shown(setting: &Setting, of: &Settings) -> String {
    match of.values().ok().and_then(|mut values| values.remove(setting.key)) {
        Some(Value::String(name)) => flag_name(&name),
        Some(other) => settings::shown(&other),
        None => setting.absent.unwrap_or("none").into(),
    }
}

fn parser(setting: &'static Setting) -> ValueParser {
    match setting.values {
        Values::Names(names) => PossibleValuesParser::new(names.iter().map(|name| flag_name(name)))
            .map(|name| Value::String(name.replace('-', "_")))
            .into(),
        Values::Switch => {
            PossibleValuesParser::new(["true", "false"]).map(|word| Value::Boolean(word == "true")).into()
        }
        Values::WholeOr(_, _, word) => ValueParser::new(move |text: &str| match text == word {
            true => Ok(Value::String(word.into())),
            false => number(setting, text),
        }),
        Values::Whole(..) | Values::Number(..) => ValueParser::new(move |text: &str| number(setting, text)),
    }
}

/// Reads a whole number of this range, or says which ones are.
pub fn whole(from: u32, to: u32) -> impl Fn(&str) -> Result<u32, String> + Clone {
    let range = Values::Whole(from.into(), to.into());
    move |text| {
        let number = text.parse().ok().filter(|n| (from..=to).contains(n));
        number.ok_or_else(|| format!("give {range}"))
    }
}

/// A value by its name in configuration files.
pub(super) fn word<T: DeserializeOwned + Clone + Send + Sync + 'static>(
    words: impl IntoIterator<Item = &'static str>,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(words).try_map(|word| Value::String(word).try_into())
}

/// A value of the setting `key` of the application, which its declaration admits.
pub(super) fn declared<T: DeserializeOwned + Clone + Send + Sync + 'static>(key: &str) -> ValueParser {
    let allowed = RunSettings::named(key).map_or(Allowed::names(&[]), |setting| setting.values);
    if let Allowed::Values(Values::Names(words)) | Allowed::Words(words, _) = allowed {
        return word::<T>(words.iter().copied()).into();
    }
    ValueParser::new(move |text: &str| {
        let value = match allowed {
            Allowed::Values(values) => numeral(values, text),
            _ => Some(Value::String(text.into())).filter(|value| allowed.admits(value)),
        };
        let value = value.and_then(|value| value.try_into::<T>().ok());
        value.ok_or_else(|| format!("give {allowed}"))
    })
}

/// A number that the setting may have; a seed may be `random`, which draws one from the operating system.
fn number(setting: &Setting, text: &str) -> Result<Value, String> {
    let seed = setting.placeholder == Some("SEED");
    if seed && text == "random" {
        let mut system = rand::rngs::SysRng;
        let drawn = rand::TryRng::try_next_u64(&mut system).map_err(|e| format!("no random numbers: {e}"))?;
        return Ok(Value::Integer((drawn >> 1) as i64));
    }
    let or_random = if seed { ", or `random`" } else { "" };
    numeral(setting.values, text).ok_or_else(|| format!("give {}{or_random}", setting.values))
}

/// The number that is written, if it is one of these.
fn numeral(values: Values, text: &str) -> Option<Value> {
    let read = match values {
        Values::Whole(..) | Values::WholeOr(..) => text.parse().map(Value::Integer).ok(),
        _ => text.parse().map(|v: f32| Value::Float(v.into())).ok(),
    };
    read.filter(|value| values.admits(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_told_by_method_where_they_differ() {
        let told = |key: &str| default(Settings::named(key).unwrap());
        assert_eq!(told("epochs"), "10; supervised: 50, or 100 for convolutional models");
        assert_eq!(told("batch_size"), "512; supervised: 32");
        assert_eq!((told("beta1").as_str(), told("epsilon").as_str()), ("0.5; supervised: 0.9", "1e-8"));
        assert_eq!((told("method").as_str(), told("unlabelled").as_str()), ("ssl", "all training images"));
        assert_eq!(told("validation_split"), "0.3");
        assert_eq!(
            (told("generator_loss").as_str(), told("label_smoothing").as_str()),
            ("feature-matching", "0")
        );
    }

    #[test]
    fn numbers_and_what_is_said_of_others() {
        let read = |key: &str, text: &str| number(Settings::named(key).unwrap(), text);
        assert_eq!(read("epochs", "7"), Ok(Value::Integer(7)));
        for bad in ["0", "-1", "ten", "1.5", ""] {
            assert_eq!(read("epochs", bad).unwrap_err(), "give a whole number from 1", "{bad}");
        }
        for bad in ["nan", "0", "-0.1", "inf", "fast"] {
            assert_eq!(
                read("learning_rate", bad).unwrap_err(),
                "give a number above 0, such as 0.001",
                "{bad}"
            );
        }
        assert!(matches!(read("seed", "random"), Ok(Value::Integer(v)) if v >= 0));
        assert!(read("seed", "18446744073709551615").unwrap_err().ends_with(", or `random`"));
        assert!(read("labels", "random").is_err());
    }
}
