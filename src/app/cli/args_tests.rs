use super::*;
use crate::app::run::settings::Allowed;
use crate::train::settings::Values;
use clap::{CommandFactory, Parser};
use std::collections::BTreeSet;
use toml::Value;

/// A command line that has the settings and nothing else.
#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    settings: SettingsArgs,
}

fn parsed(flags: &str) -> SettingsArgs {
    let words = std::iter::once("ssgan").chain(flags.split_whitespace());
    Line::try_parse_from(words).unwrap_or_else(|e| panic!("{flags}: {e}")).settings
}

fn resolved(flags: &str) -> RunSettings {
    parsed(flags).resolve().unwrap_or_else(|e| panic!("{flags}: {e}")).settings
}

#[test]
fn flags_win_over_the_file_and_the_file_over_defaults() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("c.toml");
    std::fs::write(&config, "epochs = 3\nseed = 7\nmethod = \"supervised\"\nmodel = \"cnn\"\n").unwrap();
    let RunSettings { model, train: s, .. } = resolved(&format!("--seed 9 --config {}", config.display()));
    assert_eq!((s.epochs, s.seed, s.batch_size, s.beta1), (3, 9, 32, 0.9));
    assert_eq!((s.method, model.as_str()), (Method::Supervised, "cnn"));
}

#[test]
fn recipes_are_between_defaults_and_flags() {
    for (name, _) in RECIPES {
        assert_eq!(resolved(&format!("--recipe {name} --seed 9")).train.seed, 9, "{name}");
    }
    let RunSettings { model, train: s, .. } = resolved("--recipe paper --epochs 20");
    assert_eq!((s.epochs, s.batch_size, s.learning_rate, s.ema_rate), (20, 100, 0.003, 1e-4));
    assert!(s.epsilon_inside_root && model == "dnn-unit");
}

#[test]
fn defaults_follow_method_and_model() {
    let epochs = |flags: &str| resolved(flags).train.epochs;
    assert_eq!([epochs("--model dnn"), epochs("--model cnn --method ssl")], [10, 10]);
    let supervised = ["dnn", "cnn"].map(|model| epochs(&format!("--model {model} --method supervised")));
    assert_eq!(supervised, [50, 100]);
}

/// A data set by name would be passed over where a file names images of one's own, also of a run that goes on.
#[test]
fn own_images_of_a_file_stay() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("c.toml");
    std::fs::write(&config, "data = \"photos\"\n").unwrap();
    let own = resolved(&format!("--config {}", config.display()));
    assert!(own.data.is_some());
    for flag in ["--dataset mnist", "--data-dir d"] {
        let e = parsed(&format!("--config {} {flag}", config.display())).resolve().unwrap_err();
        assert!(e.exit_code() == 2 && e.to_string().contains("the settings name images of your own"), "{e}");
        assert_eq!(refuse_idle(&parsed(flag).given().unwrap(), &own).unwrap_err().to_string(), e.to_string());
    }
    let named = resolved("--dataset mnist --data-dir d");
    assert!(named.data.is_none() && named.data_dir.is_some());
}

/// A value of the setting that is not its default, as in a file.
fn another(key: &str) -> Value {
    let text = |s: &str| Value::String(s.into());
    match Settings::named(key).map(|setting| setting.values) {
        Some(Values::Whole(..) | Values::WholeOr(..)) => Value::Integer(7),
        Some(Values::Number(..)) => Value::Float(0.25),
        Some(Values::Switch) => Value::Boolean(true),
        Some(Values::Names(names)) => text(names[names.len() - 1]),
        None => match key {
            "model" | "generator" => text("cnn"),
            "augment" => text("flip,shift"),
            "dataset" => text("mnist"),
            "data" => text("/photos"),
            "image_size" => Value::Integer(32),
            "fit" => text("crop"),
            "channels" => text("3"),
            "hold_out" => Value::Float(0.25),
            "image_memory" => text("host"),
            "data_dir" => text("/data"),
            "offline" => Value::Boolean(true),
            "adapter" => text("software"),
            "backend" => text("metal"),
            "precision" => text("mixed"),
            "tune" => text("full"),
            _ => panic!("{key}: a setting of the application needs a value in this test"),
        },
    }
}

/// Every setting goes through a file, and through the flag of its name, into the settings and back to the text of a run's
/// `config.toml`; a run that goes on takes or refuses it as it is declared to; and there are no other flags of settings.
#[test]
fn every_setting_is_a_key_and_a_flag() {
    let defaults = RunSettings::defaults(Method::Ssl, false);
    for key in RunSettings::keys() {
        let value = another(key);
        let mut expected = defaults.clone();
        expected.set(key, &value).unwrap();
        assert_ne!(expected, defaults, "{key}: the same as the default");
        let by_file = config::read(&format!("{key} = {value}\n"), "c.toml").unwrap();
        assert_eq!(by_file, expected, "{key} in a file");
        assert_eq!(
            config::read(&by_file.to_toml().unwrap(), "c.toml").unwrap(),
            expected,
            "{key} written and read"
        );
        let flag = match &value {
            Value::String(path) if key == "data" => path.clone(),
            Value::Boolean(true) => format!("--{}", flag_name(key)),
            Value::String(word) => format!("--{} {}", flag_name(key), word.replace('_', "-")),
            number => format!("--{} {number}", flag_name(key)),
        };
        let args = parsed(&flag);
        let mut by_flag = defaults.clone();
        for (key, value) in args.given().unwrap() {
            by_flag.set(&key, &value).unwrap();
        }
        assert_eq!(by_flag, expected, "{flag}");
        let declared = RunSettings::changes(key);
        match args.given_anew() {
            Ok(given) => assert!(declared && given.contains_key(key), "--resume takes {flag}"),
            Err(e) => {
                assert!(!declared && e.to_string().contains(&flag_name(key)), "--resume and {flag}: {e}")
            }
        }
    }
    let flags: BTreeSet<String> = Line::command().get_arguments().map(|a| a.get_id().to_string()).collect();
    let settings = RunSettings::keys().map(String::from);
    let expected: BTreeSet<String> = settings.chain(["config", "recipe"].map(String::from)).collect();
    assert_eq!(flags, expected, "flags, and the keys of settings");
    let changing: Vec<&str> = RunSettings::keys().filter(|key| RunSettings::changes(key)).collect();
    assert_eq!(changing, ["data", "image_memory", "data_dir", "offline", "adapter", "backend", "epochs"]);
}

