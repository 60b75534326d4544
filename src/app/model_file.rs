//! Models by name or in files.

use crate::app;
use crate::app::augment::{self, Augment};
use crate::error::{Error, Result};
use crate::model::parse::{BUILT_IN, GENERATORS, built_in, parse, parse_generator};
use crate::model::spec::ModelSpec;
use crate::text;
use std::path::Path;

/// What a flag that names a model takes, for its help.
pub fn models_help() -> String {
    let names = BUILT_IN.map(|(name, _)| name).join(", ");
    format!("{names}, or the path of a model file")
}

/// What a flag that names a generator takes, for its help.
pub fn generators_help() -> String {
    let names = GENERATORS.map(|(name, _)| name).join(", ");
    format!("Generator in place of the model's own: {names}, or that of another model")
}

/// A built-in model by name, or a model file by path; with its text, which checkpoints carry.
///
/// # Errors
/// [`Error::Usage`] for a word that is neither, [`Error::Io`] for a file that cannot be read, and what
/// [`parse`] finds.
pub fn load(name_or_path: &str) -> Result<(ModelSpec, String)> {
    if let Some((source, spec)) = built_in(name_or_path) {
        return Ok((spec?, source.to_string()));
    }
    let path = Path::new(name_or_path);
    let looks_like_a_word = path.extension().is_none() && path.components().count() == 1;
    if looks_like_a_word && !path.exists() {
        let names = BUILT_IN.iter().map(|(name, _)| *name);
        let reason = text::unknown("model", name_or_path, names);
        return Err(Error::Usage(format!("{reason} (or the path of a model file)")));
    }
    let source = app::text::read(path)?;
    Ok((parse(&source, name_or_path)?, source))
}

/// What is to be other than in a model's file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Changes<'a> {
    /// A generator by name, or that of another model; see [`with_generator`].
    pub generator: Option<&'a str>,
    /// The random maps that the discriminator sees its images under.
    pub augment: Option<&'a Augment>,
    /// The shorter side of the images, in pixels, where this program's maps are to suit it, see `augment::suited`.
    pub side: Option<u32>,
}

/// [`load`], with these changes, and the text of the whole.
///
/// # Errors
/// As [`load`].
pub fn load_with(name_or_path: &str, changes: Changes<'_>) -> Result<(ModelSpec, String)> {
    let (mut spec, mut text) = load(name_or_path)?;
    if let Some(generator) = changes.generator {
        (spec, text) = with_generator(&spec, generator)?;
    }
    if let Some(augment) = changes.augment {
        (spec, text) = written(augment.applied(&spec))?;
    }
    // What somebody's own file says is meant so.
    let ours = changes.augment.is_some() || built_in(name_or_path).is_some();
    if let Some(suited) = changes.side.filter(|_| ours).and_then(|side| augment::suited(&spec, side)) {
        (spec, text) = written(suited)?;
    }
    Ok((spec, text))
}

/// `spec` with another generator: a built-in one by name, or that of another model; with the text of the whole.
///
/// # Errors
/// As [`load`].
pub fn with_generator(spec: &ModelSpec, name_or_path: &str) -> Result<(ModelSpec, String)> {
    let generator = match GENERATORS.iter().find(|(name, _)| *name == name_or_path) {
        Some((name, source)) => parse_generator(source, &format!("{name}.toml (built in)"))?,
        None => {
            load(name_or_path)
                .map_err(|e| match e {
                    Error::Usage(reason) => {
                        let names: Vec<&str> = GENERATORS.iter().map(|(name, _)| *name).collect();
                        Error::Usage(format!(
                            "generator: {reason}; or one of the generators: {}",
                            names.join(", ")
                        ))
                    }
                    other => other,
                })?
                .0
                .generator
        }
    };
    written(ModelSpec { generator, ..spec.clone() })
}

/// A model that was put together, and its text.
fn written(spec: ModelSpec) -> Result<(ModelSpec, String)> {
    let text = spec.to_toml()?;
    // Places of mistakes are those of this text.
    Ok((parse(&text, "model.toml")?, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::parse::check;
    use crate::model::shape::{DataShape, Dims};

    const MNIST: DataShape = DataShape { image: Dims { height: 28, width: 28, channels: 1 }, classes: 10 };

    #[test]
    fn unknown_names_and_missing_files() {
        let e = load("dnm").unwrap_err();
        assert!(e.exit_code() == 2 && e.to_string().contains("did you mean \"dnn\""), "{e}");
        assert_eq!(load("no-such/file.toml").unwrap_err().exit_code(), 6);
    }

    #[test]
    fn another_generator_makes_another_model() {
        for (name, _) in BUILT_IN {
            let (spec, _) = load(name).unwrap();
            for (generator, _) in GENERATORS {
                let (made, text) = with_generator(&spec, generator).unwrap();
                assert_eq!(
                    (made.discriminator.layers.len(), &made.name),
                    (spec.discriminator.layers.len(), &spec.name)
                );
                assert_eq!(made.discriminator, spec.discriminator);
                assert_ne!(made.generator, spec.generator);
                check(&made, &text, "model.toml", MNIST).unwrap();
            }
            assert_eq!(with_generator(&spec, "dnn").unwrap().0.discriminator, spec.discriminator);
        }
        let (spec, _) = load("dnn").unwrap();
        assert!(with_generator(&spec, "konv").is_err());
    }
}
