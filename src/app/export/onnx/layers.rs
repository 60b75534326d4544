//! Each layer in evaluation mode, as ONNX's operators.

use super::graph::{Graph, float, integer, integers, node, size, subgraph, value};
use super::parameters::Parameters;
use super::proto::{AttributeProto, FLOAT, GraphProto};
use crate::error::Result;
use crate::layers::{BatchNorm, LayerOp, LayerShape, MinibatchDiscrimination};
use crate::shape::Dims;

/// Adds layer `i` to the graph.
///
/// # Errors
/// As [`Parameters::get`].
pub fn add(graph: &mut Graph, p: &Parameters<'_>, i: usize, layer: &LayerShape) -> Result<()> {
    let (input, output) = (layer.input, layer.output);
    let mut activation = |op: &str, attributes| graph.then(op, op, vec![], attributes);
    match &layer.op {
        LayerOp::Relu(_) => activation("Relu", vec![]),
        LayerOp::LeakyRelu(l) => activation("LeakyRelu", vec![float("alpha", l.slope)]),
        LayerOp::Softplus(_) => activation("Softplus", vec![]),
        LayerOp::Sigmoid(_) => activation("Sigmoid", vec![]),
        LayerOp::Tanh(_) => activation("Tanh", vec![]),
        // They act in training alone.
        LayerOp::GaussianNoise(_)
        | LayerOp::Dropout(_)
        | LayerOp::RandomShift(_)
        | LayerOp::RandomFlip(_)
        | LayerOp::RandomAffine(_) => {}
        LayerOp::Dense(_) => {
            graph.rows(input);
            weighted(graph, p, i, "Gemm", vec![integer("transB", 1)])?;
        }
        LayerOp::Conv2d(_) => {
            graph.images(input);
            weighted(graph, p, i, "Conv", window(layer))?;
        }
        LayerOp::ConvTranspose2d(_) => {
            graph.images(input);
            weighted(graph, p, i, "ConvTranspose", transposed_window(layer))?;
        }
        LayerOp::BatchNorm(l) => batch_norm(graph, p, i, l, layer)?,
        LayerOp::MinibatchDiscrimination(l) => {
            graph.rows(input);
            minibatch_discrimination(graph, p, i, l)?;
        }
        LayerOp::MaxPool2d(_) => {
            graph.images(input);
            graph.then("MaxPool", "MaxPool", vec![], window(layer));
        }
        LayerOp::AvgPool2d(_) => {
            graph.images(input);
            let mut attributes = window(layer);
            attributes.push(integer("count_include_pad", 0));
            graph.then("AveragePool", "AveragePool", vec![], attributes);
        }
        LayerOp::GlobalAvgPool(_) => {
            graph.images(input);
            graph.then("GlobalAveragePool", "GlobalAveragePool", vec![], vec![]);
            graph.rows(output);
        }
        LayerOp::Flatten(_) => graph.rows(input),
        LayerOp::Unflatten(_) => {
            graph.rows(input);
            graph.reshape(output);
        }
    }
    Ok(())
}

/// A product with the layer's weights, and its bias.
fn weighted(
    graph: &mut Graph,
    p: &Parameters<'_>,
    i: usize,
    op: &str,
    attributes: Vec<AttributeProto>,
) -> Result<()> {
    let (shape, weight) = p.weight(i)?;
    let mut operands = vec![graph.floats("weight", &shape, &weight)];
    if let Some((shape, bias)) = p.get(i, "bias")? {
        operands.push(graph.floats("bias", &shape, &bias));
    }
    graph.then(op, op, operands, attributes);
    Ok(())
}

/// `kernel_shape`, `strides` and `pads` of a convolution or of pooling.
fn window(layer: &LayerShape) -> Vec<AttributeProto> {
    let Some(w) = layer.window else { return vec![] };
    // What the last window needs beyond the image; less than nothing where windows leave out its edge.
    let after = |input: u32, output: u32, before: u32| {
        ((output.max(1) - 1) * w.stride + w.kernel).saturating_sub(input + before)
    };
    let bottom = after(layer.input.height, layer.output.height, w.pad_top);
    let right = after(layer.input.width, layer.output.width, w.pad_left);
    vec![
        integers("kernel_shape", [w.kernel; 2]),
        integers("strides", [w.stride; 2]),
        integers("pads", [w.pad_top, w.pad_left, bottom, right]),
    ]
}

