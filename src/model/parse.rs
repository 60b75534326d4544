//! Model files: TOML text to a [`ModelSpec`], every mistake reported with its file and line.
//!
//! Serde alone would accept unknown keys in a layer (its `op` is flattened) and lose their lines, so the
//! document is walked first: tables, then layers one by one, each key checked against its operation.

use super::infer::{ShapeError, infer};
use super::shape::{DataShape, ModelShape};
use super::spec::{
    DiscriminatorSpec, GeneratorSpec, LAYER_NAMES, LayerOp, LayerSpec, ModelSpec, NAMES, is_name,
};
use crate::error::{Error, Result};
use crate::text;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// The models that come with the program, by name.
pub const BUILT_IN: [(&str, &str); 9] = [
    ("dnn", include_str!("../../assets/models/dnn.toml")),
    ("cnn", include_str!("../../assets/models/cnn.toml")),
    ("cnn-deep", include_str!("../../assets/models/cnn-deep.toml")),
    ("dnn-unit", include_str!("../../assets/models/dnn-unit.toml")),
    ("cnn-batch-norm", include_str!("../../assets/models/cnn-batch-norm.toml")),
    ("cnn-minibatch", include_str!("../../assets/models/cnn-minibatch.toml")),
    ("cnn-noise", include_str!("../../assets/models/cnn-noise.toml")),
    ("photo", include_str!("../../assets/models/photo.toml")),
    ("photo-small", include_str!("../../assets/models/photo-small.toml")),
];

/// Generators that come with the program beside those of its models.
pub const GENERATORS: [(&str, &str); 2] = [
    ("conv", include_str!("../../assets/generators/conv.toml")),
    ("conv-varied", include_str!("../../assets/generators/conv-varied.toml")),
];

/// Reads the text of a generator alone; `file` is its name in messages.
///
/// # Errors
/// As [`parse`].
pub fn parse_generator(source: &str, file: &str) -> Result<GeneratorSpec> {
    let document = Document { source, file };
    let root = DeTable::parse(source).map_err(|e| text::toml_error(source, file, 0, &e))?;
    document.generator(root.get_ref(), &(0..0))
}

/// A model that comes with the program, by name; with its text, which checkpoints carry.
pub fn built_in(name: &str) -> Option<(&'static str, Result<ModelSpec>)> {
    let (name, source) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
    Some((source, parse(source, &format!("{name}.toml (built in)"))))
}

/// Reads a model file's text; `file` is its name in messages.
///
/// # Errors
/// [`Error::Text`] with the line of the first mistake.
pub fn parse(source: &str, file: &str) -> Result<ModelSpec> {
    if source.len() as u64 > text::MAX_BYTES {
        return Err(text::error_at(source, file, 0, format!("larger than {} bytes", text::MAX_BYTES)));
    }
    let document = Document { source, file };
    let root = DeTable::parse(source).map_err(|e| text::toml_error(source, file, 0, &e))?;
    let whole = 0..0;
    let table = root.get_ref();
    document.keys(table, "key", &["name", "discriminator", "generator"])?;

    let name: String = document.value(table, "name", &whole)?;
    if !is_name(&name) {
        let at = document.required(table, "name", &whole)?.span();
        return Err(document.fail(&at, format!("name: {NAMES}")));
    }

    let (d, d_at) = document.table(table, "discriminator")?;
    document.keys(d, "key of [discriminator]", &["layers"])?;
    let discriminator = DiscriminatorSpec { layers: document.layers(d, &d_at)? };

    let (g, g_at) = document.table(table, "generator")?;
    let generator = document.generator(g, &g_at)?;
    Ok(ModelSpec { name, discriminator, generator })
}

/// Infers the shapes of `spec`, whose text is `source`, on `data`.
///
/// # Errors
/// [`Error::Text`] with the line of the layer (or list of layers) that does not fit; of a built-in model with the names of
/// those that fit.
pub fn check(spec: &ModelSpec, source: &str, file: &str, data: DataShape) -> Result<ModelShape> {
    infer(spec, data).map_err(|e| {
        let others = if BUILT_IN.iter().any(|(_, text)| *text == source) { fitting(data) } else { vec![] };
        let reason = match others[..] {
            [] => e.to_string(),
            _ => format!("{e}; models for images {}: {}", data.image, others.join(", ")),
        };
        text::error_at(source, file, offset_of(source, &e), reason)
    })
}

/// The built-in models that `data` fit.
fn fitting(data: DataShape) -> Vec<&'static str> {
    let fits = |text: &str| parse(text, "").is_ok_and(|spec| infer(&spec, data).is_ok());
    BUILT_IN.iter().filter(|(_, text)| fits(text)).map(|(name, _)| *name).collect()
}

/// Where the layer of a shape error stands; 0 if the text is not the one that the error came from.
fn offset_of(source: &str, e: &ShapeError) -> usize {
    let find = || {
        let root = DeTable::parse(source).ok()?;
        let layers = root.get_ref().get(e.net)?.get_ref().as_table()?.get("layers")?.clone();
        let list = layers.get_ref().as_array()?;
        Some(e.layer.and_then(|i| list.get(i)).map_or(layers.span().start, |l| l.span().start))
    };
    find().unwrap_or(0)
}

