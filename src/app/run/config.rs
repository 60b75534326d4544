//! Settings from defaults, a recipe, a `--config` file, and flags, each over the one before.

use crate::app::{model_file, source, text as text_file};
use crate::error::{Error, Result};
use crate::model::parse;
use crate::model::spec::{LayerOp, ModelSpec};
use crate::text;
use crate::train::settings::Settings;
use serde::Deserialize;
use serde::de::Visitor;
use std::path::Path;
use toml::Table;
use toml::de::DeTable;

/// The recipes that come with the program: names and configuration files.
pub const RECIPES: [(&str, &str); 2] = [
    ("paper", include_str!("../../../assets/recipes/paper.toml")),
    ("best", include_str!("../../../assets/recipes/best.toml")),
];

/// What flags are called for short, and the settings that are meant.
const SHORT: [(&str, &str); 3] = [
    ("lr", "learning_rate"),
    ("generator_lr", "generator_learning_rate"),
    ("lr_decay", "learning_rate_decay"),
];

/// Settings and the model that they name.
#[derive(Debug)]
pub struct Resolved {
    /// Checked one by one.
    pub settings: Settings,
    /// The model file, read.
    pub spec: ModelSpec,
    /// The model file's text.
    pub model_toml: String,
}

impl Resolved {
    /// The settings as the text of a configuration file.
    ///
    /// # Errors
    /// [`Error::Usage`] for a value that TOML cannot hold, such as a path that is not Unicode.
    pub fn config_toml(&self) -> Result<String> {
        toml::to_string(&self.settings)
            .map_err(|e| Error::Usage(format!("the settings cannot be written as TOML: {e}")))
    }
}

/// Layers the settings and reads the model: defaults, the recipe of this name, a configuration file, and what `over` sets.
///
/// # Errors
/// [`Error::Text`] for a mistake in the configuration or model file, [`Error::Usage`] for a value that makes
/// no sense, [`Error::Io`] for a file that cannot be read.
pub fn resolve(recipe: Option<&str>, file: Option<&Path>, over: impl Fn(&mut Settings)) -> Result<Resolved> {
    let recipe = RECIPES.iter().find(|(name, _)| recipe == Some(name));
    let recipe = recipe.map(|(name, text)| ConfigFile::parse(name, (*text).into())).transpose()?;
    let file = file.map(ConfigFile::read).transpose()?;
    let layered = |mut settings: Settings| -> Result<Settings> {
        for file in recipe.iter().chain(&file) {
            settings = file.over(&settings)?;
        }
        over(&mut settings);
        // The run's folder keeps it, and may be gone on with from elsewhere.
        if let Some(dir) = &mut settings.data_dir {
            *dir = std::path::absolute(&*dir).map_err(Error::io("read", dir.as_path()))?;
        }
        Ok(settings)
    };
    // Method and model decide the defaults of other settings, so they are resolved first.
    let first = layered(Settings::defaults(Default::default(), false))?;
    let (spec, model_toml) = model_file::load_with(&first.model, first.generator.as_deref())?;
    let convolutional = spec.discriminator.layers.iter().any(|l| matches!(l.op, LayerOp::Conv2d(_)));
    let settings = layered(Settings::defaults(first.method, convolutional))?;
    validate(&settings)?;
    Ok(Resolved { settings, spec, model_toml })
}

fn validate(settings: &Settings) -> Result<()> {
    source::check_name(&settings.dataset)?;
    settings.validate()
}

/// Reads a configuration file's text; `name` is for messages.
///
/// # Errors
/// [`Error::Text`] with the line of a mistake, [`Error::Usage`] for a value that makes no sense.
pub fn check(text: &str, name: &str) -> Result<Settings> {
    let settings =
        ConfigFile::parse(name, text.into())?.over(&Settings::defaults(Default::default(), false))?;
    validate(&settings)?;
    Ok(settings)
}

/// The settings and the model of a run folder, whose `config.toml` and `model.toml` these are; `over` says anew where the
/// data are and which adapter computes.
///
/// # Errors
/// As [`resolve`].
pub fn of_run(
    config_toml: &str,
    model_toml: String,
    folder: &Path,
    over: impl Fn(&mut Settings),
) -> Result<Resolved> {
    let name = |file: &str| folder.join(file).display().to_string();
    let file = ConfigFile::parse(&name("config.toml"), config_toml.into())?;
    let mut settings = file.over(&Settings::defaults(Default::default(), false))?;
    over(&mut settings);
    validate(&settings)?;
    let spec = parse::parse(&model_toml, &name("model.toml"))?;
    Ok(Resolved { settings, spec, model_toml })
}

/// A configuration file: any of the settings, with the place where each stands.
struct ConfigFile {
    name: String,
    text: String,
    values: Table,
    /// Byte offset of each key.
    places: Vec<(String, usize)>,
}