/// The words that a flag of the application's lists; none where it takes others.
fn words(allowed: Allowed) -> &'static [&'static str] {
    match allowed {
        Allowed::Values(Values::Names(words)) | Allowed::Words(words, _) => words,
        _ => &[],
    }
}

#[test]
fn every_word_is_a_value() {
    let mut settings = RunSettings::defaults(Method::Ssl, false);
    for setting in RunSettings::APPLICATION {
        for word in words(setting.values) {
            let value = Value::String((*word).into());
            settings.set(setting.key, &value).unwrap();
            assert_eq!(settings.values().unwrap().get(setting.key), Some(&value), "{}", setting.key);
        }
    }
}

/// What no setting of the application may be: values in a file, and words behind its flag, of which none are listed where a flag
/// takes every word, or none.
#[test]
fn wrong_values_are_refused_in_files_and_by_flags() {
    let cases: [(&str, &[&str], &[&str]); 16] = [
        ("model", &["3", "''", "'dnm'"], &["", "dnm"]),
        ("generator", &["true", "''", "'conw'"], &["", "conw"]),
        ("augment", &["3", "''", "'turn'", "'flip,flip'"], &["", "turn", "flip,flip"]),
        ("dataset", &["3", "''", "'imagenet'"], &["", "imagenet"]),
        ("data", &["3", "''"], &[]),
        ("image_size", &["0", "4097", "-1", "28.0", "'28'"], &["0", "4097", "-1", "28.0", "small"]),
        ("fit", &["1", "''", "'cropp'"], &["", "cropp"]),
        ("channels", &["3", "'2'"], &["2"]),
        ("hold_out", &["1.5", "1", "-0.1", "nan", "inf", "'0.2'"], &["1.5", "1", "-0.1", "nan", "much"]),
        ("image_memory", &["1", "'disk'"], &["disk"]),
        ("data_dir", &["3", "''"], &[]),
        ("offline", &["1", "'true'"], &[]),
        ("adapter", &["0", "true"], &[]),
        ("backend", &["1", "''", "'opengl'", "'vulkan,'"], &["", "opengl"]),
        ("precision", &["16", "'f16'"], &["f16"]),
        ("tune", &["true", "'slow'"], &["slow"]),
    ];
    assert_eq!(cases.map(|case| case.0), RunSettings::APPLICATION.map(|setting| setting.key));
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("c.toml");
    for (key, in_files, by_flag) in cases {
        let allowed = RunSettings::named(key).unwrap().values;
        // A name is looked up, and the nearest one told.
        let told = |said: &str| said.contains(&allowed.to_string()) || said.contains("unknown ");
        for value in in_files {
            std::fs::write(&config, format!("seed = 1\n{key} = {value}\n")).unwrap();
            let e = parsed(&format!("--config {}", config.display())).resolve().unwrap_err();
            let Error::Text { line, reason, .. } = &e else { panic!("{key} = {value}: {e:?}") };
            assert!(*line == 2 && e.exit_code() == 3 && told(reason), "{key} = {value}: {e}");
        }
        for word in by_flag {
            let flag = format!("--{}", flag_name(key));
            let (said, status) = match Line::try_parse_from(["ssgan", &flag, word]) {
                Err(e) => (e.to_string(), e.exit_code()),
                Ok(line) => {
                    let e = line.settings.resolve().unwrap_err();
                    (e.to_string(), i32::from(e.exit_code()))
                }
            };
            let listed = words(allowed);
            let all = !listed.is_empty() && listed.iter().all(|word| said.contains(word));
            assert!(status == 2 && (all || told(&said)), "{flag} {word}: {said}");
        }
    }
}

/// The table of docs/settings.md.
fn table() -> String {
    let command = Line::command();
    let mut rows = vec![
        "| key | flag | what it is | values | with `--resume` |".to_string(),
        "|---|---|---|---|---|".to_string(),
    ];
    for key in RunSettings::keys() {
        let arg = command.get_arguments().find(|a| a.get_id() == key).unwrap();
        let short = arg.get_visible_aliases().unwrap_or_default();
        let flags: Vec<String> =
            std::iter::once(flag_name(key)).chain(short.iter().map(|s| s.to_string())).collect();
        let own = RunSettings::named(key).map(|s| s.values.to_string());
        let values = own.or_else(|| Settings::named(key).map(|s| s.values.to_string())).unwrap();
        rows.push(format!(
            "| `{key}` | {} | {} | {} | {} |",
            match arg.is_positional() {
                true => format!("`{}`", arg.get_value_names().unwrap()[0]),
                false => flags.iter().map(|f| format!("`--{f}`")).collect::<Vec<_>>().join(", "),
            },
            arg.get_help().unwrap(),
            values,
            if RunSettings::changes(key) { "may change" } else { "" }
        ));
    }
    rows.join("\n")
}

#[test]
fn the_documented_table_is_the_declaration() {
    let page = include_str!("../../../docs/settings.md");
    assert!(page.contains(&table()), "docs/settings.md should have this table:\n{}", table());
}
