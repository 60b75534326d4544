//! Named float tensors and text metadata as the bytes of one safetensors file: checkpoints and step traces.
//!
//! Layout: 8 bytes little-endian header length, a JSON header (name -> dtype, shape, byte range; the
//! metadata under `__metadata__`), the values as little-endian f32 in the header's order. The header is
//! written here because the safetensors crate keeps metadata in a randomly ordered map, and equal runs
//! must give equal bytes; reading uses the crate, which checks hostile headers.

use crate::error::{Error, Result};
use crate::text::hex;
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::path::PathBuf;

/// `format` in the metadata of a run's checkpoints.
pub const FORMAT: &str = "ssgan-1";

/// Formats by which other programs name their safetensors.
const FOREIGN: [&str; 5] = ["pt", "tf", "flax", "np", "mlx"];

/// Key of the SHA-256 of everything else in the file.
const CHECKSUM: &str = "sha256";

/// One tensor: `values` in row-major order of `shape`.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorData {
    /// Such as `discriminator.2.weight_v`.
    pub name: String,
    /// Sizes, outermost first; empty for a scalar.
    pub shape: Vec<usize>,
    /// As many values as the product of `shape`.
    pub values: Vec<f32>,
}

impl TensorData {
    /// Whether no value is NaN or infinite.
    pub fn is_finite(&self) -> bool {
        self.values.iter().all(|v| v.is_finite())
    }
}

/// Tensors in file order, and what they are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Checkpoint {
    /// In the order in which they are written.
    pub tensors: Vec<TensorData>,
    /// Text by key: `format`, `model`, `model_toml`, `dataset`, `step`, ...
    pub metadata: BTreeMap<String, String>,
}

impl Checkpoint {
    /// The first bytes of a file, up to the values, with more metadata; `extra` wins where both have a key. Equal content
    /// gives equal bytes.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for tensors that no file can hold (two of one name, or a shape that disagrees with the
    /// values).
    pub fn head(&self, extra: &BTreeMap<String, String>) -> Result<Vec<u8>> {
        let mut metadata = self.metadata.clone();
        metadata.extend(extra.clone());
        // A sum that came with the metadata is no part of what is summed.
        metadata.remove(CHECKSUM);
        metadata.insert(CHECKSUM.into(), checksum(&self.tensors, &metadata));
        let header = self.header(&metadata).map_err(bad)?;
        Ok([&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat())
    }

    /// Writes the values, which follow the head.
    ///
    /// # Errors
    /// The writer's.
    pub fn write_values(&self, w: &mut dyn Write) -> std::io::Result<()> {
        self.tensors.iter().try_for_each(|t| write_values(w, &t.values))
    }

    /// A whole file: [`Checkpoint::head`] and the values.
    ///
    /// # Errors
    /// As [`Checkpoint::head`].
    pub fn to_bytes(&self, extra: &BTreeMap<String, String>) -> Result<Vec<u8>> {
        let mut bytes = self.head(extra)?;
        self.write_values(&mut bytes).expect("memory takes what is written");
        Ok(bytes)
    }

    /// The values of a tensor that must be there with this shape.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] naming the tensor and both shapes, or how many values it has; the path is the caller's to add.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<&[f32]> {
        let Some(tensor) = self.tensors.iter().find(|t| t.name == name) else {
            return Err(bad(format!(
                "has no tensor {name:?}: it belongs to another model; name the model it was trained with"
            )));
        };
        if tensor.shape != shape {
            return Err(bad(format!(
                "tensor {name:?} has shape {:?}, the model needs {shape:?}: it belongs to another model",
                tensor.shape
            )));
        }
        if tensor.values.len() != shape.iter().product::<usize>() {
            let have = tensor.values.len();
            return Err(bad(format!("tensor {name:?} has {have} values for shape {shape:?}")));
        }
        Ok(&tensor.values)
    }

    /// Whether the parameters of a generator are there: not those of a run that trained none.
    pub fn has_generator(&self) -> bool {
        self.tensors.iter().any(|t| t.name.starts_with("generator."))
    }

    /// A metadata value that must be there.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] naming the key; the path is the caller's to add.
    pub fn meta(&self, key: &str) -> Result<&str> {
        let absent = || bad(format!("has no metadata {key:?}: it is no checkpoint of a training"));
        self.metadata.get(key).map(String::as_str).ok_or_else(absent)
    }

    /// Names of the K classes, of which there are `classes`; where the metadata tell none, their numbers from 0.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for what is no list of as many names as there are classes; the path is the caller's to add.
    pub fn class_names(&self, classes: u32) -> Result<Vec<String>> {
        let Ok(text) = self.meta("class_names") else {
            return Ok((0..classes).map(|k| k.to_string()).collect());
        };
        let names: Option<Vec<String>> = serde_json::from_str(text).ok();
        names.filter(|names| names.len() == classes as usize).ok_or_else(|| {
            bad(format!("metadata \"class_names\" is no list of {classes} names: the file is damaged"))
        })
    }