impl ConfigFile {
    fn read(path: &Path) -> Result<ConfigFile> {
        ConfigFile::parse(&path.display().to_string(), text_file::read(path)?)
    }

    fn parse(name: &str, text: String) -> Result<ConfigFile> {
        let document = DeTable::parse(&text).map_err(|e| text::toml_error(&text, name, 0, &e))?;
        let mut places: Vec<(String, usize)> =
            document.get_ref().keys().map(|k| (k.get_ref().to_string(), k.span().start)).collect();
        places.sort_by_key(|p| p.1);
        let known = known_keys();
        for (key, at) in &places {
            if !known.contains(&key.as_str()) {
                let reason = match SHORT.iter().find(|(short, _)| short == key) {
                    Some((_, name)) => format!("unknown setting \"{key}\"; did you mean \"{name}\"?"),
                    None => text::unknown("setting", key, known.iter().copied()),
                };
                return Err(text::error_at(&text, name, *at, reason));
            }
        }
        let values = toml::from_str(&text).map_err(|e| text::toml_error(&text, name, 0, &e))?;
        Ok(ConfigFile { name: name.into(), text, values, places })
    }

    /// `settings` with this file's values.
    fn over(&self, settings: &Settings) -> Result<Settings> {
        let mut merged = table_of(settings)?;
        for (key, at) in &self.places {
            let Some(value) = self.values.get(key) else { continue };
            merged.insert(key.clone(), value.clone());
            // One by one, so that a value of the wrong type is reported with its line.
            if let Err(e) = Settings::deserialize(merged.clone()) {
                let reason = format!("{key}: {}", e.message().replace('\n', "; "));
                return Err(text::error_at(&self.text, &self.name, *at, reason));
            }
        }
        Settings::deserialize(merged).map_err(|e| text::toml_error(&self.text, &self.name, 0, &e))
    }
}

fn table_of(settings: &Settings) -> Result<Table> {
    Table::try_from(settings)
        .map_err(|e| Error::Usage(format!("the settings cannot be written as TOML: {e}")))
}

/// Names of all settings, as the struct itself asks for them.
fn known_keys() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // It never gives values: what is wanted is told before any.
    let _ = Settings::deserialize(FieldNames(&mut names));
    names
}

/// A source of nothing, which remembers the fields that a struct asks for.
struct FieldNames<'a>(&'a mut &'static [&'static str]);

impl<'de> serde::Deserializer<'de> for FieldNames<'_> {
    type Error = serde::de::value::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> std::result::Result<V::Value, Self::Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> std::result::Result<V::Value, Self::Error> {
        Err(serde::de::Error::custom("only the names are wanted"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::settings::Method;

    fn over(text: &str) -> Result<Settings> {
        ConfigFile::parse("c.toml", text.into())?.over(&Settings::defaults(Method::Ssl, false))
    }

    #[track_caller]
    fn fails(text: &str, line: usize, words: &str) {
        match over(text) {
            Err(Error::Text { file, line: at, reason }) => {
                assert!(file == "c.toml" && at == line && reason.contains(words), "line {at}: {reason}");
            }
            other => panic!("expected an error, got {other:?}"),
        }
    }

    /// Every setting that a run writes down is one that a file may have; those that are not always there, too.
    #[test]
    fn every_setting_is_known() {
        let written = table_of(&Settings::defaults(Method::Ssl, false)).unwrap();
        let known = known_keys();
        assert!(written.keys().all(|key| known.contains(&key.as_str())), "{known:?}");
        for key in ["generator", "data_dir", "unlabelled", "adapter", "backend", "tune"] {
            assert!(known.contains(&key) && !written.contains_key(key), "{key}");
        }
        assert_eq!(
            known.len(),
            written.len() + 6,
            "a setting that is not always there belongs into this test"
        );
    }

    #[test]
    fn mistakes_have_their_line() {
        fails("seed = 1\nlearnig_rate = 0.1\n", 2, "did you mean \"learning_rate\"");
        fails("seed = 1\n\nepochs = \"ten\"\n", 3, "epochs");
        fails("lr = 0.1\n", 1, "did you mean \"learning_rate\"");
        fails("labels = -5\n", 1, "labels");
        fails("seed = -1\n", 1, "seed");
        fails("method = \"magic\"\n", 1, "method");
        fails("offline = 1\n", 1, "offline");
        fails("[train]\nseed = 1\n", 1, "unknown setting \"train\"");
        fails("seed = \n", 1, "");
        fails("seed = 1\nseed = 2\n", 2, "duplicate");
    }

    #[test]
    fn the_written_config_reads_back() {
        let mut resolved = resolve(None, None, |_| ()).unwrap();
        resolved.settings.adapter = Some("software".into());
        resolved.settings.data_dir = Some("a b".into());
        let text = resolved.config_toml().unwrap();
        assert!(text.contains("learning_rate = 0.001\n"), "{text}");
        assert_eq!(over(&text).unwrap(), resolved.settings);
    }
}