/// The text, for messages.
struct Document<'a> {
    source: &'a str,
    file: &'a str,
}

impl Document<'_> {
    fn fail(&self, at: &Range<usize>, reason: impl Into<String>) -> Error {
        text::error_at(self.source, self.file, at.start, reason)
    }

    /// Refuses keys that are not in `known`.
    fn keys(&self, table: &DeTable<'_>, kind: &str, known: &[&str]) -> Result<()> {
        // Tables iterate in alphabetical order; the first mistake in the file is the one to report.
        let unknown = table.keys().filter(|k| !known.contains(&k.get_ref().as_ref()));
        match unknown.min_by_key(|k| k.span().start) {
            Some(key) => {
                Err(self.fail(&key.span(), text::unknown(kind, key.get_ref(), known.iter().copied())))
            }
            None => Ok(()),
        }
    }

    fn required<'t, 'i>(
        &self,
        table: &'t DeTable<'i>,
        key: &str,
        at: &Range<usize>,
    ) -> Result<&'t Spanned<DeValue<'i>>> {
        table.get(key).ok_or_else(|| self.fail(at, format!("missing `{key}`")))
    }

    fn table<'t, 'i>(&self, table: &'t DeTable<'i>, key: &str) -> Result<(&'t DeTable<'i>, Range<usize>)> {
        let value = self.required(table, key, &(0..0))?;
        match value.get_ref().as_table() {
            Some(t) => Ok((t, value.span())),
            None => Err(self.fail(&value.span(), format!("`{key}` must be a table: write [{key}]"))),
        }
    }

    fn value<T: for<'d> Deserialize<'d>>(
        &self,
        table: &DeTable<'_>,
        key: &str,
        at: &Range<usize>,
    ) -> Result<T> {
        let value = self.required(table, key, at)?;
        self.read(value).map_err(|(at, reason)| self.fail(&at, format!("{key}: {reason}")))
    }

    /// Deserialises one value; a failure comes with its place.
    fn read<T: for<'d> Deserialize<'d>>(
        &self,
        value: &Spanned<DeValue<'_>>,
    ) -> std::result::Result<T, (Range<usize>, String)> {
        T::deserialize(ValueDeserializer::from(value.clone()).into_deserializer())
            .map_err(|e| (e.span().unwrap_or(value.span()), e.message().replace('\n', "; ")))
    }

    fn generator(&self, g: &DeTable<'_>, at: &Range<usize>) -> Result<GeneratorSpec> {
        self.keys(g, "key of [generator]", &["latent", "prior", "layers"])?;
        Ok(GeneratorSpec {
            latent: self.value(g, "latent", at)?,
            prior: if g.contains_key("prior") { self.value(g, "prior", at)? } else { Default::default() },
            layers: self.layers(g, at)?,
        })
    }

    fn layers(&self, table: &DeTable<'_>, at: &Range<usize>) -> Result<Vec<LayerSpec>> {
        let value = self.required(table, "layers", at)?;
        let Some(list) = value.get_ref().as_array() else {
            return Err(self.fail(&value.span(), "`layers` must be a list of { op = \"...\" } tables"));
        };
        list.iter().map(|layer| self.layer(layer)).collect()
    }

    fn layer(&self, layer: &Spanned<DeValue<'_>>) -> Result<LayerSpec> {
        let Some(table) = layer.get_ref().as_table() else {
            return Err(self.fail(&layer.span(), "a layer must be a table: { op = \"dense\", ... }"));
        };
        let op = self.required(table, "op", &layer.span())?;
        let Some(name) = op.get_ref().as_str() else {
            return Err(self.fail(&op.span(), "`op` must be a text, such as \"dense\""));
        };
        if !LAYER_NAMES.contains(&name) {
            return Err(self.fail(&op.span(), text::unknown("layer", name, LAYER_NAMES.iter().copied())));
        }
        let known: Vec<&str> = ["op", "feature"].iter().chain(LayerOp::keys_of(name)).copied().collect();
        self.keys(table, &format!("key of {name}"), &known)?;
        self.read(layer)
            .map_err(|(_, reason)| self.fail(&self.blame(table, layer), format!("{name}: {reason}")))
    }

    /// The value that a layer fails by: the first one that the layer reads without. Serde's own error has
    /// lost it, since the flattened, tagged enum is read through a buffer.
    fn blame(&self, table: &DeTable<'_>, layer: &Spanned<DeValue<'_>>) -> Range<usize> {
        let without = |key: &str| {
            let mut fewer = table.clone();
            fewer.remove(key);
            self.read::<LayerSpec>(&Spanned::new(layer.span(), DeValue::Table(fewer))).is_ok()
        };
        let culprit = table.iter().find(|(key, _)| key.get_ref() != "op" && without(key.get_ref()));
        culprit.map_or(layer.span(), |(_, value)| value.span())
    }
}

#[cfg(test)]
#[path = "built_in_tests.rs"]
mod built_in_tests;
#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