    /// What the moving averages `average.*` are multiplied by to correct their bias.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] where the metadata do not say it, or nothing was averaged yet; the path is the caller's to add.
    pub fn average_scale(&self) -> Result<f32> {
        if self.meta("step").is_ok_and(|step| step == "0") {
            let reason = "was saved before the first step and has no averaged parameters: take the others";
            return Err(bad(reason.into()));
        }
        let scale = self.meta("average_scale")?;
        let number = scale.parse().ok().filter(|s: &f32| s.is_finite() && *s > 0.0);
        number.ok_or_else(|| bad(format!("average_scale {scale:?} is not a number above 0")))
    }

    /// Refuses parameters of which nothing can be computed: those of `network`, such as `discriminator` or
    /// `average.discriminator`.
    ///
    /// # Errors
    /// [`Error::Diverged`] naming a tensor with a value that is NaN or infinite.
    pub fn check_finite(&self, network: &str) -> Result<()> {
        let of = |name: &str| name.strip_prefix(network).is_some_and(|rest| rest.starts_with('.'));
        match self.tensors.iter().find(|t| of(&t.name) && !t.is_finite()) {
            Some(t) => Err(Error::Diverged(format!(
                "{} is not finite: the run had diverged when this was saved; take an earlier checkpoint",
                t.name
            ))),
            None => Ok(()),
        }
    }

    fn header(&self, metadata: &BTreeMap<String, String>) -> std::result::Result<String, String> {
        let quote = |s: &str| serde_json::Value::from(s).to_string();
        let mut entries = Vec::with_capacity(self.tensors.len() + 1);
        if !metadata.is_empty() {
            let pairs: Vec<String> =
                metadata.iter().map(|(k, v)| format!("{}:{}", quote(k), quote(v))).collect();
            entries.push(format!("\"__metadata__\":{{{}}}", pairs.join(",")));
        }
        let mut names = HashSet::from(["__metadata__"]);
        let mut offset = 0;
        for t in &self.tensors {
            if !names.insert(&t.name) {
                return Err(format!("two tensors are named {:?}", t.name));
            }
            if t.shape.iter().product::<usize>() != t.values.len() {
                return Err(format!(
                    "tensor {:?}: {} values for shape {:?}",
                    t.name,
                    t.values.len(),
                    t.shape
                ));
            }
            let end = offset + 4 * t.values.len();
            let shape: Vec<String> = t.shape.iter().map(usize::to_string).collect();
            let shape = shape.join(",");
            let name = quote(&t.name);
            entries.push(format!(
                "{name}:{{\"dtype\":\"F32\",\"shape\":[{shape}],\"data_offsets\":[{offset},{end}]}}"
            ));
            offset = end;
        }
        let mut header = format!("{{{}}}", entries.join(","));
        // The format lets the header end in spaces, so that the values start at a multiple of 8.
        header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
        Ok(header)
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for what is no safetensors file of 32-bit floats, or is damaged; the path is the caller's to add.
    pub fn parse(bytes: &[u8]) -> Result<Checkpoint> {
        Checkpoint::read(bytes).map_err(bad)
    }

    fn read(bytes: &[u8]) -> std::result::Result<Checkpoint, String> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(explain)?;
        let file = SafeTensors::deserialize(bytes).map_err(explain)?;
        let mut tensors = Vec::with_capacity(file.len());
        for name in header.offset_keys() {
            let view = file.tensor(&name).map_err(explain)?;
            if view.dtype() != Dtype::F32 {
                return Err(format!(
                    "tensor {name:?} is {:?}; checkpoints of this program hold F32 only",
                    view.dtype()
                ));
            }
            let values = view.data().as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
            tensors.push(TensorData { name, shape: view.shape().to_vec(), values });
        }
        let mut metadata: BTreeMap<_, _> =
            header.metadata().clone().unwrap_or_default().into_iter().collect();
        // Files of other programs have none, or mean something else by it. Not any other format: ours may be damaged.
        let foreign = metadata.get("format").is_some_and(|f| FOREIGN.contains(&f.as_str()));
        match metadata.remove(CHECKSUM).filter(|_| !foreign) {
            Some(said) if said != checksum(&tensors, &metadata) => {
                return Err(
                    "is damaged: its checksum does not match its contents; use another checkpoint of the run"
                        .into(),
                );
            }
            None if metadata.get("format").is_some_and(|f| f == FORMAT) => {
                return Err("is damaged: its checksum is missing; use another checkpoint of the run".into());
            }
            _ => {}
        }
        Ok(Checkpoint { tensors, metadata })
    }
}

/// What is wrong with a file whose path is not known here.
fn bad(reason: String) -> Error {
    Error::Checkpoint { path: PathBuf::new(), reason }
}

