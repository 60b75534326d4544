use super::proto::NodeProto;
use super::*;
use crate::app::source::images::policy::Fit;
use crate::model::parse;
use crate::shape::Dims;
use crate::train::checkpoint::TensorData;
use std::collections::{BTreeMap, BTreeSet};

const IMAGE: Dims = Dims { height: 5, width: 7, channels: 2 };

const LAYERS: &str = r#"
    { op = "random_shift", pixels = 1 },
    { op = "conv2d", channels = 3, kernel = 4, stride = 2, weight_norm = "fixed" },
    { op = "batch_norm", scale = false },
    { op = "leaky_relu", slope = 0.25 },
    { op = "conv_transpose2d", channels = 2, kernel = 2, stride = 3, bias = false },
    { op = "avg_pool2d", kernel = 5, stride = 4, padding = 2 },
    { op = "flatten", feature = true },
    { op = "minibatch_discrimination", kernels = 2, dims = 3 },
    { op = "dropout", rate = 0.5 },
    { op = "dense", units = "classes" },
"#;

fn model() -> ModelShape {
    let toml = format!(
        "name = \"m\"\n[discriminator]\nlayers = [{LAYERS}]\n[generator]\nlatent = 2\nlayers = [\n\
         {{ op = \"dense\", units = \"pixels\" }}, {{ op = \"sigmoid\" }} ]\n"
    );
    let spec = parse::parse(&toml, "m").unwrap();
    parse::check(&spec, &toml, "m", DataShape { image: IMAGE, classes: 3 }).unwrap()
}

/// Parameters of all values; the averages of trained ones are three times as large, and half of that when corrected.
fn checkpoint(model: &ModelShape) -> Checkpoint {
    let mut tensors = vec![];
    for (i, layer) in model.discriminator.layers.iter().enumerate() {
        for p in layer.params() {
            let values: Vec<f32> = (0..p.len()).map(|e| 0.25 * (1 + e % 5) as f32).collect();
            let averages = values.iter().map(|v| 3.0 * v).collect();
            let shape: Vec<usize> = p.shape.iter().map(|&d| d as usize).collect();
            let tensor = |prefix: &str, shape, values| {
                let name = format!("{prefix}.{i}.{}", p.name);
                TensorData { name, shape, values }
            };
            if p.trained {
                tensors.push(tensor("average.discriminator", shape.clone(), averages));
            }
            tensors.push(tensor("discriminator", shape, values));
        }
    }
    let told = [("average_scale", "0.5"), ("dataset", "d"), ("step", "7")];
    Checkpoint { tensors, metadata: told.map(|(k, v)| (k.to_string(), v.to_string())).into() }
}

fn exported(averaged: bool) -> ModelProto {
    let model = model();
    let origin =
        Origin { averaged, class_names: vec!["a".into(), "b\"".into(), "c".into()], ..Default::default() };
    let bytes = encode(&checkpoint(&model), &model, &origin).unwrap();
    assert!(is_ours(&bytes));
    ModelProto::decode(&bytes[..]).unwrap()
}

fn node_of<'a>(graph: &'a GraphProto, op: &str) -> &'a NodeProto {
    graph.node.iter().find(|n| n.op_type == op).unwrap_or_else(|| panic!("no {op}"))
}

fn numbers(node: &NodeProto, name: &str) -> Vec<i64> {
    let attribute = node.attribute.iter().find(|a| a.name == name);
    attribute.unwrap_or_else(|| panic!("{}: no {name}", node.name)).ints.clone()
}

fn values(graph: &GraphProto, name: &str) -> Vec<f32> {
    let tensor = graph.initializer.iter().find(|t| t.name == name).unwrap_or_else(|| panic!("no {name}"));
    tensor.raw_data.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
}