/// The same of a transposed convolution, with `output_padding` where its output ends behind the last window.
fn transposed_window(layer: &LayerShape) -> Vec<AttributeProto> {
    let Some(w) = layer.window else { return vec![] };
    // (cut off at the end, added there)
    let after = |input: u32, output: u32, before: u32| {
        let (reach, wanted) = ((input.max(1) - 1) * w.stride + w.kernel, output + before);
        (reach.saturating_sub(wanted), wanted.saturating_sub(reach))
    };
    let (bottom, below) = after(layer.input.height, layer.output.height, w.pad_top);
    let (right, beside) = after(layer.input.width, layer.output.width, w.pad_left);
    vec![
        integers("kernel_shape", [w.kernel; 2]),
        integers("strides", [w.stride; 2]),
        integers("pads", [w.pad_top, w.pad_left, bottom, right]),
        integers("output_padding", [below, beside]),
    ]
}

fn batch_norm(
    graph: &mut Graph,
    p: &Parameters<'_>,
    i: usize,
    settings: &BatchNorm,
    layer: &LayerShape,
) -> Result<()> {
    graph.channels_first(layer.input);
    let channels = layer.output.channels;
    let mut operands = vec![];
    // Scale and bias need not be trained; the operator wants them.
    for (name, otherwise) in [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)] {
        let values = p.get(i, name)?.map_or_else(|| vec![otherwise; channels as usize], |(_, values)| values);
        operands.push(graph.floats(name, &[channels], &values));
    }
    let op = "BatchNormalization";
    graph.then(op, op, operands, vec![float("epsilon", settings.eps)]);
    Ok(())
}

/// Beside each row its mean closeness to the rows of the call: `1/n sum_j exp(-||M[i, b] - M[j, b]||_1)`. A scan takes one
/// row i after the other, so that memory grows with n and not with its square.
fn minibatch_discrimination(
    graph: &mut Graph,
    p: &Parameters<'_>,
    i: usize,
    settings: &MinibatchDiscrimination,
) -> Result<()> {
    let (kernels, dims) = (settings.kernels, settings.dims);
    let (shape, weight) = p.weight(i)?;
    let weight = graph.floats("weight", &shape, &weight);
    let features = graph.at();
    let product = graph.beside("product", "Gemm", vec![features, weight], vec![integer("transB", 1)]);
    let sizes = graph.integers("compared_sizes", &[0, kernels.into(), dims.into()]);
    let compared = graph.beside("compared", "Reshape", vec![product, sizes], vec![]);
    let last = graph.integers("last_axis", &[2]);
    let body = closeness(&compared, &last, Dims { height: 1, width: kernels, channels: dims });
    let scan = vec![subgraph("body", body), integer("num_scan_inputs", 1)];
    let closeness = graph.beside("closeness", "Scan", vec![compared], scan);
    graph.then("Concat", "Concat", vec![closeness], vec![integer("axis", 1)]);
    Ok(())
}

/// Of one row `[B, C]` its closeness `[B]` to all rows `compared`, `[n, B, C]`, a tensor of the graph around this one.
fn closeness(compared: &str, last_axis: &str, sizes: Dims) -> GraphProto {
    let (row, out) = (format!("{compared}.row"), format!("{compared}.row_closeness"));
    let mut nodes = vec![];
    let mut at = row.clone();
    let mut then = |what: &str, op: &str, others: &[&str], attributes| {
        let name = if what.is_empty() { out.clone() } else { format!("{compared}.{what}") };
        let inputs = std::iter::once(at.clone()).chain(others.iter().map(|o| o.to_string())).collect();
        nodes.push(node(&name, op, inputs, &name, attributes));
        at = name;
    };
    then("differences", "Sub", &[compared], vec![]);
    then("absolute", "Abs", &[], vec![]);
    then("distances", "ReduceSum", &[last_axis], vec![integer("keepdims", 0)]);
    then("negative", "Neg", &[], vec![]);
    then("exponential", "Exp", &[], vec![]);
    then("", "ReduceMean", &[], vec![integers("axes", [0]), integer("keepdims", 0)]);
    GraphProto {
        node: nodes,
        name: format!("{compared}.body"),
        initializer: vec![],
        input: vec![value(&row, FLOAT, vec![size(sizes.width), size(sizes.channels)], "")],
        output: vec![value(&out, FLOAT, vec![size(sizes.width)], "")],
    }
}