/// SHA-256 of names, shapes, values and metadata.
fn checksum(tensors: &[TensorData], metadata: &BTreeMap<String, String>) -> String {
    let mut h = Sha256::new();
    let text = |h: &mut Sha256, t: &str| {
        h.update((t.len() as u64).to_le_bytes());
        h.update(t.as_bytes());
    };
    for (key, value) in metadata {
        text(&mut h, key);
        text(&mut h, value);
    }
    for t in tensors {
        text(&mut h, &t.name);
        text(&mut h, &format!("{:?}", t.shape));
        for part in t.values.chunks(4096) {
            let bytes: Vec<u8> = part.iter().flat_map(|v| v.to_le_bytes()).collect();
            h.update(&bytes);
        }
    }
    hex(&h.finalize())
}

fn write_values(w: &mut dyn Write, values: &[f32]) -> std::io::Result<()> {
    let mut buffer = Vec::with_capacity(4 * 4096);
    for part in values.chunks(4096) {
        buffer.clear();
        buffer.extend(part.iter().flat_map(|v| v.to_le_bytes()));
        w.write_all(&buffer)?;
    }
    Ok(())
}

/// The crate's reason in words that say what to do.
fn explain(e: SafeTensorError) -> String {
    let what = match e {
        SafeTensorError::HeaderTooSmall
        | SafeTensorError::InvalidHeaderLength
        | SafeTensorError::HeaderTooLarge
        | SafeTensorError::MetadataIncompleteBuffer => "is truncated, or not a safetensors file".to_string(),
        other => format!("has a broken header ({other})"),
    };
    format!("{what}; use another checkpoint of the run, or train again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_has_as_many_values_as_its_shape() {
        let tensor = |values| TensorData { name: "w".into(), shape: vec![2, 3], values };
        let of = |values| Checkpoint { tensors: vec![tensor(values)], ..Checkpoint::default() };
        assert_eq!(of(vec![1.0; 6]).get("w", &[2, 3]).unwrap(), [1.0; 6]);
        let said = of(vec![1.0; 5]).get("w", &[2, 3]).unwrap_err().to_string();
        assert!(said.contains("has 5 values for shape [2, 3]"), "{said}");
    }

    #[test]
    fn classes_have_names_or_numbers() {
        let mut c = Checkpoint::default();
        assert_eq!(c.class_names(3).unwrap(), ["0", "1", "2"]);
        for (text, good) in [
            (r#"["cat","dog","a, b"]"#, true),
            (r#"["cat","dog"]"#, false),
            (r#"["cat","dog",3]"#, false),
            (r#"{"cat":0}"#, false),
            ("cat", false),
        ] {
            c.metadata.insert("class_names".into(), text.into());
            match c.class_names(3) {
                Ok(names) => assert!(good && names[2] == "a, b", "{text}"),
                Err(e) => assert!(!good && e.exit_code() == 7, "{text}: {e}"),
            }
        }
    }

    /// The program adds its own text of the model: no byte of its files depends on what the trainer says of it.
    #[test]
    fn added_metadata_win() {
        let added = BTreeMap::from([("model_toml".to_string(), "the file".to_string())]);
        let bytes = |own: Option<&str>| {
            let tensors = vec![TensorData { name: "t".into(), shape: vec![2], values: vec![1.0, 2.0] }];
            let metadata = own.map(|own| ("model_toml".to_string(), own.to_string())).into_iter().collect();
            Checkpoint { tensors, metadata }.to_bytes(&added).unwrap()
        };
        assert_eq!(bytes(Some("its own")), bytes(None));
        assert_eq!(Checkpoint::parse(&bytes(None)).unwrap().meta("model_toml").unwrap(), "the file");
    }

    /// A key of ours in somebody's metadata, theirs or an old sum, breaks no file.
    #[test]
    fn sums_that_came_with_the_metadata() {
        for format in [None, Some(FORMAT), Some("pt")] {
            let metadata = [(CHECKSUM, Some("theirs")), ("format", format)];
            let metadata = metadata.into_iter().filter_map(|(k, v)| Some((k.to_string(), v?.to_string())));
            let tensors = vec![TensorData { name: "t".into(), shape: vec![2], values: vec![1.0, 2.0] }];
            let saved = Checkpoint { tensors, metadata: metadata.collect() };
            let read = Checkpoint::parse(&saved.to_bytes(&BTreeMap::new()).unwrap()).unwrap();
            assert_eq!(read.tensors, saved.tensors, "{format:?}");
        }
    }

    #[test]
    fn averages_have_a_scale() {
        let scale = |text: &str| {
            let metadata = [("average_scale".to_string(), text.to_string())].into();
            Checkpoint { metadata, ..Checkpoint::default() }.average_scale().ok()
        };
        assert_eq!(scale("1.5"), Some(1.5));
        for text in ["x", "NaN", "inf", "0", "-1"] {
            assert_eq!(scale(text), None, "{text}");
        }
    }

    #[test]
    fn what_does_not_read_is_a_checkpoints_error() {
        let e = Checkpoint::parse(b"none").unwrap_err();
        assert!(matches!(&e, Error::Checkpoint { path, .. } if path.as_os_str().is_empty()), "{e:?}");
        assert!(e.to_string().starts_with("checkpoint: is truncated"), "{e}");
    }
}