/// What a node reads is there before it, and no name is given twice.
fn check_order(graph: &GraphProto, around: &BTreeSet<String>) {
    let mut there = around.clone();
    let known = graph.initializer.iter().map(|t| &t.name).chain(graph.input.iter().map(|v| &v.name));
    for name in known {
        assert!(there.insert(name.clone()), "{name} twice");
    }
    for node in &graph.node {
        for input in &node.input {
            assert!(there.contains(input), "{} reads {input} before it is made", node.name);
        }
        for body in node.attribute.iter().filter_map(|a| a.g.as_ref()) {
            check_order(body, &there);
        }
        assert!(there.insert(node.output[0].clone()), "{} twice", node.output[0]);
    }
    assert!(graph.output.iter().all(|v| there.contains(&v.name)));
}

#[test]
fn every_tensor_is_made_before_it_is_read() {
    check_order(&exported(false).graph.unwrap(), &BTreeSet::new());
    for (name, _) in parse::BUILT_IN {
        let (text, spec) = parse::built_in(name).unwrap();
        let data = DataShape { image: Dims { height: 28, width: 28, channels: 1 }, classes: 10 };
        let model = parse::check(&spec.unwrap(), text, name, data).unwrap();
        let graph = graph(&checkpoint(&model), &model, false).unwrap();
        check_order(&graph, &BTreeSet::new());
        for tensor in &graph.initializer {
            let size = if tensor.data_type == FLOAT { 4 } else { 8 };
            let count: i64 = tensor.dims.iter().product();
            assert_eq!(tensor.raw_data.len() as i64, size * count, "{name}: {}", tensor.name);
        }
    }
}

#[test]
fn layers_become_operators_of_evaluation() {
    let graph = exported(false).graph.unwrap();
    let ops: Vec<&str> = graph.node.iter().map(|n| n.op_type.as_str()).collect();
    let expected = "Cast Div Transpose Conv BatchNormalization LeakyRelu ConvTranspose AveragePool Transpose Flatten Gemm \
                    Reshape Scan Concat Gemm Softmax";
    assert_eq!(ops.join(" "), expected);
    // 5 x 7 by windows of 4 in steps of 2: 3 x 4 of them reach over 8 x 10 pixels, the odd one at the end.
    assert_eq!(numbers(node_of(&graph, "Conv"), "pads"), [1, 1, 2, 2]);
    // Windows of 2 in steps of 3: the output ends a pixel behind the last.
    let transposed = node_of(&graph, "ConvTranspose");
    assert_eq!(numbers(transposed, "pads"), [0, 0, 0, 0]);
    assert_eq!(numbers(transposed, "output_padding"), [1, 1]);
    // 9 x 12 padded by 2: 3 x 3 windows of 5 in steps of 4, of which those of the width end a pixel early.
    assert_eq!(numbers(node_of(&graph, "AveragePool"), "pads"), [2, 2, 2, 0]);
    let [last] = &node_of(&graph, "Scan").output[..] else { panic!() };
    assert_eq!(node_of(&graph, "Concat").input[1], *last);
    assert_eq!(node_of(&graph, "Softmax").input, [LOGITS]);
}

#[test]
fn parameters_are_those_of_evaluation() {
    let [raw, averaged] = [false, true].map(|averaged| exported(averaged).graph.unwrap());
    let bias = values(&raw, "discriminator.1.bias");
    assert_eq!(bias, [0.25, 0.5, 0.75]);
    assert_eq!(values(&averaged, "discriminator.1.bias"), [0.375, 0.75, 1.125]);
    // Running statistics have no average, the scale that is not trained is 1.
    for graph in [&raw, &averaged] {
        assert_eq!(values(graph, "discriminator.2.running_mean"), [0.25, 0.5, 0.75]);
        assert_eq!(values(graph, "discriminator.2.weight"), [1.0; 3]);
    }
    // The directions that are averaged are the same, and so are the weights, whose norms are g.
    let weight = values(&raw, "discriminator.1.weight");
    let norm = |row: &[f32]| row.iter().map(|v| v * v).sum::<f32>().sqrt();
    let norms: Vec<f32> = weight.chunks(weight.len() / 3).map(norm).collect();
    assert!(norms.iter().zip([0.25, 0.5, 0.75]).all(|(n, g)| (n - g).abs() < 1e-6), "{norms:?}");
    assert_eq!(values(&averaged, "discriminator.1.weight"), weight);
}

