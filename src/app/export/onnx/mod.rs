//! A trained classifier as an ONNX model: bytes of images in, logits and probabilities out.

mod graph;
mod layers;
mod parameters;
pub mod proto;

use self::graph::{Graph, batch, integer, node, size, value};
use self::parameters::Parameters;
use self::proto::{FLOAT, GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto, UINT8};
use crate::app::source::images::policy::Policy;
use crate::error::{Error, Result};
use crate::model::shape::ModelShape;
use crate::shape::DataShape;
use crate::train::checkpoint::Checkpoint;
use prost::Message;

/// Version of ONNX's operators.
pub const OPSET: i64 = 17;

/// Version of the file format that came with it, in ONNX 1.12.
const IR_VERSION: i64 = 8;

/// Name of the program in the file.
pub const PRODUCER: &str = env!("CARGO_PKG_NAME");

/// Largest file, in bytes: protobuf's readers take none of 2 GiB.
const MOST: usize = (1 << 31) - 1;

/// Name of the input: bytes `[N, height, width, channels]`.
pub const IMAGES: &str = "images";

/// Name of the first output: `[N, K]`.
pub const LOGITS: &str = "logits";

/// Name of the second output: their softmax.
pub const PROBABILITIES: &str = "probabilities";

/// Whether a file that begins like this is one that this program exported.
pub fn is_ours(begin: &[u8]) -> bool {
    let first = ModelProto { ir_version: IR_VERSION, producer_name: PRODUCER.into(), ..Default::default() };
    begin.starts_with(&first.encode_to_vec())
}

/// What an exported model is told of where it comes from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// Whether the parameters are the moving averages.
    pub averaged: bool,
    /// Names of the classes, as many as there are; without any, their numbers from 0.
    pub class_names: Vec<String>,
    /// SHA-256 of the checkpoint's file.
    pub checkpoint_sha256: String,
    /// What is done to a picture before the network sees it, where that is known.
    pub policy: Option<Policy>,
}

/// The bytes of an ONNX file with the discriminator of a checkpoint in evaluation mode.
///
/// # Errors
/// [`Error::Checkpoint`] where the checkpoint is not of this model; [`Error::Diverged`] where its parameters are not finite;
/// [`Error::Usage`] for a model that no ONNX file can hold, and for another number of names than there are classes.
pub fn encode(checkpoint: &Checkpoint, model: &ModelShape, origin: &Origin) -> Result<Vec<u8>> {
    let (names, classes) = (origin.class_names.len(), model.data.classes);
    if names != 0 && names != classes as usize {
        return Err(Error::Usage(format!("{names} class names for {classes} classes")));
    }
    let file = ModelProto {
        ir_version: IR_VERSION,
        producer_name: PRODUCER.into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        doc_string: description(model),
        graph: Some(graph(checkpoint, model, origin.averaged)?),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props: metadata(checkpoint, model, origin),
    };
    let size = file.encoded_len();
    if size > MOST {
        return Err(Error::Usage(format!(
            "{} would take {size} bytes, and an ONNX file has at most {MOST}: export a smaller model",
            model.name
        )));
    }
    Ok(file.encode_to_vec())
}

fn graph(checkpoint: &Checkpoint, model: &ModelShape, averaged: bool) -> Result<GraphProto> {
    let DataShape { image, classes } = model.data;
    let net = &model.discriminator;
    let parameters = Parameters::new(checkpoint, net, averaged)?;
    let mut graph = Graph::of_images(IMAGES);
    graph.enter("preprocessing".into());
    graph.then("Cast", "Cast", vec![], vec![integer("to", FLOAT.into())]);
    let largest = graph.floats("largest", &[], &[255.0]);
    graph.then("Div", "Div", vec![largest], vec![]);
    for (i, layer) in net.layers.iter().enumerate() {
        graph.enter(format!("{}.{i}", net.name));
        layers::add(&mut graph, &parameters, i, layer)?;
    }
    // A last layer may give an image of one pixel.
    graph.enter(net.name.into());
    graph.rows(net.output());
    graph.rename(LOGITS);
    let input = value(
        IMAGES,
        UINT8,
        vec![batch(), size(image.height), size(image.width), size(image.channels)],
        "images as bytes",
    );
    let output = |name, what| value(name, FLOAT, vec![batch(), size(classes)], what);
    let outputs = vec![
        output(LOGITS, "a logit of each class"),
        output(PROBABILITIES, "the softmax of the logits: a probability of each class"),
    ];
    let mut graph = graph.finish(&model.name, input, outputs);
    let softmax = vec![integer("axis", 1)];
    graph.node.push(node(PROBABILITIES, "Softmax", vec![LOGITS.into()], PROBABILITIES, softmax));
    Ok(graph)
}

/// For people who open the file.
fn description(model: &ModelShape) -> String {
    let batch = if model.discriminator.compares_rows() {
        " Minibatch discrimination compares the images of one call with one another: what is said of an image depends on \
         those beside it."
    } else {
        ""
    };
    format!(
        "{} classifies images {} (channels, height, width) given as bytes.{batch}",
        model.name,
        model.data.image.as_image()
    )
}

fn metadata(checkpoint: &Checkpoint, model: &ModelShape, origin: &Origin) -> Vec<StringStringEntryProto> {
    let image = model.data.image;
    let numbers = || (0..model.data.classes).map(|k| k.to_string()).collect();
    let names = if origin.class_names.is_empty() { numbers() } else { origin.class_names.clone() };
    let names = serde_json::Value::from(names).to_string();
    let own = [
        ("class_names", names),
        ("model", model.name.clone()),
        ("image_height", image.height.to_string()),
        ("image_width", image.width.to_string()),
        ("image_channels", image.channels.to_string()),
        ("value_range", "0 to 255".into()),
        ("parameters", if origin.averaged { "averaged" } else { "raw" }.into()),
        ("checkpoint_sha256", origin.checkpoint_sha256.clone()),
    ];
    let prepared = origin.policy.map(|policy| policy.metadata()).unwrap_or_default();
    // As far as the checkpoint tells them.
    let told = ["dataset", "data_sha256", "method", "seed", "step"];
    let told = told.iter().filter_map(|key| Some((*key, checkpoint.metadata.get(*key)?.clone())));
    let entry = |(key, value): (&str, String)| StringStringEntryProto { key: key.into(), value };
    own.into_iter().chain(prepared).chain(told).map(entry).collect()
}

#[cfg(test)]
mod tests;