#[test]
fn metadata_tell_where_a_model_comes_from() {
    let model = exported(true);
    let told: BTreeMap<String, String> = model.metadata_props.into_iter().map(|e| (e.key, e.value)).collect();
    for (key, value) in [
        ("class_names", r#"["a","b\"","c"]"#),
        ("image_height", "5"),
        ("image_width", "7"),
        ("image_channels", "2"),
        ("model", "m"),
        ("parameters", "averaged"),
        ("dataset", "d"),
        ("step", "7"),
    ] {
        assert_eq!(told[key], value, "{key}");
    }
    assert!(!told.contains_key("seed"), "the checkpoint does not say");
    assert!(model.doc_string.contains("depends on those beside it"), "{}", model.doc_string);
}

/// Whoever prepares images elsewhere is told how the run's were.
#[test]
fn metadata_tell_how_images_are_prepared() {
    let model = model();
    let told = |policy: Option<Policy>| -> BTreeMap<String, String> {
        let origin = Origin { policy, ..Default::default() };
        let bytes = encode(&checkpoint(&model), &model, &origin).unwrap();
        let file = ModelProto::decode(&bytes[..]).unwrap();
        file.metadata_props.into_iter().map(|e| (e.key, e.value)).collect()
    };
    let none = told(None);
    assert_eq!(none["value_range"], "0 to 255");
    assert!(["fit", "resample", "alpha", "fill", "gray"].iter().all(|key| !none.contains_key(*key)));
    let policy = |channels, fit| told(Some(Policy { height: 5, width: 7, channels, fit }));
    let gray = policy(1, Fit::Letterbox);
    for (key, value) in [
        ("fit", "letterbox"),
        ("resample", "bilinear, antialiased"),
        ("alpha", "on 255"),
        ("fill", "0"),
        ("gray", "0.2126 R + 0.7152 G + 0.0722 B"),
    ] {
        assert_eq!(gray[key], value, "{key}");
    }
    let colour = policy(3, Fit::Crop);
    assert_eq!(colour["fit"], "crop");
    assert!(["fill", "gray"].iter().all(|key| !colour.contains_key(*key)), "{colour:?}");
}

#[test]
fn what_cannot_be_computed_is_refused() {
    let model = model();
    let code = |change: &dyn Fn(&mut Checkpoint), averaged| {
        let mut c = checkpoint(&model);
        change(&mut c);
        let origin = Origin { averaged, ..Default::default() };
        encode(&c, &model, &origin).map(drop).map_err(|e| e.exit_code())
    };
    let tensor = |c: &mut Checkpoint, name: &str| c.tensors.iter().position(|t| t.name == name).unwrap();
    let broken = |name: &'static str| {
        move |c: &mut Checkpoint| {
            let i = tensor(c, name);
            c.tensors[i].values[0] = f32::INFINITY;
        }
    };
    let gone = |name: &'static str| {
        move |c: &mut Checkpoint| {
            let i = tensor(c, name);
            c.tensors.remove(i);
        }
    };
    assert_eq!(code(&|_| {}, true), Ok(()));
    assert_eq!(code(&broken("discriminator.9.bias"), false), Err(8));
    assert_eq!(code(&broken("average.discriminator.9.bias"), true), Err(8));
    assert_eq!(code(&broken("average.discriminator.9.bias"), false), Ok(()));
    assert_eq!(code(&gone("discriminator.1.weight_g"), false), Err(7));
    assert_eq!(code(&gone("average.discriminator.1.weight_v"), true), Err(7));
    assert_eq!(code(&|c| drop(c.metadata.remove("average_scale")), true), Err(7));
    assert_eq!(code(&|c| drop(c.metadata.insert("average_scale".into(), "x".into())), true), Err(7));
    // Nothing was averaged before the first step.
    let at_start = |c: &mut Checkpoint| drop(c.metadata.insert("step".into(), "0".into()));
    assert_eq!((code(&at_start, true), code(&at_start, false)), (Err(7), Ok(())));
    // Each class has a name, or none has.
    let origin = Origin { class_names: vec!["a".into(), "b".into()], ..Default::default() };
    assert_eq!(encode(&checkpoint(&model), &model, &origin).unwrap_err().exit_code(), 2);
}
